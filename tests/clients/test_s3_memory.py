"""Large objects in little memory and on one disk: a GiB up and down, in one request and in parts.

`DANBI_S3_LARGE_GIB=5` makes it five.
"""

import http.client
import os
import pathlib
import shutil
import urllib.parse

import pytest

MIB = 1 << 20
SIZE = int(os.environ.get("DANBI_S3_LARGE_GIB", "1")) << 30
PART = 256 * MIB
#: What the peak of resident memory may grow by while an object passes, whatever the object's size.
GROWTH_MIB = 64
TIMEOUT = 600

BLOCK = os.urandom(MIB - 8)


def pieces(begin, end):
    """The bytes of the object from one MiB to another: no MiB is like any other, and none is ever kept."""
    for number in range(begin // MIB, end // MIB):
        yield number.to_bytes(8, "big") + BLOCK


def put(url, begin, end):
    """Sends without a hash of the body, from a generator; the entity tag."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT)
    try:
        connection.request("PUT", f"{parts.path}?{parts.query}", pieces(begin, end), {"Content-Length": str(end - begin)})
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        return answer.headers["ETag"]
    finally:
        connection.close()


def check(body):
    """Compares a download with what was sent, MiB by MiB."""
    for number, wanted in enumerate(pieces(0, SIZE)):
        assert body.read(MIB) == wanted, f"MiB {number} differs"
    assert body.read(1) == b""


class Watch:
    """What the peak of the server's memory grew by since it was made."""

    def __init__(self, danbi):
        self.process = pathlib.Path(f"/proc/{danbi.process.pid}")
        # Forgets the peak of before.
        (self.process / "clear_refs").write_text("5")
        self.before = self.read("VmRSS")

    def read(self, name):
        lines = dict(line.split(":", 1) for line in (self.process / "status").read_text().splitlines())
        return int(lines[name].split()[0]) / 1024

    def growth(self):
        return self.read("VmHWM") - self.before


def on_disk(danbi):
    files = [path for path in danbi.data.rglob("*") if path.is_file()]
    return sum(path.stat().st_blocks * 512 for path in files)


@pytest.fixture
def s3(danbi):
    client = danbi.client("s3")
    client.create_bucket(Bucket="box")
    # What every server makes once is not what an object takes.
    client.put_object(Bucket="box", Key="first", Body=os.urandom(8 * MIB))
    assert len(client.get_object(Bucket="box", Key="first")["Body"].read()) == 8 * MIB
    client.delete_object(Bucket="box", Key="first")
    yield client
    # Nobody wants to keep gigabytes of a test that is over.
    danbi.end()
    shutil.rmtree(danbi.data)


@pytest.mark.parametrize("way", ["one request", "parts"])
def test_memory_and_disk_do_not_pay_twice(danbi, s3, way):
    empty = on_disk(danbi)
    watch = Watch(danbi)
    if way == "one request":
        put(s3.generate_presigned_url("put_object", Params={"Bucket": "box", "Key": "large"}), 0, SIZE)
    else:
        upload = {"Bucket": "box", "Key": "large", "UploadId": s3.create_multipart_upload(Bucket="box", Key="large")["UploadId"]}
        made = []
        for number, begin in enumerate(range(0, SIZE, PART), 1):
            url = s3.generate_presigned_url("upload_part", Params={**upload, "PartNumber": number})
            made.append({"PartNumber": number, "ETag": put(url, begin, min(begin + PART, SIZE))})
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": made})
    up = watch.growth()
    # One copy, and what encryption and the log of the store add.
    assert on_disk(danbi) - empty < SIZE * 1.02 + 64 * MIB
    check(s3.get_object(Bucket="box", Key="large")["Body"])
    down = watch.growth()
    assert max(up, down) <= GROWTH_MIB, f"{up:.0f} MiB up, {down:.0f} MiB up and down"
    print(f"{SIZE >> 30} GiB by {way}: memory grew by {up:.1f} MiB up, {down:.1f} MiB up and down")
