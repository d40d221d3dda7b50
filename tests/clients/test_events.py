"""EventBridge: rules, patterns, schedules and targets, as boto3 sees them."""

import json

import pytest
from botocore.exceptions import ClientError
from packages import create, python

# Appends to the function's log, which is what outlives an environment.
NOTE = "import json\ndef handler(e, c):\n    print('got ' + json.dumps(e, sort_keys=True))\n"
# A line is durable a moment after it was printed: a function whose line is to outlive `kill -9` ends later than that.
NOTE_AND_WAIT = "import time\n" + NOTE + "    time.sleep(0.5)\n"
PATTERN = json.dumps({"source": ["shop"], "detail": {"total": [{"numeric": [">", 10]}]}})


def notes(danbi, name="note"):
    """What function `name` was given, in the order of its log."""
    logs = danbi.client("logs")
    found, token = [], {}
    try:
        while True:
            page = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern='"got "', **token)
            found += [json.loads(event["message"].strip()[4:]) for event in page["events"]]
            if "nextToken" not in page:
                return found
            token = {"nextToken": page["nextToken"]}
    except logs.exceptions.ResourceNotFoundException:
        return []


def noting(danbi, source_arn, name="note", principal="events.amazonaws.com", code=NOTE):
    """A function that notes what it is given, and that `source_arn` may invoke."""
    client = danbi.client("lambda")
    arn = create(client, name, python(code))["FunctionArn"]
    client.add_permission(FunctionName=name, StatementId="s", Action="lambda:InvokeFunction", Principal=principal, SourceArn=source_arn)
    return arn


def put(events, total, **more):
    answer = events.put_events(Entries=[{"Source": "shop", "DetailType": "order", "Detail": json.dumps({"total": total}), **more}])
    assert answer["FailedEntryCount"] == 0, answer
    return answer["Entries"][0]["EventId"]


def error(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def test_an_event_reaches_the_function_whose_rule_wants_it(danbi):
    events = danbi.client("events")
    rule = events.put_rule(Name="orders", EventPattern=PATTERN)["RuleArn"]
    assert rule == "arn:aws:events:us-east-1:000000000000:rule/orders"
    function = noting(danbi, rule)
    answer = events.put_targets(Rule="orders", Targets=[{"Id": "f", "Arn": function}])
    assert (answer["FailedEntryCount"], answer["FailedEntries"]) == (0, [])
    assert events.list_rule_names_by_target(TargetArn=function)["RuleNames"] == ["orders"]
    put(events, 5)
    wanted = put(events, 11, Resources=["r"])
    danbi.wait_until(lambda: len(notes(danbi)) == 1)
    (event,) = notes(danbi)
    time = event.pop("time")
    assert len(time) == 20 and time.endswith("Z")
    assert event == {
        "version": "0", "id": wanted, "detail-type": "order", "source": "shop", "account": "000000000000",
        "region": "us-east-1", "resources": ["r"], "detail": {"total": 11},
    }
    events.disable_rule(Name="orders")
    put(events, 12)
    events.enable_rule(Name="orders")
    put(events, 13)
    danbi.wait_until(lambda: [event["detail"]["total"] for event in notes(danbi)] == [11, 13])
    assert error(events.delete_rule, Name="orders") == ("ValidationException", "Rule can't be deleted since it has targets.")
    events.remove_targets(Rule="orders", Ids=["f"])
    events.delete_rule(Name="orders")
    assert events.list_rules()["Rules"] == []


def test_a_target_gets_what_its_input_says(danbi):
    events = danbi.client("events")
    rule = events.put_rule(Name="r", EventPattern=json.dumps({"source": ["shop"]}))["RuleArn"]
    function = noting(danbi, rule)
    transformer = {"InputPathsMap": {"total": "$.detail.total"}, "InputTemplate": '{"sum": <total>, "text": "of <total>"}'}
    events.put_targets(
        Rule="r",
        Targets=[
            {"Id": "constant", "Arn": function, "Input": '{"a": 1}'},
            {"Id": "path", "Arn": function, "InputPath": "$.detail"},
            {"Id": "template", "Arn": function, "InputTransformer": transformer},
        ],
    )
    put(events, 7)
    danbi.wait_until(lambda: len(notes(danbi)) == 3)
    assert sorted(map(json.dumps, notes(danbi))) == ['{"a": 1}', '{"sum": 7, "text": "of 7"}', '{"total": 7}']
    both = {"Id": "x", "Arn": function, "Input": "{}", "InputPath": "$.a"}
    assert error(events.put_targets, Rule="r", Targets=[both]) == (
        "ValidationException",
        "Only one of Input, InputPath, or InputTransformer must be provided for target x.",
    )


def test_a_schedule_fires_a_function(danbi_with):
    danbi = danbi_with(DANBI_EVENTS_MINUTE_MS="300")
    events = danbi.client("events")
    rule = events.put_rule(Name="tick", ScheduleExpression="rate(1 minute)")["RuleArn"]
    events.put_targets(Rule="tick", Targets=[{"Id": "f", "Arn": noting(danbi, rule)}])
    danbi.wait_until(lambda: len(notes(danbi)) >= 2)
    event = notes(danbi)[0]
    assert (event["detail-type"], event["source"], event["resources"], event["detail"]) == ("Scheduled Event", "aws.events", [rule], {})
    danbi.kill_9()
    danbi.start()
    before = len(notes(danbi))
    danbi.wait_until(lambda: len(notes(danbi)) > before)


def test_what_is_refused(danbi):
    events = danbi.client("events")
    wrong = ("ValidationException", "Parameter ScheduleExpression is not valid.")
    for expression in ("rate(1 minutes)", "rate(10 seconds)", "cron(0 1 * * * *)", "cron(71 8 1 * ? *)", "at(2030-01-01T00:00:00)"):
        assert error(events.put_rule, Name="r", ScheduleExpression=expression) == wrong, expression
    # One that will never fire is a schedule all the same.
    events.put_rule(Name="never", ScheduleExpression="cron(15 10 ? * 6L 2002-2005)")
    code, message = error(events.put_rule, Name="r", EventPattern='{"a": [{"numeric": 10}]}')
    assert code == "InvalidEventPatternException"
    assert message == 'Event pattern is not valid. Reason: Value of numeric must be an array.\n at [Source: (String)"{"a": [{"numeric": 10}]}"; line: 1, column: 22]'
    assert error(events.describe_rule, Name="gone") == ("ResourceNotFoundException", "Rule gone does not exist on EventBus default.")
    assert error(events.put_rule, Name="r", EventBusName="gone", EventPattern="{}")[0] in ("ResourceNotFoundException", "InvalidEventPatternException")
    answer = events.put_events(Entries=[{"DetailType": "t", "Detail": "{}"}, {"Source": "s", "DetailType": "t", "Detail": "[]"}, {"Source": "aws.s3", "DetailType": "t", "Detail": "{}"}])
    assert answer["FailedEntryCount"] == 3
    assert [entry["ErrorCode"] for entry in answer["Entries"]] == ["InvalidArgument", "MalformedDetail", "NotAuthorizedForSourceException"]
    target = {"Id": "t", "Arn": "arn:aws:states:us-east-1:000000000000:stateMachine:m"}
    assert "states is not built" in error(events.put_targets, Rule="never", Targets=[target])[1]


def test_patterns_are_tried(danbi):
    events = danbi.client("events")
    event = {"id": "1", "account": "0", "source": "s", "time": "t", "region": "r", "detail-type": "d", "detail": {"ip": "10.0.0.7", "path": "a/b.txt"}}
    for pattern, result in [
        ({"detail": {"ip": [{"cidr": "10.0.0.0/24"}]}}, True),
        ({"detail": {"path": [{"wildcard": "*/*.txt"}]}}, True),
        ({"detail": {"path": [{"anything-but": {"suffix": ".txt"}}]}}, False),
        ({"detail": {"gone": [{"exists": False}]}}, True),
        ({"$or": [{"source": ["x"]}, {"detail-type": [{"equals-ignore-case": "D"}]}]}, True),
    ]:
        assert events.test_event_pattern(EventPattern=json.dumps(pattern), Event=json.dumps(event))["Result"] is result, pattern


def test_buses_permissions_and_tags(danbi):
    events = danbi.client("events")
    arn = events.create_event_bus(Name="shop", Tags=[{"Key": "team", "Value": "a"}])["EventBusArn"]
    assert [bus["Name"] for bus in events.list_event_buses()["EventBuses"]] == ["default", "shop"]
    rule = events.put_rule(Name="r", EventBusName="shop", EventPattern=PATTERN)["RuleArn"]
    assert rule.endswith(":rule/shop/r")
    events.put_targets(Rule="r", EventBusName="shop", Targets=[{"Id": "f", "Arn": noting(danbi, rule)}])
    put(events, 20, EventBusName=arn)
    danbi.wait_until(lambda: len(notes(danbi)) == 1)
    events.put_permission(EventBusName="shop", Action="events:PutEvents", Principal="111111111111", StatementId="other")
    policy = json.loads(events.describe_event_bus(Name="shop")["Policy"])
    assert [statement["Sid"] for statement in policy["Statement"]] == ["other"]
    events.remove_permission(EventBusName="shop", StatementId="other")
    assert error(events.remove_permission, EventBusName="shop", StatementId="other") == ("ResourceNotFoundException", "Statement with the provided id does not exist.")
    events.tag_resource(ResourceARN=rule, Tags=[{"Key": "k", "Value": "v"}])
    assert events.list_tags_for_resource(ResourceARN=rule)["Tags"] == [{"Key": "k", "Value": "v"}]
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "team", "Value": "a"}]
    for _ in range(2):
        events.delete_event_bus(Name="shop")
    assert error(events.describe_event_bus, Name="shop") == ("ResourceNotFoundException", "Event bus shop does not exist.")


def test_an_archive_is_replayed(danbi):
    events = danbi.client("events")
    bus = "arn:aws:events:us-east-1:000000000000:event-bus/default"
    archive = events.create_archive(ArchiveName="kept", EventSourceArn=bus, EventPattern=PATTERN)["ArchiveArn"]
    put(events, 1)
    wanted = put(events, 99)
    assert events.describe_archive(ArchiveName="kept")["EventCount"] == 1
    rule = events.put_rule(Name="later", EventPattern=PATTERN)["RuleArn"]
    events.put_targets(Rule="later", Targets=[{"Id": "f", "Arn": noting(danbi, rule)}])
    events.start_replay(ReplayName="again", EventSourceArn=archive, EventStartTime=0, EventEndTime=4102444800, Destination={"Arn": bus})
    danbi.wait_until(lambda: len(notes(danbi)) == 1)
    (event,) = notes(danbi)
    assert (event["id"], event["replay-name"]) == (wanted, "again")
    danbi.wait_until(lambda: events.describe_replay(ReplayName="again")["State"] == "COMPLETED")


def test_no_accepted_event_is_lost_to_kill_9(danbi):
    events = danbi.client("events")
    rule = events.put_rule(Name="orders", EventPattern=PATTERN)["RuleArn"]
    events.put_targets(Rule="orders", Targets=[{"Id": "f", "Arn": noting(danbi, rule, code=NOTE_AND_WAIT)}])
    sent = {put(events, 100 + number) for number in range(20)}
    danbi.kill_9()
    danbi.start()
    # A delivery that was under way is due again when its claim ends.
    danbi.wait_until(lambda: {event["id"] for event in notes(danbi)} == sent, seconds=90)


def test_a_delivery_that_fails_is_tried_again(danbi_with):
    danbi = danbi_with(DANBI_DELIVERY_RETRY_MS="50,100")
    events, client = danbi.client("events"), danbi.client("lambda")
    rule = events.put_rule(Name="orders", EventPattern=PATTERN)["RuleArn"]
    # No permission: the delivery is given up, and later ones are not held up by it.
    function = create(client, "note", python(NOTE))["FunctionArn"]
    events.put_targets(Rule="orders", Targets=[{"Id": "f", "Arn": function}])
    put(events, 50)
    danbi.wait_until(lambda: "a delivery is given up" in danbi.log())
    client.add_permission(FunctionName="note", StatementId="s", Action="lambda:InvokeFunction", Principal="events.amazonaws.com", SourceArn=rule)
    put(events, 51)
    danbi.wait_until(lambda: [event["detail"]["total"] for event in notes(danbi)] == [51])
