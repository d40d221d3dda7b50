"""The load: small objects by `wrk` with requests signed beforehand, large ones by plain sockets and `sendfile`."""

import concurrent.futures
import http.client
import json
import os
import re
import socket
import subprocess
import tempfile
import time
import urllib.parse

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

MIB = 1 << 20
#: Signatures are good for a quarter of an hour; a run of one figure takes less.
QUERY_SECONDS = 3600

LUA = """
local requests, at, thread_no = {}, 0, 0
function setup(thread) thread:set("number", thread_no); thread_no = thread_no + 1 end
function init(args)
  local file = io.open(args[1], "rb")
  local text = file:read("*a"); file:close()
  local from = 1
  while from <= #text do
    local length = tonumber(text:sub(from, from + 9))
    requests[#requests + 1] = text:sub(from + 10, from + 9 + length)
    from = from + 10 + length
  end
  at = number * 7919
end
function request() at = at + 1; return requests[(at - 1) % #requests + 1] end
function done(summary, latency, _)
  io.write(string.format("DONE %d %f %d %f %f\\n", summary.requests, summary.duration / 1e6, summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout, latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
"""


def signed(server, method, path, body=b""):
    """The bytes of one signed request."""
    request = AWSRequest(method, server.url + path, data=body, headers={"Host": f"127.0.0.1:{server.port}"})
    S3SigV4Auth(Credentials(server.key_id, server.secret), "s3", server.region).add_auth(request)
    headers = dict(request.headers)
    headers["Content-Length"] = str(len(body))
    lines = [f"{method} {path} HTTP/1.1"] + [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def presigned(server, method, path, query=""):
    """A path that carries its own signature and leaves the body open."""
    url = f"{server.url}{path}" + (f"?{query}" if query else "")
    request = AWSRequest(method, url, headers={})
    S3SigV4QueryAuth(Credentials(server.key_id, server.secret), "s3", server.region, expires=QUERY_SECONDS).add_auth(request)
    parts = urllib.parse.urlsplit(request.url)
    return f"{parts.path}?{parts.query}"


def requests_file(folder, requests):
    """The requests, each behind its length in ten digits."""
    path = os.path.join(folder, f"requests-{time.monotonic_ns()}")
    with open(path, "wb") as out:
        for request in requests:
            out.write(b"%010d" % len(request) + request)
    return path


def wrk(server, path, connections, seconds):
    """Requests per second, p50 and p99 in milliseconds. Fails when any answer was an error."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LUA)
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "--latency", "-s", script.name, server.url, "--", path]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    count, duration, errors, p50, p99 = map(float, re.search(r"DONE (.*)", text)[1].split())
    assert errors == 0, f"{server.name}: {errors} errors in {text}"
    return count / duration, p50, p99


def once(server, requests, connections):
    """Sends each request once over so many connections; seconds."""
    shares = [requests[number::connections] for number in range(connections)]

    def send(share):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            reader = connection.makefile("rb")
            for request in share:
                connection.sendall(request)
                status = reader.readline()
                assert status.startswith(b"HTTP/1.1 20"), status
                length = 0
                while (line := reader.readline()) not in (b"\r\n", b""):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                reader.read(length)

    begun = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(connections) as pool:
        list(pool.map(send, shares))
    return time.perf_counter() - begun


def upload(server, client, path, part_bytes, at_once):
    """Stores the file at `path` as `box/large` in parts; seconds until the complete was answered."""
    size = os.path.getsize(path)
    begun = time.perf_counter()
    upload_id = client.create_multipart_upload(Bucket="box", Key="large")["UploadId"]

    def part(number):
        offset = (number - 1) * part_bytes
        length = min(part_bytes, size - offset)
        target = presigned(server, "PUT", "/box/large", f"partNumber={number}&uploadId={urllib.parse.quote(upload_id, safe='')}")
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
        connection.putrequest("PUT", target)
        connection.putheader("Content-Length", str(length))
        connection.endheaders()
        with open(path, "rb") as file:
            connection.sock.sendfile(file, offset, length)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        assert answer.status == 200, (server.name, answer.status, text)
        return {"PartNumber": number, "ETag": answer.headers["ETag"]}

    numbers = range(1, -(-size // part_bytes) + 1)
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        parts = list(pool.map(part, numbers))
    client.complete_multipart_upload(Bucket="box", Key="large", UploadId=upload_id, MultipartUpload={"Parts": parts})
    return time.perf_counter() - begun


def download(port, target, size):
    """Reads an answer's body and throws it away; seconds."""
    begun = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request("GET", target)
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    buffer, got = bytearray(4 * MIB), 0
    while read := answer.readinto(buffer):
        got += read
    connection.close()
    assert got == size, (got, size)
    return time.perf_counter() - begun


def listing(client, bucket):
    """Pages through a whole bucket; keys and seconds. The client's own parsing of XML is in it, for all alike."""
    begun, keys, token = time.perf_counter(), 0, {}
    while True:
        page = client.list_objects_v2(Bucket=bucket, **token)
        keys += page["KeyCount"]
        if not page["IsTruncated"]:
            return keys, time.perf_counter() - begun
        token = {"ContinuationToken": page["NextContinuationToken"]}


def save(path, results):
    """Writes what was measured."""
    with open(path, "w") as out:
        json.dump(results, out, indent=2)
        out.write("\n")
