"""What users of Zappa complain of and the platform can do something about: rollbacks that do not bring back what ran,
a 502 that says nothing, updates that race."""

import json
import os
import subprocess
import threading

import pytest
from botocore.exceptions import ClientError
from packages import create, python, updated, zipped
from platform_under_test import KEY_ID, SECRET, binary
from test_apigateway import Api, allow
from test_zappa_settings import project
from zappa_project import answer


def danbi_logs(danbi, *arguments):
    """What `danbi logs` prints."""
    environment = {**os.environ, "DANBI_ENDPOINT": danbi.url, "AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}
    return subprocess.run([binary(), "logs", *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60).stdout


def test_rollback_restores_what_ran_before(danbi, tmp_path):
    functions, s3 = danbi.client("lambda"), danbi.client("s3")
    shop = project(danbi, tmp_path, num_retained_versions=None, touch=False)
    page = shop.folder / "app.py"
    source = page.read_text()
    digests = {}
    for number, name in enumerate(("first", "second", "third")):
        page.write_text(source.replace("a shop", f"the {name} shop"))
        shop.settings(environment_variables={"COLOUR": name})
        shop.zappa("update" if number else "deploy", "dev")
        digests[name] = functions.get_function_configuration(FunctionName="shop-dev")["CodeSha256"]
    assert len(set(digests.values())) == 3
    url = shop.endpoint()
    seen = lambda: (answer(danbi, "GET", url + "/")[1], answer(danbi, "GET", url + "/variables/COLOUR")[1])  # noqa: E731
    assert seen() == ("the third shop", "third")

    # The packages are the platform's: nothing in the bucket is needed, nor anything in memory.
    for item in s3.list_objects_v2(Bucket="shop-deployments").get("Contents", []):
        s3.delete_object(Bucket="shop-deployments", Key=item["Key"])
    danbi.kill_9()
    danbi.start()

    shop.zappa("rollback", "dev", "-n", "1")
    updated(functions, "shop-dev")
    assert seen() == ("the second shop", "second")
    assert functions.get_function_configuration(FunctionName="shop-dev")["CodeSha256"] == digests["second"]
    # The rollback is a version too, so one step back is what it replaced, and three steps are the first.
    shop.zappa("rollback", "dev", "-n", "1")
    updated(functions, "shop-dev")
    assert seen() == ("the third shop", "third")
    shop.zappa("rollback", "dev", "-n", "4")
    updated(functions, "shop-dev")
    assert seen() == ("the first shop", "first")
    assert functions.get_function_configuration(FunctionName="shop-dev")["CodeSha256"] == digests["first"]
    assert "We do not have 10 revisions" in shop.zappa("rollback", "dev", "-n", "10")


FAULTS = {
    "import": ("import no_such_module\n\ndef handler(event, context):\n    return {'statusCode': 200}\n", "No module named 'no_such_module'"),
    "syntax": ("def handler(event, context)\n    return {'statusCode': 200}\n", "Syntax error in module 'app'"),
    "missing": ("def other(event, context):\n    return {'statusCode': 200}\n", "Handler 'handler' missing on module 'app'"),
    "raises": ("def handler(event, context):\n    raise KeyError('a key that is not there')\n", "a key that is not there"),
    "exits": ("import sys\ndef handler(event, context):\n    sys.exit(3)\n", "Runtime.ExitError"),
    "slow": ("import threading\ndef handler(event, context):\n    threading.Event().wait()\n", "Task timed out after 1.00 seconds"),
    "nonsense": ("def handler(event, context):\n    return ['not', 'an', 'answer']\n", "Malformed Lambda proxy response"),
    "status": ("def handler(event, context):\n    return {'statusCode': 'fine', 'body': 'x'}\n", "its statusCode is not one"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_502_comes_with_its_cause(danbi, fault):
    source, cause = FAULTS[fault]
    arn = create(danbi.client("lambda"), "faulty", python(source), Timeout=1)["FunctionArn"]
    api = Api(danbi)
    api.function(api.root, "ANY", arn)
    allow(danbi, "faulty", api)
    api.deploy()
    got = api.call("GET", "/")
    assert (got.status, json.loads(got.body)) == (502, {"message": "Internal server error"})
    # The id that the client got finds it, without a word of how to search.
    told = ""

    def is_told():
        nonlocal told
        told = danbi_logs(danbi, "faulty", got.headers["x-amzn-requestid"])
        return cause in told and "REPORT" in told

    danbi.wait_until(is_told)
    assert cause in danbi_logs(danbi, "faulty")


def test_an_app_that_fails_at_import_says_so_to_who_deploys_it(danbi, tmp_path):
    shop = project(danbi, tmp_path)
    (shop.folder / "app.py").write_text("import flask_nowhere\napp = None\n")
    said = shop.zappa("deploy", "dev", expect=1)
    assert "Status code: 502" in said or "502" in said, said
    danbi.wait_until(lambda: "No module named 'flask_nowhere'" in danbi_logs(danbi, "shop-dev"))


def test_updates_that_race_answer_as_aws_does(danbi):
    functions = danbi.client("lambda")
    # Large enough to take a while to be unpacked.
    ballast = {f"ballast/{number}.bin": os.urandom(1 << 20) for number in range(24)}
    packages = {number: zipped({"app.py": f"def handler(event, context):\n    return {number}\n", **ballast}) for number in range(4)}
    arn = create(functions, "raced", packages[0])["FunctionArn"]
    refused, accepted, others = [], [], []
    together = threading.Barrier(len(packages))

    def update(number):
        client = danbi.client("lambda")
        together.wait()
        try:
            answered = client.update_function_code(FunctionName="raced", ZipFile=packages[number], Publish=True)
            accepted.append((int(answered["Version"]), number, answered["CodeSha256"]))
        except ClientError as error:
            told = error.response["Error"]
            (refused if told["Code"] == "ResourceConflictException" else others).append(told["Message"])

    threads = [threading.Thread(target=update, args=(number,)) for number in packages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert others == []
    assert accepted
    in_progress = f"The operation cannot be performed at this time. An update is in progress for resource: {arn}"
    assert set(refused) <= {in_progress}
    # Who waits as AWS says can go on, and what was accepted last is what runs; every version is what its update brought.
    updated(functions, "raced")
    for version, number, digest in accepted:
        assert functions.get_function_configuration(FunctionName="raced", Qualifier=str(version))["CodeSha256"] == digest
        assert json.load(functions.invoke(FunctionName="raced", Qualifier=str(version))["Payload"]) == number
    _, last, _ = max(accepted)
    assert json.load(functions.invoke(FunctionName="raced")["Payload"]) == last
    functions.update_function_configuration(FunctionName="raced", Timeout=9)
    functions.get_waiter("function_updated_v2").wait(FunctionName="raced")


def test_two_zappas_at_once_leave_a_deployment_that_works(danbi, tmp_path):
    shop = project(danbi, tmp_path, touch=False)
    shop.zappa("deploy", "dev")
    url = shop.endpoint()
    other = project(danbi, tmp_path / "other", touch=False)
    ends = {}

    def update(which, name):
        page = which.folder / "app.py"
        page.write_text(page.read_text().replace("a shop", f"the {name} shop"))
        done = subprocess.run(which.command("update", "dev"), cwd=which.folder, env=which.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
        ends[name] = (done.returncode, done.stdout)

    threads = [threading.Thread(target=update, args=pair) for pair in ((shop, "first"), (other, "second"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [name for name, (code, _) in ends.items() if code == 0]
    assert won, ends
    for code, said in ends.values():
        assert code == 0 or "ResourceConflictException" in said or "UPDATE_IN_PROGRESS" in said, said
    updated(danbi.client("lambda"), "shop-dev")
    assert answer(danbi, "GET", url + "/") in [(200, "the first shop"), (200, "the second shop")]
    # And the next update is as good as ever.
    shop.zappa("update", "dev")
    assert answer(danbi, "GET", url + "/") == (200, "the first shop")
