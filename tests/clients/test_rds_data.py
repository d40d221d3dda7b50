"""The Data API: SQL without a connection, by the secret that RDS keeps of a master user."""

import json
import pathlib
import shutil
import time

import pytest
from botocore.exceptions import ClientError
from platform_under_test import Platform

PATIENCE = 120
ENGINES = [
    pytest.param("aurora-mysql", marks=pytest.mark.skipif(shutil.which("mariadbd", path="/usr/sbin:/usr/bin") is None, reason="MariaDB is not installed")),
    pytest.param("aurora-postgresql", marks=pytest.mark.skipif(not pathlib.Path("/usr/lib/postgresql").exists(), reason="PostgreSQL is not installed")),
]


def until(condition, seconds=PATIENCE, pause=0.1):
    """Waits for a condition and gives what it answered."""
    end = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer or time.monotonic() > end:
            assert answer
            return answer
        time.sleep(pause)


class Sql:
    """One cluster by the Data API."""

    def __init__(self, danbi, engine):
        self.danbi, self.engine = danbi, engine
        self.rds, self.data = danbi.client("rds"), danbi.client("rds-data")
        self.name = f"cluster-{engine.rsplit('-')[-1]}"
        self.rds.create_db_cluster(
            DBClusterIdentifier=self.name,
            Engine=engine,
            MasterUsername="master",
            ManageMasterUserPassword=True,
            DatabaseName="todo",
            EnableHttpEndpoint=True,
            BackupRetentionPeriod=1,
        )
        until(lambda: self.cluster()["Status"] == "available")
        cluster = self.cluster()
        self.names = {"resourceArn": cluster["DBClusterArn"], "secretArn": cluster["MasterUserSecret"]["SecretArn"]}

    def cluster(self):
        return self.rds.describe_db_clusters(DBClusterIdentifier=self.name)["DBClusters"][0]

    def run(self, sql, parameters=(), **more):
        return self.data.execute_statement(**self.names, sql=sql, parameters=list(parameters), **more)

    def fails(self, code, words, sql, parameters=(), **more):
        with pytest.raises(ClientError) as error:
            self.run(sql, parameters, **{**more})
        assert error.value.response["Error"]["Code"] == code and words in error.value.response["Error"]["Message"], error.value


@pytest.fixture(scope="module", params=ENGINES)
def sql(request, tmp_path_factory):
    danbi = Platform(tmp_path_factory.mktemp("data-api") / "data", (), {"DANBI_DATABASES_MS": "60000,200"})
    danbi.start()
    try:
        yield Sql(danbi, request.param)
    finally:
        danbi.end()


def value(name, hint=None, **field):
    return {"name": name, "value": field, **({"typeHint": hint} if hint else {})}


def test_values_come_and_go_with_their_types(sql):
    is_postgres = "postgres" in sql.engine
    kinds = "b BOOLEAN, i BIGINT, d DOUBLE PRECISION, n NUMERIC(10,2), s TEXT, x BYTEA, t TIMESTAMP" if is_postgres else (
        "b BOOLEAN, i BIGINT, d DOUBLE, n DECIMAL(10,2), s TEXT, x BLOB, t DATETIME"
    )
    assert sql.run(f"CREATE TABLE kinds (id INT PRIMARY KEY, {kinds})")["numberOfRecordsUpdated"] == 0
    done = sql.run(
        "INSERT INTO kinds VALUES (:id, :b, :i, :d, :n, :s, :x, :t)",
        [
            value("id", longValue=1),
            value("b", booleanValue=True),
            value("i", longValue=-(1 << 40)),
            value("d", doubleValue=1.5),
            value("n", "DECIMAL", stringValue="12.50"),
            value("s", stringValue="it's ':x' größer 🎉 \\"),
            value("x", blobValue=b"\x00\xff"),
            value("t", "TIMESTAMP", stringValue="2026-01-31 12:34:56"),
        ],
    )
    assert done["numberOfRecordsUpdated"] == 1
    sql.run("INSERT INTO kinds (id, s) VALUES (:id, :s)", [value("id", longValue=2), value("s", isNull=True)])
    found = sql.run("SELECT * FROM kinds ORDER BY id", includeResultMetadata=True)
    assert found["records"][0] == [
        {"longValue": 1},
        {"booleanValue": True},
        {"longValue": -(1 << 40)},
        {"doubleValue": 1.5},
        {"stringValue": "12.50"},
        {"stringValue": "it's ':x' größer 🎉 \\"},
        {"blobValue": b"\x00\xff"},
        {"stringValue": "2026-01-31 12:34:56"},
    ]
    assert found["records"][1][1:] == [{"isNull": True}] * 7
    assert [column["label"] for column in found["columnMetadata"]] == list("id b i d n s x t".split())
    assert found["columnMetadata"][2]["typeName"].lower() in ("int8", "bigint")
    rows = json.loads(sql.run("SELECT id, b, n, s, x FROM kinds ORDER BY id", formatRecordsAs="JSON")["formattedRecords"])
    assert rows[0] == {"id": 1, "b": True, "n": 12.5, "s": "it's ':x' größer 🎉 \\", "x": "AP8="}
    assert rows[1] == {"id": 2, "b": None, "n": None, "s": None, "x": None}
    number = sql.run("SELECT n FROM kinds WHERE id = 1", resultSetOptions={"decimalReturnType": "DOUBLE_OR_LONG"})
    assert number["records"] == [[{"doubleValue": 12.5}]]
    if is_postgres:
        arrays = sql.run("SELECT ARRAY[1,2,NULL], ARRAY['a','b \"c\"']")["records"][0]
        assert arrays[0]["arrayValue"]["longValues"][:2] == [1, 2]
        assert arrays[1]["arrayValue"]["stringValues"] == ["a", 'b "c"']
        assert sql.run("SELECT :a::int + :a", [value("a", longValue=2)])["records"] == [[{"longValue": 4}]]


def test_batches_and_transactions(sql):
    generated = "SERIAL" if "postgres" in sql.engine else "INT AUTO_INCREMENT"
    sql.run(f"CREATE TABLE steps (id {generated} PRIMARY KEY, note TEXT)")
    sets = [[value("note", stringValue=note)] for note in ("one", "two", "three")]
    results = sql.data.batch_execute_statement(**sql.names, sql="INSERT INTO steps (note) VALUES (:note)", parameterSets=sets)
    assert len(results["updateResults"]) == 3
    if "mysql" in sql.engine:
        assert [one["generatedFields"] for one in results["updateResults"]] == [[{"longValue": at}] for at in (1, 2, 3)]
    count = lambda **more: sql.run("SELECT COUNT(*) FROM steps", **more)["records"][0][0]["longValue"]
    begin = lambda: sql.data.begin_transaction(**sql.names)["transactionId"]
    transaction = begin()
    sql.run("DELETE FROM steps", transactionId=transaction)
    assert (count(transactionId=transaction), count()) == (0, 3)
    assert sql.data.rollback_transaction(**sql.names, transactionId=transaction)["transactionStatus"] == "Rollback Complete"
    assert count() == 3
    transaction = begin()
    sql.run("DELETE FROM steps WHERE note = :n", [value("n", stringValue="two")], transactionId=transaction)
    assert sql.data.commit_transaction(**sql.names, transactionId=transaction)["transactionStatus"] == "Transaction Committed"
    assert count() == 2
    sql.fails("TransactionNotFoundException", "not found", "SELECT 1", transactionId=transaction)
    # What was not committed is gone with the platform, what was is not.
    sql.run("DELETE FROM steps", transactionId=begin())
    sql.danbi.kill_9()
    sql.danbi.start()
    assert count() == 2


def test_bad_words_are_aws_errors(sql):
    sql.fails("DatabaseErrorException", "nowhere", "SELECT * FROM nowhere")
    sql.fails("DatabaseErrorException", "SQLState", "SELEC 1")
    sql.fails("DatabaseErrorException", "", "SELECT 1; SELECT 2")
    sql.fails("BadRequestException", "Cannot find parameter: a", "SELECT :a")
    sql.fails("BadRequestException", "Array parameters", "SELECT :a", [value("a", arrayValue={"longValues": [1]})])
    sql.fails("UnsupportedResultException", "size limit", f"SELECT REPEAT('x', {2 << 20})")
    sql.fails("UnsupportedResultException", "more than one column", "SELECT 1 AS a, 2 AS a", formatRecordsAs="JSON")
    names, other = sql.names, sql.names["secretArn"][:-1] + "_"
    for change, code in [
        ({"secretArn": other}, "SecretsErrorException"),
        ({"resourceArn": names["resourceArn"] + "x"}, "DatabaseNotFoundException"),
        ({"resourceArn": "arn:aws:s3:::bucket-with-a-long-name"}, "BadRequestException"),
    ]:
        with pytest.raises(ClientError) as error:
            sql.data.execute_statement(**{**names, **change}, sql="SELECT 1")
        assert error.value.response["Error"]["Code"] == code


def test_the_secret_is_made_kept_and_changed(sql):
    assert sql.cluster()["MasterUserSecret"]["SecretStatus"] == "active"
    sql.rds.modify_db_cluster(DBClusterIdentifier=sql.name, RotateMasterUserPassword=True)
    until(lambda: sql.cluster()["Status"] == "available")
    assert sql.run("SELECT 1")["records"] == [[{"longValue": 1}]]
    with pytest.raises(ClientError) as error:
        sql.rds.modify_db_cluster(DBClusterIdentifier=sql.name, MasterUserPassword="correct-horse")
    assert error.value.response["Error"]["Code"] == "InvalidParameterCombination"
    sql.rds.modify_db_cluster(DBClusterIdentifier=sql.name, EnableHttpEndpoint=False)
    sql.fails("HttpEndpointNotEnabledException", "not enabled", "SELECT 1")
    sql.rds.modify_db_cluster(DBClusterIdentifier=sql.name, EnableHttpEndpoint=True)
    sql.rds.modify_db_cluster(DBClusterIdentifier=sql.name, ManageMasterUserPassword=False, MasterUserPassword="correct-horse")
    until(lambda: sql.cluster()["Status"] == "available" and "MasterUserSecret" not in sql.cluster())
    sql.fails("SecretsErrorException", "can't find", "SELECT 1")
