"""Runtime clients that AWS publishes, unmodified, as an own `bootstrap` of a `provided` function."""

import json
import os
import pathlib
import zipfile

from packages import create
from platform_under_test import ROOT

TEST_ENV = pathlib.Path(os.environ.get("DANBI_TEST_ENV", ROOT / "target" / "test-env"))


def folder_zipped(folder, extra, path, leave_out=("__pycache__",)):
    """Zips what is in `folder`, plus `extra` (name → (text, mode)), to `path`; gives the archive's bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            name = file.relative_to(folder)
            if file.is_file() and not set(name.parts) & set(leave_out):
                archive.write(file, name)
        for name, (text, mode) in extra.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o100000 | mode) << 16
            archive.writestr(info, text)
    return path.read_bytes()


def ask(client, name, event):
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event))
    return json.loads(answer["Payload"].read()), answer.get("FunctionError")


def test_awslambdaric(danbi, tmp_path):
    package = folder_zipped(
        TEST_ENV / "awslambdaric",
        {
            "bootstrap": ('#!/bin/sh\nexec python3.11 -m awslambdaric "$_HANDLER"\n', 0o755),
            "app.py": ("def handler(event, context):\n    if event.get('fail'):\n        raise KeyError('no rain')\n    return [event['n'] + 1, context.function_name, context.get_remaining_time_in_millis() > 0]\n", 0o644),
        },
        tmp_path / "ric.zip",
    )
    client = danbi.client("lambda")
    create(client, "ric", package, Runtime="provided.al2023", Timeout=10, Environment={"Variables": {"PYTHONPATH": "/var/task"}})
    assert ask(client, "ric", {"n": 1}) == ([2, "ric", True], None)
    document, error = ask(client, "ric", {"fail": True})
    assert (error, document["errorType"], document["errorMessage"]) == ("Unhandled", "KeyError", "'no rain'")
    assert ask(client, "ric", {"n": 2}) == ([3, "ric", True], None)


def test_aws_lambda_ric_for_node(danbi, tmp_path):
    package = folder_zipped(
        TEST_ENV / "aws-lambda-ric" / "node_modules" / "aws-lambda-ric",
        {
            "bootstrap": ('#!/bin/sh\nexec node /var/task/bin/index.mjs "$_HANDLER"\n', 0o755),
            "app.js": ("exports.handler = async (event, context) => { if (event.fail) throw new RangeError('no rain'); return [event.n + 1, context.functionName] }\n", 0o644),
        },
        tmp_path / "ric.zip",
        leave_out=("deps", "node_modules", "src"),
    )
    client = danbi.client("lambda")
    create(client, "ric", package, Runtime="provided.al2023", Timeout=10, MemorySize=256)
    assert ask(client, "ric", {"n": 1}) == ([2, "ric"], None)
    document, error = ask(client, "ric", {"fail": True})
    assert (error, document["errorType"], document["errorMessage"]) == ("Unhandled", "RangeError", "no rain")


def test_lambda_http_for_rust(danbi, tmp_path):
    binary = pathlib.Path(os.environ.get("DANBI_RUST_EXAMPLE", TEST_ENV / "rust-http" / "bootstrap"))
    archive_path = tmp_path / "rust.zip"
    with zipfile.ZipFile(archive_path, "w", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo("bootstrap")
        info.external_attr = 0o100755 << 16
        archive.writestr(info, binary.read_bytes())
    client = danbi.client("lambda")
    create(client, "rust", archive_path.read_bytes(), Runtime="provided.al2023", Timeout=10)
    url = client.create_function_url_config(FunctionName="rust", AuthType="NONE")["FunctionUrl"]
    client.add_permission(FunctionName="rust", StatementId="public", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE")
    answer = danbi.http("GET", url + "hello?name=rain")
    assert answer.status == 200 and b"rain" in answer.body
