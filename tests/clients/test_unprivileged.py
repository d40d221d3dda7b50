"""Every built operation of every service, with a key that has no rights and with none: each is refused."""

import json

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.model import ServiceModel
from packages import create, python

# What AWS lets every authenticated caller do.
FREE_FOR_ALL = {("sts", "GetCallerIdentity")}
# What AWS lets every user with keys of its own do besides.
FREE_FOR_USERS = FREE_FOR_ALL | {("sts", "GetSessionToken")}
REFUSED = {"AuthorizationError", "AccessDeniedException", "AccessDenied"}
UNSIGNED_REFUSED = REFUSED | {"MissingAuthenticationTokenException", "MissingAuthenticationToken"}


def sample(shape, depth=0):
    """The smallest input that satisfies `shape`."""
    if depth > 8:
        return None
    if shape.name == "AttributeValue":
        # A union: the model does not say that one member must be there.
        return {"S": "x"}
    if shape.name in ("Tag", "Parameter") and shape.type_name == "structure" and not shape.required_members:
        # The model demands nothing of them, and a query has no form for an empty structure in a list.
        return {name: "k" for name in shape.members if name in ("Key", "Value", "ParameterName", "ParameterValue")}
    if shape.name == "ObjectEncryption":
        return {"SSEKMS": {"KMSKeyArn": "arn:aws:kms:us-east-1:000000000000:key/k"}}
    if shape.type_name == "structure":
        return {
            name: (member.type_name == "string" and (special(member.name) or special(name))) or sample(member, depth + 1)
            for name, member in shape.members.items()
            if name in shape.required_members
        }
    if shape.type_name == "list":
        return [sample(shape.member, depth + 1)] * max(1, shape.metadata.get("min", 0))
    if shape.type_name == "map":
        return {"k": sample(shape.value, depth + 1)}
    if shape.type_name == "boolean":
        return True
    if shape.type_name in ("integer", "long", "float", "double"):
        return max(1, shape.metadata.get("min", 1))
    if shape.type_name == "blob":
        return b"{}"
    if shape.type_name == "timestamp":
        return 0
    return shape.enum[0] if getattr(shape, "enum", None) else "x" * max(1, shape.metadata.get("min", 1))


def special(name):
    """Members, by their own name or their shape's, whose grammar the model's constraints do not give."""
    function = "arn:aws:lambda:us-east-1:000000000000:function:leaky"
    return {
        "FunctionName": "leaky",
        "TableName": "guarded",
        "Resource": function,
        "resourceArn": "arn:aws:logs:us-east-1:000000000000:log-group:g",
        "Role": "arn:aws:iam::000000000000:role/r",
        "RoleArn": "arn:aws:iam::000000000000:role/r",
        "policyVersionIdType": "v1",
        "ResourceName": "arn:aws:rds:us-east-1:000000000000:db:d",
        "FunctionVersion": "1",
        "Arn": "arn:aws:lambda:us-east-1:000000000000:layer:l:1",
        "Action": "lambda:InvokeFunction",
        "Principal": "s3.amazonaws.com",
        "LayerPermissionAllowedAction": "lambda:GetLayerVersion",
        "LayerPermissionAllowedPrincipal": "*",
        "Bucket": "guarded-bucket",
        "BucketName": "guarded-bucket",
        "S3Bucket": "guarded-bucket",
        "Key": "guarded",
        "ObjectKey": "guarded",
        "CopySource": "guarded-bucket/guarded",
        "RegionType": "eu-west-1",
        "EventBusArn": "arn:aws:events:us-east-1:000000000000:event-bus/default",
        "ArchiveArn": "arn:aws:events:us-east-1:000000000000:archive/a",
        "RoleArn": "arn:aws:iam::000000000000:role/r",
        "TagResourceArn": "arn:aws:scheduler:us-east-1:000000000000:schedule-group/g",
        "StatusCode": "200",
    }.get(name)


def built(danbi):
    operations = json.loads(danbi.http("GET", "/_danbi/health").body)["operations"]
    assert sum(map(len, operations.values())) > 50
    return operations


def attempts(danbi, operations, make_client):
    """Calls each operation; yields (service, operation, error code or None, answer)."""
    loader = Loader()
    for service, names in operations.items():
        model = ServiceModel(loader.load_service_model(service, "service-2"))
        client = make_client(service)
        methods = {operation: method for method, operation in client.meta.method_to_api_mapping.items()}
        for name in names:
            shape = model.operation_model(name).input_shape
            arguments = sample(shape) if shape else {}
            try:
                yield service, name, None, getattr(client, methods[name])(**arguments)
            except ClientError as error:
                yield service, name, error.response["Error"]["Code"], error.response


@pytest.fixture
def session(danbi):
    """The credentials that a function runs with: a role without any policy."""
    source = "import os\ndef handler(e, c):\n    return [os.environ[k] for k in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN')]\n"
    create(danbi.client("lambda"), "leaky", python(source))
    return json.loads(danbi.client("lambda").invoke(FunctionName="leaky")["Payload"].read())


def client_with(danbi, service, key_id=None, secret=None, token=None):
    config = {"retries": {"total_max_attempts": 1}, "parameter_validation": False, "inject_host_prefix": False}
    if key_id is None:
        config["signature_version"] = UNSIGNED
    return boto3.client(
        service, endpoint_url=danbi.url, region_name="us-east-1", aws_access_key_id=key_id, aws_secret_access_key=secret, aws_session_token=token, config=Config(**config)
    )


def guard(danbi):
    """A bucket with an object, for the questions about S3: of a bucket that is not there, everybody is told so."""
    s3 = danbi.client("s3")
    s3.create_bucket(Bucket="guarded-bucket")
    s3.put_object(Bucket="guarded-bucket", Key="guarded", Body=b"secret")


def refused(service, operation, code, answer, codes):
    """Whether S3, which answers a HEAD without a document and a batch key by key, refused all the same."""
    if (service, operation) == ("s3", "DeleteObjects") and code is None:
        return [error["Code"] for error in answer.get("Errors", [])] == ["AccessDenied"]
    return code in codes or (service == "s3" and operation.startswith("Head") and code == "403")


def test_a_key_without_rights(danbi, session):
    guard(danbi)
    identity = client_with(danbi, "sts", *session).get_caller_identity()
    assert ":assumed-role/" in identity["Arn"] and identity["Arn"].endswith("/leaky")
    allowed = []
    for service, operation, code, answer in attempts(danbi, built(danbi), lambda service: client_with(danbi, service, *session)):
        if (service, operation) not in FREE_FOR_ALL and not refused(service, operation, code, answer, REFUSED):
            allowed.append((service, operation, code))
    assert allowed == []


def test_a_user_without_policies(danbi):
    guard(danbi)
    create(danbi.client("lambda"), "leaky")
    iam = danbi.client("iam")
    iam.create_user(UserName="nobody")
    keys = iam.create_access_key(UserName="nobody")["AccessKey"]
    credentials = keys["AccessKeyId"], keys["SecretAccessKey"]
    assert client_with(danbi, "sts", *credentials).get_caller_identity()["Arn"] == "arn:aws:iam::000000000000:user/nobody"
    allowed = []
    for service, operation, code, answer in attempts(danbi, built(danbi), lambda service: client_with(danbi, service, *credentials)):
        if (service, operation) not in FREE_FOR_USERS and not refused(service, operation, code, answer, REFUSED):
            allowed.append((service, operation, code))
    assert allowed == []


def test_no_key_at_all(danbi):
    create(danbi.client("lambda"), "leaky")
    guard(danbi)
    allowed = []
    for service, operation, code, answer in attempts(danbi, built(danbi), lambda service: client_with(danbi, service)):
        if not refused(service, operation, code, answer, UNSIGNED_REFUSED):
            allowed.append((service, operation, code))
    assert allowed == []


def test_a_session_token_is_needed_and_checked(danbi, session):
    key_id, secret, token = session
    for wrong in (None, token[:-4] + "AAAA", "x"):
        with pytest.raises(ClientError) as error:
            client_with(danbi, "lambda", key_id, secret, wrong).list_functions()
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        assert error.value.response["Error"]["Code"] in ("UnrecognizedClientException", "InvalidClientTokenId")
    with pytest.raises(ClientError) as error:
        client_with(danbi, "lambda", key_id, secret, token).list_functions()
    assert error.value.response["Error"]["Code"] == "AccessDeniedException"
    assert "is not authorized to perform: lambda:ListFunctions" in error.value.response["Error"]["Message"]
