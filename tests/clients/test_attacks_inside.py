"""Attacks from inside a function: its credentials, the platform's door, its neighbours, the machine."""

import json
import os
import pathlib
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError
from packages import create, python
from platform_under_test import SECRET, binary
from test_function_urls import open_url

PROBE = '''
import os, socket, json, urllib.request, urllib.error, glob, subprocess

def fetch(url, headers={}, method="GET", data=None):
    request = urllib.request.Request(url, data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return [answer.status, answer.read(2000).decode("latin-1")]
    except urllib.error.HTTPError as error:
        return [error.code, error.read(2000).decode("latin-1")]
    except Exception as error:
        return [0, type(error).__name__]

def reach(host, port):
    try:
        socket.create_connection((host, port), timeout=2).close()
        return True
    except Exception:
        return False

def read(path):
    try:
        return open(path, "rb").read(4096).decode("latin-1")
    except Exception as error:
        return type(error).__name__

def handler(event, context):
    return eval(event["do"])
'''


def function(danbi, name="inside", **more):
    client = danbi.client("lambda")
    create(client, name, python(PROBE), Timeout=60, **more)

    def do(expression):
        answer = client.invoke(FunctionName=name, Payload=json.dumps({"do": expression}))
        payload = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, payload
        return payload

    return do


def test_the_platforms_doors_from_inside(danbi):
    do = function(danbi)
    base = "http://127.0.0.1:4566"
    assert do("os.environ['AWS_ENDPOINT_URL']") == base
    status, health = do(f"fetch('{base}/_danbi/health')")
    assert status == 200 and "secret" not in health.lower() and str(danbi.data) not in health
    for path in ("/_danbi/code/" + "0" * 64, "/_danbi/code/x?expires=9999999999&token=00", "/_danbi/environments", "/_danbi/", "/_aws/", "/_danbi/app/inside/", "/_danbi/../etc/passwd"):
        status, body = do(f"fetch('{base}{path}')")
        assert status in (400, 403, 404), (path, status, body)
    # Unsigned, an AWS operation is refused, whatever host name is claimed.
    for host in ("lambda.us-east-1.amazonaws.com", "localhost", "169.254.169.254"):
        assert do(f"fetch('{base}/2015-03-31/functions/', headers={{'Host': '{host}'}})")[0] == 403


def test_a_function_seen_by_an_app_is_not_the_host(danbi):
    """Apps may trust 127.0.0.1; a function must not look like that."""
    client = danbi.client("lambda")
    create(client, "shown", python("def handler(e, c):\n    return e['requestContext']['http']['sourceIp'] + ' ' + e['headers']['x-forwarded-for']\n"))
    url_id = open_url(client, "shown").split("//")[1].split(".")[0]
    do = function(danbi)
    assert do(f"fetch('http://127.0.0.1:4566/_aws/lambda-url/{url_id}/', headers={{'X-Forwarded-For': '127.0.0.1'}})") == [200, "169.254.10.1 169.254.10.1"]


def test_the_machine_is_out_of_reach(danbi):
    do = function(danbi)
    assert do(f"reach('127.0.0.1', {danbi.port})") is False, "the host's own port"
    for host in ("169.254.169.254", "169.254.170.2", "fd00:ec2::254"):
        assert do(f"reach('{host}', 80)") is False, host
    for path in (str(danbi.data), str(danbi.data / "credentials"), "/root/.aws/credentials", "/etc/shadow", f"/proc/{danbi.process.pid}/environ", f"/proc/{danbi.process.pid}/cmdline", "/proc/kcore", "/sys/kernel/security"):
        assert do(f"read({path!r})") in ("FileNotFoundError", "PermissionError", "IsADirectoryError", "NotADirectoryError", ""), path
    assert do("glob.glob('/var/run/*') + glob.glob('/run/*') + glob.glob('/root/*')") == []
    assert do("glob.glob('/home/*/*')") == []
    pids = do("[int(p) for p in os.listdir('/proc') if p.isdigit()]")
    assert len(pids) < 10, pids


def test_neighbours_do_not_see_each_other(danbi):
    one = function(danbi, "one", Environment={"Variables": {"TOKEN": "of-one-only"}})
    other = function(danbi, "other")
    one("open('/tmp/left', 'w').write('of-one-only')")
    assert other("glob.glob('/tmp/*')") == []
    assert "of-one-only" not in json.dumps(other("[read(p) for p in glob.glob('/proc/*/environ')]"))
    assert other("os.environ['AWS_LAMBDA_RUNTIME_API']") == one("os.environ['AWS_LAMBDA_RUNTIME_API']") == "127.0.0.1:9001"
    # A name for the namespace's own loopback: another namespace has another listener behind it.
    inode = "os.readlink('/proc/self/ns/net')"
    assert one(inode) != other(inode)
    # A new revision is a new environment: what the old one left is gone.
    client = danbi.client("lambda")
    client.update_function_configuration(FunctionName="one", Environment={"Variables": {"TOKEN": "new"}})
    client.get_waiter("function_updated_v2").wait(FunctionName="one", WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})
    assert one("[os.environ['TOKEN'], glob.glob('/tmp/*')]") == ["new", []]


def test_secrets_are_in_no_log_and_no_listing_of_processes(danbi_with):
    danbi = danbi_with(RUST_LOG="trace")
    do = function(danbi, Environment={"Variables": {"TOKEN": "s3cr3t-of-the-app"}})
    session = do("os.environ['AWS_SECRET_ACCESS_KEY']")
    client = danbi.client("lambda")
    with pytest.raises(ClientError) as error:
        client.update_function_configuration(FunctionName="inside", Environment={"Variables": {"TOKEN": "s3cr3t-of-the-app", "AWS_REGION": "x"}})
    assert "s3cr3t" not in str(error.value)
    with pytest.raises(ClientError) as error:
        client.update_function_configuration(FunctionName="inside", Environment={"Variables": {"TOKEN": "s3cr3t-of-the-app", "1BAD": "s3cr3t-of-the-app"}})
    assert "s3cr3t" not in str(error.value), error.value
    log = danbi.log()
    for secret in ("s3cr3t-of-the-app", session, "danbi-test-root-secret-access-key"):
        assert secret not in log
    listing = "".join(path.read_bytes().decode("latin-1") for path in pathlib.Path("/proc").glob("[0-9]*/cmdline") if path.exists())
    assert "s3cr3t-of-the-app" not in listing and session not in listing
    told = subprocess.run([binary(), "status", "--json"], env={**danbi.environment_for_clients(), "DANBI_ENDPOINT": danbi.url}, capture_output=True, text=True, timeout=60)
    assert told.returncode == 0, told.stderr
    assert "s3cr3t-of-the-app" not in told.stdout + told.stderr and SECRET not in told.stdout + told.stderr
    private = [path for path in danbi.data.iterdir()]
    assert (danbi.data.stat().st_mode & 0o777, (danbi.data / "credentials").stat().st_mode & 0o777) == (0o700, 0o600), private


def test_answers_to_nothing_do_not_fill_the_platforms_memory(danbi):
    """Sixty-four half-sent answers of six million bytes each, to an event that never was."""
    source = '''
import socket, os
held = []
def handler(event, context):
    host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
    head = f"POST /2018-06-01/runtime/invocation/none/response HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 6000000\\r\\n\\r\\n".encode()
    for _ in range(64):
        connection = socket.create_connection((host, int(port)))
        held.append(connection)
        connection.settimeout(0.2)
        try:
            connection.sendall(head + b"x" * 5_900_000)
        except OSError:
            pass
    return len(held)
'''
    client = danbi.client("lambda")
    create(client, "hoarder", python(source), Timeout=60, MemorySize=256)
    client.invoke(FunctionName="hoarder", Payload=b"{}")
    assert danbi.rss_mib() < 200, danbi.rss_mib()
    create(client, "neighbour")
    assert client.invoke(FunctionName="neighbour", Payload=b"1")["Payload"].read() == b"1"


def test_connections_to_nothing_do_not_take_every_place(danbi):
    source = '''
import socket
held = []
def handler(event, context):
    refused = 0
    for _ in range(900):
        try:
            connection = socket.create_connection(("127.0.0.1", 4566), timeout=2)
            held.append(connection)
        except OSError:
            refused += 1
    return [len(held), refused]
'''
    client = danbi.client("lambda")
    for name in ("greedy-1", "greedy-2"):
        create(client, name, python(source), Timeout=60, MemorySize=256)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: client.invoke(FunctionName=name, Payload=b"{}"), ["greedy-1", "greedy-2"] * 2))
    create(client, "neighbour")
    assert client.invoke(FunctionName="neighbour", Payload=b"1")["Payload"].read() == b"1"
    assert danbi.http("GET", "/_danbi/health").status == 200


def test_a_foreign_role_is_refused(danbi):
    client = danbi.client("lambda")
    create(client, "own")
    foreign = "arn:aws:iam::111111111111:role/admin"
    for attempt in (lambda: create(client, "other", Role=foreign), lambda: client.update_function_configuration(FunctionName="own", Role=foreign)):
        with pytest.raises(ClientError) as error:
            attempt()
        answer = error.value.response
        assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == ("AccessDeniedException", 403)
        assert answer["Error"]["Message"] == "Cross-account pass role is not allowed."
    with pytest.raises(ClientError) as error:
        client.update_function_configuration(FunctionName="own", Role="arn:aws:iam::000000000000:user/u")
    assert error.value.response["Error"]["Code"] == "ValidationException" and "at 'role' failed to satisfy constraint" in error.value.response["Error"]["Message"]


def launcher_of(danbi):
    """The launcher process of this platform, and of no other."""
    for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = status.read_text()
            first = (status.parent / "cmdline").read_bytes().split(b"\0")[0]
        except OSError:
            continue
        if int(text.rsplit(")", 1)[1].split()[1]) == danbi.process.pid and first == b"danbi-sandbox-launcher":
            return int(status.parent.name)
    return None


def test_the_launcher_killed_while_serving(danbi):
    client = danbi.client("lambda")
    create(client, "f", python("import time\ndef handler(e, c):\n    print('begun', e)\n    time.sleep(e)\n    return e\n"), Timeout=60)
    assert client.invoke(FunctionName="f", Payload=b"0")["Payload"].read() == b"0"
    before = launcher_of(danbi)
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(lambda: client.invoke(FunctionName="f", Payload=b"50"))
        logs = danbi.client("logs")

        def begun():
            try:
                return logs.filter_log_events(logGroupName="/aws/lambda/f", filterPattern='"begun 50"')["events"]
            except logs.exceptions.ResourceNotFoundException:
                return []

        danbi.wait_until(begun)
        os.kill(before, signal.SIGKILL)
        # Whoever was being served hears of it.
        try:
            answer = busy.result(timeout=60)
            assert "FunctionError" in answer or answer["Payload"].read() == b"50"
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500
    assert client.invoke(FunctionName="f", Payload=b"0")["Payload"].read() == b"0"
    danbi.wait_until(lambda: launcher_of(danbi) not in (None, before))
    assert "the sandbox launcher ended by itself" in danbi.log() and "started again" in danbi.log()
    assert danbi.terminate() == 0


def test_a_log_group_is_named_by_its_grammar(danbi):
    client = danbi.client("lambda")
    for group in ("a\nb", "a b", "a:b", "../x:*", "x" * 513, "a\0b"):
        with pytest.raises(ClientError) as error:
            create(client, "f", LoggingConfig={"LogGroup": group})
        assert error.value.response["Error"]["Code"] in ("ValidationException", "InvalidParameterValueException")


def test_uploads_that_nobody_signed_do_not_fill_the_platforms_memory(danbi):
    """A function knows its own key's id, so its bodies are read before their signature proves false."""
    source = '''
import os, socket, datetime
held = []
def handler(event, context):
    now = datetime.datetime.utcnow().strftime("%Y%m%dT%H%M%SZ")
    scope = f"{os.environ['AWS_ACCESS_KEY_ID']}/{now[:8]}/us-east-1/lambda/aws4_request"
    head = (
        "POST /2015-03-31/functions HTTP/1.1\\r\\nHost: x\\r\\nContent-Type: application/json\\r\\n"
        f"X-Amz-Date: {now}\\r\\nX-Amz-Security-Token: {os.environ['AWS_SESSION_TOKEN']}\\r\\n"
        f"Authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature={'0' * 64}\\r\\n"
        "Content-Length: 60000000\\r\\n\\r\\n"
    ).encode()
    piece, answers = b" " * 1_000_000, []
    for _ in range(30):
        connection = socket.create_connection(("127.0.0.1", 4566))
        held.append(connection)
        connection.settimeout(5)
        try:
            connection.sendall(head)
            for _ in range(59):
                connection.sendall(piece)
            answers.append("held")
        except OSError:
            answers.append("refused")
    return answers
'''
    client = danbi.client("lambda")
    create(client, "uploader", python(source), Timeout=60, MemorySize=512)
    answers = json.loads(client.invoke(FunctionName="uploader", Payload=b"{}")["Payload"].read())
    assert set(answers) == {"held", "refused"}, answers
    assert answers.count("held") * 59_000_000 <= 512 * 2**20, answers
    assert danbi.rss_mib() < 1100, danbi.rss_mib()
    # The owner has room all the same.
    create(client, "neighbour")
    with pytest.raises(ClientError) as error:
        client.create_function(FunctionName="large", Runtime="python3.11", Role="arn:aws:iam::000000000000:role/r", Handler="app.handler", Code={"ZipFile": os.urandom(20_000_000)})
    assert error.value.response["Error"]["Code"] == "InvalidParameterValueException", "read whole, and no archive"
