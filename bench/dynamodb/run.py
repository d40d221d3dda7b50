#!/usr/bin/env python3
"""P6: Danbi's DynamoDB against dynalite, moto and dynoxide in one run, and its memory. See README.md beside this file."""

import contextlib
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault("DANBI_BIN", str(ROOT / "target" / "release" / "danbi"))
os.environ.setdefault("LOAD_BIN", str(pathlib.Path(os.environ["DANBI_BIN"]).with_name("bench-dynamodb")))

from botocore.exceptions import BotoCoreError, ClientError  # noqa: E402
from servers import SERVERS, available  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS = int(os.environ.get("SECONDS", "4"))
CLIENTS = int(os.environ.get("CLIENTS", "64"))
ITEM_BYTES = 300
#: How long a server may take over what is under way when a round is over, and how long to become idle after it.
PATIENCE = int(os.environ.get("PATIENCE", "10"))
#: How long one command of the client may take beyond what it was asked for: a server that hangs ends with a row.
LIMIT = int(os.environ.get("LIMIT", "300"))
SCAN_MIB = int(os.environ.get("SCAN_MIB", "1024"))
TABLE_ITEMS = int(os.environ.get("TABLE_ITEMS", "1000000"))

RATES = {
    "put": "PutItem",
    "get": "GetItem, consistent",
    "query": "Query of 100 items, consistent",
    "batch": "BatchWriteItem of 25 items",
    "transact": "TransactWriteItems of 4 items",
    "hot": "UpdateItem of one item, under a condition",
}
#: What Danbi must reach of PERFORMANCE's P6.
TARGETS = {("put", "dynalite"): 2, ("put", "moto"): 20, ("get", "dynalite"): 3}


class Failed(Exception):
    """A server did not do what was asked of it, or not in time."""


def load(server, verb, what, **options):
    """One run of the client; what it printed."""
    options = {"port": server.port, "key": server.key_id, "secret": server.secret, "clients": CLIENTS, "patience": PATIENCE, **options}
    command = [os.environ["LOAD_BIN"], verb, what]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    limit = LIMIT if verb == "rate" else 6 * LIMIT
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        raise Failed(f"{verb} {what} took more than {limit} s") from None
    if done.returncode != 0:
        raise Failed(f"{verb} {what}: {done.stderr.strip()[:200]}")
    return json.loads(done.stdout)


def table(server, name, sort=False):
    """Makes a table and waits until it can be used."""
    keys = [("pk", "HASH")] + ([("sk", "RANGE")] if sort else [])
    client = server.client("dynamodb")
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key, _ in keys],
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys],
    )
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


@contextlib.contextmanager
def all_servers(names, base):
    """Every server that starts, filled, and idle beside the others while one is measured."""
    with contextlib.ExitStack() as stack:
        servers = []
        for name in names:
            folder = pathlib.Path(base) / name
            folder.mkdir()
            try:
                servers.append(stack.enter_context(SERVERS[name](folder)))
            except AssertionError as failure:
                if name == "danbi":
                    raise
                print(f"LACKING: {name} is not measured: {failure}", flush=True)
        yield servers


def wanted_rates():
    """The measurements of P6, or those that `ONLY` names."""
    only = [name for name in os.environ.get("ONLY", "").split(",") if name]
    unknown = [name for name in only if name not in RATES]
    if unknown:
        sys.exit(f"ONLY: no such measurement: {', '.join(unknown)}; there are {', '.join(RATES)}")
    return {what: title for what, title in RATES.items() if not only or what in only}


def fill(server):
    """The tables that P6 reads and writes."""
    table(server, "items")
    table(server, "many")
    table(server, "collections", sort=True)
    load(server, "fill", "items", clients=8, bytes=ITEM_BYTES)
    load(server, "fill", "collections", clients=8)
    server.client("dynamodb").put_item(TableName="items", Item={"pk": {"S": "hot"}, "n": {"N": "0"}})


def rates(names, results):
    """P6. A server that fails is left out from there on; the others are measured to the end."""
    wanted = wanted_rates()
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as base, all_servers(names, base) as servers:
        hot = {server.name: {"answered": 0, "abandoned": 0} for server in servers}
        failures = {}
        for server in servers:
            attempt(failures, server, lambda: fill(server))
        for what, title in wanted.items():
            taken = {server.name: [] for server in servers}
            for _ in range(ROUNDS):
                for server in servers:
                    if server.name not in failures:
                        attempt(failures, server, lambda: taken[server.name].append(one_round(server, what)))
            report(results, servers, what, title, taken, failures)
            if what == "hot":
                for server in servers:
                    for kind in hot[server.name]:
                        hot[server.name][kind] = sum(run[kind] for run in taken[server.name])
            keep(results, "rates")
        for server in servers:
            if "hot" in wanted and server.name not in failures:
                attempt(failures, server, lambda: count_hot(server, hot[server.name], results))


def attempt(failures, server, do):
    """Does it; a server that fails is told, ended, and left out from there on."""
    try:
        do()
    except (Failed, BotoCoreError, ClientError) as failure:
        failures[server.name] = str(failure)
        print(f"  {server.name} is left out from here on: {failure}", flush=True)
        with contextlib.suppress(ProcessLookupError):
            os.kill(server.pid, signal.SIGKILL)


def one_round(server, what):
    """One server's round, and its work done when this returns."""
    seen = load(server, "rate", what, seconds=SECONDS, bytes=ITEM_BYTES)
    time.sleep(0.3)
    if seen["abandoned"] and not idle(server):
        raise Failed(f"{what}: {seen['answered']} answered in {SECONDS + PATIENCE} s, and busy with the others {PATIENCE} s later")
    return seen


def idle(server):
    """Waits until the server needs no processor, for as long as patience lasts."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        before = server.processor_seconds()
        time.sleep(0.5)
        if server.processor_seconds() - before < 0.05:
            return True
    return False


def count_hot(server, told, results):
    """Each answered update of the hot item is counted once; one that nobody waited for may be."""
    client = server.client("dynamodb")
    counted = int(client.get_item(TableName="items", Key={"pk": {"S": "hot"}}, ConsistentRead=True)["Item"]["n"]["N"])
    kept = told["answered"] <= counted <= told["answered"] + told["abandoned"]
    print(f"  {server.name}: {told['answered']:,} updates of the hot item were answered, {counted:,} are counted in it{'' if kept else '  LOST OR DOUBLED'}")
    results.append({"what": "hot item", "server": server.name, **told, "counted": counted})


def report(results, servers, what, title, taken, failures):
    """Prints one table and keeps it."""
    print(f"\n{title}, {CLIENTS} clients", flush=True)
    median = lambda name, of: statistics.median(run[of] for run in taken[name])  # noqa: E731
    for server in servers:
        name, runs = server.name, taken[server.name]
        if not runs:
            print(f"  {name:<10} not measured: {failures[name]}", flush=True)
            results.append({"what": what, "server": name, "failed": failures[name]})
            continue
        rate, refused, abandoned = median(name, "rate"), sum(run["refused"] for run in runs), sum(run["abandoned"] for run in runs)
        ratio = median("danbi", "rate") / rate if taken.get("danbi") and rate else 0
        target = TARGETS.get((what, name))
        verdict = "" if target is None else f"  must be {target}x: {'reached' if ratio >= target else 'NOT REACHED'}"
        told = f" {refused} refused: {next(run['refusal'] for run in runs if run['refusal'])[:80]}" if refused else ""
        told += f" {abandoned} not answered within {PATIENCE} s" if abandoned else ""
        told += f" ({len(runs)} of {ROUNDS} rounds)" if len(runs) < ROUNDS else ""
        print(
            f"  {name:<10} {rate:>9,.0f}/s  p50 {median(name, 'p50_ms'):7.2f} ms  p99 {median(name, 'p99_ms'):8.2f} ms"
            f"  client {median(name, 'client_processor'):4.0%} of a core  danbi is {ratio:6.2f}x  [{server.durability}]{told}{verdict}",
            flush=True,
        )
        results.append(
            {
                "what": what,
                "server": name,
                "durability": server.durability,
                "rate": round(rate, 1),
                "rounds": [round(run["rate"], 1) for run in runs],
                "p50_ms": round(median(name, "p50_ms"), 3),
                "p99_ms": round(median(name, "p99_ms"), 3),
                "client_processor": round(median(name, "client_processor"), 2),
                "danbi_ratio": round(ratio, 2),
                "refused": refused,
                "abandoned": abandoned,
                "failed": failures.get(name),
            }
        )


def scan(_, results):
    """A table of SCAN_MIB, read from end to end by one client: how much the server's memory grows."""
    size = 4096
    items = SCAN_MIB * 1024 * 1024 // size
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as base, all_servers(["danbi"], base) as [server]:
        table(server, "large")
        filled = load(server, "fill", "large", clients=8, items=items, bytes=size)
        server.restart()
        load(server, "order", "large", clients=4, items=items, seconds=1)
        before = server.rss_mib()
        server.forget_peak()
        seen = load(server, "scan", "large")
        grown = server.peak_mib() - before
        assert seen["items"] == items, seen
        rate = SCAN_MIB / seen["seconds"]
        print(f"\nScan of {items:,} items, {SCAN_MIB} MiB, {seen['pages']:,} pages: {seen['seconds']:.1f} s ({rate:.0f} MiB/s, the client's parsing in it)")
        print(f"  filled in {filled['seconds']:.0f} s; resident before {before:.0f} MiB, highest meanwhile {grown:+.0f} MiB (at most 64: {'kept' if grown <= 64 else 'NOT KEPT'})")
        results.append({"what": "scan", "mib": SCAN_MIB, "items": items, "seconds": seen["seconds"], "rss_before_mib": round(before, 1), "rss_growth_mib": round(grown, 1)})


def large(_, results):
    """A table of TABLE_ITEMS items: memory and speed while it grows tenfold."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as base, all_servers(["danbi"], base) as [server]:
        table(server, "large")
        print(f"\nA table that grows to {TABLE_ITEMS:,} items of {ITEM_BYTES} bytes")
        begun, there = time.monotonic(), 0
        for share in (1, 2, 4, 6, 8, 10):
            wanted = TABLE_ITEMS * share // 10
            server.forget_peak()
            filled = load(server, "fill", "large", clients=16, bytes=ITEM_BYTES, **{"from": there}, items=wanted - there)
            written, there = (wanted - there) / filled["seconds"], wanted
            peak = server.peak_mib()
            seen = load(server, "order", "large", clients=16, items=there, seconds=3)
            row = {"what": "large table", "items": there, "written_per_second": round(written), "gets_per_second": round(seen["rate"]), "p99_ms": round(seen["p99_ms"], 2), "peak_mib": round(peak, 1), "rss_mib": round(server.rss_mib(), 1), "disk_mib": round(server.disk_mib())}
            print(f"  {there:>12,} items: written {written:,.0f}/s, random GetItem {seen['rate']:,.0f}/s (p99 {seen['p99_ms']:.2f} ms), resident {row['rss_mib']:.0f} MiB, highest {peak:.0f} MiB, disk {row['disk_mib']:,} MiB", flush=True)
            results.append(row)
        begun_again = time.monotonic()
        server.restart()
        print(f"  all in {begun_again - begun:.0f} s; killed and ready again in {time.monotonic() - begun_again:.2f} s")


def keep(results, part):
    """Writes what was measured so far."""
    path = pathlib.Path(os.environ.get("RESULTS_DIR", pathlib.Path(__file__).parent)) / f"results-{part}.json"
    path.write_text(json.dumps(results, indent=2) + "\n")


PARTS = {"rates": rates, "scan": scan, "large": large}


def main():
    wanted = sys.argv[1:] or ["rates"]
    lacking = [part for part in wanted if part not in PARTS]
    if lacking:
        sys.exit(f"no such part: {', '.join(lacking)}; there are {', '.join(PARTS)}")
    for variable in ("DANBI_BIN", "LOAD_BIN"):
        if not pathlib.Path(os.environ[variable]).exists():
            sys.exit(f"{variable}: there is no {os.environ[variable]}; cargo build --release -p danbi -p bench-dynamodb")
    names = [name for name in os.environ.get("SERVERS", ",".join(available())).split(",") if name]
    print(f"{os.uname().release}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {ROUNDS} rounds of {SECONDS} s")
    for part in wanted:
        results = []
        PARTS[part](names, results)
        keep(results, part)


if __name__ == "__main__":
    main()
