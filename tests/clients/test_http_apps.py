"""An HTTP server deployed by `danbi deploy`: streaming, WebSocket, many requests at once, scale to zero and back."""

import concurrent.futures
import http.client
import json
import os
import subprocess

import pytest
from load import Load
from packages import create, zipped
from platform_under_test import binary
from websocket_client import WebSocket

PACKAGE = {"private": True, "scripts": {"start": "node server.js"}, "dependencies": {"express": "5.1.0", "ws": "8.18.3"}}
SERVER = """
const express = require('express');
const { WebSocketServer } = require('ws');
const crypto = require('node:crypto');
const app = express();
const instance = crypto.randomUUID();
const waiting = [];
let drops = [];

app.get('/', (request, response) => response.send('VERSION'));
app.get('/instance', (request, response) => response.send(instance));
// Server-sent events, one for each POST.
app.get('/events', (request, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  response.write('data: begin\\n\\n');
  drops.push(response);
  request.on('close', () => { drops = drops.filter((drop) => drop !== response); });
});
app.post('/events', (request, response) => {
  for (const drop of drops) drop.write(`data: ${request.query.text}\\n\\n`);
  response.send(String(drops.length));
});
// Nobody is answered before `all` have come.
app.get('/together', (request, response) => {
  waiting.push(response);
  if (waiting.length === Number(request.query.all)) for (const one of waiting.splice(0)) one.send(instance);
});
const server = app.listen(process.env.PORT);
const sockets = new WebSocketServer({ server, path: '/socket' });
sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(`VERSION ${data}`)));
process.on('SIGTERM', () => server.close());
"""


class Deployed:
    """The app `web`, by its two addresses."""

    def __init__(self, danbi, folder):
        self.danbi, self.folder = danbi, folder
        self.host = f"web.localhost:{danbi.port}"
        self.addresses = [(self.host, ""), (f"127.0.0.1:{danbi.port}", "/_danbi/app/web")]
        folder.mkdir()
        (folder / "package.json").write_text(json.dumps(PACKAGE))

    def deploy(self, version):
        (self.folder / "server.js").write_text(SERVER.replace("VERSION", version))
        environment = {**os.environ, "DANBI_ENDPOINT": self.danbi.url, "DANBI_DATA": str(self.danbi.data)}
        done = subprocess.run([binary(), "deploy", self.folder, "--json"], env=environment, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stdout + done.stderr + self.danbi.log()[-3000:]

    def ask(self, path, method="GET"):
        answer = self.danbi.http(method, f"http://{self.host}{path}")
        assert answer.status == 200, (path, answer, self.danbi.log()[-3000:])
        return answer.body.decode()


@pytest.fixture
def web(danbi, tmp_path):
    web = Deployed(danbi, tmp_path / "web")
    web.deploy("one")
    return web


def test_events_arrive_one_by_one(web):
    for host, prefix in web.addresses:
        connection = http.client.HTTPConnection("127.0.0.1", web.danbi.port, timeout=60)
        connection.request("GET", f"{prefix}/events", headers={"Host": host})
        events = connection.getresponse()
        assert (events.status, events.headers["content-type"]) == (200, "text/event-stream")
        assert events.readline() == b"data: begin\n"
        for drop in ("first", "second"):
            events.readline()
            # Written only now, while the answer is being read.
            web.ask(f"/events?text={drop}", "POST")
            assert events.readline() == f"data: {drop}\n".encode()
        events.close()
        connection.close()
        # The app hears that the reader has left.
        web.danbi.wait_until(lambda: web.ask("/events?text=nobody", "POST") == "0")


def test_a_websocket_stays_open_through_an_update(web):
    sockets = [WebSocket(web.danbi.port, host, f"{prefix}/socket") for host, prefix in web.addresses]
    for socket in sockets:
        for text in ("rain", "sun"):
            socket.send(text)
            assert socket.receive() == f"one {text}"
    web.deploy("two")
    assert web.ask("/") == "two"
    for socket in sockets:
        socket.send("snow")
        assert socket.receive() == "one snow"
        socket.close()
    late = WebSocket(web.danbi.port, web.host, "/socket")
    late.send("hail")
    assert late.receive() == "two hail"
    late.close()


def test_one_environment_answers_many_requests_at_once(web):
    with concurrent.futures.ThreadPoolExecutor(48) as clients:
        answers = list(clients.map(lambda _: web.ask("/together?all=48"), range(48)))
    assert len(set(answers)) == 1


def test_an_app_scales_to_zero_and_back_under_the_eyes_of_clients(danbi_with, tmp_path):
    danbi = danbi_with(DANBI_APP_IDLE_MS="150")
    web = Deployed(danbi, tmp_path / "web")
    web.deploy("one")
    first = web.ask("/instance")
    events = http.client.HTTPConnection("127.0.0.1", danbi.port, timeout=60)
    events.request("GET", "/events", headers={"Host": web.host})
    reader = events.getresponse()
    reader.readline()
    kept = web.ask("/instance")
    reader.close()
    events.close()
    seen = {first, kept}
    danbi.wait_until(lambda: running(danbi) == 0)
    back = web.ask("/instance")
    assert back not in seen
    danbi.wait_until(lambda: running(danbi) == 0)
    with Load(danbi, f"http://{web.host}/") as load:
        load.goes_on(64)
    assert load.texts() == {"one"}


CLOSING = """
import os, socket, threading

def serve(connection):
    # Answers one request and keeps the connection, but the second finds it closed: as when a server's patience ends just
    # when a request is on its way.
    with connection, connection.makefile('rb') as reader:
        for answered in range(2):
            if not (line := reader.readline()):
                return
            while reader.readline().strip():
                pass
            if answered:
                return
            connection.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 3\\r\\n\\r\\nyes')

listener = socket.create_server(('0.0.0.0', int(os.environ['PORT'])))
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


def test_a_server_that_closes_an_idle_connection_loses_no_request(danbi):
    client = danbi.client("lambda")
    create(client, "closing", zipped({"server.py": CLOSING}), Environment={"Variables": {"DANBI_HTTP_COMMAND": "python3 server.py"}})
    url = client.create_function_url_config(FunctionName="closing", AuthType="NONE")["FunctionUrl"]
    client.add_permission(FunctionName="closing", StatementId="public", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE")
    assert [danbi.http("GET", url).status for _ in range(10)] == [200] * 10


def running(danbi):
    """How many processes serve the app."""
    from test_real_apps import programs_of

    return len(programs_of(danbi))
