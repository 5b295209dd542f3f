"""Bodies that lie where the socket writes them: no copy is made on the way, and none of the server's own buffers is in between.

While such a body comes, its connection has another protocol, which gives the socket the room that is left. The HTTP parser sees
nothing of it: it starts anew behind the body.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

INTO = "lossgauge.into"
"""The ASGI extension under which the server's protocol writes a body whose length is told into a buffer."""
Moved = Callable[[int], None]
"""Told of bytes that have come."""


class Fill(Protocol):
    """Has a body written into the room, which is as long; the bytes that came, all of them or until the caller hung up.

    Raises `TimeoutError` where nothing comes for `idle_s`.
    """

    def __call__(self, room: memoryview, idle_s: float, moved: Moved = ...) -> Awaitable[int]: ...


def unheard(size: int) -> None:
    """Tell nobody."""


class Filling(asyncio.BufferedProtocol):
    """Takes the place of a connection's protocol until the room is full; then `pause` has the connection read no more."""

    def __init__(self, owner: asyncio.Protocol, room: memoryview, moved: Moved, pause: Callable[[], None]) -> None:
        self.filled = 0
        self._owner = owner
        self._room = room
        self._tell = moved
        self._pause = pause
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._over = self._loop.create_future()

    @property
    def missing(self) -> int:
        """The bytes that have not come."""
        return len(self._room) - self.filled

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes belong."""
        return self._room[self.filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """So many came."""
        self.filled += nbytes
        self._last = self._loop.time()
        self._tell(nbytes)
        if not self.missing:
            self._pause()
            self._end()

    def eof_received(self) -> bool | None:
        """The caller sends no more."""
        return self._owner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """It hung up."""
        self._owner.connection_lost(exc)
        self._end()

    def pause_writing(self) -> None:
        """The caller reads too slowly."""
        self._owner.pause_writing()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._owner.resume_writing()

    async def over(self, idle_s: float) -> None:
        """The room is full, or nobody fills it any more. Raises `TimeoutError`."""
        while not self._over.done():
            left = self._last + idle_s - self._loop.time()
            if left <= 0:
                raise TimeoutError
            await asyncio.wait((self._over,), timeout=left)

    def let_go(self) -> None:
        """Keep no part of the room, whose owner may want to change its length."""
        self._room.release()

    def _end(self) -> None:
        if not self._over.done():
            self._over.set_result(None)
