"""Stacks in trouble: the ways out, with boto3."""

import json
import uuid

import pytest
from test_cloudformation import FAST, TRUST, group, outputs, refusal, status, template, wait

ANYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def reasons(stacks, name):
    return [one.get("ResourceStatusReason", "") for one in stacks.describe_stack_events(StackName=name)["StackEvents"]]


def resources(stacks, name):
    return {one["LogicalResourceId"]: one["ResourceStatus"] for one in stacks.describe_stack_resources(StackName=name)["StackResources"]}


def groups(danbi, prefix="/"):
    found = danbi.client("logs").describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]
    return {one["logGroupName"]: one.get("retentionInDays") for one in found}


def function(code, role="Role", runtime="python3.12"):
    properties = {"Runtime": runtime, "Handler": "index.handler", "Timeout": 10, "Role": {"Fn::GetAtt": [role, "Arn"]}, "Code": {"ZipFile": code}}
    return {"Type": "AWS::Lambda::Function", "Properties": properties}


def role():
    return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}}


def custom(code, runtime="python3.12", **properties):
    return {
        "Role": role(),
        "Function": function(code, runtime=runtime),
        "Mine": {"Type": "Custom::Mine", "Properties": {"ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]}, **properties}},
    }


def stuck_in_rollback(danbi, stacks, name):
    """A stack whose update failed, and whose rollback cannot succeed: a group that is gone cannot be changed back."""
    body = {"A": group(f"/{name}/a", RetentionInDays=7), "B": group(f"/{name}/b", RetentionInDays=7)}
    stacks.create_stack(StackName=name, TemplateBody=template(body))
    wait(stacks, "stack_create_complete", name)
    role_arn = denied_role(danbi, name)
    worse = {
        "A": group(f"/{name}/a", RetentionInDays=30),
        "B": group(f"/{name}/b", RetentionInDays=30),
        "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
        "Wait": {"Type": "AWS::CloudFormation::WaitCondition", "DependsOn": ["A", "B"], "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": "30"}},
    }
    stacks.update_stack(StackName=name, TemplateBody=template(worse), RoleARN=role_arn)
    danbi.wait_until(lambda: groups(danbi, f"/{name}") == {f"/{name}/a": 30, f"/{name}/b": 30})
    danbi.wait_until(lambda: resources(stacks, name).get("Wait") == "CREATE_IN_PROGRESS")
    danbi.client("iam").put_role_policy(
        RoleName=name,
        PolicyName="deny",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "logs:PutRetentionPolicy", "Resource": "*"}]}),
    )
    stacks.cancel_update_stack(StackName=name)
    danbi.wait_until(lambda: status(stacks, name) == "UPDATE_ROLLBACK_FAILED")


def denied_role(danbi, name):
    """A role that may do everything, as long as nothing is denied to it."""
    iam = danbi.client("iam")
    trust = json.loads(json.dumps(TRUST).replace("lambda.amazonaws.com", "cloudformation.amazonaws.com"))
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=json.dumps(ANYTHING))
    return arn


def test_a_rollback_that_failed_is_continued(danbi):
    stacks = danbi.client("cloudformation")
    stuck_in_rollback(danbi, stacks, "stuck")
    assert resources(stacks, "stuck")["A"] == "UPDATE_FAILED"
    # No update and no second cancel until there is a way out.
    assert "UPDATE_ROLLBACK_FAILED" in refusal(stacks.update_stack, StackName="stuck", TemplateBody=template({"A": group()}))["Message"]
    assert refusal(stacks.cancel_update_stack, StackName="stuck")["Message"] == "CancelUpdateStack cannot be called from current stack status UPDATE_ROLLBACK_FAILED"
    danbi.client("iam").delete_role_policy(RoleName="stuck", PolicyName="deny")
    stacks.continue_update_rollback(StackName="stuck")
    danbi.wait_until(lambda: status(stacks, "stuck") == "UPDATE_ROLLBACK_COMPLETE")
    assert groups(danbi, "/stuck") == {"/stuck/a": 7, "/stuck/b": 7}
    assert sorted(resources(stacks, "stuck")) == ["A", "B"]


def test_a_rollback_goes_on_without_what_is_skipped(danbi):
    stacks = danbi.client("cloudformation")
    stuck_in_rollback(danbi, stacks, "skips")
    failed = sorted(name for name, state in resources(stacks, "skips").items() if state == "UPDATE_FAILED")
    assert failed == ["A", "B"]
    assert refusal(stacks.continue_update_rollback, StackName="skips", ResourcesToSkip=["Nobody"])["Code"] == "ValidationError"
    stacks.continue_update_rollback(StackName="skips", ResourcesToSkip=failed)
    danbi.wait_until(lambda: status(stacks, "skips") == "UPDATE_ROLLBACK_COMPLETE")
    # What was skipped is left as it is and taken to be what it was.
    assert groups(danbi, "/skips") == {"/skips/a": 30, "/skips/b": 30}
    error = refusal(stacks.continue_update_rollback, StackName="skips")
    assert error["Code"] == "ValidationError" and "UPDATE_ROLLBACK_COMPLETE" in error["Message"]


def test_an_update_is_cancelled(danbi):
    stacks = danbi.client("cloudformation")
    stacks.create_stack(StackName="cancelled", TemplateBody=template({"A": group("/cancelled/a", RetentionInDays=7)}))
    wait(stacks, "stack_create_complete", "cancelled")
    slow = {
        "A": group("/cancelled/a", RetentionInDays=30),
        "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
        "Wait": {"Type": "AWS::CloudFormation::WaitCondition", "DependsOn": "A", "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": "3600"}},
    }
    stacks.update_stack(StackName="cancelled", TemplateBody=template(slow))
    danbi.wait_until(lambda: resources(stacks, "cancelled").get("Wait") == "CREATE_IN_PROGRESS")
    stacks.cancel_update_stack(StackName="cancelled")
    danbi.wait_until(lambda: status(stacks, "cancelled") == "UPDATE_ROLLBACK_COMPLETE")
    assert groups(danbi, "/cancelled") == {"/cancelled/a": 7}
    assert "User Initiated" in reasons(stacks, "cancelled")
    assert sorted(resources(stacks, "cancelled")) == ["A"]


def test_a_stack_works_as_its_role(danbi):
    stacks, iam = danbi.client("cloudformation"), danbi.client("iam")
    trust = json.loads(json.dumps(TRUST).replace("lambda.amazonaws.com", "cloudformation.amazonaws.com"))
    arn = iam.create_role(RoleName="narrow", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    allowed = {"Effect": "Allow", "Action": ["logs:*"], "Resource": "arn:aws:logs:*:*:log-group:/may*"}
    iam.put_role_policy(RoleName="narrow", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
    stacks.create_stack(StackName="narrow", TemplateBody=template({"A": group("/other")}), RoleARN=arn)
    danbi.wait_until(lambda: status(stacks, "narrow") == "ROLLBACK_COMPLETE")
    assert any("assumed-role/narrow/AWSCloudFormation is not authorized to perform: logs:" in reason for reason in reasons(stacks, "narrow"))
    assert groups(danbi) == {}
    unknown = refusal(stacks.create_stack, StackName="x", TemplateBody=template({"A": group()}), RoleARN=arn.replace("narrow", "none"))
    assert unknown["Message"].endswith("is invalid or cannot be assumed")
    wrong = iam.create_role(RoleName="of-lambda", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    assert refusal(stacks.create_stack, StackName="x", TemplateBody=template({"A": group()}), RoleARN=wrong)["Message"].endswith("is invalid or cannot be assumed")


def test_what_a_policy_keeps_is_kept(danbi):
    stacks = danbi.client("cloudformation")
    body = {
        "Kept": {**group("/kept/old"), "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"},
        "Gone": {**group("/gone/old"), "UpdateReplacePolicy": "Delete"},
    }
    identity = stacks.create_stack(StackName="keeps", TemplateBody=template(body))["StackId"]
    wait(stacks, "stack_create_complete", "keeps")
    renamed = json.loads(json.dumps(body).replace("/old", "/new"))
    stacks.update_stack(StackName="keeps", TemplateBody=template(renamed))
    wait(stacks, "stack_update_complete", "keeps")
    assert sorted(groups(danbi)) == ["/gone/new", "/kept/new", "/kept/old"]
    stacks.delete_stack(StackName="keeps")
    wait(stacks, "stack_delete_complete", identity)
    assert sorted(groups(danbi)) == ["/kept/new", "/kept/old"]
    skipped = [one for one in stacks.describe_stack_events(StackName=identity)["StackEvents"] if one["ResourceStatus"] == "DELETE_SKIPPED"]
    assert sorted(one["PhysicalResourceId"] for one in skipped) == ["/kept/new", "/kept/old"]
    snapshot = {"A": {**group(), "DeletionPolicy": "Snapshot"}}
    error = refusal(stacks.create_stack, StackName="snap", TemplateBody=template(snapshot))
    assert error["Message"] == "Template error: resource type AWS::Logs::LogGroup does not support deletion policy Snapshot"


def test_nested_stacks_go_back_together(danbi):
    stacks, s3 = danbi.client("cloudformation"), danbi.client("s3")
    s3.create_bucket(Bucket="templates")
    inner = template({"G": group("/inner", RetentionInDays={"Ref": "Days"})}, Parameters={"Days": {"Type": "Number"}})
    s3.put_object(Bucket="templates", Key="inner.json", Body=inner)
    nested = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "https://s3.amazonaws.com/templates/inner.json", "Parameters": {"Days": 7}}}
    stacks.create_stack(StackName="outer", TemplateBody=template({"Inner": nested}))
    wait(stacks, "stack_create_complete", "outer")
    danbi.client("logs").create_log_group(logGroupName="/taken")
    changed = json.loads(json.dumps(nested).replace('"Days": 7', '"Days": 30'))
    stacks.update_stack(StackName="outer", TemplateBody=template({"Inner": changed, "Bad": {**group("/taken"), "DependsOn": "Inner"}}))
    danbi.wait_until(lambda: status(stacks, "outer") == "UPDATE_ROLLBACK_COMPLETE")
    assert groups(danbi, "/inner") == {"/inner": 7}
    # One that cannot be made takes the outer one back with it.
    bad = json.loads(json.dumps(nested).replace('"Days": 7', '"Days": "no"'))
    stacks.create_stack(StackName="bad", TemplateBody=template({"Inner": bad}))
    danbi.wait_until(lambda: status(stacks, "bad") == "ROLLBACK_COMPLETE")
    assert any("Parameter 'Days' must be a number." in reason for reason in reasons(stacks, "bad"))


def test_custom_resources_that_fail(danbi):
    stacks = danbi.client("cloudformation")
    failed = """
import json, urllib.request
def handler(event, context):
    answer = {"Status": "FAILED" if event["RequestType"] == "Create" else "SUCCESS", "Reason": "no luck", "PhysicalResourceId": "p",
              "StackId": event["StackId"], "RequestId": event["RequestId"], "LogicalResourceId": event["LogicalResourceId"]}
    urllib.request.urlopen(urllib.request.Request(event["ResponseURL"], json.dumps(answer).encode(), method="PUT"))
"""
    stacks.create_stack(StackName="fails", TemplateBody=template(custom(failed)), Capabilities=["CAPABILITY_IAM"])
    danbi.wait_until(lambda: status(stacks, "fails") == "ROLLBACK_COMPLETE")
    assert any("Received response status [FAILED] from custom resource. Message returned: no luck" in reason for reason in reasons(stacks, "fails"))
    # One whose function ends in an error never answers; neither does one that forgets to.
    silent = "def handler(event, context):\n    pass\n"
    stacks.create_stack(
        StackName="silent",
        TemplateBody=template(custom(silent, ServiceTimeout="2")),
        Capabilities=["CAPABILITY_IAM"],
        DisableRollback=True,
    )
    danbi.wait_until(lambda: status(stacks, "silent") == "CREATE_FAILED")
    assert any("CloudFormation did not receive a response from your Custom Resource" in reason for reason in reasons(stacks, "silent"))
    nobody = {"Mine": {"Type": "Custom::Mine", "Properties": {"ServiceToken": "arn:aws:lambda:us-east-1:000000000000:function:nobody"}}}
    stacks.create_stack(StackName="nobody", TemplateBody=template(nobody))
    danbi.wait_until(lambda: status(stacks, "nobody") == "ROLLBACK_COMPLETE")
    assert any("Function not found" in reason for reason in reasons(stacks, "nobody"))


def test_an_update_of_what_is_gone_behind_the_stack_fails_and_says_so(danbi):
    stacks = danbi.client("cloudformation")
    stacks.create_stack(StackName="lost", TemplateBody=template({"A": group("/lost", RetentionInDays=7)}))
    wait(stacks, "stack_create_complete", "lost")
    danbi.client("logs").delete_log_group(logGroupName="/lost")
    stacks.update_stack(StackName="lost", TemplateBody=template({"A": group("/lost", RetentionInDays=30)}))
    danbi.wait_until(lambda: status(stacks, "lost") == "UPDATE_ROLLBACK_FAILED")
    assert any("HandlerErrorCode: NotFound" in reason for reason in reasons(stacks, "lost"))
    # Both ways out: skip it, or delete the stack.
    stacks.continue_update_rollback(StackName="lost", ResourcesToSkip=["A"])
    danbi.wait_until(lambda: status(stacks, "lost") == "UPDATE_ROLLBACK_COMPLETE")
    stacks.delete_stack(StackName="lost")
    danbi.wait_until(lambda: stacks.describe_stacks()["Stacks"] == [])


def test_the_id_of_a_stack_is_taken_apart(danbi):
    stacks = danbi.client("cloudformation")
    last = {"Fn::Select": [2, {"Fn::Split": ["/", {"Ref": "AWS::StackId"}]}]}
    body = template({"A": group()}, Outputs={"Last": {"Value": last}})
    identity = stacks.create_stack(StackName="apart", TemplateBody=body)["StackId"]
    wait(stacks, "stack_create_complete", "apart")
    assert outputs(stacks, "apart") == {"Last": identity.split("/")[2]}
    # Events of a resource are in order by their times, too.
    events = [one for one in stacks.describe_stack_events(StackName="apart")["StackEvents"] if one["LogicalResourceId"] == "A"]
    times = [one["Timestamp"] for one in events]
    assert len(times) == 3 and times == sorted(set(times), reverse=True)


def test_lists_come_in_pages(danbi):
    stacks = danbi.client("cloudformation")
    body = template({f"H{n}": {"Type": "AWS::CloudFormation::WaitConditionHandle"} for n in range(120)})
    stacks.create_stack(StackName="wide", TemplateBody=body)
    wait(stacks, "stack_create_complete", "wide")
    pages = list(stacks.get_paginator("list_stack_resources").paginate(StackName="wide"))
    names = [one["LogicalResourceId"] for page in pages for one in page["StackResourceSummaries"]]
    assert len(pages) > 1 and sorted(names) == sorted(f"H{n}" for n in range(120))
    events = [one for page in stacks.get_paginator("describe_stack_events").paginate(StackName="wide") for one in page["StackEvents"]]
    assert len({one["EventId"] for one in events}) == len(events) > 240


def test_a_stack_that_is_long_gone_is_forgotten(danbi_with):
    danbi = danbi_with(DANBI_STACKS_FORGET_MS="100,1500")
    stacks = danbi.client("cloudformation")
    identity = stacks.create_stack(StackName="old", TemplateBody=template({"A": group()}))["StackId"]
    wait(stacks, "stack_create_complete", "old")
    stacks.delete_stack(StackName="old")
    danbi.wait_until(lambda: [one["StackStatus"] for one in stacks.list_stacks()["StackSummaries"]] == ["DELETE_COMPLETE"])
    danbi.wait_until(lambda: stacks.list_stacks()["StackSummaries"] == [])
    assert refusal(stacks.describe_stacks, StackName=identity)["Message"] == f"Stack with id {identity} does not exist"


def test_loops_and_lengths_of_language_extensions(danbi):
    stacks = danbi.client("cloudformation")
    body = {
        "Transform": "AWS::LanguageExtensions",
        "Parameters": {"Names": {"Type": "CommaDelimitedList", "Default": "None"}},
        "Resources": {
            "Fn::ForEach::Groups": ["Name", {"Ref": "Names"}, {"Group${Name}": group(RetentionInDays=7)}]
        },
        "Outputs": {
            "Length": {"Value": {"Fn::Length": ["a", "b", "c"]}},
            "Text": {"Value": {"Fn::ToJsonString": {"a": [1, "x"]}}},
        },
    }
    body["Resources"]["Fn::ForEach::Groups"][2]["Group${Name}"]["Properties"]["LogGroupName"] = {"Fn::Sub": "/loop/${Name}"}
    stacks.create_stack(StackName="loop", TemplateBody=json.dumps(body), Capabilities=["CAPABILITY_AUTO_EXPAND"], Parameters=[{"ParameterKey": "Names", "ParameterValue": "Alpha,Beta"}])
    wait(stacks, "stack_create_complete", "loop")
    assert sorted(groups(danbi, "/loop")) == ["/loop/Alpha", "/loop/Beta"]
    stacks.update_stack(StackName="loop", TemplateBody=json.dumps(body), Parameters=[{"ParameterKey": "Names", "ParameterValue": "Beta,Gamma"}])
    wait(stacks, "stack_update_complete", "loop")
    assert sorted(groups(danbi, "/loop")) == ["/loop/Beta", "/loop/Gamma"]
    shown = outputs(stacks, "loop")
    assert shown["Length"] == "3" and json.loads(shown["Text"]) == {"a": [1, "x"]}


def parameter(value, **properties):
    return {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value, **properties}}


def test_parameters_of_the_store_are_made_and_read(danbi):
    stacks, ssm = danbi.client("cloudformation"), danbi.client("ssm")
    ssm.put_parameter(Name="/given/days", Value="7", Type="String")
    ssm.put_parameter(Name="/given/list", Value="a,b", Type="StringList")
    ssm.put_parameter(Name="/given/secret", Value="hidden", Type="SecureString")
    body = template(
        {
            "Made": parameter("{{resolve:ssm:/given/days}} and {{resolve:ssm:/given/days:1}}", Tags={"k": "v"}, Description="d"),
            "Named": parameter({"Fn::Join": ["+", {"Ref": "List"}]}, Name="/made/named"),
            "Group": group("/days", RetentionInDays={"Ref": "Days"}),
        },
        Parameters={
            "Days": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/given/days"},
            "List": {"Type": "AWS::SSM::Parameter::Value<List<String>>", "Default": "/given/list"},
        },
        Outputs={"Name": {"Value": {"Ref": "Made"}}, "Value": {"Value": {"Fn::GetAtt": ["Named", "Value"]}}},
    )
    stacks.create_stack(StackName="store", TemplateBody=body, Tags=[{"Key": "s", "Value": "t"}])
    wait(stacks, "stack_create_complete", "store")
    shown = outputs(stacks, "store")
    assert shown["Value"] == "a+b" and shown["Name"].startswith("CFN-Made-")
    assert ssm.get_parameter(Name=shown["Name"])["Parameter"]["Value"] == "7 and 7"
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=shown["Name"])["TagList"]
    assert {one["Key"]: one["Value"] for one in tags} == {"k": "v", "s": "t"}
    assert groups(danbi, "/days") == {"/days": 7}
    known = {one["ParameterKey"]: (one["ParameterValue"], one["ResolvedValue"]) for one in stacks.describe_stacks(StackName="store")["Stacks"][0]["Parameters"]}
    assert known == {"Days": ("/given/days", "7"), "List": ("/given/list", "a,b")}
    # A new value in the store is a change of the stack.
    ssm.put_parameter(Name="/given/days", Value="30", Overwrite=True)
    stacks.update_stack(StackName="store", TemplateBody=body, Tags=[{"Key": "s", "Value": "t"}])
    wait(stacks, "stack_update_complete", "store")
    assert groups(danbi, "/days") == {"/days": 30}
    for wrong, message in (
        (parameter("{{resolve:ssm:/none}}"), "Parameters: [ssm:/none] cannot be found."),
        (parameter("{{resolve:ssm:/given/secret}}"), "Non-secure ssm prefix was used for secure parameter: [/given/secret]"),
        (parameter("{{resolve:ssm-secure:/given/secret}}"), "SSM Secure reference is not supported in: [AWS::SSM::Parameter/Properties/Value]"),
        (parameter("{{resolve:secretsmanager:x}}"), "Template error: {{resolve:secretsmanager:x}} cannot be resolved: this platform does not have Secrets Manager."),
    ):
        assert refusal(stacks.create_stack, StackName="x", TemplateBody=template({"P": wrong}))["Message"] == message
    missing = template({"A": group()}, Parameters={"P": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/none"}})
    assert refusal(stacks.create_stack, StackName="x", TemplateBody=missing)["Message"] == "Unable to fetch parameters [/none] from parameter store for this account."
    stacks.delete_stack(StackName="store")
    danbi.wait_until(lambda: stacks.describe_stacks()["Stacks"] == [])
    assert sorted(one["Name"] for one in ssm.describe_parameters()["Parameters"]) == ["/given/days", "/given/list", "/given/secret"]


def test_a_secret_is_put_into_a_user_and_kept_nowhere_in_the_stack(danbi):
    stacks, ssm = danbi.client("cloudformation"), danbi.client("ssm")
    ssm.put_parameter(Name="/login", Value="Secret-" + uuid.uuid4().hex, Type="SecureString")
    secret = ssm.get_parameter(Name="/login", WithDecryption=True)["Parameter"]["Value"]
    user = {"Type": "AWS::IAM::User", "Properties": {"LoginProfile": {"Password": "{{resolve:ssm-secure:/login}}"}}}
    stacks.create_stack(StackName="user", TemplateBody=template({"User": user}), Capabilities=["CAPABILITY_IAM"])
    danbi.wait_until(lambda: not status(stacks, "user").endswith("IN_PROGRESS"))
    # Whatever becomes of it, the stack shows the reference, and only that.
    events = stacks.describe_stack_events(StackName="user")["StackEvents"]
    assert any("{{resolve:ssm-secure:/login}}" in one.get("ResourceProperties", "") for one in events)
    assert secret not in json.dumps(events, default=str)


def test_queues_and_their_policies(danbi):
    if "sqs" not in json.loads(danbi.http("GET", "/_danbi/health").body)["operations"]:
        pytest.skip("queues are not built")
    stacks, sqs = danbi.client("cloudformation"), danbi.client("sqs")
    policy = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": {"Fn::GetAtt": ["Queue", "Arn"]}}]}

    def body(**properties):
        return template(
            {
                "Dead": {"Type": "AWS::SQS::Queue"},
                "Queue": {
                    "Type": "AWS::SQS::Queue",
                    "Properties": {"RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 3}, "Tags": [{"Key": "a", "Value": "b"}], **properties},
                },
                "Ordered": {"Type": "AWS::SQS::Queue", "Properties": {"FifoQueue": True, "ContentBasedDeduplication": True}},
                "Policy": {"Type": "AWS::SQS::QueuePolicy", "Properties": {"Queues": [{"Ref": "Queue"}], "PolicyDocument": policy}},
            },
            Outputs={
                "Url": {"Value": {"Ref": "Queue"}},
                "Arn": {"Value": {"Fn::GetAtt": ["Queue", "Arn"]}},
                "Name": {"Value": {"Fn::GetAtt": ["Queue", "QueueName"]}},
                "Ordered": {"Value": {"Fn::GetAtt": ["Ordered", "QueueName"]}},
            },
        )

    identity = stacks.create_stack(StackName="queues", TemplateBody=body(VisibilityTimeout=77))["StackId"]
    wait(stacks, "stack_create_complete", "queues")
    shown = outputs(stacks, "queues")
    assert shown["Arn"].endswith(f":{shown['Name']}") and shown["Name"].startswith("queues-Queue-") and shown["Ordered"].endswith(".fifo")
    attributes = sqs.get_queue_attributes(QueueUrl=shown["Url"], AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "77" and json.loads(attributes["RedrivePolicy"])["maxReceiveCount"] in (3, "3")
    assert json.loads(attributes["Policy"])["Statement"][0]["Resource"] == shown["Arn"]
    assert sqs.list_queue_tags(QueueUrl=shown["Url"])["Tags"] == {"a": "b"}
    sqs.send_message(QueueUrl=shown["Url"], MessageBody="kept")
    # What is not said any more is what it is by itself; the queue stays the same.
    stacks.update_stack(StackName="queues", TemplateBody=body(DelaySeconds=0))
    wait(stacks, "stack_update_complete", "queues")
    assert outputs(stacks, "queues") == shown
    assert sqs.get_queue_attributes(QueueUrl=shown["Url"], AttributeNames=["VisibilityTimeout"])["Attributes"] == {"VisibilityTimeout": "30"}
    assert sqs.receive_message(QueueUrl=shown["Url"], WaitTimeSeconds=5)["Messages"][0]["Body"] == "kept"
    stacks.delete_stack(StackName="queues")
    wait(stacks, "stack_delete_complete", identity)
    assert "QueueUrls" not in sqs.list_queues()


def test_a_database_leaves_a_snapshot(danbi):
    stacks, rds = danbi.client("cloudformation"), danbi.client("rds")
    if not rds.describe_db_engine_versions(Engine="mariadb")["DBEngineVersions"]:
        pytest.skip("no MariaDB server is installed")
    body = template(
        {
            "Parameters": {"Type": "AWS::RDS::DBParameterGroup", "Properties": {"Family": "mariadb10.11", "Description": "d", "Parameters": {"max_connections": 50}}},
            "Subnets": {"Type": "AWS::RDS::DBSubnetGroup", "Properties": {"DBSubnetGroupDescription": "d", "SubnetIds": ["subnet-1", "subnet-2"]}},
            "Database": {
                "Type": "AWS::RDS::DBInstance",
                "Properties": {
                    "Engine": "mariadb", "DBInstanceClass": "db.t3.micro", "AllocatedStorage": "20", "MasterUsername": "admin", "MasterUserPassword": "long-enough-1",
                    "DBParameterGroupName": {"Ref": "Parameters"}, "DBSubnetGroupName": {"Ref": "Subnets"},
                },
            },
        },
        Outputs={"Name": {"Value": {"Ref": "Database"}}, "Port": {"Value": {"Fn::GetAtt": ["Database", "Endpoint.Port"]}}},
    )
    identity = stacks.create_stack(StackName="data", TemplateBody=body)["StackId"]
    stacks.get_waiter("stack_create_complete").wait(StackName="data", WaiterConfig={**FAST, "MaxAttempts": 100})
    shown = outputs(stacks, "data")
    assert int(shown["Port"]) > 1024
    stacks.update_stack(StackName="data", TemplateBody=body.replace('"max_connections": 50', '"max_connections": 60').replace("db.t3.micro", "db.t3.small"))
    wait(stacks, "stack_update_complete", "data")
    assert rds.describe_db_instances(DBInstanceIdentifier=shown["Name"])["DBInstances"][0]["DBInstanceClass"] == "db.t3.small"
    stacks.delete_stack(StackName="data")
    stacks.get_waiter("stack_delete_complete").wait(StackName=identity, WaiterConfig={**FAST, "MaxAttempts": 100})
    assert rds.describe_db_instances()["DBInstances"] == []
    snapshots = rds.describe_db_snapshots()["DBSnapshots"]
    assert [one["DBSnapshotIdentifier"].startswith("data-snapshot-database-") for one in snapshots if one["SnapshotType"] == "manual"] == [True]
