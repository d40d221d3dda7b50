"""Attacks on who may do what: resource policies, passed roles, links that expire, signatures in a query."""

import json
import urllib.parse

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from packages import create, python
from platform_under_test import KEY_ID, SECRET
from test_unprivileged import client_with

LEAK = "import os\ndef handler(e, c):\n    return [os.environ[k] for k in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN')]\n"
ROLE = "arn:aws:iam::000000000000:role/lambda-role"


def session_of(danbi, name):
    client = danbi.client("lambda")
    create(client, name, python(LEAK))
    return json.loads(client.invoke(FunctionName=name)["Payload"].read())


def signed_get(danbi, url, keys=(KEY_ID, SECRET, None), service="lambda", region="us-east-1"):
    request = AWSRequest("GET", url)
    SigV4Auth(Credentials(*keys), service, region).add_auth(request)
    return danbi.http("GET", url, headers=dict(request.headers))


def test_a_url_is_open_to_whom_its_policy_names(danbi):
    client = danbi.client("lambda")
    create(client, "closed")
    url = client.create_function_url_config(FunctionName="closed", AuthType="NONE")["FunctionUrl"]
    assert danbi.http("GET", url).status == 403, "no permission yet"
    # None of these opens it to everyone without a signature.
    for sid, more in {
        "invoke": {"Action": "lambda:InvokeFunction", "Principal": "*"},
        "iam": {"Action": "lambda:InvokeFunctionUrl", "Principal": "*", "FunctionUrlAuthType": "AWS_IAM"},
        "other": {"Action": "lambda:InvokeFunctionUrl", "Principal": "111111111111", "FunctionUrlAuthType": "NONE"},
        "service": {"Action": "lambda:InvokeFunctionUrl", "Principal": "s3.amazonaws.com", "FunctionUrlAuthType": "NONE"},
    }.items():
        client.add_permission(FunctionName="closed", StatementId=sid, **more)
        assert danbi.http("GET", url).status == 403, sid
    client.publish_version(FunctionName="closed")
    client.add_permission(FunctionName="closed", Qualifier="1", StatementId="v", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE")
    assert danbi.http("GET", url).status == 403, "a version's permission is not the function's"
    client.add_permission(FunctionName="closed", StatementId="open", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE")
    assert danbi.http("GET", url).status == 200
    client.remove_permission(FunctionName="closed", StatementId="open")
    assert danbi.http("GET", url).status == 403


def test_a_url_with_iam_asks_for_the_right_and_not_for_a_name_alone(danbi):
    client = danbi.client("lambda")
    create(client, "inner")
    url = client.create_function_url_config(FunctionName="inner", AuthType="AWS_IAM")["FunctionUrl"]
    session = session_of(danbi, "visitor")
    assert danbi.http("GET", url).status == 403
    assert signed_get(danbi, url).status == 200
    assert signed_get(danbi, url, session).status == 403, "a known key without the right"
    assert signed_get(danbi, url, (KEY_ID, "wrong" * 8, None)).status == 403
    assert signed_get(danbi, url, region="eu-west-1").status == 403, "signed for another region"
    assert signed_get(danbi, url, service="logs").status == 403, "signed for another service"
    client.add_permission(FunctionName="inner", StatementId="role", Action="lambda:InvokeFunctionUrl", Principal=ROLE, FunctionUrlAuthType="AWS_IAM")
    assert signed_get(danbi, url, session).status == 200
    forged = {"x-amz-security-token": session[2], "authorization": "AWS4-HMAC-SHA256 Credential=x"}
    assert danbi.http("GET", url, headers=forged).status in (400, 403)


def test_a_right_to_change_a_function_is_none_to_pass_a_role(danbi):
    client = danbi.client("lambda")
    create(client, "target")
    session = session_of(danbi, "climber")
    client.add_permission(FunctionName="target", StatementId="all", Action="lambda:*", Principal=ROLE)
    climber = client_with(danbi, "lambda", *session)
    climber.update_function_configuration(FunctionName="target", Description="mine")
    client.get_waiter("function_updated_v2").wait(FunctionName="target", WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})
    with pytest.raises(ClientError) as error:
        climber.update_function_configuration(FunctionName="target", Role="arn:aws:iam::000000000000:role/admin")
    answer = error.value.response["Error"]
    assert answer["Code"] == "AccessDeniedException" and "iam:PassRole on resource: arn:aws:iam::000000000000:role/admin" in answer["Message"]
    with pytest.raises(ClientError) as error:
        climber.create_function(FunctionName="new", Runtime="python3.11", Role=ROLE, Handler="a.b", Code={"ZipFile": b"x"})
    assert error.value.response["Error"]["Code"] == "AccessDeniedException"


def test_a_download_link_is_for_one_archive_and_ten_minutes(danbi):
    client = danbi.client("lambda")
    create(client, "one", python("# one\ndef handler(e, c): pass\n"))
    create(client, "two", python("# two\ndef handler(e, c): pass\n"))
    link, other = (urllib.parse.urlsplit(client.get_function(FunctionName=name)["Code"]["Location"]) for name in ("one", "two"))

    def get(path, query):
        return danbi.http("GET", f"{danbi.url}{path}?{query}").status

    assert get(link.path, link.query) == 200
    fields = dict(urllib.parse.parse_qsl(link.query))
    later = str(int(fields["expires"]) + 600)
    for path, query in (
        (other.path, link.query),
        (link.path, link.query.replace(fields["expires"], later)),
        (link.path, link.query.replace(fields["expires"], "1")),
        (link.path, f"expires={fields['expires']}"),
        (link.path, f"expires={fields['expires']}&token="),
        (link.path, f"expires={fields['expires']}&token={'0' * 64}"),
        (link.path, f"{link.query}&expires={later}"),
        (link.path, f"{link.query}&token={'0' * 64}"),
        (link.path + "/../" + other.path.rsplit("/", 1)[1], link.query),
        (link.path.rsplit("/", 1)[0] + "/..%2f..%2fcredentials", link.query),
        (link.path, ""),
    ):
        assert get(path, query) in (400, 403), (path, query)


def test_a_signature_in_the_query_covers_what_it_names(danbi):
    client = danbi.client("lambda")
    create(client, "f")
    request = AWSRequest("GET", f"{danbi.url}/2015-03-31/functions/f")
    SigV4QueryAuth(Credentials(KEY_ID, SECRET), "lambda", "us-east-1", expires=60).add_auth(request)
    url = request.url
    assert danbi.http("GET", url).status == 200
    for changed in (
        url.replace("/functions/f", "/functions/g"),
        url.replace("X-Amz-Expires=60", "X-Amz-Expires=604800"),
        url.replace("X-Amz-Expires=60", "X-Amz-Expires=999999999999"),
        url + "&Qualifier=1",
        url + "&X-Amz-Signature=" + "0" * 64,
        url.replace("us-east-1", "eu-west-1"),
        url.replace("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders="),
    ):
        assert danbi.http("GET", changed).status in (400, 403), changed
    assert danbi.http("DELETE", url).status == 403
    assert danbi.http("GET", url, headers={"x-amz-target": "Logs_20140328.DeleteLogGroup"}).status in (400, 403), "a header that is not signed"


def test_an_apps_name_is_its_functions(danbi):
    """Who can tag some function must not take over an app of another name."""
    client = danbi.client("lambda")
    for name, tag in (("shop", "shop"), ("a-thief", "shop")):
        create(client, name, python(f"def handler(e, c):\n    return {name!r}\n"), Tags={"danbi:app": tag})
        client.publish_version(FunctionName=name)
        client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        client.create_function_url_config(FunctionName=name, Qualifier="live", AuthType="NONE")
        client.add_permission(FunctionName=name, Qualifier="live", StatementId="p", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE")
    for host in ("shop.localhost", "shop.localhost.", "SHOP.localhost"):
        answer = danbi.http("GET", f"http://{host}:{danbi.port}/")
        assert (answer.status, answer.body) == (200, b"shop"), host
