"""Runs a Python handler on the Lambda Runtime API, the way AWS's own client does.

Standard library only, and as little of it as possible: what is imported here is paid for by every cold start. `logging`,
`traceback` and `decimal` wait until something needs them.
"""

import os
import sys
import time
from _socket import AF_INET, IPPROTO_TCP, SOCK_STREAM, TCP_NODELAY
from _socket import socket as _socket

_RUNTIME_PATH = "/2018-06-01/runtime/"
_NO_BREAK_SPACE = "\u00a0"
# Before a line end: the message goes on. The platform keeps such lines together as one event of the log.
_CONTINUES = "\x1f\n"
# How long the event of DANBI_PRIMING_EVENT may think it has.
_PRIMING_MS = 10_000
_JSON_LOGS = (os.environ.get("AWS_LAMBDA_LOG_FORMAT") or "").upper() == "JSON"

# What the log of the present event carries.
current_request_id = None


def request_id():
    """The present event, for `danbi_lambda_log`; `danbi_lambda_async` has a better answer."""
    return current_request_id


class Fault(Exception):
    """An error of the deployment or of the runtime itself, which is reported without a stack trace."""

    def __init__(self, error_type, message, trace=None):
        super().__init__(message)
        self.error_type = error_type
        self.message = message
        self.trace = trace or []


class RuntimeApi:
    """One kept-alive connection. The next event is asked for together with the answer to the last one."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.address = (host, int(port))
        self.host = address
        self.socket = None
        self.buffer = bytearray()
        self.next_request = ("GET %sinvocation/next HTTP/1.1\r\nHost: %s\r\n\r\n" % (_RUNTIME_PATH, address)).encode()

    def next(self):
        """Waits for an event: (headers with lower-case names, body)."""
        self._send(self.next_request)
        return self._read_event()

    def post_and_next(self, head, body):
        """Sends what `answer_head` or `error_head` begins."""
        self._send(head, body, self.next_request)
        self._read()
        return self._read_event()

    def answer_head(self, request_id, length, content_type):
        return self._post_head("invocation/%s/response" % request_id, length, "Content-Type: %s\r\n" % content_type)

    def error_head(self, request_id, length, error_type, cause):
        headers = "Content-Type: application/json\r\nLambda-Runtime-Function-Error-Type: %s\r\n" % _header(error_type)
        if cause and len(cause) < 1024 * 1024:
            headers += "Lambda-Runtime-Function-XRay-Error-Cause: %s\r\n" % cause
        return self._post_head("invocation/%s/error" % request_id, length, headers)

    def fail_init(self, error_type, body):
        headers = "Content-Type: application/json\r\nLambda-Runtime-Function-Error-Type: %s\r\n" % _header(error_type)
        self._send(self._post_head("init/error", len(body), headers), body)
        self._read()

    def _post_head(self, path, length, headers):
        head = "POST %s%s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n%s\r\n"
        return (head % (_RUNTIME_PATH, path, self.host, length, headers)).encode("utf-8", "replace")

    def _send(self, *parts):
        if self.socket is None:
            self.socket = _socket(AF_INET, SOCK_STREAM)
            self.socket.connect(self.address)
            self.socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        total = sum(map(len, parts))
        if total <= 65536:
            self.socket.sendall(b"".join(parts))
        else:
            for part in parts:
                self.socket.sendall(part)

    def _read_event(self):
        return event_of(*self._read())

    def _read(self):
        buffer = self.buffer
        while True:
            end = buffer.find(b"\r\n\r\n")
            if end >= 0:
                break
            self._fill()
        status, headers = parse_head(buffer[:end])
        del buffer[: end + 4]
        length = int(headers.get("content-length", 0))
        if length > len(buffer):
            body = bytearray(length)
            have = len(buffer)
            body[:have] = buffer
            buffer.clear()
            view = memoryview(body)
            while have < length:
                count = self.socket.recv_into(view[have:])
                if not count:
                    raise ConnectionError("the Runtime API closed the connection")
                have += count
            view.release()
        else:
            body = bytes(buffer[:length])
            del buffer[:length]
        return status, headers, body

    def _fill(self):
        chunk = self.socket.recv(65536)
        if not chunk:
            raise ConnectionError("the Runtime API closed the connection")
        self.buffer += chunk


def parse_head(head):
    """Status and headers, whose names are in lower case."""
    lines = head.decode("utf-8", "surrogateescape").split("\r\n")
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return int(lines[0].split(" ", 2)[1]), headers


def event_of(status, headers, body):
    if status != 200:
        raise RuntimeError("the Runtime API answered %d: %s" % (status, body.decode("utf-8", "replace")))
    return headers, body


def _header(text):
    """A value that cannot break out of its line."""
    return "".join(c if 32 <= ord(c) < 127 else "?" for c in str(text))


# --- JSON -----------------------------------------------------------------------------------------------------------


class _HasDecimals(Exception):
    pass


# From Python 3.12 on AWS's encoder leaves text as it is.
_ENSURE_ASCII = os.environ.get("AWS_EXECUTION_ENV", "") in {
    "AWS_Lambda_python3.%d" % minor for minor in range(3, 12)
}


def _default(value):
    # Whoever has a Decimal has imported `decimal`.
    decimal = sys.modules.get("decimal")
    if decimal is not None and isinstance(value, decimal.Decimal):
        if value.is_nan():
            return float("nan")
        # The C encoder writes floats itself: there is no way to give it digits.
        raise _HasDecimals
    raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)


try:
    # The package `json` imports `re` and more for its errors: 5 ms that a small handler does not need.
    import _json

    class _Strict:
        strict = True
        object_hook = object_pairs_hook = None
        parse_float = float
        parse_int = int
        parse_constant = {"-Infinity": -float("inf"), "Infinity": float("inf"), "NaN": float("nan")}.__getitem__
        memo = {}

    _scan = _json.make_scanner(_Strict())
    _text = _json.encode_basestring_ascii if _ENSURE_ASCII else _json.encode_basestring

    def _decode(text):
        try:
            value, end = _scan(text, 0)
        except StopIteration:
            end = -1
        if end != len(text):
            # White space around it, or an error that `json` words.
            import json

            return json.loads(text)
        return value

    def _encode(value):
        encode = _json.make_encoder({}, _default, _text, None, ": ", ", ", False, False, True)
        return "".join(encode(value, 0))

    _encode(_decode('{"a": [1, 2.5, null]}'))
except Exception:
    import json

    _decode = json.loads
    _encode = json.JSONEncoder(ensure_ascii=_ENSURE_ASCII, default=_default).encode


def from_json(body):
    """Decodes UTF-8 text as `json.loads` does."""
    return _decode(str(body, "utf-8", "surrogatepass"))


def to_json(value):
    """As AWS's encoder writes it: decimals by their digits, NaN allowed."""
    try:
        return _encode(value)
    except _HasDecimals:
        return _encode_decimals(value)


class _Digits(float):
    """Stands for a decimal on its way through the encoder."""


def _encode_decimals(value):
    from json import encoder

    def default(item):
        try:
            return _default(item)
        except _HasDecimals:
            digits = _Digits(0)
            digits.text = str(item)
            return digits

    def number(item):
        if isinstance(item, _Digits):
            return item.text
        if item != item:
            return "NaN"
        if item in (encoder.INFINITY, -encoder.INFINITY):
            return "Infinity" if item > 0 else "-Infinity"
        return float.__repr__(item)

    text = encoder.encode_basestring_ascii if _ENSURE_ASCII else encoder.encode_basestring
    pieces = encoder._make_iterencode({}, default, text, None, number, ": ", ", ", False, False, False)
    return "".join(pieces(value, 0))


# --- the handler ----------------------------------------------------------------------------------------------------


def load_handler(name):
    module_name, dot, function_name = name.rpartition(".")
    if not dot:
        raise Fault(
            "Runtime.MalformedHandlerName",
            "Bad handler '%s': not enough values to unpack (expected 2, got 1)" % name,
        )
    try:
        if module_name.split(".")[0] in sys.builtin_module_names:
            raise Fault(
                "Runtime.BuiltInModuleConflict", "Cannot use built-in module %s as a handler module" % module_name
            )
        import importlib

        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", "Unable to import module '%s': %s" % (module_name, error))
    except SyntaxError as error:
        trace = ['  File "%s" Line %s\n    %s' % (error.filename, error.lineno, error.text)]
        raise Fault("Runtime.UserCodeSyntaxError", "Syntax error in module '%s': %s" % (module_name, error), trace)
    try:
        return getattr(module, function_name)
    except AttributeError:
        raise Fault(
            "Runtime.HandlerNotFound", "Handler '%s' missing on module '%s'" % (function_name, module_name)
        ) from None


class _Record:
    """What AWS's context holds inside: named fields, `None` where the client gave nothing."""

    __slots__ = ()

    def __init__(self, values):
        for field in self.__slots__:
            setattr(self, field, values.get(field))

    def __repr__(self):
        fields = ",".join("%s=%s" % (field, getattr(self, field)) for field in self.__slots__)
        return "%s([%s])" % (type(self).__name__, fields)


class CognitoIdentity(_Record):
    __slots__ = ["cognito_identity_id", "cognito_identity_pool_id"]


class Client(_Record):
    __slots__ = ["installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name"]


class ClientContext(_Record):
    __slots__ = ["custom", "env", "client"]


class LambdaContext:
    """The second argument of a handler."""

    def __init__(self, headers):
        environment = os.environ
        self.aws_request_id = headers.get("lambda-runtime-aws-request-id")
        self.log_group_name = environment.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = environment.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = environment.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = environment.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.tenant_id = headers.get("lambda-runtime-aws-tenant-id")
        self.client_context = None
        given = _json_header(headers.get("lambda-runtime-client-context"), "Client Context")
        if given is not None:
            self.client_context = ClientContext(given)
            client = self.client_context.client
            self.client_context.client = None if client is None else Client(client)
        identity = _json_header(headers.get("lambda-runtime-cognito-identity"), "Cognito Identity") or {}
        self.identity = CognitoIdentity(
            {
                "cognito_identity_id": identity.get("cognitoIdentityId"),
                "cognito_identity_pool_id": identity.get("cognitoIdentityPoolId"),
            }
        )
        self._epoch_deadline_time_in_ms = int(headers.get("lambda-runtime-deadline-ms", 0))

    def get_remaining_time_in_millis(self):
        return max(self._epoch_deadline_time_in_ms - int(time.time() * 1000), 0)

    def log(self, message):
        sys.stdout.write(str(message))

    def __repr__(self):
        fields = (
            "aws_request_id",
            "log_group_name",
            "log_stream_name",
            "function_name",
            "memory_limit_in_mb",
            "function_version",
            "invoked_function_arn",
            "client_context",
            "identity",
            "tenant_id",
        )
        return "LambdaContext([%s])" % ",".join("%s=%s" % (name, getattr(self, name)) for name in fields)


def _json_header(text, name):
    if not text:
        return None
    try:
        return _decode(text)
    except Exception as error:
        raise Fault("Runtime.LambdaContextUnmarshalError", "Unable to parse %s JSON: %s" % (name, error))


# --- errors ---------------------------------------------------------------------------------------------------------


def _describe(request_id):
    """The present exception as AWS's error document, and as X-Ray wants it."""
    error = sys.exc_info()[1]
    if isinstance(error, Fault):
        document = _error(error.message, error.error_type, error.trace, request_id)
        return document, _cause("LambdaValidationError", error.message, [])
    import traceback

    frames = [(f.filename, f.lineno, f.name, f.line) for f in traceback.extract_tb(error.__traceback__)]
    own = os.path.dirname(os.path.abspath(__file__)) + os.sep
    first = next((i for i, frame in enumerate(frames) if not frame[0].startswith(own)), 0)
    frames = frames[first:]
    name = type(error).__name__
    return (
        _error(str(error), name, traceback.format_list(frames), request_id),
        _cause(name, str(error), frames),
    )


def _error(message, error_type, stack_trace, request_id):
    return {
        "errorMessage": message or "",
        "errorType": error_type or "",
        "requestId": request_id or "",
        "stackTrace": stack_trace or [],
    }


def _cause(name, message, frames):
    stack = [{"label": label, "path": path, "line": line} for path, line, label, _ in frames]
    cause = {
        "working_directory": os.getcwd(),
        "exceptions": [{"message": message, "type": name, "stack": stack}],
        "paths": list({path for path, _, _, _ in frames}),
    }
    return _encode_ascii(cause)


def _encode_ascii(value):
    """For a header: nothing but ASCII."""
    text = to_json(value)
    return text if text.isascii() else "".join(c if c.isascii() else _escape(c) for c in text)


def _escape(character):
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join("\\u%02x%02x" % (units[i], units[i + 1]) for i in range(0, len(units), 2))


def _log_error(document):
    if _JSON_LOGS:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        line = to_json({"timestamp": now, "log_level": "ERROR", **document})
    else:
        line = "[ERROR]"
        if document["errorType"]:
            line += " " + document["errorType"] + (":" if document["errorMessage"] else "")
        if document["errorMessage"]:
            line += " " + document["errorMessage"]
        lines = [line, "Traceback (most recent call last):"]
        for element in document["stackTrace"]:
            for text in element.splitlines() or [""]:
                bare = text.lstrip(" ")
                lines.append(_NO_BREAK_SPACE * (len(text) - len(bare)) + bare)
        line = "\n".join(lines)
    write_record(line)


def write_record(text):
    """One event of the log, whatever lines it has."""
    sys.stdout.write(text.replace("\n", _CONTINUES) + "\n")
    sys.stdout.flush()


_UNHANDLED = (
    "LAMBDA_WARNING: Unhandled exception. The most likely cause is an issue in the function code. However, in rare "
    "cases, a Lambda runtime update can cause unexpected function behavior. For functions using managed runtimes, "
    "runtime updates can be triggered by a function change, or can be applied automatically. To determine if the "
    "runtime has been updated, check the runtime version in the INIT_START log entry. If this error correlates with a "
    "change in the runtime version, you may be able to mitigate this error by temporarily rolling back to the previous "
    "runtime version. For more information, see https://docs.aws.amazon.com/lambda/latest/dg/runtimes-update.html\r"
)


# --- the loop -------------------------------------------------------------------------------------------------------


class _LoggingFinder:
    """Sets `logging` up when it is first imported, which most handlers do and a small one does not."""

    def find_spec(self, name, path=None, target=None):
        if name != "logging":
            return None
        sys.meta_path.remove(self)
        from _frozen_importlib_external import PathFinder

        spec = PathFinder.find_spec("logging")
        if spec is None:
            return None
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            import danbi_lambda_log

            danbi_lambda_log.set_up(module)

        spec.loader.exec_module = exec_module
        return spec


def _line_buffered(stream):
    try:
        stream.reconfigure(line_buffering=True)
    except (AttributeError, ValueError):
        pass


def main():
    _line_buffered(sys.stdout)
    _line_buffered(sys.stderr)
    environment = os.environ
    task_root = environment.get("LAMBDA_TASK_ROOT", "/var/task")
    # The script's own folder is on the path already by PYTHONPATH; the handler's comes first.
    if sys.path and sys.path[0] == os.path.dirname(os.path.abspath(__file__)):
        sys.path.pop(0)
    sys.path.insert(0, task_root)
    sys.meta_path.insert(0, _LoggingFinder())
    if "logging" in sys.modules:
        import danbi_lambda_log

        danbi_lambda_log.set_up(sys.modules["logging"])
    api = RuntimeApi(environment["AWS_LAMBDA_RUNTIME_API"])
    try:
        handler = load_handler(environment.get("_HANDLER", ""))
    except Exception:
        document, _ = _describe(None)
        if not _JSON_LOGS:
            write_record("[WARNING]\t%s\t\t%s" % (_now(), _UNHANDLED))
        _log_error(document)
        api.fail_init(document["errorType"], to_json(document).encode("utf-8", "replace"))
        sys.exit(1)
    places = int(environment.get("AWS_LAMBDA_MAX_CONCURRENCY") or 0)
    several = None
    if places:
        # Imported before a template is made, since it is worth one.
        import danbi_lambda_async as several

        several = several if several.can_take(handler) else None
    if environment.get("DANBI_TEMPLATE"):
        import danbi_template

        _prime(several.run_once(handler) if several else handler, environment.get("DANBI_PRIMING_EVENT"))
        # Goes on in each fork, which is an environment of its own.
        danbi_template.serve()
    if several:
        several.serve(api, handler, places)
    if places > 1:
        write_record(
            "[WARNING]\t%s\t\tDANBI_CONCURRENCY is %d, but the handler is no `async def`: it takes one event at a time"
            % (_now(), places)
        )
    _serve(api, handler)


def _prime(handler, event):
    """Runs the handler once in the template, if the function says with which event, so that forks begin warm."""
    if not event:
        return
    headers = {
        "lambda-runtime-aws-request-id": "00000000-0000-0000-0000-000000000000",
        "lambda-runtime-invoked-function-arn": "",
        "lambda-runtime-deadline-ms": str(int(time.time() * 1000) + _PRIMING_MS),
    }
    try:
        _handle(handler, headers, event.encode("utf-8", "surrogateescape"))
    except Exception as error:
        write_record("[WARNING]\t%s\t\tthe event of DANBI_PRIMING_EVENT failed: %s" % (_now(), error))


def _now():
    now = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + ".%03dZ" % (now % 1 * 1000)


def _serve(api, handler):
    global current_request_id
    headers, body = api.next()
    while True:
        request_id = current_request_id = headers.get("lambda-runtime-aws-request-id")
        trace_id = headers.get("lambda-runtime-trace-id")
        if trace_id is not None:
            os.environ["_X_AMZN_TRACE_ID"] = trace_id
        else:
            os.environ.pop("_X_AMZN_TRACE_ID", None)
        try:
            answer, content_type = _handle(handler, headers, body)
            sys.stdout.flush()
        except Exception:
            head, answer = describe_failure(api, request_id)
        else:
            head = api.answer_head(request_id, len(answer), content_type)
        headers, body = api.post_and_next(head, answer)


def describe_failure(api, request_id):
    """Logs the present exception, and says what is to be posted of it."""
    document, cause = _describe(request_id)
    _log_error(document)
    encoded = to_json(document).encode("utf-8", "replace")
    return api.error_head(request_id, len(encoded), document["errorType"], cause), encoded


def _handle(handler, headers, body):
    event, context = arguments(headers, body)
    return encode_answer(handler(event, context))


def arguments(headers, body):
    """What a handler is called with."""
    context = LambdaContext(headers)
    event = body
    if headers.get("content-type", "application/json") == "application/json":
        try:
            event = from_json(body)
        except Exception as error:
            raise Fault("Runtime.UnmarshalError", "Unable to unmarshal input: %s" % error)
    return event, context


def encode_answer(answer):
    """The bytes of what a handler returned, and their content type."""
    if isinstance(answer, bytes):
        return answer, "application/unknown"
    try:
        return to_json(answer).encode("utf-8"), "application/json"
    except Exception as error:
        raise Fault("Runtime.MarshalError", "Unable to marshal response: %s" % error)
