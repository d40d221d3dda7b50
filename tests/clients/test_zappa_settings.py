"""Zappa's settings, each seen to have its effect. Zappa is the one on PyPI; the app is in `zappa_app`.

Most are settings of one deployment, which the tests share; those that shut a door or change how the package is made
have a deployment of their own. Not here, because AWS's part of them is not built: `vpc_config` with `efs_config`,
`alb_enabled`, `cognito`, `apigateway_version: v2`, `websocket_handler_module`, Docker images, CloudFront before function URLs.
"""

import hashlib
import json
import os
import re

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from packages import create, python, zipped
from platform_under_test import KEY_ID, SECRET, Platform
from zappa_project import FLASK, Project, answer

APP = os.path.join(os.path.dirname(__file__), "zappa_app")
ACCOUNT = "arn:aws:{service}:us-east-1:000000000000:{name}"
#: Packaging is the slowest step: what no test imports stays out, and nothing is asked of PyPI.
SMALL = {
    "use_precompiled_packages": False,
    "exclude": ["troposphere", "pip", "setuptools", "yaml", "cfn_flip", "tqdm", "wheel", "wheels"],
    "exclude_glob": [
        "botocore/data/[abcfghijmnoqrtuvwxyz]*", "botocore/data/e[!n]*", "botocore/data/p[!a]*", "botocore/data/d[!y]*", "botocore/data/l[!a]*",
    ],
}
PROJECT = {"project_name": "shop", "app_function": "app.app", "aws_region": "us-east-1", "s3_bucket": "shop-deployments", "keep_warm": False, **SMALL}

#: Tests that share a deployment run in one process.
shared = pytest.mark.xdist_group("one shop")


def project(danbi, folder, **settings):
    """The app, ready to be deployed with these settings of stage `dev`."""
    made = Project(danbi, APP, folder / "shop", FLASK, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(FLASK / "wheels"))
    made.settings(**{**PROJECT, **settings})
    return made


def table(danbi):
    """Where jobs note what they got."""
    keys = [{"AttributeName": "kind", "KeyType": "HASH"}, {"AttributeName": "id", "KeyType": "RANGE"}]
    types = [{"AttributeName": name["AttributeName"], "AttributeType": "S"} for name in keys]
    danbi.client("dynamodb").create_table(TableName="notes", KeySchema=keys, AttributeDefinitions=types, BillingMode="PAY_PER_REQUEST")


class Shop:
    """The deployment with most settings in it."""

    def __init__(self, danbi, folder):
        self.danbi = danbi
        s3, sns, dynamodb = (danbi.client(service) for service in ("s3", "sns", "dynamodb"))
        table(danbi)
        s3.create_bucket(Bucket="shop-inbox")
        s3.create_bucket(Bucket="shop-secrets")
        s3.put_object(Bucket="shop-secrets", Key="dev/env.json", Body=json.dumps({"FROM_S3": "rain", "COLOUR": "is overwritten"}))
        self.news = sns.create_topic(Name="news")["TopicArn"]
        self.has_queues = "sqs" in json.loads(danbi.http("GET", "/_danbi/health").body)["operations"]
        orders = []
        if self.has_queues:
            sqs = danbi.client("sqs")
            self.failures = sqs.create_queue(QueueName="failures")["QueueUrl"]
            # Not less than `timeout_seconds`: otherwise Lambda refuses the mapping, as it does on AWS.
            self.orders = sqs.create_queue(QueueName="orders", Attributes={"VisibilityTimeout": "120"})["QueueUrl"]
            orders = [{"function": "jobs.taken", "event_source": {"arn": ACCOUNT.format(service="sqs", name="orders"), "batch_size": 5, "enabled": True}}]
        stock = dynamodb.create_table(
            TableName="stock", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}], AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST", StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )
        self.stream = stock["TableDescription"]["LatestStreamArn"]
        layer = danbi.client("lambda").publish_layer_version(
            LayerName="words", Content={"ZipFile": zipped({"python/from_a_layer.py": "WORD = 'sunshine'\n"})}, CompatibleRuntimes=["python3.11"]
        )
        self.layer = layer["LayerVersionArn"]
        self.project = project(
            danbi, folder,
            events=[
                {"function": "jobs.tick", "expression": "rate(2 minutes)", "kwargs": {"who": "the clock"}},
                {"function": "jobs.arrived", "event_source": {"arn": "arn:aws:s3:::shop-inbox", "events": ["s3:ObjectCreated:*"], "prefix": "in/", "suffix": ".txt"}},
                {"function": "jobs.heard", "event_source": {"arn": self.news, "events": ["sns:Publish"], "filters": {"kind": ["good"]}}},
                *orders,
                {"function": "jobs.changed", "event_source": {"arn": self.stream, "batch_size": 10, "enabled": True}},
            ],
            keep_warm=True,
            keep_warm_expression="rate(3 minutes)",
            remote_env="s3://shop-secrets/dev/env.json",
            environment_variables={"COLOUR": "blue"},
            aws_environment_variables={"TASTE": "sweet"},
            tags={"team": "rain"},
            memory_size=1024,
            ephemeral_storage={"Size": 700},
            timeout_seconds=120,
            lambda_description="sells umbrellas",
            lambda_concurrency=20,
            log_level="WARNING",
            xray_tracing=True,
            layers=[self.layer],
            cors={"allowed_headers": ["X-Shop"], "allowed_methods": ["GET", "POST"], "allowed_origin": "https://example.com"},
            binary_support=True,
            function_url_enabled=True,
            async_source="sns",
            async_resources=True,
            async_response_table="answers",
            **({"dead_letter_arn": ACCOUNT.format(service="sqs", name="failures")} if self.has_queues else {}),
            num_retained_versions=1,
            context_header_mappings={"X-Api-Stage": "stage"},
        )
        self.said = self.project.zappa("deploy", "dev")
        self.url = self.project.endpoint()

    def needs_queues(self):
        if not self.has_queues:
            pytest.skip("queues are not built")

    def get(self, path):
        """The JSON that the app answers with, through the gateway."""
        status, body = answer(self.danbi, "GET", self.url + path)
        assert status == 200, (status, body)
        return body

    def configuration(self):
        return self.danbi.client("lambda").get_function_configuration(FunctionName="shop-dev")

    def noted(self, kind):
        """Waits for the first notes of a kind."""
        self.danbi.wait_until(lambda: self.get(f"/notes/{kind}") != [])
        return self.get(f"/notes/{kind}")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    # A minute of a rate lasts ten seconds, and what failed is tried again at once.
    platform = Platform(folder / "data", environment={"DANBI_EVENTS_MINUTE_MS": "10000", "DANBI_ASYNC_RETRY_DELAYS_MS": "10,10"})
    platform.start()
    try:
        yield Shop(platform, folder)
    finally:
        platform.end()


@shared
def test_what_is_configured_of_the_function(shop):
    assert "Deployment complete" in shop.said
    configuration = shop.configuration()
    assert {name: configuration[name] for name in ("MemorySize", "Timeout", "Description", "EphemeralStorage", "TracingConfig")} == {
        "MemorySize": 1024, "Timeout": 120, "Description": "sells umbrellas", "EphemeralStorage": {"Size": 700},
        "TracingConfig": {"Mode": "Active"},
    }
    function = shop.danbi.client("lambda").get_function(FunctionName="shop-dev")
    assert function["Tags"] == {"team": "rain"}
    assert function["Concurrency"] == {"ReservedConcurrentExecutions": 20}


@shared
def test_memory_size_ephemeral_storage_and_timeout_seconds(shop):
    about = shop.get("/about")
    assert about["memory"] == "1024"
    assert about["scratch"] == 700 * 1024 * 1024
    assert 0 < about["seconds"] <= 120


@shared
def test_tags_are_on_everything_that_was_made(shop):
    [stack] = shop.danbi.client("cloudformation").describe_stacks()["Stacks"]
    assert {tag["Key"]: tag["Value"] for tag in stack["Tags"]} == {"team": "rain", "ZappaProject": "shop-dev"}
    bucket = shop.danbi.client("s3").get_bucket_tagging(Bucket="shop-deployments")["TagSet"]
    assert bucket == [{"Key": "team", "Value": "rain"}]
    [api] = shop.danbi.client("apigateway").get_rest_apis()["items"]
    assert api["tags"]["team"] == "rain"


@shared
def test_environment_variables(shop):
    # Of the app, of the function, and of an object in S3, which the app's own go before.
    assert shop.get("/variables/COLOUR") == "blue"
    assert shop.get("/variables/TASTE") == "sweet"
    assert shop.configuration()["Environment"]["Variables"] == {"TASTE": "sweet"}


@shared
def test_remote_env(shop):
    assert shop.get("/variables/FROM_S3") == "rain"


@shared
def test_log_level(shop):
    assert shop.get("/about")["log_level"] == "WARNING"


@shared
def test_xray_tracing(shop):
    # There is no X-Ray to send segments to; what the function is given is what its SDK needs.
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=1.*", shop.get("/about")["trace"])


@shared
def test_layers(shop):
    assert shop.get("/layer") == "sunshine"
    assert [layer["Arn"] for layer in shop.configuration()["Layers"]] == [shop.layer]


@shared
def test_binary_support(shop):
    expected = bytes(range(256)) * 64
    got = shop.danbi.http("GET", shop.url + "/picture")
    assert (got.status, got.headers["content-type"]) == (200, "image/png")
    assert got.body == expected
    sent = os.urandom(100_000)
    got = shop.danbi.http("POST", shop.url + "/digest", sent, {"content-type": "application/octet-stream"})
    assert json.loads(got.body) == {"size": len(sent), "sha256": hashlib.sha256(sent).hexdigest()}


@shared
def test_payload_compression(shop):
    got = shop.danbi.http("GET", shop.url + "/picture", headers={"accept-encoding": "gzip"})
    assert got.headers["content-encoding"] == "gzip"
    assert len(got.body) < 2000


@shared
def test_cors(shop):
    got = shop.danbi.http("OPTIONS", shop.url + "/about", headers={"origin": "https://example.com", "access-control-request-method": "GET"})
    assert got.status == 200
    allowed = {name: got.headers["access-control-allow-" + name] for name in ("origin", "methods", "headers")}
    assert allowed == {"origin": "https://example.com", "methods": "GET,POST", "headers": "X-Shop"}


@shared
def test_function_url_enabled(shop):
    [config] = shop.danbi.client("lambda").list_function_url_configs(FunctionName="shop-dev")["FunctionUrlConfigs"]
    assert f"function URL address: {config['FunctionUrl']}" in shop.said
    got = shop.danbi.http("GET", config["FunctionUrl"] + "about", headers={"origin": "https://elsewhere.example"})
    assert json.loads(got.body)["path"] == "/about"
    assert got.headers["access-control-allow-origin"] == "*"
    assert shop.danbi.http("GET", config["FunctionUrl"] + "picture").body == bytes(range(256)) * 64


@shared
def test_a_scheduled_event(shop):
    assert shop.noted("schedule")[0] == {"kwargs": {"who": "the clock"}, "rule": "shop-dev-jobs.tick"}


@shared
def test_an_event_of_a_bucket(shop):
    s3 = shop.danbi.client("s3")
    s3.put_object(Bucket="shop-inbox", Key="in/no.csv", Body=b"")
    s3.put_object(Bucket="shop-inbox", Key="out/no.txt", Body=b"")
    s3.put_object(Bucket="shop-inbox", Key="in/yes.txt", Body=b"hello")
    assert shop.noted("s3") == [["ObjectCreated:Put", "in/yes.txt", 5]]


@shared
def test_an_event_of_a_topic(shop):
    sns = shop.danbi.client("sns")
    for kind in ("bad", "good"):
        sns.publish(TopicArn=shop.news, Message=f"{kind} news", MessageAttributes={"kind": {"DataType": "String", "StringValue": kind}})
    assert shop.noted("sns") == ["good news"]


@shared
def test_an_event_of_a_queue(shop):
    shop.needs_queues()
    assert "Created sqs event schedule for jobs.taken!" in shop.said
    shop.danbi.client("sqs").send_message(QueueUrl=shop.orders, MessageBody="two umbrellas")
    assert shop.noted("sqs") == ["two umbrellas"]


@shared
def test_an_event_of_a_stream(shop):
    # Zappa 0.63 asks for the mapping without a starting position, which AWS refuses, and goes on.
    assert "Problem creating dynamodb event schedule for jobs.changed!" in shop.said
    assert "startingPosition" in shop.said
    # A mapping made by hand finds the job that the settings name.
    shop.danbi.client("lambda").create_event_source_mapping(FunctionName="shop-dev", EventSourceArn=shop.stream, StartingPosition="TRIM_HORIZON")
    shop.danbi.client("dynamodb").put_item(TableName="stock", Item={"id": {"S": "umbrella"}})
    assert shop.noted("dynamodb") == [["INSERT", {"id": {"S": "umbrella"}}]]


@shared
def test_keep_warm(shop):
    rules = {rule["Name"]: rule["ScheduleExpression"] for rule in shop.danbi.client("events").list_rules()["Rules"]}
    assert rules == {"shop-dev-zappa-keep-warm-handler.keep_warm_callback": "rate(3 minutes)", "shop-dev-jobs.tick": "rate(2 minutes)"}
    # It calls the app, harmlessly; docs/compatibility.md says why nobody needs it. The schedule fires as often as it does.
    shop.danbi.wait_until(lambda: shop.noted("schedule"))
    logs = shop.danbi.client("logs")
    assert logs.filter_log_events(logGroupName="/aws/lambda/shop-dev", filterPattern='"keep_warm_callback" "Error"')["events"] == []


@shared
def test_async_response_table(shop):
    assert "DynamoDB table created: answers" in shop.said
    ttl = shop.danbi.client("dynamodb").describe_time_to_live(TableName="answers")["TimeToLiveDescription"]
    assert (ttl["AttributeName"], ttl["TimeToLiveStatus"]) == ("ttl", "ENABLED")
    status, started = answer(shop.danbi, "POST", shop.url + "/tasks/lambda")
    assert status == 202
    shop.danbi.wait_until(lambda: (shop.get("/answers/" + started["response_id"]) or {}).get("status") == "complete")
    assert shop.get("/answers/" + started["response_id"]) == {"status": "complete", "response": 5}


@shared
def test_async_source_sns(shop):
    assert "SNS Topic created: " + ACCOUNT.format(service="sns", name="shop-dev-zappa-async") in shop.said
    assert answer(shop.danbi, "POST", shop.url + "/tasks/sns")[0] == 202
    assert shop.noted("task_sns") == [5]


@shared
def test_dead_letter_arn(shop):
    shop.needs_queues()
    assert shop.configuration()["DeadLetterConfig"] == {"TargetArn": ACCOUNT.format(service="sqs", name="failures")}
    assert answer(shop.danbi, "POST", shop.url + "/tasks/fails")[0] == 202
    sqs = shop.danbi.client("sqs")
    [message] = sqs.receive_message(QueueUrl=shop.failures, WaitTimeSeconds=20, MessageAttributeNames=["All"])["Messages"]
    assert json.loads(message["Body"])["task_path"] == "jobs.fail"
    assert "cannot add 2 to 3" in message["MessageAttributes"]["ErrorMessage"]["StringValue"]


@shared
def test_num_retained_versions(shop):
    functions = shop.danbi.client("lambda")
    numbers = lambda: [version["Version"] for version in functions.list_versions_by_function(FunctionName="shop-dev")["Versions"]]  # noqa: E731
    shop.project.zappa("update", "dev")
    assert numbers() == ["$LATEST", "2"]
    assert shop.get("/about")["stage"] == "dev"
    assert shop.get("/variables/TASTE") == "sweet"


@shared
def test_undeploy_leaves_nothing_behind(shop):
    shop.project.zappa("undeploy", "dev", "--yes", "--remove-logs")
    client = shop.danbi.client
    assert client("lambda").list_functions()["Functions"] == []
    assert client("lambda").list_event_source_mappings()["EventSourceMappings"] == []
    assert client("events").list_rules()["Rules"] == []
    assert "LambdaFunctionConfigurations" not in client("s3").get_bucket_notification_configuration(Bucket="shop-inbox")
    assert client("sns").list_subscriptions()["Subscriptions"] == []
    assert [topic["TopicArn"] for topic in client("sns").list_topics()["Topics"]] == [shop.news]
    assert client("apigateway").get_rest_apis()["items"] == []
    assert client("cloudformation").describe_stacks()["Stacks"] == []
    assert client("s3").list_objects_v2(Bucket="shop-deployments")["KeyCount"] == 0
    assert client("logs").describe_log_groups()["logGroups"] == []


GUARD = """
def handler(event, context):
    effect = "Allow" if event["authorizationToken"] == "let me in" else "Deny"
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}
    return {"principalId": "guard", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
"""


def test_authorizer(danbi, tmp_path):
    shop = project(danbi, tmp_path, authorizer={"function": "jobs.authorize", "token_header": "X-Token", "result_ttl": 0}, touch=False)
    shop.zappa("deploy", "dev")
    url = shop.endpoint()
    ask = lambda **headers: answer(danbi, "GET", url + "/about", headers=headers)  # noqa: E731
    assert ask() == (401, {"message": "Unauthorized"})
    assert ask(**{"X-Token": "crash"}) == (401, {"message": "Unauthorized"})
    status, refused = ask(**{"X-Token": "please"})
    assert status == 403 and refused["Message"].startswith("User is not authorized to access this resource")
    status, about = ask(**{"X-Token": "open sesame"})
    assert (status, about["principal"]) == (200, "ali baba")

    # The same by the ARN of another function.
    guard = create(danbi.client("lambda"), "guard", python(GUARD))["FunctionArn"]
    shop.settings(authorizer={"arn": guard, "token_header": "X-Token", "result_ttl": 0, "validation_expression": "let.*"})
    shop.zappa("update", "dev", "--no-upload", "yes")
    assert ask(**{"X-Token": "open sesame"}) == (401, {"message": "Unauthorized"})
    assert ask(**{"X-Token": "let me go"})[0] == 403
    status, about = ask(**{"X-Token": "let me in"})
    assert (status, about["principal"]) == (200, "guard")


def signed(url):
    """Headers of a GET request that root has signed for the gateway."""
    request = AWSRequest("GET", url)
    SigV4Auth(Credentials(KEY_ID, SECRET), "execute-api", "us-east-1").add_auth(request)
    return dict(request.headers)


def test_api_key_required_then_iam_authorization_then_apigateway_policy(danbi, tmp_path):
    shop = project(danbi, tmp_path, api_key_required=True, touch=False)
    assert "Created a new x-api-key" in shop.zappa("deploy", "dev")
    url = shop.endpoint()
    gateway = danbi.client("apigateway")
    [key] = gateway.get_api_keys(includeValues=True)["items"]
    assert answer(danbi, "GET", url + "/about") == (403, {"message": "Forbidden"})
    assert answer(danbi, "GET", url + "/about", headers={"x-api-key": key["value"]})[0] == 200

    shop.settings(api_key_required=False, iam_authorization=True)
    shop.zappa("update", "dev", "--no-upload", "yes")
    assert answer(danbi, "GET", url + "/about") == (403, {"message": "Missing Authentication Token"})
    assert answer(danbi, "GET", url + "/about", headers=signed(url + "/about"))[0] == 200

    rules = [
        {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"},
        {"Effect": "Deny", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/dev/GET/variables/*"},
    ]
    (shop.folder / "policy.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": rules}))
    shop.settings(iam_authorization=None, apigateway_policy="policy.json")
    shop.zappa("update", "dev", "--no-upload", "yes")
    assert answer(danbi, "GET", url + "/about")[0] == 200
    status, refused = answer(danbi, "GET", url + "/variables/COLOUR")
    assert status == 403 and "with an explicit deny" in refused["Message"]

    shop.settings(api_key_required=True)
    shop.zappa("undeploy", "dev", "--yes")
    assert gateway.get_api_keys()["items"] == []


def test_manage_roles_false_with_a_role_and_an_api_key_of_ones_own(danbi, tmp_path):
    iam, gateway = danbi.client("iam"), danbi.client("apigateway")
    trust = {"Effect": "Allow", "Principal": {"Service": ["lambda.amazonaws.com", "apigateway.amazonaws.com"]}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName="my-own", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))["Role"]

    def may(*actions):
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
        iam.put_role_policy(RoleName="my-own", PolicyName="may", PolicyDocument=json.dumps(policy))

    may("lambda:InvokeFunction", "logs:*")
    table(danbi)
    key = gateway.create_api_key(name="mine", enabled=True)
    shop = project(danbi, tmp_path, manage_roles=False, role_name="my-own", api_key_required=True, api_key=key["id"], touch=False)
    shop.zappa("deploy", "dev")
    assert [role["RoleName"] for role in iam.list_roles()["Roles"]] == ["my-own"]
    assert danbi.client("lambda").get_function_configuration(FunctionName="shop-dev")["Role"] == role["Arn"]
    url = shop.endpoint()
    ask = lambda: answer(danbi, "GET", url + "/notes/any", headers={"x-api-key": key["value"]})  # noqa: E731
    assert ask()[0] == 500
    denied = "assumed-role/my-own/shop-dev is not authorized to perform: dynamodb:Query"
    assert shop.tail(denied)
    may("lambda:InvokeFunction", "logs:*", "dynamodb:Query")
    danbi.wait_until(lambda: ask() == (200, []))
    # The key is its owner's, so it stays.
    shop.zappa("undeploy", "dev", "--yes")
    assert [kept["id"] for kept in gateway.get_api_keys()["items"]] == [key["id"]]


def test_slim_handler(danbi, tmp_path):
    shop = project(danbi, tmp_path, slim_handler=True)
    shop.zappa("deploy", "dev")
    [archive] = danbi.client("s3").list_objects_v2(Bucket="shop-deployments")["Contents"]
    assert archive["Key"] == "dev_shop_current_project.tar.gz"
    status, about = answer(danbi, "GET", shop.endpoint() + "/about")
    assert (status, about["folder"]) == (200, "/tmp/shop")
    shop.zappa("undeploy", "dev", "--yes")
    assert danbi.client("s3").list_objects_v2(Bucket="shop-deployments")["KeyCount"] == 0


def test_snap_start(danbi, tmp_path):
    # SnapStart is for Python 3.12 and later; what is not installed runs on the nearest interpreter.
    shop = project(danbi, tmp_path, snap_start="PublishedVersions", runtime="python3.12", aws_environment_variables={"INSTANTIATE_LAMBDA_HANDLER_ON_IMPORT": "1"})
    functions = danbi.client("lambda")
    optimized = lambda: functions.get_function_configuration(FunctionName="shop-dev", Qualifier="snapstart")["SnapStart"]  # noqa: E731
    shop.zappa("deploy", "dev")
    assert optimized() == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"}
    url = shop.endpoint()
    status, about = answer(danbi, "GET", url + "/about")
    assert (status, about["began"]) == (200, "snap-start")

    page = shop.folder / "app.py"
    page.write_text(page.read_text().replace("a shop", "a better shop"))
    shop.zappa("update", "dev")
    assert optimized() == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"}
    assert answer(danbi, "GET", url + "/") == (200, "a better shop")
    shop.zappa("undeploy", "dev", "--yes")


def test_domain_base_path_and_certificate_arn(danbi, tmp_path):
    certificate = "arn:aws:acm:us-east-1:000000000000:certificate/12345678-1234-1234-1234-123456789012"
    shop = project(danbi, tmp_path, domain="shop.example.com", base_path="v1", certificate_arn=certificate)
    shop.zappa("deploy", "dev")
    # Names are not the platform's: asked to enter one into Route 53, it says what is not there.
    assert "(501) when calling the ListHostedZones operation" in shop.zappa("certify", "dev", "--yes", expect=255)
    shop.settings(route53_enabled=False)
    assert "Certificate updated!" in shop.zappa("certify", "dev", "--yes")
    at = lambda path: danbi.http("GET", "http://shop.example.com" + path)  # noqa: E731
    got = json.loads(at("/v1/about").body)
    assert (got["path"], got["root"]) == ("/about", "/v1")
    assert at("/v2/about").status == 403
    shop.zappa("undeploy", "dev", "--yes")
    assert at("/v1/about").status == 403
