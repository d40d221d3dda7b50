"""Events are accepted once and kept until they are done."""

import json

from packages import create, python

# Appends to the function's log, which is what outlives an environment.
NOTE = "def handler(e, c):\n    print('ran', e['n'])\n    if e.get('fail'):\n        raise RuntimeError('again')\n"


def ran(danbi, name, text):
    logs = danbi.client("logs")
    try:
        found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern=f'"{text}"')
    except logs.exceptions.ResourceNotFoundException:
        return 0
    return sum(event["message"].strip() == text for event in found["events"])


def test_an_event_runs_later(danbi):
    client = danbi.client("lambda")
    create(client, "note", python(NOTE))
    answer = client.invoke(FunctionName="note", InvocationType="Event", Payload=json.dumps({"n": 1}))
    assert answer["StatusCode"] == 202 and answer["Payload"].read() == b""
    danbi.wait_until(lambda: ran(danbi, "note", "ran 1") == 1)


def test_a_failing_event_is_tried_three_times(danbi_with):
    danbi = danbi_with(DANBI_ASYNC_RETRY_DELAYS_MS="50,100")
    client = danbi.client("lambda")
    create(client, "note", python(NOTE))
    client.invoke(FunctionName="note", InvocationType="Event", Payload=json.dumps({"n": 2, "fail": True}))
    danbi.wait_until(lambda: ran(danbi, "note", "ran 2") == 3)
    client.invoke(FunctionName="note", InvocationType="Event", Payload=json.dumps({"n": 3}))
    danbi.wait_until(lambda: ran(danbi, "note", "ran 3") == 1)
    assert ran(danbi, "note", "ran 2") == 3


def test_an_accepted_event_survives_kill_9(danbi):
    client = danbi.client("lambda")
    create(client, "note", python("import time\n" + NOTE + "    time.sleep(0.1)\n"))
    # One at a time, so that most of them still wait when the platform is killed.
    client.put_function_concurrency(FunctionName="note", ReservedConcurrentExecutions=1)
    for n in range(20):
        client.invoke(FunctionName="note", InvocationType="Event", Payload=json.dumps({"n": n}))
    danbi.kill_9()
    danbi.start()
    assert sum(ran(danbi, "note", f"ran {n}") for n in range(20)) < 20, "some events still wait"
    danbi.wait_until(lambda: all(ran(danbi, "note", f"ran {n}") for n in range(20)), seconds=90)


def test_events_for_a_function_without_concurrency_are_given_up(danbi):
    # AWS: condition ZeroReservedConcurrency, straight to the destination, without a retry.
    client = danbi.client("lambda")
    create(client, "note", python(NOTE))
    create(client, "given-up", python("import json\ndef handler(e, c):\n    print(e['requestContext']['condition'])\n"))
    failed = client.get_function(FunctionName="given-up")["Configuration"]["FunctionArn"]
    client.put_function_event_invoke_config(FunctionName="note", DestinationConfig={"OnFailure": {"Destination": failed}})
    client.put_function_concurrency(FunctionName="note", ReservedConcurrentExecutions=0)
    client.invoke(FunctionName="note", InvocationType="Event", Payload=json.dumps({"n": 1}))
    danbi.wait_until(lambda: ran(danbi, "given-up", "ZeroReservedConcurrency") == 1)
    assert ran(danbi, "note", "ran 1") == 0


def test_topics_and_buses_are_told_and_dead_letters_are_kept(danbi_with):
    danbi = danbi_with(DANBI_ASYNC_RETRY_DELAYS_MS="10,10")
    iam, client, sns, events = (danbi.client(service) for service in ("iam", "lambda", "sns", "events"))
    policy = lambda **statement: json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})
    role = iam.create_role(RoleName="teller", AssumeRolePolicyDocument=policy(Principal={"Service": "lambda.amazonaws.com"}, Action="sts:AssumeRole"))["Role"]["Arn"]
    iam.put_role_policy(RoleName="teller", PolicyName="p", PolicyDocument=policy(Action=["sns:Publish", "events:PutEvents"], Resource="*"))
    heard = create(client, "heard", python("import json\ndef handler(e, c):\n    print('heard ' + json.dumps(e))\n"))["FunctionArn"]
    topic = sns.create_topic(Name="told")["TopicArn"]
    rule = events.put_rule(Name="told", EventPattern=json.dumps({"source": ["lambda"]}))["RuleArn"]
    for number, (principal, source) in enumerate((("sns.amazonaws.com", topic), ("events.amazonaws.com", rule))):
        client.add_permission(FunctionName="heard", StatementId=str(number), Action="lambda:InvokeFunction", Principal=principal, SourceArn=source)
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=heard)
    events.put_targets(Rule="told", Targets=[{"Id": "t", "Arn": heard}])
    create(client, "note", python(NOTE), Role=role, DeadLetterConfig={"TargetArn": topic})
    assert client.get_function(FunctionName="note")["Configuration"]["DeadLetterConfig"] == {"TargetArn": topic}
    bus = "arn:aws:events:us-east-1:000000000000:event-bus/default"
    client.put_function_event_invoke_config(FunctionName="note", DestinationConfig={"OnSuccess": {"Destination": topic}, "OnFailure": {"Destination": bus}})

    def told():
        logs = danbi.client("logs")
        try:
            found = logs.filter_log_events(logGroupName="/aws/lambda/heard", filterPattern='"heard "')["events"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [json.loads(event["message"].strip()[6:]) for event in found]

    client.invoke(FunctionName="note", InvocationType="Event", Payload=json.dumps({"n": 1}))
    danbi.wait_until(lambda: len(told()) == 1)
    record = json.loads(told()[0]["Records"][0]["Sns"]["Message"])
    assert (record["requestContext"]["condition"], record["requestPayload"]) == ("Success", {"n": 1})
    client.invoke(FunctionName="note", InvocationType="Event", Payload=json.dumps({"n": 2, "fail": True}))
    danbi.wait_until(lambda: len(told()) == 3)
    (letter,) = [event["Records"][0]["Sns"] for event in told()[1:] if "Records" in event]
    assert json.loads(letter["Message"]) == {"n": 2, "fail": True}
    assert letter["MessageAttributes"]["ErrorMessage"] == {"Type": "String", "Value": "again"}
    (event,) = [event for event in told()[1:] if "detail" in event]
    assert (event["detail-type"], event["detail"]["requestContext"]["condition"]) == ("Lambda Function Invocation Result - Failure", "RetriesExhausted")
