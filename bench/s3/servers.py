"""The servers under comparison: started on a free port with a folder of their own, each with what it promises of durability."""

import contextlib
import os
import pathlib
import secrets
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

    def __init__(self, name, durability, port, pid, key_id, secret, region="us-east-1"):
        self.name, self.durability, self.port, self.pid = name, durability, port, pid
        self.key_id, self.secret, self.region = key_id, secret, region
        self.url = f"http://127.0.0.1:{port}"

    def client(self):
        """A boto3 client."""
        config = Config(retries={"total_max_attempts": 1}, read_timeout=600, s3={"addressing_style": "path"}, signature_version="s3v4", request_checksum_calculation="when_required")
        return boto3.client("s3", endpoint_url=self.url, region_name=self.region, aws_access_key_id=self.key_id, aws_secret_access_key=self.secret, config=config)

    def forget_peak(self):
        """Begins a new measurement of the highest resident memory."""
        pathlib.Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def peak_mib(self):
        """The highest resident memory since."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


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
        yield Server("danbi", "fsync before the answer, encrypted", platform.port, platform.process.pid, KEY_ID, SECRET)
    finally:
        platform.end()


@contextlib.contextmanager
def s3rver(folder):
    port = free_port()
    with process([os.environ["S3RVER_BIN"], "-d", folder, "-p", port, "-a", "127.0.0.1", "--silent"], port, folder / "log") as child:
        yield Server("s3rver", "no sync, plain", port, child.pid, "S3RVER", "S3RVER")


@contextlib.contextmanager
def s3s_fs(folder):
    port = free_port()
    (folder / "root").mkdir()
    command = [os.environ["S3S_FS_BIN"], "--host", "127.0.0.1", "--port", port, "--access-key", KEY_ID, "--secret-key", SECRET, folder / "root"]
    with process(command, port, folder / "log") as child:
        yield Server("s3s-fs", "no sync, plain", port, child.pid, KEY_ID, SECRET)


@contextlib.contextmanager
def garage(folder, fsync):
    port, rpc = free_port(), free_port()
    config = folder / "garage.toml"
    sync = "true" if fsync else "false"
    config.write_text(
        f'metadata_dir = "{folder}/meta"\ndata_dir = "{folder}/data"\ndb_engine = "lmdb"\nreplication_factor = 1\nmetadata_fsync = {sync}\ndata_fsync = {sync}\n'
        f'rpc_bind_addr = "127.0.0.1:{rpc}"\nrpc_public_addr = "127.0.0.1:{rpc}"\nrpc_secret = "{secrets.token_hex(32)}"\n'
        f'[s3_api]\ns3_region = "garage"\napi_bind_addr = "127.0.0.1:{port}"\nroot_domain = ".s3.localhost"\n'
    )
    config.chmod(0o600)
    binary = os.environ["GARAGE_BIN"]

    def cli(*arguments):
        return subprocess.run([binary, "-c", config, *arguments], capture_output=True, text=True, check=True, timeout=60).stdout

    with process([binary, "-c", config, "server"], port, folder / "log") as child:
        cli("layout", "assign", "-z", "zone", "-c", "100G", cli("node", "id", "-q").split("@")[0])
        cli("layout", "apply", "--version", "1")
        made = dict(line.split(":", 1) for line in cli("key", "create", "bench").splitlines() if ":" in line)
        key_id = made["Key ID"].strip()
        cli("key", "allow", "--create-bucket", key_id)
        name, promise = ("garage", "fsync") if fsync else ("garage, its default", "no sync")
        yield Server(name, f"{promise}, plain", port, child.pid, key_id, made["Secret key"].strip(), "garage")


SERVERS = {
    "danbi": danbi,
    "s3rver": s3rver,
    "s3s-fs": s3s_fs,
    "garage": lambda folder: garage(folder, True),
    "garage-default": lambda folder: garage(folder, False),
}
NEEDS = {"s3rver": "S3RVER_BIN", "s3s-fs": "S3S_FS_BIN", "garage": "GARAGE_BIN", "garage-default": "GARAGE_BIN"}


def available():
    """The servers that can be started here; the others are named."""
    os.environ.setdefault("S3S_FS_BIN", shutil.which("s3s-fs") or "")
    os.environ.setdefault("GARAGE_BIN", shutil.which("garage") or "")
    os.environ.setdefault("S3RVER_BIN", shutil.which("s3rver") or "")
    for name, variable in NEEDS.items():
        if not os.environ[variable]:
            print(f"LACKING: {name} is not measured; say where it is with {variable}")
    return [name for name in SERVERS if name not in NEEDS or os.environ[NEEDS[name]]]
