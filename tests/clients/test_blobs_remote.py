"""`danbi serve --blobs s3://…`: bytes in another S3. Against a second Danbi always, against Garage where there is one.

Garage takes a quarter of an hour to build, so nobody builds it for a test run: `cargo install garage` once, and
`GARAGE_BIN=…/garage` or a `garage` on the PATH.
"""

import os
import secrets
import shutil
import subprocess
import time

import boto3
import packages
import pytest
from botocore.config import Config
from platform_under_test import KEY_ID, SECRET

GARAGE = os.environ.get("GARAGE_BIN") or shutil.which("garage")
MIB = 1 << 20


class Garage:
    """A Garage server with one node and one bucket."""

    def __init__(self, folder, ports):
        self.config = folder / "garage.toml"
        self.url = f"http://127.0.0.1:{ports[0]}"
        self.config.write_text(
            f'metadata_dir = "{folder}/meta"\ndata_dir = "{folder}/data"\ndb_engine = "lmdb"\nreplication_factor = 1\n'
            f'rpc_bind_addr = "127.0.0.1:{ports[1]}"\nrpc_public_addr = "127.0.0.1:{ports[1]}"\nrpc_secret = "{secrets.token_hex(32)}"\n'
            f'[s3_api]\ns3_region = "garage"\napi_bind_addr = "127.0.0.1:{ports[0]}"\nroot_domain = ".s3.localhost"\n'
        )
        self.config.chmod(0o600)
        self.log = open(folder / "garage.log", "wb")
        self.process = subprocess.Popen([GARAGE, "-c", self.config, "server"], stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 30
        while subprocess.run([GARAGE, "-c", self.config, "status"], capture_output=True).returncode:
            assert time.monotonic() < deadline, "garage did not start"
            time.sleep(0.1)
        node = self.cli("node", "id", "-q").split("@")[0]
        self.cli("layout", "assign", "-z", "zone", "-c", "1G", node)
        self.cli("layout", "apply", "--version", "1")
        self.cli("bucket", "create", "blobs")
        made = dict(line.split(":", 1) for line in self.cli("key", "create", "danbi").splitlines() if ":" in line)
        self.key_id, self.secret = made["Key ID"].strip(), made["Secret key"].strip()
        self.cli("bucket", "allow", "--read", "--write", "blobs", "--key", "danbi")

    def cli(self, *arguments):
        done = subprocess.run([GARAGE, "-c", self.config, *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def environment(self):
        return {"AWS_ENDPOINT_URL": self.url, "AWS_REGION": "garage", "AWS_ACCESS_KEY_ID": self.key_id, "AWS_SECRET_ACCESS_KEY": self.secret}

    def end(self):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()


class Ourselves:
    """A second Danbi."""

    def __init__(self, danbi):
        self.danbi = danbi
        danbi.client("s3").create_bucket(Bucket="blobs")

    def environment(self):
        return {"AWS_ENDPOINT_URL": self.danbi.url, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}

    def end(self):
        pass


def free_ports(count):
    import socket

    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture(params=["ourselves", "garage"])
def remote(request, danbi_with, tmp_path):
    if request.param == "garage":
        if not GARAGE:
            pytest.skip("LACKING: no garage on the PATH, blobs were tried only against ourselves; `cargo install garage`")
        (tmp_path / "garage").mkdir()
        remote = Garage(tmp_path / "garage", free_ports(2))
    else:
        remote = Ourselves(danbi_with())
    yield remote
    remote.end()


def keys(remote):
    """What lies in the remote bucket."""
    environment = remote.environment()
    client = boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name=environment["AWS_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        config=Config(s3={"addressing_style": "path"}),
    )
    return {entry["Key"]: entry["Size"] for page in client.get_paginator("list_objects_v2").paginate(Bucket="blobs") for entry in page.get("Contents", [])}


def test_packages_and_objects_live_in_another_s3(remote, danbi_with):
    danbi = danbi_with("--blobs", "s3://blobs/some/prefix", DANBI_COLLECT_MS="300,1500", **remote.environment())
    functions = danbi.client("lambda")
    packages.create(functions, "f", code=packages.zipped({"app.py": "def handler(e, c):\n    return e\n", "ballast": os.urandom(9 * MIB)}))
    assert functions.invoke(FunctionName="f", Payload=b"[1]")["Payload"].read() == b"[1]"

    s3 = danbi.client("s3")
    s3.create_bucket(Bucket="box")
    bodies = {f"{size}": os.urandom(size) for size in (0, 1000, 200_000, 8 * MIB, 20 * MIB + 3)}
    for key, body in bodies.items():
        s3.put_object(Bucket="box", Key=key, Body=body)
    for key, body in bodies.items():
        assert s3.get_object(Bucket="box", Key=key)["Body"].read() == body
    part = s3.get_object(Bucket="box", Key=str(20 * MIB + 3), Range="bytes=9000000-9000999")["Body"].read()
    assert part == bodies[str(20 * MIB + 3)][9000000:9001000]
    held = keys(remote)
    assert held and all(key.startswith("some/prefix/") for key in held)
    assert not any(path.is_file() for path in (danbi.data / "blobs").rglob("*"))

    # It all survives a kill, and what is deleted goes away from the remote as well.
    danbi.kill_9()
    danbi.start()
    s3 = danbi.client("s3")
    for key, body in bodies.items():
        assert s3.get_object(Bucket="box", Key=key)["Body"].read() == body
        s3.delete_object(Bucket="box", Key=key)
    danbi.client("lambda").delete_function(FunctionName="f")
    danbi.wait_until(lambda: not keys(remote), 60)


def test_a_remote_that_cannot_be_used_is_told_at_the_start(danbi_with, tmp_path):
    from platform_under_test import Platform

    backend = danbi_with()
    for url, environment, word in [
        ("s3://none", Ourselves.environment(type("", (), {"danbi": backend})()), "NoSuchBucket"),
        ("http://x", {}, "it must be s3://BUCKET/PREFIX"),
        ("s3://", {}, "it names no bucket"),
    ]:
        platform = Platform(tmp_path / f"refused-{word[:4]}", ["--blobs", url], environment)
        with pytest.raises(AssertionError, match="not ready"):
            platform.start()
        platform.end()
        assert word in platform.log(), platform.log()


def test_public_objects_that_are_read_often_need_no_remote(danbi_with):
    backend = danbi_with()
    danbi = danbi_with("--new-buckets", "open", "--blobs", "s3://blobs", **Ourselves(backend).environment())
    s3 = danbi.client("s3")
    s3.create_bucket(Bucket="site")
    body = os.urandom(300_000)
    s3.put_object(Bucket="site", Key="page", Body=body, ACL="public-read")
    read = lambda: danbi.http("GET", f"{danbi.url}/site/page")
    assert read().body == body
    backend.kill_9()
    assert read().body == body
    # Who may read is judged by the store, which is here.
    s3.put_object_acl(Bucket="site", Key="page", ACL="private")
    assert read().status == 403
