"""One `danbi serve` process, started, watched and ended by a test."""

import http.client
import itertools
import os
import pathlib
import selectors
import signal
import subprocess
import time
import urllib.parse
from types import SimpleNamespace

import boto3
from botocore.config import Config

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEY_ID, SECRET = "AKIADANBITESTROOTKEY", "danbi-test-root-secret-access-key-000000"
READY_SECONDS = 30
DRAIN_SECONDS = 60
# Each platform of a test run has ports of its own for databases, also while it is away between a kill and its next start:
# so many platforms of one worker at a time, and so many databases of each.
PLATFORMS, DATABASES = 10, 40
FIRST_PORT = 10_000 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 25 * PLATFORMS * DATABASES
numbers = itertools.count()


def binary():
    """The binary under test: `DANBI_BIN`, which the test command sets, else the debug build of this tree."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return os.environ.get("DANBI_BIN", str(target / "debug" / "danbi"))


class Platform:
    """`danbi serve` on a free loopback port."""

    def __init__(self, data, arguments=(), environment=None):
        self.data = pathlib.Path(data)
        self.arguments = list(arguments)
        ports = FIRST_PORT + next(numbers) % PLATFORMS * DATABASES
        self.environment = {"DANBI_DATABASE_PORTS": f"{ports}-{ports + DATABASES - 1}", **(environment or {})}
        self.process = None
        self.url = None
        self.port = 0
        self.log_path = self.data.with_name(self.data.name + ".log")

    def start(self):
        """Starts it (again, on the same port) and waits for its ready line."""
        environment = {
            **os.environ,
            "DANBI_ROOT_ACCESS_KEY_ID": KEY_ID,
            "DANBI_ROOT_SECRET_ACCESS_KEY": SECRET,
            **self.environment,
        }
        command = [binary(), "serve", "--data", str(self.data), "--listen", f"127.0.0.1:{self.port}", *self.arguments]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        line = self._first_line()
        assert line.startswith("danbi ready on http://"), f"not ready: {line!r}\n{self.log()}"
        self.url = line.split()[-1]
        self.port = urllib.parse.urlsplit(self.url).port

    def _first_line(self):
        with selectors.DefaultSelector() as ready:
            ready.register(self.process.stdout, selectors.EVENT_READ)
            if not ready.select(READY_SECONDS):
                return ""
            return self.process.stdout.readline().decode()

    def log(self):
        """What it wrote to standard error so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def kill_9(self):
        """Ends it as a power cut would."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def terminate(self):
        """Ends it politely and gives the exit status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(DRAIN_SECONDS)
        self.process.stdout.close()
        return status

    def end(self):
        """Ends it if it still runs."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(DRAIN_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def client(self, service, region="us-east-1", key_id=KEY_ID, secret=SECRET, **config):
        """A boto3 client with root credentials and no retries of its own."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=key_id,
            aws_secret_access_key=secret,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=130, max_pool_connections=64, inject_host_prefix=False, **config),
        )

    def environment_for_clients(self):
        """What a tool of the AWS world needs to find this platform."""
        return {
            **os.environ,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PAGER": "",
        }

    def http(self, method, url, body=None, headers=None, timeout=130):
        """One request to the platform, whatever host name `url` bears (such names resolve nowhere in a test)."""
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
            connection.request(method, path, body, {"Host": parts.netloc or f"127.0.0.1:{self.port}", **(headers or {})})
            answer = connection.getresponse()
            return SimpleNamespace(status=answer.status, headers=answer.headers, body=answer.read())
        finally:
            connection.close()

    def rss_mib(self):
        """Resident memory of the serving process."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise AssertionError("no VmRSS")

    def wait_until(self, condition, seconds=30):
        """Waits until `condition()` holds; says what the platform logged when it does not."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"the condition did not come true in {seconds} s\n{self.log()}"
            assert self.process.poll() is None, f"the platform ended\n{self.log()}"
            time.sleep(0.02)
