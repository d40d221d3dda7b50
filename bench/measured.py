"""What is measured: servers as processes of their own, each on a free port with a folder of its own."""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import time

import boto3
from botocore.config import Config

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "clients"))

from platform_under_test import KEY_ID, SECRET, Platform  # noqa: E402, F401

START_SECONDS = 120


class Server:
    """One running server, what it promises of durability, and what is needed to speak to it."""

    def __init__(self, name, durability, port, pid, key_id="test", secret="test", region="us-east-1"):
        self.name, self.durability, self.port, self.pid = name, durability, port, pid
        self.key_id, self.secret, self.region = key_id, secret, region
        self.url = f"http://127.0.0.1:{port}"

    def client(self, service, **options):
        """A boto3 client that never repeats a request."""
        config = Config(retries={"total_max_attempts": 1}, read_timeout=600, **options)
        return boto3.client(service, endpoint_url=self.url, region_name=self.region, aws_access_key_id=self.key_id, aws_secret_access_key=self.secret, config=config)

    def status_mib(self, name):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(name)) / 1024

    def forget_peak(self):
        """Begins a new measurement of the highest resident memory."""
        pathlib.Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def peak_mib(self):
        """The highest resident memory since."""
        return self.status_mib("VmHWM")

    def processor_seconds(self):
        """The processor time that it has needed so far."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mib(self):
        """The resident memory now."""
        return self.status_mib("VmRSS")


class Danbi(Server):
    """Danbi can also be killed and started again."""

    def __init__(self, platform, durability="fsync before the answer"):
        super().__init__("danbi", durability, platform.port, platform.process.pid, KEY_ID, SECRET)
        self.platform = platform

    def restart(self):
        self.platform.kill_9()
        self.platform.start()
        self.pid = self.platform.process.pid

    def disk_mib(self):
        return int(subprocess.run(["du", "-sm", self.platform.data], capture_output=True, text=True, check=True).stdout.split()[0])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def process(command, port, log):
    """A process that listens on `port` by the time this yields it."""
    with open(log, "wb") as out:
        child = subprocess.Popen(list(map(str, command)), stdout=out, stderr=out)
        try:
            deadline = time.monotonic() + START_SECONDS
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                assert time.monotonic() < deadline and child.poll() is None, f"{command} did not start: {pathlib.Path(log).read_text()}"
                time.sleep(0.05)
            yield child
        finally:
            child.terminate()
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


@contextlib.contextmanager
def danbi(folder, durability="fsync before the answer"):
    platform = Platform(folder / "data")
    platform.start()
    try:
        yield Danbi(platform, durability)
    finally:
        platform.end()
