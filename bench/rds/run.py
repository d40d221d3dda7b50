"""How long a sleeping database takes to answer, and what the proxy costs: see README.md."""

import argparse
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import boto3
import psycopg
import pymysql

KEY_ID, SECRET, PASSWORD = "AKIADANBIBENCH000000", "danbi-bench-secret-access-key-0000000000", "correct-horse"
POSTGRES = pathlib.Path("/usr/lib/postgresql/15/bin")
NOBODY = pwd.getpwnam("nobody")
POOLER, FORWARDER = "/usr/sbin/pgbouncer", "/usr/sbin/haproxy"
START_SECONDS, SETTLE_SECONDS = 60, 120


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(condition, seconds=SETTLE_SECONDS, pause=0.05):
    end = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > end:
            sys.exit("it took too long")
        time.sleep(pause)
    return answer


class MySql:
    name, user = "mysql", "admin"

    def query(self, port):
        connection = pymysql.connect(host="127.0.0.1", port=port, user=self.user, password=PASSWORD, database="todo", connect_timeout=START_SECONDS, ssl_disabled=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchall()
        connection.close()

    def prepare(self, port):
        connection = pymysql.connect(host="127.0.0.1", port=port, user=self.user, password=PASSWORD, database="todo", autocommit=True)
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS rows_ (id INT PRIMARY KEY, n INT)")
            cursor.execute("INSERT IGNORE INTO rows_ SELECT seq, 0 FROM seq_1_to_10000")
        connection.close()

    def make(self, folder):
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", "--basedir=/usr", f"--datadir={folder}/data", "--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-log-file-size=48M"],
            check=True, stdout=subprocess.DEVNULL, **as_nobody(),
        )
        (folder / "start.sql").write_text(
            f"CREATE DATABASE IF NOT EXISTS todo; CREATE OR REPLACE USER 'admin'@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON *.* TO 'admin'@'%';"
            .replace("; ", ";\n")
        )

    def command(self, folder, port):
        return [
            "/usr/sbin/mariadbd", "--no-defaults", f"--datadir={folder}/data", f"--socket={folder}/s", f"--pid-file={folder}/pid", f"--port={port}",
            "--bind-address=127.0.0.1", "--skip-name-resolve", f"--log-bin={folder}/log", "--server-id=1", "--binlog-format=ROW", "--sync-binlog=1",
            "--innodb-flush-log-at-trx-commit=1", "--innodb-use-native-aio=0", "--innodb-buffer-pool-size=268435456", "--innodb-log-file-size=48M",
            "--performance-schema=OFF", "--character-set-server=utf8mb4", "--max-connections=200", f"--ssl-cert={folder}/certificate", f"--ssl-key={folder}/key", "--key-buffer-size=8M",
            "--aria-pagecache-buffer-size=8M", "--thread-stack=256K", f"--init-file={folder}/start.sql",
        ]

    stop = signal.SIGTERM

    def load(self, port, clients, writes, encrypted, seconds):
        sql = "UPDATE rows_ SET n = n + 1 WHERE id = 1 + CONNECTION_ID() % 10000" if writes else "SELECT n FROM rows_ WHERE id = 77"
        count = max(200, clients * 100)
        done, spent = 0, 0.0
        while spent < seconds:
            begun = time.monotonic()
            subprocess.run(
                ["mariadb-slap", "--no-defaults", "--ssl" if encrypted else "--skip-ssl", "--host=127.0.0.1", f"--port={port}", f"--user={self.user}", f"--password={PASSWORD}",
                 "--create-schema=todo", f"--query={sql}", f"--concurrency={clients}", f"--number-of-queries={count}", "--silent"],
                check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
            spent += time.monotonic() - begun
            done += count
            count = min(count * 2, 200_000)
        return done / spent


class Postgres:
    name, user = "postgres", "postgres"

    def query(self, port):
        with psycopg.connect(host="127.0.0.1", port=port, user=self.user, password=PASSWORD, dbname="todo", connect_timeout=START_SECONDS, sslmode="disable") as connection:
            connection.execute("SELECT 1").fetchall()

    def prepare(self, port):
        with psycopg.connect(host="127.0.0.1", port=port, user=self.user, password=PASSWORD, dbname="todo", autocommit=True) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS rows_ (id INT PRIMARY KEY, n INT)")
            connection.execute("INSERT INTO rows_ SELECT id, 0 FROM generate_series(1, 10000) id ON CONFLICT DO NOTHING")

    def make(self, folder):
        (folder / "password").write_text(PASSWORD)
        subprocess.run(
            [POSTGRES / "initdb", "--pgdata", folder / "data", "--username=postgres", "--auth=scram-sha-256", f"--pwfile={folder}/password", "--encoding=UTF8", "--locale=C.UTF-8"],
            check=True, stdout=subprocess.DEVNULL, **as_nobody(),
        )
        with subprocess.Popen([POSTGRES / "postgres", "--single", "-D", folder / "data", "postgres"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, **as_nobody()) as single:
            single.communicate(b"CREATE DATABASE todo;\n")

    def command(self, folder, port):
        settings = {
            "port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": folder, "shared_buffers": "256MB", "huge_pages": "off", "wal_level": "replica",
            "max_wal_senders": 0, "wal_recycle": "off", "max_wal_size": "256MB", "min_wal_size": "32MB", "max_connections": 160, "jit": "off", "ssl": "on",
            "ssl_cert_file": f"{folder}/certificate", "ssl_key_file": f"{folder}/key",
        }
        return [POSTGRES / "postgres", "-D", folder / "data", *(word for name, value in settings.items() for word in ("-c", f"{name}={value}"))]

    stop = signal.SIGINT

    def load(self, port, clients, writes, encrypted, seconds):
        sql = "UPDATE rows_ SET n = n + 1 WHERE id = :id;" if writes else "SELECT n FROM rows_ WHERE id = :id;"
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
            script.write("\\set id random(1, 10000)\n" + sql + "\n")
            script.flush()
            said = subprocess.run(
                [POSTGRES / "pgbench", "--no-vacuum", "--host=127.0.0.1", f"--port={port}", f"--username={self.user}", f"--client={clients}", f"--time={seconds}", f"--file={script.name}", "todo"],
                check=True, capture_output=True, text=True, env={**os.environ, "PGPASSWORD": PASSWORD, "PGSSLMODE": "require" if encrypted else "disable"},
            ).stdout
        line = next(line for line in said.splitlines() if line.startswith("tps"))
        return float(line.split()[2])


def as_nobody():
    return {"user": NOBODY.pw_uid, "group": NOBODY.pw_gid, "extra_groups": []}


def percentiles(times):
    return {"median_ms": round(statistics.median(times) * 1000, 1), "p90_ms": round(sorted(times)[int(len(times) * 0.9)] * 1000, 1), "rounds": len(times)}


KINDS = {
    f"{clients} {'writing' if writes else 'reading'}{' encrypted' if encrypted else ''}": (clients, writes, encrypted)
    for encrypted, writes in ((False, False), (False, True), (True, False))
    for clients in (1, 16)
}


def loads(engine, port, seconds, peer=False):
    return {name: round(engine.load(port, *kind, seconds)) for name, kind in KINDS.items() if not (peer and kind[2])}


def peers(engine, folder, port, seconds):
    """What others cost between the same clients and the same server: one that only forwards, and one that pools as the platform does."""
    results = {}
    if pathlib.Path(FORWARDER).exists():
        at = free_port()
        (folder / "forwarder").write_text(
            f"defaults\n mode tcp\n timeout connect 5s\n timeout client 600s\n timeout server 600s\n"
            f"listen all\n bind 127.0.0.1:{at}\n server only 127.0.0.1:{port}\n"
        )
        results["haproxy"] = through(engine, [FORWARDER, "-db", "-f", folder / "forwarder"], at, seconds)
    if engine.name == "postgres" and pathlib.Path(POOLER).exists():
        at = free_port()
        (folder / "users").write_text(f'"{engine.user}" "{PASSWORD}"\n')
        (folder / "pooler").write_text(
            f"[databases]\ntodo = host={folder} port={port} dbname=todo\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {at}\n"
            f"auth_type = scram-sha-256\nauth_file = {folder}/users\npool_mode = transaction\ndefault_pool_size = 20\nunix_socket_dir =\n"
        )
        results["pgbouncer"] = through(engine, [POOLER, folder / "pooler"], at, seconds)
    return results


def through(engine, command, port, seconds):
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **as_nobody()) as process:
        try:
            until(lambda: answers(engine, port), START_SECONDS)
            return loads(engine, port, seconds, peer=True)
        finally:
            process.terminate()


def answers(engine, port):
    try:
        engine.query(port)
    except (pymysql.err.OperationalError, psycopg.OperationalError):
        return False
    return True


def bare(engine, rounds, seconds):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bare-"))
    try:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj", "/CN=localhost",
             "-keyout", folder / "key", "-out", folder / "certificate"],
            check=True, stderr=subprocess.DEVNULL,
        )
        for path in (folder, folder / "key"):
            shutil.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
        engine.make(folder)
        port, times = free_port(), []
        for at in range(rounds + 1):
            begun = time.monotonic()
            server = subprocess.Popen(engine.command(folder, port), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **as_nobody())
            while True:
                try:
                    engine.query(port)
                    break
                except (pymysql.err.OperationalError, psycopg.OperationalError):
                    if server.poll() is not None or time.monotonic() - begun > START_SECONDS:
                        sys.exit(f"the server by hand did not start: {engine.command(folder, port)}")
                    time.sleep(0.001)
            times.append(time.monotonic() - begun)
            if at == rounds:
                engine.prepare(port)
                warm = loads(engine, port, seconds)
                others = peers(engine, folder, port, seconds)
            server.send_signal(engine.stop)
            server.wait()
        # The first start after the making is not like the others.
        return percentiles(times[1:]), warm, others
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def children(pid):
    """The database servers below a process."""
    found = []
    for other in filter(str.isdigit, os.listdir("/proc")):
        try:
            name = pathlib.Path(f"/proc/{other}/comm").read_text().strip()
            ancestor = int(other)
            while ancestor > 1 and ancestor != pid:
                ancestor = int(pathlib.Path(f"/proc/{ancestor}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, ValueError):
            continue
        if ancestor == pid and name in ("mariadbd", "postgres"):
            found.append(int(other))
    return found


def platform(danbi, engine, rounds, seconds):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="danbi-"))
    environment = {**os.environ, "DANBI_ROOT_ACCESS_KEY_ID": KEY_ID, "DANBI_ROOT_SECRET_ACCESS_KEY": SECRET, "DANBI_DATABASES_MS": "1000,5000"}
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([danbi, "serve", "--data", folder / "data", "--listen", "127.0.0.1:0"], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
    try:
        url = process.stdout.readline().decode().split()[-1]
        rds = boto3.client("rds", endpoint_url=url, region_name="us-east-1", aws_access_key_id=KEY_ID, aws_secret_access_key=SECRET)
        rds.create_db_instance(
            DBInstanceIdentifier="todo", Engine=engine.name, DBInstanceClass="db.t3.micro", AllocatedStorage=20, MasterUsername=engine.user,
            MasterUserPassword=PASSWORD, DBName="todo", BackupRetentionPeriod=0,
        )
        describe = lambda: rds.describe_db_instances(DBInstanceIdentifier="todo")["DBInstances"][0]
        until(lambda: describe()["DBInstanceStatus"] == "available")
        port, times = describe()["Endpoint"]["Port"], []
        engine.prepare(port)
        for _ in range(rounds):
            until(lambda: not children(process.pid))
            begun = time.monotonic()
            engine.query(port)
            times.append(time.monotonic() - begun)
        engine.prepare(port)
        return percentiles(times), loads(engine, port, seconds)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--danbi", required=True)
    arguments.add_argument("--engine", action="append", choices=["mysql", "postgres"])
    arguments.add_argument("--rounds", type=int, default=10)
    arguments.add_argument("--seconds", type=int, default=10)
    arguments.add_argument("--json")
    told = arguments.parse_args()
    results = {}
    for engine in (engine() for engine in (MySql, Postgres) if not told.engine or engine.name in told.engine):
        start, direct, others = bare(engine, told.rounds, told.seconds)
        wake, warm = platform(told.danbi, engine, told.rounds, told.seconds)
        result = {
            "wake": wake,
            "bare start": start,
            "wake / bare": round(wake["median_ms"] / start["median_ms"], 2),
            "warm": warm,
            "bare": direct,
            "overhead": {name: f"{1 - warm[name] / direct[name]:.1%}" for name in direct},
            "overhead of others": {peer: {name: f"{1 - rate / direct[name]:.1%}" for name, rate in rates.items()} for peer, rates in others.items()},
        }
        results[engine.name] = result
        print(engine.name, json.dumps(result, indent=2), flush=True)
    if told.json:
        pathlib.Path(told.json).write_text(json.dumps(results, indent=2) + "\n")


main()
