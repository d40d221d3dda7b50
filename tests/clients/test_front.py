"""A platform that the world reaches: apps below a domain, a proxy before them that speaks TLS."""

import json
import subprocess

import pytest
from packages import create, python
from platform_under_test import binary

EVENT = "def handler(event, context):\n    return event\n"
FORWARDED = {"X-Forwarded-For": "6.6.6.6, 203.0.113.9", "X-Forwarded-Proto": "https"}


def deployed(danbi, name):
    """A function that is an app, as `danbi deploy` makes it."""
    client = danbi.client("lambda")
    create(client, name, python(EVENT), Tags={"danbi:app": name}, Publish=True)
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    client.create_function_url_config(FunctionName=name, Qualifier="live", AuthType="NONE")
    client.add_permission(FunctionName=name, Qualifier="live", StatementId="public", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE")


def told(danbi, host, headers=None):
    """What the app at `host` is told of a request."""
    answer = danbi.http("GET", f"http://{host}/x", headers=headers)
    assert answer.status == 200, answer
    event = json.loads(answer.body)
    return event["requestContext"]["http"]["sourceIp"], event["headers"]["x-forwarded-proto"], event["headers"]["x-forwarded-port"]


def test_apps_answer_below_the_domain(danbi_with):
    danbi = danbi_with("--domain", "apps.example.com")
    deployed(danbi, "shop")
    for host in ("shop.apps.example.com", "SHOP.apps.example.com:8443", f"shop.localhost:{danbi.port}"):
        assert told(danbi, host)[0] == "127.0.0.1"
    assert danbi.http("GET", "http://shop.apps.example.com/_danbi/health").status == 200
    assert b"rawPath" in danbi.http("GET", "http://shop.apps.example.com/_danbi/health").body, "all paths are the app's"
    assert danbi.http("GET", "http://nobody.apps.example.com/").status == 404
    for host in ("apps.example.com", "shop.example.com", "a.shop.apps.example.com"):
        assert b"rawPath" not in danbi.http("GET", f"http://{host}/").body
    assert danbi.http("GET", "http://apps.example.com/_danbi/health").status == 200


def test_a_proxy_is_believed_only_when_it_is_named(danbi_with):
    named = danbi_with("--domain", "apps.example.com", "--trusted-proxy", "10.0.0.0/8", "--trusted-proxy", "127.0.0.1")
    deployed(named, "shop")
    assert told(named, "shop.apps.example.com", FORWARDED) == ("203.0.113.9", "https", "443")
    assert told(named, "shop.apps.example.com") == ("127.0.0.1", "http", "80")
    other = danbi_with("--domain", "apps.example.com", "--trusted-proxy", "10.0.0.0/8")
    deployed(other, "shop")
    assert told(other, "shop.apps.example.com", FORWARDED) == ("127.0.0.1", "http", "80")


@pytest.mark.parametrize("arguments", [["--domain", "localhost"], ["--domain", "a b.c"], ["--trusted-proxy", "10.0.0.0/40"], ["--trusted-proxy", "proxy"]])
def test_what_is_no_domain_and_no_network_is_refused(tmp_path, arguments):
    done = subprocess.run([binary(), "serve", "--data", tmp_path / "data", *arguments], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == 2 and "such as" in done.stderr, done.stderr
