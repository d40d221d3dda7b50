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
