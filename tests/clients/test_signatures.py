"""Only a right signature gets in; a wrong one gets AWS's words."""

import contextlib
import datetime
import json
from unittest import mock

import botocore.session
import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError
from packages import create
from platform_under_test import KEY_ID, SECRET

PATH = "/2015-03-31/functions"


def credentials(key_id=KEY_ID, secret=SECRET):
    session = botocore.session.Session()
    session.set_credentials(key_id, secret)
    return session.get_credentials()


def signing_time(at):
    """botocore signs as if it were `at`; the present when that is None."""
    return mock.patch("botocore.auth.get_current_datetime", return_value=at) if at else contextlib.nullcontext()


def signed(danbi, method="GET", path=PATH, body=b"", at=None, region="us-east-1", service="lambda", **who):
    request = AWSRequest(method, danbi.url + path, data=body, headers={"Host": f"127.0.0.1:{danbi.port}"})
    with signing_time(at):
        SigV4Auth(credentials(**who), service, region).add_auth(request)
    return dict(request.headers)


def error_of(answer):
    return answer.headers["x-amzn-ErrorType"].split(":")[0], json.loads(answer.body).get("message") or json.loads(answer.body).get("Message")


def test_the_right_one(danbi):
    assert danbi.http("GET", PATH, headers=signed(danbi)).status == 200
    assert danbi.http("GET", PATH, headers=signed(danbi, region="ap-northeast-2")).status == 200


def test_none_at_all(danbi):
    answer = danbi.http("GET", PATH)
    assert answer.status == 403 and error_of(answer)[0] == "MissingAuthenticationTokenException"
    assert answer.headers["x-amzn-RequestId"]


def test_a_wrong_secret_and_an_unknown_key(danbi):
    answer = danbi.http("GET", PATH, headers=signed(danbi, secret="x" * 40))
    assert answer.status == 403 and error_of(answer)[0] == "InvalidSignatureException"
    assert "The request signature we calculated does not match the signature you provided." in error_of(answer)[1]
    answer = danbi.http("GET", PATH, headers=signed(danbi, key_id="AKIAUNKNOWNUNKNOWN00"))
    assert answer.status == 403 and error_of(answer) == ("UnrecognizedClientException", "The security token included in the request is invalid.")


def test_an_expired_one_and_one_from_the_future(danbi):
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    for minutes, words in [(-6, "Signature expired"), (6, "Signature not yet current")]:
        answer = danbi.http("GET", PATH, headers=signed(danbi, at=now + datetime.timedelta(minutes=minutes)))
        assert answer.status == 403 and words in error_of(answer)[1]
    assert danbi.http("GET", PATH, headers=signed(danbi, at=now - datetime.timedelta(minutes=4))).status == 200


def test_another_body_path_or_header_than_was_signed(danbi):
    create(danbi.client("lambda"), "echo")
    path = "/2015-03-31/functions/echo/invocations"
    headers = signed(danbi, "POST", path, b"{}")
    assert danbi.http("POST", path, b"{}", headers).status == 200
    assert danbi.http("POST", path, b"[]", headers).status == 403
    assert danbi.http("POST", path + "?Qualifier=1", b"{}", headers).status == 403
    assert danbi.http("POST", path, b"{}", {**headers, "X-Amz-Date": "20200101T000000Z"}).status == 403
    assert danbi.http("POST", path, b"{}", headers).status == 200, "and the next request works"


def test_a_presigned_request_and_its_end(danbi):
    def presigned(at=None, expires=60):
        request = AWSRequest("GET", danbi.url + PATH, headers={"Host": f"127.0.0.1:{danbi.port}"})
        with signing_time(at):
            SigV4QueryAuth(credentials(), "lambda", "us-east-1", expires=expires).add_auth(request)
        return request.url

    assert danbi.http("GET", presigned()).status == 200
    past = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) - datetime.timedelta(seconds=120)
    assert danbi.http("GET", presigned(past)).status == 403
    assert danbi.http("GET", presigned(past, 300)).status == 200
    assert danbi.http("GET", presigned().replace("X-Amz-Expires=60", "X-Amz-Expires=6000")).status == 403


def test_boto3_shows_the_same(danbi):
    with pytest.raises(ClientError) as error:
        danbi.client("lambda", secret="y" * 40).list_functions()
    assert error.value.response["Error"]["Code"] == "InvalidSignatureException"
    with pytest.raises(ClientError) as error:
        danbi.client("logs", secret="y" * 40).describe_log_groups()
    assert error.value.response["Error"]["Code"] == "InvalidSignatureException"
    with pytest.raises(ClientError) as error:
        danbi.client("sts", secret="y" * 40).get_caller_identity()
    assert error.value.response["Error"]["Code"] == "SignatureDoesNotMatch"
