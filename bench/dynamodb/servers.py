"""The servers under comparison: started on a free port with a folder of their own, each with what it promises of durability."""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

import boto3
from botocore.config import Config

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "clients"))

from platform_under_test import KEY_ID, SECRET, Platform  # noqa: E402

START_SECONDS = 30


class Server:
    """One running server, and what is needed to speak to it."""

    def __init__(self, name, durability, port, pid, key_id="test", secret="test"):
        self.name, self.durability, self.port, self.pid = name, durability, port, pid
        self.key_id, self.secret = key_id, secret

    def client(self):
        """A boto3 client."""
        config = Config(retries={"total_max_attempts": 1}, read_timeout=600)
        return boto3.client("dynamodb", endpoint_url=f"http://127.0.0.1:{self.port}", region_name="us-east-1", aws_access_key_id=self.key_id, aws_secret_access_key=self.secret, config=config)

    def status_mib(self, name):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(name)) / 1024

    def forget_peak(self):
        """Begins a new measurement of the highest resident memory."""
        pathlib.Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def peak_mib(self):
        """The highest resident memory since."""
        return self.status_mib("VmHWM")

    def rss_mib(self):
        """The resident memory now."""
        return self.status_mib("VmRSS")


class Danbi(Server):
    """Danbi can also be killed and started again."""

    def __init__(self, platform):
        super().__init__("danbi", "fsync before the answer", platform.port, platform.process.pid, KEY_ID, SECRET)
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
def danbi(folder):
    platform = Platform(folder / "data")
    platform.start()
    try:
        yield Danbi(platform)
    finally:
        platform.end()


@contextlib.contextmanager
def dynalite(folder):
    port = free_port()
    command = [os.environ["DYNALITE_BIN"], "--port", port, "--path", folder / "data", "--createTableMs", 0]
    with process(command, port, folder / "log") as child:
        yield Server("dynalite", "LevelDB, written and not synced", port, child.pid)


@contextlib.contextmanager
def moto(folder):
    port = free_port()
    with process([os.environ["MOTO_BIN"], "-H", "127.0.0.1", "-p", port], port, folder / "log") as child:
        yield Server("moto", "memory only", port, child.pid)


@contextlib.contextmanager
def dynoxide(folder):
    port = free_port()
    command = [os.environ["DYNOXIDE_BIN"], "--host", "127.0.0.1", "--port", port, "--db-path", folder / "dynoxide.db"]
    with process(command, port, folder / "log") as child:
        yield Server("dynoxide", "SQLite WAL with its default, synchronous FULL: synced with each commit", port, child.pid)


SERVERS = {"danbi": danbi, "dynalite": dynalite, "moto": moto, "dynoxide": dynoxide}
NEEDS = {"dynalite": ("DYNALITE_BIN", "dynalite"), "moto": ("MOTO_BIN", "moto_server"), "dynoxide": ("DYNOXIDE_BIN", "dynoxide")}


def available():
    """The servers that can be started here; the others are named."""
    found = ["danbi"]
    for name, (variable, program) in NEEDS.items():
        os.environ.setdefault(variable, shutil.which(program) or "")
        if os.environ[variable]:
            found.append(name)
        else:
            print(f"LACKING: {name} is not measured; say where it is with {variable}")
    return found
