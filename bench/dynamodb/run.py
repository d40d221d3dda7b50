#!/usr/bin/env python3
"""P6: Danbi's DynamoDB against dynalite, moto and dynoxide in one run, and its memory. See README.md beside this file."""

import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault("DANBI_BIN", str(ROOT / "target" / "release" / "danbi"))
os.environ.setdefault("LOAD_BIN", str(pathlib.Path(os.environ["DANBI_BIN"]).with_name("bench-dynamodb")))

from servers import SERVERS, available  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS = int(os.environ.get("SECONDS", "4"))
CLIENTS = int(os.environ.get("CLIENTS", "64"))
ITEM_BYTES = 300
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


def load(server, verb, what, **options):
    """One run of the client; what it printed."""
    options = {"port": server.port, "key": server.key_id, "secret": server.secret, "clients": CLIENTS, **options}
    command = [os.environ["LOAD_BIN"], verb, what]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{server.name}: {done.stderr}"
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
    """Every server, filled, and idle beside the others while one is measured."""
    with contextlib.ExitStack() as stack:
        servers = []
        for name in names:
            folder = pathlib.Path(base) / name
            folder.mkdir()
            servers.append(stack.enter_context(SERVERS[name](folder)))
        yield servers


def rates(names, results):
    """P6."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as base, all_servers(names, base) as servers:
        updates = {server.name: 0 for server in servers}
        for server in servers:
            table(server, "items")
            table(server, "many")
            table(server, "collections", sort=True)
            load(server, "fill", "items", clients=8, bytes=ITEM_BYTES)
            load(server, "fill", "collections", clients=8)
            server.client("dynamodb").put_item(TableName="items", Item={"pk": {"S": "hot"}, "n": {"N": "0"}})
        for what, title in RATES.items():
            taken = {server.name: [] for server in servers}
            for _ in range(ROUNDS):
                for server in servers:
                    seen = load(server, "rate", what, seconds=SECONDS, bytes=ITEM_BYTES)
                    taken[server.name].append(seen)
                    if what == "hot":
                        updates[server.name] += seen["answered"]
                    time.sleep(0.3)
            report(results, servers, what, title, taken)
        for server in servers:
            counted = int(server.client("dynamodb").get_item(TableName="items", Key={"pk": {"S": "hot"}}, ConsistentRead=True)["Item"]["n"]["N"])
            told = updates[server.name]
            # A client that leaves at the end of its time has read its last answer: each update is counted once.
            print(f"  {server.name}: {told:,} updates of the hot item were answered, {counted:,} are counted in it {'' if counted == told else '  LOST OR DOUBLED'}")
            results.append({"what": "hot item", "server": server.name, "answered": told, "counted": counted})


def report(results, servers, what, title, taken):
    """Prints one table and keeps it."""
    print(f"\n{title}, {CLIENTS} clients", flush=True)
    median = lambda name, of: statistics.median(run[of] for run in taken[name])  # noqa: E731
    for server in servers:
        name, runs = server.name, taken[server.name]
        rate, refused = median(name, "rate"), sum(run["refused"] for run in runs)
        ratio = median("danbi", "rate") / rate if "danbi" in taken and rate else 0
        target = TARGETS.get((what, name))
        verdict = "" if target is None else f"  must be {target}x: {'reached' if ratio >= target else 'NOT REACHED'}"
        told = f"{refused} refused: {next(run['refusal'] for run in runs if run['refusal'])[:80]}" if refused else ""
        print(
            f"  {name:<10} {rate:>9,.0f}/s  p50 {median(name, 'p50_ms'):7.2f} ms  p99 {median(name, 'p99_ms'):8.2f} ms"
            f"  client {median(name, 'client_processor'):4.0%} of a core  danbi is {ratio:6.2f}x  [{server.durability}] {told}{verdict}",
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
        path = pathlib.Path(os.environ.get("RESULTS_DIR", pathlib.Path(__file__).parent)) / f"results-{part}.json"
        path.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
