"""A stream's body, read as far as it has come: the question first, then what came for each item.

No cap is on the whole: an item has those of a body. What is kept is one item that is still coming, and nothing of one that
goes over a cap.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from lossgauge.encodings.base import Attachments, Part
from lossgauge.wire import Limits
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, MultipartState

from lossgauge_service.bodies.envelope import Parameters, check_charset
from lossgauge_service.bodies.inflate import PIECE, Inflating
from lossgauge_service.bodies.multipart import DOCUMENT, boundary_of, charset_of, media_type_of, name_of
from lossgauge_service.errors import BodyTooLarge, LimitExceeded, LossgaugeError, Malformed

ITEM = "item"
MOST_RATIO = 1000
"""Bytes that a byte of a compressed stream may inflate to, on the average, beyond what one body may."""


@dataclass(frozen=True)
class Entry:
    """What came for the question or for an item: its JSON and its attachments, or why they are not kept."""

    document: bytes | bytearray
    attachments: Attachments = field(default_factory=dict)
    size: int = 0
    error: LossgaugeError | None = None


class Entries(Protocol):
    """Finds entries in a body that comes in pieces."""

    @property
    def pending(self) -> int:
        """Bytes that are kept of the entry that is still coming."""

    @property
    def broken(self) -> LossgaugeError | None:
        """Why nothing more can be read."""

    def feed(self, piece: bytes) -> list[Entry]:
        """The entries that end in the next piece, as far as it can be read."""

    def end(self) -> list[Entry]:
        """The entry that ends with the body. Raises `Malformed` where the body is cut off."""


@dataclass(frozen=True)
class Room:
    """What one entry may take: bytes, as the cap `limit` says, and of the first one, the question, those of a document."""

    most: int
    limit: str
    first: int

    @classmethod
    def of(cls, limits: Limits, coding: str | None) -> "Room":
        """That of a stream under a content coding."""
        limit = "inflated_bytes" if coding else "body_bytes"
        return cls(getattr(limits, limit), limit, limits.document_bytes)

    def excess(self, size: int, is_first: bool) -> BodyTooLarge | None:
        """The error of an entry of more bytes than it may have."""
        most, limit, what = (self.first, "document_bytes", "question") if is_first else (self.most, self.limit, "item")
        return BodyTooLarge(f"the {what} has more than {most} bytes", limit=limit) if size > most else None


class Lines:
    """NDJSON: an entry a line; empty lines are nothing."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._line = bytearray()
        self._is_first = True
        self._skips = False

    @property
    def pending(self) -> int:
        return len(self._line)

    @property
    def broken(self) -> LossgaugeError | None:
        return None

    def feed(self, piece: bytes) -> list[Entry]:
        *ended, rest = piece.split(b"\n")
        found = list[Entry]()
        for part in ended:
            found += [*self._goes_on(part), *self._ends()]
        return found + self._goes_on(rest)

    def end(self) -> list[Entry]:
        return self._ends()

    def _goes_on(self, part: bytes) -> list[Entry]:
        if self._skips:
            return []
        excess = self._room.excess(len(self._line) + len(part), self._is_first)
        if excess is None:
            self._line += part
            return []
        self._line, self._skips, self._is_first = bytearray(), True, False
        return [Entry(b"", error=excess)]

    def _ends(self) -> list[Entry]:
        line, self._line, self._skips = self._line, bytearray(), False
        if not line.strip():
            return []
        self._is_first = False
        return [Entry(line, size=len(line))]


class Parts:
    """multipart/form-data: the part `request` first, then of each item its arrays' parts and after them its part `item`."""

    def __init__(self, boundary: str, room: Room, most_parts: int) -> None:
        self._room = room
        self._most_parts = most_parts
        self._found: list[Entry] = []
        self._parts: dict[str, Part] = {}
        self._kept = 0
        self._error: LossgaugeError | None = None
        self._is_first = True
        self._headers: dict[str, bytes] = {}
        self._header, self._value = b"", b""
        self._name, self._media_type = "", ""
        self._content = bytearray()
        self._broken: LossgaugeError | None = None
        with _as_malformed():
            self._parser = MultipartParser(boundary, self._callbacks())  # type: ignore[arg-type]

    @property
    def pending(self) -> int:
        return self._kept

    @property
    def broken(self) -> LossgaugeError | None:
        return self._broken

    def feed(self, piece: bytes) -> list[Entry]:
        try:
            with _as_malformed():
                self._parser.write(piece)
        except LossgaugeError as broken:
            self._broken = broken
        found, self._found = self._found, []
        return found

    def end(self) -> list[Entry]:
        if self._parser.state != MultipartState.END:
            raise Malformed("the multipart body is cut off: its closing boundary is missing")
        if self._parts or self._error:
            raise Malformed(f"the body ends with parts of an item that has no part {ITEM!r}")
        return []

    def _callbacks(self) -> dict[str, Callable[..., None]]:
        return {
            "on_part_begin": self._headers.clear,
            "on_header_begin": self._header_begins,
            "on_header_field": self._header_goes_on,
            "on_header_value": self._value_goes_on,
            "on_header_end": self._header_ends,
            "on_headers_finished": self._part_begins,
            "on_part_data": self._part_goes_on,
            "on_part_end": self._part_ends,
        }

    def _header_begins(self) -> None:
        self._header, self._value = b"", b""

    def _header_goes_on(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _value_goes_on(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_ends(self) -> None:
        self._headers[self._header.decode("latin-1").lower()] = self._value

    def _part_begins(self) -> None:
        self._name, self._media_type = name_of(self._headers), media_type_of(self._headers)
        self._content = bytearray()
        if self._name in (DOCUMENT, ITEM):
            check_charset(charset_of(self._media_type))
        if self._is_first != (self._name == DOCUMENT):
            raise Malformed(f"the first part, and no other, is {DOCUMENT!r}; found {self._name[:40]!r}")
        if self._name in self._parts:
            self._refuse(Malformed(f"two parts of an item are named {self._name[:40]!r}"))
        if len(self._parts) >= self._most_parts:
            self._refuse(LimitExceeded(f"an item has more than {self._most_parts} parts", limit="parts"))

    def _part_goes_on(self, data: bytes, start: int, end: int) -> None:
        excess = self._room.excess(self._kept + end - start, self._is_first)
        if excess:
            self._refuse(excess)
        if self._error is None:
            self._content += data[start:end]
            self._kept += end - start

    def _part_ends(self) -> None:
        if self._name not in (DOCUMENT, ITEM):
            if self._error is None:
                self._parts[self._name] = Part(self._media_type, self._content)
            return
        entry = Entry(self._content, self._parts, self._kept) if self._error is None else Entry(b"", error=self._error)
        self._found.append(entry)
        self._parts, self._kept, self._error, self._is_first = {}, 0, None, False

    def _refuse(self, error: LossgaugeError) -> None:
        """Keep nothing of the entry that is coming, but why."""
        self._error = self._error or error
        self._parts, self._kept, self._content = {}, 0, bytearray()


@contextmanager
def _as_malformed() -> Iterator[None]:
    """What the parser refuses is malformed."""
    try:
        yield
    except FormParserError as broken:
        raise Malformed(f"the multipart body is broken: {broken}") from None


MEDIA_TYPES: dict[str, Callable[[Parameters, Room, Limits], Entries]] = {
    "application/x-ndjson": lambda parameters, room, limits: Lines(room),
    "multipart/form-data": lambda parameters, room, limits: Parts(boundary_of(parameters), room, limits.parts),
}


class Arriving:
    """The body of a stream: bytes go in as they come, entries come out."""

    def __init__(self, entries: Entries, coding: str | None, most: int) -> None:
        self._entries = entries
        self._inflating = Inflating(coding) if coding else None
        self._most = most

    @property
    def pending(self) -> int:
        """Bytes that are kept of the entry that is still coming."""
        return self._entries.pending

    def fed(self, chunk: bytes) -> Iterator[list[Entry]]:
        """The entries that end in the next bytes, a piece at a time. Not for the event loop."""
        self._most += MOST_RATIO * len(chunk)
        for piece in self._inflating.pieces(chunk) if self._inflating else _pieces(chunk):
            self._most -= len(piece)
            if self._inflating and self._most < 0:
                raise BodyTooLarge(
                    f"the stream inflates to more than {MOST_RATIO} times what came", limit="inflated_bytes"
                )
            yield self._entries.feed(piece)
            if self._entries.broken:
                raise self._entries.broken

    def ended(self) -> Iterator[list[Entry]]:
        """The entries that end with the body."""
        if self._inflating:
            self._inflating.end()
        yield self._entries.end()


def _pieces(chunk: bytes) -> Iterator[bytes]:
    for start in range(0, len(chunk), PIECE):
        yield chunk[start : start + PIECE]
