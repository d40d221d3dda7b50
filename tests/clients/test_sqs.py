"""SQS, as boto3, the AWS CLI and older SDKs see it, and its way into the other services."""

import json
import os
import subprocess
import threading
import time
import urllib.parse
import xml.etree.ElementTree as ElementTree

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from packages import create, python
from platform_under_test import KEY_ID, SECRET
from test_events import NOTE, error, notes

ACCOUNT = "000000000000"
FIFO = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}


def queue(sqs, name, **attributes):
    return sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]


def arn(name):
    return f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"


def receive(sqs, url, **more):
    return sqs.receive_message(QueueUrl=url, **{"MaxNumberOfMessages": 10, "AttributeNames": ["All"], "MessageAttributeNames": ["All"], **more}).get("Messages", [])


def drain(sqs, url, count, seconds=30):
    """Receives and deletes until there were `count` bodies."""
    bodies, deadline = [], time.monotonic() + seconds
    while len(bodies) < count and time.monotonic() < deadline:
        for message in receive(sqs, url, WaitTimeSeconds=5):
            bodies.append(message["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return bodies


def test_a_message_goes_and_comes_with_all_it_has(danbi):
    sqs = danbi.client("sqs")
    url = queue(sqs, "q", VisibilityTimeout="60")
    assert url == f"{danbi.url}/{ACCOUNT}/q"
    attributes = {"s": {"DataType": "String.label", "StringValue": "ä"}, "b": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}}
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}}
    # botocore checks the MD5s of both answers itself.
    sent = sqs.send_message(QueueUrl=url, MessageBody="hello", MessageAttributes=attributes, MessageSystemAttributes=trace)
    (got,) = receive(sqs, url)
    assert (got["MessageId"], got["Body"], got["MessageAttributes"]) == (sent["MessageId"], "hello", attributes)
    assert (got["Attributes"]["AWSTraceHeader"], got["Attributes"]["ApproximateReceiveCount"]) == (trace["AWSTraceHeader"]["StringValue"], "1")
    assert receive(sqs, url) == []
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=got["ReceiptHandle"], VisibilityTimeout=0)
    (again,) = receive(sqs, url)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=again["ReceiptHandle"])
    numbers = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert [numbers[f"ApproximateNumberOfMessages{kind}"] for kind in ("", "NotVisible", "Delayed")] == ["0", "0", "0"]
    assert sqs.get_queue_url(QueueName="q")["QueueUrl"] == url and sqs.list_queues(QueueNamePrefix="q")["QueueUrls"] == [url]


def test_errors_bear_their_old_codes(danbi):
    sqs = danbi.client("sqs")
    with pytest.raises(sqs.exceptions.QueueDoesNotExist) as caught:
        sqs.get_queue_url(QueueName="none")
    assert caught.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"
    url = queue(sqs, "q")
    assert error(sqs.receive_message, QueueUrl=url, MaxNumberOfMessages=11) == (
        "InvalidParameterValue", "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.",
    )
    assert error(sqs.send_message, QueueUrl=url, MessageBody="")[0] == "MissingParameter"
    assert error(sqs.send_message, QueueUrl=url, MessageBody="x" * 1_048_577)[1] == "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes."
    assert error(sqs.delete_message, QueueUrl=url, ReceiptHandle="garbage") == ("ReceiptHandleIsInvalid", 'The input receipt handle "garbage" is not a valid receipt handle.')
    assert error(sqs.create_queue, QueueName="q", Attributes={"DelaySeconds": "1"})[0] == "QueueAlreadyExists"
    answer = sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "a", "MessageBody": "x"}, {"Id": "b", "MessageBody": "\u0001"}])
    assert [entry["Id"] for entry in answer["Successful"]] == ["a"]
    assert [(entry["Id"], entry["Code"], entry["SenderFault"]) for entry in answer["Failed"]] == [("b", "InvalidMessageContents", True)]


def test_fifo_groups_keep_their_order(danbi):
    sqs = danbi.client("sqs")
    url = queue(sqs, "q.fifo", **FIFO)
    numbers = [sqs.send_message(QueueUrl=url, MessageBody=f"{group}{n}", MessageGroupId=group)["SequenceNumber"] for n in range(3) for group in "ab"]
    assert numbers == sorted(numbers) and all(len(number) == 20 for number in numbers)
    first = receive(sqs, url, MaxNumberOfMessages=2)
    assert [message["Body"] for message in first] == ["a0", "a1"]
    assert [message["Body"] for message in receive(sqs, url)] == ["b0", "b1", "b2"]
    assert receive(sqs, url) == []
    for message in first:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert [message["Body"] for message in receive(sqs, url)] == ["a2"]


def query(danbi, path, method="POST", **parameters):
    """A request in the query protocol, as SDKs before 2023 send it."""
    form = urllib.parse.urlencode(parameters)
    url = danbi.url + path + ("?" + form if method == "GET" else "")
    body = form if method == "POST" else None
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"} if body else {}
    request = AWSRequest(method, url, headers, body)
    SigV4Auth(Credentials(KEY_ID, SECRET), "sqs", "us-east-1").add_auth(request)
    answer = danbi.http(method, url, body, dict(request.headers))
    return answer.status, answer.body.decode()


def text(document, name):
    return [element.text for element in ElementTree.fromstring(document).iter() if element.tag.split("}")[-1] == name]


def test_older_clients_speak_the_query_protocol_to_a_queues_own_url(danbi):
    status, made = query(danbi, "/", Action="CreateQueue", QueueName="old", Version="2012-11-05", **{"Attribute.1.Name": "DelaySeconds", "Attribute.1.Value": "0", "Tag.1.Key": "k", "Tag.1.Value": "v"})
    (url,) = text(made, "QueueUrl")
    assert status == 200 and url == f"{danbi.url}/{ACCOUNT}/old" and 'xmlns="http://queue.amazonaws.com/doc/2012-11-05/"' in made
    path = f"/{ACCOUNT}/old"
    message = {"MessageBody": "<&>", "MessageAttribute.1.Name": "a", "MessageAttribute.1.Value.DataType": "Number", "MessageAttribute.1.Value.StringValue": "1"}
    status, sent = query(danbi, path, Action="SendMessage", Version="2012-11-05", **message)
    assert status == 200 and len(text(sent, "MD5OfMessageAttributes")) == 1
    status, got = query(danbi, path, method="GET", Action="ReceiveMessage", **{"AttributeName.1": "All", "MessageAttributeName.1": "All"})
    assert (status, text(got, "Body")) == (200, ["<&>"])
    assert "ApproximateReceiveCount" in text(got, "Name") and "a" in text(got, "Name")
    status, deleted = query(danbi, path, Action="DeleteMessageBatch", **{"DeleteMessageBatchRequestEntry.1.Id": "x", "DeleteMessageBatchRequestEntry.1.ReceiptHandle": text(got, "ReceiptHandle")[0]})
    assert (status, text(deleted, "Id")) == (200, ["x"])
    status, tags = query(danbi, path, Action="ListQueueTags")
    assert (text(tags, "Key"), text(tags, "Value")) == (["k"], ["v"])
    status, refused = query(danbi, f"/{ACCOUNT}/none", Action="GetQueueAttributes", **{"AttributeName.1": "All"})
    assert (status, text(refused, "Code")) == (400, ["AWS.SimpleQueueService.NonExistentQueue"])
    assert text(refused, "Message") == ["The specified queue does not exist for this wsdl version."]
    assert query(danbi, path, Action="SendMessage")[1].count("<Code>MissingParameter</Code>") == 1
    assert "<ReceiveMessageResult/>" in query(danbi, path, Action="ReceiveMessage")[1]
    # What is not about the queue is not for its URL, and neither is what says nothing.
    status, refused = query(danbi, path, Action="ListQueues")
    assert (status, text(refused, "Code"), text(refused, "Message")) == (400, ["InvalidAction"], ["The action ListQueues is not valid for this endpoint."])
    status, unknown = query(danbi, path, method="GET")
    assert (status, ElementTree.fromstring(unknown).tag) == (404, "UnknownOperationException")


def test_awss_own_names_for_queues_work(danbi):
    sqs = danbi.client("sqs")
    queue(sqs, "q")
    for host in ("https://sqs.us-east-1.amazonaws.com", "https://queue.amazonaws.com", "http://sqs.us-east-1.localhost:4566"):
        sqs.send_message(QueueUrl=f"{host}/{ACCOUNT}/q", MessageBody=host)
    assert len(drain(sqs, "q", 3)) == 3
    status = danbi.http("POST", f"http://sqs.us-east-1.localhost:{danbi.port}/{ACCOUNT}/q").status
    assert status in (400, 403), "a request that is not signed is refused, by the API"


def test_a_long_poll_wakes_at_once_and_returns_empty_in_time(danbi):
    sqs = danbi.client("sqs")
    url = queue(sqs, "q")
    got = []
    waiting = threading.Thread(target=lambda: got.extend(receive(danbi.client("sqs"), url, WaitTimeSeconds=20)))
    waiting.start()
    sqs.send_message(QueueUrl=url, MessageBody="news")
    waiting.join(15)
    assert [message["Body"] for message in got] == ["news"]
    assert receive(sqs, url, WaitTimeSeconds=1) == []


def test_dead_letters_and_their_way_back(danbi):
    sqs = danbi.client("sqs")
    dead = queue(sqs, "dead")
    url = queue(sqs, "q", RedrivePolicy=json.dumps({"deadLetterTargetArn": arn("dead"), "maxReceiveCount": 1}))
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [url]
    sqs.send_message(QueueUrl=url, MessageBody="poison")
    assert len(receive(sqs, url, VisibilityTimeout=0)) == 1
    assert receive(sqs, url) == []
    (letter,) = receive(sqs, dead, VisibilityTimeout=0)
    assert letter["Attributes"]["DeadLetterQueueSourceArn"] == arn("q")
    sqs.start_message_move_task(SourceArn=arn("dead"))
    danbi.wait_until(lambda: sqs.list_message_move_tasks(SourceArn=arn("dead"))["Results"][0]["Status"] == "COMPLETED")
    assert drain(sqs, url, 1) == ["poison"]


def test_what_was_acknowledged_survives_kill_9_and_is_received_by_one(danbi):
    sqs = danbi.client("sqs")
    url = queue(sqs, "q", VisibilityTimeout="600")
    fifo = queue(sqs, "q.fifo", VisibilityTimeout="600", **FIFO)
    acknowledged, taken, stop = [], [], threading.Event()

    def sending(number):
        client, at = danbi.client("sqs"), 0
        try:
            while not stop.is_set():
                client.send_message(QueueUrl=url, MessageBody=f"{number}-{at}")
                client.send_message(QueueUrl=fifo, MessageBody=f"{number}-{at}", MessageGroupId=str(number))
                acknowledged.append(f"{number}-{at}")
                at += 1
        except Exception:  # The platform was killed under us.
            pass

    def taking():
        client = danbi.client("sqs")
        try:
            while not stop.is_set():
                taken.extend(message["Body"] for message in receive(client, url, MaxNumberOfMessages=3))
        except Exception:
            pass

    threads = [threading.Thread(target=sending, args=(number,)) for number in range(3)] + [threading.Thread(target=taking) for _ in range(2)]
    for thread in threads:
        thread.start()
    danbi.wait_until(lambda: len(acknowledged) > 100)
    danbi.kill_9()
    stop.set()
    for thread in threads:
        thread.join()
    danbi.start()
    sqs = danbi.client("sqs")
    assert len(taken) == len(set(taken)), "one message went to two receivers"
    left = drain(sqs, url, 10_000, seconds=5)
    # What was in flight stays so: received by who had it, and by nobody else.
    assert set(acknowledged) - set(left) - set(taken) == set() or lost(sqs, url, acknowledged, left, taken) == 0
    assert set(left) & set(taken) == set()
    by_group = {}
    for body in drain(sqs, fifo, 10_000, seconds=5):
        group, number = body.split("-")
        by_group.setdefault(group, []).append(int(number))
    for group, numbers in by_group.items():
        assert numbers == list(range(len(numbers))), "a group lost its order"
        assert len(numbers) >= sum(1 for body in acknowledged if body.startswith(group + "-"))


def lost(sqs, url, acknowledged, left, taken):
    """Acknowledged messages that are neither there nor with somebody: those in flight whose answer was cut off are."""
    in_flight = int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]["ApproximateNumberOfMessagesNotVisible"])
    return max(0, len(set(acknowledged) - set(left)) - in_flight)


def test_queue_policies_bind_services_and_strangers(danbi):
    sqs, sns = danbi.client("sqs"), danbi.client("sns")
    url = queue(sqs, "q")
    topic = sns.create_topic(Name="news")["TopicArn"]

    def let_in(url, name):
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn(name), "Condition": {"ArnEquals": {"aws:SourceArn": topic}}}]}
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})

    dead = queue(sqs, "dead")
    let_in(dead, "dead")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn("q"), Attributes={"RawMessageDelivery": "true", "RedrivePolicy": json.dumps({"deadLetterTargetArn": arn("dead")})})
    sns.publish(TopicArn=topic, Message="refused")
    # Its way has ended before the queue opens.
    (refused,) = receive(sqs, dead, WaitTimeSeconds=20)
    assert refused["Body"] == "refused"
    let_in(url, "q")
    sns.publish(TopicArn=topic, Message="let in", MessageAttributes={"a": {"DataType": "String", "StringValue": "b"}})
    (got,) = receive(sqs, url, WaitTimeSeconds=20)
    assert (got["Body"], got["MessageAttributes"]["a"]["StringValue"]) == ("let in", "b")


def open_to(sqs, url, name, *services):
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": list(services)}, "Action": "sqs:SendMessage", "Resource": arn(name)}]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})


def test_topics_rules_schedules_and_buckets_send_to_queues(danbi):
    sqs, sns, events, s3 = (danbi.client(name) for name in ("sqs", "sns", "events", "s3"))
    url = queue(sqs, "q")
    fifo = queue(sqs, "q.fifo", **FIFO)
    for each, name in ((url, "q"), (fifo, "q.fifo")):
        open_to(sqs, each, name, "sns.amazonaws.com", "events.amazonaws.com", "s3.amazonaws.com")
    topic = sns.create_topic(Name="news")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn("q"))
    sns.publish(TopicArn=topic, Message="hello", Subject="s")
    (body,) = drain(sqs, url, 1)
    assert {"Type": "Notification", "TopicArn": topic, "Message": "hello", "Subject": "s"}.items() <= json.loads(body).items()
    events.put_rule(Name="orders", EventPattern=json.dumps({"source": ["shop"]}))
    targets = [{"Id": "q", "Arn": arn("q"), "Input": '{"to": "queue"}'}, {"Id": "f", "Arn": arn("q.fifo"), "SqsParameters": {"MessageGroupId": "g"}}]
    assert events.put_targets(Rule="orders", Targets=targets)["FailedEntryCount"] == 0
    events.put_events(Entries=[{"Source": "shop", "DetailType": "order", "Detail": "{}"}])
    assert drain(sqs, url, 1) == ['{"to": "queue"}']
    assert json.loads(drain(sqs, fifo, 1)[0])["source"] == "shop"
    s3.create_bucket(Bucket="pictures")
    configuration = {"QueueConfigurations": [{"QueueArn": arn("q"), "Events": ["s3:ObjectCreated:*"], "Filter": {"Key": {"FilterRules": [{"Name": "suffix", "Value": ".jpg"}]}}}]}
    s3.put_bucket_notification_configuration(Bucket="pictures", NotificationConfiguration=configuration)
    assert json.loads(drain(sqs, url, 1)[0])["Event"] == "s3:TestEvent"
    s3.put_object(Bucket="pictures", Key="a.txt", Body=b"no")
    s3.put_object(Bucket="pictures", Key="a.jpg", Body=b"yes")
    (body,) = drain(sqs, url, 1)
    (record,) = json.loads(body)["Records"]
    assert (record["eventName"], record["s3"]["object"]["key"]) == ("ObjectCreated:Put", "a.jpg")
    missing = {"QueueConfigurations": [{"QueueArn": arn("none"), "Events": ["s3:ObjectCreated:*"]}]}
    assert error(s3.put_bucket_notification_configuration, Bucket="pictures", NotificationConfiguration=missing) == ("InvalidArgument", "Unable to validate the following destination configurations")


REPORT = """
def handler(event, context):
    print("got " + __import__("json").dumps([[record["body"], record["attributes"]["ApproximateReceiveCount"]] for record in event["Records"]]))
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in event["Records"] if record["body"] == "bad"]}
"""


def test_functions_behind_queues(danbi):
    sqs, functions = danbi.client("sqs"), danbi.client("lambda")
    dead = queue(sqs, "dead")
    url = queue(sqs, "q", VisibilityTimeout="3", RedrivePolicy=json.dumps({"deadLetterTargetArn": arn("dead"), "maxReceiveCount": 2}))
    create(functions, "note", python(REPORT))
    made = functions.create_event_source_mapping(EventSourceArn=arn("q"), FunctionName="note", FunctionResponseTypes=["ReportBatchItemFailures"], ScalingConfig={"MaximumConcurrency": 2})
    assert (made["State"], made["BatchSize"], made["ScalingConfig"]) == ("Creating", 10, {"MaximumConcurrency": 2})
    for body in ("good", "bad", "fine"):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    assert drain(sqs, dead, 1) == ["bad"]
    seen = [tuple(each) for note in notes(danbi) for each in note]
    assert sorted(seen) == [("bad", "1"), ("bad", "2"), ("fine", "1"), ("good", "1")]
    danbi.wait_until(lambda: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]["ApproximateNumberOfMessagesNotVisible"] == "0")
    assert error(functions.create_event_source_mapping, EventSourceArn=arn("none"), FunctionName="note")[1].startswith("Error occurred while ReceiveMessage.")


def test_functions_behind_queues_get_what_filters_want_in_groups_order(danbi):
    sqs, functions = danbi.client("sqs"), danbi.client("lambda")
    url = queue(sqs, "q.fifo", **FIFO)
    create(functions, "note", python(REPORT))
    pattern = json.dumps({"body": {"n": [{"numeric": [">=", 5]}]}})
    functions.create_event_source_mapping(EventSourceArn=arn("q.fifo"), FunctionName="note", FilterCriteria={"Filters": [{"Pattern": pattern}]})
    for n in range(10):
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"n": n}), MessageGroupId="g")
    numbers = lambda: [json.loads(body)["n"] for note in notes(danbi) for body, _ in note]
    danbi.wait_until(lambda: len(numbers()) >= 5)
    assert numbers() == [5, 6, 7, 8, 9]
    counts = lambda: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    danbi.wait_until(lambda: (counts()["ApproximateNumberOfMessages"], counts()["ApproximateNumberOfMessagesNotVisible"]) == ("0", "0"))


def test_queues_under_keys_of_kms(danbi):
    sqs, kms = danbi.client("sqs"), danbi.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    url = queue(sqs, "q", KmsMasterKeyId=key, VisibilityTimeout="0")
    sqs.send_message(QueueUrl=url, MessageBody="sealed")
    assert [message["Body"] for message in receive(sqs, url)] == ["sealed"]
    missing = queue(sqs, "none", KmsMasterKeyId="11111111-2222-3333-4444-555555555555")
    assert error(sqs.send_message, QueueUrl=missing, MessageBody="x")[0] == "KmsNotFound"


def test_the_aws_cli(danbi):
    def aws(*arguments):
        # Debian's CLI does not read AWS_ENDPOINT_URL; it is of the time of the query protocol.
        command = [os.environ.get("AWS_CLI", "aws"), "--endpoint-url", danbi.url, "sqs", *arguments, "--output", "json"]
        answer = subprocess.run(command, env=danbi.environment_for_clients(), capture_output=True, timeout=60)
        assert answer.returncode == 0, answer.stderr.decode()
        return json.loads(answer.stdout or b"{}")

    url = aws("create-queue", "--queue-name", "cli")["QueueUrl"]
    aws("send-message", "--queue-url", url, "--message-body", "from the shell")
    (message,) = aws("receive-message", "--queue-url", url)["Messages"]
    assert message["Body"] == "from the shell"
    aws("delete-message", "--queue-url", url, "--receipt-handle", message["ReceiptHandle"])
    aws("delete-queue", "--queue-url", url)
