"""Functions behind DynamoDB's streams: every record arrives, in the order of its key, also through failures and kill -9."""

import json

import pytest
from botocore.exceptions import ClientError
from packages import create, python
from test_dynamodb_tables import make
from test_lambda_async import ran

# What a batch brought, one line of the log a record.
NOTE = """
import json
def handler(event, context):
    for record in event["Records"]:
        image = record["dynamodb"].get("NewImage", {})
        print(record["eventName"], record["dynamodb"]["Keys"]["s"]["N"], image.get("v", {}).get("S"))
"""
FAILING = """
def handler(event, context):
    numbers = [record["dynamodb"]["Keys"]["s"]["N"] for record in event["Records"]]
    print("tried", ",".join(numbers))
    if "3" in numbers:
        raise RuntimeError("three")
    for number in numbers:
        print("took", number)
"""
REPORTING = """
def handler(event, context):
    failures = []
    for record in event["Records"]:
        number = record["dynamodb"]["Keys"]["s"]["N"]
        if number == "2":
            failures.append({"itemIdentifier": record["dynamodb"]["SequenceNumber"]})
        print("saw", number)
    return {"batchItemFailures": failures}
"""


def streamed(client, name):
    made = make(client, name, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
    return made["LatestStreamArn"]


def put(client, table, number, value="x", key="k"):
    client.put_item(TableName=table, Item={"p": {"S": key}, "s": {"N": str(number)}, "v": {"S": value}})


def mapped(danbi, stream, function, **more):
    mapping = danbi.client("lambda").create_event_source_mapping(EventSourceArn=stream, FunctionName=function, **{"StartingPosition": "TRIM_HORIZON", **more})
    assert mapping["State"] == "Creating" and mapping["ResponseMetadata"]["HTTPStatusCode"] == 202
    return mapping["UUID"]


def test_records_arrive_from_where_they_were_asked_and_go_on_after_kill_9(danbi):
    dynamodb, functions = danbi.client("dynamodb"), danbi.client("lambda")
    stream = streamed(dynamodb, "things")
    create(functions, "note", python(NOTE))
    create(functions, "late", python(NOTE))
    put(dynamodb, "things", 1, "first")
    uuid = mapped(danbi, stream, "note")
    mapped(danbi, stream, "late", StartingPosition="LATEST")
    put(dynamodb, "things", 2, "second")
    dynamodb.delete_item(TableName="things", Key={"p": {"S": "k"}, "s": {"N": "1"}})
    for line in ("INSERT 1 first", "INSERT 2 second", "REMOVE 1 None"):
        danbi.wait_until(lambda: ran(danbi, "note", line) == 1)
    danbi.wait_until(lambda: ran(danbi, "late", "REMOVE 1 None") == 1)
    assert ran(danbi, "late", "INSERT 1 first") == 0
    found = functions.get_event_source_mapping(UUID=uuid)
    assert (found["State"], found["BatchSize"], found["MaximumRetryAttempts"]) == ("Enabled", 100, -1)
    danbi.wait_until(lambda: functions.get_event_source_mapping(UUID=uuid)["LastProcessingResult"] == "OK")
    with pytest.raises(ClientError) as twice:
        mapped(danbi, stream, "note")
    assert twice.value.response["Error"]["Code"] == "ResourceConflictException"

    danbi.kill_9()
    danbi.start()
    dynamodb, functions = danbi.client("dynamodb"), danbi.client("lambda")
    for number in range(10, 40):
        put(dynamodb, "things", number)
    danbi.wait_until(lambda: all(ran(danbi, "note", f"INSERT {number} x") for number in range(10, 40)), 60)
    # What was done with before the kill does not come again.
    assert ran(danbi, "note", "INSERT 1 first") == 1

    assert functions.update_event_source_mapping(UUID=uuid, Enabled=False)["State"] == "Disabling"
    assert functions.get_event_source_mapping(UUID=uuid)["State"] == "Disabled"
    listed = functions.list_event_source_mappings(EventSourceArn=stream, FunctionName="note")["EventSourceMappings"]
    assert [mapping["UUID"] for mapping in listed] == [uuid]
    assert functions.delete_event_source_mapping(UUID=uuid)["State"] == "Deleting"
    with pytest.raises(ClientError) as gone:
        functions.get_event_source_mapping(UUID=uuid)
    assert gone.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_a_poisoned_record_is_found_given_up_and_told(danbi_with):
    danbi = danbi_with(DANBI_SOURCE_RETRY_MS="20")
    dynamodb, functions, s3 = danbi.client("dynamodb"), danbi.client("lambda"), danbi.client("s3")
    s3.create_bucket(Bucket="given-up")
    stream = streamed(dynamodb, "things")
    create(functions, "failing", python(FAILING))
    for number in range(1, 6):
        put(dynamodb, "things", number)
    uuid = mapped(danbi, stream, "failing", BisectBatchOnFunctionError=True, MaximumRetryAttempts=1, DestinationConfig={"OnFailure": {"Destination": "arn:aws:s3:::given-up"}})
    danbi.wait_until(lambda: all(ran(danbi, "failing", f"took {number}") for number in (1, 2, 4, 5)), 60)
    danbi.wait_until(lambda: s3.list_objects_v2(Bucket="given-up")["KeyCount"] == 1)
    [told] = s3.list_objects_v2(Bucket="given-up", Prefix=f"aws/lambda/{uuid}/")["Contents"]
    document = json.loads(s3.get_object(Bucket="given-up", Key=told["Key"])["Body"].read())
    assert document["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert document["requestContext"]["approximateInvokeCount"] == 2
    assert document["DDBStreamBatchInfo"]["batchSize"] == 1 and document["DDBStreamBatchInfo"]["streamArn"] == stream
    assert json.loads(document["payload"])["Records"][0]["dynamodb"]["Keys"]["s"] == {"N": "3"}
    assert ran(danbi, "failing", "took 3") == 0


def test_filters_windows_and_failures_one_by_one(danbi_with):
    danbi = danbi_with(DANBI_SOURCE_RETRY_MS="20")
    dynamodb, functions = danbi.client("dynamodb"), danbi.client("lambda")
    stream = streamed(dynamodb, "things")
    create(functions, "note", python(NOTE))
    create(functions, "reporting", python(REPORTING))
    pattern = json.dumps({"eventName": ["INSERT"], "dynamodb": {"NewImage": {"v": {"S": [{"prefix": "wanted"}]}}}})
    mapped(danbi, stream, "note", FilterCriteria={"Filters": [{"Pattern": pattern}]}, ParallelizationFactor=4, MaximumBatchingWindowInSeconds=1)
    mapped(danbi, stream, "reporting", FunctionResponseTypes=["ReportBatchItemFailures"], MaximumRetryAttempts=2)
    put(dynamodb, "things", 1, "unwanted")
    put(dynamodb, "things", 2, "wanted-a")
    put(dynamodb, "things", 3, "wanted-b")
    danbi.wait_until(lambda: ran(danbi, "note", "INSERT 2 wanted-a") == 1 and ran(danbi, "note", "INSERT 3 wanted-b") == 1)
    assert ran(danbi, "note", "INSERT 1 unwanted") == 0
    # The second record fails three times with what is behind it, and is given up with it; the first comes once.
    danbi.wait_until(lambda: ran(danbi, "reporting", "saw 2") == 3)
    assert ran(danbi, "reporting", "saw 1") == 1
    for wrong in (
        {"FilterCriteria": {"Filters": [{"Pattern": '{"a": 1}'}]}},
        {"StartingPosition": "AT_TIMESTAMP"},
        {"MaximumRecordAgeInSeconds": 5},
        {"EventSourceArn": stream[:-3] + "999"},
    ):
        arguments = {"EventSourceArn": stream, "FunctionName": "note", "StartingPosition": "LATEST", **wrong}
        with pytest.raises(ClientError) as refused:
            functions.create_event_source_mapping(**arguments)
        assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException", wrong
    with pytest.raises(ClientError) as refused:
        functions.create_event_source_mapping(EventSourceArn=stream, FunctionName="note", StartingPosition="LATEST", TumblingWindowInSeconds=5)
    assert "TumblingWindowInSeconds" in refused.value.response["Error"]["Message"]
