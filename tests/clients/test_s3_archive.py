"""Archives with boto3: objects that are cold from the start or become so, and the copies that a restore makes."""

import time

import pytest
from botocore.exceptions import ClientError

BUCKET = "cold-bucket"
READY = 30


def refusal(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return error.value.response["ResponseMetadata"]["HTTPStatusCode"], error.value.response["Error"]["Code"]


def until(happened):
    end = time.monotonic() + READY
    while time.monotonic() < end:
        found = happened()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def restore(s3, key, days, **more):
    answer = s3.restore_object(Bucket=BUCKET, Key=key, RestoreRequest={"Days": days, **more})
    return answer["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_an_archived_object_is_restored_before_it_is_read(danbi, storage_class):
    s3 = danbi.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"frozen", StorageClass=storage_class)
    with pytest.raises(s3.exceptions.InvalidObjectState) as error:
        s3.get_object(Bucket=BUCKET, Key="a")
    assert error.value.response["StorageClass"] == storage_class
    head = s3.head_object(Bucket=BUCKET, Key="a")
    assert head["StorageClass"] == storage_class and "Restore" not in head
    copy = dict(Bucket=BUCKET, Key="b", CopySource={"Bucket": BUCKET, "Key": "a"})
    assert refusal(s3.copy_object, **copy) == (403, "InvalidObjectState")

    assert restore(s3, "a", 2, GlacierJobParameters={"Tier": "Bulk"}) == 202
    head = s3.head_object(Bucket=BUCKET, Key="a")
    assert head["Restore"].startswith('ongoing-request="false", expiry-date="') and head["Restore"].endswith(' 00:00:00 GMT"')
    # It stays in its archive; the copy is what can be read.
    assert head["StorageClass"] == storage_class
    assert s3.get_object(Bucket=BUCKET, Key="a")["Body"].read() == b"frozen"
    assert restore(s3, "a", 5) == 200
    listed = s3.list_objects_v2(Bucket=BUCKET, OptionalObjectAttributes=["RestoreStatus"])["Contents"][0]
    assert listed["RestoreStatus"]["IsRestoreInProgress"] is False
    # Copied onto itself it is warm for good.
    s3.copy_object(**{**copy, "Key": "a"}, StorageClass="STANDARD", MetadataDirective="COPY")
    assert "StorageClass" not in s3.head_object(Bucket=BUCKET, Key="a")
    assert refusal(restore, s3=s3, key="a", days=1) == (403, "InvalidObjectState")


def test_a_restored_copy_ends_when_its_days_are_over(danbi_with):
    danbi = danbi_with(DANBI_S3_LIFECYCLE_MS="100,2000")
    s3 = danbi.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"frozen", StorageClass="GLACIER")
    restore(s3, "a", 100)
    restore(s3, "a", 1)
    until(lambda: "Restore" not in s3.head_object(Bucket=BUCKET, Key="a"))
    assert refusal(s3.get_object, Bucket=BUCKET, Key="a") == (403, "InvalidObjectState")
    # What is restored is still so after a kill.
    restore(s3, "a", 1000)
    danbi.kill_9()
    danbi.start()
    assert danbi.client("s3").get_object(Bucket=BUCKET, Key="a")["Body"].read() == b"frozen"


def test_objects_become_cold_by_themselves(danbi_with):
    danbi = danbi_with(DANBI_S3_LIFECYCLE_MS="100,100")
    s3 = danbi.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    large, small = b"l" * (200 << 10), b"s"
    old = s3.put_object(Bucket=BUCKET, Key="logs/a", Body=large)["VersionId"]
    kept = s3.put_object(Bucket=BUCKET, Key="logs/a", Body=large + b"2")
    s3.put_object(Bucket=BUCKET, Key="logs/small", Body=small)
    s3.put_object(Bucket=BUCKET, Key="else", Body=large)
    before = s3.head_object(Bucket=BUCKET, Key="logs/a")
    rule = {
        "ID": "cool",
        "Status": "Enabled",
        "Filter": {"Prefix": "logs/"},
        "Transitions": [{"Days": 1, "StorageClass": "GLACIER_IR"}, {"Days": 2, "StorageClass": "GLACIER"}],
        "NoncurrentVersionTransitions": [{"NoncurrentDays": 1, "StorageClass": "DEEP_ARCHIVE"}],
    }
    s3.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": [rule]})
    head = lambda key, **more: s3.head_object(Bucket=BUCKET, Key=key, **more)
    until(lambda: head("logs/a").get("StorageClass") == "GLACIER")
    until(lambda: head("logs/a", VersionId=old).get("StorageClass") == "DEEP_ARCHIVE")
    after = head("logs/a")
    assert (after["ETag"], after["LastModified"], after["VersionId"]) == (before["ETag"], before["LastModified"], kept["VersionId"])
    assert refusal(s3.get_object, Bucket=BUCKET, Key="logs/a") == (403, "InvalidObjectState")
    # Small objects and others stay.
    assert "StorageClass" not in head("logs/small") and "StorageClass" not in head("else")
    listed = {entry["Key"]: entry["StorageClass"] for entry in s3.list_objects_v2(Bucket=BUCKET)["Contents"]}
    assert listed == {"else": "STANDARD", "logs/a": "GLACIER", "logs/small": "STANDARD"}
    restore(s3, "logs/a", 1000)
    assert s3.get_object(Bucket=BUCKET, Key="logs/a")["Body"].read() == large + b"2"
