"""Zappa as it is on PyPI deploys the to-do list of `examples/todo`: Django REST Framework on MySQL, from nothing to nothing."""

import pytest
from platform_under_test import ROOT
from zappa_project import TODO, Project, answer


@pytest.fixture
def project(danbi, tmp_path):
    return Project(danbi, ROOT / "examples" / "todo", tmp_path / "todo", TODO)


def database(danbi):
    """A MySQL that the app can reach, as environment variables."""
    rds = danbi.client("rds")
    rds.create_db_instance(
        DBInstanceIdentifier="todo", Engine="mysql", DBInstanceClass="db.t4g.micro", AllocatedStorage=20,
        DBName="todo", MasterUsername="todo", MasterUserPassword="only-for-this-test",
    )
    rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier="todo", WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    endpoint = rds.describe_db_instances(DBInstanceIdentifier="todo")["DBInstances"][0]["Endpoint"]
    return {"DB_HOST": endpoint["Address"], "DB_PORT": str(endpoint["Port"]), "DB_NAME": "todo", "DB_USER": "todo", "DB_PASSWORD": "only-for-this-test"}


def test_the_to_do_list_lives_its_whole_life(danbi, project):
    project.settings(environment_variables=database(danbi))

    assert "Deployment complete" in project.zappa("deploy", "dev")
    assert "already deployed" in project.zappa("deploy", "dev", expect=1)
    url = project.endpoint()
    status, page = answer(danbi, "GET", url + "/")
    assert status == 200 and "<h1>To do</h1>" in page

    assert "Applying todo.0001_initial... OK" in project.zappa("manage", "dev", "migrate")
    assert answer(danbi, "GET", url + "/api/about/")[1]["database"] == "mysql"
    assert answer(danbi, "POST", url + "/api/items/", {"title": "buy rain"})[0] == 201
    assert answer(danbi, "POST", url + "/api/items/", {"title": "sell rain", "done": True})[0] == 201
    assert answer(danbi, "POST", url + "/api/items/", {"title": ""})[0] == 400
    assert [item["title"] for item in answer(danbi, "GET", url + "/api/items/")[1]] == ["buy rain", "sell rain"]

    # A task that is done after the answer.
    assert answer(danbi, "POST", url + "/api/digests/", {}) == (202, {"accepted": True})
    danbi.wait_until(lambda: answer(danbi, "GET", url + "/api/digests/")[1] != [])
    digest = answer(danbi, "GET", url + "/api/digests/")[1][0]
    assert (digest["open_items"], digest["done_items"]) == (1, 1)

    # What a schedule runs, run by hand; then the schedule goes and comes.
    assert "archived 1 items" in project.zappa("invoke", "dev", "todo.tasks.archive_done")
    assert [item["title"] for item in answer(danbi, "GET", url + "/api/items/")[1]] == ["buy rain"]
    rules = lambda: [rule["ScheduleExpression"] for rule in danbi.client("events").list_rules()["Rules"]]  # noqa: E731
    assert rules() == ["rate(1 hour)"]
    project.zappa("unschedule", "dev")
    assert rules() == []
    project.zappa("schedule", "dev")
    assert rules() == ["rate(1 hour)"]

    # An update, and back to what ran before.
    template = project.folder / "todo" / "templates" / "todo" / "index.html"
    template.write_text(template.read_text().replace("<h1>To do</h1>", "<h1>To do, soon</h1>"))
    assert "Your updated Zappa deployment is" in project.zappa("update", "dev")
    assert "<h1>To do, soon</h1>" in answer(danbi, "GET", url + "/")[1]
    project.zappa("rollback", "dev", "-n", "1")
    danbi.wait_until(lambda: "<h1>To do</h1>" in answer(danbi, "GET", url + "/")[1])
    assert [item["title"] for item in answer(danbi, "GET", url + "/api/items/")[1]] == ["buy rain"]

    assert project.tail("digest 1: 1 open, 1 done")

    assert "domain" in project.zappa("certify", "dev", "--yes", expect=1).lower()

    project.zappa("undeploy", "dev", "--yes")
    assert answer(danbi, "GET", url + "/")[0] == 403
    assert danbi.client("lambda").list_functions()["Functions"] == []
    assert danbi.client("cloudformation").describe_stacks()["Stacks"] == []
    assert rules() == []


def test_an_endpoint_and_credentials_are_enough(danbi, project):
    # Zappa looks at the deployed app by its name under amazonaws.com, which leads nowhere without the proxy of `danbi exec`.
    project.settings(touch=False, keep_warm=True)
    assert "Deployment complete" in project.zappa("deploy", "dev", through_exec=False)
    assert "<h1>To do</h1>" in answer(danbi, "GET", project.endpoint() + "/")[1]
    project.zappa("undeploy", "dev", "--yes", "--remove-logs", through_exec=False)
    assert danbi.client("logs").describe_log_groups()["logGroups"] == []


def test_a_function_url_instead_of_a_gateway(danbi, project):
    project.settings(function_url_enabled=True, apigateway_enabled=False)
    said = project.zappa("deploy", "dev")
    assert "Deployment complete" in said
    [config] = danbi.client("lambda").list_function_url_configs(FunctionName="todo-dev")["FunctionUrlConfigs"]
    assert "<h1>To do</h1>" in answer(danbi, "GET", config["FunctionUrl"])[1]
    project.zappa("undeploy", "dev", "--yes")
