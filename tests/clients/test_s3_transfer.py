"""boto3's transfer manager: many parts at once, both ways."""

import concurrent.futures
import hashlib
import io
import json
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


def bdecoded(data, at=0):
    """A value of a torrent file and where it ends."""
    if data[at : at + 1] == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1 : end]), end + 1
    if data[at : at + 1] == b"d":
        values, at = {}, at + 1
        while data[at : at + 1] != b"e":
            key, at = bdecoded(data, at)
            values[key.decode()], at = bdecoded(data, at)
        return values, at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    return data[colon + 1 : end], end


def test_an_object_seeds_its_torrent(danbi, s3):
    content = os.urandom(3 * MIB + 7)
    s3.put_object(Bucket="box", Key="films/a b.mpg", Body=content)
    answer = s3.get_object_torrent(Bucket="box", Key="films/a b.mpg")
    assert answer["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "application/x-bittorrent"
    data = answer["Body"].read()
    torrent, end = bdecoded(data)
    assert end == len(data) and sorted(torrent) == ["info", "url-list"]
    info = torrent["info"]
    assert (info["length"], info["name"]) == (len(content), b"a b.mpg")
    pieces = [content[at : at + info["piece length"]] for at in range(0, len(content), info["piece length"])]
    assert info["pieces"] == b"".join(hashlib.sha1(piece).digest() for piece in pieces)
    # What a client fetches there, when everybody may.
    s3.delete_public_access_block(Bucket="box")
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::box/*"}
    s3.put_bucket_policy(Bucket="box", Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert torrent["url-list"].decode() == f"{danbi.url}/box/films/a%20b.mpg"
    fetched = danbi.http("GET", torrent["url-list"].decode(), headers={"Range": f"bytes=0-{info['piece length'] - 1}"})
    assert (fetched.status, fetched.body) == (206, pieces[0])
    with pytest.raises(s3.exceptions.ClientError) as missing:
        s3.get_object_torrent(Bucket="box", Key="none")
    assert missing.value.response["Error"]["Code"] == "NoSuchKey"
