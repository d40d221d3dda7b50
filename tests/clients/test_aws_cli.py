"""The AWS CLI, version 2, unmodified."""

import base64
import json
import os
import shutil
import subprocess

import pytest
from packages import ECHO, ROLE, python

AWS = os.environ.get("AWS_CLI") or shutil.which("aws", path="/usr/bin:/usr/local/bin:" + os.environ.get("PATH", ""))


@pytest.fixture
def aws(danbi, tmp_path):
    """Runs `aws …` against the platform and gives its JSON."""

    def run(*arguments, check=True):
        done = subprocess.run([AWS, "--endpoint-url", danbi.url, *arguments], env=danbi.environment_for_clients(), capture_output=True, text=True, timeout=120, cwd=tmp_path, stdin=subprocess.DEVNULL)
        if not check:
            return done
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip().startswith(("{", "[")) else done.stdout

    return run


def test_it_is_version_2():
    version = subprocess.run([AWS, "--version"], capture_output=True, text=True, timeout=60).stdout
    assert version.startswith("aws-cli/2."), version


def test_a_function_and_its_log(aws, tmp_path):
    (tmp_path / "one.zip").write_bytes(python("def handler(e, c):\n    print('seen', e)\n    return {'who': e['who']}\n"))
    (tmp_path / "echo.zip").write_bytes(ECHO)
    made = aws("lambda", "create-function", "--function-name", "f", "--runtime", "python3.11", "--role", ROLE, "--handler", "app.handler", "--zip-file", "fileb://one.zip")
    assert made["State"] == "Pending"
    aws("lambda", "wait", "function-active-v2", "--function-name", "f")
    answer = aws("lambda", "invoke", "--function-name", "f", "--payload", '{"who": "rain"}', "--cli-binary-format", "raw-in-base64-out", "--log-type", "Tail", "out.json")
    assert json.loads((tmp_path / "out.json").read_text()) == {"who": "rain"}
    assert "seen {'who': 'rain'}" in base64.b64decode(answer["LogResult"]).decode()

    assert aws("lambda", "publish-version", "--function-name", "f")["Version"] == "1"
    aws("lambda", "create-alias", "--function-name", "f", "--name", "live", "--function-version", "1")
    aws("lambda", "update-function-code", "--function-name", "f", "--zip-file", "fileb://echo.zip")
    aws("lambda", "wait", "function-updated-v2", "--function-name", "f")
    aws("lambda", "invoke", "--function-name", "f:live", "--payload", '{"who": "old"}', "--cli-binary-format", "raw-in-base64-out", "out.json")
    assert json.loads((tmp_path / "out.json").read_text()) == {"who": "old"}

    found = aws("logs", "filter-log-events", "--log-group-name", "/aws/lambda/f", "--filter-pattern", "seen")
    assert len(found["events"]) == 2
    groups = aws("logs", "describe-log-groups")["logGroups"]
    assert [group["logGroupName"] for group in groups] == ["/aws/lambda/f"]
    tail = aws("logs", "tail", "/aws/lambda/f", "--since", "1h")
    assert "REPORT RequestId" in tail
    assert [f["FunctionName"] for f in aws("lambda", "list-functions")["Functions"]] == ["f"]
    aws("lambda", "delete-function", "--function-name", "f")
    refused = aws("lambda", "get-function", "--function-name", "f", check=False)
    assert refused.returncode == 254 and "ResourceNotFoundException" in refused.stderr


def test_who_am_i(aws):
    assert aws("sts", "get-caller-identity")["Account"] == "000000000000"


def test_a_template_is_deployed_as_a_stack(aws, tmp_path):
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    function = {"Runtime": "python3.12", "Handler": "index.handler", "Role": {"Fn::GetAtt": ["Role", "Arn"]}, "Code": {"ZipFile": "def handler(e, c):\n    return e['n'] * 2\n"}, "Description": {"Ref": "Words"}}
    template = {
        "Parameters": {"Words": {"Type": "String", "Default": "none"}},
        "Resources": {
            "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust}},
            "Function": {"Type": "AWS::Lambda::Function", "Properties": function},
        },
        "Outputs": {"Name": {"Value": {"Ref": "Function"}}},
    }
    (tmp_path / "template.json").write_text(json.dumps(template))
    deploy = ("cloudformation", "deploy", "--template-file", "template.json", "--stack-name", "cli", "--capabilities", "CAPABILITY_IAM")
    aws(*deploy, "--parameter-overrides", "Words=first")
    described = aws("cloudformation", "describe-stacks", "--stack-name", "cli")["Stacks"][0]
    assert described["StackStatus"] == "CREATE_COMPLETE"
    name = described["Outputs"][0]["OutputValue"]
    aws("lambda", "invoke", "--function-name", name, "--payload", '{"n": 21}', "--cli-binary-format", "raw-in-base64-out", "out.json")
    assert json.loads((tmp_path / "out.json").read_text()) == 42
    # The parameter keeps its value; nothing is to be done.
    assert "No changes to deploy" in aws(*deploy, "--no-fail-on-empty-changeset")
    assert aws("lambda", "get-function-configuration", "--function-name", name)["Description"] == "first"
    aws("cloudformation", "delete-stack", "--stack-name", "cli")
