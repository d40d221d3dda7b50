"""`danbi db`: a database in one word each, of either kind."""

import json
import pathlib
import shutil

import pytest
from test_cli import cli  # noqa: F401 (a fixture)

PASSWORD = "correct-horse"
KINDS = [
    pytest.param("mysql", "MYSQL_PWD", marks=pytest.mark.skipif(shutil.which("mariadbd", path="/usr/sbin:/usr/bin") is None, reason="MariaDB is not installed")),
    pytest.param("postgres", "PGPASSWORD", marks=pytest.mark.skipif(not pathlib.Path("/usr/lib/postgresql").exists(), reason="PostgreSQL is not installed")),
]


@pytest.mark.parametrize("engine,variable", KINDS)
def test_a_database_from_its_making_to_its_end(cli, engine, variable):  # noqa: F811
    assert "there is no database yet" in cli("db", "ls").stderr
    made = json.loads(cli("db", "create", "to-do", "--engine", engine, "--password", PASSWORD, "--json").stdout)
    scheme = "postgresql" if engine == "postgres" else "mysql"
    assert made["url"] == f"{scheme}://{made['user']}:{PASSWORD}@127.0.0.1:{made['port']}/to_do"
    secret = {variable: PASSWORD}
    sql = lambda name, text, expect=0: cli("db", "sql", name, "-e", text, expect=expect, **secret)
    sql("to-do", "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (42);")
    assert "42" in sql("to-do", "SELECT id FROM t").stdout
    assert "nowhere" in sql("to-do", "SELECT * FROM nowhere", expect=1).stderr

    assert cli("db", "snapshot", "to-do", "before").stdout.strip() == "before"
    assert "already exists" in cli("db", "snapshot", "to-do", "before", expect=1).stderr
    assert json.loads(cli("db", "snapshots", "--json").stdout)["snapshots"][0]["status"] == "available"
    sql("to-do", "DROP TABLE t")
    cli("db", "restore", "before", "copy")
    cli("db", "restore", "to-do", "now", "--to", "latest")
    assert "42" in sql("copy", "SELECT id FROM t").stdout
    count = "SELECT CONCAT('n=', COUNT(*)) FROM information_schema.tables WHERE table_name = 't'"
    assert ["n=" + str(at) in sql(name, count).stdout for at, name in enumerate(["now", "copy"])] == [True, True]
    assert "or `latest`" in cli("db", "restore", "to-do", "x", "--to", "yesterday", expect=1).stderr
    assert "DBSnapshotNotFound" in cli("db", "restore", "nothing", "x", expect=1).stderr

    cli("db", "stop", "copy")
    assert "danbi db start copy" in sql("copy", "SELECT 1", expect=1).stderr
    assert cli("db", "start", "copy").stdout.strip() == "copy is available"
    listed = json.loads(cli("db", "ls", "--json").stdout)["databases"]
    assert sorted(one["name"] for one in listed) == ["copy", "now", "to-do"]
    assert cli("db", "url", "to-do").stdout.strip() == made["url"].replace(f":{PASSWORD}@", "@")
    for name in ("copy", "now", "to-do"):
        assert cli("db", "rm", name).stdout.strip() == f"{name} is deleted"
    assert "danbi db list" in cli("db", "rm", "to-do", expect=1).stderr


def test_wrong_words_are_told_why(cli):  # noqa: F811
    for arguments, words in [
        (["1x"], "valid identifier"),
        (["Under_Score"], "valid identifier"),
        (["todo", "--password", "short"], "shorter than 8"),
        (["todo", "--retention", "36"], "retention"),
    ]:
        assert words in cli("db", "create", *arguments, expect=1).stderr
    assert "possible values: mysql, postgres" in cli("db", "create", "todo", "--engine", "oracle", expect=2).stderr
