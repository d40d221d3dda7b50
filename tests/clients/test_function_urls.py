"""Function URLs: what a browser or curl sees."""

import json

import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from packages import create, python, updated, zipped
from platform_under_test import KEY_ID, SECRET

EVENT = "def handler(event, context):\n    return event\n"


def open_url(client, name, **more):
    """Gives function `name` a URL for everyone."""
    made = client.create_function_url_config(FunctionName=name, AuthType="NONE", **more)
    client.add_permission(FunctionName=name, StatementId="public", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE")
    return made["FunctionUrl"]


def by_path(danbi, url, rest):
    """The same function URL for a client that cannot resolve its host name."""
    url_id = url.split("//")[1].split(".")[0]
    return f"{danbi.url}/_aws/lambda-url/{url_id}{rest}"


def test_the_event_has_payload_format_2(danbi):
    client = danbi.client("lambda")
    create(client, "event", python(EVENT))
    url = open_url(client, "event")
    answer = danbi.http("POST", url + "a/b%20c?x=1&x=2&y=%26", b"hello", {"Cookie": "k=v; l=w", "X-One": "1", "Content-Type": "text/plain"})
    assert answer.status == 200 and answer.headers["content-type"] == "application/json"
    event = json.loads(answer.body)
    assert event["version"] == "2.0" and event["routeKey"] == "$default"
    assert event["rawPath"] == "/a/b c" or event["rawPath"] == "/a/b%20c"
    assert event["rawQueryString"] == "x=1&x=2&y=%26"
    assert event["queryStringParameters"] == {"x": "1,2", "y": "&"}
    assert event["cookies"] == ["k=v", "l=w"] and event["headers"]["x-one"] == "1"
    assert event["body"] == "hello" and event["isBase64Encoded"] is False
    http = event["requestContext"]["http"]
    assert (http["method"], http["sourceIp"], http["protocol"]) == ("POST", "127.0.0.1", "HTTP/1.1")
    assert answer.headers["x-amzn-RequestId"]
    assert json.loads(danbi.http("POST", by_path(danbi, url, "/p"), b"\xff\xfe", {"Content-Type": "image/png"}).body)["isBase64Encoded"] is True


def test_the_answer_in_all_its_forms(danbi):
    client = danbi.client("lambda")
    source = """
import json
def handler(event, context):
    return json.loads(event['body'])
"""
    create(client, "mirror", python(source))
    url = open_url(client, "mirror")

    def ask(document):
        return danbi.http("POST", url, json.dumps(document), {"Content-Type": "application/json"})

    full = ask({"statusCode": 201, "headers": {"X-A": "b", "Content-Type": "text/plain"}, "cookies": ["a=1; Secure", "b=2"], "body": "aGk=", "isBase64Encoded": True})
    assert (full.status, full.body, full.headers["x-a"]) == (201, b"hi", "b")
    assert full.headers.get_all("set-cookie") == ["a=1; Secure", "b=2"]
    inferred = ask({"plain": True})
    assert (inferred.status, json.loads(inferred.body)) == (200, {"plain": True})
    assert ask("text").body == b'"text"' or ask("text").body == b"text"
    assert ask({"statusCode": "not a number"}).status == 502


def test_a_failing_function_is_a_502(danbi):
    client = danbi.client("lambda")
    create(client, "bad", python("def handler(e, c):\n    raise ValueError('secret detail')\n"))
    url = open_url(client, "bad")
    answer = danbi.http("GET", url)
    assert answer.status == 502 and b"secret detail" not in answer.body
    assert danbi.http("GET", url.replace("//", "//x", 1)).status in (403, 404)


def test_without_permission_it_is_forbidden(danbi):
    client = danbi.client("lambda")
    create(client, "closed")
    url = client.create_function_url_config(FunctionName="closed", AuthType="NONE")["FunctionUrl"]
    assert danbi.http("GET", url).status == 403
    client.add_permission(FunctionName="closed", StatementId="public", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE")
    assert danbi.http("GET", url).status == 200
    client.delete_function_url_config(FunctionName="closed")
    assert danbi.http("GET", url).status in (403, 404)


def test_iam_urls_want_a_signature(danbi):
    client = danbi.client("lambda")
    create(client, "signed")
    url = client.create_function_url_config(FunctionName="signed", AuthType="AWS_IAM")["FunctionUrl"]
    assert danbi.http("GET", url).status == 403

    def signed(secret):
        request = AWSRequest("GET", url, headers={"Host": url.split("//")[1].strip("/")})
        credentials = botocore.session.Session()
        credentials.set_credentials(KEY_ID, secret)
        SigV4Auth(credentials.get_credentials(), "lambda", "us-east-1").add_auth(request)
        return danbi.http("GET", url, headers=dict(request.headers))

    assert signed(SECRET).status == 200
    assert signed("wrong" + SECRET[5:]).status == 403


def test_cors_is_answered_by_the_platform(danbi):
    client = danbi.client("lambda")
    create(client, "cors", python("def handler(e, c):\n    return {'statusCode': 200, 'body': 'ok'}\n"))
    cors = {"AllowOrigins": ["https://a.example"], "AllowMethods": ["GET", "PUT"], "AllowHeaders": ["x-key"], "MaxAge": 60, "AllowCredentials": True, "ExposeHeaders": ["x-shown"]}
    url = open_url(client, "cors", Cors=cors)
    ask = {"Origin": "https://a.example", "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-key"}
    preflight = danbi.http("OPTIONS", url, headers=ask)
    assert preflight.status == 200
    assert preflight.headers["access-control-allow-origin"] == "https://a.example"
    assert "PUT" in preflight.headers["access-control-allow-methods"]
    assert preflight.headers["access-control-allow-headers"] == "x-key"
    assert preflight.headers["access-control-max-age"] == "60"
    assert preflight.headers["access-control-allow-credentials"] == "true"
    actual = danbi.http("GET", url, headers={"Origin": "https://a.example"})
    assert (actual.status, actual.headers["access-control-allow-origin"]) == (200, "https://a.example")
    other = danbi.http("GET", url, headers={"Origin": "https://b.example"})
    assert other.headers["access-control-allow-origin"] is None


def test_streaming_reaches_the_client_as_it_is_written(danbi):
    client = danbi.client("lambda")
    source = """
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  stream = awslambda.HttpResponseStream.from(stream, { statusCode: 203, headers: { 'content-type': 'text/x-drops' }, cookies: ['c=1'] });
  for (const drop of ['one', 'two', 'three']) { stream.write(drop); await new Promise(r => setTimeout(r, 20)); }
  stream.end();
});
"""
    create(client, "drops", zipped({"index.js": source}), Runtime="nodejs20.x", Handler="index.handler", Timeout=10)
    url = open_url(client, "drops", InvokeMode="RESPONSE_STREAM")
    answer = danbi.http("GET", url)
    assert (answer.status, answer.body) == (203, b"onetwothree")
    assert answer.headers["content-type"] == "text/x-drops" and answer.headers["set-cookie"] == "c=1"


def test_a_url_on_an_alias_follows_it(danbi):
    client = danbi.client("lambda")
    create(client, "app", python("def handler(e, c):\n    return 'one'\n"))
    client.publish_version(FunctionName="app")
    client.create_alias(FunctionName="app", Name="live", FunctionVersion="1")
    url = client.create_function_url_config(FunctionName="app", Qualifier="live", AuthType="NONE")["FunctionUrl"]
    client.add_permission(FunctionName="app", Qualifier="live", StatementId="public", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE")
    assert b"one" in danbi.http("GET", url).body
    client.update_function_code(FunctionName="app", ZipFile=python("def handler(e, c):\n    return 'two'\n"))
    updated(client, "app")
    client.publish_version(FunctionName="app")
    assert b"one" in danbi.http("GET", url).body
    client.update_alias(FunctionName="app", Name="live", FunctionVersion="2")
    assert b"two" in danbi.http("GET", url).body
    configs = client.list_function_url_configs(FunctionName="app")["FunctionUrlConfigs"]
    assert [c["FunctionUrl"] for c in configs] == [url]
    assert client.get_function_url_config(FunctionName="app", Qualifier="live")["AuthType"] == "NONE"
