"""The keys of requests, checked before anything of their body is read."""

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lossgauge_service.access import needed
from lossgauge_service.errors import Forbidden, LossgaugeError, Unauthorized
from lossgauge_service.keyring import Keyring
from lossgauge_service.problems import Problems

HEADER = "X-API-Key"
BEARER = re.compile(r"bearer +(.*)", re.IGNORECASE)
CHALLENGE = 'Bearer realm="lossgauge"'
SKIPPED_BYTES, SKIPPED_S = 2**20, 1.0
"""Of the body of a request that is refused: more is not even taken off the network."""

HOW = f"`Authorization: Bearer KEY` or `{HEADER}: KEY`"


@dataclass(frozen=True)
class Refusal:
    """Why a request goes no further, and what the header says of it."""

    error: LossgaugeError
    challenge: str = CHALLENGE


class Guard:
    """ASGI middleware: whoever has no key, or one that may not, gets a problem; the application hears nothing of it."""

    def __init__(self, app: ASGIApp, keyring: Keyring, problems: Problems) -> None:
        self.app = app
        self.keyring = keyring
        self.problems = problems

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        refusal = None if scope["type"] == "lifespan" else self._refusal(scope)
        if refusal is None:
            await self.app(scope, receive, send)
            return
        answer = await self._answer(Request(scope), refusal)
        if not _is_long(Headers(scope=scope)):
            await answer(scope, receive, send)
            return
        answer.headers["Connection"] = "close"
        await answer(scope, receive, partial(_hanging_up, receive, send))

    def _refusal(self, scope: Scope) -> Refusal | None:
        asked = needed(scope["method"], scope["path"])
        if asked is None:
            return None
        shown = _shown(Headers(scope=scope))
        if len(shown) != 1:
            # which of two is meant is not for us to say
            return Refusal(Unauthorized(f"one key is needed; {_counted(len(shown))} sent: {HOW}"))
        key = self.keyring.holder(shown[0])
        if key is None:
            unknown = Unauthorized("the key that was sent is not one of this service's")
            return Refusal(unknown, f'{CHALLENGE}, error="invalid_token"')
        if not key.allows(asked):
            wrong = Forbidden(f"this needs a key of scope {asked}; that of {key.name!r} is {key.scope}")
            return Refusal(wrong, f'{CHALLENGE}, error="insufficient_scope", scope="{asked}"')
        return None

    async def _answer(self, request: Request, refusal: Refusal) -> Response:
        answer = await self.problems.on_error(request, refusal.error)
        answer.headers["WWW-Authenticate"] = refusal.challenge
        return answer


def _counted(keys: int) -> str:
    return f"{keys} were" if keys else "none was"


def _shown(headers: Headers) -> list[bytes]:
    """Every key that a request shows; a scheme other than ours, such as a proxy's own, shows none."""
    bearers = [BEARER.fullmatch(value) for value in headers.getlist("Authorization")]
    keys = [*headers.getlist(HEADER), *(bearer[1] for bearer in bearers if bearer)]
    return [key.encode("latin-1") for key in keys]


def _is_long(headers: Headers) -> bool:
    """Whether a body comes that is not worth its end: else the server skips it, and the connection serves again."""
    length = headers.get("content-length", "0")
    return "transfer-encoding" in headers or not (length.isdecimal() and int(length) <= SKIPPED_BYTES)


async def _hanging_up(receive: Receive, send: Send, message: Message) -> None:
    """Send an answer that ends the connection, then wait a little: a reset would take it from who still sends (RFC 9112, 9.6)."""
    ends = message["type"] == "http.response.body"
    await send({**message, "more_body": True} if ends else message)
    if ends:
        with suppress(TimeoutError):
            async with asyncio.timeout(SKIPPED_S):
                await _skip(receive)
        await send({"type": "http.response.body"})


async def _skip(receive: Receive) -> None:
    """Take what comes and forget it: little of it."""
    left, more = SKIPPED_BYTES, True
    while more and left > 0:
        message = await receive()
        left -= len(message.get("body", b""))
        more = message.get("more_body", False)
