"""What the caller of a stream sends, read no faster than it is asked for."""

import asyncio
import time
from collections.abc import Callable, Iterator

from anyio.to_thread import run_sync
from starlette.requests import ClientDisconnect

from lossgauge_service.bodies import Arriving, Entry
from lossgauge_service.errors import Draining, Malformed, Stalled
from lossgauge_service.lines import TICK_S, Activity
from lossgauge_service.visits import Visit

RETRY_WHEN_DRAINING_S = 1
Steps = Iterator[list[Entry]]


class Incoming:
    """The entries of a stream, a piece's at a time. What is kept of them is held by the visit."""

    def __init__(self, visit: Visit, arriving: Arriving, activity: Activity) -> None:
        self._visit = visit
        self._arriving = arriving
        self._activity = activity
        self._rest: list[Entry] = []
        self._steps: Steps = iter(())
        self._is_whole = False
        self._since = time.monotonic()
        self.owes: Callable[[], bool] = lambda: False
        """Whether the caller waits for the service."""

    async def question(self) -> Entry:
        """The first entry. Raises `Malformed` where there is none."""
        while (entries := await self.more()) is not None:
            if entries:
                first, *self._rest = entries
                return first
        raise Malformed("the body is empty; a stream begins with its question")

    async def more(self) -> list[Entry] | None:
        """The entries that end in the next piece, which may be none; None after the last."""
        if self._rest:
            rest, self._rest = self._rest, []
            return rest
        found = await self._step()
        if found is None and not self._is_whole:
            self._steps = await self._next_steps()
            return []
        return found

    async def _next_steps(self) -> Steps:
        body, self._is_whole = await self._chunk()
        return self._ending(body) if self._is_whole else self._arriving.fed(body)

    def _ending(self, body: bytes) -> Steps:
        yield from self._arriving.fed(body)
        yield from self._arriving.ended()

    async def _step(self) -> list[Entry] | None:
        before = self._arriving.pending
        found = await run_sync(next, self._steps, None, limiter=self._visit.service.decoders)
        if found is not None:
            await self._hold(sum(entry.size for entry in found) + self._arriving.pending - before)
        if found or not self._arriving.pending:
            self._since = time.monotonic()
        return found

    async def _hold(self, grown: int) -> None:
        if grown > 0:
            await self._visit.admitted.room(time.monotonic() + self._visit.seconds, bytes=grown)
        else:
            self._visit.admitted.let_go(bytes=-grown)

    async def _chunk(self) -> tuple[bytes, bool]:
        """The next bytes, and whether they are the last."""
        started = time.monotonic()
        receiving = asyncio.ensure_future(self._visit.request.receive())
        try:
            while not (await asyncio.wait((receiving,), timeout=TICK_S))[0]:
                self._check()
                if self._activity.is_over and not self.owes():
                    raise Stalled(f"nothing came for {self._visit.service.idle_s:g} s")
        finally:
            self._visit.watch.spend("receive", time.monotonic() - started)
            receiving.cancel()
        message = receiving.result()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        self._check()
        self._activity.moves()
        return message.get("body", b""), not message.get("more_body", False)

    def _check(self) -> None:
        """Raise what ends the reading."""
        if self._visit.service.admission.draining:
            stopped = "the service is being stopped; it has read no item beyond those that are told"
            raise Draining(stopped, retry_after=RETRY_WHEN_DRAINING_S)
        if self._arriving.pending and time.monotonic() - self._since > self._visit.seconds:
            raise Stalled(f"one item, or the question, was still coming after {self._visit.seconds:g} s")
