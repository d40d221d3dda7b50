"""Tools of the S3 world, unmodified: the AWS CLI's high-level verbs, rclone, s3cmd."""

import os
import pathlib
import shutil
import subprocess
import urllib.request

import pytest
from platform_under_test import KEY_ID, SECRET

AWS = os.environ.get("AWS_CLI") or shutil.which("aws", path="/usr/bin:/usr/local/bin:" + os.environ.get("PATH", ""))
#: Beyond the size from which each tool uploads in parts (8 MiB, 15 MiB, or what the test sets).
LARGE = 20 << 20


@pytest.fixture
def tree(tmp_path):
    """A folder with what trips clients up: empty files, spaces, umlauts, deep folders, something large."""
    root = tmp_path / "tree"
    for name, content in {
        "a.txt": b"one",
        "empty": b"",
        "deep/er/and deeper/b.bin": os.urandom(1000),
        "deep/ümlaut + plus & amp=1.txt": "äöü".encode(),
        "large.bin": os.urandom(LARGE),
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def contents(folder):
    """Every file below `folder` with its bytes."""
    folder = pathlib.Path(folder)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def run(danbi, tmp_path):
    """Runs a tool with an environment of its own and no configuration of the user's."""

    def run(*command, expect=0, **environment):
        environment = {**danbi.environment_for_clients(), "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), **environment}
        # rclone refuses to start where a bundle of certificates is named.
        environment.pop("AWS_CA_BUNDLE", None)
        done = subprocess.run(list(map(str, command)), env=environment, cwd=tmp_path, capture_output=True, timeout=110, stdin=subprocess.DEVNULL)
        assert done.returncode == expect, f"{command}: {done.returncode}\n{done.stdout.decode()}\n{done.stderr.decode()}\n{danbi.log()[-2000:]}"
        return done.stdout.decode()

    return run


@pytest.fixture
def aws(danbi, run):
    return lambda *arguments, **more: run(AWS, "--endpoint-url", danbi.url, *arguments, **more)


def test_aws_cli_copies_syncs_and_removes(danbi, aws, tree, tmp_path):
    aws("s3", "mb", "s3://box")
    assert "box" in aws("s3", "ls")
    aws("s3", "cp", tree, "s3://box/tree", "--recursive", "--quiet")
    assert len(aws("s3", "ls", "s3://box", "--recursive").splitlines()) == 5
    aws("s3", "cp", "s3://box/tree", "down", "--recursive", "--quiet")
    assert contents(tmp_path / "down") == contents(tree)
    # Nothing differs: nothing is sent. Then one file changes, one goes.
    assert aws("s3", "sync", tree, "s3://box/tree") == ""
    (tree / "a.txt").write_text("two, longer")
    (tree / "empty").unlink()
    said = aws("s3", "sync", tree, "s3://box/tree", "--delete", "--no-progress")
    assert sorted(line.split(":")[0] for line in said.splitlines()) == ["delete", "upload"]
    aws("s3", "sync", "s3://box/tree", "again", "--quiet")
    assert contents(tmp_path / "again") == contents(tree)
    aws("s3", "cp", "s3://box/tree/large.bin", "s3://box/copy.bin", "--quiet")
    aws("s3", "mv", "s3://box/copy.bin", "s3://box/moved.bin", "--quiet")
    s3 = danbi.client("s3")
    assert s3.get_object(Bucket="box", Key="moved.bin")["Body"].read() == (tree / "large.bin").read_bytes()
    assert "-" in s3.head_object(Bucket="box", Key="tree/large.bin")["ETag"]
    url = aws("s3", "presign", "s3://box/tree/a.txt").strip()
    assert urllib.request.urlopen(url).read() == b"two, longer"
    aws("s3", "rb", "s3://box", expect=1)
    aws("s3", "rb", "s3://box", "--force")
    assert "box" not in aws("s3", "ls")


def test_aws_cli_api(aws, tmp_path):
    (tmp_path / "body").write_bytes(b"hello")
    aws("s3api", "create-bucket", "--bucket", "box")
    aws("s3api", "put-object", "--bucket", "box", "--key", "k", "--body", "body", "--metadata", "mood=good", "--content-type", "text/x-mood")
    head = aws("s3api", "head-object", "--bucket", "box", "--key", "k")
    assert '"mood": "good"' in head and "text/x-mood" in head and '"ContentLength": 5' in head
    aws("s3api", "get-object", "--bucket", "box", "--key", "k", "--range", "bytes=1-3", "out")
    assert (tmp_path / "out").read_bytes() == b"ell"
    assert '"k"' in aws("s3api", "list-objects-v2", "--bucket", "box")
    aws("s3api", "get-object", "--bucket", "box", "--key", "none", "out", expect=254)
    aws("s3api", "delete-object", "--bucket", "box", "--key", "k")
    aws("s3api", "delete-bucket", "--bucket", "box")


def test_rclone(danbi, run, tree, tmp_path):
    settings = {
        "RCLONE_CONFIG_D_TYPE": "s3",
        "RCLONE_CONFIG_D_PROVIDER": "Other",
        "RCLONE_CONFIG_D_ENDPOINT": danbi.url,
        "RCLONE_CONFIG_D_ACCESS_KEY_ID": KEY_ID,
        "RCLONE_CONFIG_D_SECRET_ACCESS_KEY": SECRET,
        "RCLONE_CONFIG_D_REGION": "us-east-1",
        "RCLONE_S3_UPLOAD_CUTOFF": "8M",
        "RCLONE_S3_CHUNK_SIZE": "5M",
        "RCLONE_RETRIES": "1",
    }

    def rclone(*arguments, **more):
        return run("rclone", *arguments, **settings, **more)

    rclone("mkdir", "d:box")
    rclone("copy", tree, "d:box/tree")
    rclone("check", tree, "d:box/tree")
    rclone("check", "--download", tree, "d:box/tree")
    assert rclone("cat", "d:box/tree/a.txt") == "one"
    assert rclone("cat", "--offset", "1", "--count", "1", "d:box/tree/a.txt") == "n"
    rclone("copy", "d:box/tree", tmp_path / "down")
    assert contents(tmp_path / "down") == contents(tree)
    (tree / "a.txt").unlink()
    rclone("sync", tree, "d:box/tree")
    assert "a.txt" not in rclone("lsf", "d:box/tree")
    rclone("copyto", "d:box/tree/large.bin", "d:box/server-side.bin")
    rclone("moveto", "d:box/server-side.bin", "d:box/moved.bin")
    assert "moved.bin" in rclone("lsf", "d:box")
    assert danbi.client("s3").get_object(Bucket="box", Key="moved.bin")["Body"].read() == (tree / "large.bin").read_bytes()
    rclone("deletefile", "d:box/moved.bin")
    rclone("delete", "d:box/tree")
    rclone("purge", "d:box")
    assert "box" not in rclone("lsd", "d:")


def test_s3cmd(danbi, run, tree, tmp_path):
    host = danbi.url.removeprefix("http://")

    def s3cmd(*arguments, **more):
        fixed = ["--access_key", KEY_ID, "--secret_key", SECRET, "--host", host, "--host-bucket", host, "--no-ssl", "--region", "us-east-1", "--no-progress", "--config", "/dev/null"]
        return run("s3cmd", *fixed, *arguments, **more)

    s3cmd("mb", "s3://box")
    # s3cmd 2.3 sends an ACL with every copy, which new buckets refuse as AWS's do.
    danbi.client("s3").put_bucket_ownership_controls(Bucket="box", OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]})
    s3cmd("put", tree / "large.bin", "s3://box/large.bin", "--multipart-chunk-size-mb=5")
    s3cmd("get", "s3://box/large.bin", tmp_path / "large.down")
    assert (tmp_path / "large.down").read_bytes() == (tree / "large.bin").read_bytes()
    s3cmd("sync", f"{tree}/", "s3://box/tree/")
    assert len(s3cmd("ls", "--recursive", "s3://box/tree/").splitlines()) == 5
    (tmp_path / "down").mkdir()
    s3cmd("sync", "s3://box/tree/", f"{tmp_path}/down/")
    assert contents(tmp_path / "down") == contents(tree)
    s3cmd("cp", "s3://box/tree/a.txt", "s3://box/b.txt")
    assert "a.txt" in s3cmd("info", "s3://box/tree/a.txt")
    # s3cmd signs URLs the old way, with version 2.
    url = s3cmd("signurl", "s3://box/b.txt", "+600").strip()
    assert "Signature=" in url and "AWSAccessKeyId=" in url
    assert urllib.request.urlopen(url).read() == b"one"
    s3cmd("del", "s3://box/b.txt")
    s3cmd("del", "--recursive", "--force", "s3://box/")
    s3cmd("rb", "s3://box")


def test_s3cmd_opens_an_object_by_its_acl(danbi, run, tmp_path):
    host = danbi.url.removeprefix("http://")
    s3 = danbi.client("s3")
    s3.create_bucket(Bucket="box", ObjectOwnership="ObjectWriter")
    s3.delete_public_access_block(Bucket="box")
    s3.put_object(Bucket="box", Key="k", Body=b"open")
    assert danbi.http("GET", f"{danbi.url}/box/k").status == 403
    fixed = ["--access_key", KEY_ID, "--secret_key", SECRET, "--host", host, "--host-bucket", host, "--no-ssl", "--region", "us-east-1", "--config", "/dev/null"]
    run("s3cmd", *fixed, "setacl", "--acl-public", "s3://box/k")
    answer = danbi.http("GET", f"{danbi.url}/box/k")
    assert (answer.status, answer.body) == (200, b"open")
