"""Tables of DynamoDB as boto3 and the AWS CLI make, change, fill, describe and delete them."""

import json
import os
import subprocess

import boto3
import pytest
from botocore.exceptions import ClientError
from packages import create, python
from platform_under_test import KEY_ID, SECRET

EXPIRE = {"DANBI_DYNAMODB_EXPIRE_MS": "200"}


def make(client, name, **more):
    arguments = {
        "TableName": name,
        "KeySchema": [{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}],
        "AttributeDefinitions": [{"AttributeName": "p", "AttributeType": "S"}, {"AttributeName": "s", "AttributeType": "N"}],
        "BillingMode": "PAY_PER_REQUEST",
        **more,
    }
    created = client.create_table(**arguments)["TableDescription"]
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    return created


def code(call, **arguments):
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return refused.value.response["Error"]["Code"]


def test_a_table_from_its_making_to_its_end(danbi):
    client = danbi.client("dynamodb")
    created = make(client, "orders", Tags=[{"Key": "team", "Value": "desk"}])
    assert created["TableStatus"] == "CREATING" and created["ItemCount"] == 0
    described = client.describe_table(TableName="orders")["Table"]
    assert described["TableStatus"] == "ACTIVE"
    assert described["TableArn"] == "arn:aws:dynamodb:us-east-1:000000000000:table/orders"
    assert client.describe_table(TableName=described["TableArn"])["Table"]["TableId"] == described["TableId"]
    assert code(client.create_table, TableName="orders", KeySchema=described["KeySchema"], BillingMode="PAY_PER_REQUEST", AttributeDefinitions=described["AttributeDefinitions"]) == "ResourceInUseException"
    assert client.list_tags_of_resource(ResourceArn=described["TableArn"])["Tags"] == [{"Key": "team", "Value": "desk"}]
    table = boto3.resource("dynamodb", endpoint_url=danbi.url, region_name="us-east-1", aws_access_key_id=KEY_ID, aws_secret_access_key=SECRET).Table("orders")
    with table.batch_writer() as batch:
        for number in range(60):
            batch.put_item({"p": "a", "s": number, "v": "x" * 10})
    counted = client.describe_table(TableName="orders")["Table"]
    assert counted["ItemCount"] == 60 and counted["TableSizeBytes"] > 600
    client.update_table(TableName="orders", DeletionProtectionEnabled=True)
    assert code(client.delete_table, TableName="orders") == "ValidationException"
    client.update_table(TableName="orders", DeletionProtectionEnabled=False)
    assert client.delete_table(TableName="orders")["TableDescription"]["TableStatus"] == "DELETING"
    client.get_waiter("table_not_exists").wait(TableName="orders", WaiterConfig={"Delay": 1})
    make(client, "orders")
    assert client.scan(TableName="orders")["Count"] == 0


def test_a_name_that_no_table_may_have_is_refused_before_all_else(danbi):
    client = danbi.client("dynamodb", parameter_validation=False)
    wrong = {"KeySchema": [], "AttributeDefinitions": [{"AttributeName": "p", "AttributeType": "X"}]}

    def refusal(**given):
        with pytest.raises(ClientError) as refused:
            client.create_table(**given, **wrong)
        error = refused.value.response["Error"]
        assert error["Code"] == "ValidationException"
        return error["Message"]

    assert refusal() == "The parameter 'TableName' is required but was not present in the request"
    told = "1 validation error detected: Value '{}' at 'tableName' failed to satisfy constraint: Member must {}"
    assert refusal(TableName="x!y") == told.format("x!y", "satisfy regular expression pattern: [a-zA-Z0-9_.-]+")
    assert refusal(TableName="ab") == told.format("ab", "have length greater than or equal to 3")
    assert refusal(TableName="abc").startswith("2 validation errors detected: ")


def test_tables_are_listed_in_pages_and_by_region(danbi):
    client = danbi.client("dynamodb")
    names = [f"table-{number:02}" for number in range(7)]
    for name in names:
        make(client, name)
    make(danbi.client("dynamodb", region="eu-west-1"), "elsewhere")
    pages = client.get_paginator("list_tables").paginate(PaginationConfig={"PageSize": 3})
    pages = [page["TableNames"] for page in pages]
    assert sum(pages, []) == names and [len(page) for page in pages] == [3, 3, 1]


def test_an_index_is_added_to_a_table_that_is_being_written(danbi):
    client = danbi.client("dynamodb")
    make(client, "things")
    put = lambda number: client.put_item(TableName="things", Item={"p": {"S": str(number % 7)}, "s": {"N": str(number)}, "g": {"S": f"g{number % 3}"}})
    for number in range(400):
        put(number)
    updated = client.update_table(
        TableName="things",
        AttributeDefinitions=[{"AttributeName": "g", "AttributeType": "S"}],
        GlobalSecondaryIndexUpdates=[{"Create": {"IndexName": "by-g", "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}}}],
    )["TableDescription"]
    assert updated["TableStatus"] == "UPDATING"
    index = updated["GlobalSecondaryIndexes"][0]
    assert index["IndexStatus"] == "CREATING" and index["Backfilling"]
    for number in range(400, 450):
        put(number)
    client.delete_item(TableName="things", Key={"p": {"S": "0"}, "s": {"N": "0"}})
    state = lambda: client.describe_table(TableName="things")["Table"]["GlobalSecondaryIndexes"][0]
    danbi.wait_until(lambda: state()["IndexStatus"] == "ACTIVE", 60)
    found = set()
    for group in range(3):
        pages = client.get_paginator("query").paginate(
            TableName="things", IndexName="by-g", KeyConditionExpression="g = :g", ExpressionAttributeValues={":g": {"S": f"g{group}"}}
        )
        for page in pages:
            found |= {int(item["s"]["N"]) for item in page["Items"]}
    assert found == set(range(1, 450))
    client.update_table(TableName="things", GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by-g"}}])
    assert "GlobalSecondaryIndexes" not in client.describe_table(TableName="things")["Table"]


def test_a_fill_goes_on_after_a_crash(danbi):
    client = danbi.client("dynamodb")
    make(client, "things")
    for start in range(0, 1000, 25):
        client.batch_write_item(
            RequestItems={"things": [{"PutRequest": {"Item": {"p": {"S": str(n)}, "s": {"N": "1"}, "g": {"S": "g"}}}} for n in range(start, start + 25)]}
        )
    client.update_table(
        TableName="things",
        AttributeDefinitions=[{"AttributeName": "g", "AttributeType": "S"}],
        GlobalSecondaryIndexUpdates=[{"Create": {"IndexName": "by-g", "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}], "Projection": {"ProjectionType": "KEYS_ONLY"}}}],
    )
    danbi.kill_9()
    danbi.start()
    client = danbi.client("dynamodb")
    state = lambda: client.describe_table(TableName="things")["Table"]["GlobalSecondaryIndexes"][0]["IndexStatus"]
    danbi.wait_until(lambda: state() == "ACTIVE", 60)
    counted = client.get_paginator("query").paginate(
        TableName="things", IndexName="by-g", KeyConditionExpression="g = :g", ExpressionAttributeValues={":g": {"S": "g"}}, Select="COUNT"
    )
    assert sum(page["Count"] for page in counted) == 1000


def test_expired_items_go_and_the_stream_says_who_removed_them(danbi_with):
    danbi = danbi_with(**EXPIRE)
    client = danbi.client("dynamodb")
    make(client, "things", StreamSpecification={"StreamEnabled": True, "StreamViewType": "OLD_IMAGE"})
    item = lambda key, when: client.put_item(TableName="things", Item={"p": {"S": key}, "s": {"N": "1"}, "until": when})
    item("before", {"N": "1600000000"})
    item("too old", {"N": "1"})
    item("text", {"S": "1600000000"})
    client.update_time_to_live(TableName="things", TimeToLiveSpecification={"Enabled": True, "AttributeName": "until"})
    described = client.describe_time_to_live(TableName="things")["TimeToLiveDescription"]
    assert described == {"TimeToLiveStatus": "ENABLED", "AttributeName": "until"}
    now = int(subprocess.check_output(["date", "+%s"]))
    item("after", {"N": str(now - 10)})
    item("later", {"N": str(now + 100_000)})
    item("before", {"N": str(now - 5)})
    keys = lambda: {item["p"]["S"] for item in client.scan(TableName="things")["Items"]}
    danbi.wait_until(lambda: keys() == {"too old", "text", "later"})
    removed = {r["dynamodb"]["Keys"]["p"]["S"]: r["userIdentity"] for r in all_records(danbi, "things") if r["eventName"] == "REMOVE"}
    identity = {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
    assert removed == {"before": identity, "after": identity}


def all_records(danbi, table):
    streams = danbi.client("dynamodbstreams")
    arn = streams.list_streams(TableName=table)["Streams"][0]["StreamArn"]
    records = []
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        while iterator:
            answer = streams.get_records(ShardIterator=iterator)
            records += answer["Records"]
            iterator = answer.get("NextShardIterator") if answer["Records"] else None
    return records


def test_the_aws_cli_makes_and_waits_for_a_table(danbi):
    cli = os.environ.get("AWS_CLI", "aws")

    def aws(*arguments):
        run = subprocess.run([cli, "--endpoint-url", danbi.url, "dynamodb", *arguments], env=danbi.environment_for_clients(), capture_output=True, text=True, timeout=110)
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout) if run.stdout.strip() else None

    aws(
        "create-table", "--table-name", "cli", "--billing-mode", "PAY_PER_REQUEST",
        "--key-schema", "AttributeName=id,KeyType=HASH", "--attribute-definitions", "AttributeName=id,AttributeType=S",
    )
    aws("wait", "table-exists", "--table-name", "cli")
    aws("put-item", "--table-name", "cli", "--item", '{"id":{"S":"1"},"b":{"B":"AAE="}}')
    assert aws("get-item", "--table-name", "cli", "--key", '{"id":{"S":"1"}}')["Item"]["b"] == {"B": "AAE="}
    assert aws("list-tables")["TableNames"] == ["cli"]
    aws("delete-table", "--table-name", "cli")
    aws("wait", "table-not-exists", "--table-name", "cli")


def test_a_policy_of_a_table_has_revisions(danbi):
    client = danbi.client("dynamodb")
    arn = make(client, "things")["TableArn"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "dynamodb:GetItem", "Resource": arn}]})
    first = client.put_resource_policy(ResourceArn=arn, Policy=policy)["RevisionId"]
    got = client.get_resource_policy(ResourceArn=arn)
    assert got["RevisionId"] == first and json.loads(got["Policy"]) == json.loads(policy)
    assert code(client.put_resource_policy, ResourceArn=arn, Policy=policy, ExpectedRevisionId="1") == "PolicyNotFoundException"
    assert code(client.put_resource_policy, ResourceArn=arn, Policy="{}") == "ValidationException"
    # A role without any policy of its own may read, and may not write.
    source = "import os\ndef handler(e, c):\n    return [os.environ[k] for k in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN')]\n"
    create(danbi.client("lambda"), "reader", python(source))
    key_id, secret, token = json.loads(danbi.client("lambda").invoke(FunctionName="reader")["Payload"].read())
    reader = boto3.client("dynamodb", endpoint_url=danbi.url, region_name="us-east-1", aws_access_key_id=key_id, aws_secret_access_key=secret, aws_session_token=token)
    key = {"p": {"S": "a"}, "s": {"N": "1"}}
    assert "Item" not in reader.get_item(TableName="things", Key=key)
    assert code(reader.put_item, TableName="things", Item=key) == "AccessDeniedException"
    client.delete_resource_policy(ResourceArn=arn, ExpectedRevisionId=first)
    assert code(client.get_resource_policy, ResourceArn=arn) == "PolicyNotFoundException"
