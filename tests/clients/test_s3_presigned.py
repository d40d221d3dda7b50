"""Presigned URLs: every method, both signature versions, both addressings; expired, altered and foreign ones refused."""

import re
import urllib.parse

import boto3
import pytest
from botocore.config import Config
from platform_under_test import KEY_ID, SECRET

KEY = "folder/ä b+c&d=e.txt"


@pytest.fixture
def s3(danbi):
    client = danbi.client("s3")
    client.create_bucket(Bucket="box")
    return client


def signing(danbi, **config):
    """A client that signs as `config` says."""
    return boto3.client("s3", endpoint_url=danbi.url, region_name="us-east-1", aws_access_key_id=KEY_ID, aws_secret_access_key=SECRET, config=Config(**config))


def code(answer):
    found = re.search(rb"<Code>(\w+)</Code>", answer.body)
    return (answer.status, found.group(1).decode() if found else "")


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_every_method(danbi, s3, version):
    signer = signing(danbi, signature_version=version, s3={"addressing_style": "path"})

    def url(operation, expires=600, **more):
        return signer.generate_presigned_url(operation, Params={"Bucket": "box", "Key": KEY, **more}, ExpiresIn=expires)

    put = url("put_object")
    assert ("X-Amz-Signature" in put) == (version == "s3v4")
    answer = danbi.http("PUT", put, b"hello")
    assert (answer.status, answer.headers["ETag"]) == (200, '"5d41402abc4b2a76b9719d911017c592"'), answer.body
    answer = danbi.http("GET", url("get_object", ResponseContentType="text/x-told", ResponseContentDisposition='attachment; filename="x.txt"'))
    assert (answer.status, answer.body, answer.headers["Content-Type"]) == (200, b"hello", "text/x-told")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="x.txt"'
    answer = danbi.http("GET", url("get_object"), headers={"Range": "bytes=1-2"})
    assert (answer.status, answer.body, answer.headers["Content-Range"]) == (206, b"el", "bytes 1-2/5")
    answer = danbi.http("HEAD", url("head_object"))
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, b"", "5")
    # A URL for one method is none for another.
    assert code(danbi.http("PUT", url("get_object"), b"other")) == (403, "SignatureDoesNotMatch")
    assert code(danbi.http("DELETE", url("get_object"))) == (403, "SignatureDoesNotMatch")
    assert danbi.http("DELETE", url("delete_object")).status == 204
    assert code(danbi.http("GET", url("get_object"))) == (404, "NoSuchKey")


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_parts(danbi, s3, version):
    signer = signing(danbi, signature_version=version, s3={"addressing_style": "path"})
    upload = s3.create_multipart_upload(Bucket="box", Key="parts")["UploadId"]
    bodies = [b"a" * (5 << 20), b"tail"]
    parts = []
    for number, body in enumerate(bodies, 1):
        url = signer.generate_presigned_url("upload_part", Params={"Bucket": "box", "Key": "parts", "UploadId": upload, "PartNumber": number}, ExpiresIn=600)
        answer = danbi.http("PUT", url, body)
        assert answer.status == 200, answer.body
        parts.append({"PartNumber": number, "ETag": answer.headers["ETag"]})
    s3.complete_multipart_upload(Bucket="box", Key="parts", UploadId=upload, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket="box", Key="parts")["Body"].read() == b"".join(bodies)


def test_refusals_store_nothing(danbi, s3):
    signer = signing(danbi, signature_version="s3v4", s3={"addressing_style": "path"})
    params = {"Bucket": "box", "Key": "k"}
    put = signer.generate_presigned_url("put_object", Params=params, ExpiresIn=600)
    altered = put[:-4] + ("0000" if put[-4:] != "0000" else "1111")
    assert code(danbi.http("PUT", altered, b"x")) == (403, "SignatureDoesNotMatch")
    assert code(danbi.http("PUT", put.replace("/k?", "/other?"), b"x")) == (403, "SignatureDoesNotMatch")
    assert code(danbi.http("PUT", put.replace("X-Amz-Expires=600", "X-Amz-Expires=6000"), b"x")) == (403, "SignatureDoesNotMatch")
    assert code(danbi.http("PUT", put + "&extra=1", b"x")) == (403, "SignatureDoesNotMatch")
    # A header that the signature covers has to come as it was signed.
    typed = signer.generate_presigned_url("put_object", Params={**params, "ContentType": "text/plain"}, ExpiresIn=600)
    assert code(danbi.http("PUT", typed, b"x", {"Content-Type": "text/html"}))[0] == 403
    assert code(danbi.http("PUT", typed, b"x"))[0] == 403
    # Long over: signed two hours ago for ten minutes.
    old = re.sub(r"X-Amz-Date=\d{8}T\d{6}Z", "X-Amz-Date=20200101T000000Z", put).replace(urllib.parse.urlsplit(put).query.split("%2F")[1], "20200101")
    assert code(danbi.http("PUT", old, b"x")) == (403, "AccessDenied")
    expired = signing(danbi, signature_version="s3", s3={"addressing_style": "path"}).generate_presigned_url("put_object", Params=params, ExpiresIn=-10)
    assert code(danbi.http("PUT", expired, b"x")) == (403, "AccessDenied")
    stranger = boto3.client("s3", endpoint_url=danbi.url, region_name="us-east-1", aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="none", config=Config(signature_version="s3v4", s3={"addressing_style": "path"}))
    assert code(danbi.http("PUT", stranger.generate_presigned_url("put_object", Params=params), b"x")) == (403, "InvalidAccessKeyId")
    assert code(danbi.http("PUT", f"{danbi.url}/box/k", b"x")) == (403, "AccessDenied")
    assert "Contents" not in s3.list_objects_v2(Bucket="box")
    assert danbi.http("PUT", typed, b"x", {"Content-Type": "text/plain"}).status == 200


def test_a_bucket_by_its_host_name(danbi, s3):
    named = f"http://box.s3.localhost:{danbi.port}"
    signer = boto3.client("s3", endpoint_url=f"http://s3.localhost:{danbi.port}", region_name="us-east-1", aws_access_key_id=KEY_ID, aws_secret_access_key=SECRET, config=Config(signature_version="s3v4", s3={"addressing_style": "virtual"}))
    put = signer.generate_presigned_url("put_object", Params={"Bucket": "box", "Key": KEY})
    assert put.startswith(named + "/")
    assert danbi.http("PUT", put, b"virtual").status == 200
    assert s3.get_object(Bucket="box", Key=KEY)["Body"].read() == b"virtual"
    get = signer.generate_presigned_url("get_object", Params={"Bucket": "box", "Key": KEY})
    assert danbi.http("GET", get).body == b"virtual"
    # The signature covers the host, so the same query is none for the path.
    query = get.split("?")[1]
    assert code(danbi.http("GET", f"{danbi.url}/box/{urllib.parse.quote(KEY)}?{query}")) == (403, "SignatureDoesNotMatch")
    for host in ("box.s3.us-east-1.amazonaws.com", "box.s3.amazonaws.com"):
        aws = boto3.client("s3", region_name="us-east-1", aws_access_key_id=KEY_ID, aws_secret_access_key=SECRET, config=Config(signature_version="s3v4", s3={"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional" if "east" in host else "legacy"}))
        url = aws.generate_presigned_url("get_object", Params={"Bucket": "box", "Key": KEY})
        assert urllib.parse.urlsplit(url).netloc == host
        assert danbi.http("GET", url).body == b"virtual"


def test_a_form_post(danbi, s3):
    post = s3.generate_presigned_post("box", "posted/${filename}", Conditions=[["content-length-range", 1, 100]], ExpiresIn=600)
    assert form(danbi, post, b"from a form").status == 204
    assert s3.get_object(Bucket="box", Key="posted/a.txt")["Body"].read() == b"from a form"
    assert code(form(danbi, post, b"x" * 101)) == (400, "EntityTooLarge")
    signature = "x-amz-signature" if "x-amz-signature" in post["fields"] else "signature"
    forged = {**post, "fields": {**post["fields"], signature: "0" * 64}}
    assert code(form(danbi, forged, b"x")) == (403, "SignatureDoesNotMatch")


def form(danbi, post, content):
    """Posts a form as a browser does."""
    boundary = "----danbi"
    fields = "".join(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in post["fields"].items())
    file = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\n'
    body = fields.encode() + file.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    return danbi.http("POST", post["url"], body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})
