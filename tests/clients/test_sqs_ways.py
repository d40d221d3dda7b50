"""What comes to queues from other services and goes from them, and how the command line and stacks see them."""

import datetime
import json

from packages import create, python
from test_cli import cli  # noqa: F401 (a fixture)
from test_cloudformation import outputs, template, wait
from test_events import notes
from test_sqs import FIFO, arn, drain, open_to, queue, receive

FAILS = "def handler(event, context):\n    if event.get('fail'):\n        raise RuntimeError('it rains')\n    return {'n': event['n']}\n"


def role(danbi, service, *actions):
    """A role that `service` may take, and that may do `actions` everywhere."""
    iam = danbi.client("iam")
    policy = lambda **statement: json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})  # noqa: E731
    made = iam.create_role(RoleName="on-its-way", AssumeRolePolicyDocument=policy(Principal={"Service": service}, Action="sts:AssumeRole"))["Role"]["Arn"]
    iam.put_role_policy(RoleName="on-its-way", PolicyName="p", PolicyDocument=policy(Action=actions, Resource="*"))
    return made


def counts(sqs, url):
    numbers = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return [int(numbers[f"ApproximateNumberOfMessages{kind}"]) for kind in ("", "NotVisible", "Delayed")]


def test_what_a_function_did_later_is_told_to_queues(danbi_with):
    danbi = danbi_with(DANBI_ASYNC_RETRY_DELAYS_MS="10,10")
    sqs, functions = danbi.client("sqs"), danbi.client("lambda")
    done, failed, dead = (queue(sqs, name) for name in ("done", "failed", "dead"))
    create(functions, "umbrella", python(FAILS), Role=role(danbi, "lambda.amazonaws.com", "sqs:SendMessage"), DeadLetterConfig={"TargetArn": arn("dead")})
    destinations = {"OnSuccess": {"Destination": arn("done")}, "OnFailure": {"Destination": arn("failed")}}
    functions.put_function_event_invoke_config(FunctionName="umbrella", DestinationConfig=destinations)
    functions.invoke(FunctionName="umbrella", InvocationType="Event", Payload='{"n": 1}')
    record = json.loads(drain(sqs, done, 1)[0])
    assert (record["requestContext"]["condition"], record["requestPayload"], record["responsePayload"]) == ("Success", {"n": 1}, {"n": 1})
    functions.invoke(FunctionName="umbrella", InvocationType="Event", Payload='{"fail": true}')
    record = json.loads(drain(sqs, failed, 1)[0])
    assert (record["requestContext"]["condition"], record["requestContext"]["approximateInvokeCount"]) == ("RetriesExhausted", 3)
    assert record["responsePayload"]["errorMessage"] == "it rains"
    [letter] = receive(sqs, dead, WaitTimeSeconds=20)
    assert json.loads(letter["Body"]) == {"fail": True}
    told = letter["MessageAttributes"]
    assert (told["ErrorMessage"]["StringValue"], told["ErrorCode"]["StringValue"]) == ("it rains", "200")
    assert set(told) == {"RequestID", "ErrorCode", "ErrorMessage"}
    assert counts(sqs, done) == [0, 0, 0]


def test_schedules_send_to_queues(danbi):
    sqs, scheduler = danbi.client("sqs"), danbi.client("scheduler")
    url, fifo = queue(sqs, "q"), queue(sqs, "q.fifo", **FIFO)
    planner = role(danbi, "scheduler.amazonaws.com", "sqs:SendMessage")
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2)
    for name, more in (("q", {}), ("q.fifo", {"SqsParameters": {"MessageGroupId": "g"}})):
        target = {"Arn": arn(name), "RoleArn": planner, "Input": f"for {name}", **more}
        scheduler.create_schedule(Name=name, ScheduleExpression=f"at({soon:%Y-%m-%dT%H:%M:%S})", FlexibleTimeWindow={"Mode": "OFF"}, Target=target)
    assert drain(sqs, url, 1) == ["for q"]
    [message] = receive(sqs, fifo, WaitTimeSeconds=20)
    assert (message["Body"], message["Attributes"]["MessageGroupId"]) == ("for q.fifo", "g")


def test_the_verbs_of_danbi_queue(cli, danbi):  # noqa: F811
    sqs = danbi.client("sqs")
    json_of = lambda *arguments: json.loads(cli("queue", *arguments, "--json").stdout)  # noqa: E731
    assert "danbi queue create NAME" in cli("queue", "ls").stderr
    cli("queue", "create", "dead")
    made = json_of("create", "orders", "--dead-letters", "dead", "--receives", "2")
    policy = sqs.get_queue_attributes(QueueUrl=made["url"], AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
    assert json.loads(policy) == {"deadLetterTargetArn": arn("dead"), "maxReceiveCount": 2}
    for body in ("one", "two"):
        assert cli("queue", "send", "orders", body).stdout.startswith("sent ")
    cli("queue", "send", "orders", "later", "--delay", "600")
    [orders] = [each for each in json_of("ls")["queues"] if each["queue"] == "orders"]
    assert (orders["messages"], orders["in_flight"], orders["delayed"]) == (2, 0, 1)
    assert sorted(cli("queue", "receive", "orders", "--keep").stdout.split()) == ["one", "two"]
    assert sorted(message["body"] for message in json_of("receive", "orders", "--wait", "5")["messages"]) == ["one", "two"]
    assert "has nothing to receive" in cli("queue", "receive", "orders").stderr
    cli("queue", "purge", "orders")
    assert counts(sqs, made["url"]) == [0, 0, 0]
    cli("queue", "create", "line.fifo")
    assert "MessageGroupId" in cli("queue", "send", "line.fifo", "first", expect=1).stderr
    for body in ("first", "second"):
        cli("queue", "send", "line.fifo", body, "--group", "g")
    assert cli("queue", "receive", "line.fifo", "-n", "1").stdout == "first\n"
    assert cli("queue", "receive", "line.fifo").stdout == "second\n"
    for name in ("orders", "dead", "line.fifo"):
        cli("queue", "rm", name)
    assert json_of("ls") == {"queues": []}
    assert "does not exist" in cli("queue", "send", "orders", "x", expect=1).stderr


SLOW = """
import json, time
def handler(event, context):
    time.sleep(0.2)
    print("got " + json.dumps([record["body"] for record in event["Records"]]))
    time.sleep(0.3)
"""


def test_no_acknowledged_message_is_lost_to_kill_9_on_its_way_into_a_function(danbi):
    sqs, functions = danbi.client("sqs"), danbi.client("lambda")
    url = queue(sqs, "q", VisibilityTimeout="6")
    create(functions, "note", python(SLOW), Timeout=5)
    functions.create_event_source_mapping(EventSourceArn=arn("q"), FunctionName="note", BatchSize=2, ScalingConfig={"MaximumConcurrency": 2})
    bodies = [f"m{number}" for number in range(30)]
    for at in range(0, len(bodies), 10):
        entries = [{"Id": body, "MessageBody": body} for body in bodies[at : at + 10]]
        assert len(sqs.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]) == 10
    seen = lambda: {body for batch in notes(danbi) for body in batch}  # noqa: E731
    danbi.wait_until(lambda: len(seen()) >= 4 and counts(sqs, url)[1] > 0)
    danbi.kill_9()
    danbi.start()
    sqs = danbi.client("sqs")
    assert sum(counts(sqs, url)) > 0, "some messages still wait"
    # What was in flight comes again when its time is over.
    danbi.wait_until(lambda: counts(sqs, url) == [0, 0, 0], seconds=90)
    danbi.wait_until(lambda: seen() == set(bodies))


ORDERED = """
import json
def handler(event, context):
    print("got " + json.dumps([record["body"] for record in event["Records"]]))
    failed, ids = set(), []
    for record in event["Records"]:
        body, group = record["body"], record["attributes"]["MessageGroupId"]
        first = record["attributes"]["ApproximateReceiveCount"] == "1"
        # What stands behind a failure in its group has failed too.
        if group in failed or body == "poison" or (body == "a2" and first):
            failed.add(group)
            ids.append(record["messageId"])
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in ids]}
"""


def test_groups_keep_their_order_into_functions_that_report_failures(danbi):
    sqs, functions = danbi.client("sqs"), danbi.client("lambda")
    dead = queue(sqs, "dead.fifo", **FIFO)
    redrive = json.dumps({"deadLetterTargetArn": arn("dead.fifo"), "maxReceiveCount": 3})
    url = queue(sqs, "q.fifo", VisibilityTimeout="3", RedrivePolicy=redrive, **FIFO)
    create(functions, "note", python(ORDERED))
    for group, body in (("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("b", "poison"), ("b", "b2")):
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group)
    functions.create_event_source_mapping(EventSourceArn=arn("q.fifo"), FunctionName="note", FunctionResponseTypes=["ReportBatchItemFailures"])
    # What came with the poison each time has failed as often.
    danbi.wait_until(lambda: counts(sqs, dead) == [2, 0, 0])
    letters = receive(sqs, dead)
    assert [letter["Body"] for letter in letters] == ["poison", "b2"]
    assert (letters[0]["Attributes"]["MessageGroupId"], letters[0]["Attributes"]["DeadLetterQueueSourceArn"]) == ("b", arn("q.fifo"))
    danbi.wait_until(lambda: counts(sqs, url) == [0, 0, 0])
    seen = [body for batch in notes(danbi) for body in batch]
    last = {body: len(seen) - seen[::-1].index(body) for body in seen}
    assert last["a1"] < last["a2"] < last["a3"] and last["b1"] < last["poison"] < last["b2"]
    assert [seen.count(body) for body in ("a1", "a2", "a3", "b1", "poison", "b2")] == [1, 2, 2, 1, 3, 3]


def test_a_stack_of_a_topic_that_tells_a_queue(danbi):
    stacks, sqs, sns = danbi.client("cloudformation"), danbi.client("sqs"), danbi.client("sns")
    get = lambda name: {"Fn::GetAtt": [name, "Arn"]}  # noqa: E731
    allow = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*", "Condition": {"ArnEquals": {"aws:SourceArn": {"Ref": "News"}}}}

    def body(kinds):
        subscription = {
            "TopicArn": {"Ref": "News"}, "Protocol": "sqs", "Endpoint": get("Inbox"), "RawMessageDelivery": True,
            "FilterPolicy": {"kind": kinds}, "RedrivePolicy": {"deadLetterTargetArn": get("Dead")},
        }
        return template(
            {
                "News": {"Type": "AWS::SNS::Topic"},
                "Dead": {"Type": "AWS::SQS::Queue"},
                "Inbox": {"Type": "AWS::SQS::Queue", "Properties": {"RedrivePolicy": {"deadLetterTargetArn": get("Dead"), "maxReceiveCount": 5}}},
                "May": {"Type": "AWS::SQS::QueuePolicy", "Properties": {"Queues": [{"Ref": "Inbox"}, {"Ref": "Dead"}], "PolicyDocument": {"Version": "2012-10-17", "Statement": [allow]}}},
                "Told": {"Type": "AWS::SNS::Subscription", "DependsOn": "May", "Properties": subscription},
            },
            Outputs={"Topic": {"Value": {"Ref": "News"}}, "Inbox": {"Value": {"Ref": "Inbox"}}, "Told": {"Value": {"Ref": "Told"}}},
        )

    identity = stacks.create_stack(StackName="news", TemplateBody=body(["good"]))["StackId"]
    wait(stacks, "stack_create_complete", "news")
    made = outputs(stacks, "news")

    def publish(kind):
        sns.publish(TopicArn=made["Topic"], Message=f"{kind} news", MessageAttributes={"kind": {"DataType": "String", "StringValue": kind}})

    publish("bad")
    publish("good")
    assert drain(sqs, made["Inbox"], 1) == ["good news"]
    stacks.update_stack(StackName="news", TemplateBody=body(["bad"]))
    wait(stacks, "stack_update_complete", "news")
    assert outputs(stacks, "news") == made
    publish("good")
    publish("bad")
    assert drain(sqs, made["Inbox"], 1) == ["bad news"]
    stacks.delete_stack(StackName="news")
    wait(stacks, "stack_delete_complete", identity)
    assert "QueueUrls" not in sqs.list_queues() and sns.list_subscriptions()["Subscriptions"] == []


def test_what_cannot_be_delivered_is_a_dead_letter(danbi_with):
    danbi = danbi_with(DANBI_DELIVERY_RETRY_MS="10,20")
    sqs, sns, events = danbi.client("sqs"), danbi.client("sns"), danbi.client("events")
    dead = queue(sqs, "dead")
    open_to(sqs, dead, "dead", "sns.amazonaws.com", "events.amazonaws.com")
    # These let nobody in, so that what is sent there is refused.
    queue(sqs, "shut")
    topic = sns.create_topic(Name="news")["TopicArn"]
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn("shut"), Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn("dead")})})
    sns.publish(TopicArn=topic, Message="hello", MessageAttributes={"a": {"DataType": "String", "StringValue": "b"}})
    [letter] = receive(sqs, dead, WaitTimeSeconds=20)
    assert json.loads(letter["Body"])["Message"] == "hello"
    assert sns.get_subscription_attributes(SubscriptionArn=subscription["SubscriptionArn"])["Attributes"]["RedrivePolicy"] == json.dumps({"deadLetterTargetArn": arn("dead")})
    sqs.delete_message(QueueUrl=dead, ReceiptHandle=letter["ReceiptHandle"])

    rule = events.put_rule(Name="orders", EventPattern=json.dumps({"source": ["shop"]}))["RuleArn"]
    target = {"Id": "t", "Arn": arn("shut"), "DeadLetterConfig": {"Arn": arn("dead")}, "RetryPolicy": {"MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 60}}
    assert events.put_targets(Rule="orders", Targets=[target])["FailedEntryCount"] == 0
    events.put_events(Entries=[{"Source": "shop", "DetailType": "order", "Detail": '{"n": 1}'}])
    [letter] = receive(sqs, dead, WaitTimeSeconds=20)
    assert json.loads(letter["Body"])["detail"] == {"n": 1}
    told = {name: attribute["StringValue"] for name, attribute in letter["MessageAttributes"].items()}
    assert (told["RULE_ARN"], told["TARGET_ARN"]) == (rule, arn("shut"))
    assert {"ERROR_CODE", "ERROR_MESSAGE"} <= set(told)


def test_a_trace_goes_on_with_events_and_messages(danbi):
    sqs, events = danbi.client("sqs"), danbi.client("events")
    url = queue(sqs, "q")
    open_to(sqs, url, "q", "events.amazonaws.com")
    events.put_rule(Name="orders", EventPattern=json.dumps({"source": ["shop"]}))
    events.put_targets(Rule="orders", Targets=[{"Id": "q", "Arn": arn("q")}])
    traces = [f"Root=1-5759e988-bd862e3fe1be46a99427279{number};Parent=53995c3f42cd8ad8;Sampled=1" for number in range(3)]
    events.put_events(Entries=[{"Source": "shop", "DetailType": "order", "Detail": "{}", "TraceHeader": traces[0]}])
    # SDKs that are traced say it in a header.
    for client, operation, trace in ((events, "PutEvents", traces[1]), (sqs, "SendMessage", traces[2])):
        client.meta.events.register(f"before-send.{client.meta.service_model.service_name}.{operation}", lambda request, trace=trace, **_: request.headers.__setitem__("X-Amzn-Trace-Id", trace))
    events.put_events(Entries=[{"Source": "shop", "DetailType": "order", "Detail": "{}"}])
    sqs.send_message(QueueUrl=url, MessageBody="hello")
    danbi.wait_until(lambda: counts(sqs, url)[0] == 3)
    assert sorted(message["Attributes"]["AWSTraceHeader"] for message in receive(sqs, url)) == traces
