"""Attacks by quantity: requests, functions, log lines, bytes; the platform bends and comes back."""

import collections
import socket
import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError
from packages import create, python
from platform_under_test import Platform
from test_attacks_http import raw, statuses

SLOW = "import time\ndef handler(event, context):\n    time.sleep(event)\n    return event\n"


def test_a_storm_on_one_slow_function(danbi):
    client = danbi.client("lambda")
    create(client, "slow", python(SLOW), Timeout=30)
    client.put_function_concurrency(FunctionName="slow", ReservedConcurrentExecutions=4)

    def call(_):
        try:
            return client.invoke(FunctionName="slow", Payload=b"0.2")["StatusCode"]
        except ClientError as error:
            answer = error.response
            return (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer.get("Reason"))

    with ThreadPoolExecutor(64) as pool:
        outcomes = collections.Counter(pool.map(call, range(1000)))
    assert set(outcomes) <= {200, (429, "TooManyRequestsException", "ReservedFunctionConcurrentInvocationLimitExceeded")}, outcomes
    assert outcomes[200] >= 4 and sum(outcomes.values()) == 1000
    assert danbi.rss_mib() < 300, danbi.rss_mib()
    assert client.invoke(FunctionName="slow", Payload=b"0")["StatusCode"] == 200


def test_a_storm_on_a_function_without_a_bound(danbi):
    """More than the machine can hold at once: each is served or told to come again."""
    client = danbi.client("lambda")
    create(client, "slow", python(SLOW), Timeout=60, MemorySize=3008)

    def call(_):
        try:
            return client.invoke(FunctionName="slow", Payload=b"1")["StatusCode"]
        except ClientError as error:
            return (error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"])

    with ThreadPoolExecutor(64) as pool:
        outcomes = collections.Counter(pool.map(call, range(200)))
    assert set(outcomes) <= {200, (429, "TooManyRequestsException")}, outcomes
    assert outcomes[200] > 0
    assert client.invoke(FunctionName="slow", Payload=b"0")["StatusCode"] == 200


def test_a_flood_of_log_lines_from_many_functions(danbi):
    client = danbi.client("lambda")
    source = "def handler(event, context):\n    for n in range(20000):\n        print('flood', n, 'x' * 200)\n    return 'done'\n"
    names = [f"flood-{n}" for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: create(client, name, python(source), Timeout=60), names))
        answers = list(pool.map(lambda name: client.invoke(FunctionName=name)["Payload"].read(), names))
    assert answers == [b'"done"'] * 4
    assert danbi.rss_mib() < 400, danbi.rss_mib()
    assert danbi.http("GET", "/_danbi/health").status == 200


def test_many_functions_and_a_restart(danbi):
    client = danbi.client("lambda")
    code = python(SLOW)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: client.create_function(FunctionName=f"small-{n}", Runtime="python3.11", Role="arn:aws:iam::000000000000:role/r", Handler="app.handler", Code={"ZipFile": code}), range(500)))
    danbi.kill_9()
    danbi.start()
    names = [f["FunctionName"] for page in client.get_paginator("list_functions").paginate() for f in page["Functions"]]
    assert len(set(names)) == 500
    client.get_waiter("function_active_v2").wait(FunctionName="small-499")
    assert client.invoke(FunctionName="small-499", Payload=b"0")["StatusCode"] == 200


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_refuses_and_forgets_nothing(small_disk):
    danbi = Platform(small_disk / "data")
    danbi.log_path = small_disk.parent / "danbi.log"
    danbi.start()
    try:
        client = danbi.client("lambda")
        create(client, "kept", python(SLOW))
        (small_disk / "ballast").write_bytes(b"")
        with pytest.raises(OSError), open(small_disk / "ballast", "wb") as ballast:
            while True:
                ballast.write(b"\0" * 65536)
                ballast.flush()
        refused = 0
        for n in range(20):
            try:
                client.create_function(FunctionName=f"more-{n}", Runtime="python3.11", Role="arn:aws:iam::000000000000:role/r", Handler="app.handler", Code={"ZipFile": python(SLOW + f"# {n}" + "x" * 4000)})
            except ClientError as error:
                assert error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500, error
                assert "os error" not in str(error) and str(small_disk) not in str(error), error
                refused += 1
        assert refused > 0
        assert client.get_function(FunctionName="kept")["Configuration"]["FunctionName"] == "kept"
        acknowledged = {f["FunctionName"] for f in client.list_functions()["Functions"]}
        (small_disk / "ballast").unlink()
        # It either goes on by itself, or after a restart; nothing that was acknowledged is gone.
        try:
            create(client, "after", python(SLOW))
            acknowledged.add("after")
        except ClientError:
            danbi.kill_9()
            danbi.start()
            client = danbi.client("lambda")
            create(client, "after-restart", python(SLOW))
        assert acknowledged <= {f["FunctionName"] for f in client.list_functions()["Functions"]}
        client.get_waiter("function_active_v2").wait(FunctionName="kept")
        assert client.invoke(FunctionName="kept", Payload=b"0")["StatusCode"] == 200
    finally:
        danbi.end()


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0)
# :method GET, :scheme http, :path /, :authority "x"
HEAD = b"\x82\x86\x84\x41\x01x"


def flood(danbi, frames):
    """Sends a greeting and the frames; gives how many were taken before the platform hung up."""
    taken = 0
    with socket.create_connection(("127.0.0.1", danbi.port), timeout=10) as connection:
        connection.sendall(PREFACE)
        try:
            for piece in frames:
                connection.sendall(piece)
                taken += 1
        except OSError:
            pass
    return taken


@pytest.mark.parametrize("attack", ["rapid reset", "endless headers", "header bomb", "pings", "settings", "empty data"])
def test_http2_floods(danbi, attack):
    many = 20_000
    if attack == "rapid reset":
        frames = (frame(1, 5, 2 * n + 1, HEAD) + frame(3, 0, 2 * n + 1, b"\0\0\0\x08") for n in range(many))
    elif attack == "endless headers":
        frames = (frame(1, 1, 1, HEAD) if n == 0 else frame(9, 0, 1, b"\x00\x01a\x7f\x81\x01" + b"b" * 256) for n in range(many))
    elif attack == "header bomb":
        # One large entry in the dynamic table, then referred to again and again.
        large = b"\x40\x01a\x7f\x80\x1e" + b"b" * 3967
        frames = (frame(1, 5, 2 * n + 1, HEAD + (large if n == 0 else b"") + b"\xbe" * 16000) for n in range(200))
    elif attack == "pings":
        frames = (frame(6, 0, 0, b"\0" * 8) for _ in range(many))
    elif attack == "settings":
        frames = (frame(4, 0, 0) for _ in range(many))
    else:
        frames = (frame(1, 4, 1, HEAD) if n == 0 else frame(0, 0, 1) for n in range(many))
    flood(danbi, frames)
    assert danbi.http("GET", "/_danbi/health").status == 200
    assert danbi.rss_mib() < 250, danbi.rss_mib()


def test_long_queries_deep_documents_and_lying_lengths(danbi):
    client = danbi.client("lambda")
    create(client, "f")
    answer = raw(danbi, b"GET /?" + b"a=b&" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert not answer or statuses(answer)[0] in (400, 414, 431), answer[:200]
    answer = raw(danbi, b"GET /?" + b"a=b&" * 10_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert not answer or statuses(answer)[0] in (400, 403, 414, 431), answer[:200]
    # Depth in an event is the function's business; in a request to the API it is refused.
    deep = b"[" * 100_000 + b"]" * 100_000
    for payload in (deep, b"{\"a\":" * 50_000):
        try:
            client.invoke(FunctionName="f", Payload=payload)
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert client.invoke(FunctionName="f", Payload=b"1")["Payload"].read() == b"1"
    # Nobody waits for bytes that were announced and do not come.
    answer = raw(danbi, b"POST /2015-03-31/functions/f/invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999\r\n\r\nabc")
    assert statuses(answer)[0] in (400, 403, 413), answer
