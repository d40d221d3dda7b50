"""boto3, unmodified: CloudWatch Logs."""

import time

import pytest
from botocore.exceptions import ClientError
from packages import create, python


def now():
    return int(time.time() * 1000)


def put(logs, group, stream, messages, start=None):
    start = start or now() - 1000
    events = [{"timestamp": start + n, "message": message} for n, message in enumerate(messages)]
    return logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def messages(found):
    return [event["message"] for event in found["events"]]


@pytest.fixture
def logs(danbi):
    client = danbi.client("logs")
    client.create_log_group(logGroupName="g", tags={"team": "rain"})
    client.create_log_stream(logGroupName="g", logStreamName="s")
    return client


def test_groups_and_streams(logs):
    with pytest.raises(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName="g")
    logs.create_log_group(logGroupName="g/other")
    groups = logs.describe_log_groups(logGroupNamePrefix="g")["logGroups"]
    assert [g["logGroupName"] for g in groups] == ["g", "g/other"]
    assert groups[0]["arn"] == "arn:aws:logs:us-east-1:000000000000:log-group:g:*"
    assert logs.list_tags_log_group(logGroupName="g")["tags"] == {"team": "rain"}
    logs.put_retention_policy(logGroupName="g", retentionInDays=7)
    assert logs.describe_log_groups(logGroupNamePrefix="g")["logGroups"][0]["retentionInDays"] == 7
    with pytest.raises(logs.exceptions.InvalidParameterException):
        logs.put_retention_policy(logGroupName="g", retentionInDays=8)
    logs.delete_retention_policy(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="t")
    assert [s["logStreamName"] for s in logs.describe_log_streams(logGroupName="g")["logStreams"]] == ["s", "t"]
    logs.delete_log_stream(logGroupName="g", logStreamName="t")
    logs.delete_log_group(logGroupName="g/other")
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.describe_log_streams(logGroupName="g/other")


def test_events_are_read_in_order_and_in_pages(logs):
    put(logs, "g", "s", [f"m{n}" for n in range(25)])
    first = logs.get_log_events(logGroupName="g", logStreamName="s", startFromHead=True, limit=10)
    assert messages(first) == [f"m{n}" for n in range(10)]
    second = logs.get_log_events(logGroupName="g", logStreamName="s", nextToken=first["nextForwardToken"], limit=100)
    assert messages(second) == [f"m{n}" for n in range(10, 25)]
    third = logs.get_log_events(logGroupName="g", logStreamName="s", nextToken=second["nextForwardToken"])
    assert messages(third) == [] and third["nextForwardToken"] == second["nextForwardToken"]
    back = logs.get_log_events(logGroupName="g", logStreamName="s", nextToken=second["nextBackwardToken"], limit=3)
    assert messages(back) == ["m7", "m8", "m9"]
    latest = logs.get_log_events(logGroupName="g", logStreamName="s", limit=2)
    assert messages(latest) == ["m23", "m24"]


def test_events_out_of_order_or_time(logs):
    with pytest.raises(ClientError) as error:
        logs.put_log_events(logGroupName="g", logStreamName="s", logEvents=[{"timestamp": now(), "message": "b"}, {"timestamp": now() - 10_000, "message": "a"}])
    assert error.value.response["Error"]["Code"] == "InvalidParameterException"
    old = logs.put_log_events(logGroupName="g", logStreamName="s", logEvents=[{"timestamp": now() - 15 * 86_400_000, "message": "old"}])
    assert old["rejectedLogEventsInfo"]["tooOldLogEventEndIndex"] == 1
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        put(logs, "g", "none", ["x"])


@pytest.mark.parametrize(
    "pattern,expected",
    [
        ("", ["ERROR rain late", "WARN rain", '{"level": "error", "n": 7, "who": {"id": "u1"}}', "ERROR sun"]),
        ("ERROR", ["ERROR rain late", "ERROR sun"]),
        ("ERROR rain", ["ERROR rain late"]),
        ('"rain late"', ["ERROR rain late"]),
        ("?late ?sun", ["ERROR rain late", "ERROR sun"]),
        ("ERROR -rain", ["ERROR sun"]),
        ('{ $.level = "error" && $.n > 5 }', ['{"level": "error", "n": 7, "who": {"id": "u1"}}']),
        ('{ $.who.id = "u*" }', ['{"level": "error", "n": 7, "who": {"id": "u1"}}']),
        ("{ $.n < 5 }", []),
    ],
)
def test_filter_patterns(logs, pattern, expected):
    put(logs, "g", "s", ["ERROR rain late", "WARN rain", '{"level": "error", "n": 7, "who": {"id": "u1"}}', "ERROR sun"])
    assert messages(logs.filter_log_events(logGroupName="g", filterPattern=pattern)) == expected


def test_filter_spans_streams_and_pages(logs):
    logs.create_log_stream(logGroupName="g", logStreamName="t")
    start = now() - 5000
    put(logs, "g", "s", ["a", "c"], start)
    logs.put_log_events(logGroupName="g", logStreamName="t", logEvents=[{"timestamp": start, "message": "b"}, {"timestamp": start + 2, "message": "d"}])
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName="g", PaginationConfig={"PageSize": 1})
    seen = [event for page in pages for event in page["events"]]
    assert sorted(event["message"] for event in seen) == ["a", "b", "c", "d"]
    assert [event["timestamp"] for event in seen] == sorted(event["timestamp"] for event in seen)
    assert len({event["eventId"] for event in seen}) == 4
    only = logs.filter_log_events(logGroupName="g", logStreamNames=["t"])
    assert messages(only) == ["b", "d"]


def test_acknowledged_events_survive_kill_9(danbi):
    logs = danbi.client("logs")
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    for n in range(20):
        put(logs, "g", "s", [f"m{n}"], now())
    danbi.kill_9()
    danbi.start()
    found = danbi.client("logs").get_log_events(logGroupName="g", logStreamName="s", startFromHead=True)
    assert messages(found) == [f"m{n}" for n in range(20)]


def test_functions_write_there_by_themselves(danbi):
    client, logs = danbi.client("lambda"), danbi.client("logs")
    create(client, "speaks", python("import sys\ndef handler(e, c):\n    print('out'); print('err', file=sys.stderr)\n"))
    client.invoke(FunctionName="speaks")
    group = "/aws/lambda/speaks"
    printed = messages(logs.filter_log_events(logGroupName=group, filterPattern="out"))
    assert [line.rstrip("\n") for line in printed] == ["out"], "the log of an answered request is there at once"

    def lines():
        try:
            return messages(logs.filter_log_events(logGroupName=group))
        except logs.exceptions.ResourceNotFoundException:
            return []

    danbi.wait_until(lambda: any(line.startswith("REPORT") for line in lines()))
    texts = [line.rstrip("\n") for line in lines()]
    assert "out" in texts and "err" in texts
    stream = logs.describe_log_streams(logGroupName=group)["logStreams"][0]["logStreamName"]
    assert "/[$LATEST]" in stream
