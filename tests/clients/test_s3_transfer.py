"""boto3's transfer manager: many parts at once, both ways."""

import concurrent.futures
import hashlib
import io
import os

import pytest
from boto3.s3.transfer import TransferConfig

MIB = 1 << 20
SIZE = 64 * MIB
#: Parts of the smallest size that S3 takes, many at a time.
PARTS = TransferConfig(multipart_threshold=6 * MIB, multipart_chunksize=5 * MIB, max_concurrency=8, io_chunksize=64 * 1024)


@pytest.fixture
def s3(danbi):
    client = danbi.client("s3")
    client.create_bucket(Bucket="box")
    return client


def test_a_large_file_goes_up_and_comes_down_in_parts(s3, tmp_path):
    path = tmp_path / "up"
    path.write_bytes(os.urandom(SIZE + 12345))
    s3.upload_file(str(path), "box", "large", Config=PARTS, ExtraArgs={"Metadata": {"from": "transfer"}, "ContentType": "x/y"})
    head = s3.head_object(Bucket="box", Key="large")
    assert (head["ContentLength"], head["Metadata"], head["ContentType"]) == (SIZE + 12345, {"from": "transfer"}, "x/y")
    assert head["ETag"].endswith('-13"')
    s3.download_file("box", "large", str(tmp_path / "down"), Config=PARTS)
    assert (tmp_path / "down").read_bytes() == path.read_bytes()
    # A copy of so large an object is made of ranges.
    s3.copy({"Bucket": "box", "Key": "large"}, "box", "copy", Config=PARTS)
    body = s3.get_object(Bucket="box", Key="copy")["Body"]
    assert hashlib.sha256(body.read()).digest() == hashlib.sha256(path.read_bytes()).digest()
    assert "Contents" not in s3.list_objects_v2(Bucket="box", Prefix="none")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="box")


def test_many_transfers_at_once(s3):
    bodies = [os.urandom(size) for size in (0, 1, 1000, 70_000, 6 * MIB - 1, 6 * MIB, 11 * MIB)] * 3

    def there_and_back(numbered):
        number, body = numbered
        s3.upload_fileobj(io.BytesIO(body), "box", f"many/{number}", Config=PARTS)
        back = io.BytesIO()
        s3.download_fileobj("box", f"many/{number}", back, Config=PARTS)
        return back.getvalue() == body

    with concurrent.futures.ThreadPoolExecutor(6) as threads:
        assert all(threads.map(there_and_back, enumerate(bodies)))
    listed = s3.list_objects_v2(Bucket="box", Prefix="many/")["Contents"]
    assert sorted(o["Size"] for o in listed) == sorted(map(len, bodies))
