"""AWS's own names inside functions: they are the platform's, over TLS that Python, Node.js and curl trust, with no setting."""

import io
import json
import pathlib
import zipfile
from concurrent.futures import ThreadPoolExecutor

import botocore
import pytest
from packages import create, python, zipped
from test_cloudformation import outputs, template, wait
from test_cloudformation_ways import custom

TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
RIGHTS = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": "arn:aws:s3:::of-a-function/*"},
        {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "arn:aws:dynamodb:*:*:table/things"},
    ],
}
SDK = ["boto3", "botocore", "certifi", "charset_normalizer", "dateutil", "idna", "jmespath", "requests", "s3transfer", "six.py", "urllib3"]
SERVICES = ["dynamodb", "s3", "sts"]


def with_sdk(source):
    """A package with boto3, requests and what they need, and the models of a few services."""
    site = pathlib.Path(botocore.__file__).parents[1]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("app.py", source)
        for name in SDK:
            top = site / name
            for file in [top] if top.is_file() else sorted(top.rglob("*")):
                parts = file.relative_to(site).parts
                is_model = parts[:2] == ("botocore", "data") and len(parts) > 3
                if file.is_file() and "__pycache__" not in parts and (not is_model or parts[2] in SERVICES):
                    archive.write(file, file.relative_to(site))
    return buffer.getvalue()


def role_with_rights(danbi):
    iam = danbi.client("iam")
    role = iam.create_role(RoleName="worker", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    iam.put_role_policy(RoleName="worker", PolicyName="rights", PolicyDocument=json.dumps(RIGHTS))
    return role


def things(danbi):
    """A bucket and a table with an item."""
    danbi.client("s3").create_bucket(Bucket="of-a-function")
    tables = danbi.client("dynamodb")
    key = [{"AttributeName": "id", "KeyType": "HASH"}]
    attributes = [{"AttributeName": "id", "AttributeType": "S"}]
    tables.create_table(TableName="things", KeySchema=key, AttributeDefinitions=attributes, BillingMode="PAY_PER_REQUEST")
    tables.put_item(TableName="things", Item={"id": {"S": "rain"}, "word": {"S": "비"}})


def invoked(danbi, name, event=None):
    answer = danbi.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event or {}))
    payload = json.load(answer["Payload"])
    assert "FunctionError" not in answer, payload
    return payload


SDK_CODE = """
import os
del os.environ["AWS_ENDPOINT_URL"]
import boto3, requests, shutil, subprocess, urllib.error, urllib.request

def status(url):
    try:
        return urllib.request.urlopen(url).status
    except urllib.error.HTTPError as error:
        return error.code

def handler(event, context):
    s3 = boto3.client("s3")
    s3.put_object(Bucket="of-a-function", Key="a/b c", Body=b"from inside")
    item = boto3.client("dynamodb").get_item(TableName="things", Key={"id": {"S": "rain"}})["Item"]
    curl = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "https://sts.us-east-1.amazonaws.com/"]
    return {
        "endpoint": s3.meta.endpoint_url,
        "read": s3.get_object(Bucket="of-a-function", Key="a/b c")["Body"].read().decode(),
        "presigned": requests.get(s3.generate_presigned_url("get_object", {"Bucket": "of-a-function", "Key": "a/b c"})).text,
        "word": item["word"]["S"],
        "identity": boto3.client("sts").get_caller_identity()["Arn"],
        "urllib": status("https://sts.us-east-1.amazonaws.com/"),
        "plain": status("http://sts.us-east-1.amazonaws.com/"),
        "curl": subprocess.check_output(curl).decode() if shutil.which("curl") else None,
    }
"""


def test_boto3_and_requests_need_no_endpoint(danbi):
    things(danbi)
    create(danbi.client("lambda"), "sdk", with_sdk(SDK_CODE), Role=role_with_rights(danbi), Timeout=60, MemorySize=512)
    # The second one may be a fork of a template, in which the SDK was imported.
    for _ in range(2):
        with ThreadPoolExecutor(2) as pool:
            for seen in pool.map(lambda _: invoked(danbi, "sdk"), range(2)):
                assert seen["endpoint"].startswith("https://s3.") and seen["endpoint"].endswith("amazonaws.com")
                assert seen["read"] == seen["presigned"] == "from inside"
                assert seen["word"] == "비"
                assert seen["identity"] == "arn:aws:sts::000000000000:assumed-role/worker/sdk"
                assert 300 <= seen["urllib"] < 500 and seen["urllib"] == seen["plain"]
                assert seen["curl"] in (None, str(seen["urllib"]))
    # The same checks as outside: what the role does not allow is refused, and TLS is seen by policies.
    s3 = danbi.client("s3")
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::of-a-function/*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    s3.put_bucket_policy(Bucket="of-a-function", Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert invoked(danbi, "sdk")["read"] == "from inside"
    danbi.client("iam").delete_role_policy(RoleName="worker", PolicyName="rights")
    answer = danbi.client("lambda").invoke(FunctionName="sdk")
    assert "FunctionError" in answer and "AccessDenied" in answer["Payload"].read().decode()


NODE_CODE = """
const crypto = require('crypto');
const https = require('https');
const hmac = (key, text) => crypto.createHmac('sha256', key).update(text).digest();
const hex = (text) => crypto.createHash('sha256').update(text).digest('hex');

// Signed by hand, as the SDK would: Signature Version 4.
function ask(service, method, host, path, body, more = {}) {
  const env = process.env;
  const time = new Date().toISOString().replace(/[-:]|\\.\\d+/g, '');
  const headers = { host, 'x-amz-content-sha256': hex(body), 'x-amz-date': time, 'x-amz-security-token': env.AWS_SESSION_TOKEN, ...more };
  const names = Object.keys(headers).sort();
  const canonical = [method, path, '', ...names.map((name) => `${name}:${headers[name]}`), '', names.join(';'), hex(body)].join('\\n');
  const scope = `${time.slice(0, 8)}/${env.AWS_REGION}/${service}/aws4_request`;
  const key = [time.slice(0, 8), env.AWS_REGION, service, 'aws4_request'].reduce(hmac, `AWS4${env.AWS_SECRET_ACCESS_KEY}`);
  const signature = hmac(key, ['AWS4-HMAC-SHA256', time, scope, hex(canonical)].join('\\n')).toString('hex');
  headers.authorization = `AWS4-HMAC-SHA256 Credential=${env.AWS_ACCESS_KEY_ID}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  return new Promise((resolve, reject) => {
    const request = https.request({ host, path, method, headers: { ...headers, 'content-length': Buffer.byteLength(body) } }, (response) => {
      let text = '';
      response.on('data', (piece) => (text += piece));
      response.on('end', () => resolve([response.statusCode, text]));
    });
    request.on('error', reject);
    request.end(body);
  });
}

exports.handler = async () => {
  const target = { 'x-amz-target': 'DynamoDB_20120810.GetItem', 'content-type': 'application/x-amz-json-1.0' };
  const key = JSON.stringify({ TableName: 'things', Key: { id: { S: 'rain' } } });
  const bucket = 'of-a-function.s3.us-east-1.amazonaws.com';
  const fetched = await fetch('https://sts.us-east-1.amazonaws.com/');
  return [
    await ask('s3', 'PUT', bucket, '/from-node', 'from Node.js'),
    await ask('s3', 'GET', bucket, '/from-node', ''),
    await ask('dynamodb', 'POST', 'dynamodb.us-east-1.amazonaws.com', '/', key, target),
    fetched.status,
  ];
};
"""


def test_node_needs_no_endpoint(danbi):
    things(danbi)
    create(danbi.client("lambda"), "node", zipped({"app.js": NODE_CODE}), Runtime="nodejs20.x", Role=role_with_rights(danbi), Timeout=60)
    # The first process is its own, a later one was started before it was known for which function.
    for memory in (128, 256):
        put, got, item, fetched = invoked(danbi, "node")
        assert put[0] == 200, put
        assert got == [200, "from Node.js"]
        assert item[0] == 200 and json.loads(item[1])["Item"]["word"] == {"S": "비"}
        assert 300 <= fetched < 500
        danbi.client("lambda").update_function_configuration(FunctionName="node", Description=str(memory))
        danbi.client("lambda").get_waiter("function_updated_v2").wait(FunctionName="node")


PROBE = '''
import glob, os, socket, ssl

def shake(name, trusting=True):
    """How a handshake for a name ends, at the port where the platform answers."""
    context = ssl.create_default_context() if trusting else ssl._create_unverified_context()
    try:
        with socket.create_connection(("127.0.0.1", 443), timeout=10) as plain:
            with context.wrap_socket(plain, server_hostname=name) as secured:
                return [name for kind, name in secured.getpeercert().get("subjectAltName", ())]
    except ssl.SSLError as error:
        return error.reason or "broken off"

def say(text, wait=10):
    """What port 443 answers to something."""
    with socket.create_connection(("127.0.0.1", 443), timeout=wait) as plain:
        plain.sendall(text)
        try:
            return plain.recv(1000).decode("latin-1")
        except OSError as error:
            return type(error).__name__

held = []
def hold(count):
    for _ in range(count):
        held.append(socket.create_connection(("127.0.0.1", 443), timeout=10))
        held[-1].sendall(b"\\x16\\x03\\x01\\x02\\x00")
    return len(held)

def holding(secret):
    found = []
    for top in ("/var", "/opt", "/etc", "/tmp", "/home", "/run"):
        for folder, _, files in os.walk(top):
            for name in files:
                try:
                    if secret.encode() in open(os.path.join(folder, name), "rb").read():
                        found.append(os.path.join(folder, name))
                except OSError:
                    pass
    return found

def handler(event, context):
    return eval(event["do"])
'''


def test_certificates_are_for_the_platforms_names_alone(danbi):
    create(danbi.client("lambda"), "probe", python(PROBE), Timeout=60)

    def do(expression):
        return invoked(danbi, "probe", {"do": expression})

    for name in ("sts.us-east-1.amazonaws.com", "a.b.c.s3.eu-west-1.amazonaws.com", "amazonaws.com"):
        assert do(f"shake({name!r})") == [name]
    for name in ("example.com", "pypi.org", "notamazonaws.com", "amazonaws.com.example.org", "aws.amazon.com", "10.0.0.1"):
        for trusting in (True, False):
            answer = do(f"shake({name!r}, {trusting})")
            assert isinstance(answer, str) or (name == "10.0.0.1" and not trusting), (name, trusting, answer)
    assert do("shake('example.com', False)") == "TLSV1_UNRECOGNIZED_NAME"
    # What is no handshake gets nothing but an alert.
    assert "HTTP" not in do("say(b'GET / HTTP/1.1\\r\\nHost: s3.amazonaws.com\\r\\n\\r\\n')")
    # Neither the authority's key nor anything else of the platform's is to be seen.
    key = danbi.data / "ca" / "key.pem"
    assert key.stat().st_mode & 0o777 == 0o600 and "PRIVATE KEY" in key.read_text()
    assert do(f"holding({key.read_text().splitlines()[1]!r})") == []
    assert do(f"[os.path.exists(path) for path in ({str(key)!r}, {str(danbi.data)!r}, '/var/runtime/key.pem')]") == [False] * 3
    assert do("os.access('/var/runtime/ca-cert.pem', os.W_OK)") is False


def test_held_handshakes_keep_nobody_else_out(danbi):
    for name in ("greedy", "modest"):
        create(danbi.client("lambda"), name, python(PROBE), Timeout=60)
    assert invoked(danbi, "greedy", {"do": "hold(900)"}) == 900
    assert invoked(danbi, "modest", {"do": "shake('s3.amazonaws.com')"}) == ["s3.amazonaws.com"]


def test_what_a_function_sets_itself_counts(danbi):
    variables = {"SSL_CERT_FILE": "/var/task/own.pem", "AWS_ENDPOINT_URL": "http://own.example"}
    create(danbi.client("lambda"), "own", python(PROBE), Environment={"Variables": variables}, Timeout=60)
    asked = "[os.environ[name] for name in ('SSL_CERT_FILE', 'AWS_ENDPOINT_URL', 'REQUESTS_CA_BUNDLE', 'AWS_CA_BUNDLE', 'CURL_CA_BUNDLE', 'NODE_EXTRA_CA_CERTS')]"
    assert invoked(danbi, "own", {"do": asked}) == [*variables.values(), *["/var/runtime/ca-cert.pem"] * 4]
    assert invoked(danbi, "own", {"do": "shake('s3.amazonaws.com')"}) == "CERTIFICATE_VERIFY_FAILED"


# The client that CloudFormation's guide gives: HTTPS at port 443, whatever the link says.
CFN_RESPONSE = """
const send = function (event, context, responseStatus, responseData, physicalResourceId, noEcho) {
  return new Promise((resolve, reject) => {
    const responseBody = JSON.stringify({
      Status: responseStatus,
      Reason: 'See the details in CloudWatch Log Stream: ' + context.logStreamName,
      PhysicalResourceId: physicalResourceId || context.logStreamName,
      StackId: event.StackId,
      RequestId: event.RequestId,
      LogicalResourceId: event.LogicalResourceId,
      NoEcho: noEcho || false,
      Data: responseData,
    });
    const parsedUrl = require('url').parse(event.ResponseURL);
    const options = {
      hostname: parsedUrl.hostname,
      port: 443,
      path: parsedUrl.path,
      method: 'PUT',
      headers: { 'content-type': '', 'content-length': responseBody.length },
    };
    const request = require('https').request(options, (response) => resolve(context.done(response.statusCode === 200 ? null : 'refused')));
    request.on('error', (error) => reject(context.done(error)));
    request.write(responseBody);
    request.end();
  });
};
"""
NODE_RESOURCE = CFN_RESPONSE + "exports.handler = (event, context) => { send(event, context, 'SUCCESS', { Word: event.RequestType }, 'mine'); };\n"
NODE_INLINE = "const response = require('cfn-response');\nexports.handler = (event, context) => { response.send(event, context, response.SUCCESS, { Word: event.RequestType }, 'mine'); };\n"
PYTHON_INLINE = "import cfnresponse\ndef handler(event, context):\n    cfnresponse.send(event, context, cfnresponse.SUCCESS, {'Word': event['RequestType']}, 'mine')\n"


@pytest.mark.parametrize("runtime, code", [("nodejs20.x", NODE_RESOURCE), ("nodejs20.x", NODE_INLINE), ("python3.12", PYTHON_INLINE)], ids=["guide", "node", "python"])
def test_custom_resources_answer_by_cfn_response(danbi, runtime, code):
    stacks = danbi.client("cloudformation")
    shown = {"Word": {"Value": {"Fn::GetAtt": ["Mine", "Word"]}}}
    body = template(custom(code, runtime=runtime), Outputs=shown)
    stacks.create_stack(StackName="c", TemplateBody=body, Capabilities=["CAPABILITY_IAM"])
    wait(stacks, "stack_create_complete", "c")
    assert outputs(stacks, "c") == {"Word": "Create"}
    stacks.delete_stack(StackName="c")
    danbi.wait_until(lambda: stacks.describe_stacks()["Stacks"] == [])
