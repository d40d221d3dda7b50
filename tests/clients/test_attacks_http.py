"""Attacks on the one port, byte by byte: what a client library would never send."""

import contextlib
import json
import socket

import pytest
from packages import create, python, zipped
from test_function_urls import open_url

APP = """
import http.server, json, os
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def answer(self):
        body = self.rfile.read(int(self.headers.get('content-length') or 0)).decode('latin-1')
        document = json.dumps({'method': self.command, 'path': self.path, 'headers': {k.lower(): v for k, v in self.headers.items()}, 'body': body}).encode()
        self.send_response(200)
        self.send_header('content-length', str(len(document)))
        self.end_headers()
        self.wfile.write(document)
    do_GET = do_POST = do_CONNECT = do_TRACE = do_OPTIONS = answer
http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), Handler).serve_forever()
"""


def raw(danbi, data, seconds=20):
    """Sends `data` and reads until the platform closes, or nothing more comes."""
    with socket.create_connection(("127.0.0.1", danbi.port), timeout=seconds) as connection:
        connection.sendall(data)
        # The platform may have answered and left already.
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer.decode("latin-1")


def statuses(answer):
    """The status of each response in what came back."""
    return [int(part[:3]) for part in answer.replace("HTTP/1.0", "HTTP/1.1").split("HTTP/1.1 ")[1:]]


def app(danbi):
    """An HTTP server app that tells what reached it; gives its URL's host name."""
    client = danbi.client("lambda")
    create(client, "teller", zipped({"app.py": APP}), Environment={"Variables": {"DANBI_HTTP_COMMAND": "python3 app.py"}}, MemorySize=256)
    return open_url(client, "teller").split("//")[1].rstrip("/")


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x5\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "X-Folded: a\r\n b\r\n",
        "X-Space : a\r\n",
        "X-Nul: a\0b\r\n",
    ],
)
def test_no_request_hides_behind_another(danbi, head):
    hidden = "GET /_danbi/health HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = raw(danbi, f"POST /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}\r\n{hidden}".encode())
    assert statuses(answer)[:1] == [400] and '"status":"ok"' not in answer, answer


def test_both_lengths_are_read_as_chunks_and_the_connection_ends(danbi):
    hidden = "GET /_danbi/health HTTP/1.1\r\nHost: x\r\n\r\n"
    for chunks in ("0\r\n\r\n", "1\r\nx\r\n0\r\n\r\n"):
        head = "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"
        answer = raw(danbi, f"POST /nothing HTTP/1.1\r\nHost: x\r\n{head}\r\n{chunks}{hidden}".encode())
        assert len(statuses(answer)) == 1, answer


def test_bad_chunks_end_the_connection(danbi):
    hidden = "GET /_danbi/health HTTP/1.1\r\nHost: x\r\n\r\n"
    for size in ("-1", "0x1", "1\n", "ffffffffffffffffff", "1 1", " 1"):
        head = "POST /nothing HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        answer = raw(danbi, f"{head}\r\n{size}\r\nx\r\n0\r\n\r\n{hidden}".encode())
        assert '"status":"ok"' not in answer, (size, answer)


def test_the_host_is_one_and_the_same(danbi):
    assert statuses(raw(danbi, b"GET /_danbi/health HTTP/1.1\r\n\r\n")) == [400]
    assert statuses(raw(danbi, b"GET /_danbi/health HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n")) == [400]
    assert statuses(raw(danbi, b"GET http://a/_danbi/health HTTP/1.1\r\nHost: b\r\n\r\n")) == [400]
    assert statuses(raw(danbi, b"GET http://a/_danbi/health HTTP/1.1\r\nHost: a\r\n\r\n")) == [200]
    assert statuses(raw(danbi, b"GET /_danbi/health HTTP/1.0\r\n\r\n")) in ([200], [])


@pytest.mark.parametrize("host", ["..localhost", ".localhost", "%2e.localhost", "a\x7fb.localhost", "a b.localhost", "é.localhost", "x" * 4000 + ".localhost", "a/b.localhost", "shop.localhost:99999999"])
def test_odd_host_names_lead_to_no_app(danbi, host):
    answer = raw(danbi, f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert statuses(answer)[0] in (400, 403, 404), answer
    assert danbi.http("GET", "/_danbi/health").status == 200


def test_what_the_platform_tells_an_app_cannot_be_forged(danbi):
    host = app(danbi)

    def seen(headers, method="GET", path="/p"):
        return json.loads(danbi.http(method, f"http://{host}{path}", headers=headers).body)["headers"]

    forged = {
        "X-Forwarded-For": "10.9.9.9",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "bank.example",
        "X-Forwarded-Port": "443",
        "Forwarded": "for=10.9.9.9;proto=https;host=bank.example",
        "X-Forwarded-Prefix": "/admin",
        "X-Real-IP": "10.9.9.9",
    }
    told = seen(forged)
    assert told["x-forwarded-for"] == "127.0.0.1" and told["x-forwarded-proto"] == "http" and told["x-forwarded-host"] == host
    assert told["x-forwarded-port"] == host.split(":")[1]
    assert not {"forwarded", "x-forwarded-prefix", "x-real-ip"} & told.keys(), told
    # Nor be taken away as if it concerned the connection only.
    dropped = seen({"Connection": "close, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, Host, Cookie, Authorization", "Cookie": "k=v", "Authorization": "Basic eA=="})
    assert dropped["x-forwarded-for"] == "127.0.0.1" and dropped["host"] == host and dropped["x-forwarded-proto"] == "http"
    assert dropped["cookie"] == "k=v" and dropped["authorization"] == "Basic eA=="


def test_no_tunnel_past_the_gateway(danbi):
    host = app(danbi)
    upgrade = f"GET /h2c HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
    answer = raw(danbi, upgrade.encode())
    assert statuses(answer) == [200] and '"upgrade"' not in answer and "http2-settings" not in answer.lower(), answer
    for method in ("CONNECT", "TRACE"):
        for target in ("/x", "127.0.0.1:22", f"http://{host}/x"):
            answer = raw(danbi, f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            assert statuses(answer)[0] in (400, 405), (method, target, answer)
    assert json.loads(danbi.http("GET", f"http://{host}/after").body)["path"] == "/after"


def test_a_function_cannot_split_its_answer(danbi):
    client = danbi.client("lambda")
    create(client, "mirror", python("import json\ndef handler(event, context):\n    return json.loads(event['body'])\n"))
    url = open_url(client, "mirror")
    for answer in (
        {"statusCode": 200, "headers": {"X-A": "b\r\nSet-Cookie: s=1"}},
        {"statusCode": 200, "headers": {"X-A\r\nSet-Cookie": "b"}},
        {"statusCode": 200, "headers": {"": "b"}},
        {"statusCode": 200, "headers": {"X-A": "b\u0000c"}},
        {"statusCode": 200, "cookies": ["a=1\r\nX-B: 1"]},
        {"statusCode": 99},
        {"statusCode": 101},
        {"statusCode": 1000},
        {"statusCode": -1},
        {"statusCode": 2.5},
        {"statusCode": 200, "body": "!", "isBase64Encoded": True},
        {"statusCode": 200, "headers": {"X-A": "b" * 10, "Content-Length": "9999", "Transfer-Encoding": "chunked", "Connection": "X-Y"}, "body": "fine"},
        {"statusCode": 204, "body": "not to be sent"},
    ):
        got = danbi.http("POST", url, json.dumps(answer), {"Content-Type": "application/json"})
        if answer.get("body") == "fine":
            assert (got.status, got.body) == (200, b"fine")
        elif answer["statusCode"] == 204:
            assert (got.status, got.body) == (204, b"")
        else:
            assert got.status == 502 and "set-cookie" not in got.headers and "x-b" not in got.headers, (answer, got)


def test_paths_lead_out_of_no_door(danbi):
    for path in ("/_danbi/app/%2e%2e/health", "/_danbi/app/../health", "/_danbi//health", "/_danbi/health/", "/_danbi/%68ealth", "/_danbi/code/../../etc/passwd", "/_aws/lambda-url/..%2f..%2fx/", "/_danbi/app/%00/"):
        answer = raw(danbi, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        assert statuses(answer)[0] in (400, 403, 404), (path, answer)


def test_a_static_site_shows_its_folder_only(danbi):
    links = {"public/out": 0o120777, "public/etc": 0o120777, "public/in": 0o120777}
    files = {"public/index.html": "home", "secret.py": "KEY=1", "public/in": "index.html", "public/.env": "shown as any file"}
    client = danbi.client("lambda")
    create(client, "site", zipped(files, links), Environment={"Variables": {"DANBI_STATIC_DIR": "public"}})
    host = open_url(client, "site").split("//")[1].rstrip("/")
    for path in ("/../secret.py", "/%2e%2e/secret.py", "/..%2fsecret.py", "/%2e%2e%2fsecret.py", "/x/../../secret.py", "//secret.py", "/%00", "/index.html%00.png", "/..%5csecret.py", "/%252e%252e/secret.py", "/.%2e/secret.py", "/%c0%ae%c0%ae/secret.py", "/public/../../secret.py"):
        answer = raw(danbi, f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        assert "KEY=1" not in answer and statuses(answer)[0] in (400, 404), (path, answer)
    assert danbi.http("GET", f"http://{host}/in").body == b"home"
    for outward in ("../secret.py", "/etc/passwd"):
        with pytest.raises(client.exceptions.InvalidParameterValueException):
            client.update_function_code(FunctionName="site", ZipFile=zipped({"public/l": outward}, {"public/l": 0o120777})) if outward.startswith("/") else client.update_function_code(
                FunctionName="site", ZipFile=zipped({"l": "../" + outward}, {"l": 0o120777})
            )


def test_a_redirect_stays_on_the_site(danbi):
    client = danbi.client("lambda")
    files = {"public/index.html": "home", "public/evil.example/index.html": "x", "public/a/evil.example/index.html": "x"}
    create(client, "site", zipped(files), Environment={"Variables": {"DANBI_STATIC_DIR": "public"}})
    host = open_url(client, "site").split("//")[1].rstrip("/")
    for path in ("//evil.example", "/evil.example", "/a//evil.example", "/javascript:x", "/%2f%2fevil.example"):
        answer = raw(danbi, f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        location = [line.split(": ", 1)[1] for line in answer.split("\r\n") if line.lower().startswith("location: ")]
        assert not location or not location[0].startswith(("//", "http", "/\\", "javascript")), (path, answer)
