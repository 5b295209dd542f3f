"""Answers that are taken: a large one goes no faster than its caller reads, and counts among what is held until it has gone.

What a caller does not read would wait in the server otherwise, beside the budget and for ever. Answers of lines have their own pace
(`lines.py`); what is small goes as it is.
"""

import asyncio
from collections.abc import Iterator

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lossgauge_service.admission import Admitted
from lossgauge_service.lines import abort
from lossgauge_service.problems import CLIENT_GONE
from lossgauge_service.service import Service

CHUNK = 2**16
"""Bytes that are sent at a time, as many as the server lets wait; an answer of no more is small."""


def hand_over(request: Request, admitted: Admitted) -> None:
    """Let a request that is answered be released once its answer has gone."""
    request.state.admitted = admitted


class Taken:
    """ASGI middleware: sends large answers in chunks, and closes the connection of a caller who takes none for `idle_s`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = Answer(scope, send)
        try:
            await self.app(scope, receive, answer.send)
        finally:
            answer.release()


class Answer:
    """An answer on its way out."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._in_lines = False

    async def send(self, message: Message) -> None:
        """Send what the application does, a large body in chunks."""
        is_whole = message["type"] == "http.response.body" and not self._in_lines
        self._in_lines |= message.get("more_body", False)
        if self._in_lines or not is_whole:
            await self._send(message)
        elif len(message.get("body", b"")) <= CHUNK:
            self.release()
            await self._send(message)
        else:
            await self._send_large(message["body"])

    def release(self) -> None:
        """Hold nothing any more."""
        if self._admitted is not None:
            self._admitted.release()

    @property
    def _admitted(self) -> Admitted | None:
        admitted: Admitted | None = self._scope["state"].get("admitted")
        return admitted

    async def _send_large(self, body: bytes) -> None:
        if self._admitted is not None:
            self._admitted.keep(len(body))
        service: Service = self._scope["app"].state.service
        try:
            for message in _in_chunks(body):
                async with asyncio.timeout(service.idle_s):
                    await self._send(message)
        except TimeoutError:
            self._scope["state"]["outcome"] = CLIENT_GONE
            abort(self._scope)
            await asyncio.sleep(0)  # in which the server learns of it


def _in_chunks(body: bytes) -> Iterator[Message]:
    """The last one is empty: it goes when those before it have."""
    for start in range(0, len(body), CHUNK):
        yield {"type": "http.response.body", "body": body[start : start + CHUNK], "more_body": True}
    yield {"type": "http.response.body", "body": b"", "more_body": False}
