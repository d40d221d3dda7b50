"""What a platform was told to be: buckets as before 2023, and Ceph's way of answering; AWS's in everything that was not told."""

import pytest
from botocore.exceptions import ClientError

SSE_C = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
OTHER = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "o" * 32}


def refusal(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return error.value.response["ResponseMetadata"]["HTTPStatusCode"], error.value.response["Error"]["Code"]


def differences(s3):
    """What is answered where dialects differ."""
    s3.create_bucket(Bucket="box", ACL="public-read", ObjectLockEnabledForBucket=True)
    s3.put_object(Bucket="box", Key="k", Body=b"x")
    s3.put_object(Bucket="box", Key="secret", Body=b"x", **SSE_C)
    upload = {"Bucket": "box", "Key": "large", "UploadId": s3.create_multipart_upload(Bucket="box", Key="large")["UploadId"]}
    part = s3.upload_part(**upload, PartNumber=1, Body=b"only")["ETag"]
    copy = dict(upload, PartNumber=2, CopySource={"Bucket": "box", "Key": "k"}, CopySourceRange="bytes=0-9")
    lock = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 0}}}
    many = {"TagSet": [{"Key": str(number), "Value": "v"} for number in range(11)]}
    answers = {
        "owner": refusal(s3.list_objects_v2, Bucket="box", ExpectedBucketOwner="nobody"),
        "part": refusal(s3.get_object, Bucket="box", Key="k", PartNumber=2),
        "key": refusal(s3.get_object, Bucket="box", Key="secret", **OTHER),
        "no parts": refusal(s3.complete_multipart_upload, **upload),
        "range": refusal(s3.upload_part_copy, **copy),
        "lock": refusal(s3.put_object_lock_configuration, Bucket="box", ObjectLockConfiguration=lock),
        "tags": refusal(s3.put_object_tagging, Bucket="box", Key="k", Tagging=many),
        "grants": [grant["Grantee"]["Type"] for grant in s3.get_bucket_acl(Bucket="box")["Grants"]],
    }
    try:
        answers["status"] = s3.get_bucket_policy_status(Bucket="box")["PolicyStatus"]["IsPublic"]
    except ClientError as error:
        answers["status"] = error.response["Error"]["Code"]
    try:
        answers["again"] = s3.create_bucket(Bucket="box", ACL="private")["ResponseMetadata"]["HTTPStatusCode"]
    except ClientError as error:
        answers["again"] = error.response["Error"]["Code"]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]})
    attributes = s3.get_object_attributes(Bucket="box", Key="large", ObjectAttributes=["ObjectParts"])["ObjectParts"]
    answers["parts"] = [one["Size"] for one in attributes.get("Parts", [])]
    return answers


def test_aws_is_spoken_unless_told_otherwise(danbi_with):
    assert differences(danbi_with("--new-buckets", "open").client("s3")) == {
        "owner": (400, "InvalidBucketOwnerAWSAccountID"),
        "part": (416, "InvalidPartNumber"),
        "key": (403, "AccessDenied"),
        "no parts": (400, "InvalidRequest"),
        "range": (400, "InvalidArgument"),
        "lock": (400, "InvalidArgument"),
        "tags": (400, "BadRequest"),
        "grants": ["CanonicalUser", "Group"],
        "status": "NoSuchBucketPolicy",
        "again": 200,
        "parts": [],
    }


def test_ceph_is_spoken_when_told(danbi_with):
    assert differences(danbi_with("--new-buckets", "open", "--s3-dialect", "ceph").client("s3")) == {
        "owner": (403, "AccessDenied"),
        "part": (400, "InvalidPart"),
        "key": (400, "InvalidRequest"),
        "no parts": (400, "MalformedXML"),
        "range": (416, "InvalidRange"),
        "lock": (400, "InvalidRetentionPeriod"),
        "tags": (400, "InvalidTag"),
        "grants": ["Group", "CanonicalUser"],
        "status": True,
        "again": "BucketAlreadyExists",
        "parts": [4],
    }


def test_buckets_of_before_2023_say_nothing_of_encryption_until_they_are_told(danbi_with):
    danbi = danbi_with("--new-buckets", "open")
    s3 = danbi.client("s3")
    s3.create_bucket(Bucket="old")
    assert refusal(s3.get_bucket_encryption, Bucket="old") == (404, "ServerSideEncryptionConfigurationNotFoundError")
    assert "ServerSideEncryption" not in s3.put_object(Bucket="old", Key="a", Body=b"plain to see" * 9000)
    assert "ServerSideEncryption" not in s3.head_object(Bucket="old", Key="a")
    # It is sealed on the disk all the same.
    assert not any(b"plain to see" in path.read_bytes() for path in danbi.data.rglob("*") if path.is_file())
    assert s3.put_object(Bucket="old", Key="b", Body=b"x", ServerSideEncryption="AES256")["ServerSideEncryption"] == "AES256"
    rule = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    s3.put_bucket_encryption(Bucket="old", ServerSideEncryptionConfiguration=rule)
    assert s3.put_object(Bucket="old", Key="c", Body=b"x")["ServerSideEncryption"] == "AES256"
    s3.delete_bucket_encryption(Bucket="old")
    assert "ServerSideEncryption" not in s3.put_object(Bucket="old", Key="d", Body=b"x")
    # Parts and copies too, and all of it is there after a kill.
    s3.copy_object(Bucket="old", Key="e", CopySource={"Bucket": "old", "Key": "a"})
    danbi.kill_9()
    danbi.start()
    s3 = danbi.client("s3")
    for key in "ae":
        got = s3.get_object(Bucket="old", Key=key)
        assert "ServerSideEncryption" not in got and got["Body"].read() == b"plain to see" * 9000
