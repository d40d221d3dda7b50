"""Stacks with boto3: made, changed, undone, removed, and gone on with after a power cut."""

import json

import pytest
from botocore.exceptions import ClientError

FAST = {"Delay": 1, "MaxAttempts": 60}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def template(resources, **sections):
    return json.dumps({"Resources": resources, **sections})


def group(name=None, **properties):
    if name:
        properties["LogGroupName"] = name
    return {"Type": "AWS::Logs::LogGroup", "Properties": properties}


def outputs(stacks, name):
    stack = stacks.describe_stacks(StackName=name)["Stacks"][0]
    return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}


def status(stacks, name):
    return stacks.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]


def wait(stacks, waiter, name):
    stacks.get_waiter(waiter).wait(StackName=name, WaiterConfig=FAST)


def refusal(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return error.value.response["Error"]


def test_a_stack_is_made_changed_and_removed(danbi):
    stacks, logs, s3 = danbi.client("cloudformation"), danbi.client("logs"), danbi.client("s3")
    first = template(
        {
            "Bucket": {"Type": "AWS::S3::Bucket"},
            "Group": group("/first", RetentionInDays=7),
            "Table": {
                "Type": "AWS::DynamoDB::Table",
                "Properties": {
                    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                    "BillingMode": "PAY_PER_REQUEST",
                },
            },
        },
        Outputs={"Bucket": {"Value": {"Ref": "Bucket"}}, "Arn": {"Value": {"Fn::GetAtt": ["Table", "Arn"]}}},
    )
    identity = stacks.create_stack(StackName="life", TemplateBody=first)["StackId"]
    wait(stacks, "stack_create_complete", "life")
    made = outputs(stacks, "life")
    assert made["Bucket"].startswith("life-bucket-") and ":table/life-Table-" in made["Arn"]
    s3.head_bucket(Bucket=made["Bucket"])
    assert refusal(stacks.create_stack, StackName="life", TemplateBody=first)["Code"] == "AlreadyExistsException"
    assert refusal(stacks.update_stack, StackName="life", TemplateBody=first)["Message"] == "No updates are to be performed."
    # The table goes, the group is replaced, the bucket stays.
    second = template({"Bucket": {"Type": "AWS::S3::Bucket"}, "Group": group("/second")})
    stacks.update_stack(StackName="life", TemplateBody=second)
    wait(stacks, "stack_update_complete", "life")
    names = [one["logGroupName"] for one in logs.describe_log_groups()["logGroups"]]
    assert "/second" in names and "/first" not in names
    assert danbi.client("dynamodb").list_tables()["TableNames"] == []
    s3.head_bucket(Bucket=made["Bucket"])
    stacks.delete_stack(StackName="life")
    wait(stacks, "stack_delete_complete", identity)
    assert refusal(s3.head_bucket, Bucket=made["Bucket"])["Code"] == "404"
    assert status(stacks, identity) == "DELETE_COMPLETE"
    assert refusal(stacks.describe_stacks, StackName="life")["Message"] == "Stack with id life does not exist"


def test_what_fails_half_way_is_undone(danbi):
    stacks, logs = danbi.client("cloudformation"), danbi.client("logs")
    logs.create_log_group(logGroupName="/taken")
    bad = template({"Good": group("/good"), "Bad": {**group("/taken"), "DependsOn": "Good"}})
    stacks.create_stack(StackName="half", TemplateBody=bad)
    danbi.wait_until(lambda: status(stacks, "half") == "ROLLBACK_COMPLETE")
    names = [one["logGroupName"] for one in logs.describe_log_groups()["logGroups"]]
    assert "/good" not in names and "/taken" in names
    reasons = [one.get("ResourceStatusReason", "") for one in stacks.describe_stack_events(StackName="half")["StackEvents"]]
    assert any("already exists" in reason for reason in reasons)
    assert any(reason.startswith("The following resource(s) failed to create: [Bad]") for reason in reasons)
    stacks.delete_stack(StackName="half")
    # An update that fails goes back to what was.
    stacks.create_stack(StackName="back", TemplateBody=template({"Group": group("/back", RetentionInDays=7)}))
    wait(stacks, "stack_create_complete", "back")
    worse = template({"Group": group("/back", RetentionInDays=30), "Bad": {**group("/taken"), "DependsOn": "Group"}})
    stacks.update_stack(StackName="back", TemplateBody=worse)
    danbi.wait_until(lambda: status(stacks, "back") == "UPDATE_ROLLBACK_COMPLETE")
    assert logs.describe_log_groups(logGroupNamePrefix="/back")["logGroups"][0]["retentionInDays"] == 7


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"A": {**group(), "DependsOn": "B"}, "B": {**group(), "DependsOn": "A"}}, "Circular dependency between resources: [A, B]"),
        ({"A": group(RetentionInDays={"Ref": "P"})}, "Template format error: Unresolved resource dependencies [P] in the Resources block of the template"),
        ({"A": group(RetentionInDays={"Fn::GetAtt": ["X", "Arn"]})}, "Template error: instance of Fn::GetAtt references undefined resource X"),
        ({"A": {"Type": "AWS::No::Such"}}, "Template format error: Unrecognized resource types: [AWS::No::Such]"),
        ({"A": group(RetentionInDays={"Fn::Unknown": 1})}, "Template error: Fn::Unknown is not a function"),
    ],
)
def test_templates_that_are_none_are_refused_at_once(danbi, body, message):
    stacks = danbi.client("cloudformation")
    error = refusal(stacks.create_stack, StackName="bad", TemplateBody=template(body))
    assert error["Code"] == "ValidationError" and error["Message"].startswith(message)
    assert stacks.list_stacks()["StackSummaries"] == []


def test_parameters_and_capabilities_are_asked_for(danbi):
    stacks = danbi.client("cloudformation")
    body = template({"A": group(RetentionInDays={"Ref": "Days"})}, Parameters={"Days": {"Type": "Number"}})
    assert refusal(stacks.create_stack, StackName="p", TemplateBody=body)["Message"] == "Parameters: [Days] must have values"
    role = template({"R": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}}})
    error = refusal(stacks.create_stack, StackName="p", TemplateBody=role)
    assert error == {"Type": "Sender", "Code": "InsufficientCapabilitiesException", "Message": "Requires capabilities : [CAPABILITY_IAM]"}


def test_a_function_with_its_role(danbi):
    stacks = danbi.client("cloudformation")
    body = template(
        {
            "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}},
            "Function": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Runtime": "python3.12",
                    "Handler": "index.handler",
                    "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                    "Code": {"ZipFile": "def handler(event, context):\n    return event['n'] + 1\n"},
                },
            },
        },
        Outputs={"Name": {"Value": {"Ref": "Function"}}},
    )
    stacks.create_stack(StackName="fn", TemplateBody=body, Capabilities=["CAPABILITY_IAM"])
    wait(stacks, "stack_create_complete", "fn")
    answer = danbi.client("lambda").invoke(FunctionName=outputs(stacks, "fn")["Name"], Payload=b'{"n": 41}')
    assert json.loads(answer["Payload"].read()) == 42


def test_change_sets(danbi):
    stacks = danbi.client("cloudformation")
    body = template({"A": group("/a")})
    stacks.create_change_set(StackName="cs", ChangeSetName="one", ChangeSetType="CREATE", TemplateBody=body)
    assert status(stacks, "cs") == "REVIEW_IN_PROGRESS"
    change = stacks.describe_change_set(StackName="cs", ChangeSetName="one")["Changes"][0]["ResourceChange"]
    assert (change["Action"], change["LogicalResourceId"]) == ("Add", "A")
    stacks.execute_change_set(StackName="cs", ChangeSetName="one")
    wait(stacks, "stack_create_complete", "cs")
    stacks.create_change_set(StackName="cs", ChangeSetName="two", TemplateBody=template({"A": group("/b")}))
    change = stacks.describe_change_set(StackName="cs", ChangeSetName="two")["Changes"][0]["ResourceChange"]
    assert (change["Action"], change["Replacement"]) == ("Modify", "True")
    stacks.create_change_set(StackName="cs", ChangeSetName="same", TemplateBody=body)
    assert stacks.describe_change_set(StackName="cs", ChangeSetName="same")["Status"] == "FAILED"


def test_a_wait_condition_is_signalled(danbi):
    stacks = danbi.client("cloudformation")
    body = template(
        {
            "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
            "Wait": {"Type": "AWS::CloudFormation::WaitCondition", "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": "60"}},
        },
        Outputs={"Data": {"Value": {"Fn::GetAtt": ["Wait", "Data"]}}},
    )
    stacks.create_stack(StackName="w", TemplateBody=body)

    def link():
        found = stacks.describe_stack_resources(StackName="w")["StackResources"]
        return next((one.get("PhysicalResourceId") for one in found if one["LogicalResourceId"] == "Handle"), None)

    danbi.wait_until(link)
    answer = danbi.http("PUT", link(), json.dumps({"Status": "SUCCESS", "UniqueId": "u", "Data": "d", "Reason": "r"}))
    assert answer.status == 200
    wait(stacks, "stack_create_complete", "w")
    assert json.loads(outputs(stacks, "w")["Data"]) == {"u": "d"}


def test_kill_9_in_the_middle_goes_on(danbi):
    stacks = danbi.client("cloudformation")
    body = template({f"G{n}": {**group(f"/g{n}"), **({"DependsOn": f"G{n - 1}"} if n else {})} for n in range(60)})
    stacks.create_stack(StackName="kill", TemplateBody=body)
    danbi.kill_9()
    danbi.start()
    stacks = danbi.client("cloudformation")
    wait(stacks, "stack_create_complete", "kill")
    assert len(danbi.client("logs").describe_log_groups(limit=50)["logGroups"]) == 50
    stacks.update_stack(StackName="kill", TemplateBody=body.replace('"/g', '"/h'))
    danbi.kill_9()
    danbi.start()
    stacks = danbi.client("cloudformation")
    wait(stacks, "stack_update_complete", "kill")
    assert danbi.client("logs").describe_log_groups(logGroupNamePrefix="/g")["logGroups"] == []


def test_stacks_in_stacks(danbi):
    stacks, s3 = danbi.client("cloudformation"), danbi.client("s3")
    s3.create_bucket(Bucket="templates")
    inner = template({"G": group(RetentionInDays={"Ref": "Days"})}, Parameters={"Days": {"Type": "Number"}}, Outputs={"Name": {"Value": {"Ref": "G"}}})
    s3.put_object(Bucket="templates", Key="inner.json", Body=inner)
    properties = {"TemplateURL": "https://s3.amazonaws.com/templates/inner.json", "Parameters": {"Days": 7}}
    outer = template(
        {"Inner": {"Type": "AWS::CloudFormation::Stack", "Properties": properties}},
        Outputs={"Name": {"Value": {"Fn::GetAtt": ["Inner", "Outputs.Name"]}}},
    )
    stacks.create_stack(StackName="outer", TemplateBody=outer)
    wait(stacks, "stack_create_complete", "outer")
    name = outputs(stacks, "outer")["Name"]
    parents = [one.get("ParentId") for one in stacks.describe_stacks()["Stacks"]]
    assert sum(parent is not None for parent in parents) == 1
    stacks.update_stack(StackName="outer", TemplateBody=outer.replace("7}", "30}"))
    wait(stacks, "stack_update_complete", "outer")
    logs = danbi.client("logs")
    assert logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"][0]["retentionInDays"] == 30
    stacks.delete_stack(StackName="outer")
    danbi.wait_until(lambda: stacks.describe_stacks()["Stacks"] == [])
    assert logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"] == []


CUSTOM = """
import json, urllib.request
def handler(event, context):
    answer = {"Status": "SUCCESS" if event["ResourceProperties"].get("Fail") != "yes" else "FAILED", "Reason": "asked to",
              "PhysicalResourceId": "custom-1", "StackId": event["StackId"], "RequestId": event["RequestId"],
              "LogicalResourceId": event["LogicalResourceId"], "Data": {"Word": event["RequestType"]}}
    urllib.request.urlopen(urllib.request.Request(event["ResponseURL"], json.dumps(answer).encode(), method="PUT"))
"""


def test_a_custom_resource_asks_its_function(danbi):
    stacks = danbi.client("cloudformation")
    resources = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}},
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {"Runtime": "python3.12", "Handler": "index.handler", "Role": {"Fn::GetAtt": ["Role", "Arn"]}, "Code": {"ZipFile": CUSTOM}},
        },
        "Mine": {"Type": "Custom::Mine", "Properties": {"ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]}}},
    }
    shown = {"Word": {"Value": {"Fn::GetAtt": ["Mine", "Word"]}}}
    stacks.create_stack(StackName="c", TemplateBody=template(resources, Outputs=shown), Capabilities=["CAPABILITY_IAM"])
    wait(stacks, "stack_create_complete", "c")
    assert outputs(stacks, "c") == {"Word": "Create"}
    resources["Mine"]["Properties"]["Fail"] = "yes"
    stacks.update_stack(StackName="c", TemplateBody=template(resources, Outputs=shown), Capabilities=["CAPABILITY_IAM"])
    danbi.wait_until(lambda: status(stacks, "c") == "UPDATE_ROLLBACK_COMPLETE")
    reasons = [one.get("ResourceStatusReason", "") for one in stacks.describe_stack_events(StackName="c")["StackEvents"]]
    assert any("Message returned: asked to" in reason for reason in reasons)
    stacks.delete_stack(StackName="c")
    danbi.wait_until(lambda: stacks.describe_stacks()["Stacks"] == [])


def test_what_is_gone_behind_the_stack_counts_as_deleted(danbi):
    stacks = danbi.client("cloudformation")
    identity = stacks.create_stack(StackName="gone", TemplateBody=template({"A": group("/a"), "B": group("/b")}))["StackId"]
    wait(stacks, "stack_create_complete", "gone")
    danbi.client("logs").delete_log_group(logGroupName="/a")
    stacks.delete_stack(StackName="gone")
    wait(stacks, "stack_delete_complete", identity)


def test_exports_protection_and_policies(danbi):
    stacks = danbi.client("cloudformation")
    giver = template({"A": group("/a")}, Outputs={"N": {"Value": {"Ref": "A"}, "Export": {"Name": "the-group"}}})
    stacks.create_stack(StackName="giver", TemplateBody=giver, EnableTerminationProtection=True)
    wait(stacks, "stack_create_complete", "giver")
    taker = template({"B": group(LogGroupName={"Fn::Sub": ["${g}-b", {"g": {"Fn::ImportValue": "the-group"}}]})})
    stacks.create_stack(StackName="taker", TemplateBody=taker)
    wait(stacks, "stack_create_complete", "taker")
    assert stacks.list_imports(ExportName="the-group")["Imports"] == ["taker"]
    assert "TerminationProtection is enabled" in refusal(stacks.delete_stack, StackName="giver")["Message"]
    stacks.update_termination_protection(StackName="giver", EnableTerminationProtection=False)
    assert "in use by taker" in refusal(stacks.delete_stack, StackName="giver")["Message"]
    policy = {"Statement": [{"Effect": "Deny", "Action": "Update:*", "Principal": "*", "Resource": "*"}]}
    stacks.set_stack_policy(StackName="taker", StackPolicyBody=json.dumps(policy))
    stacks.update_stack(StackName="taker", TemplateBody=taker.replace("-b", "-c"))
    danbi.wait_until(lambda: status(stacks, "taker") == "UPDATE_ROLLBACK_COMPLETE")
    reasons = [one.get("ResourceStatusReason", "") for one in stacks.describe_stack_events(StackName="taker")["StackEvents"]]
    assert any(reason.startswith("Action denied by stack policy") for reason in reasons)


def test_a_rest_api_as_zappa_makes_it(danbi):
    stacks = danbi.client("cloudformation")
    function = "arn:aws:lambda:us-east-1:000000000000:function:f"
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations"
    integration = {
        "CacheKeyParameters": [], "CacheNamespace": "none", "Credentials": "arn:aws:iam::000000000000:role/r", "IntegrationHttpMethod": "POST",
        "IntegrationResponses": [], "PassthroughBehavior": "NEVER", "Type": "AWS_PROXY", "Uri": uri,
    }
    api, root = {"Ref": "Api"}, {"Fn::GetAtt": ["Api", "RootResourceId"]}

    def method(resource):
        properties = {"RestApiId": api, "ResourceId": resource, "HttpMethod": "ANY", "AuthorizationType": "NONE", "ApiKeyRequired": False, "MethodResponses": [], "Integration": integration}
        return {"Type": "AWS::ApiGateway::Method", "Properties": properties}

    body = template(
        {
            "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "todo", "Description": "Created automatically by Zappa."}},
            "ANY0": method(root),
            "ResourceAnyPathSlashed": {"Type": "AWS::ApiGateway::Resource", "Properties": {"RestApiId": api, "ParentId": root, "PathPart": "{proxy+}"}},
            "ANY1": method({"Ref": "ResourceAnyPathSlashed"}),
        },
        Description="Automatically generated with Zappa",
    )
    stacks.create_stack(StackName="zappa", TemplateBody=body, Tags=[{"Key": "ZappaProject", "Value": "todo"}], Capabilities=[])
    wait(stacks, "stack_create_complete", "zappa")
    identity = stacks.describe_stack_resource(StackName="zappa", LogicalResourceId="Api")["StackResourceDetail"]["PhysicalResourceId"]
    items = danbi.client("apigateway").get_resources(restApiId=identity)["items"]
    assert sorted(item["path"] for item in items) == ["/", "/{proxy+}"]
    assert all("ANY" in item["resourceMethods"] for item in items)
    assert refusal(stacks.update_stack, StackName="zappa", TemplateBody=body)["Message"] == "No updates are to be performed."
    stacks.delete_stack(StackName="zappa")
    danbi.wait_until(lambda: stacks.describe_stacks()["Stacks"] == [])
    assert danbi.client("apigateway").get_rest_apis()["items"] == []
