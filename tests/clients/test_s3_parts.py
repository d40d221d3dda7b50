"""Uploads in parts, copies, locks, encryption with the client's key, and SQL over objects, as boto3 asks for them."""

import base64
import hashlib
import os
import threading

import pytest
from botocore.exceptions import ClientError

MIB = 1 << 20


@pytest.fixture
def s3(danbi):
    client = danbi.client("s3", s3={"addressing_style": "path"})
    client.create_bucket(Bucket="parts")
    return client


def code(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return error.value.response["Error"]["Code"]


def upload(s3, key, bodies, **created):
    """The upload's id and its parts, not completed."""
    customer = {name: value for name, value in created.items() if name.startswith(("SSECustomer", "ChecksumAlgorithm"))}
    upload_id = s3.create_multipart_upload(Bucket="parts", Key=key, **created)["UploadId"]
    parts = []
    for number, body in enumerate(bodies, 1):
        part = s3.upload_part(Bucket="parts", Key=key, UploadId=upload_id, PartNumber=number, Body=body, **customer)
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
        if "ChecksumAlgorithm" in created:
            name = "Checksum" + created["ChecksumAlgorithm"]
            parts[-1][name] = part[name]
    return upload_id, parts


def complete(s3, key, upload_id, parts, **more):
    return s3.complete_multipart_upload(
        Bucket="parts", Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts}, **more
    )


def test_parts_become_one_object(s3):
    bodies = [os.urandom(5 * MIB), os.urandom(5 * MIB + 17), b"end"]
    whole = b"".join(bodies)
    upload_id, parts = upload(s3, "k", bodies, Metadata={"a": "b"}, ContentType="text/x")
    listed = s3.list_parts(Bucket="parts", Key="k", UploadId=upload_id, MaxParts=2)
    assert listed["IsTruncated"] and [part["Size"] for part in listed["Parts"]] == [5 * MIB, 5 * MIB + 17]
    assert s3.list_multipart_uploads(Bucket="parts")["Uploads"][0]["UploadId"] == upload_id
    done = complete(s3, "k", upload_id, parts)
    assert done["ETag"].endswith('-3"')
    again = complete(s3, "k", upload_id, parts)
    assert again["ETag"] == done["ETag"], "completing twice gives the same answer"
    got = s3.get_object(Bucket="parts", Key="k")
    assert got["Body"].read() == whole and got["Metadata"] == {"a": "b"} and got["ContentType"] == "text/x"
    for start, end in [(0, 0), (5 * MIB - 1, 5 * MIB), (5 * MIB + 3, 10 * MIB + 18), (len(whole) - 4, len(whole) - 1)]:
        part = s3.get_object(Bucket="parts", Key="k", Range=f"bytes={start}-{end}")["Body"].read()
        assert part == whole[start : end + 1]
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="parts")
    assert code(s3.list_parts, Bucket="parts", Key="k", UploadId=upload_id) == "NoSuchUpload"


def test_a_part_is_replaced_and_an_upload_aborted(s3):
    upload_id, parts = upload(s3, "k", [b"first"])
    second = s3.upload_part(Bucket="parts", Key="k", UploadId=upload_id, PartNumber=1, Body=b"second")
    def finish(parts):
        return s3.complete_multipart_upload(
            Bucket="parts", Key="k", UploadId=upload_id, MultipartUpload={"Parts": parts}
        )

    assert code(finish, parts=parts) == "InvalidPart"
    assert code(finish, parts=[{"PartNumber": 2, "ETag": second["ETag"]}]) == "InvalidPart"
    s3.upload_part(Bucket="parts", Key="k", UploadId=upload_id, PartNumber=2, Body=b"third")
    good = {"PartNumber": 1, "ETag": second["ETag"]}
    finish([good])
    assert s3.get_object(Bucket="parts", Key="k")["Body"].read() == b"second"
    other, _ = upload(s3, "k2", [b"x"])
    s3.abort_multipart_upload(Bucket="parts", Key="k2", UploadId=other)
    assert code(s3.abort_multipart_upload, Bucket="parts", Key="k2", UploadId=other) == "NoSuchUpload"
    assert code(s3.head_object, Bucket="parts", Key="k2") == "404"


def test_what_is_wrong_with_a_list_of_parts(s3):
    upload_id, parts = upload(s3, "k", [b"small", b"last"])
    for bad, expected in [
        (parts, "EntityTooSmall"),
        (parts[::-1], "InvalidPartOrder"),
        ([parts[0], parts[0]], "InvalidPartOrder"),
        ([{"PartNumber": 1, "ETag": '"00000000000000000000000000000000"'}], "InvalidPart"),
    ]:
        with pytest.raises(ClientError) as error:
            complete(s3, "k", upload_id, bad)
        assert error.value.response["Error"]["Code"] == expected
    with pytest.raises(ClientError) as error:
        complete(s3, "k", upload_id, parts[1:], MpuObjectSize=5)
    assert error.value.response["Error"]["Code"] == "InvalidRequest"
    assert code(s3.upload_part, Bucket="parts", Key="k", UploadId=upload_id, PartNumber=10_001, Body=b"") == "InvalidArgument"


@pytest.mark.parametrize("algorithm, kind", [("SHA256", "COMPOSITE"), ("CRC32", "FULL_OBJECT")])
def test_checksums_of_parts(s3, algorithm, kind):
    bodies = [os.urandom(5 * MIB), os.urandom(1000)]
    upload_id, parts = upload(s3, "k", bodies, ChecksumAlgorithm=algorithm, ChecksumType=kind)
    done = complete(s3, "k", upload_id, parts)
    assert done["ChecksumType"] == kind
    name = "Checksum" + algorithm
    if algorithm == "SHA256":
        digests = b"".join(hashlib.sha256(body).digest() for body in bodies)
        assert done[name] == base64.b64encode(hashlib.sha256(digests).digest()).decode() + "-2"
    if kind == "FULL_OBJECT":
        put = s3.put_object(Bucket="parts", Key="whole", Body=b"".join(bodies), ChecksumAlgorithm=algorithm)
        assert done[name] == put[name], "combined without reading the bytes again"
    assert s3.head_object(Bucket="parts", Key="k", ChecksumMode="ENABLED")[name] == done[name]


@pytest.mark.parametrize("name, algorithm", [("SHA512", hashlib.sha512), ("MD5", hashlib.md5)])
def test_checksums_of_2026(s3, name, algorithm):
    value = lambda body: base64.b64encode(algorithm(body).digest()).decode()
    member = f"Checksum{name}"
    body = os.urandom(100_000)
    put = s3.put_object(Bucket="parts", Key="k", Body=body, **{member: value(body)})
    head = s3.head_object(Bucket="parts", Key="k", ChecksumMode="ENABLED")
    assert (put[member], head[member], head["ChecksumType"]) == (value(body), value(body), "FULL_OBJECT")
    assert code(s3.put_object, Bucket="parts", Key="k", Body=b"other", **{member: value(body)}) == "BadDigest"
    assert s3.get_object(Bucket="parts", Key="k")["Body"].read() == body
    bodies = [os.urandom(5 * MIB), os.urandom(1000)]
    upload_id = s3.create_multipart_upload(Bucket="parts", Key="m", ChecksumAlgorithm=name)["UploadId"]
    parts = []
    for number, each in enumerate(bodies, 1):
        part = s3.upload_part(Bucket="parts", Key="m", UploadId=upload_id, PartNumber=number, Body=each, **{member: value(each)})
        parts.append({"PartNumber": number, "ETag": part["ETag"], member: part[member]})
    done = complete(s3, "m", upload_id, parts)
    digests = b"".join(algorithm(each).digest() for each in bodies)
    assert (done[member], done["ChecksumType"]) == (value(digests) + "-2", "COMPOSITE")


# Of nothing, as xxHash's own vectors have them.
@pytest.mark.parametrize("name, digest", [("XXHASH64", "ef46db3751d8e999"), ("XXHASH3", "2d06800538d394c2"), ("XXHASH128", "99aa06d3014798d86001c324468d497f")])
def test_xxhash_sums(s3, name, digest):
    member, value = f"Checksum{name}", base64.b64encode(bytes.fromhex(digest)).decode()
    assert s3.put_object(Bucket="parts", Key="k", Body=b"", **{member: value})[member] == value
    assert s3.head_object(Bucket="parts", Key="k", ChecksumMode="ENABLED")[member] == value
    assert code(s3.put_object, Bucket="parts", Key="k", Body=b"x", **{member: value}) == "BadDigest"


def test_a_copy_outlives_its_source(s3):
    body = os.urandom(6 * MIB)
    s3.put_object(Bucket="parts", Key="source key+%", Body=body, Tagging="t=1", Metadata={"m": "1"})
    s3.create_bucket(Bucket="other")
    copied = s3.copy_object(Bucket="other", Key="k", CopySource={"Bucket": "parts", "Key": "source key+%"})
    assert copied["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    s3.delete_object(Bucket="parts", Key="source key+%")
    assert s3.get_object(Bucket="other", Key="k")["Body"].read() == body
    assert s3.get_object_tagging(Bucket="other", Key="k")["TagSet"] == [{"Key": "t", "Value": "1"}]
    itself = dict(Bucket="other", Key="k", CopySource="other/k")
    assert code(s3.copy_object, **itself) == "InvalidRequest"
    s3.copy_object(**itself, MetadataDirective="REPLACE", Metadata={"m": "2"}, TaggingDirective="REPLACE", Tagging="u=2")
    head = s3.head_object(Bucket="other", Key="k")
    assert head["Metadata"] == {"m": "2"} and s3.get_object(Bucket="other", Key="k")["Body"].read() == body
    assert code(s3.copy_object, **itself, CopySourceIfMatch='"x"', MetadataDirective="REPLACE") == "PreconditionFailed"


def test_a_range_of_an_object_becomes_a_part(s3):
    body = os.urandom(6 * MIB)
    s3.put_object(Bucket="parts", Key="source", Body=body)
    upload_id = s3.create_multipart_upload(Bucket="parts", Key="k")["UploadId"]
    part = s3.upload_part_copy(
        Bucket="parts", Key="k", UploadId=upload_id, PartNumber=1, CopySource="parts/source", CopySourceRange="bytes=7-5242999"
    )
    complete(s3, "k", upload_id, [{"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}])
    assert s3.get_object(Bucket="parts", Key="k")["Body"].read() == body[7:5243000]
    # What was uploaded in parts is copied as one: its entity tag is the MD5 of all of it.
    copied = s3.copy_object(Bucket="parts", Key="k2", CopySource="parts/k")
    assert copied["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(body[7:5243000]).hexdigest()}"'


def test_a_key_of_the_client(s3):
    mine = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    other = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "o" * 32}
    bodies = [os.urandom(5 * MIB), b"end"]
    upload_id, parts = upload(s3, "k", bodies, **mine)
    assert code(s3.upload_part, Bucket="parts", Key="k", UploadId=upload_id, PartNumber=3, Body=b"") == "InvalidRequest"
    wrong = dict(Bucket="parts", Key="k", UploadId=upload_id, PartNumber=3, Body=b"", **other)
    assert code(s3.upload_part, **wrong) == "InvalidRequest"
    complete(s3, "k", upload_id, parts)
    whole = b"".join(bodies)
    assert s3.get_object(Bucket="parts", Key="k", **mine)["Body"].read() == whole
    assert code(s3.get_object, Bucket="parts", Key="k") == "InvalidRequest"
    assert code(s3.get_object, Bucket="parts", Key="k", **other) == "AccessDenied"
    source = {"CopySourceSSECustomerAlgorithm": "AES256", "CopySourceSSECustomerKey": "k" * 32}
    s3.copy_object(Bucket="parts", Key="copy", CopySource="parts/k", **source, **other)
    assert s3.get_object(Bucket="parts", Key="copy", **other)["Body"].read() == whole
    assert code(s3.get_object, Bucket="parts", Key="copy", **mine) == "AccessDenied"


def select(s3, sql, key, source, target=None):
    answer = s3.select_object_content(
        Bucket="parts", Key=key, Expression=sql, ExpressionType="SQL",
        InputSerialization=source, OutputSerialization=target or {"CSV": {}},
    )
    events = list(answer["Payload"])
    records = b"".join(event["Records"]["Payload"] for event in events if "Records" in event)
    assert "End" in events[-1]
    return records.decode(), next(event["Stats"]["Details"] for event in events if "Stats" in event)


def test_sql_over_objects(s3):
    rows = "".join(f"{n},name {n},{n % 7}\n" for n in range(200_000))
    s3.put_object(Bucket="parts", Key="csv", Body="id,name,rest\n" + rows)
    csv = {"CSV": {"FileHeaderInfo": "USE"}}
    records, stats = select(s3, "SELECT s.name FROM S3Object s WHERE s.id = 177777", "csv", csv)
    assert records == "name 177777\n"
    assert stats["BytesScanned"] == stats["BytesProcessed"] == len(rows) + 13 and stats["BytesReturned"] == len(records)
    records, _ = select(s3, "SELECT COUNT(*), MAX(CAST(id AS INT)) FROM S3Object WHERE rest = 3", "csv", csv)
    assert records == f"{len(range(3, 200_000, 7))},{max(range(3, 200_000, 7))}\n"
    records, stats = select(s3, "SELECT * FROM S3Object LIMIT 2", "csv", csv, {"JSON": {}})
    assert records.splitlines()[0] == '{"id":"0","name":"name 0","rest":"0"}' and stats["BytesScanned"] < len(rows)
    import gzip

    s3.put_object(Bucket="parts", Key="lines", Body=gzip.compress(b'{"a": {"b": 1}}\n{"a": {"b": 2}}\n'))
    lines = {"JSON": {"Type": "LINES"}, "CompressionType": "GZIP"}
    assert select(s3, "SELECT s.a.b FROM S3Object s WHERE s.a.b > 1", "lines", lines)[0] == "2\n"
    with pytest.raises(ClientError) as error:
        select(s3, "SELECT", "csv", csv)
    assert error.value.response["Error"]["Code"].startswith("Parse")


def test_kill_9_while_completing(danbi):
    """Whatever moment the platform dies at, there is the upload or the object, and the object is whole."""
    s3 = danbi.client("s3", s3={"addressing_style": "path"})
    s3.create_bucket(Bucket="parts")
    body = os.urandom(5 * MIB)
    for turn in range(4):
        key = f"k{turn}"
        upload_id, parts = upload(s3, key, [body, b"end"])

        def attempt():
            try:
                complete(s3, key, upload_id, parts)
            except Exception:  # noqa: BLE001 - the connection breaks, in whichever way
                pass

        thread = threading.Thread(target=attempt)
        thread.start()
        if turn:
            thread.join(timeout=0.004 * turn)
        danbi.kill_9()
        thread.join()
        danbi.start()
        s3 = danbi.client("s3", s3={"addressing_style": "path"})
        # Completing (again) works in either case.
        complete(s3, key, upload_id, parts)
        assert s3.get_object(Bucket="parts", Key=key)["Body"].read() == body + b"end"
