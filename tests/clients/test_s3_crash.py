"""`kill -9` in the middle of uploads, completes, copies and deletes; and bytes that rot on the disk.

A few cycles in each run; `DANBI_S3_CRASH_CYCLES=1000` for as many as wanted by hand.
"""

import hashlib
import os
import pathlib
import random
import threading
import time

import botocore.exceptions
import pytest

CYCLES = int(os.environ.get("DANBI_S3_CRASH_CYCLES", "4"))
WORKERS = 4
MIB = 1 << 20
#: Within the store, in one blob, in several pieces.
SIZES = (0, 100, 5_000, 70_000, 300_000, 3 * MIB)
BROKEN = (botocore.exceptions.ConnectionError, botocore.exceptions.HTTPClientError, ConnectionError)


def digest(body):
    return hashlib.sha256(body).hexdigest()


class Worker(threading.Thread):
    """Changes keys that are its own, one at a time, and remembers what was acknowledged and what was under way."""

    def __init__(self, number, bucket, client, seed):
        super().__init__(daemon=True)
        self.number, self.bucket, self.client, self.random = number, bucket, client, random.Random(seed)
        #: What each key must hold: one of these digests; `None` stands for no object.
        self.may_hold = {}
        #: Contents of every version that was acknowledged and not deleted, by version id.
        self.versions = {}
        self.failure = None
        self.acknowledged = 0

    def run(self):
        try:
            while True:
                self.step()
                self.acknowledged += 1
        except BROKEN:
            pass
        except Exception as error:  # noqa: BLE001 - told by the test
            self.failure = error

    def step(self):
        key = f"w{self.number}/{self.random.randrange(12)}"
        kind = self.random.choices(("put", "multipart", "copy", "delete", "abort"), (10, 2, 3, 4, 1))[0]
        {"put": self.put, "multipart": self.multipart, "copy": self.copy, "delete": self.delete, "abort": self.abort}[kind](key)

    def changing(self, key, to):
        """From now on until the answer, `key` may hold what it held or `to`."""
        self.may_hold[key] = self.may_hold.get(key, {None}) | {to}

    def changed(self, key, to, answer):
        self.may_hold[key] = {to}
        if answer.get("VersionId") and to:
            self.versions[(key, answer["VersionId"])] = to

    def body(self):
        return self.random.randbytes(self.random.choice(SIZES))

    def put(self, key):
        body = self.body()
        self.changing(key, digest(body))
        self.changed(key, digest(body), self.client.put_object(Bucket=self.bucket, Key=key, Body=body))

    def multipart(self, key):
        bodies = [self.random.randbytes(5 * MIB), self.body() + b"end"]
        upload = self.client.create_multipart_upload(Bucket=self.bucket, Key=key)["UploadId"]
        parts = [
            {"PartNumber": number, "ETag": self.client.upload_part(Bucket=self.bucket, Key=key, UploadId=upload, PartNumber=number, Body=body)["ETag"]}
            for number, body in enumerate(bodies, 1)
        ]
        whole = digest(b"".join(bodies))
        self.changing(key, whole)
        self.changed(key, whole, self.client.complete_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}))

    def copy(self, key):
        sure = [(source, *held) for source, held in self.may_hold.items() if len(held) == 1 and held != {None}]
        if not sure:
            return
        source, held = self.random.choice(sure)
        if source == key:
            return
        self.changing(key, held)
        self.changed(key, held, self.client.copy_object(Bucket=self.bucket, Key=key, CopySource={"Bucket": self.bucket, "Key": source}))

    def delete(self, key):
        self.changing(key, None)
        self.changed(key, None, self.client.delete_object(Bucket=self.bucket, Key=key))

    def abort(self, key):
        upload = self.client.create_multipart_upload(Bucket=self.bucket, Key=key)["UploadId"]
        self.client.upload_part(Bucket=self.bucket, Key=key, UploadId=upload, PartNumber=1, Body=self.random.randbytes(200_000))
        self.client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload)


def read(client, bucket, key, **more):
    """The digest of what a key holds, `None` when there is no object; a short body is an error of the client."""
    try:
        return digest(client.get_object(Bucket=bucket, Key=key, **more)["Body"].read())
    except client.exceptions.NoSuchKey:
        return None


def check(client, bucket, workers):
    """Every key holds what it must, every version too, and the listing says the same."""
    listed = {}
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        listed |= {entry["Key"]: entry for entry in page.get("Contents", [])}
    for worker in workers:
        for key, may_hold in worker.may_hold.items():
            held = read(client, bucket, key)
            assert held in may_hold, f"{key} holds {held}, not one of {may_hold}"
            assert (key in listed) == (held is not None), f"{key} is listed wrongly"
            worker.may_hold[key] = {held}
        for (key, version), expected in worker.versions.items():
            assert read(client, bucket, key, VersionId=version) == expected, f"{key} version {version}"


def blob_files(danbi):
    folder = pathlib.Path(danbi.data) / "blobs"
    return [path for path in folder.rglob("*") if path.is_file()]


def empty(client, bucket):
    """Removes every version, upload and bucket."""
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
        entries = page.get("Versions", []) + page.get("DeleteMarkers", [])
        for entry in entries:
            client.delete_object(Bucket=bucket, Key=entry["Key"], VersionId=entry["VersionId"])
    for upload in client.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
        client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    client.delete_bucket(Bucket=bucket)


@pytest.mark.parametrize("versioned", [False, True], ids=["plain", "versioned"])
def test_nothing_acknowledged_is_lost_and_nothing_half_is_seen(danbi_with, versioned):
    danbi = danbi_with(DANBI_COLLECT_MS="300,60000")
    client = danbi.client("s3")
    client.create_bucket(Bucket="box")
    if versioned:
        client.put_bucket_versioning(Bucket="box", VersioningConfiguration={"Status": "Enabled"})
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    workers = [Worker(number, "box", client, f"{seed}-0-{number}") for number in range(WORKERS)]
    for cycle in range(CYCLES):
        for worker in workers:
            worker.start()
        wanted = chance.randrange(1, 60)
        deadline = time.monotonic() + 30
        while sum(worker.acknowledged for worker in workers) < wanted and time.monotonic() < deadline and not any(worker.failure for worker in workers):
            time.sleep(0.001)
        danbi.kill_9()
        for worker in workers:
            worker.join(60)
            assert worker.failure is None, worker.failure
        danbi.start()
        client = danbi.client("s3")
        check(client, "box", workers)
        fresh = [Worker(worker.number, "box", client, f"{seed}-{cycle + 1}-{worker.number}") for worker in workers]
        for worker, old in zip(fresh, workers):
            worker.may_hold, worker.versions = old.may_hold, old.versions
        workers = fresh
    # With a grace of nothing the collector finds every byte that nobody refers to, and none that somebody does.
    danbi.terminate()
    danbi.environment["DANBI_COLLECT_MS"] = "200,0"
    danbi.start()
    client = danbi.client("s3")
    check(client, "box", workers)
    empty(client, "box")
    danbi.wait_until(lambda: not blob_files(danbi), 60)


def flip(path):
    """Turns one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x04
    path.write_bytes(content)


def test_rotten_bytes_are_never_given_out(danbi):
    client = danbi.client("s3")
    client.create_bucket(Bucket="box")
    bodies = {"one": os.urandom(300_000), "large": os.urandom(9 * MIB)}
    for key, body in bodies.items():
        client.put_object(Bucket="box", Key=key, Body=body)
    for path in blob_files(danbi):
        flip(path)
    for key, body in bodies.items():
        with pytest.raises((botocore.exceptions.ClientError, botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError, botocore.exceptions.ResponseStreamingError, botocore.exceptions.IncompleteReadError)):
            client.get_object(Bucket="box", Key=key)["Body"].read()
        middle = len(body) // 2
        with pytest.raises((botocore.exceptions.ClientError, botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError, botocore.exceptions.ResponseStreamingError, botocore.exceptions.IncompleteReadError)):
            client.get_object(Bucket="box", Key=key, Range=f"bytes={middle - 2000}-{middle + 2000}")["Body"].read()
    # The rest of a large object, far from the damage, is sound and is given out.
    assert client.get_object(Bucket="box", Key="large", Range="bytes=0-999")["Body"].read() == bodies["large"][:1000]
    assert "damaged" in danbi.log() or "not match" in danbi.log(), danbi.log()
    # Put again, it is whole again.
    client.put_object(Bucket="box", Key="one", Body=bodies["one"])
    assert client.get_object(Bucket="box", Key="one")["Body"].read() == bodies["one"]
