"""DynamoDB under `kill -9` with writers of all kinds at work: what was acknowledged is there, in tables, indexes and
streams, and no transaction is torn. `DANBI_CRASH_CYCLES` sets how often it is killed (for long runs by hand)."""

import os
import random
import threading

from botocore.exceptions import ClientError

CYCLES = int(os.environ.get("DANBI_CRASH_CYCLES", "3"))
WRITERS = 6
KEYS = 20
TABLES = ("left", "right")
STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}


def table(client, name):
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification=STREAM,
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}, {"AttributeName": "g", "AttributeType": "N"}],
        GlobalSecondaryIndexes=[{"IndexName": "by-g", "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}}],
    )


class Writer(threading.Thread):
    """Writes values that only grow, to keys of its own, and removes them, and remembers what was acknowledged and what
    was tried: by key the values, and whether there is an item once they are written."""

    def __init__(self, danbi, number, start, stop):
        super().__init__()
        self.client = danbi.client("dynamodb")
        self.number, self.value, self.stop = number, start, stop
        self.acknowledged, self.tried = {}, {}

    def run(self):
        try:
            while not self.stop.is_set():
                self.value += 1
                self.step(random.randrange(5))
        except Exception:  # The platform was killed under us; what was tried is not acknowledged.
            pass

    def item(self, key):
        return {"p": {"S": key}, "n": {"N": str(self.value)}, "g": {"N": str(self.value % 5)}, "pad": {"S": "x" * random.randrange(3000)}}

    def attempt(self, tables, keys, call, leaves=True):
        for name in tables:
            for key in keys:
                self.tried.setdefault((name, key), {})[self.value] = leaves
        try:
            call()
        except ClientError as error:
            # Two writers may meet on the shared counter; nothing was written then.
            assert error.response["Error"]["Code"] in ("TransactionCanceledException", "TransactionConflictException"), error
            return
        for name in tables:
            for key in keys:
                self.acknowledged[name, key] = self.value

    def step(self, kind):
        one = f"w{self.number}-{random.randrange(KEYS)}"
        if kind == 0:
            self.attempt(["left"], [one], lambda: self.client.put_item(TableName="left", Item=self.item(one)))
        elif kind == 1:
            names = {"#n": "n", "#g": "g"}
            values = {":n": {"N": str(self.value)}, ":g": {"N": str(self.value % 5)}}
            self.attempt(["left"], [one], lambda: self.client.update_item(
                TableName="left", Key={"p": {"S": one}}, UpdateExpression="SET #n = :n, #g = :g",
                ExpressionAttributeNames=names, ExpressionAttributeValues=values))
        elif kind == 2:
            keys = [f"w{self.number}-batch-{part}" for part in range(10)]
            self.attempt(["left"], keys, lambda: self.client.batch_write_item(
                RequestItems={"left": [{"PutRequest": {"Item": self.item(key)}} for key in keys]}))
        elif kind == 3:
            self.attempt(["left"], [one], lambda: self.client.delete_item(TableName="left", Key={"p": {"S": one}}), leaves=False)
        else:
            keys = [f"w{self.number}-pair-{part}" for part in range(3)]
            self.attempt(TABLES, keys, lambda: self.client.transact_write_items(
                TransactItems=[{"Put": {"TableName": name, "Item": self.item(key)}} for name in TABLES for key in keys]))


def scan(client, name, **more):
    pages = client.get_paginator("scan").paginate(TableName=name, **more)
    return {item["p"]["S"]: item for page in pages for item in page["Items"]}


class Stream:
    """What a table holds by its stream's records, read on from where the last look ended."""

    def __init__(self, name):
        self.name, self.items, self.read = name, {}, {}

    def follow(self, danbi):
        streams = danbi.client("dynamodbstreams")
        arn = streams.list_streams(TableName=self.name)["Streams"][0]["StreamArn"]
        for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
            shard = shard["ShardId"]
            at = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": self.read[shard]} if shard in self.read else {"ShardIteratorType": "TRIM_HORIZON"}
            iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, **at)["ShardIterator"]
            while iterator:
                answer = streams.get_records(ShardIterator=iterator)
                for record in answer["Records"]:
                    change = record["dynamodb"]
                    self.read[shard] = change["SequenceNumber"]
                    self.items[change["Keys"]["p"]["S"]] = change.get("NewImage")
                iterator = answer.get("NextShardIterator") if answer["Records"] else None
        return {key: item for key, item in self.items.items() if item}


def test_nothing_acknowledged_is_lost_and_nothing_is_torn(danbi):
    client = danbi.client("dynamodb")
    for name in TABLES:
        table(client, name)
    acknowledged, tried = {}, {}
    streams = {name: Stream(name) for name in TABLES}
    for cycle in range(CYCLES):
        stop = threading.Event()
        writers = [Writer(danbi, number, cycle * 1_000_000, stop) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        enough = (1 + cycle % 3) * 15
        danbi.wait_until(lambda: all(writer.value % 1_000_000 >= enough or not writer.is_alive() for writer in writers), 90)
        danbi.kill_9()
        stop.set()
        for writer in writers:
            writer.join()
            acknowledged.update(writer.acknowledged)
            for key, values in writer.tried.items():
                tried.setdefault(key, {}).update(values)
        danbi.start()
        client = danbi.client("dynamodb")
        held = {name: scan(client, name) for name in TABLES}
        for (name, key), value in acknowledged.items():
            # The last acknowledged value, or one that was tried later and whose answer was lost.
            item = held[name].get(key)
            if item:
                found = int(item["n"]["N"])
                assert found >= value and tried[name, key].get(found), (cycle, name, key, value, found)
            else:
                removed = [later for later, leaves in tried[name, key].items() if later >= value and not leaves]
                assert removed, (cycle, name, key, value)
        for number in range(WRITERS):
            pairs = {held[name].get(f"w{number}-pair-{part}", {}).get("n", {}).get("N") for name in TABLES for part in range(3)}
            assert len(pairs) == 1, (cycle, number, pairs)
        for name in TABLES:
            assert scan(client, name, IndexName="by-g") == held[name]
            assert streams[name].follow(danbi) == held[name]
        print(f"cycle {cycle + 1} of {CYCLES}: {len(acknowledged)} keys are as acknowledged", flush=True)
