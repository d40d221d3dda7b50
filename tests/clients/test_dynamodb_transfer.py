"""Tables to and from S3: exports are of one moment, imports make the table again, and kill -9 loses neither."""

import gzip
import json

from test_dynamodb_tables import code, make

KEYS = [{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}]
TYPES = [{"AttributeName": "p", "AttributeType": "S"}, {"AttributeName": "s", "AttributeType": "N"}]


def items(client, table):
    pages = client.get_paginator("scan").paginate(TableName=table)
    return {(item["p"]["S"], item["s"]["N"]): item for page in pages for item in page["Items"]}


def fill(client, table, count, value):
    for start in range(0, count, 25):
        puts = [{"PutRequest": {"Item": {"p": {"S": f"k{n % 7}"}, "s": {"N": str(n)}, "v": {"S": value}, "w": {"B": b"\x00\xff"}}}} for n in range(start, start + 25)]
        client.batch_write_item(RequestItems={table: puts})


def recoverable(client, name):
    made = make(client, name)
    client.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
    return made["TableArn"]


def exported(danbi, client, arn):
    describe = lambda: client.describe_export(ExportArn=arn)["ExportDescription"]
    danbi.wait_until(lambda: describe()["ExportStatus"] != "IN_PROGRESS", 60)
    return describe()


def imported(danbi, client, arn):
    describe = lambda: client.describe_import(ImportArn=arn)["ImportTableDescription"]
    danbi.wait_until(lambda: describe()["ImportStatus"] != "IN_PROGRESS", 60)
    return describe()


def test_a_table_goes_to_s3_and_comes_back_through_kill_9(danbi):
    client, s3 = danbi.client("dynamodb"), danbi.client("s3")
    s3.create_bucket(Bucket="exports")
    arn = recoverable(client, "things")
    fill(client, "things", 500, "before")
    expected = items(client, "things")
    begun = client.export_table_to_point_in_time(TableArn=arn, S3Bucket="exports", S3Prefix="nightly", ClientToken="one")["ExportDescription"]
    assert begun["ExportStatus"] == "IN_PROGRESS" and begun["ExportFormat"] == "DYNAMODB_JSON"
    danbi.kill_9()
    danbi.start()
    client, s3 = danbi.client("dynamodb"), danbi.client("s3")
    fill(client, "things", 500, "after")
    done = exported(danbi, client, begun["ExportArn"])
    assert done["ExportStatus"] == "COMPLETED" and done["ItemCount"] == 500, done
    again = client.export_table_to_point_in_time(TableArn=arn, S3Bucket="exports", S3Prefix="nightly", ClientToken="one")["ExportDescription"]
    assert again["ExportArn"] == begun["ExportArn"]
    assert code(client.export_table_to_point_in_time, TableArn=arn, S3Bucket="exports", ClientToken="one") == "ExportConflictException"
    assert [export["ExportArn"] for export in client.list_exports(TableArn=arn)["ExportSummaries"]] == [begun["ExportArn"]]

    read = lambda key: s3.get_object(Bucket="exports", Key=key)["Body"].read()
    summary = json.loads(read(done["ExportManifest"]))
    assert summary["itemCount"] == 500 and summary["tableArn"] == arn and summary["outputFormat"] == "DYNAMODB_JSON"
    files = [json.loads(line) for line in read(summary["manifestFilesS3Key"]).splitlines()]
    lines = [line for file in files for line in gzip.decompress(read(file["dataFileS3Key"])).splitlines()]
    assert len(lines) == 500 and all(json.loads(line)["Item"]["v"] == {"S": "before"} for line in lines)

    folder = done["ExportManifest"].rsplit("/", 1)[0] + "/data/"
    begun = client.import_table(
        S3BucketSource={"S3Bucket": "exports", "S3KeyPrefix": folder},
        InputFormat="DYNAMODB_JSON",
        InputCompressionType="GZIP",
        TableCreationParameters={"TableName": "again", "KeySchema": KEYS, "AttributeDefinitions": TYPES, "BillingMode": "PAY_PER_REQUEST"},
    )["ImportTableDescription"]
    danbi.kill_9()
    danbi.start()
    client = danbi.client("dynamodb")
    done = imported(danbi, client, begun["ImportArn"])
    assert done["ImportStatus"] == "COMPLETED" and (done["ImportedItemCount"], done["ErrorCount"]) == (500, 0), done
    assert items(client, "again") == expected
    assert client.describe_table(TableName="again")["Table"]["ItemCount"] == 500
    assert client.list_imports()["ImportSummaryList"][0]["ImportArn"] == begun["ImportArn"]


def test_csv_and_what_cannot_be_moved(danbi):
    client, s3 = danbi.client("dynamodb"), danbi.client("s3")
    s3.create_bucket(Bucket="imports")
    s3.put_object(Bucket="imports", Key="in/a.csv", Body=b'p;s;v\nk;1;"a;b"\nk;x;no number\nk;2;c')
    parameters = {"TableName": "rows", "KeySchema": KEYS, "AttributeDefinitions": TYPES, "BillingMode": "PAY_PER_REQUEST"}
    source = {"S3Bucket": "imports", "S3KeyPrefix": "in/"}
    options = {"Csv": {"Delimiter": ";"}}
    begun = client.import_table(S3BucketSource=source, InputFormat="CSV", InputFormatOptions=options, TableCreationParameters=parameters)["ImportTableDescription"]
    done = imported(danbi, client, begun["ImportArn"])
    assert (done["ImportedItemCount"], done["ErrorCount"], done["ProcessedItemCount"]) == (2, 1, 3), done
    assert items(client, "rows")["k", "1"]["v"] == {"S": "a;b"}
    assert code(client.import_table, S3BucketSource=source, InputFormat="CSV", TableCreationParameters=parameters) == "ResourceInUseException"
    refused = code(client.import_table, S3BucketSource=source, InputFormat="ION", TableCreationParameters={**parameters, "TableName": "ion"})
    assert refused == "NotImplemented"
    arn = make(client, "plain")["TableArn"]
    assert code(client.export_table_to_point_in_time, TableArn=arn, S3Bucket="imports") == "PointInTimeRecoveryUnavailableException"
    client.update_continuous_backups(TableName="plain", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
    begun = client.export_table_to_point_in_time(TableArn=arn, S3Bucket="nowhere-at-all")["ExportDescription"]
    failed = exported(danbi, client, begun["ExportArn"])
    assert failed["ExportStatus"] == "FAILED" and failed["FailureCode"] == "S3NoSuchBucket", failed
    client.delete_table(TableName="plain")
