"""boto3, unmodified: a function from its creation to its end."""

import base64
import hashlib
import json

import pytest
from botocore.exceptions import ClientError
from packages import ECHO, ROLE, create, python, updated


def code_of(error):
    return error.value.response["Error"]["Code"]


def invoke(client, name, event=None, **more):
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event or {}), **more)
    return json.loads(answer["Payload"].read() or b"null"), answer


def test_create_get_list_delete(danbi):
    client = danbi.client("lambda")
    made = create(client, "echo", Description="says it again", Environment={"Variables": {"KEY": "b"}}, Tags={"team": "rain"})
    assert made["State"] == "Pending" and made["StateReasonCode"] == "Creating"
    assert made["FunctionArn"] == "arn:aws:lambda:us-east-1:000000000000:function:echo"
    assert made["CodeSha256"] == base64.b64encode(hashlib.sha256(ECHO).digest()).decode()
    assert made["CodeSize"] == len(ECHO) and made["Version"] == "$LATEST"
    assert (made["MemorySize"], made["Timeout"], made["EphemeralStorage"]["Size"]) == (128, 3, 512)

    got = client.get_function(FunctionName="echo")
    assert got["Configuration"]["State"] == "Active"
    assert got["Configuration"]["LastUpdateStatus"] == "Successful"
    assert got["Tags"] == {"team": "rain"}
    downloaded = danbi.http("GET", got["Code"]["Location"])
    assert downloaded.status == 200 and downloaded.body == ECHO

    assert [f["FunctionName"] for f in client.list_functions()["Functions"]] == ["echo"]
    assert danbi.client("lambda", region="eu-west-1").list_functions()["Functions"] == []

    with pytest.raises(ClientError) as error:
        create(client, "echo")
    assert code_of(error) == "ResourceConflictException"

    client.delete_function(FunctionName="echo")
    with pytest.raises(ClientError) as error:
        client.get_function(FunctionName="echo")
    assert code_of(error) == "ResourceNotFoundException"
    assert error.value.response["Error"]["Message"] == "Function not found: arn:aws:lambda:us-east-1:000000000000:function:echo"


def test_the_same_function_by_all_its_names(danbi):
    client = danbi.client("lambda")
    create(client, "echo")
    arn = "arn:aws:lambda:us-east-1:000000000000:function:echo"
    for name in ["echo", "000000000000:function:echo", arn, arn + ":$LATEST", "echo:$LATEST"]:
        payload, answer = invoke(client, name, {"n": name})
        assert payload == {"n": name} and answer["ExecutedVersion"] == "$LATEST"


def test_update_publish_and_roll_back_by_alias(danbi):
    client = danbi.client("lambda")
    create(client, "app", python("def handler(e, c):\n    return 'one'\n"))
    one = client.publish_version(FunctionName="app", Description="first")
    assert one["Version"] == "1"
    assert client.publish_version(FunctionName="app")["Version"] == "1", "nothing changed, so no new version"
    client.create_alias(FunctionName="app", Name="live", FunctionVersion="1")

    client.update_function_code(FunctionName="app", ZipFile=python("import os\ndef handler(e, c):\n    return os.environ['WHO']\n"))
    updated(client, "app")
    client.update_function_configuration(FunctionName="app", Environment={"Variables": {"WHO": "two"}}, Timeout=7)
    updated(client, "app")
    two = client.publish_version(FunctionName="app")
    assert two["Version"] == "2" and two["Timeout"] == 7
    assert invoke(client, "app", Qualifier="live")[0] == "one"

    client.update_alias(FunctionName="app", Name="live", FunctionVersion="2")
    payload, answer = invoke(client, "app:live")
    assert payload == "two" and answer["ExecutedVersion"] == "2"
    client.update_alias(FunctionName="app", Name="live", FunctionVersion="1")
    payload, answer = invoke(client, "app:live")
    assert payload == "one" and answer["ExecutedVersion"] == "1"

    versions = client.list_versions_by_function(FunctionName="app")["Versions"]
    assert [v["Version"] for v in versions] == ["$LATEST", "1", "2"]
    assert client.list_aliases(FunctionName="app")["Aliases"][0]["FunctionVersion"] == "1"
    assert client.get_alias(FunctionName="app", Name="live")["AliasArn"].endswith(":function:app:live")
    client.delete_alias(FunctionName="app", Name="live")
    assert client.list_aliases(FunctionName="app")["Aliases"] == []


def test_a_weighted_alias_uses_both_versions(danbi):
    client = danbi.client("lambda")
    create(client, "app", python("def handler(e, c):\n    return c.function_version\n"))
    client.publish_version(FunctionName="app")
    client.update_function_code(FunctionName="app", ZipFile=python("def handler(e, c):\n    return 'v' + c.function_version\n"))
    updated(client, "app")
    client.publish_version(FunctionName="app")
    client.create_alias(FunctionName="app", Name="half", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
    seen = set()
    for _ in range(200):
        payload, answer = invoke(client, "app:half")
        assert payload.strip("v") == answer["ExecutedVersion"]
        seen.add(payload)
        if len(seen) == 2:
            break
    assert seen == {"1", "v2"}


def test_a_stale_revision_is_refused(danbi):
    client = danbi.client("lambda")
    create(client, "echo")
    with pytest.raises(ClientError) as error:
        client.update_function_configuration(FunctionName="echo", Timeout=5, RevisionId="00000000-0000-0000-0000-000000000000")
    assert code_of(error) == "PreconditionFailedException"
    current = client.get_function_configuration(FunctionName="echo")
    assert current["Timeout"] == 3
    client.update_function_configuration(FunctionName="echo", Timeout=5, RevisionId=current["RevisionId"])


def test_permissions(danbi):
    client = danbi.client("lambda")
    create(client, "echo")
    client.add_permission(FunctionName="echo", StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com", SourceArn="arn:aws:s3:::bucket")
    policy = json.loads(client.get_policy(FunctionName="echo")["Policy"])
    assert policy["Statement"] == [
        {
            "Sid": "s3",
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "lambda:InvokeFunction",
            "Resource": "arn:aws:lambda:us-east-1:000000000000:function:echo",
            "Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:s3:::bucket"}},
        }
    ]
    with pytest.raises(ClientError) as error:
        client.add_permission(FunctionName="echo", StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com")
    assert code_of(error) == "ResourceConflictException"
    client.remove_permission(FunctionName="echo", StatementId="s3")
    with pytest.raises(ClientError) as error:
        client.get_policy(FunctionName="echo")
    assert code_of(error) == "ResourceNotFoundException"


def test_tags_concurrency_account_and_event_config(danbi):
    client = danbi.client("lambda")
    arn = create(client, "echo")["FunctionArn"]
    client.tag_resource(Resource=arn, Tags={"a": "1", "b": "2"})
    client.untag_resource(Resource=arn, TagKeys=["a"])
    assert client.list_tags(Resource=arn)["Tags"] == {"b": "2"}

    client.put_function_concurrency(FunctionName="echo", ReservedConcurrentExecutions=0)
    assert client.get_function_concurrency(FunctionName="echo")["ReservedConcurrentExecutions"] == 0
    with pytest.raises(ClientError) as error:
        invoke(client, "echo")
    assert code_of(error) == "TooManyRequestsException"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    client.delete_function_concurrency(FunctionName="echo")
    assert invoke(client, "echo", {"x": 1})[0] == {"x": 1}

    account = client.get_account_settings()
    assert account["AccountLimit"]["ConcurrentExecutions"] == 1000
    assert account["AccountUsage"]["FunctionCount"] == 1

    client.put_function_event_invoke_config(FunctionName="echo", MaximumRetryAttempts=1, MaximumEventAgeInSeconds=120)
    assert client.get_function_event_invoke_config(FunctionName="echo")["MaximumRetryAttempts"] == 1


def test_layers_are_seen_in_opt(danbi):
    from packages import zipped

    client = danbi.client("lambda")
    layer = client.publish_layer_version(
        LayerName="greetings",
        Description="words",
        Content={"ZipFile": zipped({"python/greeting.py": "WORD = 'annyeong'\n"})},
        CompatibleRuntimes=["python3.11"],
    )
    assert layer["Version"] == 1 and layer["LayerVersionArn"].endswith(":layer:greetings:1")
    create(client, "greet", python("import greeting\ndef handler(e, c):\n    return greeting.WORD\n"), Layers=[layer["LayerVersionArn"]])
    assert invoke(client, "greet")[0] == "annyeong"
    assert client.list_layers()["Layers"][0]["LatestMatchingVersion"]["Version"] == 1
    assert client.list_layer_versions(LayerName="greetings")["LayerVersions"][0]["Version"] == 1
    assert client.get_layer_version(LayerName="greetings", VersionNumber=1)["Description"] == "words"
    assert client.get_layer_version_by_arn(Arn=layer["LayerVersionArn"])["Version"] == 1
    client.delete_layer_version(LayerName="greetings", VersionNumber=1)
    assert client.list_layers()["Layers"] == []
    assert invoke(client, "greet")[0] == "annyeong", "a function keeps the layer it was made with"


def test_what_is_not_built_says_so(danbi):
    client = danbi.client("lambda")
    with pytest.raises(ClientError) as error:
        client.list_code_signing_configs()
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert "ListCodeSigningConfigs" in error.value.response["Error"]["Message"]
    with pytest.raises(ClientError) as error:
        client.create_function(FunctionName="image", Role=ROLE, PackageType="Image", Code={"ImageUri": "000000000000.dkr.ecr.us-east-1.amazonaws.com/x:1"})
    assert 400 <= error.value.response["ResponseMetadata"]["HTTPStatusCode"] < 600
    with pytest.raises(ClientError) as error:
        client.get_function(FunctionName="image")
    assert code_of(error) == "ResourceNotFoundException"
