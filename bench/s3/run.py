#!/usr/bin/env python3
"""P8: Danbi's S3 against s3rver, s3s-fs and Garage in one run. See README.md beside this file."""

import contextlib
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault("DANBI_BIN", str(ROOT / "target" / "release" / "danbi"))

from load import MIB, download, listing, once, presigned, requests_file, save, signed, upload, wrk  # noqa: E402
from servers import SERVERS, Server, available, client_of, free_port, process  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS = int(os.environ.get("SECONDS", "4"))
LARGE = int(os.environ.get("LARGE_MIB", "1024")) * MIB
KEYS = int(os.environ.get("KEYS", "100000"))
PART = 64 * MIB
PARTS_AT_ONCE = 2
OBJECTS = 5000
#: s3rver and s3s-fs walk a folder for every page: they are given fewer keys, and their time is for those.
FEWER_KEYS = {"s3rver": 10_000, "s3s-fs": 10_000}


@contextlib.contextmanager
def all_servers(names, base):
    """Every server, idle beside the others while one is measured."""
    with contextlib.ExitStack() as stack:
        servers = []
        for name in names:
            folder = pathlib.Path(base) / name
            folder.mkdir()
            server = stack.enter_context(SERVERS[name](folder))
            client_of(server).create_bucket(Bucket="box")
            servers.append(server)
        yield servers


def rounds(servers, measure, count=None):
    """Medians of each server's measurements, taken in turn."""
    taken = {server.name: [] for server in servers}
    for _ in range(count or ROUNDS):
        for server in servers:
            taken[server.name].append(measure(server))
            time.sleep(0.3)
    return {name: [statistics.median(column) for column in zip(*values)] for name, values in taken.items()}


def small(servers, folder, results):
    """1 KB objects: PUT and GET at 16 and 64 clients."""
    body = os.urandom(1024)
    keys = [f"/box/small/{number:05}" for number in range(OBJECTS)]
    for method in ("PUT", "GET"):
        for connections in (16, 64):
            files = {server.name: requests_file(folder, [signed(server, method, key, body if method == "PUT" else b"") for key in keys]) for server in servers}
            if method == "PUT" and connections == 16:
                for server in servers:
                    once(server, [signed(server, method, key, body) for key in keys], 4)
            medians = rounds(servers, lambda server: wrk(server, files[server.name], connections, SECONDS))
            report(results, servers, f"{method} 1 KB, {connections} clients", {name: value[0] for name, value in medians.items()}, "requests/s", {name: f"p50 {value[1]:.2f} ms, p99 {value[2]:.2f} ms" for name, value in medians.items()})


def large(servers, folder, results):
    """1 GiB in parts up, in one piece down, with the highest memory; beside the disk itself and nginx."""
    path = os.path.join(folder, "large")
    with open(path, "wb") as out:
        for _ in range(LARGE // MIB):
            out.write(os.urandom(MIB))

    def up(server):
        server.forget_peak()
        return [upload(server, client_of(server), path, PART, PARTS_AT_ONCE), server.peak_mib()]

    def down(server):
        server.forget_peak()
        target = presigned(server, "GET", "/box/large")
        return [download(server.port, target, LARGE), server.peak_mib()]

    count = min(ROUNDS, 3)
    rate = lambda medians: {name: LARGE / MIB / value[0] for name, value in medians.items()}  # noqa: E731
    peak = lambda medians: {name: f"peak {value[1]:.0f} MiB" for name, value in medians.items()}  # noqa: E731
    medians = rounds(servers, up, count)
    disk = statistics.median(LARGE / MIB / write_and_sync(path, os.path.join(folder, "copy")) for _ in range(count))
    report(results, servers, "1 GiB up, parts of 64 MiB, 2 at once", {**rate(medians), "disk": disk}, "MiB/s", {**peak(medians), "disk": "the same bytes written to one file, then fsync"})
    medians = rounds(servers, down, count)
    with nginx(folder) as server:
        static = statistics.median(LARGE / MIB / download(server.port, "/large", LARGE) for _ in range(count))
    report(results, servers, "1 GiB down, one connection", {**rate(medians), "nginx": static}, "MiB/s", {**peak(medians), "nginx": "static file, sendfile"})
    os.unlink(path)


def write_and_sync(source, target):
    begun = time.perf_counter()
    with open(source, "rb") as reader, open(target, "wb") as writer:
        while piece := reader.read(4 * MIB):
            writer.write(piece)
        writer.flush()
        os.fsync(writer.fileno())
    seconds = time.perf_counter() - begun
    os.unlink(target)
    return seconds


@contextlib.contextmanager
def nginx(folder):
    port = free_port()
    config = os.path.join(folder, "nginx.conf")
    pathlib.Path(config).write_text(
        f"daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; user root;\n"
        f"events {{}}\nhttp {{ access_log off; sendfile on; server {{ listen 127.0.0.1:{port}; root {folder}; }} }}\n"
    )
    with process(["nginx", "-c", config, "-p", folder], port, os.path.join(folder, "nginx.out")) as child:
        yield Server("nginx", "", port, child.pid, "", "")


def lists(servers, folder, results):
    """A bucket of many keys, listed from its first page to its last."""
    rates, notes = {}, {}
    for server in servers:
        client, count = client_of(server), min(KEYS, FEWER_KEYS.get(server.name, KEYS))
        client.create_bucket(Bucket="many")
        for start in range(0, count, 20_000):
            once(server, [signed(server, "PUT", f"/many/key-{number:07}") for number in range(start, min(start + 20_000, count))], 8)
        seconds = []
        for _ in range(min(ROUNDS, 3)):
            keys, took = listing(client, "many")
            assert keys == count, (server.name, keys)
            seconds.append(took)
        rates[server.name] = count / statistics.median(seconds)
        notes[server.name] = f"{count:,} keys in {statistics.median(seconds):.2f} s"
    report(results, servers, f"listing {KEYS:,} keys", rates, "keys/s", notes)


def report(results, servers, what, figures, unit, notes):
    """Prints one table and keeps it."""
    durability = {server.name: server.durability for server in servers}
    print(f"\n{what}", flush=True)
    for name, value in figures.items():
        ratio = figures.get("danbi", value) / value
        print(f"  {name:<20} {value:>10,.0f} {unit:<11} danbi is {ratio:6.2f}x   {notes.get(name, '')}   [{durability.get(name, '')}]", flush=True)
        results.append({"what": what, "server": name, "value": round(value, 1), "unit": unit, "danbi_ratio": round(ratio, 2), "note": notes.get(name, ""), "durability": durability.get(name, "")})


PARTS = {"small": small, "large": large, "list": lists}


def main():
    wanted = sys.argv[1:] or list(PARTS)
    names = [name for name in os.environ.get("SERVERS", ",".join(available())).split(",") if name]
    results = []
    print(f"{os.uname().release}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {subprocess.run(['wrk', '-v'], capture_output=True, text=True).stdout.splitlines()[0]}")
    for part in wanted:
        with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as base, all_servers(names, base) as servers:
            (pathlib.Path(base) / "work").mkdir()
            PARTS[part](servers, str(pathlib.Path(base) / "work"), results)
    save(pathlib.Path(__file__).with_name("results.json"), results)


if __name__ == "__main__":
    main()
