"""Work that nobody waits for: an asynchronous task and a schedule, both run by Zappa."""

from zappa.asynchronous import task

from .models import Digest, Item


@task
def make_digest():
    """Counts the list; asked for by a button, done after the answer has gone out."""
    items = Item.objects.filter(archived=False)
    digest = Digest.objects.create(open_items=items.filter(done=False).count(), done_items=items.filter(done=True).count())
    print(f"digest {digest.id}: {digest.open_items} open, {digest.done_items} done")
    return {"id": digest.id}


def archive_done(event, context):
    """Puts away what is done; on a schedule."""
    count = Item.objects.filter(done=True, archived=False).update(archived=True)
    print(f"archived {count} items")
    return count
