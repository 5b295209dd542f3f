"""Receiving a body into one buffer."""

import asyncio
from collections.abc import Callable

from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from lossgauge_service.errors import BodyTooLarge, Malformed, Stalled
from lossgauge_service.filling import INTO, Fill
from lossgauge_service.heap import untouched

LONG = 2**16
"""Bytes of a body that is worth a buffer of its own; a shorter one comes in one piece or two."""
Hold = Callable[[int], None]
"""Told of bytes before they take memory; it may refuse them."""


async def received(request: Request, cap: int, hold: Hold, idle_s: float) -> bytearray:
    """The body as it arrives, at most `cap` bytes, and something of it every `idle_s`. What is announced is held at once.

    Where its length is told, the socket writes it into one buffer, of which no more takes memory than has come. Else one buffer
    grows in place.
    """
    announced = _announced_length(request, cap)
    held = announced or 0
    hold(held)
    fill: Fill | None = request.scope.get("extensions", {}).get(INTO)
    if fill is not None and held >= LONG:
        return await _filled(fill, held, idle_s)
    body = bytearray()
    more = True
    while more:
        message = await _next(request, idle_s)
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > cap:
            raise _too_large(f"more than {cap} bytes", cap)
        hold(max(0, len(body) - held))
        held = max(held, len(body))
        more = message.get("more_body", False)
    if announced is not None and announced != len(body):
        raise Malformed(f"Content-Length says {announced} bytes, but {len(body)} came")
    return body


async def _filled(fill: Fill, length: int, idle_s: float) -> bytearray:
    """A body whose length is told, written by the socket where it lies."""
    body = untouched(length)
    with memoryview(body) as room:
        try:
            came = await fill(room, idle_s)
        except TimeoutError:
            raise _stalled(idle_s) from None
    if came < length:
        raise ClientDisconnect
    return body


async def _next(request: Request, idle_s: float) -> Message:
    try:
        async with asyncio.timeout(idle_s):
            return await request.receive()
    except TimeoutError:
        raise _stalled(idle_s) from None


def _stalled(idle_s: float) -> Stalled:
    return Stalled(f"nothing of the body came for {idle_s:g} s")


def _announced_length(request: Request, cap: int) -> int | None:
    value = request.headers.get("content-length")
    if value is None:
        return None
    if not (value.isascii() and value.isdigit()):
        raise Malformed(f"Content-Length must be a number of bytes; found {value[:40]!r}")
    if len(value) > len(str(cap)) + 40 or int(value) > cap:
        raise _too_large(f"{value[:40]} bytes", cap)
    return int(value)


def _too_large(found: str, cap: int) -> BodyTooLarge:
    return BodyTooLarge(f"the body has {found}; at most {cap} are allowed", limit="body_bytes")
