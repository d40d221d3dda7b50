"""Hostile and broken deployment packages: AWS's error, nothing stored, nothing outside the package touched."""

import io
import os
import stat
import zipfile

import pytest
from botocore.exceptions import ClientError
from packages import ECHO, ROLE, create, zipped


def link(name, target):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, target)
    return buffer.getvalue()


def bomb():
    """300 MiB of zeros in some 300 kB."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(3):
            archive.writestr(f"zeros-{n}", bytes(100 << 20))
    return buffer.getvalue()


def lying_bomb():
    """The same, with sizes in its directory that claim one byte each."""
    data = bytearray(bomb())
    size = (100 << 20).to_bytes(4, "little")
    at = data.find(size)
    while at >= 0:
        data[at : at + 4] = (1).to_bytes(4, "little")
        at = data.find(size, at + 4)
    return bytes(data)


CASES = {
    "not a zip": b"this is no zip",
    "empty": b"",
    "truncated": ECHO[: len(ECHO) // 2],
    "bomb": bomb,
    "lying bomb": lying_bomb,
    "parent path": zipped({"../../escaped.txt": "x"}),
    "absolute path": zipped({"/tmp/danbi-escaped-absolute.txt": "x"}),
    "link outward": link("app.py", "/etc/passwd"),
    "link upward": link("app.py", "../../../../etc/passwd"),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_and_leaves_nothing(danbi, name):
    client = danbi.client("lambda")
    case = CASES[name]
    package = case() if callable(case) else case
    with pytest.raises(ClientError) as error:
        client.create_function(FunctionName="bad", Runtime="python3.11", Role=ROLE, Handler="app.handler", Code={"ZipFile": package})
    assert error.value.response["Error"]["Code"] in ("InvalidParameterValueException", "ValidationException", "RequestEntityTooLargeException")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 413)
    assert client.list_functions()["Functions"] == []
    assert not os.path.exists("/tmp/danbi-escaped-absolute.txt")
    assert not list(danbi.data.rglob("escaped.txt"))
    create(client, "good")


def test_a_bad_update_changes_nothing(danbi):
    client = danbi.client("lambda")
    create(client, "app")
    before = client.get_function(FunctionName="app")["Configuration"]
    with pytest.raises(ClientError):
        client.update_function_code(FunctionName="app", ZipFile=b"no zip")
    assert client.get_function(FunctionName="app")["Configuration"] == before
    assert client.invoke(FunctionName="app", Payload=b"1")["Payload"].read() == b"1"


def test_a_link_inside_the_package_and_the_execute_bit_stay(danbi):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", "import os, subprocess\ndef handler(e, c):\n    return [open('/var/task/alias.txt').read(), subprocess.check_output(['/var/task/tool'], text=True)]\n")
        archive.writestr("data/real.txt", "real")
        info = zipfile.ZipInfo("alias.txt")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "data/real.txt")
        tool = zipfile.ZipInfo("tool")
        tool.external_attr = 0o100755 << 16
        archive.writestr(tool, "#!/bin/sh\necho works\n")
    client = danbi.client("lambda")
    create(client, "links", buffer.getvalue())
    assert client.invoke(FunctionName="links")["Payload"].read() == b'["real", "works\\n"]'


def test_a_package_over_the_limit(danbi):
    client = danbi.client("lambda")
    package = zipped({"blob": os.urandom(51 << 20)})
    with pytest.raises(ClientError) as error:
        client.create_function(FunctionName="big", Runtime="python3.11", Role=ROLE, Handler="app.handler", Code={"ZipFile": package})
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 413)
    assert client.list_functions()["Functions"] == []
