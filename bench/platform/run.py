#!/usr/bin/env python3
"""P1, P2, P3, P9 and P10, bursts and churn: Danbi against its peers in one run. See README.md beside this file."""

import contextlib
import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
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


def fetch(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.read() == b"hello", "the function answered something else"


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
            ours, theirs = statistics.median(ours[1:]), statistics.median(theirs[1:])
            results.append({"figure": "P2", "what": f"cold {runtime}", "danbi": round(ours, 1), "peer": round(theirs, 1), "unit": "ms", "target": f"≤ {theirs + 10:.1f}", "met": ours <= theirs + 10})


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


@contextlib.contextmanager
def gunicorn(workers=2):
    """The same handler behind gunicorn's sync workers; gives its URL."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        pathlib.Path(folder, "app.py").write_text(PYTHON)
        pathlib.Path(folder, "wsgi.py").write_text(WSGI)
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        command = [sys.executable, "-m", "gunicorn", "-w", str(workers), "-b", f"127.0.0.1:{port}", "--log-level", "error", "wsgi:application"]
        process = subprocess.Popen(command, cwd=folder)
        try:
            url = f"http://127.0.0.1:{port}/"
            deadline = time.monotonic() + 20
            while True:
                try:
                    fetch(url)
                    break
                except OSError:
                    assert time.monotonic() < deadline, "gunicorn did not start"
                    time.sleep(0.05)
            yield url
        finally:
            process.terminate()
            process.wait()


def warm(results):
    """P3: warm requests."""
    with danbi() as platform, gunicorn() as peer:
        client = platform.client("lambda")
        create(client, "warm", python(PYTHON), MemorySize=256)
        url = public_url(platform, client, "warm")
        for connections in (1, 2):
            ours, api, theirs = [], [], []
            for _ in range(ROUNDS):
                ours.append(wrk(url, connections))
                theirs.append(wrk(peer, connections))
                api_url, headers = signed(platform, "warm")
                api.append(wrk(api_url, connections, "POST", headers, "{}"))
            rate = lambda runs: statistics.median(run[0] for run in runs)  # noqa: E731
            p50 = lambda runs: statistics.median(run[1] for run in runs)  # noqa: E731
            for what, runs in (("function URL", ours), ("Invoke API", api)):
                ratio = rate(runs) / rate(theirs)
                results.append({"figure": "P3", "what": f"warm Python, {what}, {connections} connections", "danbi": round(rate(runs)), "peer": round(rate(theirs)), "unit": "requests/s, gunicorn sync", "target": "≥ 2×", "ratio": round(ratio, 2), "met": ratio >= 2})
                if connections == 1:
                    results.append({"figure": "P3", "what": f"p50 of a whole request, {what}", "danbi": round(p50(runs), 3), "peer": round(p50(theirs), 3), "unit": "ms", "target": "≤ 0.5 over the handler", "met": p50(runs) <= 0.5})


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
    figures = {"P9": itself, "P1": restored, "P2": cold, "P3": warm}
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
