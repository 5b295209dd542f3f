"""Answers of lines (NDJSON), each sent when it is made.

Until the first line an error is an answer of its own, with its status; from then on it is the last line. A caller that has gone, or
that takes nothing any more, ends the answer.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Literal

import orjson
from lossgauge.wire import Problem
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from lossgauge_service.problems import CLIENT_GONE

NDJSON = "application/x-ndjson"
ABORT = "lossgauge.abort"
"""The ASGI extension under which the server's protocol lends the means to close a connection at once."""
TICK_S = 0.25


class Activity:
    """When a stream moved last, to or from its caller."""

    def __init__(self, idle_s: float) -> None:
        self._idle_s = idle_s
        self._last = time.monotonic()

    @property
    def is_over(self) -> bool:
        """Whether nothing has moved for too long."""
        return time.monotonic() - self._last > self._idle_s

    def moves(self) -> None:
        """Something went or came."""
        self._last = time.monotonic()


class Writer:
    """Sends lines."""

    def __init__(self, scope: Scope, send: Send, activity: Activity) -> None:
        self._scope = scope
        self._send = send
        self.activity = activity
        self.started = False

    async def start(self, headers: Mapping[str, str] | None = None) -> None:
        """Send the headers, so that the caller knows that it is taken."""
        self.started = True
        raw = [
            (name.lower().encode(), value.encode())
            for name, value in {"Content-Type": NDJSON, **(headers or {})}.items()
        ]
        await self._sent({"type": "http.response.start", "status": 200, "headers": raw})

    async def write(self, lines: bytes) -> None:
        """Send lines. Raises `ClientDisconnect` when the caller takes nothing any more."""
        if lines:
            await self._sent({"type": "http.response.body", "body": lines, "more_body": True})

    async def end(self, kind: Literal["summary", "problem"], content: Mapping[str, Any]) -> None:
        """Send the last line."""
        body = line_of({"end": kind, **content})
        await self._sent({"type": "http.response.body", "body": body, "more_body": False})

    async def _sent(self, message: Message) -> None:
        sending = asyncio.ensure_future(self._send(message))
        try:
            while not sending.done():
                await asyncio.wait((sending,), timeout=TICK_S)
                if not sending.done() and self.activity.is_over:
                    abort(self._scope)
                    raise ClientDisconnect
            sending.result()
            self.activity.moves()
        finally:
            sending.cancel()


def abort(scope: Scope) -> None:
    """Close a connection at once, where the server lends the means."""
    extension = scope.get("extensions", {}).get(ABORT)
    if extension:
        extension["abort"]()


Write = Callable[[Writer], Awaitable[None]]


class Lines(Response):
    """An answer that `write` sends; `told` makes a problem of what it raises once it has begun."""

    media_type = NDJSON

    def __init__(
        self, request: Request, write: Write, told: Callable[[Exception, Request], Problem], idle_s: float
    ) -> None:
        super().__init__()
        self._request = request
        self._write = write
        self._told = told
        self._idle_s = idle_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it all."""
        writer = Writer(scope, send, Activity(self._idle_s))
        try:
            await self._write(writer)
        except Exception as error:
            if not writer.started:
                raise
            if isinstance(error, ClientDisconnect):
                self._request.state.outcome = CLIENT_GONE
            else:
                await self._end(writer, error)

    async def _end(self, writer: Writer, error: Exception) -> None:
        problem = self._told(error, self._request).model_dump(exclude_none=True)
        try:
            await writer.end("problem", {"problem": problem})
        except ClientDisconnect:
            return


def lines_of(documents: Iterable[Mapping[str, Any]]) -> bytes:
    """Documents, a line each."""
    return b"".join(map(line_of, documents))


def line_of(document: Mapping[str, Any]) -> bytes:
    """A document as a line."""
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
