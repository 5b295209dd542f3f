"""What every body becomes: the request's document, and the arrays that came beside it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lossgauge.encodings.base import Attachments
from lossgauge.wire import Limits

from lossgauge_service.errors import UnsupportedMediaType

UTF_8 = "utf-8"


@dataclass(frozen=True)
class Envelope:
    """A request's JSON document and its attachments by name."""

    document: dict[str, Any]
    attachments: Attachments = field(default_factory=dict)


Parameters = Mapping[str, str]
Reader = Callable[[bytearray, Parameters, Limits], Envelope]
"""Reads a body, given its media type's parameters."""


def check_charset(charset: str) -> None:
    """Refuse another charset than that of JSON."""
    if charset.lower() != UTF_8:
        raise UnsupportedMediaType(f"the charset of Content-Type must be {UTF_8}; found {charset[:80]!r}")
