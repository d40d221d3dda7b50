"""Functions that take several events at once in one environment."""

import json
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError
from packages import create, python, updated, zipped
from platform_under_test import binary
from test_cli import clean_environment

EVENTS = 20
MEETING = """
import asyncio, os
here = set()
async def handler(event, context):
    here.add(event["n"])
    while len(here) < event["all"]:
        await asyncio.sleep(0.005)
    return [event["n"], context.log_stream_name]
"""
NODE = """
const here = new Set();
exports.handler = async (event, context) => {
  here.add(event.n);
  while (here.size < event.all) await new Promise((resolve) => setTimeout(resolve, 5));
  return [event.n, context.logStreamName];
};
"""


def meet(danbi, name, count=EVENTS):
    """Sends events that only end when all of them are under way; gives the environments that they were in."""
    client = danbi.client("lambda")

    def send(n):
        sent = client.invoke(FunctionName=name, Payload=json.dumps({"n": n, "all": count}))
        answer = json.loads(sent["Payload"].read())
        assert "FunctionError" not in sent and answer[0] == n, answer
        return answer[1]

    with ThreadPoolExecutor(count) as pool:
        return set(pool.map(send, range(count)))


@pytest.mark.parametrize("language", ["python", "node"])
def test_twenty_events_are_in_one_environment_at_once(danbi, language):
    client = danbi.client("lambda")
    several = {"Environment": {"Variables": {"DANBI_CONCURRENCY": str(EVENTS)}}, "Timeout": 60}
    if language == "python":
        create(client, "f", python(MEETING), **several)
    else:
        create(client, "f", zipped({"app.js": NODE}), Runtime="nodejs20.x", **several)
    streams = meet(danbi, "f")
    assert len(streams) == 1
    logs = danbi.client("logs")
    lines = [event["message"] for event in logs.filter_log_events(logGroupName="/aws/lambda/f")["events"]]
    for kind in ("START", "END", "REPORT"):
        assert len({line.split()[2] for line in lines if line.startswith(f"{kind} RequestId: ")}) == EVENTS


def test_reserved_concurrency_counts_the_events_of_an_environment(danbi):
    client = danbi.client("lambda")
    create(client, "f", python(MEETING), Environment={"Variables": {"DANBI_CONCURRENCY": "8"}}, Timeout=60)
    client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=1)

    def wait_for_another():
        # The probes below may have the one place at this moment.
        while True:
            try:
                return client.invoke(FunctionName="f", Payload=b'{"n": 0, "all": 2}')
            except client.exceptions.TooManyRequestsException:
                pass

    waiting = threading.Thread(target=wait_for_another)
    waiting.start()
    other = danbi.client("lambda")

    def throttled():
        try:
            other.invoke(FunctionName="f", Payload=b'{"n": 0, "all": 1}')
        except ClientError as error:
            return error.response["Error"]["Code"] == "TooManyRequestsException"

    danbi.wait_until(throttled)
    client.delete_function_concurrency(FunctionName="f")
    other.invoke(FunctionName="f", Payload=b'{"n": 1, "all": 2}')
    waiting.join()


def test_what_is_no_number_in_its_bounds_is_refused(danbi):
    client = danbi.client("lambda")
    create(client, "f")
    for said in ("0", "257", "many", ""):
        with pytest.raises(ClientError) as error:
            client.update_function_configuration(FunctionName="f", Environment={"Variables": {"DANBI_CONCURRENCY": said}})
        assert error.value.response["Error"]["Code"] == "InvalidParameterValueException"
        assert "from 1 to 256" in error.value.response["Error"]["Message"]
    client.update_function_configuration(FunctionName="f", Environment={"Variables": {"DANBI_CONCURRENCY": "256"}})
    updated(client, "f")


def test_danbi_toml_says_it(danbi, tmp_path):
    app = tmp_path / "meeting"
    app.mkdir()
    (app / "app.py").write_text(MEETING)
    (app / "danbi.toml").write_text(f'handler = "app.handler"\nconcurrency = {EVENTS}\n')

    def deploy():
        command = [binary(), "deploy", str(app), "--json"]
        return subprocess.run(command, env=clean_environment(danbi), capture_output=True, text=True, timeout=300)

    done = deploy()
    assert done.returncode == 0, done.stderr
    variables = danbi.client("lambda").get_function_configuration(FunctionName="meeting")["Environment"]["Variables"]
    assert variables["DANBI_CONCURRENCY"] == str(EVENTS)
    assert len(meet(danbi, "meeting")) == 1
    (app / "danbi.toml").write_text('handler = "app.handler"\nconcurrency = 300\n')
    refused = deploy()
    assert refused.returncode != 0 and "takes 256 events at most" in refused.stderr, refused.stderr
