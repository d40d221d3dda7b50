"""What the tests of Zappa's settings deploy: a Flask app that tells what it sees."""

import hashlib
import logging
import os
import shutil

import jobs
from flask import Flask, jsonify, request
from zappa.asynchronous import get_async_response

app = Flask(__name__)
PICTURE = bytes(range(256)) * 64


@app.get("/")
def page():
    return "a shop", {"content-type": "text/plain"}


@app.get("/about")
def about():
    return jsonify(
        path=request.path,
        root=request.script_root,
        project=os.environ.get("PROJECT"),
        stage=os.environ.get("STAGE"),
        memory=os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"],
        log_level=logging.getLevelName(logging.getLogger().level),
        scratch=shutil.disk_usage("/tmp").total,
        seconds=request.environ["lambda.context"].get_remaining_time_in_millis() / 1000,
        trace=os.environ.get("_X_AMZN_TRACE_ID"),
        began=os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE"),
        folder=os.getcwd(),
        principal=request.environ.get("API_GATEWAY_AUTHORIZER", {}).get("principalId"),
    )


@app.get("/variables/<name>")
def variable(name):
    return jsonify(os.environ.get(name))


@app.get("/layer")
def layer():
    import from_a_layer

    return jsonify(from_a_layer.WORD)


@app.get("/picture")
def picture():
    return PICTURE, {"content-type": "image/png"}


@app.post("/digest")
def digest():
    body = request.get_data()
    return jsonify(size=len(body), sha256=hashlib.sha256(body).hexdigest())


@app.post("/tasks/<name>")
def start(name):
    sent = {"lambda": jobs.add, "sns": jobs.add_by_topic, "fails": jobs.fail}[name](2, 3)
    return jsonify(response_id=sent.response_id), 202


@app.get("/answers/<response_id>")
def ask(response_id):
    return jsonify(get_async_response(response_id))


@app.get("/notes/<kind>")
def notes(kind):
    return jsonify(jobs.notes(kind))
