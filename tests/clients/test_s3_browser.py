"""A real browser across origins: presigned PUT and GET with their preflights, and errors that a page can read."""

import http.server
import json
import shutil
import subprocess
import threading
import urllib.error
import urllib.request

import pytest

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
START_SECONDS = 60
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]

#: Chromium drops its requests when an interface of the machine gets or loses an address, as it does with each sandbox of
#: the tests that run beside these. That says nothing of the server, and what a page asks here may be asked twice.
NETWORK_CHANGED = "net::ERR_NETWORK_CHANGED"

pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromium-driver are not installed")


class Browser:
    """Chromium over the WebDriver protocol, which is JSON over HTTP."""

    def __init__(self, profile):
        self.driver = subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = ""
        while "successfully on port" not in line:
            line = self.driver.stdout.readline()
            assert line, "chromedriver ended"
        port = int(line.split("on port ")[1].strip(" .\n"))
        self.base = f"http://127.0.0.1:{port}"
        options = {"binary": CHROMIUM, "args": [*FLAGS, f"--user-data-dir={profile}"]}
        made = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options, "timeouts": {"script": 60_000}}}})
        self.session = f"/session/{made['sessionId']}"

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.base + path, json.dumps(body or {}).encode() if method == "POST" else None, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=START_SECONDS) as answer:
            return json.load(answer)["value"]

    def open(self, url):
        for last in (False, False, True):
            try:
                return self.call("POST", f"{self.session}/url", {"url": url})
            except urllib.error.HTTPError as error:
                if last or NETWORK_CHANGED not in error.read().decode():
                    raise

    def fetch(self, url, options):
        """What a page gets of a request: its status, text and some headers, or why it failed."""
        for _ in range(5):
            answer = self.run(FETCH, url, options)
            # Asking for the log empties it.
            logged = self.call("POST", f"{self.session}/se/log", {"type": "browser"})
            if "failed" not in answer or not any(NETWORK_CHANGED in entry["message"] for entry in logged):
                break
        return answer

    def run(self, script, *arguments):
        """Runs an async function's body in the page and gives what it returns."""
        wrapped = "const done = arguments[arguments.length - 1]; const given = [...arguments].slice(0, -1);(async (...args) => {" + script + "})(...given).then(done, error => done({failed: String(error)}));"
        return self.call("POST", f"{self.session}/execute/async", {"script": wrapped, "args": list(arguments)})

    def close(self):
        try:
            self.call("DELETE", self.session)
        finally:
            self.driver.terminate()
            self.driver.wait(30)
            self.driver.stdout.close()


@pytest.fixture
def browser(tmp_path):
    browser = Browser(tmp_path / "profile")
    yield browser
    browser.close()


@pytest.fixture
def page():
    """An origin of its own: an empty page on another port."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>page</title>")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


FETCH = """
const [url, options] = args;
const answer = await fetch(url, options);
return {status: answer.status, text: await answer.text(), etag: answer.headers.get('ETag'), hidden: answer.headers.get('x-amz-request-id'), own: answer.headers.get('x-amz-meta-mood')};
"""


def test_a_page_puts_and_gets_across_origins(danbi, browser, page):
    s3 = danbi.client("s3")
    s3.create_bucket(Bucket="box")
    rule = {"AllowedOrigins": [page], "AllowedMethods": ["GET", "PUT", "HEAD"], "AllowedHeaders": ["*"], "ExposeHeaders": ["ETag", "x-amz-meta-mood"], "MaxAgeSeconds": 5}
    s3.put_bucket_cors(Bucket="box", CORSConfiguration={"CORSRules": [rule]})
    browser.open(page)
    put = s3.generate_presigned_url("put_object", Params={"Bucket": "box", "Key": "k", "ContentType": "text/x-page", "Metadata": {"mood": "good"}})
    # Its content type and its own header make the browser ask first.
    stored = browser.fetch(put, {"method": "PUT", "body": "from a page", "headers": {"Content-Type": "text/x-page", "x-amz-meta-mood": "good"}})
    assert stored["status"] == 200 and stored["etag"], stored
    get = s3.generate_presigned_url("get_object", Params={"Bucket": "box", "Key": "k"})
    got = browser.fetch(get, {})
    assert (got["status"], got["text"], got["own"]) == (200, "from a page", "good"), got
    # What is not exposed stays hidden.
    assert got["hidden"] is None
    part = browser.fetch(get, {"headers": {"Range": "bytes=5-5"}})
    assert (part["status"], part["text"]) == (206, "a"), part


def test_a_page_can_read_what_went_wrong(danbi, browser, page):
    s3 = danbi.client("s3")
    s3.create_bucket(Bucket="box")
    s3.put_bucket_cors(Bucket="box", CORSConfiguration={"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["GET", "PUT"], "AllowedHeaders": ["*"]}]})
    browser.open(page)
    missing = browser.fetch(s3.generate_presigned_url("get_object", Params={"Bucket": "box", "Key": "none"}), {})
    assert missing["status"] == 404 and "<Code>NoSuchKey</Code>" in missing["text"], missing
    wrong = s3.generate_presigned_url("put_object", Params={"Bucket": "box", "Key": "k"}).replace("Signature=", "Signature=AAAA")
    refused = browser.fetch(wrong, {"method": "PUT", "body": "x"})
    assert refused["status"] == 403 and "<Code>SignatureDoesNotMatch</Code>" in refused["text"], refused


def test_a_page_of_another_origin_is_kept_out(danbi, browser, page):
    s3 = danbi.client("s3")
    s3.create_bucket(Bucket="box")
    s3.put_object(Bucket="box", Key="k", Body=b"secret")
    browser.open(page)
    get = s3.generate_presigned_url("get_object", Params={"Bucket": "box", "Key": "k"})
    assert "failed" in browser.fetch(get, {})
    s3.put_bucket_cors(Bucket="box", CORSConfiguration={"CORSRules": [{"AllowedOrigins": ["https://example.com"], "AllowedMethods": ["GET"]}]})
    assert "failed" in browser.fetch(get, {})
