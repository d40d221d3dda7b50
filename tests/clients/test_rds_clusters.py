"""Clusters: their snapshots and what comes of them, their stacks, and what users' tools ask about databases."""

import shutil
import ssl

import pymysql
import pytest
from botocore.exceptions import ClientError
from test_cloudformation import FAST, outputs, template
from test_rds import PASSWORD, run, until

pytestmark = pytest.mark.skipif(shutil.which("mariadbd", path="/usr/sbin:/usr/bin") is None, reason="MariaDB is not installed")


def cluster(rds, name):
    return rds.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0]


def available(rds, name):
    def look():
        found = cluster(rds, name)
        assert found["Status"] != "failed"
        return found if found["Status"] == "available" else None

    return until(look)


def connect(found, **more):
    return pymysql.connect(host="127.0.0.1", port=found["Port"], user="admin", password=PASSWORD, database="todo", autocommit=True, **more)


def snapshot(rds, name):
    return rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=name)["DBClusterSnapshots"][0]


def refused(operation, code, **input):
    with pytest.raises(ClientError) as error:
        operation(**input)
    assert error.value.response["Error"]["Code"] == code, error.value
    return error.value.response["Error"]["Message"]


def test_a_snapshot_of_a_cluster_becomes_another_cluster(danbi_with):
    danbi = danbi_with(DANBI_DATABASES_MS="60000,200")
    rds = danbi.client("rds")
    rds.create_db_cluster(
        DBClusterIdentifier="aurora", Engine="aurora-mysql", MasterUsername="admin", MasterUserPassword=PASSWORD, DatabaseName="todo", BackupRetentionPeriod=0
    )
    connection = connect(available(rds, "aurora"))
    run(connection, "CREATE TABLE t (id INT PRIMARY KEY)")
    run(connection, "INSERT INTO t VALUES (1)")
    begun = rds.create_db_cluster_snapshot(DBClusterSnapshotIdentifier="before", DBClusterIdentifier="aurora", Tags=[{"Key": "why", "Value": "test"}])
    assert begun["DBClusterSnapshot"]["Status"] == "creating" and begun["DBClusterSnapshot"]["SnapshotType"] == "manual"
    refused(rds.create_db_cluster_snapshot, "DBClusterSnapshotAlreadyExistsFault", DBClusterSnapshotIdentifier="before", DBClusterIdentifier="aurora")
    # What was under way is taken up.
    danbi.kill_9()
    danbi.start()
    rds.get_waiter("db_cluster_snapshot_available").wait(DBClusterSnapshotIdentifier="before", WaiterConfig=FAST)
    connection = connect(available(rds, "aurora"))
    run(connection, "INSERT INTO t VALUES (2)")
    copy = rds.copy_db_cluster_snapshot(SourceDBClusterSnapshotIdentifier="before", TargetDBClusterSnapshotIdentifier="kept", CopyTags=True)["DBClusterSnapshot"]
    assert copy["TagList"] == [{"Key": "why", "Value": "test"}] and copy["SourceDBClusterSnapshotArn"] == begun["DBClusterSnapshot"]["DBClusterSnapshotArn"]
    rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="before")
    refused(rds.describe_db_cluster_snapshots, "DBClusterSnapshotNotFoundFault", DBClusterSnapshotIdentifier="before")
    assert [one["DBClusterSnapshotIdentifier"] for one in rds.describe_db_cluster_snapshots(DBClusterIdentifier="aurora")["DBClusterSnapshots"]] == ["kept"]
    assert rds.list_tags_for_resource(ResourceName=copy["DBClusterSnapshotArn"])["TagList"] == copy["TagList"]

    rds.modify_db_cluster_snapshot_attribute(DBClusterSnapshotIdentifier="kept", AttributeName="restore", ValuesToAdd=["123456789012"])
    shared = rds.describe_db_cluster_snapshot_attributes(DBClusterSnapshotIdentifier="kept")["DBClusterSnapshotAttributesResult"]
    assert shared["DBClusterSnapshotAttributes"] == [{"AttributeName": "restore", "AttributeValues": ["123456789012"]}]
    refused(rds.modify_db_cluster_snapshot_attribute, "InvalidParameterValue", DBClusterSnapshotIdentifier="kept", AttributeName="delete")

    restore = rds.restore_db_cluster_from_snapshot
    refused(restore, "DBClusterSnapshotNotFoundFault", DBClusterIdentifier="x", SnapshotIdentifier="nothing", Engine="aurora-mysql")
    refused(restore, "InvalidParameterCombination", DBClusterIdentifier="x", SnapshotIdentifier="kept", Engine="aurora-postgresql")
    refused(restore, "DBClusterAlreadyExistsFault", DBClusterIdentifier="aurora", SnapshotIdentifier="kept", Engine="aurora-mysql")
    restore(DBClusterIdentifier="again", SnapshotIdentifier=copy["DBClusterSnapshotArn"], Engine="aurora-mysql")
    # The copy is what the new cluster is made from, and may go meanwhile.
    rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="kept")
    assert run(connect(available(rds, "again")), "SELECT * FROM t") == ((1,),)

    refused(rds.delete_db_cluster, "InvalidParameterCombination", DBClusterIdentifier="again")
    rds.delete_db_cluster(DBClusterIdentifier="aurora", FinalDBSnapshotIdentifier="last")
    until(lambda: snapshot(rds, "last")["Status"] == "available")
    rds.get_waiter("db_cluster_deleted").wait(DBClusterIdentifier="aurora", WaiterConfig=FAST)
    restore(DBClusterIdentifier="aurora", SnapshotIdentifier="last", Engine="aurora-mysql")
    assert run(connect(available(rds, "aurora")), "SELECT * FROM t") == ((1,), (2,))

    of_cluster = [one["Message"] for one in rds.describe_events(SourceType="db-cluster", SourceIdentifier="aurora")["Events"]]
    assert of_cluster == ["DB cluster created", "DB cluster deleted", "DB cluster created"]
    of_snapshot = rds.describe_events(SourceType="db-cluster-snapshot", SourceIdentifier="last", EventCategories=["backup"])["Events"]
    assert [one["Message"] for one in of_snapshot] == ["Creating manual cluster snapshot", "Manual cluster snapshot created"]
    assert of_snapshot[0]["SourceArn"] == snapshot(rds, "last")["DBClusterSnapshotArn"]
    refused(rds.describe_events, "InvalidParameterCombination", SourceIdentifier="aurora")
    assert rds.describe_global_clusters()["GlobalClusters"] == []


def test_a_stack_with_a_cluster_is_made_changed_and_leaves_a_snapshot(danbi_with):
    danbi = danbi_with(DANBI_DATABASES_MS="60000,200")
    stacks, rds = danbi.client("cloudformation"), danbi.client("rds")
    body = template(
        {
            "Subnets": {"Type": "AWS::RDS::DBSubnetGroup", "Properties": {"DBSubnetGroupDescription": "d", "SubnetIds": ["subnet-1", "subnet-2"]}},
            "OfCluster": {"Type": "AWS::RDS::DBClusterParameterGroup", "Properties": {"Family": "aurora-mysql8.0", "Description": "d", "Parameters": {"max_connections": "50"}}},
            "OfInstance": {"Type": "AWS::RDS::DBParameterGroup", "Properties": {"Family": "aurora-mysql8.0", "Description": "d", "Parameters": {"max_connections": "50"}}},
            "Cluster": {
                "Type": "AWS::RDS::DBCluster",
                "Properties": {
                    "Engine": "aurora-mysql", "MasterUsername": "admin", "MasterUserPassword": PASSWORD, "DatabaseName": "todo", "BackupRetentionPeriod": 1,
                    "DBSubnetGroupName": {"Ref": "Subnets"}, "DBClusterParameterGroupName": {"Ref": "OfCluster"},
                    "ServerlessV2ScalingConfiguration": {"MinCapacity": 0.5, "MaxCapacity": 1},
                },
            },
            "Writer": {
                "Type": "AWS::RDS::DBInstance",
                "Properties": {"Engine": "aurora-mysql", "DBInstanceClass": "db.serverless", "DBClusterIdentifier": {"Ref": "Cluster"}, "DBParameterGroupName": {"Ref": "OfInstance"}},
            },
        },
        Outputs={name: {"Value": value} for name, value in {"Name": {"Ref": "Cluster"}, "Port": {"Fn::GetAtt": ["Cluster", "Endpoint.Port"]}, "Writer": {"Ref": "Writer"}}.items()},
    )
    wait = lambda waiter, name: stacks.get_waiter(waiter).wait(StackName=name, WaiterConfig={**FAST, "MaxAttempts": 300})
    identity = stacks.create_stack(StackName="data", TemplateBody=body)["StackId"]
    wait("stack_create_complete", "data")
    shown = outputs(stacks, "data")
    found = cluster(rds, shown["Name"])
    assert found["Port"] == int(shown["Port"]) and [one["DBInstanceIdentifier"] for one in found["DBClusterMembers"]] == [shown["Writer"]]
    run(connect(found), "CREATE TABLE t (id INT PRIMARY KEY)")
    changed = body.replace('"MaxCapacity": 1', '"MaxCapacity": 2').replace('"max_connections": "50"', '"max_connections": "60"')
    stacks.update_stack(StackName="data", TemplateBody=changed)
    wait("stack_update_complete", "data")
    assert cluster(rds, shown["Name"])["ServerlessV2ScalingConfiguration"]["MaxCapacity"] == 2
    assert run(connect(cluster(rds, shown["Name"])), "SHOW TABLES") == (("t",),)
    stacks.delete_stack(StackName="data")
    wait("stack_delete_complete", identity)
    assert rds.describe_db_clusters()["DBClusters"] == [] and rds.describe_db_instances()["DBInstances"] == []
    left = rds.describe_db_cluster_snapshots()["DBClusterSnapshots"]
    assert [(one["DBClusterSnapshotIdentifier"].startswith("data-snapshot-cluster-"), one["Status"]) for one in left] == [(True, "available")]


def test_what_tools_ask_about_databases(danbi_with):
    danbi = danbi_with(DANBI_DATABASES_MS="60000,200")
    rds = danbi.client("rds")
    rds.create_db_instance(
        DBInstanceIdentifier="todo", Engine="mysql", DBInstanceClass="db.t3.micro", AllocatedStorage=20, MasterUsername="admin", MasterUserPassword=PASSWORD
    )
    rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier="todo", WaiterConfig=FAST)
    instance = rds.describe_db_instances(DBInstanceIdentifier="todo")["DBInstances"][0]
    certificate = rds.describe_certificates(CertificateIdentifier=instance["CACertificateIdentifier"])["Certificates"][0]
    until(lambda: (danbi.data / "ca" / "cert.pem").exists())
    der = ssl.PEM_cert_to_DER_cert((danbi.data / "ca" / "cert.pem").read_text())
    import hashlib

    assert certificate["Thumbprint"] == hashlib.sha1(der).hexdigest() and certificate["ValidTill"].year == 2050
    refused(rds.describe_certificates, "CertificateNotFound", CertificateIdentifier="nothing")

    files = until(lambda: rds.describe_db_log_files(DBInstanceIdentifier="todo")["DescribeDBLogFiles"])
    name = files[0]["LogFileName"]
    assert name.startswith("error/mysql-error") and files[0]["Size"] > 0
    download = lambda **more: rds.download_db_log_file_portion(DBInstanceIdentifier="todo", LogFileName=name, **more)
    whole = until(lambda: "ready for connections" in download()["LogFileData"] and download())["LogFileData"]
    first = download(Marker="0", NumberOfLines=1)
    assert first["AdditionalDataPending"] and whole.startswith(first["LogFileData"]) and first["LogFileData"].count("\n") == 1
    assert whole.startswith(download(Marker=first["Marker"], NumberOfLines=2)["LogFileData"], len(first["LogFileData"]))
    for wrong in ("error/nothing", "error/../../../store", "/etc/passwd"):
        refused(rds.download_db_log_file_portion, "DBLogFileNotFoundFault", DBInstanceIdentifier="todo", LogFileName=wrong)
    refused(rds.describe_db_log_files, "DBInstanceNotFound", DBInstanceIdentifier="nobody")

    rds.reboot_db_instance(DBInstanceIdentifier="todo")
    rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier="todo", WaiterConfig=FAST)
    told = lambda **more: [one["Message"] for one in rds.describe_events(SourceType="db-instance", SourceIdentifier="todo", **more)["Events"]]
    until(lambda: {"DB instance created", "DB instance restarted", "Finished DB instance backup"} <= set(told()))
    assert told(EventCategories=["creation"]) == ["DB instance created"]
    assert "creation" in rds.describe_event_categories(SourceType="db-instance")["EventCategoriesMapList"][0]["EventCategories"]
    assert rds.describe_pending_maintenance_actions(ResourceIdentifier=instance["DBInstanceArn"])["PendingMaintenanceActions"] == []
