"""Backups and point-in-time recovery: what a table held at one moment comes back, whatever happened since."""

import datetime
import threading

import pytest
from botocore.exceptions import ClientError
from test_dynamodb_tables import code, make


def items(client, table):
    pages = client.get_paginator("scan").paginate(TableName=table)
    return {(item["p"]["S"], int(item["s"]["N"])): item["v"]["S"] for page in pages for item in page["Items"]}


def put(client, table, key, number, value):
    client.put_item(TableName=table, Item={"p": {"S": key}, "s": {"N": str(number)}, "v": {"S": value}})


def wait_for_table(danbi, client, name):
    danbi.wait_until(lambda: client.describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE", 60)


def test_a_backup_is_of_one_moment_while_the_table_changes(danbi):
    client = danbi.client("dynamodb")
    make(client, "things", AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in [("p", "S"), ("s", "N"), ("v", "S")]],
         GlobalSecondaryIndexes=[{"IndexName": "by-v", "KeySchema": [{"AttributeName": "v", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}}])
    for number in range(300):
        put(client, "things", f"k{number}", number, "before")
    large = {"p": {"S": "large"}, "s": {"N": "1"}, "v": {"S": "before"}, "w": {"S": "L" * 250_000}}
    client.put_item(TableName="things", Item=large)
    expected = items(client, "things")
    created = client.create_backup(TableName="things", BackupName="nightly")["BackupDetails"]
    assert created["BackupStatus"] in ("CREATING", "AVAILABLE") and created["BackupType"] == "USER"
    for number in range(0, 300, 3):
        put(client, "things", f"k{number}", number, "after")
        client.delete_item(TableName="things", Key={"p": {"S": f"k{number + 1}"}, "s": {"N": str(number + 1)}})
        put(client, "things", f"new{number}", number, "after")
    put(client, "things", "large", 1, "small")
    arn = created["BackupArn"]
    status = lambda: client.describe_backup(BackupArn=arn)["BackupDescription"]["BackupDetails"]["BackupStatus"]
    danbi.wait_until(lambda: status() == "AVAILABLE", 60)
    assert [backup["BackupArn"] for backup in client.list_backups(TableName="things")["BackupSummaries"]] == [arn]
    described = client.restore_table_from_backup(TargetTableName="back", BackupArn=arn)["TableDescription"]
    assert described["TableStatus"] == "CREATING" and described["RestoreSummary"]["RestoreInProgress"]
    wait_for_table(danbi, client, "back")
    assert items(client, "back") == expected
    table = client.describe_table(TableName="back")["Table"]
    assert table["ItemCount"] == 301 and table["RestoreSummary"]["SourceBackupArn"] == arn
    found = client.get_paginator("query").paginate(TableName="back", IndexName="by-v", KeyConditionExpression="v = :v", ExpressionAttributeValues={":v": {"S": "before"}}, Select="COUNT")
    assert sum(page["Count"] for page in found) == 301
    assert client.get_item(TableName="back", Key={"p": {"S": "large"}, "s": {"N": "1"}})["Item"] == large
    assert code(client.restore_table_from_backup, TargetTableName="back", BackupArn=arn) == "TableAlreadyExistsException"
    client.delete_backup(BackupArn=arn)
    assert code(client.describe_backup, BackupArn=arn) == "BackupNotFoundException"
    client.delete_table(TableName="things")


def test_a_table_comes_back_as_it_was_at_a_moment(danbi):
    client = danbi.client("dynamodb")
    make(client, "things")
    for number in range(100):
        put(client, "things", f"k{number}", 1, "first")
    disabled = client.describe_continuous_backups(TableName="things")["ContinuousBackupsDescription"]
    assert disabled["PointInTimeRecoveryDescription"] == {"PointInTimeRecoveryStatus": "DISABLED"}
    assert code(client.restore_table_to_point_in_time, SourceTableName="things", TargetTableName="other", UseLatestRestorableTime=True) == "PointInTimeRecoveryUnavailableException"
    enabled = client.update_continuous_backups(TableName="things", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
    recovery = enabled["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED" and recovery["RecoveryPeriodInDays"] == 35
    latest = lambda: client.describe_continuous_backups(TableName="things")["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]["LatestRestorableDateTime"]
    for number in range(50):
        put(client, "things", f"k{number}", 1, "second")
    middle = items(client, "things")
    # Moments are given in whole seconds at best: the rest of this one must pass without a change.
    moment = latest().replace(microsecond=0) + datetime.timedelta(seconds=1)
    danbi.wait_until(lambda: latest() > moment)
    for number in range(25, 75):
        client.delete_item(TableName="things", Key={"p": {"S": f"k{number}"}, "s": {"N": "1"}})
        put(client, "things", f"k{number + 100}", 1, "third")
    end = items(client, "things")
    client.restore_table_to_point_in_time(SourceTableName="things", TargetTableName="middle", RestoreDateTime=moment)
    client.restore_table_to_point_in_time(SourceTableName="things", TargetTableName="end", UseLatestRestorableTime=True)
    put(client, "things", "k0", 1, "fourth")
    wait_for_table(danbi, client, "middle")
    wait_for_table(danbi, client, "end")
    assert items(client, "middle") == middle
    assert items(client, "end") == end
    assert code(client.restore_table_to_point_in_time, SourceTableName="things", TargetTableName="other", RestoreDateTime=datetime.datetime(2001, 1, 1)) == "InvalidRestoreTimeException"
    # A table that could be recovered leaves a backup of itself.
    final = items(client, "things")
    client.delete_table(TableName="things")
    left = client.list_backups(TableName="things", BackupType="SYSTEM")["BackupSummaries"]
    assert [backup["BackupName"] for backup in left] == ["things$DeletedTableBackup"]
    client.restore_table_from_backup(TargetTableName="things", BackupArn=left[0]["BackupArn"])
    wait_for_table(danbi, client, "things")
    assert items(client, "things") == final


def test_a_backup_holds_whole_transactions_and_survives_a_crash(danbi):
    client = danbi.client("dynamodb")
    make(client, "things")
    stop = threading.Event()

    def write(worker):
        own = danbi.client("dynamodb")
        number = 0
        while not stop.is_set():
            number += 1
            try:
                own.transact_write_items(TransactItems=[
                    {"Put": {"TableName": "things", "Item": {"p": {"S": f"{side}{worker}-{part}"}, "s": {"N": "1"}, "v": {"S": str(number)}}}}
                    for side in "ab" for part in range(5)
                ])
            except (ClientError, OSError):
                return
            except Exception:  # The platform was killed under us.
                return

    workers = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for worker in workers:
        worker.start()
    danbi.wait_until(lambda: len(items(client, "things")) == 40)
    arns = [client.create_backup(TableName="things", BackupName=f"b{number}xx")["BackupDetails"]["BackupArn"] for number in range(3)]
    danbi.kill_9()
    stop.set()
    for worker in workers:
        worker.join()
    danbi.start()
    client = danbi.client("dynamodb")
    for number, arn in enumerate(arns):
        status = lambda: client.describe_backup(BackupArn=arn)["BackupDescription"]["BackupDetails"]["BackupStatus"]
        danbi.wait_until(lambda: status() == "AVAILABLE", 60)
        client.restore_table_from_backup(TargetTableName=f"back{number}", BackupArn=arn)
        wait_for_table(danbi, client, f"back{number}")
        values = items(client, f"back{number}")
        assert len(values) == 40
        for worker in range(4):
            assert len({values[f"{side}{worker}-{part}", 1] for side in "ab" for part in range(5)}) == 1


@pytest.mark.parametrize("call", ["describe_continuous_backups", "create_backup"])
def test_a_table_that_does_not_exist_is_not_found(danbi, call):
    more = {"BackupName": "abc"} if call == "create_backup" else {}
    assert code(getattr(danbi.client("dynamodb"), call), TableName="nothing", **more) == "TableNotFoundException"
