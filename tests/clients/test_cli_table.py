"""`danbi table`: tables and items in plain JSON, against DynamoDB's own API."""

import json

import pytest
from test_cli import cli  # noqa: F401 (a fixture)


@pytest.fixture
def table(cli):  # noqa: F811
    """A table with a text key and a number as sort key."""
    cli("table", "create", "notes", "--key", "id", "--sort", "at:N")
    return "notes"


def lines(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_items_go_in_and_come_out_as_plain_json(cli, danbi, table):  # noqa: F811
    item = {"id": "a", "at": 1, "text": "héllo", "n": -1.5, "flag": True, "none": None, "list": [1, {"b": []}]}
    cli("table", "put", table, json.dumps(item))
    assert json.loads(cli("table", "get", table, "a", "1").stdout) == item
    typed = danbi.client("dynamodb").get_item(TableName=table, Key={"id": {"S": "a"}, "at": {"N": "1"}})["Item"]
    assert typed["n"] == {"N": "-1.5"} and typed["list"] == {"L": [{"N": "1"}, {"M": {"b": {"L": []}}}]}
    assert json.loads(cli("table", "delete", table, "a", "1", "--json").stdout) == {"removed": 1}
    assert "there is no item a 1" in cli("table", "get", table, "a", "1", expect=1).stderr


def test_query_takes_ranges_of_the_sort_key(cli, table):  # noqa: F811
    for at in range(1, 6):
        cli("table", "put", table, json.dumps({"id": "a", "at": at}))
    cli("table", "put", table, json.dumps({"id": "b", "at": 9}))

    def ats(*options):
        return [item["at"] for item in lines(cli("table", "query", table, "a", *options))]

    assert ats() == [1, 2, 3, 4, 5]
    assert ats("--from", "2", "--to", "4") == [2, 3, 4]
    assert ats("--reverse", "-n", "2") == [5, 4]
    assert ats("-n", "99999999999") == [1, 2, 3, 4, 5]
    cli("table", "put", table, json.dumps({"id": "a", "at": -7}))
    assert json.loads(cli("table", "get", table, "a", "-7").stdout) == {"id": "a", "at": -7}
    assert ats("--from", "-7.5", "--to", "-1") == [-7]
    cli("table", "delete", table, "a", "-7")
    assert len(lines(cli("table", "scan", table, "--json"))) == 6
    assert json.loads(cli("table", "ls", "--json").stdout) == {"tables": [table]}


@pytest.mark.parametrize("name", ["items.csv", "items.jsonl"])
def test_what_is_exported_can_be_imported(cli, table, tmp_path, name):  # noqa: F811
    items = [
        {"id": "a", "at": at, "zip": "007", "text": 'say "x", then\nstop', "n": at, "nested": {"l": [1, "2"]}} for at in range(60)
    ]
    items[3] = {"id": "a", "at": 3, "other": True, "empty": ""}
    source = tmp_path / "source.jsonl"
    source.write_text("".join(json.dumps(item) + "\n" for item in items))
    assert json.loads(cli("table", "import", table, source, "--json").stdout)["stored"] == 60
    exported = tmp_path / name
    cli("table", "export", table, exported)
    cli("table", "create", "copy", "--key", "id", "--sort", "at:N")
    cli("table", "import", "copy", exported)
    assert lines(cli("table", "scan", "copy")) == items


def test_mistakes_are_explained(cli, table, tmp_path):  # noqa: F811
    assert "more digits" in cli("table", "put", table, '{"id": "a", "at": 1, "n": 1234567890123456789012}', expect=2).stderr
    assert "quotes included" in cli("table", "put", table, "{id: 1}", expect=2).stderr
    assert "it has no at" in cli("table", "put", table, '{"id": "a"}', expect=1).stderr
    assert "the value of at is missing" in cli("table", "get", table, "a", expect=2).stderr
    assert "danbi table create" in cli("table", "get", "gone", "a", expect=1).stderr
    assert "none of S (text), N (numbers) and B (bytes)" in cli("table", "create", "t", "--key", "id:X", expect=2).stderr
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"id": "a", "at": 1}\nnonsense\n')
    assert "line 2" in cli("table", "import", table, bad, expect=1).stderr
