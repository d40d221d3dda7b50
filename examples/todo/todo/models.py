from django.db import models


class Item(models.Model):
    """One thing to do."""

    title = models.CharField(max_length=200)
    done = models.BooleanField(default=False)
    archived = models.BooleanField(default=False)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["created", "id"]


class Digest(models.Model):
    """What the list looked like when somebody asked for a digest."""

    open_items = models.PositiveIntegerField()
    done_items = models.PositiveIntegerField()
    made = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-made", "-id"]
