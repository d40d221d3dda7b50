"""Runs an `async def` handler on several events at once, when the function asks for it (`DANBI_CONCURRENCY`).

One event loop, and for each place a connection to the Runtime API that waits for an event, as AWS's own clients have it
where environments take several. Each event is a task with variables of its context of its own: what it prints and logs
carries its request id, and an exception is its alone. Blocking calls block every event; `asyncio.to_thread` is for them.
"""

import asyncio
import contextvars
import inspect
import io
import os
import sys
from _socket import IPPROTO_TCP, TCP_NODELAY
from _thread import allocate_lock

import danbi_lambda

# The longest head of an event: a client context and an identity are in headers.
_HEAD_LIMIT = 1024 * 1024
# Around the request id before a line, for the platform.
_WHOSE = "\x1d"

_request_id = contextvars.ContextVar("aws_request_id", default=None)


def can_take(handler):
    """Whether a handler says that it can take several events."""
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None))


def run_once(handler):
    """The handler for one event and no loop."""
    return lambda event, context: asyncio.run(handler(event, context))


def serve(api, handler, places):
    """Takes as many events as there are places, until the process ends."""
    danbi_lambda.request_id = _request_id.get
    # The trace of one event must not be that of another: it is in the context.
    os.environ.pop("_X_AMZN_TRACE_ID", None)
    sys.stdout = _Lines(sys.stdout)
    sys.stderr = _Lines(sys.stderr)
    asyncio.run(_serve(api, handler, places))


async def _serve(api, handler, places):
    await asyncio.gather(*(_take_events(api, handler) for _ in range(places)))


async def _take_events(api, handler):
    reader, writer = await asyncio.open_connection(*api.address, limit=_HEAD_LIMIT)
    writer.get_extra_info("socket").setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    writer.write(api.next_request)
    while True:
        headers, body = danbi_lambda.event_of(*await _read(reader))
        # A task of its own, so that what an event leaves in its context is gone with it.
        head, answer = await asyncio.create_task(_handle(api, handler, headers, body))
        writer.writelines((head, answer, api.next_request))
        await writer.drain()
        await _read(reader)


async def _read(reader):
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        status, headers = danbi_lambda.parse_head(head[:-4])
        length = int(headers.get("content-length", 0))
        return status, headers, await reader.readexactly(length) if length else b""
    except asyncio.IncompleteReadError:
        raise ConnectionError("the Runtime API closed the connection") from None


async def _handle(api, handler, headers, body):
    request_id = headers.get("lambda-runtime-aws-request-id")
    _request_id.set(request_id)
    try:
        event, context = danbi_lambda.arguments(headers, body)
        context.trace_id = headers.get("lambda-runtime-trace-id")
        answer, content_type = danbi_lambda.encode_answer(await handler(event, context))
        head = api.answer_head(request_id, len(answer), content_type)
    # An exit, too, is that of one event: the others go on.
    except (Exception, asyncio.CancelledError, SystemExit):
        head, answer = danbi_lambda.describe_failure(api, request_id)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, _Lines):
            stream.end(request_id)
    return head, answer


class _Lines(io.TextIOBase):
    """Standard output or error, by whole lines that say which event printed them."""

    def __init__(self, stream):
        self._stream = stream
        self._descriptor = stream.fileno()
        self._partial = {}
        self._lock = allocate_lock()

    encoding = "utf-8"
    errors = "backslashreplace"

    @property
    def buffer(self):
        return self._stream.buffer

    def fileno(self):
        return self._descriptor

    def writable(self):
        return True

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError("write() argument must be str, not %s" % type(text).__name__)
        request_id = _request_id.get()
        with self._lock:
            whole, end, rest = (self._partial.pop(request_id, "") + text).rpartition("\n")
            if rest:
                self._partial[request_id] = rest
            if end:
                self._emit(request_id, whole)
        return len(text)

    def end(self, request_id):
        """The event is over: what it has not ended with a line end is a line, too."""
        with self._lock:
            rest = self._partial.pop(request_id, None)
            if rest:
                self._emit(request_id, rest)

    def _emit(self, request_id, text):
        mark = "%s%s%s" % (_WHOSE, request_id, _WHOSE) if request_id else ""
        lines = text.split("\n")
        for index in range(len(lines) - 1, -1, -1):
            # One that goes on the line before is marked there.
            if index == 0 or not lines[index - 1].endswith("\x1f"):
                lines[index] = mark + lines[index]
        data = memoryview(("\n".join(lines) + "\n").encode("utf-8", self.errors))
        while data:
            data = data[os.write(self._descriptor, data) :]
