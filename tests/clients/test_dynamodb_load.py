"""Tables that are large, and tables whose throughput binds.

`DANBI_SCAN_MIB` sets how much is scanned (1024 for the promise as it is written), `DANBI_TABLE_ITEMS` how many items a
table grows to (10000000; without it that test is left out)."""

import os
import random
import time

import pytest
from botocore.exceptions import ClientError
from platform_under_test import Platform

SCAN_MIB = int(os.environ.get("DANBI_SCAN_MIB", "64"))
TABLE_ITEMS = int(os.environ.get("DANBI_TABLE_ITEMS", "0"))
#: What a scan may add to the memory that is in use, whatever the table's size.
GROWTH_MIB = 64
#: What a table of any size may need in all, with the platform that serves it.
TABLE_MIB = 512


def create(client, name, **more):
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}],
        **{"BillingMode": "PAY_PER_REQUEST", **more},
    )


def write(client, name, items):
    """Writes items 25 at a time."""
    batch = []
    for item in items:
        batch.append({"PutRequest": {"Item": item}})
        if len(batch) == 25:
            client.batch_write_item(RequestItems={name: batch})
            batch = []
    if batch:
        client.batch_write_item(RequestItems={name: batch})


def test_a_scan_needs_no_more_memory_than_a_page(danbi):
    client = danbi.client("dynamodb")
    create(client, "large")
    size = 16 * 1024
    count = SCAN_MIB * 1024 * 1024 // size
    pad = random.Random(7).randbytes(size - 20)
    write(client, "large", ({"p": {"S": f"{number:08}"}, "pad": {"B": pad}} for number in range(count)))
    # What the writes left in memory is not the scan's.
    danbi.terminate()
    danbi.start()
    client = danbi.client("dynamodb")
    client.scan(TableName="large", Limit=1)
    before, highest, found = danbi.rss_mib(), 0, 0
    for page in client.get_paginator("scan").paginate(TableName="large"):
        found += page["Count"]
        highest = max(highest, danbi.rss_mib())
    assert found == count
    print(f"{SCAN_MIB} MiB: {before:.0f} MiB before, {highest:.0f} MiB at most")
    assert highest - before <= GROWTH_MIB


@pytest.mark.skipif(not TABLE_ITEMS, reason="takes long: DANBI_TABLE_ITEMS=10000000")
def test_a_table_of_millions_of_items_works_in_bounded_memory(danbi):
    client = danbi.client("dynamodb")
    create(client, "many")
    step, highest, began = max(25, TABLE_ITEMS // 10 // 25 * 25), 0, time.monotonic()
    for start in range(0, TABLE_ITEMS, step):
        numbers = range(start, min(start + step, TABLE_ITEMS))
        write(client, "many", ({"p": {"S": str(number)}, "n": {"N": str(number)}} for number in numbers))
        highest = max(highest, danbi.rss_mib())
        print(f"{numbers.stop} items, {time.monotonic() - began:.0f} s, {danbi.rss_mib():.0f} MiB", flush=True)
    for number in random.sample(range(TABLE_ITEMS), 1000):
        assert client.get_item(TableName="many", Key={"p": {"S": str(number)}})["Item"]["n"]["N"] == str(number)
    pages = client.get_paginator("scan").paginate(TableName="many", Select="COUNT")
    assert sum(page["Count"] for page in pages) == TABLE_ITEMS
    highest = max(highest, danbi.rss_mib())
    assert highest <= TABLE_MIB


def test_provisioned_throughput_binds_where_it_is_told_to(tmp_path):
    platform = Platform(tmp_path / "data", ["--throttle-tables"])
    platform.start()
    try:
        client = platform.client("dynamodb")
        units = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
        create(client, "tight", BillingMode="PROVISIONED", ProvisionedThroughput=units)
        pad = {"B": b"x" * 100 * 1024}
        refused = None
        for number in range(6):
            try:
                client.put_item(TableName="tight", Item={"p": {"S": str(number)}, "pad": pad})
            except ClientError as error:
                refused = error.response
                break
        # Five minutes of one unit a second are 300 KB.
        assert number in (3, 4) and refused["Error"]["Code"] == "ProvisionedThroughputExceededException", (number, refused)
        reason = refused["ThrottlingReasons"][0]
        assert reason["reason"] == "TableWriteProvisionedThroughputExceeded" and reason["resource"].endswith(":table/tight")
        assert client.get_item(TableName="tight", Key={"p": {"S": "0"}})["Item"]["pad"] == pad
        client.update_table(TableName="tight", ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1000})
        platform.wait_until(lambda: put(client))
    finally:
        platform.end()


def put(client):
    try:
        client.put_item(TableName="tight", Item={"p": {"S": "late"}})
        return True
    except ClientError:
        return False
