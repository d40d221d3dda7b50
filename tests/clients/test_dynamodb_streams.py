"""Streams of DynamoDB: each change once, in order, for as long as they are kept."""

import threading

from test_dynamodb_tables import all_records, code, make


def arn_of(danbi, table):
    return danbi.client("dynamodbstreams").list_streams(TableName=table)["Streams"][-1]["StreamArn"]


def test_records_show_what_changed(danbi):
    client = danbi.client("dynamodb")
    make(client, "things", StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}, BillingMode="PROVISIONED",
         ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1})
    key = {"p": {"S": "a"}, "s": {"N": "1"}}
    client.put_item(TableName="things", Item={**key, "v": {"S": "1"}})
    client.put_item(TableName="things", Item={**key, "v": {"S": "1"}})
    client.update_item(TableName="things", Key=key, UpdateExpression="SET v = :v", ExpressionAttributeValues={":v": {"S": "22"}})
    client.put_item(TableName="things", Item={"p": {"S": "long"}, "s": {"N": "1"}, "v": {"S": "x" * 300_000}})
    client.delete_item(TableName="things", Key=key)
    client.delete_item(TableName="things", Key=key)
    records = all_records(danbi, "things")
    assert [record["eventName"] for record in records] == ["INSERT", "MODIFY", "INSERT", "REMOVE"]
    first, second, long, last = (record["dynamodb"] for record in records)
    assert first["Keys"] == key and first["NewImage"] == {**key, "v": {"S": "1"}} and "OldImage" not in first
    assert second["OldImage"]["v"] == {"S": "1"} and second["NewImage"]["v"] == {"S": "22"}
    assert len(long["NewImage"]["v"]["S"]) == 300_000
    assert last["OldImage"]["v"] == {"S": "22"} and "NewImage" not in last
    numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in records]
    assert numbers == sorted(set(numbers)) and len({record["eventID"] for record in records}) == 4
    assert {(record["eventSource"], record["awsRegion"], record["eventVersion"]) for record in records} == {("aws:dynamodb", "us-east-1", "1.1")}


def test_many_writers_lose_no_record_and_keep_the_order_of_each_item(danbi):
    client = danbi.client("dynamodb")
    make(client, "things", StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})
    writers, changes = 8, 25

    def write(worker):
        own = danbi.client("dynamodb")
        for number in range(changes):
            own.put_item(TableName="things", Item={"p": {"S": f"p{worker}"}, "s": {"N": "1"}, "n": {"N": str(number)}})

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(writers)]
    streams = danbi.client("dynamodbstreams")
    shards = streams.describe_stream(StreamArn=arn_of(danbi, "things"))["StreamDescription"]["Shards"]
    assert len(shards) > 1
    iterators = {
        shard["ShardId"]: streams.get_shard_iterator(StreamArn=arn_of(danbi, "things"), ShardId=shard["ShardId"], ShardIteratorType="LATEST")["ShardIterator"]
        for shard in shards
    }
    for thread in threads:
        thread.start()
    seen = {f"p{worker}": [] for worker in range(writers)}

    def read():
        for shard, iterator in iterators.items():
            answer = streams.get_records(ShardIterator=iterator, Limit=7)
            iterators[shard] = answer["NextShardIterator"]
            for record in answer["Records"]:
                image = record["dynamodb"]["NewImage"]
                seen[image["p"]["S"]].append(int(image["n"]["N"]))
        return sum(map(len, seen.values())) >= writers * changes

    danbi.wait_until(read, 60)
    for thread in threads:
        thread.join()
    assert all(numbers == list(range(changes)) for numbers in seen.values()), seen


def test_a_stream_that_is_off_can_be_read_until_it_is_trimmed(danbi_with):
    danbi = danbi_with(DANBI_DYNAMODB_TRIM_MS="100,2000")
    client, streams = danbi.client("dynamodb"), danbi.client("dynamodbstreams")
    view = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    make(client, "things", StreamSpecification=view)
    first = arn_of(danbi, "things")
    client.put_item(TableName="things", Item={"p": {"S": "a"}, "s": {"N": "1"}})
    assert code(client.update_table, TableName="things", StreamSpecification=view) == "ValidationException"
    client.update_table(TableName="things", StreamSpecification={"StreamEnabled": False})
    described = streams.describe_stream(StreamArn=first)["StreamDescription"]
    assert described["StreamStatus"] == "DISABLED"
    assert all("EndingSequenceNumber" in shard["SequenceNumberRange"] for shard in described["Shards"])
    client.update_table(TableName="things", StreamSpecification=view)
    second = client.describe_table(TableName="things")["Table"]["LatestStreamArn"]
    assert second != first
    left = lambda: [stream["StreamArn"] for stream in streams.list_streams(TableName="things")["Streams"]]
    assert left() == [first, second]
    danbi.wait_until(lambda: left() == [second])
    assert code(streams.describe_stream, StreamArn=first) == "ResourceNotFoundException"


def test_iterators_are_refused_when_they_are_none(danbi):
    streams = danbi.client("dynamodbstreams")
    assert code(streams.get_records, ShardIterator="nonsense") == "ValidationException"
    assert code(streams.describe_stream, StreamArn="arn:aws:dynamodb:us-east-1:000000000000:table/none/stream/2026-01-01T00:00:00.000") == "ResourceNotFoundException"
