"""A stream on its way: read, scored and written at the same time, in the order of its items, and never much of it at once.

Some items are in flight: read, and not yet told. Their lines wait in a backlog for the caller to take them. Where either is full no
more is read, and the caller's own writing comes to a halt.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar, TypeVarTuple

from anyio.to_thread import run_sync
from lossgauge.wire import StreamRequest

from lossgauge_service.answers import tail
from lossgauge_service.batching import Ticket
from lossgauge_service.bodies import Entry
from lossgauge_service.bodies.json import document_of
from lossgauge_service.decoding import Decoder, Item
from lossgauge_service.errors import LossgaugeError, Malformed
from lossgauge_service.lines import Writer, lines_of
from lossgauge_service.outcomes import Outcomes
from lossgauge_service.plan import Plan
from lossgauge_service.routes.incoming import Incoming
from lossgauge_service.routes.told_items import Job, Result, Told, outcomes_of
from lossgauge_service.tally import Share, Tally, share_of
from lossgauge_service.visits import Visit, while_present

HANDFUL = 16
"""Items that are decoded and told together, where so many have come."""
MOST_ITEMS = 64
MOST_BYTES = 2**26
"""Of what is in flight; one item alone may have more."""
MOST_BACKLOG = 2**25
"""Bytes of lines that wait for the caller."""
PACKET = 2**18

Made = TypeVar("Made")
Given = TypeVarTuple("Given")


@dataclass(frozen=True)
class Handful:
    """Some items that follow each other."""

    entries: Sequence[Entry]
    first: int
    deadline: float

    @property
    def size(self) -> int:
        """Bytes that came for them."""
        return sum(entry.size for entry in self.entries)


@dataclass(frozen=True)
class Done:
    """Some items, scored: their lines, what they add to the summary, and what was in flight of them."""

    lines: bytes
    share: Share
    outcomes: Sequence[str]
    size: int

    @property
    def items(self) -> int:
        """How many they are."""
        return len(self.outcomes)


class Backlog:
    """Lines that wait for the caller, and how they end: well, or with an error."""

    def __init__(self) -> None:
        self._lots: deque[bytes] = deque()
        self._end: list[Exception | None] = []
        self._changed = asyncio.Condition()
        self.size = 0

    async def put(self, lines: bytes) -> None:
        """Let lines wait, as soon as there is room for them."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.size < MOST_BACKLOG)
            self._lots.append(lines)
            self.size += len(lines)
            self._changed.notify_all()

    async def end(self, error: Exception | None) -> None:
        """No more lines come."""
        async with self._changed:
            self._end.append(error)
            self._changed.notify_all()

    async def take(self) -> bytes | None:
        """The next lines; None at the end. Raises the error that they end with."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._lots or self._end)
            if not self._lots:
                self._check_end()
                return None
            taken = b"".join(self._packet())
            self.size -= len(taken)
            self._changed.notify_all()
            return taken

    def _packet(self) -> Iterator[bytes]:
        size = 0
        while self._lots and size < PACKET:
            size += len(self._lots[0])
            yield self._lots.popleft()

    def _check_end(self) -> None:
        [error] = self._end
        if error is not None:
            raise error


class Flow:
    """One stream, after its question."""

    def __init__(self, visit: Visit, asked: StreamRequest, plan: Plan, incoming: Incoming, writer: Writer) -> None:
        self._visit = visit
        self._asked = asked
        self._plan = plan
        self._incoming = incoming
        self._writer = writer
        self._tally = Tally(plan)
        self._backlog = Backlog()
        self._queue: asyncio.Queue[asyncio.Task[Done] | LossgaugeError | None] = asyncio.Queue()
        self._scoring: set[asyncio.Task[Done]] = set()
        self._items = self._size = self._count = 0
        self._changed = asyncio.Condition()
        incoming.owes = lambda: self._items > 0 or self._backlog.size > 0

    async def run(self) -> None:
        """All of it. Raises what ends it early, once what was scored before is told; `ClientDisconnect` at once."""
        reading, telling = asyncio.create_task(self._read()), asyncio.create_task(self._tell())
        writing = asyncio.create_task(self._write())
        try:
            await asyncio.wait((reading, writing), return_when=asyncio.FIRST_COMPLETED)
            (writing if writing.done() else reading).result()
        finally:
            await _cancelled(reading, telling, writing)
            await _cancelled(*self._scoring)

    # ------------------------------------------------------------------------------------------------------------- reading

    async def _read(self) -> None:
        self._queue.put_nowait(await self._read_to_the_end())
        await while_present(self._visit.request, asyncio.Event().wait())

    async def _read_to_the_end(self) -> LossgaugeError | None:
        try:
            while (entries := await self._incoming.more()) is not None:
                for start in range(0, len(entries), HANDFUL):
                    await self._take(entries[start : start + HANDFUL])
        except LossgaugeError as error:
            return error
        return None if self._count else Malformed("no item follows the question")

    async def _take(self, entries: Sequence[Entry]) -> None:
        async with self._changed:
            await self._changed.wait_for(self._has_room)
        handful = Handful(entries, self._count, time.monotonic() + self._visit.seconds)
        await self._visit.admitted.room(handful.deadline, pairs=len(entries))
        self._count += len(entries)
        self._items += len(entries)
        self._size += handful.size
        task = asyncio.create_task(self._scored(handful))
        self._scoring.add(task)
        task.add_done_callback(self._scoring.discard)
        self._queue.put_nowait(task)

    def _has_room(self) -> bool:
        return self._items == 0 or (self._items < MOST_ITEMS and self._size < MOST_BYTES)

    # ------------------------------------------------------------------------------------------------------------- scoring

    async def _scored(self, handful: Handful) -> Done:
        started = time.monotonic()
        job = await run_sync(self._decoded, handful, limiter=self._visit.service.decoders)
        self._visit.watch.spend("decode", time.monotonic() - started)
        held = sum(sample.nbytes for sample in job.samples)
        await self._visit.admitted.room(handful.deadline, bytes=held)
        outcomes = await self._computed(job, handful.deadline)
        told = Told(job, self._visit.service.problems)
        results, share = await self._timed("compute", self._found, told, outcomes)
        lines = await self._timed("encode", self._encoded, told, results)
        # what is held of them from now on is their lines
        self._visit.admitted.let_go(bytes=handful.size + held - len(lines), pairs=len(job.items))
        return Done(lines, share, list(outcomes_of(results)), handful.size)

    async def _timed(self, step: str, work: Callable[[*Given], Made], *given: *Given) -> Made:
        started = time.monotonic()
        made = await run_sync(work, *given)
        self._visit.watch.spend(step, time.monotonic() - started)
        return made

    def _decoded(self, handful: Handful) -> Job:
        items = [self._item(entry, f"/items/{index}") for index, entry in enumerate(handful.entries, handful.first)]
        return Job(self._asked, self._plan, items, handful.first)

    def _item(self, entry: Entry, at: str) -> Item:
        service = self._visit.service
        try:
            if entry.error is not None:
                raise entry.error
            document = document_of(entry.document, service.limits, "the item")
        except LossgaugeError as error:
            return Item(None, type(error)(error.detail, pointer=at, **error.extras), at)
        return Decoder(entry.attachments, service.caps, service.limits).item(self._asked, document, at)

    async def _computed(self, job: Job, deadline: float) -> Outcomes:
        queued = [time.monotonic()]
        ticket = Ticket(deadline, lambda: queued.append(time.monotonic()), self._visit.account.trace)
        outcomes = await self._visit.service.batcher.run(self._plan, job.samples, ticket)
        self._visit.watch.spend("queue", queued[-1] - queued[0])
        self._visit.watch.spend("compute", time.monotonic() - queued[-1])
        return outcomes

    def _found(self, told: Told, outcomes: Outcomes) -> tuple[list[Result], Share]:
        results = told.find(outcomes)
        return results, share_of(self._plan, told.scores, told.groups)

    def _encoded(self, told: Told, results: Sequence[Result]) -> bytes:
        return lines_of(told.documents(results))

    # ------------------------------------------------------------------------------------------------------------- telling

    async def _tell(self) -> None:
        try:
            await self._backlog.end(await self._tell_to_the_end())
        except Exception as error:
            await self._backlog.end(error)

    async def _tell_to_the_end(self) -> LossgaugeError | None:
        while isinstance(task := await self._queue.get(), asyncio.Task):
            done = await task
            await run_sync(self._tally.add, done.share)
            await self._backlog.put(done.lines)
            self._visit.account.decided(done.outcomes)
            async with self._changed:
                self._items -= done.items
                self._size -= done.size
                self._changed.notify_all()
        return task

    async def _write(self) -> None:
        await self._writer.start()
        while (lines := await self._backlog.take()) is not None:
            await self._writer.write(lines)
            self._visit.admitted.let_go(bytes=len(lines))
        summary = await run_sync(self._tally.summary)
        content = {"summary": {key: one.model_dump() for key, one in summary.items()}}
        about = tail(self._asked, self._plan, self._visit.service.engine.info)
        await self._writer.end("summary", {**content, **about, "timing_ms": self._visit.watch.times()})


async def _cancelled(*tasks: "asyncio.Task[object]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
