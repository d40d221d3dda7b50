"""Users, groups, roles and their policies: kept, shown as AWS shows them, and decided with on every call."""

import json
import re

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from packages import create, python, updated

ACCOUNT = "000000000000"
ONCE = Config(retries={"total_max_attempts": 1})


def arn(resource):
    return f"arn:aws:iam::{ACCOUNT}:{resource}"


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(actions, resources="*", **more):
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **more}


def deny(actions, resources="*"):
    return {"Effect": "Deny", "Action": actions, "Resource": resources}


def trust(**principal):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]})


def client_of(danbi, service, keys):
    """A client that signs with an access key or with a session's credentials."""
    return boto3.client(
        service,
        endpoint_url=danbi.url,
        region_name="us-east-1",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys.get("SessionToken"),
        config=ONCE,
    )


def user_with_keys(danbi, name, *statements):
    iam = danbi.client("iam")
    iam.create_user(UserName=name)
    if statements:
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document(*statements))
    return iam.create_access_key(UserName=name)["AccessKey"]


def refusal(call, *arguments, **keywords):
    """(code, message, status) of the error that a call ends with."""
    with pytest.raises(ClientError) as error:
        call(*arguments, **keywords)
    answer = error.value.response
    return answer["Error"]["Code"], answer["Error"]["Message"], answer["ResponseMetadata"]["HTTPStatusCode"]


def table(danbi, name):
    client = danbi.client("dynamodb")
    client.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    return f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{name}"


def test_a_user_may_do_what_its_policies_say_and_nothing_else(danbi):
    s3 = danbi.client("s3")
    s3.create_bucket(Bucket="shared")
    s3.put_object(Bucket="shared", Key="report", Body=b"numbers")
    orders = table(danbi, "orders")
    create(danbi.client("lambda"), "greet")
    function = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:greet"
    keys = user_with_keys(
        danbi,
        "ana",
        allow("s3:GetObject", "arn:aws:s3:::shared/*"),
        allow("dynamodb:PutItem", orders),
        allow("lambda:InvokeFunction", function),
    )
    assert client_of(danbi, "sts", keys).get_caller_identity()["Arn"] == arn("user/ana")
    objects, items, functions = (client_of(danbi, service, keys) for service in ("s3", "dynamodb", "lambda"))
    assert objects.get_object(Bucket="shared", Key="report")["Body"].read() == b"numbers"
    items.put_item(TableName="orders", Item={"p": {"S": "1"}})
    assert functions.invoke(FunctionName="greet", Payload=b"7")["Payload"].read() == b"7"
    who = arn("user/ana")
    code, message, status = refusal(objects.put_object, Bucket="shared", Key="report", Body=b"")
    assert (code, status) == ("AccessDenied", 403)
    assert message == f"User: {who} is not authorized to perform: s3:PutObject on resource: \"arn:aws:s3:::shared/report\" because no identity-based policy allows the s3:PutObject action" or (
        message == f"User: {who} is not authorized to perform: s3:PutObject on resource: arn:aws:s3:::shared/report because no identity-based policy allows the s3:PutObject action"
    )
    assert refusal(items.get_item, TableName="orders", Key={"p": {"S": "1"}}) == (
        "AccessDeniedException",
        f"User: {who} is not authorized to perform: dynamodb:GetItem on resource: {orders} because no identity-based policy allows the dynamodb:GetItem action",
        400,
    )
    assert refusal(functions.get_function, FunctionName="greet") == (
        "AccessDeniedException",
        f"User: {who} is not authorized to perform: lambda:GetFunction on resource: {function} because no identity-based policy allows the lambda:GetFunction action",
        403,
    )
    iam = danbi.client("iam")
    # What is taken away is gone with the next call.
    iam.put_user_policy(UserName="ana", PolicyName="no", PolicyDocument=document(deny("lambda:*")))
    assert refusal(functions.invoke, FunctionName="greet")[1] == (
        f"User: {who} is not authorized to perform: lambda:InvokeFunction on resource: {function} with an explicit deny in an identity-based policy"
    )
    iam.delete_user_policy(UserName="ana", PolicyName="no")
    functions.invoke(FunctionName="greet", Payload=b"7")
    iam.delete_user_policy(UserName="ana", PolicyName="own")
    for call, arguments in [
        (objects.get_object, {"Bucket": "shared", "Key": "report"}),
        (items.put_item, {"TableName": "orders", "Item": {"p": {"S": "2"}}}),
        (functions.invoke, {"FunctionName": "greet"}),
    ]:
        assert "because no identity-based policy allows the" in refusal(call, **arguments)[1]
    used = iam.get_access_key_last_used(AccessKeyId=keys["AccessKeyId"])
    assert used["UserName"] == "ana" and used["AccessKeyLastUsed"]["Region"] == "us-east-1"


def test_keys_are_secret_and_can_be_switched_off(danbi):
    iam = danbi.client("iam")
    keys = user_with_keys(danbi, "ana")
    assert re.fullmatch("AKIA[A-Z2-7]{16}", keys["AccessKeyId"]) and len(keys["SecretAccessKey"]) == 40
    who = client_of(danbi, "sts", keys)
    who.get_caller_identity()
    assert "SecretAccessKey" not in str(iam.list_access_keys(UserName="ana"))
    iam.update_access_key(UserName="ana", AccessKeyId=keys["AccessKeyId"], Status="Inactive")
    assert refusal(who.get_caller_identity)[0] == "InvalidClientTokenId"
    iam.update_access_key(UserName="ana", AccessKeyId=keys["AccessKeyId"], Status="Active")
    who.get_caller_identity()
    iam.create_access_key(UserName="ana")
    assert refusal(iam.create_access_key, UserName="ana") == ("LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2", 409)
    assert refusal(iam.delete_user, UserName="ana") == ("DeleteConflict", "Cannot delete entity, must delete access keys first.", 409)
    for key in iam.list_access_keys(UserName="ana")["AccessKeyMetadata"]:
        iam.delete_access_key(UserName="ana", AccessKeyId=key["AccessKeyId"])
    assert refusal(who.get_caller_identity)[0] == "InvalidClientTokenId"
    iam.delete_user(UserName="ana")
    assert refusal(iam.get_user, UserName="ana") == ("NoSuchEntity", "The user with name ana cannot be found.", 404)


def test_groups_managed_policies_and_boundaries(danbi):
    iam = danbi.client("iam")
    keys = user_with_keys(danbi, "ana")
    s3 = client_of(danbi, "s3", keys)
    iam.create_group(GroupName="readers", Path="/staff/")
    policy = iam.create_policy(PolicyName="list", PolicyDocument=document(allow("s3:ListAllMyBuckets")))["Policy"]
    assert (policy["Arn"], policy["DefaultVersionId"], policy["AttachmentCount"]) == (arn("policy/list"), "v1", 0)
    iam.attach_group_policy(GroupName="readers", PolicyArn=policy["Arn"])
    assert refusal(s3.list_buckets)[0] == "AccessDenied"
    iam.add_user_to_group(GroupName="readers", UserName="ana")
    s3.list_buckets()
    assert iam.get_policy(PolicyArn=policy["Arn"])["Policy"]["AttachmentCount"] == 1
    # Another version counts at once.
    iam.create_policy_version(PolicyArn=policy["Arn"], PolicyDocument=document(allow("s3:GetObject")), SetAsDefault=True)
    assert refusal(s3.list_buckets)[0] == "AccessDenied"
    iam.set_default_policy_version(PolicyArn=policy["Arn"], VersionId="v1")
    s3.list_buckets()
    bound = iam.create_policy(PolicyName="bound", PolicyDocument=document(allow("dynamodb:*")))["Policy"]["Arn"]
    iam.put_user_permissions_boundary(UserName="ana", PermissionsBoundary=bound)
    assert refusal(s3.list_buckets)[1].endswith("because no permissions boundary allows the s3:ListAllMyBuckets action")
    assert iam.get_user(UserName="ana")["User"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == bound
    assert refusal(iam.delete_policy, PolicyArn=bound)[0] == "DeleteConflict"
    iam.delete_user_permissions_boundary(UserName="ana")
    s3.list_buckets()
    iam.remove_user_from_group(GroupName="readers", UserName="ana")
    assert refusal(s3.list_buckets)[0] == "AccessDenied"
    iam.attach_user_policy(UserName="ana", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    s3.list_buckets()
    assert iam.list_entities_for_policy(PolicyArn=policy["Arn"])["PolicyGroups"][0]["GroupName"] == "readers"
    assert refusal(iam.attach_user_policy, UserName="ana", PolicyArn=arn("policy/gone")) == (
        "NoSuchEntity",
        f"Policy {arn('policy/gone')} does not exist or is not attachable.",
        404,
    )
    assert refusal(iam.attach_user_policy, UserName="ana", PolicyArn="arn:aws:longpolicynamebutnoarn")[1] == "Invalid ARN:  Could not be parsed!"


def test_an_assumed_role_its_session_policy_and_its_boundary(danbi):
    iam, sts = danbi.client("iam"), danbi.client("sts")
    keys = user_with_keys(danbi, "ana")
    code, message, status = refusal(client_of(danbi, "sts", keys).assume_role, RoleArn=arn("role/deployer"), RoleSessionName="x1")
    assert (code, status) == ("AccessDenied", 403)
    assert message == f"User: {arn('user/ana')} is not authorized to perform: sts:AssumeRole on resource: {arn('role/deployer')}"
    condition = {"Effect": "Allow", "Principal": {"AWS": arn("user/ana")}, "Action": ["sts:AssumeRole", "sts:TagSession"], "Condition": {"StringEquals": {"sts:ExternalId": "secret-42"}}}
    role = iam.create_role(RoleName="deployer", AssumeRolePolicyDocument=document(condition), MaxSessionDuration=7200)["Role"]
    assert re.fullmatch("AROA[A-Z2-7]{17}", role["RoleId"])
    iam.put_role_policy(RoleName="deployer", PolicyName="p", PolicyDocument=document(allow(["s3:*", "lambda:ListFunctions"])))
    assume = client_of(danbi, "sts", keys).assume_role
    wanted = {"RoleArn": role["Arn"], "RoleSessionName": "ci"}
    assert refusal(assume, **wanted)[0] == "AccessDenied"
    assert refusal(assume, **wanted, ExternalId="wrong")[0] == "AccessDenied"
    wanted["ExternalId"] = "secret-42"
    assert refusal(assume, **wanted, DurationSeconds=10_000)[1] == "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    answer = assume(**wanted)
    assert answer["AssumedRoleUser"] == {"AssumedRoleId": f"{role['RoleId']}:ci", "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/ci"}
    assert "PackedPolicySize" not in answer
    s3, functions = (client_of(danbi, service, answer["Credentials"]) for service in ("s3", "lambda"))
    s3.create_bucket(Bucket="made-by-a-role")
    functions.list_functions()
    assert "dynamodb:ListTables" in refusal(client_of(danbi, "dynamodb", answer["Credentials"]).list_tables)[1]
    narrow = assume(**wanted, Policy=document(allow("s3:ListAllMyBuckets")))
    assert narrow["PackedPolicySize"] > 0
    s3 = client_of(danbi, "s3", narrow["Credentials"])
    s3.list_buckets()
    assert refusal(s3.create_bucket, Bucket="not-this-one")[1].endswith("because no session policy allows the s3:CreateBucket action")
    narrow = assume(**wanted, PolicyArns=[{"arn": "arn:aws:iam::aws:policy/AWSLambda_ReadOnlyAccess"}])
    client_of(danbi, "lambda", narrow["Credentials"]).list_functions()
    assert refusal(client_of(danbi, "s3", narrow["Credentials"]).list_buckets)[0] == "AccessDenied"
    # Tags of the session are condition keys.
    iam.put_role_policy(
        RoleName="deployer",
        PolicyName="p",
        PolicyDocument=document(allow("s3:ListAllMyBuckets", Condition={"StringEquals": {"aws:PrincipalTag/team": "blue"}})),
    )
    assert refusal(client_of(danbi, "s3", answer["Credentials"]).list_buckets)[0] == "AccessDenied"
    blue = assume(**wanted, Tags=[{"Key": "team", "Value": "blue"}])["Credentials"]
    client_of(danbi, "s3", blue).list_buckets()
    assert refusal(assume, **wanted, Tags=[{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}]) == (
        "InvalidParameterValue",
        "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
        400,
    )
    iam.put_role_permissions_boundary(RoleName="deployer", PermissionsBoundary="arn:aws:iam::aws:policy/AWSLambda_ReadOnlyAccess")
    assert "because no permissions boundary allows" in refusal(client_of(danbi, "s3", blue).list_buckets)[1] or refusal(client_of(danbi, "s3", blue).list_buckets)[0] == "AccessDenied"
    iam.delete_role_permissions_boundary(RoleName="deployer")
    # A role made again under the name is another role.
    iam.delete_role_policy(RoleName="deployer", PolicyName="p")
    iam.delete_role(RoleName="deployer")
    iam.create_role(RoleName="deployer", AssumeRolePolicyDocument=trust(AWS=ACCOUNT))
    iam.put_role_policy(RoleName="deployer", PolicyName="p", PolicyDocument=document(allow("*")))
    assert refusal(client_of(danbi, "s3", blue).list_buckets)[0] == "AccessDenied"
    assert refusal(sts.assume_role, RoleArn="nothing-valid-in-here", RoleSessionName="xx") == ("ValidationError", "nothing-valid-in-here is invalid", 400)


def test_session_tokens_and_federated_users(danbi):
    keys = user_with_keys(danbi, "ana", allow(["s3:ListAllMyBuckets", "iam:GetUser", "sts:GetFederationToken"]))
    sts = client_of(danbi, "sts", keys)
    session = sts.get_session_token()["Credentials"]
    assert client_of(danbi, "sts", session).get_caller_identity()["Arn"] == arn("user/ana")
    client_of(danbi, "s3", session).list_buckets()
    assert refusal(client_of(danbi, "iam", session).get_user)[0] == "AccessDenied"
    assert refusal(client_of(danbi, "sts", session).get_session_token) == ("AccessDenied", "Cannot call GetSessionToken with session credentials", 403)
    federated = sts.get_federation_token(Name="guest", Policy=document(allow(["s3:*", "dynamodb:*"])))
    assert federated["FederatedUser"] == {"FederatedUserId": f"{ACCOUNT}:guest", "Arn": f"arn:aws:sts::{ACCOUNT}:federated-user/guest"}
    client_of(danbi, "s3", federated["Credentials"]).list_buckets()
    # Neither the user's policies nor the session's are enough alone.
    assert refusal(client_of(danbi, "s3", federated["Credentials"]).create_bucket, Bucket="never-made")[0] == "AccessDenied"
    assert refusal(client_of(danbi, "iam", federated["Credentials"]).get_user, UserName="ana")[0] == "AccessDenied"
    plain = sts.get_federation_token(Name="guest")["Credentials"]
    assert refusal(client_of(danbi, "s3", plain).list_buckets)[0] == "AccessDenied"
    assert sts.get_caller_identity()["Account"] == danbi.client("sts").get_access_key_info(AccessKeyId=keys["AccessKeyId"])["Account"]


CALLS_S3 = """
import os, urllib.request, json
import boto3
def handler(event, context):
    s3 = boto3.client("s3", endpoint_url=os.environ.get("AWS_ENDPOINT_URL"))
    try:
        return [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    except Exception as error:
        return str(error)
"""

SHOWS_KEYS = """
import os
def handler(event, context):
    return {"AccessKeyId": os.environ["AWS_ACCESS_KEY_ID"], "SecretAccessKey": os.environ["AWS_SECRET_ACCESS_KEY"], "SessionToken": os.environ["AWS_SESSION_TOKEN"]}
"""


def test_a_function_acts_as_its_role(danbi):
    iam, functions = danbi.client("iam"), danbi.client("lambda")
    danbi.client("s3").create_bucket(Bucket="seen-by-the-function")
    iam.create_role(RoleName="worker", Path="/service/", AssumeRolePolicyDocument=trust(Service="lambda.amazonaws.com"))
    role = arn("role/service/worker")
    create(functions, "works", python(SHOWS_KEYS), Role=role)
    keys = json.load(functions.invoke(FunctionName="works")["Payload"])
    assert client_of(danbi, "sts", keys).get_caller_identity()["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/works"
    s3 = client_of(danbi, "s3", keys)
    assert refusal(s3.list_buckets)[0] == "AccessDenied"
    iam.attach_role_policy(RoleName="worker", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["seen-by-the-function"]
    assert refusal(s3.create_bucket, Bucket="made-by-nobody")[0] == "AccessDenied"
    iam.detach_role_policy(RoleName="worker", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    assert refusal(s3.list_buckets)[0] == "AccessDenied"
    # A role that Lambda may not assume, and one that is not there, leave the function without rights, and its log says so.
    iam.create_role(RoleName="foreign", AssumeRolePolicyDocument=trust(Service="ec2.amazonaws.com"))
    iam.attach_role_policy(RoleName="foreign", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    for name, role, words in [("foreign", arn("role/foreign"), "does not let lambda.amazonaws.com assume it"), ("gone", arn("role/gone"), "There is no role")]:
        create(functions, f"f-{name}", python(SHOWS_KEYS), Role=role)
        keys = json.load(functions.invoke(FunctionName=f"f-{name}")["Payload"])
        assert refusal(client_of(danbi, "s3", keys).list_buckets)[0] == "AccessDenied"
        logs = danbi.client("logs")
        danbi.wait_until(lambda: any(words in event["message"] for event in logs.filter_log_events(logGroupName=f"/aws/lambda/f-{name}")["events"]), 20)


def test_passing_a_role_is_a_right_of_its_own(danbi):
    iam = danbi.client("iam")
    for name in ("mine", "admin"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(Service="lambda.amazonaws.com"))
    passes = allow("iam:PassRole", arn("role/mine"), Condition={"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}})
    keys = user_with_keys(danbi, "ana", allow("lambda:*"), passes)
    functions = client_of(danbi, "lambda", keys)
    create(functions, "f", Role=arn("role/mine"))
    updated(functions, "f")
    code, message, _ = refusal(functions.update_function_configuration, FunctionName="f", Role=arn("role/admin"))
    assert code == "AccessDeniedException"
    assert message == f"User: {arn('user/ana')} is not authorized to perform: iam:PassRole on resource: {arn('role/admin')} because no identity-based policy allows the iam:PassRole action"


def test_zappas_own_role(danbi):
    iam = danbi.client("iam")
    services = ["apigateway.amazonaws.com", "lambda.amazonaws.com", "events.amazonaws.com"]
    assume = {"Version": "2012-10-17", "Statement": [{"Sid": "", "Effect": "Allow", "Principal": {"Service": services}, "Action": "sts:AssumeRole"}]}
    wide = [
        allow(["logs:*"], "arn:aws:logs:*:*:*"),
        allow(["lambda:InvokeFunction", "lambda:InvokeFunctionUrl"], ["*"]),
        allow(["xray:PutTraceSegments", "xray:PutTelemetryRecords"], ["*"]),
        allow(["s3:*"], "arn:aws:s3:::*"),
        allow(["dynamodb:*"], "arn:aws:dynamodb:*:*:*"),
        allow(["route53:*"], "*"),
    ]
    role = boto3.resource("iam", endpoint_url=danbi.url, region_name="us-east-1", aws_access_key_id="AKIADANBITESTROOTKEY", aws_secret_access_key="danbi-test-root-secret-access-key-000000")
    with pytest.raises(ClientError):
        role.Role("app-dev-ZappaLambdaExecutionRole").arn
    made = role.create_role(RoleName="app-dev-ZappaLambdaExecutionRole", AssumeRolePolicyDocument=json.dumps(assume))
    policy = role.RolePolicy("app-dev-ZappaLambdaExecutionRole", "zappa-permissions")
    with pytest.raises(ClientError) as error:
        policy.policy_document
    assert error.value.response["Error"]["Message"] == "The role policy with name zappa-permissions cannot be found."
    policy.put(PolicyDocument=document(*wide))
    policy.reload()
    assert policy.policy_document == json.loads(document(*wide))
    assert iam.get_role(RoleName=made.name)["Role"]["AssumeRolePolicyDocument"] == assume
    danbi.client("s3").create_bucket(Bucket="assets-of-the-app")
    functions = danbi.client("lambda")
    create(functions, "zapped", python(SHOWS_KEYS), Role=made.arn)
    keys = json.load(functions.invoke(FunctionName="zapped")["Payload"])
    client_of(danbi, "s3", keys).put_object(Bucket="assets-of-the-app", Key="k", Body=b"v")
    client_of(danbi, "lambda", keys).invoke(FunctionName="zapped")
    assert refusal(client_of(danbi, "lambda", keys).list_functions)[0] == "AccessDeniedException"


def test_users_and_keys_survive_a_power_cut(danbi):
    keys = user_with_keys(danbi, "ana", allow("s3:ListAllMyBuckets"))
    danbi.kill_9()
    danbi.start()
    client_of(danbi, "s3", keys).list_buckets()
    assert refusal(client_of(danbi, "dynamodb", keys).list_tables)[0] == "AccessDeniedException"


def test_the_shapes_of_roles_are_those_of_aws(danbi):
    iam = danbi.client("iam")
    policy = {"Version": "2012-10-17", "Statement": [{"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}}]}
    made = iam.create_role(Path="/x/", RoleName="r", AssumeRolePolicyDocument=json.dumps(policy), Tags=[{"Key": "test", "Value": "value"}])["Role"]
    assert set(made) == {"Arn", "AssumeRolePolicyDocument", "CreateDate", "Path", "RoleId", "RoleName", "Tags"} and made["AssumeRolePolicyDocument"] == policy
    shown = iam.get_role(RoleName="r")["Role"]
    assert set(shown) == set(made) | {"MaxSessionDuration", "RoleLastUsed"} and shown["MaxSessionDuration"] == 3600 and shown["RoleLastUsed"] == {}
    listed = iam.list_roles(PathPrefix="/x/")
    assert set(listed["Roles"][0]) == set(made) - {"Tags"} | {"MaxSessionDuration"} and listed["IsTruncated"] is False
    for bad, words in [("{", "This policy contains invalid Json"), (json.dumps({**policy, "Statement": [{**policy["Statement"][0], "Resource": "*"}]}), "Has prohibited field Resource")]:
        assert refusal(iam.create_role, RoleName="bad", AssumeRolePolicyDocument=bad) == ("MalformedPolicyDocument", words, 400)
    nobody = trust(AWS=arn("user/nobody"))
    assert refusal(iam.create_role, RoleName="bad", AssumeRolePolicyDocument=nobody)[1] == f"Invalid principal in policy: \"AWS\":\"{arn('user/nobody')}\""
    assert refusal(iam.create_role, RoleName="R", AssumeRolePolicyDocument=json.dumps(policy))[0] == "EntityAlreadyExists"
    encoded = document(allow("apigateway:PUT", "arn:aws:apigateway:us-east-1::/tags/arn%3Aaws%3Aapigateway%3A"))
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=encoded)
    assert iam.get_role_policy(RoleName="r", PolicyName="p")["PolicyDocument"] == json.loads(encoded)
    assert refusal(iam.delete_role, RoleName="r") == ("DeleteConflict", "Cannot delete entity, must delete policies first.", 409)
    iam.create_instance_profile(InstanceProfileName="machines")
    iam.add_role_to_instance_profile(InstanceProfileName="machines", RoleName="r")
    assert iam.get_instance_profile(InstanceProfileName="machines")["InstanceProfile"]["Roles"][0]["RoleName"] == "r"
    assert iam.list_instance_profiles_for_role(RoleName="r")["InstanceProfiles"][0]["InstanceProfileName"] == "machines"
    linked = iam.create_service_linked_role(AWSServiceName="batch.amazonaws.com")["Role"]
    assert linked["Arn"] == arn("role/aws-service-role/batch.amazonaws.com/AWSServiceRoleForBatch")
    assert refusal(iam.create_service_linked_role, AWSServiceName="batch.amazonaws.com")[1] == (
        "Service role name AWSServiceRoleForBatch has been taken in this account, please try a different suffix."
    )
    assert refusal(iam.put_role_policy, RoleName=linked["RoleName"], PolicyName="p", PolicyDocument=encoded)[0] == "UnmodifiableEntity"
    task = iam.delete_service_linked_role(RoleName=linked["RoleName"])["DeletionTaskId"]
    assert iam.get_service_linked_role_deletion_status(DeletionTaskId=task)["Status"] == "SUCCEEDED"


def test_lists_come_in_pages_and_details_hold_everything(danbi):
    iam = danbi.client("iam")
    for number in range(7):
        iam.create_user(UserName=f"u{number}", Path="/odd/" if number % 2 else "/", Tags=[{"Key": "n", "Value": str(number)}])
    pages = list(iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 3}))
    assert [[user["UserName"] for user in page["Users"]] for page in pages] == [["u0", "u1", "u2"], ["u3", "u4", "u5"], ["u6"]]
    assert [user["UserName"] for user in iam.list_users(PathPrefix="/odd/")["Users"]] == ["u1", "u3", "u5"]
    iam.update_user(UserName="u0", NewUserName="first", NewPath="/p/")
    assert iam.get_user(UserName="first")["User"]["Arn"] == arn("user/p/first")
    iam.create_group(GroupName="g")
    iam.add_user_to_group(GroupName="g", UserName="first")
    iam.update_group(GroupName="g", NewGroupName="h")
    assert [group["GroupName"] for group in iam.list_groups_for_user(UserName="first")["Groups"]] == ["h"]
    assert [user["UserName"] for user in iam.get_group(GroupName="h")["Users"]] == ["first"]
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust(AWS=ACCOUNT))
    iam.attach_role_policy(RoleName="r", PolicyArn="arn:aws:iam::aws:policy/PowerUserAccess")
    pages = list(iam.get_paginator("get_account_authorization_details").paginate(PaginationConfig={"PageSize": 4}))
    names = [user["UserName"] for page in pages for user in page["UserDetailList"]]
    assert len(names) == 7 and pages[-1]["RoleDetailList"][0]["AttachedManagedPolicies"][0]["PolicyName"] == "PowerUserAccess"
    assert pages[-1]["Policies"][0]["PolicyName"] == "PowerUserAccess"
    aws = [policy["PolicyName"] for page in iam.get_paginator("list_policies").paginate(Scope="AWS", PaginationConfig={"PageSize": 40}) for policy in page["Policies"]]
    assert {"AdministratorAccess", "AWSLambdaBasicExecutionRole", "ReadOnlyAccess"} <= set(aws) and len(set(aws)) == len(aws)
    iam.create_policy(PolicyName="own", PolicyDocument=document(allow("*")))
    everything = [policy["PolicyName"] for page in iam.get_paginator("list_policies").paginate(PaginationConfig={"PageSize": 7}) for policy in page["Policies"]]
    assert everything == ["own"] + aws
    assert iam.list_policies(OnlyAttached=True)["Policies"][0]["PolicyName"] == "PowerUserAccess"
    iam.create_account_alias(AccountAlias="my-company")
    assert iam.list_account_aliases()["AccountAliases"] == ["my-company"]
    summary = iam.get_account_summary()["SummaryMap"]
    assert (summary["Users"], summary["Groups"], summary["Roles"], summary["Policies"]) == (7, 1, 1, 1)
    provider = iam.create_open_id_connect_provider(Url="https://token.actions.githubusercontent.com", ClientIDList=["sts.amazonaws.com"])["OpenIDConnectProviderArn"]
    assert provider == arn("oidc-provider/token.actions.githubusercontent.com")
    assert iam.get_open_id_connect_provider(OpenIDConnectProviderArn=provider)["ClientIDList"] == ["sts.amazonaws.com"]


def test_variables_paths_and_own_tags_in_policies(danbi):
    iam = danbi.client("iam")
    danbi.client("s3").create_bucket(Bucket="homes")
    keys = user_with_keys(
        danbi,
        "ana",
        allow("s3:PutObject", "arn:aws:s3:::homes/${aws:username}/*"),
        allow("iam:CreateAccessKey", arn("user/team/${aws:username}")),
        allow(["iam:CreateUser", "iam:TagUser"], "*", Condition={"StringEquals": {"aws:RequestTag/team": "blue"}}),
        allow("iam:DeleteUser", "*", Condition={"StringEquals": {"iam:ResourceTag/team": "blue"}}),
    )
    s3, own = client_of(danbi, "s3", keys), client_of(danbi, "iam", keys)
    s3.put_object(Bucket="homes", Key="ana/x", Body=b"")
    assert refusal(s3.put_object, Bucket="homes", Key="bob/x", Body=b"")[0] == "AccessDenied"
    assert refusal(own.create_access_key)[0] == "AccessDenied"
    iam.update_user(UserName="ana", NewPath="/team/")
    own.create_access_key()
    assert refusal(own.create_user, UserName="new")[1].startswith(f"User: {arn('user/team/ana')} is not authorized to perform: iam:CreateUser on resource: {arn('user/new')}")
    own.create_user(UserName="new", Tags=[{"Key": "team", "Value": "blue"}])
    iam.create_user(UserName="red", Tags=[{"Key": "team", "Value": "red"}])
    own.delete_user(UserName="new")
    assert refusal(own.delete_user, UserName="red")[0] == "AccessDenied"


def test_the_simulator_decides_as_requests_are_decided(danbi):
    iam = danbi.client("iam")
    text = json.dumps({"Version": "2012-10-17", "Statement": {"Sid": "", "Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}})
    policy = iam.create_policy(PolicyName="puts", PolicyDocument=text)["Policy"]["Arn"]
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust(Service="apigateway.amazonaws.com"))
    iam.attach_role_policy(RoleName="r", PolicyArn=policy)
    bucket = "arn:aws:s3:::bucket"
    answer = iam.simulate_principal_policy(PolicySourceArn=arn("role/r"), ActionNames=["s3:PutObject", "s3:GetObjectVersion"], ResourceArns=[bucket])
    matched = [{"SourcePolicyId": "puts", "SourcePolicyType": "IAM Policy", "StartPosition": {"Line": 1, "Column": 41}, "EndPosition": {"Line": 1, "Column": 113}}]
    first, second = answer["EvaluationResults"]
    assert first == {
        "EvalActionName": "s3:PutObject",
        "EvalDecision": "allowed",
        "EvalDecisionDetails": {},
        "EvalResourceName": bucket,
        "MatchedStatements": matched,
        "MissingContextValues": [],
        "OrganizationsDecisionDetail": {"AllowedByOrganizations": True},
        "ResourceSpecificResults": [{"EvalResourceName": bucket, "EvalResourceDecision": "allowed", "MatchedStatements": matched, "MissingContextValues": []}],
    }
    assert (second["EvalDecision"], second["MatchedStatements"], answer["IsTruncated"]) == ("implicitDeny", [], False)
    conditional = document(allow("s3:*", Condition={"StringLike": {"s3:prefix": "${aws:username}/*"}}), deny("s3:DeleteBucket"))
    answer = iam.simulate_custom_policy(PolicyInputList=[conditional], ActionNames=["s3:ListBucket", "s3:DeleteBucket"])["EvaluationResults"]
    assert [result["EvalDecision"] for result in answer] == ["implicitDeny", "explicitDeny"]
    assert answer[0]["MissingContextValues"] == ["aws:username", "s3:prefix"]
    entries = [{"ContextKeyName": "s3:prefix", "ContextKeyValues": ["ana/x"], "ContextKeyType": "string"}, {"ContextKeyName": "aws:username", "ContextKeyValues": ["ana"], "ContextKeyType": "string"}]
    answer = iam.simulate_custom_policy(PolicyInputList=[conditional], ActionNames=["s3:ListBucket"], ContextEntries=entries, PermissionsBoundaryPolicyInputList=[document(allow("dynamodb:*"))])
    result = answer["EvaluationResults"][0]
    assert result["EvalDecision"] == "implicitDeny" and result["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}
    assert iam.get_context_keys_for_custom_policy(PolicyInputList=[conditional])["ContextKeyNames"] == ["aws:username", "s3:prefix"]
