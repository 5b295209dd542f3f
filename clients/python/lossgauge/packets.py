"""A body on its way, in packets: who is given all at once copies what is left of it each time that some of it is sent."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

PACKET = 2**18


@dataclass(frozen=True)
class Packets:
    """A body, packet by packet; from its beginning each time, so that it can be sent again."""

    content: bytes

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self.content), PACKET):
            yield self.content[start : start + PACKET]


@dataclass(frozen=True)
class AsyncPackets:
    """The same, for an asynchronous sender."""

    content: bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for packet in Packets(self.content):
            yield packet
