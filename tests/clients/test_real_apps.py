"""Real apps with their dependencies: created, called, updated under load, rolled back, killed on the way, removed."""

import os
import pathlib
import random
import threading
import time

import pytest
from load import Load
from packages import create, updated
from real_apps import EXPRESS_COMMAND, FLASK_COMMAND, express_package, flask_package, rust_package

FLASK_HANDLER = {"Handler": "app.handler", "MemorySize": 256}
FLASK_SERVER = {"Handler": "app.handler", "MemorySize": 256, "Environment": {"Variables": {"DANBI_HTTP_COMMAND": FLASK_COMMAND}}}
EXPRESS_SERVER = {"Runtime": "nodejs20.x", "Handler": "none", "MemorySize": 256, "Environment": {"Variables": {"DANBI_HTTP_COMMAND": EXPRESS_COMMAND}}}
RUST_BINARY = {"Runtime": "provided.al2023", "Handler": "bootstrap"}


class App:
    """A function with the alias `live` and a public function URL on it."""

    def __init__(self, danbi, package, answer, settings):
        self.danbi, self.client, self.package, self.answer = danbi, danbi.client("lambda"), package, answer
        self.variables = settings.get("Environment", {}).get("Variables", {})
        self.deploy = {**settings, "Timeout": 60, "Environment": {"Variables": {**self.variables, "GREETING": "Hello"}}}

    def make(self):
        create(self.client, "app", self.package("one"), Publish=True, **self.deploy)
        self.client.create_alias(FunctionName="app", Name="live", FunctionVersion="1")
        self.url = self.client.create_function_url_config(FunctionName="app", Qualifier="live", AuthType="NONE")["FunctionUrl"]
        self.client.add_permission(FunctionName="app", Qualifier="live", StatementId="public", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE")

    def update(self, code, greeting):
        """New code, then a new configuration, then a version of both, then the alias: as every deployment tool does it."""
        self.client.update_function_code(FunctionName="app", ZipFile=self.package(code))
        updated(self.client, "app")
        self.client.update_function_configuration(FunctionName="app", Environment={"Variables": {**self.variables, "GREETING": greeting}})
        updated(self.client, "app")
        version = self.client.publish_version(FunctionName="app")["Version"]
        self.point(version)
        return version

    def point(self, version):
        self.client.update_alias(FunctionName="app", Name="live", FunctionVersion=version)

    def get(self):
        return self.danbi.http("GET", self.url)


def programs_of(danbi):
    """Every running process that functions and apps are made of, by id. The launcher's own processes, among them the empty
    sandboxes that it keeps ready, are none of them."""
    parents = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            parents[int(stat.parent.name)] = int(fields[1])
    found = {danbi.process.pid}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return {pid for pid in found - {danbi.process.pid} if not name_of(pid).startswith("danbi-sandbox")}


def name_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return "danbi-sandbox process that has just ended"


def code_of(danbi):
    """What the platform keeps of functions' code: unpacked copies and archives."""
    copies = set(os.listdir(danbi.data / "cache" / "code"))
    return copies | {name for _, _, names in os.walk(danbi.data / "blobs") for name in names}


@pytest.mark.parametrize(
    ("package", "answer", "settings"),
    [
        pytest.param(flask_package, "flask {code} {greeting} 45", FLASK_HANDLER, id="flask-handler"),
        pytest.param(flask_package, "flask {code} {greeting} 45", FLASK_SERVER, id="flask-server"),
        pytest.param(express_package, "express {code} {greeting}", EXPRESS_SERVER, id="express-server"),
        pytest.param(rust_package, "{greeting}, world! You asked for /.\n", RUST_BINARY, id="rust-binary"),
    ],
)
def test_an_app_lives_from_its_creation_to_its_removal(danbi_with, package, answer, settings):
    danbi = danbi_with(DANBI_COLLECT_MS="100,1000")
    nothing = code_of(danbi)
    app = App(danbi, package, answer, settings)
    app.make()
    old, new = answer.format(code="one", greeting="Hello"), answer.format(code="two", greeting="Salut")
    assert app.get().body.decode() == old
    assert programs_of(danbi)

    with Load(danbi, app.url) as load:
        load.goes_on()
        version = app.update("two", "Salut")
        moved = time.monotonic()
        load.goes_on(32)
        leaving = time.monotonic()
        app.point("1")
        back = time.monotonic()
        load.goes_on(32)
    assert load.failures() == []
    assert load.texts() == {old, new}, "the new code was seen with the old configuration, or the other way round"
    assert load.texts(since=back) == {old}
    assert load.texts(since=moved, until=leaving) == {new}

    app.point(version)
    assert app.get().body.decode() == new
    app.client.delete_function(FunctionName="app")
    assert app.get().status == 403
    with pytest.raises(app.client.exceptions.ResourceNotFoundException):
        app.client.get_function(FunctionName="app")
    danbi.wait_until(lambda: not programs_of(danbi))
    danbi.wait_until(lambda: code_of(danbi) == nothing)


def test_a_kill_in_the_middle_of_an_update_leaves_the_old_or_the_new(danbi):
    chance = random.Random(7)
    app = App(danbi, express_package, None, EXPRESS_SERVER)
    app.make()
    before = "express one Hello"
    for attempt in range(5):
        code, greeting = f"code{attempt}", f"greeting{attempt}"
        after = f"express {code} {greeting}"
        package = express_package(code)
        update = threading.Thread(target=quietly, args=(app, code, greeting))
        with Load(danbi, app.url, clients=4) as load:
            load.goes_on(4)
            orphans = programs_of(danbi)
            update.start()
            # Not a wait for anything: the moment of the crash is what chance decides.
            time.sleep(chance.uniform(0, 0.25))
            danbi.kill_9()
            update.join()
            danbi.start()
            restarted = time.monotonic()
            danbi.wait_until(lambda: any(answer.began > restarted for answer in list(load.answers)), 60)
            enough = len(load.answers) + 16
            danbi.wait_until(lambda: len(load.answers) > enough, 60)
        assert {answer.status for answer in load.answers} <= {200, 0}, load.failures()[:5]
        assert not [answer for answer in load.failures() if answer.began > restarted]
        assert load.texts() - {answer.text for answer in load.failures()} <= {before, after}
        settled = load.texts(since=restarted)
        assert len(settled) == 1
        assert not [pid for pid in orphans if is_alive(pid)]
        # Nothing of the update that was cut off is in the way of the next one.
        updated(app.client, "app")
        assert app.client.get_function(FunctionName="app")["Configuration"]["State"] == "Active"
        app.client.update_function_code(FunctionName="app", ZipFile=package)
        updated(app.client, "app")
        before = settled.pop()
        assert app.get().body.decode() == before


def quietly(app, code, greeting):
    """An update that may be cut off at any point."""
    try:
        app.update(code, greeting)
    except Exception:  # noqa: BLE001 whatever the client makes of a platform that is gone
        pass


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
