"""What is called by others than the gateway. Each job notes what it got in the table `notes`."""

import json
import uuid

import boto3
from zappa.asynchronous import task, task_sns

_dynamodb = boto3.client("dynamodb")


def _note(kind, what):
    _dynamodb.put_item(TableName="notes", Item={"kind": {"S": kind}, "id": {"S": uuid.uuid4().hex}, "what": {"S": json.dumps(what)}})


def notes(kind):
    found = _dynamodb.query(
        TableName="notes", KeyConditionExpression="kind = :kind", ExpressionAttributeValues={":kind": {"S": kind}}, ConsistentRead=True
    )
    return [json.loads(item["what"]["S"]) for item in found["Items"]]


def tick(event, context):
    _note("schedule", {"kwargs": event["kwargs"], "rule": event["resources"][0].split("/")[-1]})


def arrived(event, context):
    for record in event["Records"]:
        _note("s3", [record["eventName"], record["s3"]["object"]["key"], record["s3"]["object"]["size"]])


def changed(event, context):
    for record in event["Records"]:
        _note("dynamodb", [record["eventName"], record["dynamodb"]["NewImage"]])


def heard(event, context):
    for record in event["Records"]:
        _note("sns", record["Sns"]["Message"])


def taken(event, context):
    for record in event["Records"]:
        _note("sqs", record["body"])


@task(capture_response=True)
def add(one, other):
    return one + other


@task_sns
def add_by_topic(one, other):
    _note("task_sns", one + other)


@task
def fail(one, other):
    raise ValueError(f"cannot add {one} to {other}")


def authorize(event, context):
    """An authorizer of API Gateway, as Zappa calls it."""
    if event["authorizationToken"] == "crash":
        raise Exception("Unauthorized")
    effect = "Allow" if event["authorizationToken"] == "open sesame" else "Deny"
    return {
        "principalId": "ali baba",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}],
        },
    }
