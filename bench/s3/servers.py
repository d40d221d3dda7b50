"""The servers under comparison, each with what it promises of durability."""

import contextlib
import os
import pathlib
import secrets
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from measured import KEY_ID, SECRET, Server, danbi, free_port, process  # noqa: E402


def client_of(server):
    """A boto3 client that speaks S3 as every server of these understands it."""
    s3 = {"addressing_style": "path"}
    return server.client("s3", s3=s3, signature_version="s3v4", request_checksum_calculation="when_required")


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
    "danbi": lambda folder: danbi(folder, "fsync before the answer, encrypted"),
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
