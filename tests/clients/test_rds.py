"""Databases: made by boto3, used by a MySQL client, killed, put to sleep, and brought back to the second before a mistake."""

import os
import resource
import shutil
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pymysql
import pytest
from botocore.exceptions import ClientError

pytestmark = [
    pytest.mark.skipif(shutil.which("mariadbd", path="/usr/sbin:/usr/bin") is None, reason="MariaDB is not installed"),
]
PASSWORD = "correct-horse"
# Each client is a descriptor.
resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
PATIENCE = 120


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
        Engine="mysql",
        DBInstanceClass="db.t3.micro",
        AllocatedStorage=20,
        MasterUsername="admin",
        MasterUserPassword=PASSWORD,
        DBName="todo",
        **more,
    )
    return available(rds, name)


def connect(instance, **more):
    more = {"user": "admin", "password": PASSWORD, "database": "todo", "connect_timeout": 60, **more}
    return pymysql.connect(host="127.0.0.1", port=instance["Endpoint"]["Port"], **more)


def run(connection, sql, *arguments):
    with connection.cursor() as cursor:
        cursor.execute(sql, arguments)
        return cursor.fetchall()


def servers(danbi):
    """The pids of the database servers of this platform."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
            ancestor = int(pid)
            while ancestor > 1 and ancestor != danbi.process.pid:
                ancestor = int(open(f"/proc/{ancestor}/stat").read().rsplit(")", 1)[1].split()[1])
        except (OSError, ValueError):
            continue
        if command[0].endswith(b"mariadbd") and ancestor == danbi.process.pid:
            found.append(int(pid))
    return found


@pytest.fixture
def database(danbi_with):
    danbi = danbi_with(DANBI_DATABASES_MS="60000,200")
    rds = danbi.client("rds")
    return danbi, rds, create(rds)


def test_a_database_is_made_used_and_removed(database):
    danbi, rds, instance = database
    assert instance["Engine"] == "mysql" and instance["EngineVersion"].startswith("1")
    assert instance["Endpoint"]["Address"].startswith("todo.c")
    connection = connect(instance)
    run(connection, "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, note TEXT)")
    run(connection, "INSERT INTO t (note) VALUES (%s)", "größer 🎉")
    connection.commit()
    assert run(connection, "SELECT * FROM t") == ((1, "größer 🎉"),)
    run(connection, "CREATE USER 'app'@'%%' IDENTIFIED BY 'apps-own'")
    run(connection, "GRANT SELECT ON todo.* TO 'app'@'%%'")
    app = connect(instance, user="app", password="apps-own")
    assert run(app, "SELECT COUNT(*) FROM t") == ((1,),)
    with pytest.raises(pymysql.err.OperationalError) as error:
        run(app, "DROP TABLE t")
    assert error.value.args[0] == 1142
    with pytest.raises(ClientError) as error:
        create(rds)
    assert error.value.response["Error"]["Code"] == "DBInstanceAlreadyExists"
    rds.delete_db_instance(DBInstanceIdentifier="todo", SkipFinalSnapshot=True)

    def gone():
        try:
            describe(rds, "todo")
        except ClientError as error:
            return error.response["Error"]["Code"] == "DBInstanceNotFound"

    until(gone)
    assert not os.listdir(danbi.data / "databases")


def test_wrong_words_are_aws_errors(danbi):
    rds = danbi.client("rds")
    base = {"DBInstanceIdentifier": "x", "Engine": "mysql", "DBInstanceClass": "db.t3.micro", "AllocatedStorage": 20, "MasterUsername": "admin"}
    for change, code, words in [
        ({"MasterUserPassword": "short"}, "InvalidParameterValue", "shorter than 8"),
        ({"MasterUserPassword": "with space and"}, "InvalidParameterValue", "printable ASCII"),
        ({"MasterUserPassword": PASSWORD, "Engine": "oracle-ee"}, "NotImplemented", "oracle-ee"),
        ({"MasterUserPassword": PASSWORD, "Engine": "postgres"}, "InvalidParameterValue", "admin cannot be used"),
        ({"MasterUserPassword": PASSWORD, "Engine": "nonsense"}, "InvalidParameterValue", "Invalid DB engine"),
        ({"MasterUserPassword": PASSWORD, "DBInstanceIdentifier": "1x"}, "InvalidParameterValue", "identifier"),
        ({"MasterUserPassword": PASSWORD, "BackupRetentionPeriod": 36}, "InvalidParameterValue", "retention"),
    ]:
        with pytest.raises(ClientError) as error:
            rds.create_db_instance(**{**base, **change})
        assert error.value.response["Error"]["Code"] == code and words in error.value.response["Error"]["Message"]
    for operation in (rds.describe_db_instances, rds.start_db_instance, rds.stop_db_instance, rds.reboot_db_instance):
        with pytest.raises(ClientError) as error:
            operation(DBInstanceIdentifier="nobody")
        assert error.value.response["Error"]["Code"] == "DBInstanceNotFound"
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_bad_clients_and_the_next_one_works(database):
    _, _, instance = database
    port = instance["Endpoint"]["Port"]
    with pytest.raises(pymysql.err.OperationalError) as error:
        connect(instance, password="wrong-horse")
    assert error.value.args[0] == 1045
    with pytest.raises(pymysql.err.OperationalError) as error:
        connect(instance, user="nobody")
    assert error.value.args[0] == 1045
    with pytest.raises(pymysql.err.OperationalError) as error:
        connect(instance, database="nowhere")
    assert error.value.args[0] in (1044, 1049)

    halves = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    for half in halves:
        half.sendall(b"\x55\x00")
    connection = connect(instance)
    run(connection, "CREATE TABLE t (id INT PRIMARY KEY, body LONGBLOB)")
    for half in halves:
        half.settimeout(60)
        while half.recv(4096):
            pass

    # A server answers in the midst of such a packet, and ends the connection; each client words that in its own way.
    with pytest.raises(pymysql.err.Error):
        run(connect(instance), "INSERT INTO t VALUES (9, %s)", b"x" * (64 << 20))
    assert run(connect(instance), "SELECT COUNT(*) FROM t WHERE id = 9") == ((0,),)

    run(connection, "INSERT INTO t VALUES (1, 'kept')")
    connection.commit()
    vanishing = connect(instance)
    run(vanishing, "DELETE FROM t")
    vanishing._sock.shutdown(socket.SHUT_RDWR)
    # The row is locked until the transaction of the client that left is rolled back.
    run(connection, "UPDATE t SET body = 'still there' WHERE id = 1")
    connection.commit()
    assert run(connect(instance), "SELECT COUNT(*) FROM t") == ((1,),)


def test_encrypted_connections(database):
    danbi, _, instance = database
    until(lambda: (danbi.data / "ca" / "cert.pem").exists())
    context = {"ca": str(danbi.data / "ca" / "cert.pem"), "check_hostname": False}
    connection = connect(instance, ssl=context)
    assert connection._sock.cipher() and run(connection, "SELECT 1") == ((1,),)


def test_a_thousand_clients_share_twenty_connections(database):
    _, _, instance = database
    with ThreadPoolExecutor(100) as crowd:
        clients = list(crowd.map(lambda _: connect(instance, autocommit=True), range(1000)))
    run(clients[0], "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, client INT)")
    for at, client in enumerate(clients[::5]):
        run(client, "INSERT INTO t (client) VALUES (%s)", at)
        assert run(client, "SELECT client FROM t WHERE id = LAST_INSERT_ID()") == ((at,),)
    assert run(clients[7], "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'admin'")[0][0] <= 20
    run(clients[0], "SET SESSION sql_mode = 'ANSI_QUOTES'")
    for client in clients[1:30]:
        run(client, "SELECT 1")
    assert run(clients[0], "SELECT @@sql_mode") == (("ANSI_QUOTES",),)
    assert run(clients[1], "SELECT @@sql_mode") != (("ANSI_QUOTES",),)
    run(clients[2], "SET @mine = 2")
    for client in clients[3:30]:
        assert run(client, "SELECT @mine") == ((None,),)
    assert run(clients[2], "SELECT @mine") == ((2,),)


def test_it_sleeps_and_wakes_with_its_clients_connected(danbi_with):
    danbi = danbi_with(DANBI_DATABASES_MS="500,200")
    rds = danbi.client("rds")
    instance = create(rds, BackupRetentionPeriod=0)
    connection = connect(instance, autocommit=True)
    run(connection, "CREATE TABLE t (id INT PRIMARY KEY)")
    run(connection, "INSERT INTO t VALUES (1)")
    until(lambda: not servers(danbi))
    assert describe(rds, "todo")["DBInstanceStatus"] == "available"
    assert run(connection, "SELECT * FROM t") == ((1,),)
    assert servers(danbi)
    until(lambda: not servers(danbi))
    assert run(connect(instance), "SELECT * FROM t") == ((1,),)


def test_no_committed_row_is_lost(database):
    danbi, rds, instance = database
    connection = connect(instance, autocommit=True)
    run(connection, "CREATE TABLE t (id INT PRIMARY KEY)")
    rows = 0
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
        connection = connect(instance, autocommit=True)
        assert run(connection, "SELECT COUNT(*), MAX(id) FROM t") == ((rows, rows - 1),)


def test_stop_start_reboot_and_a_new_password(database):
    danbi, rds, instance = database
    run(connect(instance, autocommit=True), "CREATE TABLE t (id INT PRIMARY KEY)")
    rds.stop_db_instance(DBInstanceIdentifier="todo")
    until(lambda: describe(rds, "todo")["DBInstanceStatus"] == "stopped")
    assert not servers(danbi)
    with pytest.raises(pymysql.err.OperationalError):
        connect(instance, connect_timeout=2)
    with pytest.raises(ClientError) as error:
        rds.stop_db_instance(DBInstanceIdentifier="todo")
    assert error.value.response["Error"]["Code"] == "InvalidDBInstanceState"
    rds.start_db_instance(DBInstanceIdentifier="todo")
    available(rds, "todo")
    rds.reboot_db_instance(DBInstanceIdentifier="todo")
    available(rds, "todo")
    rds.modify_db_instance(DBInstanceIdentifier="todo", MasterUserPassword="another-horse", ApplyImmediately=True)
    available(rds, "todo")
    with pytest.raises(pymysql.err.OperationalError):
        connect(instance)
    assert run(connect(instance, password="another-horse"), "SHOW TABLES") == (("t",),)


def test_a_snapshot_becomes_another_database(database):
    danbi, rds, instance = database
    connection = connect(instance, autocommit=True)
    run(connection, "CREATE TABLE t (id INT PRIMARY KEY)")
    run(connection, "INSERT INTO t VALUES (1)")
    rds.create_db_parameter_group(DBParameterGroupName="tuned", DBParameterGroupFamily="mysql8.0", Description="d")
    rds.modify_db_instance(DBInstanceIdentifier="todo", DBParameterGroupName="tuned", ApplyImmediately=True)
    groups = lambda instance: [group["DBParameterGroupName"] for group in instance["DBParameterGroups"]]
    assert groups(available(rds, "todo")) == ["tuned"]
    # Its server has been started anew.
    connection = connect(instance, autocommit=True)
    rds.create_db_snapshot(DBSnapshotIdentifier="before", DBInstanceIdentifier="todo")
    snapshot = lambda name: rds.describe_db_snapshots(DBSnapshotIdentifier=name)["DBSnapshots"][0]["Status"]
    until(lambda: snapshot("before") == "available")
    run(connection, "INSERT INTO t VALUES (2)")
    rds.copy_db_snapshot(SourceDBSnapshotIdentifier="before", TargetDBSnapshotIdentifier="kept")
    rds.delete_db_snapshot(DBSnapshotIdentifier="before")
    rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier="copy", DBSnapshotIdentifier="kept")
    copy = available(rds, "copy")
    assert copy["Endpoint"]["Port"] != instance["Endpoint"]["Port"]
    assert run(connect(copy), "SELECT * FROM t") == ((1,),)
    assert groups(copy) == groups(instance)
    rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier="tuned-copy", DBSnapshotIdentifier="kept", DBParameterGroupName="tuned")
    assert groups(available(rds, "tuned-copy")) == ["tuned"]
    rds.delete_db_instance(DBInstanceIdentifier="todo", FinalDBSnapshotIdentifier="last")
    until(lambda: snapshot("last") == "available")


def test_a_dropped_table_is_back_in_a_database_of_the_second_before(database):
    danbi, rds, instance = database
    latest = lambda: describe(rds, "todo").get("LatestRestorableTime")
    first = until(latest)
    connection = connect(instance, autocommit=True)
    run(connection, "CREATE TABLE t (id INT PRIMARY KEY, note TEXT)")
    run(connection, "INSERT INTO t VALUES (1, 'after the backup'), (2, 'größer 🎉')")
    danbi.kill_9()
    danbi.start()
    connection = connect(instance, autocommit=True)
    run(connection, "INSERT INTO t VALUES (3, 'after the kill')")
    seconds = lambda: int(run(connection, "SELECT FLOOR(UNIX_TIMESTAMP(NOW(6)))")[0][0])
    before = seconds()
    until(lambda: seconds() > before)
    run(connection, "DROP TABLE t")
    run(connection, "CREATE TABLE later (id INT PRIMARY KEY)")

    restore = lambda name, **when: rds.restore_db_instance_to_point_in_time(
        SourceDBInstanceIdentifier="todo", TargetDBInstanceIdentifier=name, **when
    )
    for when, words in [
        ({"RestoreTime": first.timestamp() - 3600}, "before the earliest"),
        ({"RestoreTime": time.time() + 3600}, "after the latest"),
    ]:
        with pytest.raises(ClientError) as error:
            restore("never", **when)
        assert error.value.response["Error"]["Code"] == "InvalidParameterValue" and words in str(error.value)
    with pytest.raises(ClientError) as error:
        restore("never")
    assert error.value.response["Error"]["Code"] == "InvalidParameterCombination"

    until(lambda: latest().timestamp() >= before + 1)
    restore("saved", RestoreTime=before)
    restore("newest", UseLatestRestorableTime=True)
    # Whatever had been done of it is done again.
    danbi.kill_9()
    danbi.start()
    saved = available(rds, "saved")
    assert run(connect(saved), "SELECT * FROM t") == ((1, "after the backup"), (2, "größer 🎉"), (3, "after the kill"))
    assert run(connect(available(rds, "newest")), "SHOW TABLES") == (("later",),)
    assert run(connect(instance), "SHOW TABLES") == (("later",),)


def test_backups_past_the_retention_are_removed(danbi_with):
    danbi = danbi_with(DANBI_DATABASES_MS="60000,100", DANBI_DATABASE_BACKUPS_MS="500,3000")
    rds = danbi.client("rds")
    rds.create_db_cluster(
        DBClusterIdentifier="kept", Engine="aurora-mysql", MasterUsername="admin", MasterUserPassword=PASSWORD, DatabaseName="todo", BackupRetentionPeriod=1
    )
    cluster = lambda: rds.describe_db_clusters(DBClusterIdentifier="kept")["DBClusters"][0]
    until(lambda: cluster()["Status"] == "available")
    connection = pymysql.connect(host="127.0.0.1", port=cluster()["Port"], user="admin", password=PASSWORD, database="todo", autocommit=True)
    run(connection, "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY)")
    first = until(lambda: cluster().get("EarliestRestorableTime"))

    def written_and_trimmed():
        run(connection, "INSERT INTO t () VALUES ()")
        return cluster()["EarliestRestorableTime"] > first

    until(written_and_trimmed)
    moment = until(lambda: cluster().get("LatestRestorableTime"))
    assert moment > cluster()["EarliestRestorableTime"]
    with pytest.raises(ClientError) as error:
        rds.restore_db_cluster_to_point_in_time(DBClusterIdentifier="x", SourceDBClusterIdentifier="kept", RestoreToTime=first.timestamp() - 5)
    assert "before the earliest" in str(error.value)
    rds.modify_db_cluster(DBClusterIdentifier="kept", BackupRetentionPeriod=0)
    until(lambda: "LatestRestorableTime" not in cluster())
    rds.modify_db_cluster(DBClusterIdentifier="kept", BackupRetentionPeriod=1)
    until(lambda: "LatestRestorableTime" in cluster())
    rds.restore_db_cluster_to_point_in_time(DBClusterIdentifier="again", SourceDBClusterIdentifier="kept", UseLatestRestorableTime=True)
    again = lambda: rds.describe_db_clusters(DBClusterIdentifier="again")["DBClusters"][0]
    until(lambda: again()["Status"] == "available")
    copy = pymysql.connect(host="127.0.0.1", port=again()["Port"], user="admin", password=PASSWORD, database="todo")
    assert run(copy, "SELECT COUNT(*) FROM t") == run(connection, "SELECT COUNT(*) FROM t")


def test_a_cluster_and_groups(danbi_with):
    danbi = danbi_with(DANBI_DATABASES_MS="60000,200")
    rds = danbi.client("rds")
    rds.create_db_subnet_group(DBSubnetGroupName="net", DBSubnetGroupDescription="d", SubnetIds=["subnet-1"])
    rds.create_db_parameter_group(DBParameterGroupName="tuned", DBParameterGroupFamily="mysql8.0", Description="d")
    rds.modify_db_parameter_group(
        DBParameterGroupName="tuned",
        Parameters=[{"ParameterName": "max_allowed_packet", "ParameterValue": "1048576", "ApplyMethod": "pending-reboot"}],
    )
    instance = create(rds, DBParameterGroupName="tuned", DBSubnetGroupName="net", BackupRetentionPeriod=0)
    assert run(connect(instance), "SELECT @@max_allowed_packet") == ((1048576,),)
    with pytest.raises(ClientError) as error:
        rds.delete_db_parameter_group(DBParameterGroupName="tuned")
    assert error.value.response["Error"]["Code"] == "InvalidDBParameterGroupState"
    rds.add_tags_to_resource(ResourceName=instance["DBInstanceArn"], Tags=[{"Key": "a", "Value": "b"}])
    assert rds.list_tags_for_resource(ResourceName=instance["DBInstanceArn"])["TagList"] == [{"Key": "a", "Value": "b"}]

    rds.create_db_cluster_parameter_group(DBClusterParameterGroupName="of-cluster", DBParameterGroupFamily="aurora-mysql8.0", Description="d")
    rds.modify_db_cluster_parameter_group(
        DBClusterParameterGroupName="of-cluster",
        Parameters=[{"ParameterName": "max_allowed_packet", "ParameterValue": "2097152", "ApplyMethod": "pending-reboot"}],
    )
    listed = rds.describe_db_cluster_parameters(DBClusterParameterGroupName="of-cluster", Source="user")["Parameters"]
    assert [one["ParameterValue"] for one in listed] == ["2097152"]
    rds.create_db_cluster(
        DBClusterIdentifier="aurora",
        DBClusterParameterGroupName="of-cluster",
        Engine="aurora-mysql",
        MasterUsername="admin",
        MasterUserPassword=PASSWORD,
        DatabaseName="todo",
        ServerlessV2ScalingConfiguration={"MinCapacity": 0, "MaxCapacity": 1, "SecondsUntilAutoPause": 300},
    )
    rds.create_db_instance(DBInstanceIdentifier="writer", DBClusterIdentifier="aurora", Engine="aurora-mysql", DBInstanceClass="db.serverless")
    cluster = lambda: rds.describe_db_clusters(DBClusterIdentifier="aurora")["DBClusters"][0]
    until(lambda: cluster()["Status"] == "available")
    assert cluster()["DBClusterMembers"][0]["DBInstanceIdentifier"] == "writer"
    assert run(connect(available(rds, "writer")), "SELECT @@max_allowed_packet") == ((2097152,),)
    with pytest.raises(ClientError) as error:
        rds.delete_db_cluster_parameter_group(DBClusterParameterGroupName="of-cluster")
    assert error.value.response["Error"]["Code"] == "InvalidDBParameterGroupState"
