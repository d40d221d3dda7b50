"""The Parameter Store with boto3: versions, labels, paths, secrets, policies, and what a power cut leaves."""

import base64
import datetime
import json

import pytest
from botocore.exceptions import ClientError

REGION = "arn:aws:ssm:us-east-1:000000000000:parameter"


def refusal(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return error.value.response["Error"]


def names(parameters):
    return sorted(one["Name"] for one in parameters)


def test_a_value_has_versions_and_labels(danbi):
    ssm = danbi.client("ssm")
    put = ssm.put_parameter(Name="/app/url", Value="a", Type="String", Description="where", Tags=[{"Key": "team", "Value": "t"}])
    assert (put["Version"], put["Tier"]) == (1, "Standard")
    error = refusal(ssm.put_parameter, Name="/app/url", Value="b", Type="String")
    assert error["Code"] == "ParameterAlreadyExists"
    assert error["Message"] == "The parameter already exists. To overwrite this value, set the overwrite option in the request to true."
    assert ssm.put_parameter(Name="/app/url", Value="b", Overwrite=True)["Version"] == 2
    labelled = ssm.label_parameter_version(Name="/app/url", ParameterVersion=1, Labels=["stable", "1bad", "aws-x"])
    assert labelled["InvalidLabels"] == ["1bad", "aws-x"] and labelled["ParameterVersion"] == 1
    danbi.kill_9()
    danbi.start()
    ssm = danbi.client("ssm")
    newest = ssm.get_parameter(Name="/app/url")["Parameter"]
    assert {key: newest[key] for key in ("Name", "Type", "Value", "Version", "ARN", "DataType")} == {
        "Name": "/app/url", "Type": "String", "Value": "b", "Version": 2, "ARN": f"{REGION}/app/url", "DataType": "text",
    }
    assert ssm.get_parameter(Name=newest["ARN"])["Parameter"]["Value"] == "b"
    for selector in ("1", "stable"):
        chosen = ssm.get_parameter(Name=f"/app/url:{selector}")["Parameter"]
        assert (chosen["Value"], chosen["Selector"], chosen["Name"]) == ("a", f":{selector}", "/app/url")
    assert refusal(ssm.get_parameter, Name="/app/url:9")["Message"] == "Systems Manager could not find version 9 of /app/url. Verify the version and try again."
    assert refusal(ssm.get_parameter, Name="/app/url:none")["Code"] == "ParameterVersionNotFound"
    history = ssm.get_parameter_history(Name="/app/url")["Parameters"]
    assert [(one["Value"], one["Labels"], one["Description"]) for one in history] == [("a", ["stable"], "where"), ("b", [], "where")]
    # A label moves.
    ssm.label_parameter_version(Name="/app/url", Labels=["stable"])
    assert ssm.get_parameter(Name="/app/url:stable")["Parameter"]["Version"] == 2
    gone = ssm.unlabel_parameter_version(Name="/app/url", ParameterVersion=2, Labels=["stable", "other"])
    assert (gone["RemovedLabels"], gone["InvalidLabels"]) == (["stable"], ["other"])
    ssm.add_tags_to_resource(ResourceType="Parameter", ResourceId="/app/url", Tags=[{"Key": "stage", "Value": "s"}])
    ssm.remove_tags_from_resource(ResourceType="Parameter", ResourceId="/app/url", TagKeys=["team"])
    assert ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="/app/url")["TagList"] == [{"Key": "stage", "Value": "s"}]
    assert refusal(ssm.list_tags_for_resource, ResourceType="Parameter", ResourceId="/none")["Code"] == "InvalidResourceId"
    ssm.delete_parameter(Name="/app/url")
    error = refusal(ssm.get_parameter, Name="/app/url")
    assert (error["Code"], error["Message"]) == ("ParameterNotFound", "")
    assert refusal(ssm.delete_parameter, Name="/app/url")["Code"] == "ParameterNotFound"


def test_the_oldest_version_makes_room_unless_a_label_holds_it(danbi):
    ssm = danbi.client("ssm")
    ssm.put_parameter(Name="many", Value="0", Type="String")
    ssm.label_parameter_version(Name="many", ParameterVersion=1, Labels=["first"])
    for number in range(1, 100):
        ssm.put_parameter(Name="many", Value=str(number), Overwrite=True)
    assert refusal(ssm.put_parameter, Name="many", Value="x", Overwrite=True)["Code"] == "ParameterMaxVersionLimitExceeded"
    ssm.label_parameter_version(Name="many", ParameterVersion=2, Labels=["first"])
    assert ssm.put_parameter(Name="many", Value="x", Overwrite=True)["Version"] == 101
    pages = ssm.get_paginator("get_parameter_history").paginate(Name="many")
    versions = [one["Version"] for page in pages for one in page["Parameters"]]
    assert versions == list(range(2, 102))


def test_paths_and_filters(danbi):
    ssm = danbi.client("ssm")
    for name in ("top", "/a/one", "/a/two", "/a/deep/three", "/ab/four"):
        ssm.put_parameter(Name=name, Value=name, Type="String")
    ssm.put_parameter(Name="/a/list", Value="x,y", Type="StringList", Tags=[{"Key": "k", "Value": "v"}])
    assert names(ssm.get_parameters_by_path(Path="/a")["Parameters"]) == ["/a/list", "/a/one", "/a/two"]
    assert names(ssm.get_parameters_by_path(Path="/a/", Recursive=True)["Parameters"]) == ["/a/deep/three", "/a/list", "/a/one", "/a/two"]
    assert names(ssm.get_parameters_by_path(Path="/")["Parameters"]) == ["top"]
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path="/", Recursive=True, PaginationConfig={"PageSize": 2})
    assert len([one for page in pages for one in page["Parameters"]]) == 6
    ssm.label_parameter_version(Name="/a/one", Labels=["live"])
    only = ssm.get_parameters_by_path(Path="/a", ParameterFilters=[{"Key": "Label", "Values": ["live"]}])["Parameters"]
    assert names(only) == ["/a/one"]

    def described(**filters):
        return names(ssm.describe_parameters(ParameterFilters=[filters])["Parameters"])

    assert described(Key="Name", Option="Contains", Values=["o"]) == ["/a/one", "/a/two", "/ab/four", "top"]
    assert described(Key="Name", Option="BeginsWith", Values=["to"]) == ["top"]
    assert described(Key="Path", Values=["/a"]) == ["/a/list", "/a/one", "/a/two"]
    assert described(Key="Path", Option="Recursive", Values=["/a"]) == ["/a/deep/three", "/a/list", "/a/one", "/a/two"]
    assert described(Key="Type", Values=["StringList"]) == ["/a/list"]
    assert described(Key="tag:k", Values=["v"]) == ["/a/list"]
    assert "Value" not in ssm.describe_parameters()["Parameters"][0]
    for filters, code in (
        ({"Key": "Label", "Values": ["x"]}, "InvalidFilterKey"),
        ({"Key": "Name", "Option": "Like", "Values": ["x"]}, "InvalidFilterOption"),
        ({"Key": "Type", "Values": ["x"]}, "InvalidFilterOption"),
        ({"Key": "Name"}, "InvalidFilterValue"),
        ({"Key": "Path", "Values": ["no"]}, "ValidationException"),
    ):
        assert refusal(ssm.describe_parameters, ParameterFilters=[filters])["Code"] == code, filters
    assert refusal(ssm.describe_parameters, NextToken="?")["Code"] == "InvalidNextToken"
    found = ssm.get_parameters(Names=["top", "/a/one:1", "none", "/a/one:7"])
    assert names(found["Parameters"]) == ["/a/one", "top"] and found["InvalidParameters"] == ["none", "/a/one:7"]
    gone = ssm.delete_parameters(Names=["top", "none"])
    assert (gone["DeletedParameters"], gone["InvalidParameters"]) == (["top"], ["none"])


def test_what_is_wrong_is_said(danbi):
    ssm = danbi.client("ssm")

    def put(**arguments):
        return refusal(ssm.put_parameter, **{"Value": "v", "Type": "String", **arguments})

    assert put(Name="aws-x")["Message"] == 'Parameter name: can\'t be prefixed with "aws" or "ssm" (case-insensitive).'
    assert put(Name="/aws/x")["Message"] == "No access to reserved parameter name: /aws/x."
    assert "sub-paths divided by slash symbol" in put(Name="a b")["Message"]
    assert put(Name="a/b")["Message"] == "Parameter name must be a fully qualified name."
    assert put(Name="/x" * 16)["Code"] == "HierarchyLevelLimitExceededException"
    assert refusal(ssm.put_parameter, Name="n", Value="v")["Message"] == "A parameter type is required when you create a parameter."
    assert put(Name="n", Value="x" * 4097)["Message"].startswith("Standard tier parameters support a maximum parameter value of 4096 characters.")
    assert put(Name="n", AllowedPattern="\\d+")["Message"] == "Parameter value, cannot be validated against allowedPattern: \\d+"
    assert put(Name="n", AllowedPattern="(")["Code"] == "InvalidAllowedPatternException"
    assert put(Name="n", AllowedPattern="(a+)+$", Value="a" * 40 + "b")["Code"] == "ParameterPatternMismatchException"
    assert put(Name="n", DataType="Text")["Message"].startswith("The following data type is not supported: Text")
    assert "tags and overwrite can't be used together" in put(Name="n", Overwrite=True, Tags=[{"Key": "a", "Value": "b"}])["Message"]
    big = ssm.put_parameter(Name="big", Value="x" * 5000, Type="String", Tier="Intelligent-Tiering")
    assert big["Tier"] == "Advanced"
    assert "downgrade" in put(Name="big", Overwrite=True, Tier="Standard")["Message"]
    assert refusal(ssm.get_parameter, Name="/aws/reference/secretsmanager/x")["Code"] == "NotImplementedException"


def test_a_secret_is_encrypted_and_needs_its_key(danbi):
    ssm, kms = danbi.client("ssm"), danbi.client("kms")
    ssm.put_parameter(Name="/db/password", Value="correct horse", Type="SecureString")
    sealed = ssm.get_parameter(Name="/db/password")["Parameter"]["Value"]
    assert "correct" not in sealed and b"correct" not in base64.b64decode(sealed)
    assert ssm.get_parameter(Name="/db/password", WithDecryption=True)["Parameter"]["Value"] == "correct horse"
    assert ssm.describe_parameters()["Parameters"][0]["KeyId"] == "alias/aws/ssm"
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    ssm.put_parameter(Name="/db/password", Value="battery", Overwrite=True, KeyId=key)
    assert ssm.get_parameters_by_path(Path="/db", WithDecryption=True)["Parameters"][0]["Value"] == "battery"
    history = ssm.get_parameter_history(Name="/db/password", WithDecryption=True)["Parameters"]
    assert [one["Value"] for one in history] == ["correct horse", "battery"]
    kms.disable_key(KeyId=key)
    error = refusal(ssm.get_parameter, Name="/db/password", WithDecryption=True)
    assert error["Code"] == "InvalidKeyId" and "DisabledException" in error["Message"]
    assert ssm.get_parameter(Name="/db/password:1", WithDecryption=True)["Parameter"]["Value"] == "correct horse"
    assert refusal(ssm.put_parameter, Name="x", Value="v", Type="SecureString", KeyId="alias/none")["Code"] == "InvalidKeyId"
    assert refusal(ssm.put_parameter, Name="x", Value="v", Type="String", KeyId=key)["Code"] == "ValidationException"
    # Nothing of the value is on the disk.
    for file in danbi.data.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert b"correct horse" not in content and b"battery" not in content, file


def test_whoever_may_read_a_path_may_not_read_another(danbi):
    ssm, iam = danbi.client("ssm"), danbi.client("iam")
    for name in ("/mine/a", "/theirs/a"):
        ssm.put_parameter(Name=name, Value="v", Type="String")
    iam.create_user(UserName="reader")
    allowed = {"Effect": "Allow", "Action": ["ssm:GetParameter", "ssm:GetParametersByPath"], "Resource": f"{REGION}/mine*"}
    iam.put_user_policy(UserName="reader", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
    keys = iam.create_access_key(UserName="reader")["AccessKey"]
    reader = danbi.client("ssm", key_id=keys["AccessKeyId"], secret=keys["SecretAccessKey"])
    assert reader.get_parameter(Name="/mine/a")["Parameter"]["Value"] == "v"
    assert names(reader.get_parameters_by_path(Path="/mine")["Parameters"]) == ["/mine/a"]
    for refused in (
        refusal(reader.get_parameter, Name="/theirs/a"),
        refusal(reader.get_parameters_by_path, Path="/"),
        refusal(reader.put_parameter, Name="/mine/a", Value="w", Overwrite=True),
    ):
        assert refused["Code"] == "AccessDeniedException"
    assert "is not authorized to perform: ssm:GetParameter on resource: arn:aws:ssm:us-east-1:000000000000:parameter/theirs/a" in refusal(reader.get_parameter, Name="/theirs/a")["Message"]


def test_time_ends_parameters_and_tells(danbi_with):
    danbi = danbi_with(DANBI_SSM_DUE_MS="50")
    ssm, events, logs = danbi.client("ssm"), danbi.client("events"), danbi.client("logs")
    logs.create_log_group(logGroupName="/aws/events/told")
    events.put_rule(Name="r", EventPattern=json.dumps({"source": ["aws.ssm"]}))
    events.put_targets(Rule="r", Targets=[{"Id": "t", "Arn": "arn:aws:logs:us-east-1:000000000000:log-group:/aws/events/told"}])
    ends = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=3)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    policies = [
        {"Type": "Expiration", "Version": "1.0", "Attributes": {"Timestamp": ends}},
        {"Type": "ExpirationNotification", "Version": "1.0", "Attributes": {"Before": "1", "Unit": "Days"}},
    ]
    assert "Standard tier" in refusal(ssm.put_parameter, Name="/t/a", Value="v", Type="String", Policies=json.dumps(policies))["Message"]
    ssm.put_parameter(Name="/t/a", Value="v", Type="String", Tier="Advanced", Policies=json.dumps(policies))
    ssm.put_parameter(Name="/t/b", Value="v", Type="String")

    def statuses():
        described = ssm.describe_parameters(ParameterFilters=[{"Key": "Name", "Values": ["/t/a"]}])["Parameters"]
        return {one["PolicyType"]: one["PolicyStatus"] for one in described[0]["Policies"]} if described else None

    danbi.wait_until(lambda: statuses() in ({"Expiration": "Pending", "ExpirationNotification": "Finished"}, None))
    danbi.wait_until(lambda: names(ssm.describe_parameters()["Parameters"]) == ["/t/b"])
    assert refusal(ssm.get_parameter, Name="/t/a")["Code"] == "ParameterNotFound"

    def told():
        found = [json.loads(one["message"]) for one in logs.filter_log_events(logGroupName="/aws/events/told")["events"]]
        return {(one["detail-type"], one["detail"].get("operation") or one["detail"]["policy-type"]) for one in found}

    danbi.wait_until(
        lambda: told()
        == {
            ("Parameter Store Change", "Create"),
            ("Parameter Store Change", "Delete"),
            ("Parameter Store Policy Action", "Expiration"),
            ("Parameter Store Policy Action", "ExpirationNotification"),
        }
    )
    assert refusal(ssm.put_parameter, Name="/t/c", Value="v", Type="String", Tier="Advanced", Policies="[{\"Type\":\"X\"}]")["Code"] == "InvalidPolicyTypeException"
