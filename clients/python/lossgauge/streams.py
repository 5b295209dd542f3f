"""Items of any number, scored on their way: what is kept of them is what is in flight.

HTTP libraries send a request whole before they read its answer. So a stream of the client is many batches of some items, two of
them in flight at a time: one is made of the caller's items while the service works at the one before it.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

from lossgauge import wire
from lossgauge.batches import answer_to, items_of
from lossgauge.bodies import BodyKind, Document
from lossgauge.calls import Call
from lossgauge.errors import InvalidArgumentError
from lossgauge.results import FailedItem, Item, ScoredItem
from lossgauge.splitting import Cutter, Part, Piece
from lossgauge.spread import Spread
from lossgauge.wire import Limits

MOST_ITEMS = 64
MOST_BYTES = 2**24
"""Of a request, as far as one item does not take more alone."""
IN_FLIGHT = 2


@dataclass(frozen=True)
class Lot:
    """A request, and the items between its own that the client refused; without a request where there are only these."""

    part: Part | None
    refused: list[FailedItem] = field(default_factory=list)


class Lots:
    """Makes lots of items, in their order."""

    def __init__(self, asked: Document, kind: BodyKind, limits: Limits) -> None:
        most = {"items": min(limits.items, MOST_ITEMS), "body_bytes": min(limits.body_bytes, MOST_BYTES)}
        self._cutter = Cutter(asked, kind, limits, limits.model_copy(update=most))
        self._refused: list[FailedItem] = []

    def add(self, item: Any) -> list[Lot]:
        """The lots that are complete with this item."""
        lots = self._of(self._cutter.add(item))
        return lots + self.rest() if len(self._refused) >= MOST_ITEMS else lots

    def rest(self) -> list[Lot]:
        """What is not in a lot yet."""
        lots = self._of(self._cutter.rest())
        refused, self._refused = self._refused, []
        return [*lots, Lot(None, refused)] if refused else lots

    def _of(self, pieces: Iterable[Piece]) -> list[Lot]:
        lots = list[Lot]()
        for piece in pieces:
            if isinstance(piece, Part):
                lots.append(Lot(piece, self._refused))
                self._refused = []
            else:
                self._refused.append(piece)
        return lots


class Progress:
    """What has come of a stream: `requests`, and the summary of the items that were read, which are `count`.

    `semantics`, `asked` and `engine` are as in `BatchResult`; empty or None before the first answer.

    >>> Progress().summary, Progress().count
    ({}, 0)
    """

    def __init__(self) -> None:
        self.count = 0
        self.requests = 0
        self.semantics: wire.Semantics = {}
        self.asked: wire.Asked | None = None
        self.engine: wire.EngineInfo | None = None
        self.timing_ms: wire.Timings = {}
        self._spreads: dict[str, Spread] = {}
        self._only: wire.BatchResponse | None = None

    @property
    def summary(self) -> Mapping[str, wire.Summary]:
        """mean, std, counted and skipped of each metric; pooled where one request held all items, as in `BatchResult`."""
        return {key: self._summary(key, spread) for key, spread in self._spreads.items()}

    def _take(self, lot: Lot, response: httpx.Response | None) -> list[Item]:
        """The items of a lot, in their order, from the answer to its request."""
        items: list[Item] = [*lot.refused]
        if lot.part is not None and response is not None:
            answer = answer_to(lot.part, response)
            self._answered(answer)
            items += items_of(lot.part, answer)
        return sorted(items, key=lambda item: item.index)

    def _answered(self, answer: wire.BatchResponse) -> None:
        self.requests += 1
        self._only = answer if self.requests == 1 else None
        self.semantics, self.asked, self.engine = answer.semantics, answer.asked, answer.engine
        for step, time in answer.timing_ms.items():
            self.timing_ms[step] = self.timing_ms.get(step, 0.0) + time
        for key in answer.semantics:
            self._spreads.setdefault(key, Spread())

    def _read(self, item: Item) -> Item:
        """An item goes to the caller."""
        self.count += 1
        for key, spread in self._spreads.items() if isinstance(item, ScoredItem) else ():
            value = item.get(key)
            if value is not None:
                spread.add(value)
        return item

    def _check(self) -> None:
        if not self.count:
            raise InvalidArgumentError("a stream has at least one item", pointer="/items")

    def _summary(self, key: str, spread: Spread) -> wire.Summary:
        mean, std = spread.mean_and_std
        whole = self._only.summary[key] if self._only and len(self._only.items) == self.count else None
        pooled = whole.pooled if whole else None
        return wire.Summary(
            value=pooled if self.semantics[key].get("pooling") == "batch" else mean,
            mean=mean,
            std=std,
            pooled=pooled,
            pooled_undefined=whole.pooled_undefined if whole else "several_requests" if spread.counted else None,
            counted=spread.counted,
            skipped=self.count - spread.counted,
        )


class ScoreStream(Progress):
    """The answer to `Client.score_stream`: an iterator of its items, with the summary of those that were read.

    Close it, or leave its `with` block, to stop before the end.

    >>> stream = ScoreStream([], lambda: None, lambda call: None)
    >>> list(stream)
    Traceback (most recent call last):
    lossgauge.errors.InvalidArgumentError: /items: a stream has at least one item
    """

    def __init__(self, items: Iterable[Any], lots: Callable[[], Lots], send: Callable[[Call], httpx.Response]) -> None:
        super().__init__()
        self._scored = self._score(items, lots, send)

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        return next(self._scored)

    def close(self) -> None:
        """Send no more; what is in flight is waited for, and not read."""
        self._scored.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _score(
        self, items: Iterable[Any], lots: Callable[[], Lots], send: Callable[[Call], httpx.Response]
    ) -> Generator[Item, None, None]:
        flying: deque[tuple[Lot, Future[httpx.Response] | None]] = deque()
        with ThreadPoolExecutor(IN_FLIGHT, "lossgauge-stream") as pool:
            for lot in _lots_of(items, lots()):
                flying.append((lot, pool.submit(send, lot.part.call.kept()) if lot.part else None))
                if len(flying) == IN_FLIGHT:
                    yield from self._landed(*flying.popleft())
            while flying:
                yield from self._landed(*flying.popleft())
        self._check()

    def _landed(self, lot: Lot, answer: "Future[httpx.Response] | None") -> Iterator[Item]:
        for item in self._take(lot, answer.result() if answer else None):
            yield self._read(item)


class AsyncScoreStream(Progress):
    """The answer to `AsyncClient.score_stream`: `ScoreStream`, read by `async for`.

    >>> async def example(stream: AsyncScoreStream) -> None:
    ...     async for item in stream:
    ...         print(item.index, stream.summary["dice"].mean)
    """

    def __init__(
        self,
        items: Iterable[Any] | AsyncIterable[Any],
        lots: Callable[[], Awaitable[Lots]],
        send: Callable[[Call], Awaitable[httpx.Response]],
    ) -> None:
        super().__init__()
        self._scored = self._score(items, lots, send)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        return await anext(self._scored)

    async def close(self) -> None:
        """Send no more; what is in flight is given up."""
        await self._scored.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.close()

    async def _score(
        self,
        items: Iterable[Any] | AsyncIterable[Any],
        lots: Callable[[], Awaitable[Lots]],
        send: Callable[[Call], Awaitable[httpx.Response]],
    ) -> AsyncGenerator[Item, None]:
        flying: deque[tuple[Lot, asyncio.Future[httpx.Response] | None]] = deque()
        try:
            async with aclosing(_async_lots_of(items, await lots())) as made:
                async for lot in made:
                    flying.append((lot, asyncio.ensure_future(send(lot.part.call.kept())) if lot.part else None))
                    if len(flying) == IN_FLIGHT:
                        for item in await self._landed(flying):
                            yield self._read(item)
            while flying:
                for item in await self._landed(flying):
                    yield self._read(item)
        finally:
            for _, answer in flying:
                if answer is not None:
                    answer.cancel()
        self._check()

    async def _landed(self, flying: "deque[tuple[Lot, asyncio.Future[httpx.Response] | None]]") -> list[Item]:
        """The items of the oldest lot; it flies until its answer is there, so that it is given up with the others."""
        lot, answer = flying[0]
        response = await answer if answer else None
        flying.popleft()
        return self._take(lot, response)


def _lots_of(items: Iterable[Any], lots: Lots) -> Iterator[Lot]:
    for item in items:
        yield from lots.add(item)
    yield from lots.rest()


async def _async_lots_of(items: Iterable[Any] | AsyncIterable[Any], lots: Lots) -> AsyncGenerator[Lot, None]:
    async for item in items if isinstance(items, AsyncIterable) else _one_by_one(items):
        for lot in lots.add(item):
            yield lot
    for lot in lots.rest():
        yield lot


async def _one_by_one(items: Iterable[Any]) -> AsyncGenerator[Any, None]:
    for item in items:
        yield item
