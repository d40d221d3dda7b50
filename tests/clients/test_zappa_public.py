"""A public project that nobody here wrote, deployed by Zappa: `wkdtjsgur100/zappa-drf-mysql`, Django REST Framework on MySQL.

Its code is not here: `SUITES` names a folder with a checkout of it, and these tests are left out without one. The first run
makes the environment `zappa-drf-mysql-env` beside the checkout, with the project's own pins but for those below.
"""

import json
import os
import pathlib
import re
import subprocess
import urllib.parse

import pytest
from platform_under_test import KEY_ID, SECRET
from zappa_project import Project

SUITES = pathlib.Path(os.environ.get("SUITES", "/nowhere"))
SOURCE = SUITES / "zappa-drf-mysql"
PYTHON = SUITES / "zappa-drf-mysql-env"
REGION = "ap-northeast-2"
PASSWORD = "only-for-this-test"

#: What Zappa 0.63 brings in another version than the project pins, and what that needs.
OF_ZAPPA = {
    "argcomplete", "boto3", "botocore", "certifi", "cfn-flip", "click", "durationpy", "hjson", "idna", "jmespath", "packaging", "placebo",
    "python-dateutil", "python-slugify", "requests", "s3transfer", "six", "text-unidecode", "toml", "tqdm", "troposphere", "urllib3",
    "zappa", "Werkzeug", "MarkupSafe", "PyYAML",
}
#: Raised because Python 3.11 or what Zappa needs asks for it; 8.0.22 is not on PyPI for it, Jinja2 2 imports names that are gone.
RAISED = {"mysql-connector-python": "8.0.23", "Jinja2": "3.1.6"}
#: Not imported by the project and to be compiled: its database driver is `mysql.connector`.
LEFT_OUT = {"mysqlclient", "ruamel.yaml.clib", "pip-tools"}

pytestmark = pytest.mark.skipif(not SOURCE.exists(), reason="SUITES names no folder with a checkout of wkdtjsgur100/zappa-drf-mysql")


def environment():
    """The Python environment of the project, made when it is not there."""
    if not (PYTHON / "bin" / "zappa").exists():
        pins = dict(line.split("==") for line in (SOURCE / "requirements.txt").read_text().split())
        wanted = [f"{name}=={RAISED.get(name, version)}" for name, version in pins.items() if name not in OF_ZAPPA | LEFT_OUT]
        pip = [str(PYTHON / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-input"]
        subprocess.run(["python3", "-m", "venv", "--clear", str(PYTHON)], check=True)
        subprocess.run([*pip, "zappa==0.63.0", "wheel", "setuptools<81"], check=True)
        subprocess.run([*pip, "--no-deps", *wanted], check=True)
    return PYTHON


def settings(danbi, project):
    """The project's own example of settings, with the places that a user fills in."""
    databases, s3 = danbi.client("rds", REGION), danbi.client("s3", REGION)
    databases.create_db_instance(
        DBInstanceIdentifier="drf", Engine="mysql", DBInstanceClass="db.t4g.micro", AllocatedStorage=20, DBName="drf", MasterUsername="shopkeeper", MasterUserPassword=PASSWORD
    )
    databases.get_waiter("db_instance_available").wait(DBInstanceIdentifier="drf", WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    endpoint = databases.describe_db_instances(DBInstanceIdentifier="drf")["DBInstances"][0]["Endpoint"]
    # As its README has it: a bucket for static files that the public may read.
    s3.create_bucket(Bucket="drf-static", CreateBucketConfiguration={"LocationConstraint": REGION}, ObjectOwnership="ObjectWriter")
    s3.delete_public_access_block(Bucket="drf-static")
    stages = json.loads((project.folder / "zappa_settings_example.json").read_text())
    stages["dev"].pop("vpc_config")  # Optional there; its subnets do not exist.
    stages["dev"].update(runtime="python3.11", use_precompiled_packages=False)
    stages["dev"]["environment_variables"].update(
        prod_db_endpoint=endpoint["Address"], prod_db_port=str(endpoint["Port"]), prod_db_name="drf", prod_db_user="shopkeeper", prod_db_password=PASSWORD,
        s3_bucket="drf-static", AWS_ACCESS_KEY_ID=KEY_ID, AWS_SECRET_ACCESS_KEY=SECRET,
    )
    (project.folder / "zappa_settings.json").write_text(json.dumps(stages))
    # A folder that its settings name and its repository does not carry.
    static = project.folder / "zappa_drf_mysql" / "static"
    static.mkdir()
    (static / "site.css").write_text("body { margin: 0 }\n")


def log_in(danbi, url):
    """The cookies of the admin, after its form."""
    page = danbi.http("GET", url + "/admin/login/")
    token = re.search(rb'csrfmiddlewaretoken" value="([^"]+)', page.body).group(1).decode()
    form = urllib.parse.urlencode({"username": "admin", "password": PASSWORD, "csrfmiddlewaretoken": token, "next": "/dev/admin/"})
    headers = {"content-type": "application/x-www-form-urlencoded", "cookie": page.headers["set-cookie"].split(";")[0], "referer": url + "/admin/login/"}
    got = danbi.http("POST", url + "/admin/login/", form, headers)
    assert (got.status, got.headers["location"]) == (302, "/dev/admin/"), got.body[:500]
    return "; ".join(cookie.split(";")[0] for cookie in got.headers.get_all("set-cookie"))


def test_zappa_drf_mysql_lives_its_whole_life(danbi, tmp_path):
    credentials = tmp_path / "credentials"
    credentials.write_text(f"[default]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n")
    project = Project(danbi, SOURCE, tmp_path / "drf", environment(), AWS_SHARED_CREDENTIALS_FILE=str(credentials), AWS_DEFAULT_REGION=REGION)
    settings(danbi, project)

    assert "Deployment complete" in project.zappa("deploy", "dev")
    assert "Error Rate (24h):" in project.zappa("status", "dev")
    url = project.endpoint()
    assert "Applying sessions.0001_initial... OK" in project.zappa("manage", "dev", "migrate")
    assert "static files copied" in project.zappa("manage", "dev", "collectstatic --noinput")
    got = danbi.http("GET", "http://drf-static.s3.localhost/admin/css/base.css")
    assert (got.status, got.headers["content-type"]) == (200, "text/css")
    assert "Created the admin superuser" in project.zappa("manage", "dev", f"create_admin_user admin admin@example.com {PASSWORD}")
    page = danbi.http("GET", url + "/admin/", headers={"cookie": log_in(danbi, url)})
    assert page.status == 200 and b"Site administration" in page.body
    assert project.tail("Operations to perform")
    assert "zappa_drf_mysql.settings.production" in project.zappa("invoke", "dev", "import os; print(os.environ['DJANGO_SETTINGS_MODULE'])", "--raw")

    rules = lambda: [rule["ScheduleExpression"] for rule in danbi.client("events", REGION).list_rules()["Rules"]]  # noqa: E731
    assert rules() == ["rate(4 minutes)"]
    project.zappa("unschedule", "dev")
    assert rules() == []
    project.zappa("schedule", "dev")
    assert rules() == ["rate(4 minutes)"]

    title = lambda: json.loads(danbi.http("GET", url + "/swagger/?format=openapi").body)["info"]["title"]  # noqa: E731
    assert title() == "swagger API"
    routes = project.folder / "zappa_drf_mysql" / "urls.py"
    routes.write_text(routes.read_text().replace("swagger API", "swagger API, again"))
    project.zappa("update", "dev")
    assert title() == "swagger API, again"
    project.zappa("rollback", "dev", "-n", "1")
    danbi.wait_until(lambda: title() == "swagger API")

    project.zappa("undeploy", "dev", "--yes", "--remove-logs")
    assert danbi.client("lambda", REGION).list_functions()["Functions"] == []
    assert danbi.client("cloudformation", REGION).describe_stacks()["Stacks"] == []
    assert rules() == []
