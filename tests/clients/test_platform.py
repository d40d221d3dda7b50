"""`danbi serve` itself: start, files, health, crash, drain, refusal."""

import base64
import concurrent.futures
import json
import os
import select
import signal
import socket
import stat
import subprocess

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from packages import ECHO, ROLE, create, python
from platform_under_test import KEY_ID, SECRET, binary


def serve(*arguments, **environment):
    return subprocess.run([binary(), "serve", *arguments], env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


def test_health_and_credentials_file(danbi):
    health = danbi.http("GET", "/_danbi/health")
    assert health.status == 200 and json.loads(health.body)["status"] == "ok"
    path = danbi.data / "credentials"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert "[default]" in text and f"aws_access_key_id = {KEY_ID}" in text and f"aws_secret_access_key = {SECRET}" in text


def test_root_credentials_are_made_and_kept(tmp_path, danbi_with):
    danbi = danbi_with(DANBI_ROOT_ACCESS_KEY_ID="", DANBI_ROOT_SECRET_ACCESS_KEY="")
    lines = dict(line.split(" = ") for line in (danbi.data / "credentials").read_text().splitlines() if " = " in line)
    client = danbi.client("sts", key_id=lines["aws_access_key_id"], secret=lines["aws_secret_access_key"])
    assert client.get_caller_identity()["Arn"] == "arn:aws:iam::000000000000:root"
    assert danbi.terminate() == 0
    danbi.start()
    again = dict(line.split(" = ") for line in (danbi.data / "credentials").read_text().splitlines() if " = " in line)
    assert again == lines


def test_a_second_platform_on_the_same_folder_is_refused(danbi):
    second = serve("--data", str(danbi.data), "--listen", "127.0.0.1:0")
    assert second.returncode == 1
    assert "already serving" in second.stderr and str(danbi.process.pid) in second.stderr and "--data" in second.stderr
    assert danbi.http("GET", "/_danbi/health").status == 200


def test_a_port_in_use_is_explained(danbi, tmp_path):
    second = serve("--data", str(tmp_path / "other"), "--listen", f"127.0.0.1:{danbi.port}")
    assert second.returncode == 1
    assert str(danbi.port) in second.stderr and "--listen" in second.stderr


def test_a_folder_that_cannot_be_written_is_explained(tmp_path):
    (tmp_path / "file").write_text("in the way")
    refused = serve("--data", str(tmp_path / "file"), "--listen", "127.0.0.1:0")
    assert refused.returncode == 1 and "data folder" in refused.stderr
    assert serve("--listen", "nonsense").returncode == 2
    assert serve("--account-id", "12").returncode == 2


def test_state_survives_kill_9_and_restart(danbi):
    client = danbi.client("lambda")
    create(client, "keeps", python("def handler(e, c):\n    return 'kept'\n"), Tags={"a": "b"})
    client.publish_version(FunctionName="keeps")
    client.create_alias(FunctionName="keeps", Name="live", FunctionVersion="1")
    before = client.get_function(FunctionName="keeps")
    for _ in range(3):
        danbi.kill_9()
        danbi.start()
        client = danbi.client("lambda")
        after = client.get_function(FunctionName="keeps")
        assert after["Configuration"] == before["Configuration"] and after["Tags"] == {"a": "b"}
        assert client.invoke(FunctionName="keeps:live")["Payload"].read() == b'"kept"'


def test_nothing_of_a_function_outlives_kill_9(danbi):
    client = danbi.client("lambda")
    marker = f"rain-{danbi.port}"
    source = f"import subprocess, time\ndef handler(e, c):\n    subprocess.Popen(['/bin/sh', '-c', 'exec -a {marker} sleep 1000 || sleep 1000'])\n    return 'ok'\n"
    create(client, "lingers", python(source), Environment={"Variables": {"MARKER": marker}})
    client.invoke(FunctionName="lingers")

    def alive():
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as environment:
                    if marker.encode() in environment.read():
                        found.append(pid)
            except OSError:
                continue
        return found

    assert alive()
    danbi.kill_9()
    danbi.start()
    danbi.wait_until(lambda: not alive())


def test_sigterm_drains(danbi):
    client = danbi.client("lambda")
    create(client, "slow", python("import time\ndef handler(e, c):\n    print('begun')\n    time.sleep(2)\n    return 'done'\n"), Timeout=10)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        call = pool.submit(client.invoke, FunctionName="slow")
        danbi.wait_until(lambda: running(danbi, "slow"))
        danbi.process.send_signal(signal.SIGTERM)
        assert call.result()["Payload"].read() == b'"done"'
    assert danbi.process.wait(60) == 0


def running(danbi, name):
    logs = danbi.client("logs")
    try:
        return bool(logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="begun")["events"])
    except logs.exceptions.ResourceNotFoundException:
        return False


def test_get_caller_identity(danbi):
    identity = danbi.client("sts").get_caller_identity()
    assert (identity["Account"], identity["Arn"]) == ("000000000000", "arn:aws:iam::000000000000:root")


def test_headers_and_bodies_that_are_too_much(danbi):
    def raw(request, finish=True):
        with socket.create_connection(("127.0.0.1", danbi.port), timeout=60) as connection:
            try:
                connection.sendall(request)
                if finish:
                    connection.shutdown(socket.SHUT_WR)
                return connection.recv(65536)
            except (BrokenPipeError, ConnectionResetError):
                return b""

    huge = raw(b"GET / HTTP/1.1\r\nHost: x\r\nX-Big: " + b"x" * (1 << 20) + b"\r\n\r\n", finish=False)
    assert huge == b"" or b" 431 " in huge
    assert b" 400 " in raw(b"NONSENSE\r\n\r\n")
    truncated = raw(b"POST /2015-03-31/functions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    assert b" 200 " not in truncated and b" 5" not in truncated[:13]
    assert danbi.http("GET", "/_danbi/health").status == 200


@pytest.mark.parametrize("path", ["/_danbi/nothing", "/_aws/nothing", "/_danbi/app/nobody/", "/_aws/lambda-url/nobody/"])
def test_paths_that_lead_nowhere(danbi, path):
    answer = danbi.http("GET", path)
    assert answer.status in (403, 404)


def test_a_call_whose_client_leaves_is_brought_to_its_end(danbi):
    client = danbi.client("lambda")
    for n in range(8):
        body = json.dumps({"FunctionName": f"left-{n}", "Runtime": "python3.11", "Role": ROLE, "Handler": "app.handler", "Code": {"ZipFile": base64.b64encode(ECHO).decode()}})
        path = "/2015-03-31/functions"
        request = AWSRequest("POST", danbi.url + path, data=body, headers={"Host": f"127.0.0.1:{danbi.port}", "Content-Length": str(len(body))})
        SigV4Auth(Credentials(KEY_ID, SECRET), "lambda", "us-east-1").add_auth(request)
        head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        with socket.create_connection(("127.0.0.1", danbi.port)) as connection:
            connection.sendall(f"POST {path} HTTP/1.1\r\n{head}\r\n{body}".encode())
            # Now and then the client is gone before the platform has read anything; mostly it is not.
            select.select([connection], [], [], n / 200)
    danbi.wait_until(lambda: len(client.list_functions()["Functions"]) >= 4)
    for function in client.list_functions()["Functions"]:
        danbi.wait_until(lambda: client.get_function_configuration(FunctionName=function["FunctionName"])["State"] == "Active")
        assert client.invoke(FunctionName=function["FunctionName"], Payload=b"1")["Payload"].read() == b"1"
