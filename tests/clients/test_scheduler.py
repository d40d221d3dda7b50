"""EventBridge Scheduler, as boto3 sees it."""

import datetime
import json

from packages import create, python
from test_events import NOTE, error, notes

ROLE = "arn:aws:iam::000000000000:role/scheduler"
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:note"
TARGET = {"Arn": FUNCTION, "RoleArn": ROLE, "Input": '{"a": 1}'}
OFF = {"Mode": "OFF"}


def test_schedules_and_groups(danbi):
    scheduler = danbi.client("scheduler")
    scheduler.create_schedule_group(Name="g", Tags=[{"Key": "k", "Value": "v"}])
    made = scheduler.create_schedule(
        Name="s", GroupName="g", ScheduleExpression="cron(0 9 ? * MON-FRI *)", ScheduleExpressionTimezone="Asia/Seoul", FlexibleTimeWindow=OFF, Target=TARGET
    )
    assert made["ScheduleArn"] == "arn:aws:scheduler:us-east-1:000000000000:schedule/g/s"
    got = scheduler.get_schedule(Name="s", GroupName="g")
    assert (got["ScheduleExpressionTimezone"], got["State"], got["ActionAfterCompletion"]) == ("Asia/Seoul", "ENABLED", "NONE")
    assert got["Target"] == {**TARGET, "RetryPolicy": {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}}
    assert [schedule["Name"] for schedule in scheduler.list_schedules(GroupName="g")["Schedules"]] == ["s"]
    scheduler.update_schedule(Name="s", GroupName="g", ScheduleExpression="rate(5 minutes)", FlexibleTimeWindow=OFF, Target=TARGET, State="DISABLED")
    assert scheduler.get_schedule(Name="s", GroupName="g")["State"] == "DISABLED"
    assert error(scheduler.create_schedule, Name="s", GroupName="g", ScheduleExpression="rate(1 hour)", FlexibleTimeWindow=OFF, Target=TARGET)[0] == "ConflictException"
    scheduler.delete_schedule_group(Name="g")
    assert error(scheduler.get_schedule, Name="s", GroupName="g") == ("ResourceNotFoundException", "Schedule s does not exist.")
    assert [group["Name"] for group in scheduler.list_schedule_groups()["ScheduleGroups"]] == ["default"]


def test_what_is_refused(danbi):
    scheduler = danbi.client("scheduler")
    for expression in ("cron(0 1 * * * *)", "rate(10 seconds)", "rate( 10 minutes )", " rate(10 minutes)", "at(2021-12-31)", "at(2021-12-31T23:59:59Z)", "cron()"):
        refused = error(scheduler.create_schedule, Name="s", ScheduleExpression=expression, FlexibleTimeWindow=OFF, Target=TARGET)
        assert refused == ("ValidationException", f"Invalid Schedule Expression {expression}.")
    refused = error(scheduler.create_schedule, Name="s", ScheduleExpression="rate(1 hour)", ScheduleExpressionTimezone="Mars/Olympus", FlexibleTimeWindow=OFF, Target=TARGET)
    assert refused == ("ValidationException", "Invalid Schedule Expression Timezone Mars/Olympus.")


def test_a_token_is_good_for_one_request(danbi):
    scheduler = danbi.client("scheduler")
    asked = {"Name": "s", "ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow": OFF, "Target": TARGET, "ClientToken": "t"}
    assert scheduler.create_schedule(**asked)["ScheduleArn"] == scheduler.create_schedule(**asked)["ScheduleArn"]
    assert error(scheduler.create_schedule, **{**asked, "ScheduleExpression": "rate(2 days)"})[0] == "ConflictException"


def test_a_schedule_that_fires_once_goes_when_it_is_told_to(danbi):
    scheduler = danbi.client("scheduler")
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2)
    scheduler.create_schedule(
        Name="once", ScheduleExpression=f"at({soon:%Y-%m-%dT%H:%M:%S})", FlexibleTimeWindow=OFF, Target=TARGET, ActionAfterCompletion="DELETE"
    )
    danbi.wait_until(lambda: scheduler.list_schedules()["Schedules"] == [])


def test_a_schedule_calls_a_function_as_its_role(danbi_with):
    danbi = danbi_with(DANBI_EVENTS_MINUTE_MS="500")
    iam, scheduler = danbi.client("iam"), danbi.client("scheduler")
    trust = {"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName="planner", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))["Role"]["Arn"]
    function = create(danbi.client("lambda"), "note", python(NOTE))["FunctionArn"]
    target = {"Arn": function, "RoleArn": role, "Input": '{"schedule": "<aws.scheduler.schedule-arn>"}'}
    scheduler.create_schedule(Name="often", ScheduleExpression="rate(1 minute)", FlexibleTimeWindow=OFF, Target=target)
    # The role may not invoke it yet: what was due meanwhile is given up.
    danbi.wait_until(lambda: "a delivery is given up" in danbi.log())
    allow = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": function}
    iam.put_role_policy(RoleName="planner", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]}))
    danbi.wait_until(lambda: len(notes(danbi)) >= 1)
    assert notes(danbi)[0] == {"schedule": "arn:aws:scheduler:us-east-1:000000000000:schedule/default/often"}


def test_a_schedule_calls_any_operation(danbi):
    iam, scheduler, sns = danbi.client("iam"), danbi.client("scheduler"), danbi.client("sns")
    trust = {"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName="planner", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))["Role"]["Arn"]
    allow = {"Effect": "Allow", "Action": "sns:CreateTopic", "Resource": "*"}
    iam.put_role_policy(RoleName="planner", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]}))
    target = {"Arn": "arn:aws:scheduler:::aws-sdk:sns:createTopic", "RoleArn": role, "Input": '{"Name": "made"}'}
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2)
    scheduler.create_schedule(Name="once", ScheduleExpression=f"at({soon:%Y-%m-%dT%H:%M:%S})", FlexibleTimeWindow=OFF, Target=target)
    danbi.wait_until(lambda: [topic["TopicArn"].split(":")[-1] for topic in sns.list_topics()["Topics"]] == ["made"])
