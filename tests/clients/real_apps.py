"""Deployment packages of real apps: Flask and numpy from PyPI, Express from npm, a Rust binary with `lambda_http`."""

import functools
import io
import os
import pathlib
import zipfile

from platform_under_test import ROOT

TEST_ENV = pathlib.Path(os.environ.get("DANBI_TEST_ENV", ROOT / "target" / "test-env"))

FLASK = """
import os
import numpy
from flask import Flask
from apig_wsgi import make_lambda_handler

app = Flask(__name__)

@app.get("/")
def show():
    return f"flask {VERSION} {{os.environ.get('GREETING')}} {{numpy.arange(10).sum()}}"

handler = make_lambda_handler(app)
"""
FLASK_COMMAND = "python3 -m gunicorn --bind 0.0.0.0:$PORT --workers 1 --threads 8 --timeout 0 --keep-alive 75 --worker-tmp-dir /tmp app:app"

EXPRESS = """
const express = require('express');
const app = express();
app.get('/', (request, response) => response.send(`express VERSION ${process.env.GREETING}`));
const server = app.listen(process.env.PORT);
process.on('SIGTERM', () => server.close());
"""
EXPRESS_COMMAND = "node server.js"


@functools.cache
def _dependencies(folder):
    """An archive of an installed folder; quick rather than small."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in sorted(folder.rglob("*")):
            name = file.relative_to(folder)
            if file.is_file() and not {"__pycache__", ".bin"} & set(name.parts):
                archive.write(file, name)
    return buffer.getvalue()


def _with(dependencies, name, content, mode=0o644):
    buffer = io.BytesIO(dependencies)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = (0o100000 | mode) << 16
        archive.writestr(info, content)
    return buffer.getvalue()


def flask_package(version):
    """Flask, numpy, gunicorn and an adapter from WSGI to Lambda: over 20 MB."""
    package = _with(_dependencies(TEST_ENV / "flask-app"), "app.py", FLASK.format(VERSION=version))
    assert len(package) > 20_000_000
    return package


def express_package(version):
    """Express with its `node_modules`."""
    return _with(_dependencies(TEST_ENV / "express-app"), "server.js", EXPRESS.replace("VERSION", version))


def rust_package(version):
    """`examples/rust-http`, and a file that tells one version from another."""
    binary = pathlib.Path(os.environ.get("DANBI_RUST_EXAMPLE", TEST_ENV / "rust-http" / "bootstrap"))
    package = _with(_with(b"", "version", version), "bootstrap", binary.read_bytes(), 0o755)
    return package
