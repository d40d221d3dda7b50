"""What is made before it is asked for: snapshots, provisioned concurrency, Node.js processes, what was warm."""

import json
import time

import pytest
from botocore.exceptions import ClientError
from packages import create, python, updated, zipped

TELL = "import os\ndef handler(event, context):\n    return [os.environ['AWS_LAMBDA_INITIALIZATION_TYPE'], os.environ['AWS_LAMBDA_LOG_STREAM_NAME']]\n"
NODE = "exports.handler = async () => [process.env.COLOUR, process.env.AWS_LAMBDA_LOG_STREAM_NAME]\n"


def until(what, condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come to be"
        time.sleep(0.05)


def invoked(client, name, **more):
    return json.loads(client.invoke(FunctionName=name, **more)["Payload"].read())


def environments(danbi):
    return json.loads(danbi.http("GET", "/_danbi/health").body)["environments"]


def ready(client, name, qualifier):
    shown = client.get_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier)
    assert shown["Status"] in ("IN_PROGRESS", "READY"), shown
    return shown["Status"] == "READY"


def test_provisioned_concurrency_is_there_before_its_events_and_after_a_crash(danbi):
    client = danbi.client("lambda")
    create(client, "f", python(TELL))
    client.publish_version(FunctionName="f")
    client.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    put = client.put_provisioned_concurrency_config(FunctionName="f", Qualifier="live", ProvisionedConcurrentExecutions=2)
    assert (put["Status"], put["RequestedProvisionedConcurrentExecutions"], put["ResponseMetadata"]["HTTPStatusCode"]) == ("IN_PROGRESS", 2, 202)
    until("two environments", lambda: ready(client, "f", "live"))
    kind, stream = invoked(client, "f", Qualifier="live")
    assert kind == "provisioned-concurrency"
    listed = client.list_provisioned_concurrency_configs(FunctionName="f")["ProvisionedConcurrencyConfigs"]
    assert [one["FunctionArn"].split(":")[-1] for one in listed] == ["live"]
    assert listed[0]["AllocatedProvisionedConcurrentExecutions"] == 2

    danbi.kill_9()
    danbi.start()
    client = danbi.client("lambda")
    until("two environments again", lambda: ready(client, "f", "live"))
    kind, again = invoked(client, "f", Qualifier="live")
    assert kind == "provisioned-concurrency" and again != stream

    client.update_function_configuration(FunctionName="f", Description="two")
    updated(client, "f")
    client.publish_version(FunctionName="f")
    client.update_alias(FunctionName="f", Name="live", FunctionVersion="2")
    until("the new version's", lambda: ready(client, "f", "live"))
    assert invoked(client, "f", Qualifier="2")[0] == "provisioned-concurrency"

    client.delete_provisioned_concurrency_config(FunctionName="f", Qualifier="live")
    with pytest.raises(ClientError) as error:
        client.get_provisioned_concurrency_config(FunctionName="f", Qualifier="live")
    assert error.value.response["Error"]["Code"] == "ProvisionedConcurrencyConfigNotFoundException"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_what_does_not_initialise_is_not_provisioned(danbi):
    client = danbi.client("lambda")
    create(client, "broken", python("raise ValueError('no')\n"))
    client.publish_version(FunctionName="broken")
    client.put_provisioned_concurrency_config(FunctionName="broken", Qualifier="1", ProvisionedConcurrentExecutions=1)
    shown = {}

    def failed():
        shown.update(client.get_provisioned_concurrency_config(FunctionName="broken", Qualifier="1"))
        return shown["Status"] == "FAILED"

    until("the failure", failed)
    assert shown["StatusReason"] == "FUNCTION_ERROR_INIT_FAILURE"
    assert shown["AllocatedProvisionedConcurrentExecutions"] == 0


def test_snap_start_restores_versions_and_says_when_it_cannot(danbi):
    client = danbi.client("lambda")
    settings = {"Runtime": "python3.12", "SnapStart": {"ApplyOn": "PublishedVersions"}}
    create(client, "snap", python(TELL), **settings)
    shown = client.get_function_configuration(FunctionName="snap")
    assert shown["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}
    published = client.publish_version(FunctionName="snap")
    assert published["State"] == "Pending"
    client.get_waiter("published_version_active").wait(FunctionName="snap", Qualifier="1", WaiterConfig={"Delay": 0.1, "MaxAttempts": 600})
    shown = client.get_function_configuration(FunctionName="snap", Qualifier="1")
    assert shown["SnapStart"]["OptimizationStatus"] == "On"
    answer = client.invoke(FunctionName="snap", Qualifier="1", LogType="Tail")
    assert json.loads(answer["Payload"].read())[0] == "snap-start"

    threads = "import threading, time\nthreading.Thread(target=lambda: time.sleep(60), daemon=True).start()\n" + TELL
    create(client, "threads", python(threads), **settings)
    client.publish_version(FunctionName="threads")
    client.get_waiter("published_version_active").wait(FunctionName="threads", Qualifier="1", WaiterConfig={"Delay": 0.1, "MaxAttempts": 600})
    shown = client.get_function_configuration(FunctionName="threads", Qualifier="1")
    assert shown["SnapStart"]["OptimizationStatus"] == "Off"
    assert invoked(client, "threads", Qualifier="1")[0] == "on-demand"

    with pytest.raises(ClientError) as error:
        create(client, "node", zipped({"index.js": NODE}), Handler="index.handler", Runtime="nodejs20.x", SnapStart={"ApplyOn": "PublishedVersions"})
    assert error.value.response["Error"]["Code"] == "InvalidParameterValueException"
    assert error.value.response["Error"]["Message"] == "nodejs20.x is not supported for SnapStart enabled functions."


def test_a_node_process_waits_for_the_next_function(danbi):
    client = danbi.client("lambda")
    seen = set()
    for colour in ("red", "blue"):
        create(client, colour, zipped({"index.js": NODE}), Runtime="nodejs20.x", Handler="index.handler", Environment={"Variables": {"COLOUR": colour}})
        said, stream = invoked(client, colour)
        assert said == colour
        seen.add(stream)
        until("a process waits", lambda: environments(danbi)["workers"] > 0)
    assert len(seen) == 2
    assert environments(danbi)["events"]["assigned"] == 1


def test_what_was_warm_is_warm_after_an_update(danbi):
    client = danbi.client("lambda")
    create(client, "f", python(TELL))
    _, before = invoked(client, "f")
    client.update_function_configuration(FunctionName="f", Description="changed")
    updated(client, "f")
    until("an environment of the new revision", lambda: environments(danbi)["events"]["started"] == 2 and sum(environments(danbi)["now"].values()) == 1 and not environments(danbi)["now"]["starting"])
    warm = environments(danbi)["events"]["warm"]
    _, after = invoked(client, "f")
    assert after != before
    assert environments(danbi)["events"]["warm"] == warm + 1


def test_an_event_may_ask_for_a_fresh_environment(danbi):
    client = danbi.client("lambda")
    create(client, "f", python(TELL))
    streams = {invoked(client, "f")[1]}
    asked = {"value": None}
    client.meta.events.register("before-call.lambda.Invoke", lambda params, **_: params["headers"].update({"X-Danbi-Environment": asked["value"]}) if asked["value"] else None)
    for asked["value"] in ("new", "fresh", "new"):
        streams.add(invoked(client, "f")[1])
    assert len(streams) == 4
    asked["value"] = "stale"
    with pytest.raises(ClientError) as error:
        invoked(client, "f")
    assert error.value.response["Error"]["Code"] == "InvalidParameterValueException"
    asked["value"] = None
    assert invoked(client, "f")[1] in streams, "the first one is warm still"
