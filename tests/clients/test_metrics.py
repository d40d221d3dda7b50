"""CloudWatch metrics, as boto3 sees them."""

import datetime

import pytest
from packages import create, python
from test_events import error

NOW = datetime.datetime.now(datetime.UTC).replace(second=0, microsecond=0)
MINUTE = datetime.timedelta(minutes=1)


def put(cloudwatch, *data):
    cloudwatch.put_metric_data(Namespace="Shop", MetricData=list(data))


def statistics(cloudwatch, name="Orders", period=60, dimensions=(), **more):
    answer = cloudwatch.get_metric_statistics(
        Namespace="Shop", MetricName=name, Dimensions=list(dimensions), StartTime=NOW - 10 * MINUTE, EndTime=NOW + MINUTE, Period=period, **more
    )
    return sorted(answer["Datapoints"], key=lambda point: point["Timestamp"])


def test_values_are_added_up(danbi):
    cloudwatch = danbi.client("cloudwatch")
    put(
        cloudwatch,
        {"MetricName": "Orders", "Timestamp": NOW - 2 * MINUTE, "Value": 3, "Unit": "Count"},
        {"MetricName": "Orders", "Timestamp": NOW - 2 * MINUTE, "Values": [1, 5], "Counts": [2, 1], "Unit": "Count"},
        {"MetricName": "Orders", "Timestamp": NOW - MINUTE, "StatisticValues": {"SampleCount": 4, "Sum": 8, "Minimum": 1, "Maximum": 4}, "Unit": "Count"},
    )
    put(cloudwatch, {"MetricName": "Orders", "Value": 1, "Dimensions": [{"Name": "Shop", "Value": "a"}]})
    first, second = statistics(cloudwatch, Statistics=["Sum", "SampleCount", "Average", "Minimum", "Maximum"])
    assert (first["Sum"], first["SampleCount"], first["Average"], first["Minimum"], first["Maximum"], first["Unit"]) == (10, 4, 2.5, 1, 5, "Count")
    assert (second["Sum"], second["SampleCount"], second["Average"]) == (8, 4, 2)
    (both,) = statistics(cloudwatch, period=3600, Statistics=["Sum"])[-1:]
    assert both["Sum"] in (8, 18)
    (percentiles,) = [point for point in statistics(cloudwatch, ExtendedStatistics=["p50", "p100"]) if point["Timestamp"] == NOW - 2 * MINUTE]
    assert percentiles["ExtendedStatistics"] == {"p50": 1, "p100": 5}
    danbi.kill_9()
    danbi.start()
    assert len(statistics(danbi.client("cloudwatch"), Statistics=["Sum"])) == 2


def test_metric_data_and_math(danbi):
    cloudwatch = danbi.client("cloudwatch")
    for back, errors, calls in ((3, 1, 10), (2, 0, 20), (1, 3, 30)):
        at = NOW - back * MINUTE
        put(cloudwatch, {"MetricName": "Errors", "Timestamp": at, "Value": errors}, {"MetricName": "Calls", "Timestamp": at, "Value": calls})
    stat = lambda name: {"Metric": {"Namespace": "Shop", "MetricName": name}, "Period": 60, "Stat": "Sum"}
    queries = [
        {"Id": "rate", "Expression": "100 * e / c", "Label": "Error rate"},
        {"Id": "e", "MetricStat": stat("Errors"), "ReturnData": False},
        {"Id": "c", "MetricStat": stat("Calls")},
        {"Id": "all", "Expression": "SUM(METRICS())"},
    ]
    span = {"StartTime": NOW - 10 * MINUTE, "EndTime": NOW}
    answer = cloudwatch.get_metric_data(MetricDataQueries=queries, ScanBy="TimestampAscending", **span)
    rate, calls, total = answer["MetricDataResults"]
    assert (rate["Label"], rate["Values"], rate["StatusCode"]) == ("Error rate", [10, 0, 10], "Complete")
    assert (calls["Label"], calls["Values"], total["Values"]) == ("Calls", [10, 20, 30], [11, 20, 33])
    assert calls["Timestamps"][0] == NOW - 3 * MINUTE
    paged = cloudwatch.get_metric_data(MetricDataQueries=[queries[2]], MaxDatapoints=2, **span)
    assert (paged["MetricDataResults"][0]["Values"], paged["MetricDataResults"][0]["StatusCode"]) == ([30, 20], "PartialData")
    rest = cloudwatch.get_metric_data(MetricDataQueries=[queries[2]], MaxDatapoints=2, NextToken=paged["NextToken"], **span)
    assert rest["MetricDataResults"][0]["Values"] == [10] and "NextToken" not in rest
    code, message = error(cloudwatch.get_metric_data, MetricDataQueries=[{"Id": "a", "Expression": "SEARCH('x', 'Sum')"}], **span)
    assert code == "NotImplementedException" and "SEARCH" in message


def test_labels_tell_metrics_apart(danbi):
    cloudwatch = danbi.client("cloudwatch")
    put(cloudwatch, {"MetricName": "m", "Value": 1})

    def labels(*stats, **more):
        queries = [
            {"Id": f"q{number}", "MetricStat": {"Metric": {"Namespace": "Shop", "MetricName": "m"}, "Period": period, "Stat": stat}, **more}
            for number, (stat, period) in enumerate(stats)
        ]
        answer = cloudwatch.get_metric_data(MetricDataQueries=queries, StartTime=NOW - 10 * MINUTE, EndTime=NOW + MINUTE)
        return [found["Label"] for found in answer["MetricDataResults"]]

    assert labels(("Sum", 60)) == ["m"]
    assert labels(("Sum", 60), ("Minimum", 60)) == ["m Sum", "m Minimum"]
    assert labels(("Sum", 60), ("Sum", 300)) == ["m 60", "m 300"]
    assert labels(("Sum", 60), ("Minimum", 300)) == ["m Sum 60", "m Minimum 300"]
    assert labels(("Sum", 60), ("Minimum", 300), Label="mine") == ["mine", "mine"]
    # AWS takes both.
    put(cloudwatch, {"MetricName": "m", "Values": [1, 10], "StatisticValues": {"SampleCount": 10, "Sum": 55, "Minimum": 1, "Maximum": 10}})


def test_what_is_refused(danbi):
    cloudwatch = danbi.client("cloudwatch")
    both = {"MetricName": "m", "Value": 1, "Values": [1]}
    with pytest.raises(Exception) as caught:
        put(cloudwatch, both)
    assert "MetricData.member.1.Value and MetricData.member.1.Values are mutually exclusive" in str(caught.value)
    span = {"Namespace": "Shop", "MetricName": "m", "Statistics": ["Sum"]}
    code, message = error(cloudwatch.get_metric_statistics, StartTime=NOW - 1440 * MINUTE * 60, EndTime=NOW, Period=60, **span)
    assert message == "You have requested up to 86400 datapoints, which exceeds the limit of 1440. You may reduce the datapoints requested by increasing Period, or decreasing the time range."
    code, message = error(cloudwatch.get_metric_statistics, StartTime=NOW, EndTime=NOW, Period=60, **span)
    assert message == "The parameter StartTime must be less than the parameter EndTime."


def test_metrics_are_listed(danbi):
    cloudwatch = danbi.client("cloudwatch")
    put(cloudwatch, *({"MetricName": f"m{number:03}", "Value": 1, "Dimensions": [{"Name": "d", "Value": str(number % 2)}]} for number in range(501)))
    pages = list(cloudwatch.get_paginator("list_metrics").paginate(Namespace="Shop"))
    assert [len(page["Metrics"]) for page in pages] == [500, 1]
    some = cloudwatch.list_metrics(Namespace="Shop", MetricName="m003", Dimensions=[{"Name": "d", "Value": "1"}], RecentlyActive="PT3H")["Metrics"]
    assert some == [{"Namespace": "Shop", "MetricName": "m003", "Dimensions": [{"Name": "d", "Value": "1"}]}]


def test_functions_are_measured(danbi):
    client, cloudwatch = danbi.client("lambda"), danbi.client("cloudwatch")
    create(client, "f", python("def handler(e, c):\n    if e: raise ValueError\n"))
    for payload in (b"0", b"0", b"1"):
        client.invoke(FunctionName="f", Payload=payload)
    # As `zappa status` asks.
    now = datetime.datetime.now(datetime.UTC)

    def total(metric, statistic="Sum"):
        points = cloudwatch.get_metric_statistics(
            Namespace="AWS/Lambda", MetricName=metric, StartTime=now - datetime.timedelta(days=1), EndTime=now + MINUTE, Period=1440, Statistics=[statistic],
            Dimensions=[{"Name": "FunctionName", "Value": "f"}],
        )["Datapoints"]
        return sum(point[statistic] for point in points)

    assert (total("Invocations"), total("Errors")) == (3, 1)
    assert total("Duration", "Maximum") > 0 and total("ColdStarts") >= 1
