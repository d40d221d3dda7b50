"""PostgreSQL: made by boto3, used by two drivers, shared, pinned, killed, put to sleep, and brought back to a second."""

import os
import pathlib
import resource
import signal
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pg8000.dbapi
import psycopg
import pytest
from botocore.exceptions import ClientError
from platform_under_test import Platform

SERVERS = pathlib.Path("/usr/lib/postgresql")
pytestmark = [pytest.mark.skipif(not SERVERS.exists(), reason="PostgreSQL is not installed")]
PASSWORD = "correct-horse"
PATIENCE = 120
# Each client is a descriptor.
resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def until(condition, seconds=PATIENCE, pause=0.1):
    """Waits for a condition and gives what it answered."""
    end = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer or time.monotonic() > end:
            assert answer
            return answer
        time.sleep(pause)


def describe(rds, name):
    return rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]


def available(rds, name):
    def look():
        instance = describe(rds, name)
        assert instance["DBInstanceStatus"] != "failed", instance.get("StatusInfos")
        return instance if instance["DBInstanceStatus"] == "available" else None

    return until(look)


def create(rds, name="todo", **more):
    rds.create_db_instance(
        DBInstanceIdentifier=name,
        Engine="postgres",
        DBInstanceClass="db.t3.micro",
        AllocatedStorage=20,
        MasterUsername="postgres",
        MasterUserPassword=PASSWORD,
        DBName="todo",
        **more,
    )
    return available(rds, name)


def connect(instance, **more):
    more = {"user": "postgres", "password": PASSWORD, "dbname": "todo", "autocommit": True, "connect_timeout": 180, **more}
    return psycopg.connect(host="127.0.0.1", port=instance["Endpoint"]["Port"], **more)


def run(connection, sql, *arguments):
    cursor = connection.execute(sql, arguments or None)
    return cursor.fetchall() if cursor.description else None


def servers(danbi):
    """The pids of the postmasters of this platform."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
            ancestor = int(pid)
            while ancestor > 1 and ancestor != danbi.process.pid:
                ancestor = int(open(f"/proc/{ancestor}/stat").read().rsplit(")", 1)[1].split()[1])
        except (OSError, ValueError):
            continue
        if command[0].endswith(b"/postgres") and b"-D" in command and ancestor == danbi.process.pid:
            found.append(int(pid))
    return found


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """One database for all tests that leave it as it was."""
    danbi = Platform(tmp_path_factory.mktemp("postgres") / "data", (), {"DANBI_DATABASES_MS": "60000,200"})
    danbi.start()
    try:
        rds = danbi.client("rds")
        yield danbi, rds, create(rds)
    finally:
        danbi.end()


@pytest.fixture
def table(database):
    """A name that no other test uses."""
    name = f"t{time.monotonic_ns()}"
    yield name
    run(connect(database[2]), f"DROP TABLE IF EXISTS {name}")


def test_it_is_described_and_has_roles(database, table):
    _, rds, instance = database
    assert instance["Engine"] == "postgres" and instance["EngineVersion"].startswith("15.")
    assert instance["LicenseModel"] == "postgresql-license"
    assert instance["DBParameterGroups"][0]["DBParameterGroupName"] == "default.postgres15"
    versions = rds.describe_db_engine_versions(Engine="postgres")["DBEngineVersions"]
    assert versions[0]["DBParameterGroupFamily"] == "postgres15"
    connection = connect(instance)
    run(connection, f"CREATE TABLE {table} (id SERIAL PRIMARY KEY, note TEXT)")
    assert run(connection, f"INSERT INTO {table} (note) VALUES (%s) RETURNING id", "größer 🎉") == [(1,)]
    assert run(connection, f"SELECT * FROM {table}") == [(1, "größer 🎉")]
    run(connection, "CREATE ROLE app LOGIN PASSWORD 'apps-own'")
    run(connection, f"GRANT SELECT ON {table} TO app")
    app = connect(instance, user="app", password="apps-own")
    assert run(app, f"SELECT count(*) FROM {table}") == [(1,)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        run(app, f"DROP TABLE {table}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        run(connection, "COPY (SELECT 1) TO PROGRAM 'true'")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        run(connection, "ALTER ROLE rdsadmin PASSWORD 'mine'")
    app.close()
    run(connection, f"REVOKE SELECT ON {table} FROM app")
    run(connection, "DROP ROLE app")
    # Another driver, with its own half of the protocol.
    other = pg8000.dbapi.connect("postgres", host="127.0.0.1", port=instance["Endpoint"]["Port"], password=PASSWORD, database="todo")
    cursor = other.cursor()
    cursor.execute(f"INSERT INTO {table} (note) VALUES (%s)", ("pg8000",))
    other.commit()
    cursor.execute(f"SELECT note FROM {table} WHERE id = %s", (2,))
    assert cursor.fetchall() in ([["pg8000"]], [("pg8000",)], (["pg8000"],))
    other.close()


def test_bad_clients_and_the_next_one_works(database, table):
    _, _, instance = database
    port = instance["Endpoint"]["Port"]
    for more, words in [
        ({"password": "wrong-horse"}, "password authentication failed"),
        ({"user": "nobody"}, "password authentication failed"),
        ({"user": "rdsadmin"}, "password authentication failed"),
        ({"dbname": "nowhere"}, 'database "nowhere" does not exist'),
    ]:
        with pytest.raises(psycopg.OperationalError) as error:
            connect(instance, **more)
        assert words in str(error.value)

    halves = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    for half in halves:
        half.sendall(b"\x00\x00\x00\x55\x00\x03")
    nonsense = socket.create_connection(("127.0.0.1", port))
    nonsense.sendall(b"GET / HTTP/1.1\r\n\r\n")
    connection = connect(instance)
    run(connection, f"CREATE TABLE {table} (id INT PRIMARY KEY, body BYTEA)")
    for half in [*halves, nonsense]:
        half.settimeout(60)
        try:
            while half.recv(4096):
                pass
        except ConnectionResetError:
            # What it had said was not even read.
            pass

    run(connection, f"INSERT INTO {table} VALUES (9, %s)", os.urandom(1) * (64 << 20))
    assert run(connection, f"SELECT length(body) FROM {table}") == [(64 << 20,)]
    assert len(run(connection, f"SELECT body FROM {table}")[0][0]) == 64 << 20
    run(connection, f"DELETE FROM {table}")

    run(connection, f"INSERT INTO {table} VALUES (1, 'kept')")
    vanishing = connect(instance, autocommit=False)
    run(vanishing, f"DELETE FROM {table}")
    socket.socket(fileno=os.dup(vanishing.fileno())).shutdown(socket.SHUT_RDWR)
    # The row is locked until the transaction of the client that left is rolled back.
    run(connection, f"UPDATE {table} SET body = 'still there' WHERE id = 1")
    assert run(connect(instance), f"SELECT count(*) FROM {table}") == [(1,)]


def test_encrypted_connections(database):
    danbi, _, instance = database
    authority = danbi.data / "ca" / "cert.pem"
    until(authority.exists)
    connection = connect(instance, sslmode="verify-ca", sslrootcert=str(authority))
    assert connection.pgconn.ssl_in_use and run(connection, "SELECT 1") == [(1,)]


def test_a_statement_is_cancelled(database):
    _, _, instance = database
    connection, other = connect(instance), connect(instance)
    failed = []

    def sleep():
        try:
            run(connection, "SELECT pg_sleep(600)")
        except psycopg.errors.QueryCanceled as error:
            failed.append(error)

    sleeper = threading.Thread(target=sleep)
    sleeper.start()
    until(lambda: run(other, "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'")[0][0])
    connection.cancel()
    sleeper.join(60)
    assert failed and run(connection, "SELECT 1") == [(1,)]
    # Somebody else's number with a wrong secret ends nothing.
    stranger = socket.create_connection(("127.0.0.1", instance["Endpoint"]["Port"]))
    stranger.sendall(struct.pack("!IIII", 16, 80877102, connection.info.backend_pid, 1))
    assert stranger.recv(1) == b""


def test_a_thousand_clients_share_twenty_connections(database, table):
    _, _, instance = database
    with ThreadPoolExecutor(100) as crowd:
        clients = list(crowd.map(lambda _: connect(instance), range(1000)))
    run(clients[0], f"CREATE TABLE {table} (id SERIAL PRIMARY KEY, client INT)")
    for at, client in enumerate(clients):
        run(client, f"INSERT INTO {table} (client) VALUES ({at})")
    assert run(clients[7], f"SELECT count(*), count(DISTINCT client) FROM {table}") == [(1000, 1000)]
    used = run(clients[8], "SELECT count(*) FROM pg_stat_activity WHERE usename = 'postgres'")[0][0]
    assert used <= 20
    for client in clients:
        client.close()


def test_sessions_keep_what_is_theirs(database, table):
    _, _, instance = database
    clients = [connect(instance, prepare_threshold=None) for _ in range(30)]
    run(clients[0], "SET statement_timeout = '77s'")
    run(clients[1], "SELECT set_config('search_path', 'pg_catalog', false)")
    for client in clients[2:]:
        assert run(client, "SHOW statement_timeout") == [("0",)]
        assert run(client, "SHOW search_path") != [("pg_catalog",)]
    assert run(clients[0], "SHOW statement_timeout") == [("77s",)]
    assert run(clients[1], "SHOW search_path") == [("pg_catalog",)]
    run(clients[2], "CREATE TEMP TABLE mine (id INT)")
    run(clients[2], "INSERT INTO mine VALUES (2)")
    for client in clients[3:]:
        assert run(client, "SELECT to_regclass('mine')") == [(None,)]
    assert run(clients[2], "SELECT id FROM mine") == [(2,)]
    run(clients[3], "SELECT pg_advisory_lock(7)")
    assert run(clients[4], "SELECT pg_try_advisory_lock(7)") == [(False,)]
    assert run(clients[3], "SELECT pg_advisory_unlock(7)") == [(True,)]
    run(clients[5], "LISTEN news")
    run(clients[6], "NOTIFY news, 'hello'")
    assert next(clients[5].notifies(timeout=60)).payload == "hello"
    # Statements with a name belong to a connection: this driver names what it says often.
    often = connect(instance, prepare_threshold=1)
    for value in range(10):
        assert run(often, "SELECT %s::int", value) == [(value,)]
    with often.pipeline():
        cursors = [often.execute("SELECT %s::int", (value,)) for value in range(100)]
    assert [cursor.fetchone()[0] for cursor in cursors] == list(range(100))
    with clients[7].transaction():
        run(clients[7], f"CREATE TABLE {table} (id INT)")
        with clients[7].cursor().copy(f"COPY {table} FROM STDIN") as copy:
            for row in range(1000):
                copy.write_row((row,))
    with clients[8].cursor().copy(f"COPY {table} TO STDOUT") as copy:
        assert sum(1 for _ in copy.rows()) == 1000
    with pytest.raises(psycopg.errors.UndefinedTable):
        run(clients[9], "SELECT * FROM nowhere")
    assert run(clients[9], "SELECT 1") == [(1,)]
    for client in [*clients, often]:
        client.close()


def test_it_sleeps_wakes_and_loses_nothing(danbi_with):
    danbi = danbi_with(DANBI_DATABASES_MS="1000,200")
    rds = danbi.client("rds")
    instance = create(rds, BackupRetentionPeriod=0)
    connection = connect(instance)
    run(connection, "CREATE TABLE t (id INT PRIMARY KEY)")
    run(connection, "INSERT INTO t VALUES (0)")
    until(lambda: not servers(danbi))
    assert describe(rds, "todo")["DBInstanceStatus"] == "available"
    assert run(connection, "SELECT * FROM t") == [(0,)]
    rows = 1
    for kill in range(3):
        for _ in range(50):
            run(connection, "INSERT INTO t VALUES (%s)", rows)
            rows += 1
        if kill % 2 == 0:
            for pid in servers(danbi):
                os.kill(pid, signal.SIGKILL)
        else:
            danbi.kill_9()
            danbi.start()
        connection = connect(instance)
        assert run(connection, "SELECT count(*), max(id) FROM t") == [(rows, rows - 1)]
    rds.modify_db_instance(DBInstanceIdentifier="todo", MasterUserPassword="another-horse", ApplyImmediately=True)
    available(rds, "todo")
    with pytest.raises(psycopg.OperationalError):
        connect(instance)
    assert run(connect(instance, password="another-horse"), "SELECT count(*) FROM t") == [(rows,)]
    rds.stop_db_instance(DBInstanceIdentifier="todo")
    until(lambda: describe(rds, "todo")["DBInstanceStatus"] == "stopped")
    with pytest.raises(psycopg.OperationalError):
        connect(instance, password="another-horse", connect_timeout=2)
    rds.start_db_instance(DBInstanceIdentifier="todo")
    available(rds, "todo")
    assert run(connect(instance, password="another-horse"), "SELECT count(*) FROM t") == [(rows,)]


def test_a_dropped_table_is_back_in_a_database_of_the_second_before(danbi_with):
    danbi = danbi_with(DANBI_DATABASES_MS="60000,200")
    rds = danbi.client("rds")
    instance = create(rds)
    latest = lambda: describe(rds, "todo").get("LatestRestorableTime")
    until(latest)
    connection = connect(instance)
    run(connection, "CREATE TABLE t (id INT PRIMARY KEY, note TEXT)")
    run(connection, "INSERT INTO t VALUES (1, 'after the backup')")
    rds.create_db_snapshot(DBSnapshotIdentifier="early", DBInstanceIdentifier="todo")
    until(lambda: rds.describe_db_snapshots(DBSnapshotIdentifier="early")["DBSnapshots"][0]["Status"] == "available")
    (early,) = rds.describe_db_snapshots(DBSnapshotIdentifier="early")["DBSnapshots"]
    assert early["LicenseModel"] == "postgresql-license"
    danbi.kill_9()
    danbi.start()
    connection = connect(instance)
    run(connection, "INSERT INTO t SELECT id, repeat('x', 1000) FROM generate_series(2, 40000) AS id")
    seconds = lambda: int(run(connection, "SELECT floor(extract(epoch FROM clock_timestamp()))")[0][0])
    before = seconds()
    until(lambda: seconds() > before)
    run(connection, "DROP TABLE t")
    run(connection, "CREATE TABLE later (id INT PRIMARY KEY)")
    until(lambda: latest().timestamp() >= before + 1)
    restore = lambda name, **when: rds.restore_db_instance_to_point_in_time(
        SourceDBInstanceIdentifier="todo", TargetDBInstanceIdentifier=name, **when
    )
    restore("saved", RestoreTime=before)
    restore("newest", UseLatestRestorableTime=True)
    rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier="copy", DBSnapshotIdentifier="early")
    danbi.kill_9()
    danbi.start()
    tables = "SELECT relname FROM pg_stat_user_tables ORDER BY 1"
    saved = available(rds, "saved")
    assert run(connect(saved), "SELECT count(*), max(id) FROM t") == [(40000, 40000)]
    assert run(connect(available(rds, "newest")), tables) == [("later",)]
    assert run(connect(available(rds, "copy")), "SELECT id FROM t") == [(1,)]
    assert run(connect(instance), tables) == [("later",)]
    # What was restored has backups of its own, on a timeline of its own.
    moment = until(lambda: describe(rds, "saved").get("LatestRestorableTime"))
    run(connect(saved), "INSERT INTO t VALUES (40001, 'on another timeline')")
    until(lambda: describe(rds, "saved")["LatestRestorableTime"] > moment)
    rds.restore_db_instance_to_point_in_time(SourceDBInstanceIdentifier="saved", TargetDBInstanceIdentifier="twice", UseLatestRestorableTime=True)
    assert run(connect(available(rds, "twice")), "SELECT max(id) FROM t") == [(40001,)]
    with pytest.raises(ClientError) as error:
        restore("never", RestoreTime=time.time() + 3600)
    assert "after the latest" in str(error.value)
