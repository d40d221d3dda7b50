"""SNS, as boto3 sees it: topics, subscriptions of functions, filter policies."""

import json

from test_events import NOTE, NOTE_AND_WAIT, error, notes, noting
from test_iam import user_with_keys


def subscribed(danbi, code=NOTE, **attributes):
    sns = danbi.client("sns")
    topic = sns.create_topic(Name="news")["TopicArn"]
    function = noting(danbi, topic, principal="sns.amazonaws.com", code=code)
    subscription = sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function, ReturnSubscriptionArn=True, Attributes=attributes)["SubscriptionArn"]
    return sns, topic, subscription


def messages(danbi):
    return [event["Records"][0]["Sns"]["Message"] for event in notes(danbi)]


def test_a_message_reaches_a_function_as_awss_does(danbi):
    sns, topic, subscription = subscribed(danbi)
    attributes = {"n": {"DataType": "Number", "StringValue": "1"}, "b": {"DataType": "Binary", "BinaryValue": b"\x02\x03"}}
    sent = sns.publish(TopicArn=topic, Message="hello", Subject="a subject", MessageAttributes=attributes)["MessageId"]
    danbi.wait_until(lambda: len(notes(danbi)) == 1)
    (event,) = notes(danbi)
    (record,) = event["Records"]
    body = record.pop("Sns")
    assert record == {"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": subscription}
    assert body["Timestamp"].endswith("Z") and len(body["Timestamp"]) == 24
    assert {name: body[name] for name in ("Type", "MessageId", "TopicArn", "Subject", "Message", "SignatureVersion")} == {
        "Type": "Notification", "MessageId": sent, "TopicArn": topic, "Subject": "a subject", "Message": "hello", "SignatureVersion": "1",
    }
    assert body["MessageAttributes"] == {"n": {"Type": "Number", "Value": "1"}, "b": {"Type": "Binary", "Value": "AgM="}}


def test_filter_policies(danbi):
    sns, topic, subscription = subscribed(danbi, FilterPolicy=json.dumps({"kind": ["a"], "n": [{"numeric": [">", 5]}]}))
    attribute = lambda kind, n: {"kind": {"DataType": "String", "StringValue": kind}, "n": {"DataType": "Number", "StringValue": n}}
    for kind, n in (("a", "5"), ("b", "6"), ("a", "6")):
        sns.publish(TopicArn=topic, Message=f"{kind}{n}", MessageAttributes=attribute(kind, n))
    danbi.wait_until(lambda: messages(danbi) == ["a6"])
    sns.set_subscription_attributes(SubscriptionArn=subscription, AttributeName="FilterPolicyScope", AttributeValue="MessageBody")
    sns.set_subscription_attributes(SubscriptionArn=subscription, AttributeName="FilterPolicy", AttributeValue='{"deep": {"x": [true]}}')
    sns.publish(TopicArn=topic, Message='{"deep": {"x": false}}')
    sns.publish(TopicArn=topic, Message='{"deep": {"x": true}}')
    danbi.wait_until(lambda: messages(danbi) == ["a6", '{"deep": {"x": true}}'])
    refused = error(sns.set_subscription_attributes, SubscriptionArn=subscription, AttributeName="FilterPolicy", AttributeValue='{"key_a":"value_one"}')
    assert refused == (
        "InvalidParameter",
        'Invalid parameter: FilterPolicy: "key_a" must be an object or an array\n at [Source: (String)"{"key_a":"value_one"}"; line: 1, column: 11]',
    )


def test_batches_and_structures(danbi):
    sns, topic, _ = subscribed(danbi)
    structured = json.dumps({"default": "d", "lambda": "for functions"})
    answer = sns.publish_batch(
        TopicArn=topic,
        PublishBatchRequestEntries=[{"Id": "1", "Message": "one"}, {"Id": "2", "Message": structured, "MessageStructure": "json"}, {"Id": "3", "Message": "x", "Subject": "bad\n"}],
    )
    assert [entry["Id"] for entry in answer["Successful"]] == ["1", "2"]
    assert [(entry["Id"], entry["Code"]) for entry in answer["Failed"]] == [("3", "InvalidParameter")]
    danbi.wait_until(lambda: sorted(messages(danbi)) == ["for functions", "one"])
    assert error(sns.publish, TopicArn=topic, Message="{}", MessageStructure="json")[1] == "Invalid parameter: Message Structure - No default entry in JSON message body"


def test_topics_attributes_and_permissions(danbi):
    sns = danbi.client("sns")
    topic = sns.create_topic(Name="news", Attributes={"DisplayName": "News"}, Tags=[{"Key": "k", "Value": "v"}])["TopicArn"]
    assert sns.create_topic(Name="news")["TopicArn"] == topic
    assert error(sns.create_topic, Name="news", Attributes={"DisplayName": "Other"}) == (
        "InvalidParameter", "Invalid parameter: Attributes Reason: Topic already exists with different attributes",
    )
    attributes = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (attributes["DisplayName"], attributes["Owner"], attributes["SubscriptionsConfirmed"]) == ("News", "000000000000", "0")
    sns.add_permission(TopicArn=topic, Label="l", AWSAccountId=["111111111111"], ActionName=["Publish"])
    policy = json.loads(sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"])
    assert [statement["Sid"] for statement in policy["Statement"]] == ["__default_statement_ID", "l"]
    assert error(sns.add_permission, TopicArn=topic, Label="l", AWSAccountId=["1"], ActionName=["Publish"])[1] == "Invalid parameter: Statement already exists"
    sns.remove_permission(TopicArn=topic, Label="l")
    assert sns.list_tags_for_resource(ResourceArn=topic)["Tags"] == [{"Key": "k", "Value": "v"}]
    for number in range(101):
        sns.create_topic(Name=f"t{number}")
    pages = list(sns.get_paginator("list_topics").paginate())
    assert [len(page["Topics"]) for page in pages] == [100, 2]
    sns.delete_topic(TopicArn=topic)
    assert error(sns.get_topic_attributes, TopicArn=topic) == ("NotFound", "Topic does not exist")
    assert error(sns.publish, TopicArn="x", Message="m")[1] == "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1"


def test_subscriptions(danbi):
    sns, topic, subscription = subscribed(danbi)
    function = sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]["Endpoint"]
    assert sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function)["SubscriptionArn"] == subscription
    assert [one["SubscriptionArn"] for one in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]] == [subscription]
    assert error(sns.subscribe, TopicArn=topic, Protocol="fax", Endpoint="1")[1] == "Invalid parameter: Amazon SNS does not support this protocol string: fax"
    assert error(sns.subscribe, TopicArn=topic, Protocol="email", Endpoint="a@b")[0] == "NotImplementedException"
    sns.unsubscribe(SubscriptionArn=subscription)
    assert error(sns.get_subscription_attributes, SubscriptionArn=subscription) == ("NotFound", "Subscription does not exist")
    assert sns.list_subscriptions()["Subscriptions"] == []


def test_a_fifo_topic_takes_a_message_once(danbi):
    sns = danbi.client("sns")
    topic = sns.create_topic(Name="a.fifo", Attributes={"FifoTopic": "true", "ContentBasedDeduplication": "true"})["TopicArn"]
    first = sns.publish(TopicArn=topic, Message="m", MessageGroupId="g")
    again = sns.publish(TopicArn=topic, Message="m", MessageGroupId="g")
    assert (first["MessageId"], first["SequenceNumber"]) == (again["MessageId"], again["SequenceNumber"])
    assert error(sns.publish, TopicArn=topic, Message="m")[1] == "Invalid parameter: The MessageGroupId parameter is required for FIFO topics"


def test_a_rule_publishes_to_a_topic_that_lets_it(danbi):
    sns, topic, _ = subscribed(danbi)
    events = danbi.client("events")
    events.put_rule(Name="r", EventPattern=json.dumps({"source": ["shop"]}))
    events.put_targets(Rule="r", Targets=[{"Id": "t", "Arn": topic, "InputPath": "$.detail"}])
    statement = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sns:Publish", "Resource": topic}
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    events.put_events(Entries=[{"Source": "shop", "DetailType": "d", "Detail": '{"x":1}'}])
    danbi.wait_until(lambda: messages(danbi) == ['{"x":1}'])


def test_no_accepted_message_is_lost_to_kill_9(danbi):
    sns, topic, _ = subscribed(danbi, code=NOTE_AND_WAIT)
    sent = {sns.publish(TopicArn=topic, Message=str(number))["MessageId"] for number in range(20)}
    danbi.kill_9()
    danbi.start()
    danbi.wait_until(lambda: {event["Records"][0]["Sns"]["MessageId"] for event in notes(danbi)} == sent, seconds=90)


def test_a_refusal_has_the_words_of_sns(danbi):
    topic = danbi.client("sns").create_topic(Name="news")["TopicArn"]
    keys = user_with_keys(danbi, "ana")
    code, message = error(danbi.client("sns", key_id=keys["AccessKeyId"], secret=keys["SecretAccessKey"]).publish, TopicArn=topic, Message="m")
    assert code == "AuthorizationError"
    assert message.startswith(f"User: arn:aws:iam::000000000000:user/ana is not authorized to perform: SNS:Publish on resource: {topic}"), message
