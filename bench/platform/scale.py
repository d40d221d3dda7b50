"""Bursts, churn and density: what many environments at once, or many one after another, cost. See README.md beside this file."""

import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import statistics
import time

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from packages import create, python, zipped
from platform_under_test import KEY_ID, SECRET

# A signature may be sent again for five minutes.
RESIGN_SECONDS = 200
# Longer than it takes to make all environments of a burst, so that none of them serves two requests.
HOLD_SECONDS = 5
# The platform keeps more ready for as long as it remembers a minute of cold starts.
REMEMBERED_SECONDS = 75
# What churn may leave in the platform's memory: allocator slack, caches, the log's last chunk.
RSS_GROWTH_MIB = 64


def signed(platform, name, payload=b"{}"):
    """Path and headers of one signed Invoke call."""
    path = f"/2015-03-31/functions/{name}/invocations"
    request = AWSRequest("POST", platform.url + path, data=payload, headers={"Host": f"127.0.0.1:{platform.port}"})
    SigV4Auth(Credentials(KEY_ID, SECRET), "lambda", "us-east-1").add_auth(request)
    return path, dict(request.headers)


class Caller:
    """One kept-alive connection that invokes one function again and again, each time in a fresh environment."""

    def __init__(self, platform, name, payload=b"{}", environment="fresh"):
        self.platform, self.name, self.payload, self.environment = platform, name, payload, environment
        self.connection = http.client.HTTPConnection("127.0.0.1", platform.port, timeout=120)
        self.until = 0

    def call(self):
        self.send()
        return self.receive()

    def send(self):
        if time.monotonic() > self.until:
            self.path, self.headers = signed(self.platform, self.name, self.payload)
            if self.environment:
                self.headers["X-Danbi-Environment"] = self.environment
            self.until = time.monotonic() + RESIGN_SECONDS
        self.connection.request("POST", self.path, body=self.payload, headers=self.headers)

    def receive(self):
        answer = self.connection.getresponse()
        body = answer.read()
        assert answer.status == 200 and "x-amz-function-error" not in answer.headers, (answer.status, body)
        return json.loads(body)


def descendants(pid):
    """All processes below one."""
    found, left = [], [pid]
    while left:
        one = left.pop()
        try:
            tasks = os.listdir(f"/proc/{one}/task")
            children = [int(child) for task in tasks for child in pathlib.Path(f"/proc/{one}/task/{task}/children").read_text().split()]
        except OSError:
            continue
        found += children
        left += children
    return found


def own_kib(pid):
    """What a process has for itself alone."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def held(platform):
    """Everything that a leak would leave behind."""
    platform_pid = platform.process.pid
    below = descendants(platform_pid)
    launcher = next((pid for pid in below if "danbi-sandbox-launcher" in _command(pid)), platform_pid)
    # Other platforms may run on this machine: its own launcher's number is in the cgroups of what it has prepared.
    number = next((found[1] for pid in below if (found := re.search(r"/danbi-(\d+)/", _text(f"/proc/{pid}/cgroup")))), "none")
    cgroups = sum(len(folders) for root, folders, _ in os.walk("/sys/fs/cgroup") if root.endswith(f"/danbi-{number}"))
    namespaces = set()
    for pid in [platform_pid, *below]:
        for kind in ("mnt", "pid", "net", "user"):
            try:
                namespaces.add(os.readlink(f"/proc/{pid}/ns/{kind}"))
            except OSError:
                pass
    status = pathlib.Path(f"/proc/{platform_pid}/status").read_text()
    return {
        "processes": len(below),
        "cgroups": cgroups,
        "namespaces": len(namespaces),
        "mounts": len(pathlib.Path(f"/proc/{launcher}/mounts").read_text().splitlines()),
        "interfaces": sum(name.startswith(f"danbi{number}s") for name in os.listdir("/sys/class/net")),
        "descriptors": len(os.listdir(f"/proc/{platform_pid}/fd")),
        "launcher descriptors": len(os.listdir(f"/proc/{launcher}/fd")),
        "RSS, MiB": int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024,
    }


def _command(pid):
    return _text(f"/proc/{pid}/cmdline")


def _text(path):
    try:
        return pathlib.Path(path).read_text()
    except OSError:
        return ""


def settled(platform):
    """The same once what has just ended is gone, and what was kept ready for more of it too."""
    time.sleep(REMEMBERED_SECONDS)
    last, same = held(platform), 0
    deadline = time.monotonic() + 120
    while same < 4 and time.monotonic() < deadline:
        time.sleep(3)
        now = held(platform)
        alike = all(now[name] == last[name] for name in now if name != "RSS, MiB")
        same, last = (same + 1 if alike else 0), now
    return last


def with_template(platform, name):
    """Waits until fresh environments of the function are restored."""
    caller = Caller(platform, name)
    for _ in range(300):
        caller.call()
        if json.loads(platform.http("GET", "/_danbi/health").body)["environments"]["templates"]["now"] > 0:
            return
        time.sleep(0.1)
    raise AssertionError("there is no template")


def burst(results, danbi, django, count):
    """From nothing to many environments of the Django app at once."""
    with danbi() as platform:
        client = platform.client("lambda")
        create(client, "django", django, Runtime="python3.11", Handler="app.handler", MemorySize=128, Timeout=60)
        with_template(platform, "django")
        payload = json.dumps({"hold": HOLD_SECONDS}).encode()
        callers = [Caller(platform, "django", payload, environment=None) for _ in range(count)]
        for caller in callers:
            caller.connection.connect()
        rounds = []
        for _ in range(3):
            began = time.time()
            # No threads: a hundred of them took a fifth of the machine from what is measured.
            for caller in callers:
                caller.send()
            answers = [json.loads(caller.receive()["body"]) for caller in callers]
            assert len({answer["environment"] for answer in answers}) == count, "an environment served two requests"
            rounds.append(max(answer["answered"] for answer in answers) - began)
            client.update_function_configuration(FunctionName="django", Description=str(began))
            client.get_waiter("function_updated_v2").wait(FunctionName="django", WaiterConfig={"Delay": 0.1, "MaxAttempts": 400})
            with_template(platform, "django")
        took = statistics.median(rounds)
        results.append({"figure": "burst", "what": f"{count} environments of Django + DRF, all at work", "danbi": round(took, 2), "unit": "s, no failed request", "target": "≤ 1", "met": took <= 1})


def soak(results, danbi, django, count):
    """Environments made and ended, one after another: nothing may stay."""
    with danbi() as platform:
        client = platform.client("lambda")
        create(client, "plain", python("def handler(event, context):\n    return 1\n"), MemorySize=128)
        create(client, "node", zipped({"index.js": "exports.handler = async () => 1\n"}), Runtime="nodejs20.x", Handler="index.handler", MemorySize=128)
        create(client, "django", django, Runtime="python3.11", Handler="app.handler", MemorySize=256, Timeout=60)
        with_template(platform, "django")
        # Most of them are restored, which is what an hour of visitors makes; some are of the other kinds.
        shares = {"django": 8, "plain": 1, "node": 1}
        for name in shares:
            Caller(platform, name).call()
        for _ in range(min(count, 200)):
            Caller(platform, "django").call()
        before = settled(platform)
        began = time.monotonic()

        def churn(part):
            name, times = part
            caller = Caller(platform, name)
            for _ in range(times):
                caller.call()
            return times

        parts = [(name, count * share // 10 // 2) for name, share in shares.items() for _ in range(2)]
        with concurrent.futures.ThreadPoolExecutor(len(parts)) as threads:
            made = sum(threads.map(churn, parts))
        seconds = time.monotonic() - began
        after = settled(platform)
        for name, value in after.items():
            bound = before[name] + (RSS_GROWTH_MIB if name == "RSS, MiB" else 0)
            results.append({"figure": "soak", "what": f"{name} after {made} environments in {seconds:.0f} s", "danbi": round(value, 1), "peer": round(before[name], 1), "unit": "before", "target": f"≤ {bound:.0f}", "met": value <= bound})


def density(results, danbi, django, apps, environments):
    """P10: deployed idle apps, and live environments of the Django app."""
    with danbi() as platform:
        client = platform.client("lambda")
        create(client, "first")
        time.sleep(1)
        before = platform.rss_mib()
        code = python("def handler(event, context):\n    return event\n")
        make = lambda n: client.create_function(FunctionName=f"app-{n}", Runtime="python3.11", Role="arn:aws:iam::000000000000:role/r", Handler="app.handler", Code={"ZipFile": code})  # noqa: E731
        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            list(threads.map(make, range(apps)))
        time.sleep(2)
        grown = platform.rss_mib() - before
        results.append({"figure": "P10", "what": f"memory of {apps} deployed idle apps", "danbi": round(grown, 1), "unit": "MiB", "target": "≤ 50", "met": grown <= 50})

        create(client, "django", django, Runtime="python3.11", Handler="app.handler", MemorySize=256, Timeout=60)
        with_template(platform, "django")
        time.sleep(3)
        known = set(descendants(platform.process.pid))
        payload = json.dumps({"hold": HOLD_SECONDS}).encode()
        callers = [Caller(platform, "django", payload, environment=None) for _ in range(environments)]
        with concurrent.futures.ThreadPoolExecutor(environments) as threads:
            answers = [threads.submit(caller.call) for caller in callers]
            time.sleep(HOLD_SECONDS * 0.8)
            fresh = [pid for pid in descendants(platform.process.pid) if pid not in known]
            own = sum(own_kib(pid) for pid in fresh) / 1024 / environments
            for answer in answers:
                answer.result()
        results.append({"figure": "P10", "what": f"own memory of a live Django environment, mean of {environments}", "danbi": round(own, 2), "unit": "MiB", "target": "≤ 8", "met": own <= 8})
