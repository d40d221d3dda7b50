"""Buckets with boto3: who may do what, the configurations, what expires, and events that reach functions."""

import json
import time

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from packages import create, python

BUCKET = "story-bucket"
READY = 30


def refusal(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return error.value.response["ResponseMetadata"]["HTTPStatusCode"], error.value.response["Error"]["Code"]


def stranger(danbi):
    return boto3.client("s3", endpoint_url=danbi.url, region_name="us-east-1", config=Config(signature_version=UNSIGNED))


def until(happened):
    end = time.monotonic() + READY
    while time.monotonic() < end:
        found = happened()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")


@pytest.fixture
def s3(danbi):
    client = danbi.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


def public_policy():
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/public/*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_new_bucket_is_closed_and_is_opened_in_two_steps(danbi, s3):
    s3.put_object(Bucket=BUCKET, Key="public/a", Body=b"for all")
    s3.put_object(Bucket=BUCKET, Key="private/a", Body=b"for me")
    block = s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    assert refusal(s3.put_bucket_policy, Bucket=BUCKET, Policy=public_policy()) == (403, "AccessDenied")
    s3.delete_public_access_block(Bucket=BUCKET)
    s3.put_bucket_policy(Bucket=BUCKET, Policy=public_policy())
    assert s3.get_bucket_policy_status(Bucket=BUCKET)["PolicyStatus"]["IsPublic"]
    anyone = stranger(danbi)
    assert anyone.get_object(Bucket=BUCKET, Key="public/a")["Body"].read() == b"for all"
    assert refusal(anyone.get_object, Bucket=BUCKET, Key="private/a") == (403, "AccessDenied")
    # Who may not list is not told what is not there.
    assert refusal(anyone.get_object, Bucket=BUCKET, Key="public/missing") == (403, "AccessDenied")
    assert refusal(s3.get_object, Bucket=BUCKET, Key="public/missing") == (404, "NoSuchKey")
    block["RestrictPublicBuckets"] = True
    s3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration={**block, "BlockPublicPolicy": False})
    assert refusal(anyone.get_object, Bucket=BUCKET, Key="public/a") == (403, "AccessDenied")


def test_lists_count_only_where_they_are_asked_for(danbi, s3):
    assert refusal(s3.put_object, Bucket=BUCKET, Key="a", ACL="public-read") == (400, "AccessControlListNotSupported")
    s3.put_bucket_ownership_controls(Bucket=BUCKET, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    assert refusal(s3.put_object, Bucket=BUCKET, Key="a", ACL="public-read") == (403, "AccessDenied")
    s3.delete_public_access_block(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"for all", ACL="public-read")
    assert stranger(danbi).get_object(Bucket=BUCKET, Key="a")["Body"].read() == b"for all"
    s3.put_object_acl(Bucket=BUCKET, Key="a", ACL="private")
    assert refusal(stranger(danbi).get_object, Bucket=BUCKET, Key="a") == (403, "AccessDenied")


def test_what_a_bucket_does_not_have_is_said_in_the_words_of_s3(s3):
    missing = {
        s3.get_bucket_cors: "NoSuchCORSConfiguration",
        s3.get_bucket_website: "NoSuchWebsiteConfiguration",
        s3.get_bucket_lifecycle_configuration: "NoSuchLifecycleConfiguration",
        s3.get_bucket_tagging: "NoSuchTagSet",
        s3.get_bucket_policy: "NoSuchBucketPolicy",
        s3.get_bucket_replication: "ReplicationConfigurationNotFoundError",
        s3.get_object_lock_configuration: "ObjectLockConfigurationNotFoundError",
    }
    for call, code in missing.items():
        assert refusal(call, Bucket=BUCKET) == (404, code)


def test_expired_objects_go_by_themselves(danbi_with):
    s3 = danbi_with(DANBI_S3_LIFECYCLE_MS="200,100").client("s3")
    s3.create_bucket(Bucket=BUCKET)
    rule = {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "old/"}, "Expiration": {"Days": 1}}
    s3.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": [rule]})
    s3.put_object(Bucket=BUCKET, Key="new/a", Body=b"stays")
    assert 'rule-id="old"' in s3.put_object(Bucket=BUCKET, Key="old/a", Body=b"goes")["Expiration"]
    until(lambda: [o["Key"] for o in s3.list_objects_v2(Bucket=BUCKET)["Contents"]] == ["new/a"])


def test_events_reach_a_function_that_may_be_told(danbi, s3):
    functions = danbi.client("lambda")
    source = "def handler(event, context):\n    for r in event['Records']:\n        print('EVENT', r['eventName'], r['s3']['object']['key'])\n"
    arn = create(functions, "listener", python(source))["FunctionArn"]
    wanted = {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*"]}]}
    put = lambda: s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=wanted)
    assert refusal(put) == (400, "InvalidArgument")
    functions.add_permission(
        FunctionName="listener", StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com", SourceArn=f"arn:aws:s3:::{BUCKET}", SourceAccount="000000000000"
    )
    put()
    s3.put_object(Bucket=BUCKET, Key="a b", Body=b"x")
    s3.put_object_tagging(Bucket=BUCKET, Key="a b", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    s3.delete_object_tagging(Bucket=BUCKET, Key="a b")
    s3.delete_object(Bucket=BUCKET, Key="a b")
    logs = danbi.client("logs")

    def told():
        try:
            events = logs.filter_log_events(logGroupName="/aws/lambda/listener", filterPattern="EVENT")["events"]
        except ClientError:
            return None
        lines = sorted(event["message"].strip() for event in events)
        tagged = ["EVENT ObjectTagging:Delete a+b", "EVENT ObjectTagging:Put a+b"]
        return lines == ["EVENT ObjectCreated:Put a+b", "EVENT ObjectRemoved:Delete a+b", *tagged]

    until(told)


def test_an_event_bus_is_told_what_happens(danbi, s3):
    """The details are those that LocalStack recorded from AWS."""
    events, sqs = danbi.client("events"), danbi.client("sqs")
    queue = "arn:aws:sqs:us-east-1:000000000000:told"
    statement = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queue}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    url = sqs.create_queue(QueueName="told", Attributes={"Policy": policy})["QueueUrl"]
    events.put_rule(Name="objects", EventPattern=json.dumps({"source": ["aws.s3"], "detail": {"bucket": {"name": [BUCKET]}}}))
    assert events.put_targets(Rule="objects", Targets=[{"Id": "q", "Arn": queue}])["FailedEntryCount"] == 0
    s3.put_object(Bucket=BUCKET, Key="before", Body=b"untold")
    configure = lambda wanted: s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=wanted)
    configure({"EventBridgeConfiguration": {}})
    assert s3.get_bucket_notification_configuration(Bucket=BUCKET)["EventBridgeConfiguration"] == {}
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=BUCKET, Key="a b", Body=b"data")
    s3.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "a b"})
    s3.put_object_tagging(Bucket=BUCKET, Key="copy", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    marker = s3.delete_object(Bucket=BUCKET, Key="a b")
    s3.delete_object(Bucket=BUCKET, Key="a b", VersionId=first["VersionId"])
    got = {}

    def told():
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", []):
            event = json.loads(message["Body"])
            detail = event["detail"]
            got[event["detail-type"], detail.get("reason"), detail.get("deletion-type")] = event
        return len(got) == 5

    until(told)
    created = got["Object Created", "PutObject", None]
    assert (created["source"], created["account"], created["region"]) == ("aws.s3", "000000000000", "us-east-1")
    assert created["resources"] == [f"arn:aws:s3:::{BUCKET}"]
    detail = created["detail"]
    assert sorted(detail) == ["bucket", "object", "reason", "request-id", "requester", "source-ip-address", "version"]
    assert (detail["version"], detail["requester"], detail["source-ip-address"]) == ("0", "000000000000", "127.0.0.1")
    sequencer = detail["object"].pop("sequencer")
    etag = first["ETag"].strip('"')
    assert sequencer and detail["object"] == {"key": "a b", "size": 4, "etag": etag, "version-id": first["VersionId"]}
    assert got["Object Created", "CopyObject", None]["detail"]["object"]["key"] == "copy"
    tagged = got["Object Tags Added", None, None]["detail"]
    assert sorted(tagged["object"]) == ["etag", "key", "version-id"] and "source-ip-address" in tagged
    hidden = got["Object Deleted", "DeleteObject", "Delete Marker Created"]["detail"]["object"]
    assert hidden["version-id"] == marker["VersionId"] and hidden["sequencer"] > sequencer
    gone = got["Object Deleted", "DeleteObject", "Permanently Deleted"]["detail"]["object"]
    assert sorted(gone) == ["key", "sequencer", "version-id"] and gone["version-id"] == first["VersionId"]
    assert gone["sequencer"] > sequencer
    configure({})
    assert "EventBridgeConfiguration" not in s3.get_bucket_notification_configuration(Bucket=BUCKET)


def test_lifecycle_rules_come_and_go_by_the_old_operations_too(s3):
    rule = {"ID": "old", "Prefix": "old/", "Status": "Enabled", "Expiration": {"Days": 3}}
    s3.put_bucket_lifecycle(Bucket=BUCKET, LifecycleConfiguration={"Rules": [rule]})
    assert s3.get_bucket_lifecycle(Bucket=BUCKET)["Rules"] == [rule]
    assert s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"] == [rule]


def test_a_document_is_held_against_its_md5(s3):
    tags = {"TagSet": [{"Key": "k", "Value": "v"}]}
    put = s3.put_bucket_tagging
    assert refusal(put, Bucket=BUCKET, Tagging=tags, ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==") == (400, "BadDigest")
    assert refusal(put, Bucket=BUCKET, Tagging=tags, ContentMD5="no digest") == (400, "InvalidDigest")
    assert refusal(s3.get_bucket_tagging, Bucket=BUCKET) == (404, "NoSuchTagSet")
    put(Bucket=BUCKET, Tagging=tags)


def test_putting_a_policy_has_no_content_to_answer(s3):
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/x"}
    answer = s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
