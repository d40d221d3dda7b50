"""Websites and public objects as browsers and caches ask for them: revalidation, ranges, and nothing that is stale."""

import json
import os

import pytest

BUCKET = "site"
KIB = 1 << 10


@pytest.fixture
def s3(danbi):
    client = danbi.client("s3")
    client.create_bucket(Bucket=BUCKET)
    client.delete_public_access_block(Bucket=BUCKET)
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
    client.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    client.put_bucket_website(Bucket=BUCKET, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "oops.html"}})
    return client


@pytest.fixture(params=["website", "object"])
def address(request, danbi):
    """Where a page is, on the website and in the API."""
    return {"website": f"{danbi.url}/_aws/s3-website/{BUCKET}", "object": f"{danbi.url}/{BUCKET}"}[request.param]


# In the store, in memory after the first read, and streamed from the disk each time.
@pytest.mark.parametrize("size", [1 * KIB, 200 * KIB, 3000 * KIB])
def test_a_cache_in_front_is_told_what_it_needs(danbi, s3, address, size):
    body = os.urandom(size)
    s3.put_object(Bucket=BUCKET, Key="a.js", Body=body, ContentType="text/javascript", CacheControl="public, max-age=60")
    get = lambda **headers: danbi.http("GET", f"{address}/a.js", headers={name.replace("_", "-"): value for name, value in headers.items()})
    for _ in range(3):
        first = get()
        assert (first.status, first.body, first.headers["Cache-Control"], first.headers["Accept-Ranges"]) == (200, body, "public, max-age=60", "bytes")
    tag, changed = first.headers["ETag"], first.headers["Last-Modified"]
    for condition in ({"If_None_Match": tag}, {"If_None_Match": f'"other", {tag}'}, {"If_Modified_Since": changed}):
        again = get(**condition)
        assert (again.status, again.body, again.headers["ETag"], again.headers["Cache-Control"]) == (304, b"", tag, "public, max-age=60")
    assert get(If_None_Match='"other"').status == 200
    assert get(If_Match='"other"').status == 412
    part = get(Range="bytes=100-199")
    assert (part.status, part.body, part.headers["Content-Range"]) == (206, body[100:200], f"bytes 100-199/{size}")
    assert get(Range="bytes=-10").body == body[-10:]
    assert get(Range=f"bytes={size}-").status == 416
    # A download that goes on where it broke off, if the object is still the same.
    for state, status in ((tag, 206), (changed, 206), ('"other"', 200), ("Sun, 23 Dec 2012 00:00:00 GMT", 200)):
        answer = get(Range="bytes=5-", If_Range=state)
        assert (answer.status, answer.body) == (status, body[5:] if status == 206 else body)

    # Whatever changes is seen by the next request.
    other = os.urandom(size)
    s3.put_object(Bucket=BUCKET, Key="a.js", Body=other)
    assert get(If_None_Match=tag).body == other
    s3.delete_object(Bucket=BUCKET, Key="a.js")
    assert get().status in (403, 404)
    s3.put_object(Bucket=BUCKET, Key="a.js", Body=body)
    assert get().body == body
    s3.delete_bucket_policy(Bucket=BUCKET)
    assert get().status == 403


def test_a_website_has_an_index_and_an_error_page(danbi, s3):
    site = f"{danbi.url}/_aws/s3-website/{BUCKET}"
    s3.put_object(Bucket=BUCKET, Key="index.html", Body=b"home", ContentType="text/html")
    s3.put_object(Bucket=BUCKET, Key="docs/index.html", Body=b"docs", ContentType="text/html")
    s3.put_object(Bucket=BUCKET, Key="oops.html", Body=b"oops", ContentType="text/html")
    home = danbi.http("GET", f"{site}/")
    assert (home.status, home.body, home.headers["Content-Type"]) == (200, b"home", "text/html")
    assert danbi.http("GET", f"{site}/docs").headers["Location"].endswith("/docs/")
    assert danbi.http("GET", f"{site}/docs/").body == b"docs"
    missing = danbi.http("GET", f"{site}/none")
    assert (missing.status, missing.body) == (403, b"oops")
    head = danbi.http("HEAD", f"{site}/")
    assert (head.status, head.body, head.headers["ETag"]) == (200, b"", home.headers["ETag"])
