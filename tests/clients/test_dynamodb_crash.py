"""DynamoDB under `kill -9` with writers of all kinds at work: what was acknowledged is there, in tables, indexes and
streams, and no transaction is torn. `DANBI_CRASH_CYCLES` sets how often it is killed (for long runs by hand)."""

import os
import random
import threading

from botocore.exceptions import ClientError
from test_dynamodb_tables import all_records

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
    """Writes values that only grow, to keys of its own, and remembers what was acknowledged and what was tried."""

    def __init__(self, danbi, number, start, stop):
        super().__init__()
        self.client = danbi.client("dynamodb")
        self.number, self.value, self.stop = number, start, stop
        self.acknowledged, self.tried = {}, {}

    def run(self):
        try:
            while not self.stop.is_set():
                self.value += 1
                self.step(random.randrange(4))
        except Exception:  # The platform was killed under us; what was tried is not acknowledged.
            pass

    def item(self, key):
        return {"p": {"S": key}, "n": {"N": str(self.value)}, "g": {"N": str(self.value % 5)}, "pad": {"S": "x" * random.randrange(3000)}}

    def attempt(self, tables, keys, call):
        for name in tables:
            for key in keys:
                self.tried.setdefault((name, key), set()).add(self.value)
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
        else:
            keys = [f"w{self.number}-pair-{part}" for part in range(3)]
            self.attempt(TABLES, keys, lambda: self.client.transact_write_items(
                TransactItems=[{"Put": {"TableName": name, "Item": self.item(key)}} for name in TABLES for key in keys]))


def scan(client, name, **more):
    pages = client.get_paginator("scan").paginate(TableName=name, **more)
    return {item["p"]["S"]: item for page in pages for item in page["Items"]}


def test_nothing_acknowledged_is_lost_and_nothing_is_torn(danbi):
    client = danbi.client("dynamodb")
    for name in TABLES:
        table(client, name)
    acknowledged, tried = {}, {}
    for cycle in range(CYCLES):
        stop = threading.Event()
        writers = [Writer(danbi, number, cycle * 1_000_000, stop) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        enough = (cycle + 1) * 15
        danbi.wait_until(lambda: all(writer.value % 1_000_000 >= enough or not writer.is_alive() for writer in writers), 90)
        danbi.kill_9()
        stop.set()
        for writer in writers:
            writer.join()
            acknowledged.update(writer.acknowledged)
            for key, values in writer.tried.items():
                tried.setdefault(key, set()).update(values)
        danbi.start()
        client = danbi.client("dynamodb")
        held = {name: scan(client, name) for name in TABLES}
        for (name, key), value in acknowledged.items():
            # The last acknowledged value, or one that was tried later and whose answer was lost.
            found = int(held[name][key]["n"]["N"])
            assert found >= value and found in tried[name, key], (cycle, name, key, value, found)
        for number in range(WRITERS):
            pairs = {held[name].get(f"w{number}-pair-{part}", {}).get("n", {}).get("N") for name in TABLES for part in range(3)}
            assert len(pairs) == 1, (cycle, number, pairs)
        for name in TABLES:
            assert scan(client, name, IndexName="by-g") == held[name]
            last = {}
            for record in all_records(danbi, name):
                last[record["dynamodb"]["Keys"]["p"]["S"]] = record["dynamodb"]["NewImage"]
            assert last == held[name]
