"""Sets `logging` up as AWS's Python runtime does: a handler on the root logger, in the function's log format."""

import json
import os
import time

import danbi_lambda

_DATE = "%Y-%m-%dT%H:%M:%S"
_RESERVED = frozenset(
    "name msg args levelname levelno pathname filename module exc_info exc_text stack_info lineno funcName created "
    "msecs relativeCreated thread threadName processName process taskName aws_request_id tenant_id".split()
)


def set_up(logging):
    json_format = (os.environ.get("AWS_LAMBDA_LOG_FORMAT") or "").upper() == "JSON"
    level = (os.environ.get("AWS_LAMBDA_LOG_LEVEL") or "").upper()
    level = {"TRACE": "DEBUG", "WARN": "WARNING", "FATAL": "CRITICAL"}.get(level, level)
    logging.Formatter.converter = time.gmtime

    class LambdaLoggerHandler(logging.Handler):
        def emit(self, record):
            record.aws_request_id = danbi_lambda.request_id() or ""
            try:
                danbi_lambda.write_record(self.format(record).rstrip("\n"))
            except Exception:
                self.handleError(record)

    class JsonFormatter(logging.Formatter):
        def format(self, record):
            record.levelno = min(50, max(0, record.levelno)) // 10 * 10
            record.levelname = logging.getLevelName(record.levelno)
            error = record.exc_info or (None, None, None)
            line = {
                "timestamp": self.formatTime(record, _DATE + "Z"),
                "level": record.levelname,
                "message": record.getMessage(),
                "logger": record.name,
                "stackTrace": _frames(error[2]),
                "errorType": error[0].__name__ if error[0] else None,
                "errorMessage": str(error[1]) if error[0] else None,
                "requestId": getattr(record, "aws_request_id", None),
                "location": "%s:%s:%s" % (record.pathname, record.funcName, record.lineno) if error[0] else None,
            }
            for name, value in record.__dict__.items():
                if name not in _RESERVED and name not in line:
                    line[name] = value
            return json.dumps(
                {name: value for name, value in line.items() if value is not None}, ensure_ascii=False, default=str
            )

    handler = LambdaLoggerHandler()
    if json_format:
        handler.setFormatter(JsonFormatter())
    else:
        form = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
        handler.setFormatter(logging.Formatter(form, _DATE))
    root = logging.getLogger()
    root.addHandler(handler)
    if level in logging._nameToLevel:
        root.setLevel(level)


def _frames(trace):
    if trace is None:
        return None
    import traceback

    return traceback.format_tb(trace)

