"""A body on its way: pieces that lie where they are, sent in packets.

Who is given all at once copies what is left of it each time that some of it is sent.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

PACKET = 2**18

Stretch = bytes | memoryview
"""Some bytes of a body: of an array those that it has, with no copy."""


@dataclass(frozen=True)
class Packets:
    """A body, packet by packet; from its beginning each time, so that it can be sent again."""

    pieces: Sequence[Stretch]

    def __iter__(self) -> Iterator[bytes]:
        waiting, size = list[memoryview](), 0
        for piece in self.pieces:
            left = memoryview(piece)
            while left:
                waiting.append(left[: PACKET - size])
                left = left[PACKET - size :]
                size += len(waiting[-1])
                if size == PACKET:
                    yield _packet(waiting)
                    waiting, size = [], 0
        if waiting:
            yield _packet(waiting)


def _packet(pieces: Sequence[memoryview]) -> bytes:
    """As bytes, or what is sent as if it were."""
    return cast(bytes, pieces[0]) if len(pieces) == 1 else b"".join(pieces)


@dataclass(frozen=True)
class AsyncPackets:
    """The same, for an asynchronous sender."""

    pieces: Sequence[Stretch]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for packet in Packets(self.pieces):
            yield packet
