"""Databases under clients and accidents that mean no good: each is told what is wrong, and the platform stays up."""

import os
import shutil
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pymysql
import pytest
from botocore.exceptions import ClientError
from test_rds import available, connect, create, run, servers, until

pytestmark = pytest.mark.skipif(shutil.which("mariadbd", path="/usr/sbin:/usr/bin") is None, reason="MariaDB is not installed")


@pytest.fixture
def database(danbi_with):
    danbi = danbi_with(DANBI_DATABASES_MS="60000,200")
    rds = danbi.client("rds")
    return danbi, rds, create(rds)


def closed(connection):
    """Reads until the other side closes."""
    connection.settimeout(60)
    try:
        while connection.recv(4096):
            pass
    except ConnectionResetError:
        pass
    return True


def test_clients_that_mean_no_good(database):
    danbi, _, instance = database
    port = instance["Endpoint"]["Port"]
    for attempt in range(100):
        with pytest.raises(pymysql.err.OperationalError) as error:
            connect(instance, password=f"wrong-horse-{attempt}")
        assert error.value.args[0] == 1045
    assert run(connect(instance), "SELECT 1") == ((1,),)

    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(2000)]
    # It asks for encryption and then says nothing, or nonsense.
    half = socket.create_connection(("127.0.0.1", port))
    half.recv(4096)
    asks = b"\x20\x00\x00\x01" + (0x0000AA85 | 0x800).to_bytes(4, "little") + b"\x00\x00\x00\x01\x2d" + b"\x00" * 23
    half.sendall(asks)
    nonsense = socket.create_connection(("127.0.0.1", port))
    nonsense.recv(4096)
    nonsense.sendall(asks)
    nonsense.sendall(b"\x16\x03\x01\xff\xff" + b"x" * 1000)
    assert run(connect(instance), "SELECT 1") == ((1,),)
    assert closed(half) and closed(nonsense) and all(closed(one) for one in silent)
    assert run(connect(instance), "SELECT 1") == ((1,),)
    assert danbi.process.poll() is None


def test_a_server_that_is_killed_in_the_midst_of_a_query(database):
    danbi, rds, instance = database
    connection = connect(instance, autocommit=True)
    told = []

    def ask():
        try:
            told.append(run(connection, "SELECT SLEEP(300)"))
        except pymysql.err.Error as error:
            told.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    watching = connect(instance)
    until(lambda: run(watching, "SELECT COUNT(*) FROM information_schema.processlist WHERE info = 'SELECT SLEEP(300)'") == ((1,),))
    for pid in servers(danbi):
        os.kill(pid, signal.SIGKILL)
    asking.join(60)
    assert isinstance(told[0], pymysql.err.OperationalError)
    assert run(connect(instance), "SELECT 1") == ((1,),)


def test_a_database_whose_files_are_gone_is_restored_from_what_is_archived(danbi_with):
    danbi = danbi_with(DANBI_DATABASES_MS="500,100")
    rds = danbi.client("rds")
    instance = create(rds)
    connection = connect(instance, autocommit=True)
    run(connection, "CREATE TABLE t (id INT PRIMARY KEY)")
    run(connection, "INSERT INTO t VALUES (7)")
    written = time.time()
    latest = lambda: rds.describe_db_instances(DBInstanceIdentifier="todo")["DBInstances"][0].get("LatestRestorableTime")
    until(lambda: latest() and latest().timestamp() > written)
    until(lambda: not servers(danbi))
    shutil.rmtree(danbi.data / "databases" / instance["DbiResourceId"])
    with pytest.raises(pymysql.err.OperationalError) as error:
        connect(instance)
    assert error.value.args[0] == 1053 and "gone" in error.value.args[1]
    rds.restore_db_instance_to_point_in_time(SourceDBInstanceIdentifier="todo", TargetDBInstanceIdentifier="saved", UseLatestRestorableTime=True)
    assert run(connect(available(rds, "saved")), "SELECT * FROM t") == ((7,),)
    rds.delete_db_instance(DBInstanceIdentifier="todo", SkipFinalSnapshot=True)
    until(lambda: [one["DBInstanceIdentifier"] for one in rds.describe_db_instances()["DBInstances"]] == ["saved"])


def test_of_two_restores_to_one_name_one_is_done(database):
    _, rds, instance = database
    run(connect(instance, autocommit=True), "CREATE TABLE t (id INT PRIMARY KEY)")
    rds.create_db_snapshot(DBSnapshotIdentifier="before", DBInstanceIdentifier="todo")
    rds.get_waiter("db_snapshot_available").wait(DBSnapshotIdentifier="before", WaiterConfig={"Delay": 1, "MaxAttempts": 120})

    def restore(_):
        try:
            rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier="copy", DBSnapshotIdentifier="before")
            return "done"
        except ClientError as error:
            return error.response["Error"]["Code"]

    with ThreadPoolExecutor(4) as crowd:
        told = sorted(crowd.map(restore, range(4)))
    assert told == ["DBInstanceAlreadyExists"] * 3 + ["done"]
    assert run(connect(available(rds, "copy")), "SHOW TABLES") == (("t",),)
