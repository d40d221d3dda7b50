"""boto3, unmodified: how a function is run, and what is said when it fails."""

import base64
import concurrent.futures
import json
import re

import pytest
from botocore.exceptions import ClientError
from packages import create, python, updated, zipped


def run(client, name, event=None, **more):
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event or {}), LogType="Tail", **more)
    log = base64.b64decode(answer.get("LogResult", "")).decode()
    return json.loads(answer["Payload"].read()), answer.get("FunctionError"), log


def test_tail_shows_the_log_with_its_report(danbi):
    client = danbi.client("lambda")
    create(client, "hello", python("def handler(e, c):\n    print('hello', e['who'])\n    return c.aws_request_id\n"))
    request_id, error, log = run(client, "hello", {"who": "rain"})
    assert error is None
    assert f"START RequestId: {request_id} Version: $LATEST\n" in log
    assert "hello rain\n" in log
    assert f"END RequestId: {request_id}\n" in log
    assert re.search(
        rf"REPORT RequestId: {request_id}\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB\tInit Duration: [\d.]+ ms", log
    )
    _, _, log = run(client, "hello", {"who": "sun"})
    assert "Init Duration" not in log, "a warm environment was used"


def test_dry_run_and_bad_payloads(danbi):
    client = danbi.client("lambda")
    create(client, "echo")
    assert client.invoke(FunctionName="echo", InvocationType="DryRun")["StatusCode"] == 204
    with pytest.raises(ClientError) as error:
        client.invoke(FunctionName="echo", Payload=b"{not json")
    assert error.value.response["Error"]["Code"] == "InvalidRequestContentException"
    with pytest.raises(ClientError) as error:
        client.invoke(FunctionName="echo", Payload=b'"' + b"x" * (6 * 1024 * 1024 + 1) + b'"')
    assert error.value.response["Error"]["Code"] == "RequestEntityTooLargeException"
    with pytest.raises(ClientError) as error:
        client.invoke(FunctionName="nobody")
    assert error.value.response["Error"]["Code"] == "ResourceNotFoundException"


@pytest.mark.parametrize(
    "source,handler,kind,message",
    [
        ("def handler(e, c):\n    raise ValueError('no rain')\n", "app.handler", "ValueError", "no rain"),
        ("def other(e, c):\n    pass\n", "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("import nothing_here\n", "app.handler", "Runtime.ImportModuleError", "Unable to import module 'app': No module named 'nothing_here'"),
        ("def handler(e, c):\n    pass\n", "missing.handler", "Runtime.ImportModuleError", "Unable to import module 'missing': No module named 'missing'"),
        ("def handler(e, c:\n", "app.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app'"),
        ("def handler(e, c):\n    return {1, 2}\n", "app.handler", "Runtime.MarshalError", "Unable to marshal response"),
        ("import sys\ndef handler(e, c):\n    sys.exit(3)\n", "app.handler", "Runtime.ExitError", "exit status 3"),
        ("def handler(e, c):\n    return 'x' * (7 * 1024 * 1024)\n", "app.handler", "Function.ResponseSizeTooLarge", "Response payload size"),
    ],
)
def test_failures_in_python_are_named_as_aws_names_them(danbi, source, handler, kind, message):
    client = danbi.client("lambda")
    create(client, "bad", python(source), Handler=handler)
    for _ in range(2):
        document, error, _ = run(client, "bad")
        assert error == "Unhandled"
        assert document["errorType"] == kind
        assert message in document["errorMessage"]
    client.update_function_code(FunctionName="bad", ZipFile=python("def handler(e, c):\n    return 'mended'\n"))
    updated(client, "bad")
    client.update_function_configuration(FunctionName="bad", Handler="app.handler")
    updated(client, "bad")
    assert run(client, "bad")[0] == "mended"


def test_a_function_that_never_returns_is_stopped(danbi):
    client = danbi.client("lambda")
    source = "import time\ndef handler(e, c):\n    print('before')\n    time.sleep(e.get('s', 0))\n    return 'done'\n"
    create(client, "slow", python(source), Timeout=1)
    document, error, log = run(client, "slow", {"s": 60})
    assert error == "Unhandled"
    assert re.fullmatch(r"(.* )?Task timed out after 1\.00 seconds", document["errorMessage"])
    assert "before" in log and "Status: timeout" in log
    assert run(client, "slow", {})[0] == "done"


def test_a_function_that_takes_too_much_memory_is_stopped(danbi):
    client = danbi.client("lambda")
    source = "def handler(e, c):\n    keep = bytearray(b'x') * (e.get('mb', 0) << 20)\n    return len(keep)\n"
    create(client, "hungry", python(source), Timeout=20)
    document, error, log = run(client, "hungry", {"mb": 600})
    assert error == "Unhandled"
    assert document["errorType"] in ("Runtime.OutOfMemory", "Runtime.ExitError")
    assert "signal: killed" in document["errorMessage"]
    assert "Max Memory Used: 128 MB" in log
    assert run(client, "hungry", {"mb": 1})[0] == 1 << 20


def test_a_flood_of_output_neither_blocks_nor_leaks(danbi):
    client = danbi.client("lambda")
    source = "def handler(e, c):\n    line = 'x' * 1023\n    for _ in range(100 * 1024):\n        print(line)\n    return 'still here'\n"
    create(client, "loud", python(source), Timeout=120, MemorySize=256)
    before = danbi.rss_mib()
    payload, error, log = run(client, "loud")
    assert (payload, error) == ("still here", None)
    assert len(log) <= 4096
    assert danbi.rss_mib() - before < 200


def test_node_in_all_its_forms(danbi):
    client = danbi.client("lambda")
    forms = {
        "async": ({"index.js": "exports.handler = async (event, context) => ({ echo: event.n, name: context.functionName })"}, {"echo": 1, "name": "node-async"}),
        "callback": ({"index.js": "exports.handler = (event, context, callback) => setTimeout(() => callback(null, event.n + 1), 5)"}, 2),
        "esm": ({"index.mjs": "const late = await Promise.resolve(40);\nexport const handler = async (event) => late + event.n"}, 41),
        "module": ({"package.json": '{"type": "module"}', "index.js": "export const handler = async (event) => event.n + 10"}, 11),
    }
    for name, (files, expected) in forms.items():
        create(client, f"node-{name}", zipped(files), Runtime="nodejs20.x", Handler="index.handler", Timeout=10)
        assert run(client, f"node-{name}", {"n": 1})[:2] == (expected, None), name
    create(client, "node-throws", zipped({"index.js": "exports.handler = async () => { console.log('seen'); throw new TypeError('no rain') }"}), Runtime="nodejs20.x", Handler="index.handler", Timeout=10)
    document, error, log = run(client, "node-throws")
    assert error == "Unhandled" and document["errorType"] == "TypeError" and document["errorMessage"] == "no rain"
    assert document["trace"][0] == "TypeError: no rain"
    assert re.search(r"\tINFO\tseen\n", log) and "\tERROR\tInvoke Error \t" in log


def test_node_streams_its_answer(danbi):
    client = danbi.client("lambda")
    source = """
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  for (let n = 0; n < event.n; n++) stream.write(`${n};`);
  stream.end();
});
"""
    create(client, "stream", zipped({"index.js": source}), Runtime="nodejs20.x", Handler="index.handler", Timeout=10)
    answer = client.invoke_with_response_stream(FunctionName="stream", Payload=json.dumps({"n": 5}))
    chunks, complete = b"", None
    for event in answer["EventStream"]:
        chunks += event.get("PayloadChunk", {}).get("Payload", b"")
        complete = event.get("InvokeComplete", complete)
    assert chunks == b"0;1;2;3;4;" and complete is not None and "ErrorCode" not in complete


def test_an_own_bootstrap_in_shell(danbi):
    client = danbi.client("lambda")
    bootstrap = """#!/bin/sh
while true; do
  headers=$(mktemp)
  event=$(curl -sS -D "$headers" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next")
  id=$(grep -i lambda-runtime-aws-request-id "$headers" | tr -d '[:space:]' | cut -d: -f2)
  curl -sS -o /dev/null "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$id/response" -d "{\\"got\\": $event}"
done
"""
    create(client, "shell", zipped({"bootstrap": bootstrap}, {"bootstrap": 0o100755}), Runtime="provided.al2023", Handler="none", Timeout=10)
    assert run(client, "shell", {"n": 7})[:2] == ({"got": {"n": 7}}, None)


def test_scale_out_and_the_limit(danbi):
    client = danbi.client("lambda")
    source = "import time\ndef handler(e, c):\n    time.sleep(e.get('s', 0))\n    return c.log_stream_name\n"
    create(client, "wide", python(source), Timeout=10)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        streams = list(pool.map(lambda _: run(client, "wide", {"s": 0.7})[0], range(4)))
    assert len(set(streams)) == 4, "four at once need four environments"
    assert run(client, "wide")[0] in streams, "and then a warm one is used again"

    client.put_function_concurrency(FunctionName="wide", ReservedConcurrentExecutions=1)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(run, client, "wide", {"s": 0.7}) for _ in range(4)]
    refused = [call.exception() for call in calls if call.exception()]
    assert len(refused) == 3
    for error in refused:
        assert error.response["Error"]["Code"] == "TooManyRequestsException"
        assert error.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"


def test_an_unknown_runtime_teaches(danbi):
    client = danbi.client("lambda")
    create(client, "old", Runtime="python3.8")
    payload, error, _ = run(client, "old", {"a": 1})
    assert (payload, error) == ({"a": 1}, None), "runs on the nearest interpreter"
