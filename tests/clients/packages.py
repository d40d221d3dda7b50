"""Small deployment packages, made in memory."""

import io
import zipfile


def zipped(files, modes=None):
    """The bytes of a zip with `files` (name → text or bytes); `modes` sets permission bits, 0644 otherwise."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, date_time=(2026, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = ((modes or {}).get(name, 0o100644)) << 16
            archive.writestr(info, content)
    return buffer.getvalue()


def python(source, name="app.py"):
    """A package with one Python module."""
    return zipped({name: source})


ECHO = python("def handler(event, context):\n    return event\n")

ROLE = "arn:aws:iam::000000000000:role/lambda-role"


def create(client, name, code=ECHO, **more):
    """Creates a Python function `name` and waits until it is active."""
    settings = {"Runtime": "python3.11", "Role": ROLE, "Handler": "app.handler", **more}
    made = client.create_function(FunctionName=name, Code={"ZipFile": code}, **settings)
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})
    return made


def updated(client, name):
    """Waits until the last update of function `name` has succeeded."""
    client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})
