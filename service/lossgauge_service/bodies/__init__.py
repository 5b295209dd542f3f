"""Bodies: from bytes as they arrive to the request's document and its attachments."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from lossgauge.wire import Limits
from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from lossgauge_service.bodies import json, multipart, safetensors
from lossgauge_service.bodies.arriving import MEDIA_TYPES, Arriving, Entry, Room
from lossgauge_service.bodies.envelope import UTF_8, Envelope, Parameters, Reader, check_charset
from lossgauge_service.bodies.inflate import CODINGS, inflated
from lossgauge_service.bodies.read import Hold, received
from lossgauge_service.errors import UnsupportedMediaType

__all__ = ["READERS", "Arriving", "Body", "Entry", "Envelope", "arriving", "opened", "receive"]

Kind = TypeVar("Kind")

READERS: dict[str, Reader] = {
    "application/json": json.read,
    "multipart/form-data": multipart.read,
    "application/x-safetensors": safetensors.read,
}


@dataclass(frozen=True)
class Body:
    """A whole body, still as it came."""

    content: bytearray
    reader: Reader
    parameters: Parameters
    coding: str | None


async def receive(request: Request, limits: Limits, hold: Hold, idle_s: float) -> Body:
    """Receive a body; its type and size are refused before it is read, and what `hold` refuses. Raises `Stalled` where it stops coming."""
    reader, parameters = _kind_of(request.headers.get("content-type", ""), READERS)
    coding = _coding_of(request.headers.get("content-encoding", ""))
    return Body(await received(request, limits.body_bytes, hold, idle_s), reader, parameters, coding)


def opened(body: Body, limits: Limits, hold: Hold) -> Envelope:
    """Inflate and read a body, of which nothing is kept that is not read later. Not for the event loop."""
    return body.reader(_content(body, limits, hold), body.parameters, limits)


def _content(body: Body, limits: Limits, hold: Hold) -> bytearray:
    if body.coding is None:
        return body.content
    content = inflated(body.content, body.coding, limits.inflated_bytes, hold)
    body.content.clear()
    return content


def arriving(request: Request, limits: Limits) -> Arriving:
    """What reads a stream's body while it comes; its type is refused before."""
    entries, parameters = _kind_of(request.headers.get("content-type", ""), MEDIA_TYPES)
    coding = _coding_of(request.headers.get("content-encoding", ""))
    return Arriving(entries(parameters, Room.of(limits, coding), limits), coding, limits.inflated_bytes)


def _kind_of(content_type: str, kinds: Mapping[str, Kind]) -> tuple[Kind, Parameters]:
    media_type, parameters = parse_options_header(content_type)
    kind = kinds.get(media_type.decode("latin-1"))
    if kind is None:
        found = f"found {content_type[:80]!r}" if content_type else "there is none"
        raise UnsupportedMediaType(f"Content-Type must be one of {', '.join(kinds)}; {found}")
    told = {key.decode("latin-1"): value.decode("latin-1") for key, value in parameters.items()}
    check_charset(told.get("charset", UTF_8))
    return kind, told


def _coding_of(content_encoding: str) -> str | None:
    coding = content_encoding.strip().lower()
    if coding in ("", "identity"):
        return None
    if coding not in CODINGS:
        raise UnsupportedMediaType(
            f"Content-Encoding must be one of identity, {', '.join(CODINGS)}, once; found {content_encoding[:80]!r}"
        )
    return coding
