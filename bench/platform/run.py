#!/usr/bin/env python3
"""P1, P2, P3, P4, P9 and P10, bursts and churn: Danbi against its peers in one run. See README.md beside this file."""

import contextlib
import http.server
import json
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "clients"))
os.environ.setdefault("DANBI_BIN", str(ROOT / "target" / "release" / "danbi"))

from botocore.auth import SigV4Auth  # noqa: E402
from botocore.awsrequest import AWSRequest  # noqa: E402
from botocore.credentials import Credentials  # noqa: E402
import scale  # noqa: E402
from packages import create, python, zipped  # noqa: E402
from platform_under_test import KEY_ID, SECRET, Platform, binary  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS = int(os.environ.get("SECONDS", "4"))
PYTHON = "def handler(event, context):\n    return {'statusCode': 200, 'headers': {'content-type': 'text/plain'}, 'body': 'hello'}\n"
NODE = "exports.handler = async () => ({ statusCode: 200, headers: { 'content-type': 'text/plain' }, body: 'hello' })\n"
WSGI = "from app import handler\ndef application(environ, start):\n    answer = handler({}, None)\n    start('200 OK', list(answer['headers'].items()))\n    return [answer['body'].encode()]\n"


@contextlib.contextmanager
def danbi():
    """A platform of its own in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        platform = Platform(pathlib.Path(folder) / "data")
        platform.start()
        try:
            yield platform
        finally:
            platform.end()


def public_url(platform, client, name):
    """Opens function `name` to everyone and gives its URL by path."""
    made = client.create_function_url_config(FunctionName=name, AuthType="NONE")
    client.add_permission(FunctionName=name, StatementId="public", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE")
    return f"{platform.url}/_aws/lambda-url/{made['FunctionUrl'].split('//')[1].split('.')[0]}/"


def milliseconds(call):
    """How long one call takes."""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1000


def fetch(url, expected=b"hello"):
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.read().startswith(expected), "the function answered something else"


RUST = pathlib.Path(os.environ.get("RUST_EXAMPLE", ROOT / "examples" / "rust-http"))
RUST_TARGET = pathlib.Path(os.environ.get("RUST_TARGET", ROOT / "target" / "bench-rust"))
RUST_ENVIRONMENT = {**os.environ, "CARGO_TARGET_DIR": str(RUST_TARGET)}
RUST_EVENT = {"version": "2.0", "routeKey": "$default", "rawPath": "/x", "rawQueryString": "name=rain", "queryStringParameters": {"name": "rain"}, "headers": {"host": "localhost"}, "isBase64Encoded": False, "requestContext": {"accountId": "anonymous", "apiId": "x", "domainName": "localhost", "domainPrefix": "x", "requestId": "1", "routeKey": "$default", "stage": "$default", "time": "22/Nov/2026:00:00:00 +0000", "timeEpoch": 0, "http": {"method": "GET", "path": "/x", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "bench"}}}


def rust_binary():
    """`examples/rust-http`, a program of `lambda_http`, built for release."""
    subprocess.run(["cargo", "build", "--release", "--locked"], cwd=RUST, env=RUST_ENVIRONMENT, check=True)
    return RUST_TARGET / "release" / "rust-http"


class OneEvent(http.server.ThreadingHTTPServer):
    """A Runtime API with one event, to time a program by itself."""

    daemon_threads = True

    def __init__(self, event):
        self.event, self.given, self.answered = json.dumps(event).encode(), threading.Event(), threading.Event()
        super().__init__(("127.0.0.1", 0), OneEventHandler)

    def handle_error(self, *_):
        pass  # The program is killed in the middle of its next question.


class OneEventHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.server.given.is_set():
            self.server.answered.wait(60)
            self.close_connection = True
            return
        self.server.given.set()
        self.send_response(200)
        for name, value in {"Content-Type": "application/json", "Content-Length": len(self.server.event), "Lambda-Runtime-Aws-Request-Id": "1", "Lambda-Runtime-Deadline-Ms": int(time.time() * 1000) + 60_000, "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:x", "Lambda-Runtime-Trace-Id": "Root=1-00000000-000000000000000000000000"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.event)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        assert self.path.endswith("/response"), self.path
        self.server.answered.set()
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def by_itself(program):
    """From starting `program` to its answer to one event, in ms."""
    with OneEvent(RUST_EVENT) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environment = {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_address[1]}", "AWS_LAMBDA_FUNCTION_NAME": "x", "AWS_LAMBDA_FUNCTION_VERSION": "1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_LAMBDA_LOG_GROUP_NAME": "x", "AWS_LAMBDA_LOG_STREAM_NAME": "x"}
        start = time.perf_counter()
        process = subprocess.Popen([program], env=environment, stdout=subprocess.DEVNULL)
        assert server.answered.wait(30), "the program did not answer"
        took = (time.perf_counter() - start) * 1000
        process.kill()
        process.wait()
        server.shutdown()
        return took


def cold(results):
    """P2: the first request of functions that nothing is resident for."""
    with danbi() as platform, tempfile.TemporaryDirectory() as folder:
        client = platform.client("lambda")
        pathlib.Path(folder, "app.py").write_text(PYTHON)
        pathlib.Path(folder, "index.js").write_text(NODE)
        create(client, "python", python("import sys\ndef handler(event, context):\n    return sys.executable\n"))
        create(client, "node", zipped({"index.js": "exports.handler = async () => process.execPath\n"}), Runtime="nodejs20.x", Handler="index.handler", MemorySize=256)
        # The very interpreters that the functions run on.
        interpreters = {name: json.loads(client.invoke(FunctionName=name)["Payload"].read()) for name in ("python", "node")}
        outside = {
            "python3.11": [interpreters["python"], "-c", "import json, app; print(json.dumps(app.handler({}, None)))"],
            "nodejs20.x": [interpreters["node"], "-e", "require('./index.js').handler().then(a => console.log(JSON.stringify(a)))"],
        }
        packages = {"python3.11": (python(PYTHON), "app.handler"), "nodejs20.x": (zipped({"index.js": NODE}), "index.handler")}
        for runtime, (package, handler) in packages.items():
            ours, theirs = [], []
            for n in range(ROUNDS + 1):
                name = f"cold-{runtime.split('.')[0]}-{n}"
                create(client, name, package, Runtime=runtime, Handler=handler, MemorySize=256)
                url = public_url(platform, client, name)
                time.sleep(0.5)  # lets what the deployment started come to rest
                ours.append(milliseconds(lambda: fetch(url)))
                theirs.append(milliseconds(lambda: subprocess.run(outside[runtime], cwd=folder, check=True, stdout=subprocess.DEVNULL)))
            results.append(cold_result(runtime, ours, theirs))
        binary = rust_binary()
        package = zipped({"bootstrap": binary.read_bytes()}, {"bootstrap": 0o100755})
        ours, theirs = [], []
        for n in range(ROUNDS + 1):
            create(client, f"cold-rust-{n}", package, Runtime="provided.al2023", Handler="bootstrap", MemorySize=256)
            url = public_url(platform, client, f"cold-rust-{n}") + "x?name=rain"
            time.sleep(0.5)
            ours.append(milliseconds(lambda: fetch(url, b"Hello, rain!")))
            theirs.append(by_itself(binary))
        results.append(cold_result("Rust (lambda_http)", ours, theirs))


def cold_result(runtime, ours, theirs):
    ours, theirs = statistics.median(ours[1:]), statistics.median(theirs[1:])
    return {"figure": "P2", "what": f"cold {runtime}", "danbi": round(ours, 1), "peer": round(theirs, 1), "unit": "ms", "target": f"≤ {theirs + 10:.1f}", "met": ours <= theirs + 10}


# A Django REST Framework app behind a function URL; `/end` ends its environment, `hold` keeps it busy.
DJANGO = """
import io, json, os, time
from django.conf import settings
settings.configure(SECRET_KEY="s", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, DATABASES={},
                   INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "rest_framework"],
                   REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": [], "DEFAULT_PERMISSION_CLASSES": [], "UNAUTHENTICATED_USER": None,
                                   "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"]})
import django
django.setup()
from django.core.wsgi import get_wsgi_application
from django.urls import path
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.response import Response

class Greeting(serializers.Serializer):
    word = serializers.CharField(max_length=20)

@api_view(["GET"])
def hello(request):
    greeting = Greeting(data={"word": "hello"})
    greeting.is_valid(raise_exception=True)
    return Response(greeting.data["word"])

urlpatterns = [path("", hello)]
application = get_wsgi_application()

def handler(event, context):
    if event.get("rawPath", "").endswith("/end"):
        os._exit(1)
    began = time.time()
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SERVER_NAME": "localhost", "SERVER_PORT": "80", "wsgi.input": io.BytesIO(),
               "wsgi.errors": io.StringIO(), "wsgi.url_scheme": "http", "QUERY_STRING": ""}
    status = []
    body = b"".join(application(environ, lambda line, headers: status.append(line)))
    if "hold" in event:
        answered = time.time()
        time.sleep(event["hold"])
        return {"body": json.dumps({"began": began, "answered": answered, "environment": os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]})}
    return {"statusCode": int(status[0][:3]), "headers": {"content-type": "text/plain"}, "body": body.decode().strip('"')}
"""


def django_package(folder):
    """The app with everything it needs, installed into `folder`; gives the archive."""
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--target", folder, "django>=5,<6", "djangorestframework"], check=True)
    pathlib.Path(folder, "app.py").write_text(DJANGO)
    files = {str(file.relative_to(folder)): file.read_bytes() for file in pathlib.Path(folder).rglob("*") if file.is_file() and "__pycache__" not in file.parts}
    return zipped(files)


def number(name, default):
    """A count that the environment may change, to try a measurement quickly."""
    return int(os.environ.get(name, default))


def burst(results):
    """bursts: from nothing to 100 environments of the Django app."""
    with tempfile.TemporaryDirectory() as folder:
        scale.burst(results, danbi, django_package(folder), number("BURST", 100))


def soak(results):
    """churn: 100,000 environments made and ended."""
    with tempfile.TemporaryDirectory() as folder:
        scale.soak(results, danbi, django_package(folder), number("SOAK", 100_000))


def density(results):
    """P10: 5,000 idle apps, and live environments."""
    with tempfile.TemporaryDirectory() as folder:
        scale.density(results, danbi, django_package(folder), number("APPS", 5_000), number("LIVE", 20))


def restored(results):
    """P1: Django with REST Framework from zero, with its template resident, against a fresh process of the same."""
    for primed in (False, True):
        restored_from_template(results, primed)


def restored_from_template(results, primed):
    with danbi() as platform, tempfile.TemporaryDirectory() as folder:
        package = django_package(folder)
        client = platform.client("lambda")
        create(client, "django", package, Runtime="python3.11", Handler="app.handler", MemorySize=512, Timeout=30, Environment={"Variables": {"DANBI_PRIMING_EVENT": "{}"} if primed else {}})
        create(client, "which", python("import sys\ndef handler(event, context):\n    return sys.executable\n"))
        interpreter = json.loads(client.invoke(FunctionName="which")["Payload"].read())
        url = public_url(platform, client, "django")
        fetch(url)  # the first environment, beside which the template is made
        fresh = [interpreter, "-c", "import app; assert app.handler({}, None)['body'] == 'hello'"]
        ours, theirs = [], []
        rounds = max(ROUNDS, 40)
        for n in range(rounds):
            with contextlib.suppress(Exception):
                urllib.request.urlopen(url + "end", timeout=30).read()
            time.sleep(0.3)  # lets the sandbox of the next environment be prepared
            ours.append(milliseconds(lambda: fetch(url)))
            if n % 8 == 0:
                theirs.append(milliseconds(lambda: subprocess.run(fresh, cwd=folder, check=True)))
        # The template is made during the first rounds; they are honest cold starts.
        logs = platform.client("logs")
        restores = logs.filter_log_events(logGroupName="/aws/lambda/django", filterPattern='"RESTORE_REPORT"')["events"]
        ours = sorted(ours[-len(restores):])
        how = ", primed" if primed else ""
        peer = statistics.median(theirs)
        p50, p99 = statistics.median(ours), ours[min(len(ours) - 1, int(len(ours) * 0.99))]
        results.append({"figure": "P1", "what": f"Django + DRF restored{how}, p50 of {len(ours)}", "danbi": round(p50, 2), "peer": round(peer, 1), "unit": "ms, fresh process", "target": "≤ 8 and ≥ 60×", "ratio": round(peer / p50, 1), "met": p50 <= 8 and peer / p50 >= 60})
        results.append({"figure": "P1", "what": f"Django + DRF restored{how}, p99", "danbi": round(p99, 2), "unit": "ms", "target": "≤ 15", "met": p99 <= 15})


def wrk(url, connections, method="GET", headers=None, body=None):
    """(requests per second, p50 in ms) of `wrk`; fails when any answer was not 2xx."""
    script = ["done = function(s, l, r) io.write(string.format('P50 %f\\n', l:percentile(50) / 1000)) end"]
    if method != "GET":
        script.append(f"wrk.method = {json.dumps(method)}; wrk.body = {json.dumps(body)}")
    for name, value in (headers or {}).items():
        script.append(f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}")
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write("\n".join(script))
        file.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "-s", file.name, url]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in text and "Socket errors" not in text, text
    return float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]), float(re.search(r"P50 ([\d.]+)", text)[1])


def signed(platform, name):
    """Headers of one signed Invoke call; a signature may be sent again for five minutes."""
    url = f"{platform.url}/2015-03-31/functions/{name}/invocations"
    request = AWSRequest("POST", url, data=b"{}", headers={"Host": f"127.0.0.1:{platform.port}"})
    SigV4Auth(Credentials(KEY_ID, SECRET), "lambda", "us-east-1").add_auth(request)
    return url, dict(request.headers)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(command, url, patience=20, **more):
    """A server, once it answers at `url`."""
    process = subprocess.Popen(command, start_new_session=True, **more)
    try:
        deadline = time.monotonic() + patience
        while True:
            try:
                urllib.request.urlopen(url, timeout=patience).read()
                break
            except OSError:
                assert time.monotonic() < deadline and process.poll() is None, f"{command[0]} did not start"
                time.sleep(0.05)
        yield url
    finally:
        # What it has started (cargo, its workers) ends with it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


@contextlib.contextmanager
def gunicorn(application, folder, workers=2):
    """`application` (module:object in `folder`) behind gunicorn's sync workers; gives its URL."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-w", str(workers), "-b", f"127.0.0.1:{port}", "--log-level", "error", application]
    with running(command, f"http://127.0.0.1:{port}/", cwd=folder) as url:
        yield url


def rate(runs):
    return statistics.median(run[0] for run in runs)


def p50(runs):
    return statistics.median(run[1] for run in runs)


def warm(results):
    """P3: warm requests, of a handler that does nothing and of a Django application."""
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "app.py").write_text(PYTHON)
        pathlib.Path(folder, "wsgi.py").write_text(WSGI)
        warm_against(results, "Python", python(PYTHON), gunicorn("wsgi:application", folder))
    with tempfile.TemporaryDirectory() as folder:
        package = django_package(folder)
        warm_against(results, "Django + DRF", package, gunicorn("app:application", folder))


def warm_against(results, what, package, server):
    with danbi() as platform, server as peer:
        client = platform.client("lambda")
        create(client, "warm", package, MemorySize=512, Timeout=30)
        url = public_url(platform, client, "warm")
        fetch(url)
        for connections in (1, 2):
            ours, api, theirs = [], [], []
            for _ in range(ROUNDS):
                ours.append(wrk(url, connections))
                theirs.append(wrk(peer, connections))
                api_url, headers = signed(platform, "warm")
                api.append(wrk(api_url, connections, "POST", headers, "{}"))
            for door, runs in (("function URL", ours), ("Invoke API", api)):
                ratio = rate(runs) / rate(theirs)
                results.append({"figure": "P3", "what": f"warm {what}, {door}, {connections} connections", "danbi": round(rate(runs)), "peer": round(rate(theirs)), "unit": "requests/s, gunicorn sync", "target": "≥ 2×", "ratio": round(ratio, 2), "met": ratio >= 2})
                # Of a handler that does nothing the whole request is what the platform adds.
                if connections == 1 and what == "Python":
                    results.append({"figure": "P3", "what": f"p50 of a whole request, {door}", "danbi": round(p50(runs), 3), "peer": round(p50(theirs), 3), "unit": "ms", "target": "≤ 0.5 over the handler", "met": p50(runs) <= 0.5})


def native(results):
    """P4: a warm function of `lambda_http`, against `cargo lambda watch` with the same program."""
    program = rust_binary()
    port = free_port()
    peer_url = f"http://127.0.0.1:{port}/lambda-url/rust-http/x?name=rain"
    command = ["cargo-lambda", "lambda", "watch", "--release", "--ignore-changes", "--concurrency", "2", "-A", "127.0.0.1", "-P", str(port), "--quiet"]
    package = zipped({"bootstrap": program.read_bytes()}, {"bootstrap": 0o100755})
    with danbi() as platform, running(command, peer_url, patience=600, cwd=RUST, env=RUST_ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as peer:
        client = platform.client("lambda")
        create(client, "rust-http", package, Runtime="provided.al2023", Handler="bootstrap", MemorySize=256)
        url = public_url(platform, client, "rust-http") + "x?name=rain"
        assert b"Hello, rain!" in urllib.request.urlopen(url, timeout=30).read()
        for connections in (1, 2):
            ours, theirs = [], []
            for _ in range(ROUNDS):
                ours.append(wrk(url, connections))
                theirs.append(wrk(peer, connections))
            ratio = rate(ours) / rate(theirs)
            results.append({"figure": "P4", "what": f"warm lambda_http, function URL, {connections} connections (p50 {p50(ours):.2f} and {p50(theirs):.2f} ms)", "danbi": round(rate(ours)), "peer": round(rate(theirs)), "unit": "requests/s, cargo lambda watch", "target": "≥ 5×", "ratio": round(ratio, 2), "met": ratio >= 5})


def itself(results):
    """P9: the platform, idle."""
    starts, memory = [], []
    for _ in range(ROUNDS + 1):
        with tempfile.TemporaryDirectory() as folder:
            platform = Platform(pathlib.Path(folder) / "data")
            starts.append(milliseconds(platform.start))
            time.sleep(1)  # lets what the start began come to rest
            memory.append(platform.rss_mib())
            platform.end()
    start, rss, size = statistics.median(starts[1:]), statistics.median(memory[1:]), os.path.getsize(binary()) / 2**20
    for what, value, unit, limit in (("spawn to ready", start, "ms", 50), ("resident memory, idle", rss, "MiB", 30), ("size of the binary", size, "MiB", 80)):
        results.append({"figure": "P9", "what": what, "danbi": round(value, 1), "unit": unit, "target": f"≤ {limit}", "met": value <= limit})


def main():
    results = []
    figures = {"P9": itself, "P1": restored, "P2": cold, "P3": warm, "P4": native}
    # Minutes each, so only by name.
    long = {"burst": burst, "soak": soak, "P10": density}
    for measure in [(figures | long)[name] for name in sys.argv[1:]] or figures.values():
        print(f"measuring {measure.__doc__}", file=sys.stderr, flush=True)
        measure(results)
    print("| | what | Danbi | peer | unit | target | met |\n|---|---|---|---|---|---|---|")
    for row in results:
        ratio = f" ({row['ratio']}×)" if "ratio" in row else ""
        print(f"| {row['figure']} | {row['what']} | {row['danbi']}{ratio} | {row.get('peer', '')} | {row['unit']} | {row['target']} | {'yes' if row['met'] else 'no'} |")
    pathlib.Path(__file__).with_name("results.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
