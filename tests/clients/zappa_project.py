"""A copy of an app and the `zappa` of PyPI that deploys it."""

import json
import os
import re
import shutil
import subprocess

from platform_under_test import KEY_ID, SECRET, binary
from real_apps import TEST_ENV

#: An environment with Zappa and what the to-do list needs; Zappa packages the environment that it runs in.
TODO = TEST_ENV / "zappa"
#: One with Zappa, Flask and the wheels of both.
FLASK = TEST_ENV / "zappa-flask"


class Project:
    """A folder with an app and a `zappa_settings.json`, an environment to deploy it from, and a platform."""

    def __init__(self, danbi, source, folder, python, **environment):
        assert (python / "bin" / "zappa").exists(), f"`cargo xtask test` sets up an environment with Zappa; {python} is not there"
        self.danbi = danbi
        self.folder = folder
        self.python = python
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.sqlite3", "__pycache__"))
        self.environment = {
            **danbi.environment_for_clients(),
            "DANBI_ENDPOINT": danbi.url,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "VIRTUAL_ENV": str(python),
            "PATH": f"{python / 'bin'}:{os.environ['PATH']}",
            "PYTHONUNBUFFERED": "1",
            "COLUMNS": "200",
            **environment,
        }

    def settings(self, stage="dev", **changes):
        """Changes settings of a stage; `None` takes one away."""
        path = self.folder / "zappa_settings.json"
        stages = json.loads(path.read_text()) if path.exists() else {}
        settings = stages.setdefault(stage, {})
        for name, value in changes.items():
            if value is None:
                settings.pop(name, None)
            else:
                settings[name] = value
        path.write_text(json.dumps(stages))

    def command(self, *arguments, through_exec=True):
        """The command line of Zappa."""
        command = [str(self.python / "bin" / "zappa"), *arguments]
        return [binary(), "exec", "--", *command] if through_exec else command

    def zappa(self, *arguments, expect=0, through_exec=True):
        """Runs Zappa; gives what it printed."""
        done = subprocess.run(
            self.command(*arguments, through_exec=through_exec),
            cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=400,
        )
        assert done.returncode == expect, f"zappa {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{self.danbi.log()[-4000:]}"
        return done.stdout

    def tail(self, wanted, stage="dev"):
        """Follows the log with `zappa tail` until a line has `wanted`."""
        tail = subprocess.Popen(
            self.command("tail", stage, "--since", "1h", "--no-color"), cwd=self.folder, env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        try:
            return any(wanted in line for line in tail.stdout)
        finally:
            tail.kill()
            tail.wait()

    def endpoint(self, stage="dev"):
        """Where the API is, from `zappa status`."""
        return re.search(r"API Gateway URL:\s+(\S+)", self.zappa("status", stage)).group(1)


def answer(danbi, method, url, body=None, headers=None):
    """Status and body of a request to the app, JSON where it is."""
    headers = {**({"content-type": "application/json"} if body is not None else {}), **(headers or {})}
    got = danbi.http(method, url, json.dumps(body) if body is not None else None, headers)
    text = got.body.decode()
    return got.status, json.loads(text) if "json" in (got.headers.get("content-type") or "") else text
