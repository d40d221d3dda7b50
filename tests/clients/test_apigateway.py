"""REST APIs of API Gateway: made with boto3, called as a browser would."""

import json
import time

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from packages import create, python
from platform_under_test import KEY_ID, SECRET

REGION = "us-east-1"


def proxy_uri(function):
    return f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function}/invocations"


class Api:
    """A REST API under test, with short words for what most tests do."""

    def __init__(self, danbi, **more):
        self.danbi = danbi
        self.client = danbi.client("apigateway")
        made = self.client.create_rest_api(name="under-test", **more)
        self.id, self.root = made["id"], made["rootResourceId"]

    def resource(self, *parts):
        parent = self.root
        for part in parts:
            existing = self.client.get_resources(restApiId=self.id, limit=500)["items"]
            found = [r["id"] for r in existing if r.get("parentId") == parent and r.get("pathPart") == part]
            parent = found[0] if found else self.client.create_resource(restApiId=self.id, parentId=parent, pathPart=part)["id"]
        return parent

    def method(self, resource, name, **more):
        more = {"authorizationType": "NONE", **more}
        return self.client.put_method(restApiId=self.id, resourceId=resource, httpMethod=name, **more)

    def function(self, resource, name, function_arn, **more):
        """A method that a function answers."""
        self.method(resource, name, **more)
        self.client.put_integration(
            restApiId=self.id, resourceId=resource, httpMethod=name, type="AWS_PROXY", integrationHttpMethod="POST", uri=proxy_uri(function_arn)
        )

    def mock(self, resource, name, template='{"statusCode": 200}', responses=None, parameters=None, **more):
        """A method that answers by itself; `responses` are templates by status."""
        place = {"restApiId": self.id, "resourceId": resource, "httpMethod": name}
        self.method(resource, name, **more)
        self.client.put_integration(**place, type="MOCK", requestTemplates={"application/json": template})
        for status, (pattern, text) in (responses or {"200": ("", "")}).items():
            declared = {f"method.response.header.{name}": False for name in parameters or {}}
            mapped = {f"method.response.header.{name}": f"'{value}'" for name, value in (parameters or {}).items()}
            self.client.put_method_response(**place, statusCode=status, responseParameters=declared)
            self.client.put_integration_response(
                **place, statusCode=status, selectionPattern=pattern, responseTemplates={"application/json": text} if text else {}, responseParameters=mapped
            )

    def deploy(self, stage="dev", **more):
        return self.client.create_deployment(restApiId=self.id, stageName=stage, **more)["id"]

    def by_host(self, path, stage="dev"):
        port = self.danbi.url.rsplit(":", 1)[1]
        return f"http://{self.id}.execute-api.{REGION}.localhost:{port}/{stage}{path}"

    def by_path(self, path, stage="dev"):
        return f"{self.danbi.url}/_aws/execute-api/{self.id}/{stage}{path}"

    def call(self, method, path, body=None, headers=None, stage="dev"):
        return self.danbi.http(method, self.by_path(path, stage), body, headers or {})


def allow(danbi, function, api, path="*"):
    danbi.client("lambda").add_permission(
        FunctionName=function,
        StatementId=f"api-{api.id}",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:{REGION}:000000000000:{api.id}/{path}",
    )


ECHO = """
import json
def handler(event, context):
    return {"statusCode": 200, "body": json.dumps(event)}
"""


def echo(danbi, name="echo"):
    return create(danbi.client("lambda"), name, python(ECHO))["FunctionArn"]


def message(answer):
    return json.loads(answer.body)["message"]


def test_a_function_sees_the_event_that_aws_gives_it(danbi):
    arn = echo(danbi)
    api = Api(danbi)
    proxy = api.resource("{proxy+}")
    api.function(proxy, "ANY", arn)
    allow(danbi, "echo", api)
    deployment = api.deploy(variables={"color": "blue"})
    headers = {"Content-Type": "application/json;charset=utf-8", "X-Custom": "v", "User-Agent": "tests/1"}
    for url in (api.by_host, api.by_path):
        answer = danbi.http("POST", url("/a/b%2Bc/?price=10&category=books&price=20&q=a%20b+c"), b'{"message":"hi"}', headers)
        assert answer.status == 200, answer.body
        assert answer.headers["content-type"] == "application/json"
        for name in ("x-amzn-RequestId", "x-amz-apigw-id", "X-Amzn-Trace-Id"):
            assert answer.headers[name]
        event = json.loads(answer.body)
        assert list(event) == [
            "resource",
            "path",
            "httpMethod",
            "headers",
            "multiValueHeaders",
            "queryStringParameters",
            "multiValueQueryStringParameters",
            "pathParameters",
            "stageVariables",
            "requestContext",
            "body",
            "isBase64Encoded",
        ]
        assert (event["resource"], event["path"], event["httpMethod"]) == ("/{proxy+}", "/a/b%2Bc/", "POST")
        assert event["pathParameters"] == {"proxy": "a/b%2Bc"}
        assert event["queryStringParameters"] == {"category": "books", "price": "20", "q": "a b c"}
        assert event["multiValueQueryStringParameters"] == {"category": ["books"], "price": ["10", "20"], "q": ["a b c"]}
        assert event["stageVariables"] == {"color": "blue"}
        assert (event["body"], event["isBase64Encoded"]) == ('{"message":"hi"}', False)
        assert event["headers"]["Content-Type"] == headers["Content-Type"] and event["headers"]["X-Custom"] == "v"
        assert "Content-Length" not in event["headers"] and list(event["headers"]) == sorted(event["headers"])
        assert event["multiValueHeaders"] == {name: [value] for name, value in event["headers"].items()}
        assert event["headers"]["X-Forwarded-For"] == "127.0.0.1" and event["headers"]["X-Forwarded-Proto"] == "http"
        assert event["headers"]["X-Amzn-Trace-Id"].startswith("Root=1-")
        context = event["requestContext"]
        assert context["resourceId"] == proxy and context["resourcePath"] == "/{proxy+}" and context["httpMethod"] == "POST"
        assert context["path"] == "/dev/a/b%2Bc/" and context["stage"] == "dev" and context["protocol"] == "HTTP/1.1"
        assert context["accountId"] == "000000000000" and context["apiId"] == api.id and context["deploymentId"] == deployment
        assert context["requestId"] == answer.headers["x-amzn-RequestId"] and context["extendedRequestId"] == answer.headers["x-amz-apigw-id"]
        assert abs(context["requestTimeEpoch"] / 1000 - time.time()) < 60 and context["requestTime"].endswith(" +0000")
        identity = context["identity"]
        assert identity.pop("sourceIp") == "127.0.0.1" and identity.pop("userAgent") == "tests/1"
        assert set(identity.values()) == {None} and len(identity) == 10
    bare = json.loads(danbi.http("GET", api.by_host("/x")).body)
    assert bare["body"] is None and bare["queryStringParameters"] is None and bare["multiValueQueryStringParameters"] is None
    assert bare["requestContext"]["domainPrefix"] == api.id
    assert json.loads(danbi.http("GET", api.by_path("//x")).body)["requestContext"]["path"] == "/dev//x"


def test_answers_of_functions_and_their_faults(danbi):
    source = """
import json
def handler(event, context):
    if event["body"] == "boom":
        raise ValueError("boom")
    return json.loads(event["body"])
"""
    arn = create(danbi.client("lambda"), "mirror", python(source))["FunctionArn"]
    api = Api(danbi, binaryMediaTypes=["image/png"])
    api.function(api.root, "ANY", arn)
    allow(danbi, "mirror", api)
    api.deploy()

    def ask(document, **headers):
        return api.call("POST", "/", json.dumps(document).encode(), {"Content-Type": "application/json", **headers})

    full = ask({"statusCode": "201", "headers": {"X-A": "1", "X-Flag": True, "Server": "mine"}, "multiValueHeaders": {"X-M": ["a", "b"]}, "body": "text"})
    assert (full.status, full.body, full.headers["x-a"], full.headers["x-flag"]) == (201, b"text", "1", "true")
    assert full.headers["x-amzn-remapped-server"] == "mine" and full.headers.get_all("x-m") == ["a", "b"]
    assert ask({"statusCode": 200}).body == b""
    encoded = {"statusCode": 200, "body": "aGk=", "isBase64Encoded": True}
    assert ask(encoded).body == b"aGk=" and ask(encoded, Accept="image/png").body == b"hi"
    for wrong in ([], {"statusCode": 200, "wrong": 1}, {"statusCode": 200, "body": {}}, {"headers": {}}, None):
        answer = ask(wrong)
        assert (answer.status, message(answer)) == (502, "Internal server error")
        assert answer.headers["x-amzn-ErrorType"] == "InternalServerErrorException"
    failed = api.call("POST", "/", b"boom")
    assert (failed.status, message(failed)) == (502, "Internal server error")
    logs = danbi.client("logs")
    told = [event["message"] for event in logs.filter_log_events(logGroupName="/aws/lambda/mirror")["events"]]
    assert any("Malformed Lambda proxy response" in line for line in told)
    told = logs.filter_log_events(logGroupName=f"API-Gateway-Execution-Logs_{api.id}/dev")["events"]
    assert any("Method completed with status: 502" in event["message"] for event in told)


def test_what_is_refused_before_a_function_runs(danbi):
    arn = echo(danbi)
    api = Api(danbi)
    api.function(api.resource("only"), "GET", arn)
    api.deploy()
    denied = api.call("GET", "/only")
    assert (denied.status, message(denied)) == (500, "Internal server error")
    allow(danbi, "echo", api, "*/GET/only")
    assert api.call("GET", "/only").status == 200
    for method, path in (("GET", "/none"), ("POST", "/only"), ("GET", "/")):
        missing = api.call(method, path)
        assert (missing.status, message(missing)) == (403, "Missing Authentication Token")
        assert missing.headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"
    for url in (api.by_path("/only", "nostage"), danbi.url + "/_aws/execute-api/nosuchapi0/dev/only"):
        unknown = danbi.http("GET", url)
        assert (unknown.status, message(unknown)) == (403, "Forbidden")


def test_a_deployment_is_a_copy_that_nothing_changes(danbi):
    api = Api(danbi)
    api.mock(api.root, "GET", responses={"200": ("", "one")})
    first = api.deploy()
    place = {"restApiId": api.id, "resourceId": api.root, "httpMethod": "GET"}
    api.client.update_integration_response(
        **place, statusCode="200", patchOperations=[{"op": "replace", "path": "/responseTemplates/application~1json", "value": "two"}]
    )
    assert api.call("GET", "/").body == b"one"
    second = api.deploy()
    assert api.call("GET", "/").body == b"two"
    api.client.update_stage(restApiId=api.id, stageName="dev", patchOperations=[{"op": "replace", "path": "/deploymentId", "value": first}])
    assert api.call("GET", "/").body == b"one"
    with pytest.raises(ClientError, match="Active stages pointing to this deployment must be moved or deleted"):
        api.client.delete_deployment(restApiId=api.id, deploymentId=first)
    api.client.delete_deployment(restApiId=api.id, deploymentId=second)
    summary = api.client.get_deployment(restApiId=api.id, deploymentId=first, embed=["apisummary"])["apiSummary"]
    assert summary == {"/": {"GET": {"authorizationType": "NONE", "apiKeyRequired": False}}}


def test_cross_origin_answers_as_frameworks_set_them_up(danbi):
    api = Api(danbi)
    cors = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "GET,OPTIONS", "Access-Control-Allow-Headers": "Content-Type"}
    api.mock(api.resource("r"), "OPTIONS", parameters=cors)
    client = api.client
    client.put_gateway_response(
        restApiId=api.id, responseType="DEFAULT_4XX", responseParameters={"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"}
    )
    api.deploy()
    answer = api.call("OPTIONS", "/r", headers={"Origin": "http://x", "Access-Control-Request-Method": "GET"})
    assert (answer.status, answer.body) == (200, b"") and {name: answer.headers[name] for name in cors} == cors
    refused = api.call("GET", "/nothing")
    assert refused.status == 403 and refused.headers["Access-Control-Allow-Origin"] == "*"


def test_templates_turn_requests_and_answers_round(danbi):
    api = Api(danbi)
    template = '{"statusCode": #if($input.params("fail") == "yes")500#{else}200#end}'
    good = """#set($in = $input.params())
{"id": "$input.params('id')", "stage": "$context.stage", "upper": "$input.params('q').toUpperCase()",
"names": [#foreach($n in $in.querystring.keySet())"$n"#if($foreach.hasNext),#end#end], "var": "$stageVariables.v"}"""
    bad = '#set($context.responseOverride.status = 418)#set($context.responseOverride.header.X-Why = "because"){"failed": true}'
    api.mock(api.resource("things", "{id}"), "GET", template, {"200": ("", good), "500": ("5\\d{2}", bad)})
    api.deploy(variables={"v": "1"})
    answer = api.call("GET", "/things/7?q=abc")
    assert json.loads(answer.body) == {"id": "7", "stage": "dev", "upper": "ABC", "names": ["q"], "var": "1"}
    failed = api.call("GET", "/things/7?fail=yes")
    assert (failed.status, failed.headers["X-Why"], json.loads(failed.body)) == (418, "because", {"failed": True})


def test_functions_behind_templates_and_selection_patterns(danbi):
    source = """
def handler(event, context):
    if event.get("fail"):
        raise Exception("Error: customerror happened")
    return {"got": event}
"""
    arn = create(danbi.client("lambda"), "custom", python(source))["FunctionArn"]
    api = Api(danbi)
    place = {"restApiId": api.id, "resourceId": api.root, "httpMethod": "POST"}
    api.method(api.root, "POST")
    api.client.put_integration(
        **place,
        type="AWS",
        integrationHttpMethod="POST",
        uri=proxy_uri(arn),
        passthroughBehavior="NEVER",
        requestTemplates={"application/json": '{"fail": $input.json("$.fail"), "who": "$util.escapeJavaScript($input.path(\'$.who\'))"}'},
    )
    for status in ("200", "400"):
        api.client.put_method_response(**place, statusCode=status)
    api.client.put_integration_response(**place, statusCode="200")
    api.client.put_integration_response(
        **place,
        statusCode="400",
        selectionPattern=".*customerror.*",
        responseTemplates={"application/json": '{"why": "$input.path(\'$.errorMessage\')"}'},
    )
    allow(danbi, "custom", api)
    api.deploy()
    good = api.call("POST", "/", b'{"fail": false, "who": "Zo\\u00eb"}', {"Content-Type": "application/json"})
    assert (good.status, json.loads(good.body)) == (200, {"got": {"fail": False, "who": "Zoë"}})
    bad = api.call("POST", "/", b'{"fail": true, "who": "x"}', {"Content-Type": "application/json"})
    assert (bad.status, json.loads(bad.body)) == (400, {"why": "Error: customerror happened"})
    unsupported = api.call("POST", "/", b"<a/>", {"Content-Type": "application/xml"})
    assert (unsupported.status, message(unsupported)) == (415, "Unsupported Media Type")


def test_bodies_and_parameters_are_validated(danbi):
    api = Api(danbi)
    client = api.client
    schema = {"title": "Pet", "type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}
    client.create_model(restApiId=api.id, name="Pet", contentType="application/json", schema=json.dumps(schema))
    validator = client.create_request_validator(restApiId=api.id, name="all", validateRequestBody=True, validateRequestParameters=True)["id"]
    api.mock(
        api.root,
        "POST",
        responses={"200": ("", "fine")},
        requestValidatorId=validator,
        requestModels={"application/json": "Pet"},
        requestParameters={"method.request.querystring.q": True, "method.request.header.X-Opt": False},
    )
    api.deploy()
    json_type = {"Content-Type": "application/json"}
    assert api.call("POST", "/?q=1", b'{"name": "Rex", "age": 3}', json_type).body == b"fine"
    missing = api.call("POST", "/", b'{"name": "Rex"}', json_type)
    assert (missing.status, message(missing)) == (400, "Missing required request parameters: [q]")
    for wrong in (b'{"age": 3}', b'{"name": 1}', b"no json", b""):
        refused = api.call("POST", "/?q=1", wrong, json_type)
        assert (refused.status, message(refused)) == (400, "Invalid request body")
    with pytest.raises(ClientError, match="Cannot delete model 'Pet', is referenced in method request: //POST"):
        client.delete_model(restApiId=api.id, modelName="Pet")


AUTHORIZER = """
calls = 0
def handler(event, context):
    global calls
    calls += 1
    token = event.get("authorizationToken") or event["headers"]["X-Token"]
    if token == "nobody":
        raise Exception("Unauthorized")
    if token == "broken":
        raise Exception("other")
    if token == "odd":
        return {"principalId": "p"}
    effect = {"yes": "Allow", "no": "Deny"}[token]
    arn = event["methodArn"].rsplit("/", 1)[0] + "/*"
    statement = {"Effect": effect, "Action": "execute-api:Invoke", "Resource": arn}
    return {
        "principalId": "me",
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {"calls": calls, "flag": True, "kind": event["type"]},
    }
"""


def test_authorizer_functions(danbi):
    functions = danbi.client("lambda")
    authorizer = create(functions, "authorizer", python(AUTHORIZER))["FunctionArn"]
    arn = echo(danbi)
    api = Api(danbi)
    client = api.client
    allow(danbi, "echo", api)
    allow(danbi, "authorizer", api, "authorizers/*")
    token = client.create_authorizer(
        restApiId=api.id,
        name="token",
        type="TOKEN",
        authorizerUri=proxy_uri(authorizer),
        identitySource="method.request.header.Authorization",
        identityValidationExpression="[a-z]+",
    )["id"]
    request = client.create_authorizer(
        restApiId=api.id, name="request", type="REQUEST", authorizerUri=proxy_uri(authorizer), identitySource="method.request.header.X-Token", authorizerResultTtlInSeconds=0
    )["id"]
    api.function(api.resource("t"), "GET", arn, authorizationType="CUSTOM", authorizerId=token)
    api.function(api.resource("r"), "GET", arn, authorizationType="CUSTOM", authorizerId=request)
    api.deploy()

    def ask(path, header, value):
        return api.call("GET", path, headers={header: value} if value else {})

    first = json.loads(ask("/t", "Authorization", "yes").body)["requestContext"]["authorizer"]
    assert first["principalId"] == "me" and first["flag"] == "true" and first["kind"] == "TOKEN"
    again = json.loads(ask("/t", "Authorization", "yes").body)["requestContext"]["authorizer"]
    assert again["calls"] == first["calls"], "the answer is kept for its time"
    one = json.loads(ask("/r", "X-Token", "yes").body)["requestContext"]["authorizer"]["calls"]
    two = json.loads(ask("/r", "X-Token", "yes").body)["requestContext"]["authorizer"]["calls"]
    assert two != one, "an answer with a time to live of 0 is not kept"
    denied = ask("/t", "Authorization", "no")
    assert denied.status == 403
    assert json.loads(denied.body) == {"Message": "User is not authorized to access this resource with an explicit deny"}
    for value in (None, "1234", "nobody"):
        refused = ask("/t", "Authorization", value)
        assert (refused.status, message(refused)) == (401, "Unauthorized")
    for value in ("broken", "odd"):
        failed = ask("/t", "Authorization", value)
        assert (failed.status, message(failed)) == (500, None)
    tried = client.test_invoke_authorizer(restApiId=api.id, authorizerId=token, headers={"Authorization": "yes"})
    assert tried["principalId"] == "me" and tried["clientStatus"] == 0


def signed(method, url):
    request = AWSRequest(method, url)
    SigV4Auth(Credentials(KEY_ID, SECRET), "execute-api", REGION).add_auth(request)
    return dict(request.headers)


def test_signed_calls_and_policies_of_apis(danbi):
    arn = echo(danbi)
    api = Api(danbi)
    api.function(api.resource("iam"), "GET", arn, authorizationType="AWS_IAM")
    allow(danbi, "echo", api)
    api.deploy()
    url = api.by_path("/iam")
    unsigned = danbi.http("GET", url)
    assert (unsigned.status, message(unsigned)) == (403, "Missing Authentication Token")
    answer = danbi.http("GET", url, None, signed("GET", url))
    assert answer.status == 200
    assert json.loads(answer.body)["requestContext"]["identity"]["userArn"] == "arn:aws:iam::000000000000:root"
    forged = signed("GET", url)
    forged["Authorization"] = forged["Authorization"][:-4] + "0000"
    assert danbi.http("GET", url, None, forged).status == 403
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/dev/GET/open"}]}
    other = Api(danbi, policy=json.dumps(policy))
    for name in ("open", "shut"):
        other.mock(other.resource(name), "GET")
    other.deploy()
    assert other.call("GET", "/open").status == 200
    shut = other.call("GET", "/shut")
    assert shut.status == 403 and "is not authorized to perform: execute-api:Invoke on resource" in json.loads(shut.body)["Message"]


def test_keys_plans_throttles_and_quotas(danbi):
    api = Api(danbi)
    client = api.client
    api.mock(api.root, "GET", apiKeyRequired=True)
    api.deploy()
    key = client.create_api_key(name="k", enabled=True)
    assert message(api.call("GET", "/")) == "Forbidden"
    assert api.call("GET", "/", headers={"x-api-key": key["value"]}).status == 403
    plan = client.create_usage_plan(name="p", apiStages=[{"apiId": api.id, "stage": "dev"}], quota={"limit": 3, "period": "MONTH"})["id"]
    client.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
    statuses = [api.call("GET", "/", headers={"x-api-key": key["value"]}).status for _ in range(3)]
    assert statuses == [200, 200, 200]
    over = api.call("GET", "/", headers={"x-api-key": key["value"]})
    assert (over.status, message(over)) == (429, "Limit Exceeded")
    today = time.strftime("%Y-%m-%d", time.gmtime())
    usage = client.get_usage(usagePlanId=plan, startDate=today, endDate=today)["items"]
    assert usage == {key["id"]: [[3, 0]]}
    # A commit that is durable makes durable what was counted before.
    client.update_api_key(apiKey=key["id"], patchOperations=[{"op": "replace", "path": "/description", "value": "d"}])
    danbi.kill_9()
    danbi.start()
    assert api.call("GET", "/", headers={"x-api-key": key["value"]}).status == 429, "the count survives"
    client.update_usage(usagePlanId=plan, keyId=key["id"], patchOperations=[{"op": "replace", "path": "/remaining", "value": "100"}])
    assert api.call("GET", "/", headers={"x-api-key": key["value"]}).status == 200
    operations = [{"op": "add", "path": "/throttle/rateLimit", "value": "0.001"}, {"op": "add", "path": "/throttle/burstLimit", "value": "1"}]
    client.update_usage_plan(usagePlanId=plan, patchOperations=operations)
    assert api.call("GET", "/", headers={"x-api-key": key["value"]}).status == 200
    fast = api.call("GET", "/", headers={"x-api-key": key["value"]})
    assert (fast.status, message(fast)) == (429, "Too Many Requests")


def test_a_stage_throttles_its_methods(danbi):
    api = Api(danbi)
    api.mock(api.root, "GET")
    api.deploy()
    operations = [
        {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": "0.001"},
        {"op": "replace", "path": "/*/*/throttling/burstLimit", "value": "1"},
    ]
    api.client.update_stage(restApiId=api.id, stageName="dev", patchOperations=operations)
    assert [api.call("GET", "/").status for _ in range(2)] == [200, 429]


def test_other_services_behind_an_api(danbi):
    danbi.client("iam").create_role(
        RoleName="api-role",
        AssumeRolePolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
        ),
    )
    danbi.client("iam").put_role_policy(
        RoleName="api-role",
        PolicyName="tables",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*"}]}),
    )
    tables = danbi.client("dynamodb")
    tables.create_table(
        TableName="pets", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}], AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}], BillingMode="PAY_PER_REQUEST"
    )
    tables.put_item(TableName="pets", Item={"id": {"S": "7"}, "name": {"S": "Rex"}})
    api = Api(danbi)
    resource = api.resource("pets", "{id}")
    for method, action in (("GET", "GetItem"), ("DELETE", "DeleteItem")):
        place = {"restApiId": api.id, "resourceId": resource, "httpMethod": method}
        api.method(resource, method)
        api.client.put_integration(
            **place,
            type="AWS",
            integrationHttpMethod="POST",
            uri=f"arn:aws:apigateway:{REGION}:dynamodb:action/{action}",
            credentials="arn:aws:iam::000000000000:role/api-role",
            requestTemplates={"application/json": '{"TableName": "pets", "Key": {"id": {"S": "$input.params(\'id\')"}}}'},
        )
        api.client.put_method_response(**place, statusCode="200")
        api.client.put_method_response(**place, statusCode="403")
        api.client.put_integration_response(**place, statusCode="200", responseTemplates={"application/json": '{"name": "$input.path(\'$.Item.name.S\')"}'})
        api.client.put_integration_response(**place, statusCode="403", selectionPattern="4\\d{2}")
    api.deploy()
    assert json.loads(api.call("GET", "/pets/7").body) == {"name": "Rex"}
    refused = api.call("DELETE", "/pets/7")
    assert refused.status == 403 and b"AccessDeniedException" in refused.body


def test_http_backends(danbi):
    functions = danbi.client("lambda")
    create(functions, "backend", python(ECHO))
    url = functions.create_function_url_config(FunctionName="backend", AuthType="NONE")["FunctionUrl"]
    functions.add_permission(FunctionName="backend", StatementId="public", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE")
    url_id = url.split("//")[1].split(".")[0]
    backend = f"{danbi.url}/_aws/lambda-url/{url_id}/base"
    api = Api(danbi)
    resource = api.resource("{proxy+}")
    place = {"restApiId": api.id, "resourceId": resource, "httpMethod": "ANY"}
    api.method(resource, "ANY", requestParameters={"method.request.path.proxy": True})
    api.client.put_integration(
        **place,
        type="HTTP_PROXY",
        integrationHttpMethod="ANY",
        uri=backend + "/{proxy}",
        requestParameters={"integration.request.path.proxy": "method.request.path.proxy", "integration.request.header.X-Static": "'s'"},
    )
    for name, target in (("metadata", "http://169.254.169.254/latest/meta-data"), ("ssh", "http://127.0.0.1:22/")):
        closed = api.resource(name)
        api.method(closed, "GET")
        api.client.put_integration(restApiId=api.id, resourceId=closed, httpMethod="GET", type="HTTP_PROXY", integrationHttpMethod="GET", uri=target)
    api.deploy()
    answer = api.call("PUT", "/a/b?x=1", b"body", {"X-Mine": "m"})
    assert answer.status == 200, answer.body
    event = json.loads(answer.body)
    assert event["rawPath"] == "/base/a/b" and event["queryStringParameters"] == {"x": "1"} and event["requestContext"]["http"]["method"] == "PUT"
    assert event["headers"]["x-static"] == "s" and event["headers"]["x-mine"] == "m" and event["headers"]["x-amzn-apigateway-api-id"] == api.id
    assert answer.headers["x-amzn-remapped-content-length"]
    for name in ("metadata", "ssh"):
        refused = api.call("GET", f"/{name}")
        assert (refused.status, message(refused)) == (500, "Internal server error")


def test_custom_domains(danbi):
    api = Api(danbi)
    api.mock(api.resource("who"), "GET", responses={"200": ("", '"$context.path $context.domainName"')})
    api.deploy("prod")
    client = api.client
    client.create_domain_name(domainName="api.example.test", regionalCertificateArn="arn:aws:acm:us-east-1:000000000000:certificate/x", endpointConfiguration={"types": ["REGIONAL"]})
    client.create_base_path_mapping(domainName="api.example.test", basePath="v1", restApiId=api.id, stage="prod")

    def at(path):
        return danbi.http("GET", danbi.url + path, None, {"Host": "api.example.test"})

    assert json.loads(at("/v1/who").body) == "/v1/who api.example.test"
    assert at("/who").status == 403
    client.create_base_path_mapping(domainName="api.example.test", restApiId=api.id, stage="prod")
    assert json.loads(at("/who").body) == "/who api.example.test"
    listed = client.get_base_path_mappings(domainName="api.example.test")["items"]
    assert sorted(mapping["basePath"] for mapping in listed) == ["(none)", "v1"]
    client.delete_domain_name(domainName="api.example.test")
    assert at("/v1/who").status != 200


OPENAPI = """
openapi: 3.0.1
info: {title: Pets, version: "1.0"}
x-amazon-apigateway-request-validators:
  all: {validateRequestBody: true, validateRequestParameters: true}
x-amazon-apigateway-request-validator: all
x-amazon-apigateway-gateway-responses:
  MISSING_AUTHENTICATION_TOKEN: {statusCode: 404, responseTemplates: {application/json: '{"gone": true}'}}
paths:
  /pets/{id}:
    get:
      parameters:
        - {name: id, in: path, required: true, schema: {type: string}}
        - {name: verbose, in: query, required: true, schema: {type: string}}
      responses:
        "200": {description: ok, content: {application/json: {schema: {$ref: '#/components/schemas/Pet'}}}}
      x-amazon-apigateway-integration:
        type: mock
        requestTemplates: {application/json: '{"statusCode": 200}'}
        responses:
          default: {statusCode: "200", responseTemplates: {application/json: '{"id": "$input.params("id")"}'}}
components:
  schemas:
    Pet: {type: object, properties: {id: {type: string}}}
"""


def test_openapi_goes_in_and_comes_out(danbi):
    client = danbi.client("apigateway")
    made = client.import_rest_api(body=OPENAPI.encode())
    assert made["name"] == "Pets" and made["version"] == "1.0"
    client.create_deployment(restApiId=made["id"], stageName="dev")
    url = f"{danbi.url}/_aws/execute-api/{made['id']}/dev"
    assert json.loads(danbi.http("GET", url + "/pets/7?verbose=1").body) == {"id": "7"}
    assert danbi.http("GET", url + "/pets/7").status == 400
    gone = danbi.http("GET", url + "/none")
    assert (gone.status, json.loads(gone.body)) == (404, {"gone": True})
    exported = client.get_export(restApiId=made["id"], stageName="dev", exportType="oas30", parameters={"extensions": "apigateway"}, accepts="application/json")
    document = json.loads(exported["body"].read())
    assert document["info"]["title"] == "Pets" and list(document["paths"]) == ["/pets/{id}"]
    again = client.import_rest_api(body=json.dumps(document).encode())
    client.create_deployment(restApiId=again["id"], stageName="dev")
    assert json.loads(danbi.http("GET", f"{danbi.url}/_aws/execute-api/{again['id']}/dev/pets/8?verbose=1").body) == {"id": "8"}
    swagger = json.loads(client.get_export(restApiId=made["id"], stageName="dev", exportType="swagger")["body"].read())
    assert swagger["swagger"] == "2.0" and swagger["paths"]["/pets/{id}"]["get"]["responses"]["200"]["schema"] == {"$ref": "#/definitions/Pet"}
    for wrong in (b"{", b"[]", b"text"):
        with pytest.raises(ClientError, match="Invalid OpenAPI input."):
            client.put_rest_api(restApiId=made["id"], mode="overwrite", body=wrong)


def test_logs_of_calls(danbi):
    api = Api(danbi)
    api.mock(api.root, "GET")
    api.deploy()
    operations = [
        {"op": "replace", "path": "/accessLogSettings/destinationArn", "value": f"arn:aws:logs:{REGION}:000000000000:log-group:access"},
        {"op": "replace", "path": "/accessLogSettings/format", "value": '{"id":"$context.requestId","status":"$context.status","ip":"$context.identity.sourceIp"}'},
        {"op": "replace", "path": "/*/*/logging/loglevel", "value": "INFO"},
    ]
    api.client.update_stage(restApiId=api.id, stageName="dev", patchOperations=operations)
    answer = api.call("GET", "/")
    logs = danbi.client("logs")
    [line] = [json.loads(event["message"]) for event in logs.filter_log_events(logGroupName="access")["events"]]
    assert line == {"id": answer.headers["x-amzn-RequestId"], "status": "200", "ip": "127.0.0.1"}
    told = logs.filter_log_events(logGroupName=f"API-Gateway-Execution-Logs_{api.id}/dev")["events"]
    assert any("Method completed with status: 200" in event["message"] for event in told)


def test_test_invocations(danbi):
    api = Api(danbi)
    resource = api.resource("pets")
    api.mock(resource, "GET", responses={"200": ("", '{"pets": "$input.params("kind")"}')})
    tried = api.client.test_invoke_method(restApiId=api.id, resourceId=resource, httpMethod="GET", pathWithQueryString="/pets?kind=all")
    assert (tried["status"], json.loads(tried["body"])) == (200, {"pets": "all"})
    assert tried["headers"]["Content-Type"] == "application/json" and tried["multiValueHeaders"]["Content-Type"] == ["application/json"]
    for part in ("Execution log for request", "Starting execution for request: ", "Method request query string: {kind=all}", "Successfully completed execution"):
        assert part in tried["log"]


def test_the_words_of_refusals(danbi):
    api = Api(danbi)
    client = api.client
    with pytest.raises(ClientError) as error:
        client.get_rest_api(restApiId="nosuch")
    assert error.value.response["Error"] == {"Code": "NotFoundException", "Message": "Invalid API identifier specified 000000000000:nosuch"}
    pets = api.resource("pets")
    with pytest.raises(ClientError, match="Another resource with the same parent already has this name: pets") as error:
        client.create_resource(restApiId=api.id, parentId=api.root, pathPart="pets")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
    with pytest.raises(ClientError, match="The REST API doesn't contain any methods"):
        api.deploy()
    api.method(pets, "GET")
    with pytest.raises(ClientError, match="No integration defined for method"):
        api.deploy()
    with pytest.raises(ClientError, match=r"Invalid patch path  '/invalid' specified for op 'replace'. Must be one of: \[/parentId, /pathPart\]"):
        client.update_resource(restApiId=api.id, resourceId=pets, patchOperations=[{"op": "replace", "path": "/invalid", "value": "x"}])
    with pytest.raises(ClientError, match="Integrations of type 'AWS_PROXY' currently only supports Lambda function"):
        client.put_integration(
            restApiId=api.id, resourceId=pets, httpMethod="GET", type="AWS_PROXY", integrationHttpMethod="POST", uri=f"arn:aws:apigateway:{REGION}:s3:path/b"
        )
    patched = client.update_rest_api(
        restApiId=api.id,
        patchOperations=[
            {"op": "add", "path": "/binaryMediaTypes/image~1png"},
            {"op": "replace", "path": "/minimumCompressionSize", "value": "10"},
            {"op": "replace", "path": "/name", "value": "renamed"},
        ],
    )
    assert (patched["name"], patched["binaryMediaTypes"], patched["minimumCompressionSize"], patched["tags"]) == ("renamed", ["image/png"], 10, {})
    arn = f"arn:aws:apigateway:{REGION}::/restapis/{api.id}"
    client.tag_resource(resourceArn=arn, tags={"a": "b"})
    assert client.get_tags(resourceArn=arn)["tags"] == {"a": "b"}
    pages = client.get_paginator("get_resources").paginate(restApiId=api.id, PaginationConfig={"PageSize": 1})
    assert sorted(item["path"] for page in pages for item in page["items"]) == ["/", "/pets"]
    client.delete_rest_api(restApiId=api.id)
    with pytest.raises(ClientError, match="Invalid API identifier specified"):
        client.get_resources(restApiId=api.id)


def test_everything_is_there_after_a_crash(danbi):
    arn = echo(danbi)
    api = Api(danbi)
    api.function(api.root, "GET", arn)
    allow(danbi, "echo", api)
    api.deploy(variables={"v": "1"})
    before = api.client.get_stages(restApiId=api.id)["item"]
    danbi.kill_9()
    danbi.start()
    assert api.client.get_stages(restApiId=api.id)["item"] == before
    assert json.loads(api.call("GET", "/").body)["stageVariables"] == {"v": "1"}
