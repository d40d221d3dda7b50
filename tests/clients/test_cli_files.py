"""`danbi files` as a user has it: buckets and files, up and down, shared and removed."""

import hashlib
import json
import os
import subprocess
import urllib.request

import pytest
from platform_under_test import binary

#: Beyond the 16 MiB from which files go in parts.
LARGE = (33 << 20) + 7


@pytest.fixture
def files(danbi, tmp_path):
    """Runs `danbi files …` with the credentials of the data folder."""

    def run(*arguments, expect=0, stdin=None):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DANBI_"))}
        environment |= {"DANBI_ENDPOINT": danbi.url, "DANBI_DATA": str(danbi.data), "HOME": str(tmp_path)}
        command = [binary(), "files", *map(str, arguments)]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, timeout=110, input=stdin or b"")
        assert done.returncode == expect, f"{command}: {done.returncode}\n{done.stdout[:2000]}\n{done.stderr.decode()}\n{danbi.log()[-2000:]}"
        done.text = "" if "-" in arguments else done.stdout.decode()
        done.errors = done.stderr.decode()
        return done

    return run


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "tree"
    for name, content in {"a.txt": b"one", "empty": b"", "deep/er/ü b.bin": os.urandom(1000), "large.bin": os.urandom(LARGE)}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_file_goes_there_and_back(danbi, files, tree, tmp_path):
    assert "made the bucket box" in files("create", "box").text
    files("put", tree / "a.txt", "box/a.txt")
    assert files("get", "box/a.txt", "-").stdout == b"one"
    files("get", "box/a.txt")
    assert (tmp_path / "a.txt").read_bytes() == b"one"
    head = danbi.client("s3").head_object(Bucket="box", Key="a.txt")
    assert head["ContentType"].startswith("text/plain")
    files("put", tree / "large.bin", "box/")
    assert danbi.client("s3").head_object(Bucket="box", Key="large.bin")["ETag"].endswith('-3"')
    files("get", "box/large.bin", "down.bin")
    assert (tmp_path / "down.bin").read_bytes() == (tree / "large.bin").read_bytes()
    assert files("get", "box/large.bin", "-").stdout == (tree / "large.bin").read_bytes()
    files("put", tree / "empty", "box/empty")
    files("get", "box/empty", "empty.down")
    assert (tmp_path / "empty.down").read_bytes() == b""
    for body in (b"", b"from a pipe", os.urandom(LARGE)):
        files("put", "-", "box/piped", stdin=body)
        assert files("get", "box/piped", "-").stdout == body
    assert not [path for path in tmp_path.iterdir() if "danbi-part" in path.name]


def test_a_first_put_makes_the_bucket_and_says_so(files, tree):
    assert "there was no bucket fresh: it was made" in files("put", tree / "a.txt", "fresh").errors
    listed = json.loads(files("ls", "--json", "fresh").text)
    assert [o["key"] for o in listed["objects"]] == ["a.txt"]


def test_lists_and_removals(files, tree):
    files("put", "-r", tree, "box/tree")
    buckets = json.loads(files("ls", "--json").text)["buckets"]
    assert [bucket["name"] for bucket in buckets] == ["box"]
    top = json.loads(files("ls", "--json", "box/tree/").text)
    assert (top["folders"], [o["key"] for o in top["objects"]]) == (["tree/deep/"], ["tree/a.txt", "tree/empty", "tree/large.bin"])
    assert len(files("ls", "-r", "box").text.splitlines()) == 4
    files("rm", "box/tree/a.txt")
    assert "there is no file box/tree/a.txt" in files("rm", "box/tree/a.txt", expect=1).errors
    assert "danbi files rm -r box" in files("rm", "box", expect=2).errors
    removed = json.loads(files("rm", "-r", "--json", "box/tree/deep").text)["removed"]
    assert [at["key"] for at in removed] == ["tree/deep/er/ü b.bin"]
    files("rm", "-r", "box")
    assert json.loads(files("ls", "--json").text)["buckets"] == []


def test_sync_sends_only_what_differs(files, tree, tmp_path):
    def sync(*arguments):
        return json.loads(files("sync", "--json", *arguments).text)

    done = sync(tree, "box/tree")
    assert (sorted(done["copied"]), done["same"]) == (sorted(contents(tree)), 0)
    assert (sync(tree, "box/tree")["copied"], sync(tree, "box/tree")["same"]) == ([], 4)
    (tree / "a.txt").write_bytes(b"two")
    large = bytearray((tree / "large.bin").read_bytes())
    large[20 << 20] ^= 1
    (tree / "large.bin").write_bytes(large)
    (tree / "empty").unlink()
    assert sync(tree, "box/tree", "--dry-run", "--delete")["removed"] == ["empty"]
    done = sync(tree, "box/tree", "--delete")
    assert (sorted(done["copied"]), done["removed"], done["same"]) == (["a.txt", "large.bin"], ["empty"], 1)
    down = tmp_path / "down"
    assert len(sync("box/tree", f"{down}")["copied"]) == 3
    assert contents(down) == contents(tree)
    assert sync("box/tree", f"{down}")["same"] == 3
    (down / "superfluous").write_text("x")
    (down / "a.txt").write_text("altered")
    done = sync("box/tree", f"{down}", "--delete")
    assert (done["copied"], done["removed"]) == (["a.txt"], ["superfluous"])
    assert contents(down) == contents(tree)
    files("get", "-r", "box/tree", "whole")
    assert contents(tmp_path / "whole") == contents(tree)


def test_an_interrupted_sync_goes_on(danbi, files, tree):
    files("sync", tree, "box/tree")
    danbi.client("s3").delete_object(Bucket="box", Key="tree/large.bin")
    done = json.loads(files("sync", "--json", tree, "box/tree").text)
    assert (done["copied"], done["same"]) == (["large.bin"], 3)


def test_signed_urls(files):
    put = files("sign", "--put", "box/new.txt", "--expires", "5m", expect=0).text.strip()
    files("create", "box")
    urllib.request.urlopen(urllib.request.Request(put, b"by url", method="PUT", headers={"Content-Type": "text/plain"}))
    signed = json.loads(files("sign", "--json", "box/new.txt").text)
    assert (signed["method"], signed["expiresIn"]) == ("GET", 3600)
    assert urllib.request.urlopen(signed["url"]).read() == b"by url"
    assert "there is no file box/none" in files("sign", "box/none", expect=1).errors
    assert "7 days" in files("sign", "box/new.txt", "--expires", "8d", expect=2).errors


def test_public_files(danbi, files, tree):
    files("put", "-r", tree, "box/site")
    url = f"{danbi.url}/box/site/a.txt"
    assert danbi.http("GET", url).status == 403
    assert files("public", "box/site/a.txt").text.strip() == url
    assert danbi.http("GET", url).body == b"one"
    assert danbi.http("GET", f"{danbi.url}/box/site/empty").status == 403
    files("public", "box/site/")
    assert danbi.http("GET", f"{danbi.url}/box/site/empty").status == 200
    files("public", "--off", "box/site/")
    assert (danbi.http("GET", f"{danbi.url}/box/site/empty").status, danbi.http("GET", url).status) == (403, 200)
    files("public", "--off", "box/site/a.txt")
    assert danbi.http("GET", url).status == 403


def test_errors_teach(files, tmp_path):
    assert "has 3 to 63 lower-case letters" in files("put", "-", "Box/x", expect=2).errors
    assert "danbi files create NAME" in files("ls", "nowhere", expect=1).errors
    assert "there is no file box/x" in files("get", "box/x", expect=1).errors
    (tmp_path / "folder").mkdir()
    assert "-r" in files("put", "folder", "box/x", expect=2).errors
    assert "cannot read none" in files("put", "none", "box/x", expect=1).errors
    assert "both folders of this machine" in files("sync", "./folder", "./folder", expect=2).errors
    assert "both places on the platform" in files("sync", "box/a", "box/b", expect=2).errors
    error = json.loads(files("ls", "--json", "nowhere", expect=1).errors)["error"]
    assert error["code"] == "NoSuchBucket" and error["next"]
    files("ls", "--nonsense", expect=2)


def test_a_key_that_leads_out_of_the_folder_is_refused(danbi, files, tmp_path):
    s3 = danbi.client("s3")
    s3.create_bucket(Bucket="box")
    s3.put_object(Bucket="box", Key="in//side", Body=b"x")
    assert "cannot be a file of this machine" in files("get", "-r", "box", "down", expect=1).errors
    assert not (tmp_path / "down").exists() or contents(tmp_path / "down") == {}
    assert hashlib.md5(files("get", "box/in//side", "-").stdout).hexdigest() == hashlib.md5(b"x").hexdigest()
