"""The command line as a user has it: deploy each example, look at it, roll back, remove it."""

import json
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest
from platform_under_test import KEY_ID, ROOT, SECRET, binary

EXAMPLES = ROOT / "examples"
VERB_SECONDS = 600


@pytest.fixture
def cli(danbi, tmp_path):
    """Runs `danbi …` against the platform, with no other credentials than those of its data folder."""

    def run(*arguments, cwd=tmp_path, expect=0, **environment):
        done = subprocess.run(
            [binary(), *map(str, arguments)],
            env=clean_environment(danbi, **environment),
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=VERB_SECONDS,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == expect, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}\n{danbi.log()[-3000:]}"
        return done

    return run


def clean_environment(danbi, **more):
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**own, "DANBI_ENDPOINT": danbi.url, "DANBI_DATA": str(danbi.data), "HOME": str(danbi.data.parent), "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "PATH": os.environ["PATH"], **tool_homes(), **more}


def tool_homes():
    """Where rustup and cargo live: they look below HOME, which the tests replace."""
    home = pathlib.Path.home()
    return {"RUSTUP_HOME": os.environ.get("RUSTUP_HOME", str(home / ".rustup")), "CARGO_HOME": os.environ.get("CARGO_HOME", str(home / ".cargo"))}


def answer(danbi, name, path="", method="GET", body=None, headers=None):
    return danbi.http(method, f"http://{name}.localhost:{danbi.port}/{path}", body, headers)


def handler(text):
    return f"def lambda_handler(event, context):\n    print('{text} was called')\n    return '{text}'\n"


def eventually(condition, seconds=30):
    """Waits until `condition` gives something, and gives it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "the condition was never met"
        time.sleep(0.05)
    return found


@pytest.mark.parametrize(
    ("example", "path", "expected"),
    [
        ("guestbook-flask", "", "Nobody has written yet."),
        ("express", "api/hello?name=rain", '"message":"Hello, rain!"'),
        ("fastapi", "", "[]"),
        ("django-hello", "hello/rain", "Hello, rain!"),
        ("static-site", "about.html", "Nothing runs while nobody looks."),
        ("python-handler", "?name=rain", "Hello, rain!"),
        ("node-handler", "?name=rain", "Hello, rain!"),
        ("rust-http", "x?name=rain", "Hello, rain! You asked for /x."),
    ],
)
def test_each_example_is_deployed_without_configuration(cli, danbi, example, path, expected):
    deployed = json.loads(cli("deploy", EXAMPLES / example, "--json").stdout)
    assert deployed["name"] == example and deployed["version"] == "1"
    assert deployed["url"] == f"http://{example}.localhost:{danbi.port}/"
    assert deployed["report"]["missing"] == []
    reply = answer(danbi, example, path)
    assert reply.status == 200 and expected in reply.body.decode(), reply
    reply = danbi.http("GET", f"{danbi.url}/_danbi/app/{example}/{path}")
    assert reply.status == 200 and expected in reply.body.decode(), reply
    assert json.loads(cli("status", "--json").stdout)["apps"][0]["name"] == example


def test_deploy_says_what_went_in_and_what_stayed_out(cli, tmp_path):
    app = tmp_path / "shop"
    app.mkdir()
    (app / "lambda_function.py").write_text("import os\nimport weather_that_is_nowhere\n" + handler("x"))
    (app / ".env").write_text("PASSWORD=secret\n")
    (app / "__pycache__").mkdir()
    done = cli("deploy", "shop", "--dry-run")
    assert "shop is a Lambda handler in Python: lambda_function.py holds the function lambda_handler" in done.stdout
    assert re.search(r"out +\.env \(looks like a secret", done.stdout)
    assert re.search(r"out +__pycache__/ \(compiled anew\)", done.stdout)
    assert "lambda_function.py line 2 imports weather_that_is_nowhere" in done.stderr
    assert json.loads(cli("status", "--json").stdout)["apps"] == []


def test_versions_rollback_status_url_and_undeploy(cli, danbi, tmp_path):
    app = tmp_path / "greeter"
    app.mkdir()
    for word in ("one", "two"):
        (app / "lambda_function.py").write_text(handler(word))
        cli("deploy", "greeter", "-e", f"WORD={word}")
        assert answer(danbi, "greeter").body == word.encode()
    unchanged = json.loads(cli("deploy", "greeter", "-e", "WORD=two", "--json").stdout)
    assert (unchanged["version"], unchanged["previous"]) == ("2", "2")
    assert json.loads(cli("rollback", "--json", cwd=app).stdout) == {"name": "greeter", "version": "1", "previous": "2"}
    assert answer(danbi, "greeter").body == b"one"
    status = json.loads(cli("status", "greeter", "--json").stdout)
    assert status["live"] == "1" and [version["version"] for version in status["versions"]] == ["1", "2"]
    assert "no version before" in cli("rollback", "--name", "greeter", expect=1).stderr
    cli("rollback", "2", "--name", "greeter")
    assert answer(danbi, "greeter").body == b"two"
    assert cli("url", "greeter").stdout.strip() == f"http://greeter.localhost:{danbi.port}/"
    cli("undeploy", cwd=app)
    assert answer(danbi, "greeter").status == 404
    assert "there is no app greeter" in cli("status", "greeter", expect=1).stderr


def test_an_update_under_load_fails_no_request(cli, danbi, tmp_path):
    shutil.copytree(EXAMPLES / "express", tmp_path / "busy", ignore=shutil.ignore_patterns("node_modules"))
    cli("deploy", "busy")
    server = tmp_path / "busy" / "server.js"
    stop, statuses = threading.Event(), []

    def ask():
        while not stop.is_set():
            statuses.append(answer(danbi, "busy", "api/hello").status)

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    try:
        for word in ("Salut", "Hallo"):
            before = len(statuses)
            server.write_text(server.read_text().replace("`Hello, ", f"`{word}, ").replace("`Salut, ", f"`{word}, "))
            cli("deploy", "busy")
            assert f"{word}, world!" in answer(danbi, "busy", "api/hello").body.decode()
            eventually(lambda: len(statuses) > before)
    finally:
        stop.set()
        for asker in askers:
            asker.join()
    assert len(statuses) > 10 and set(statuses) == {200}


def test_dev_deploys_on_change_and_shows_the_logs(danbi, tmp_path):
    app = tmp_path / "live"
    app.mkdir()
    (app / "lambda_function.py").write_text(handler("before"))
    with open(tmp_path / "dev.out", "wb") as out:
        dev = subprocess.Popen([binary(), "dev", "live"], env=clean_environment(danbi), cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
    printed = tmp_path / "dev.out"
    try:
        eventually(lambda: "version 1 is live" in printed.read_text(), 60)
        assert answer(danbi, "live").body == b"before"
        (app / "lambda_function.py").write_text(handler("after"))
        eventually(lambda: "version 2 is live" in printed.read_text(), 60)
        assert answer(danbi, "live").body == b"after"
        eventually(lambda: "after was called" in printed.read_text())
        (app / "lambda_function.py").unlink()
        eventually(lambda: "waiting for the next change" in printed.read_text())
        assert answer(danbi, "live").body == b"after"
    finally:
        dev.send_signal(signal.SIGTERM)
        assert dev.wait(30) == 0, printed.read_text()


def test_a_large_flask_app_with_native_dependencies(cli, danbi, tmp_path):
    app = tmp_path / "sums"
    app.mkdir()
    (app / "app.py").write_text("import numpy\nfrom flask import Flask\napp = Flask(__name__)\n\n@app.get('/')\ndef total():\n    return str(numpy.arange(10).sum())\n")
    (app / "requirements.txt").write_text("flask==3.1.1\nnumpy==2.2.6\n")
    deployed = json.loads(cli("deploy", "sums", "--json").stdout)
    assert deployed["report"]["packed_bytes"] > 20_000_000
    assert answer(danbi, "sums").body == b"45"


def test_invoke_and_logs_tell_the_story_of_a_request(cli, tmp_path):
    app = tmp_path / "story"
    app.mkdir()
    (app / "lambda_function.py").write_text("def lambda_handler(event, context):\n    print('seen', event['n'])\n    if event['n'] == 2:\n        raise ValueError('no two')\n    return event['n']\n")
    cli("deploy", "story")
    done = json.loads(cli("invoke", "story", "--event", '{"n": 1}', "--json").stdout)
    assert done["payload"] == 1 and "seen 1" in done["log"]
    failed = json.loads(cli("invoke", "story", "--event", '{"n": 2}', "--json", expect=1).stdout)
    assert failed["functionError"] == "Unhandled" and failed["payload"]["errorMessage"] == "no two"
    story = eventually(lambda: (lines := cli("logs", "story", failed["requestId"]).stdout) and "REPORT" in lines and lines)
    assert "seen 2" in story and "ValueError" in story and "seen 1" not in story
    everything = cli("logs", cwd=app).stdout
    assert "seen 1" in everything and "seen 2" in everything


def test_logs_follow(cli, danbi, tmp_path):
    app = tmp_path / "ticker"
    app.mkdir()
    (app / "lambda_function.py").write_text(handler("tick"))
    cli("deploy", "ticker")
    following = subprocess.Popen([binary(), "logs", "-f", "ticker"], env=clean_environment(danbi), stdout=subprocess.PIPE, text=True)
    try:
        cli("invoke", "ticker")
        assert any("tick was called" in line for line in following.stdout)
    finally:
        following.send_signal(signal.SIGINT)
        assert following.wait(30) == 0
        following.stdout.close()


def test_a_server_that_does_not_start_never_goes_live(cli, danbi, tmp_path):
    app = tmp_path / "web"
    app.mkdir()
    server = "import http.server, os, socketserver\nclass H(http.server.BaseHTTPRequestHandler):\n    def do_GET(self):\n        self.send_response(200); self.end_headers(); self.wfile.write(b'up')\n    def log_message(self, *a): pass\nsocketserver.ThreadingTCPServer(('0.0.0.0', int(os.environ['PORT'])), H).serve_forever()\n"
    (app / "server.py").write_text(server)
    (app / "danbi.toml").write_text('command = "python3 server.py"\nruntime = "python3.11"\n')
    cli("deploy", "web")
    assert answer(danbi, "web").body == b"up"
    (app / "server.py").write_text("raise SystemExit('no rain today')\n")
    refused = cli("deploy", "web", expect=1)
    assert "does not start, so version 1 stays live" in refused.stderr
    assert answer(danbi, "web").body == b"up"


def test_deploy_takes_over_no_function_of_another_tool(cli, danbi, tmp_path):
    from packages import create

    create(danbi.client("lambda"), "theirs")
    app = tmp_path / "theirs"
    app.mkdir()
    (app / "lambda_function.py").write_text(handler("mine"))
    assert "--adopt" in cli("deploy", "theirs", expect=1).stderr
    cli("deploy", "theirs", "--adopt")
    assert answer(danbi, "theirs").body == b"mine"


def test_exec_reaches_the_platform_by_the_names_that_aws_has(cli, danbi, tmp_path):
    script = tmp_path / "names.py"
    script.write_text(
        "import os, boto3, urllib.request\n"
        "os.environ.pop('AWS_ENDPOINT_URL')\n"
        "client = boto3.client('lambda', region_name='eu-central-1')\n"
        "assert client.meta.endpoint_url == 'https://lambda.eu-central-1.amazonaws.com'\n"
        "print(client.list_functions()['Functions'], boto3.client('logs').describe_log_groups()['logGroups'])\n"
    )
    assert cli("exec", "--", sys.executable, script).stdout.strip() == "[] []"
    key = danbi.data / "ca" / "key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_exec_passes_exit_code_and_environment_on(cli, danbi):
    cli("exec", "--", "sh", "-c", "exit 7", expect=7)
    cli("exec", "--", "sh", "-c", "kill -9 $$", expect=137)
    seen = cli("exec", "--", "sh", "-c", 'echo "$AWS_ENDPOINT_URL $AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY"').stdout.split()
    assert seen == [danbi.url, KEY_ID, SECRET]
    assert "cannot run no-such-command" in cli("exec", "--", "no-such-command", expect=1).stderr


@pytest.mark.skipif(not shutil.which("aws", path="/usr/bin"), reason="the AWS CLI of the distribution is not installed")
def test_exec_runs_the_aws_cli(cli):
    done = cli("exec", "--", "/usr/bin/aws", "lambda", "list-functions", "--output", "json")
    assert json.loads(done.stdout)["Functions"] == []


def test_env_is_read_by_a_shell(cli, danbi):
    lines = cli("env").stdout
    done = subprocess.run(["sh", "-c", f'{lines}\necho "$AWS_ENDPOINT_URL|$AWS_ACCESS_KEY_ID|$AWS_SECRET_ACCESS_KEY|$AWS_DEFAULT_REGION"'], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{danbi.url}|{KEY_ID}|{SECRET}|us-east-1"


def test_credentials_of_the_data_folder_are_aws_s_own_format(danbi):
    path = danbi.data / "credentials"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    import boto3

    session = boto3.Session(botocore_session=botocore_with(path))
    assert session.client("lambda", endpoint_url=danbi.url, region_name="us-east-1").list_functions()["Functions"] == []


def botocore_with(path):
    import botocore.session

    session = botocore.session.Session()
    session.set_config_variable("credentials_file", str(path))
    session.set_config_variable("profile", "default")
    return session


def test_usage_and_failures_have_their_exit_codes(cli, tmp_path):
    assert "unrecognized subcommand" in cli("frobnicate", expect=2).stderr
    assert "Usage" in cli("--help").stdout
    empty = tmp_path / "empty"
    empty.mkdir()
    error = json.loads(cli("deploy", "empty", "--json", expect=1).stderr)["error"]
    assert "cannot tell what" in error["why"] and "danbi init" in error["next"]
    nobody = cli("status", "--endpoint", "http://127.0.0.1:9", expect=1).stderr
    assert "no platform answers at http://127.0.0.1:9" in nobody and "danbi serve" in nobody
    (empty / "danbi.toml").write_text("memroy = 1\n")
    assert "did you mean `memory`?" in cli("deploy", "empty", expect=1).stderr
    assert json.loads(cli("init", "--schema").stdout) == json.loads((ROOT / "docs" / "danbi.schema.json").read_text())


def test_doctor_names_what_it_looked_at(cli):
    report = json.loads(cli("doctor", "--json").stdout)
    names = {finding["name"] for finding in report["findings"]}
    assert report["ok"] and {"python3", "node", "data folder", "platform"} <= names


def test_deploy_starts_a_platform_when_none_runs(tmp_path, cli, danbi):
    """The default address may be taken on the machine that runs the tests; then there is nothing to start."""
    import socket

    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", 4566))
        except OSError:
            pytest.skip("port 4566 is taken")
    app = tmp_path / "first"
    app.mkdir()
    (app / "lambda_function.py").write_text(handler("first"))
    environment = clean_environment(danbi, DANBI_DATA=str(tmp_path / "own"))
    del environment["DANBI_ENDPOINT"]
    done = subprocess.run([binary(), "deploy", "first", "--json"], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=VERB_SECONDS, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    deployed = json.loads(done.stdout)
    pid = deployed["platform"]["pid"]
    try:
        assert deployed["url"] == "http://first.localhost:4566/"
        assert pathlib.Path(deployed["platform"]["log"]).is_file()
    finally:
        os.kill(pid, signal.SIGTERM)
    eventually(lambda: not pathlib.Path(f"/proc/{pid}").exists())


def test_bench_cold_shows_what_a_caller_waits_for(cli, danbi, tmp_path):
    app = tmp_path / "slow"
    app.mkdir()
    # Slow to import, so that the platform makes a template of it.
    (app / "lambda_function.py").write_text("import time\ntime.sleep(0.2)\n" + handler("x"))
    cli("deploy", "slow")
    document = json.loads(cli("bench", "cold", "slow", "--samples", "3", "--json").stdout)
    latency = document["latency"]
    assert set(latency) == {"cold", "restored", "warm"} and document["name"] == "slow"
    assert all(len(row["samples"]) == 3 and row["p50"] <= row["p90"] <= row["max"] for row in latency.values())
    assert all(sample["initMs"] >= 200 and sample["restoreMs"] is None for sample in latency["cold"]["samples"])
    assert all(sample["restoreMs"] is not None and sample["initMs"] is None for sample in latency["restored"]["samples"])
    assert latency["cold"]["p50"] >= 200, "what it sleeps"
    shown = cli("bench", "cold", "--samples", "3", cwd=app).stdout
    assert "p50" in shown and "█" in shown and "a fork of the version's template" in shown
    assert "restored" in cli("status").stdout
    assert "is not JSON" in cli("bench", "cold", "slow", "--event", "{", expect=2).stderr
