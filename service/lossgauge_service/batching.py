"""The one consumer that owns the device: requests queue for it, in order."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from lossgauge_service.engine import Engine
from lossgauge_service.engine.pieces import Pieces, next_piece
from lossgauge_service.outcomes import Outcomes
from lossgauge_service.plan import Plan
from lossgauge_service.samples import Sample

Found = TypeVar("Found")


class Batcher:
    """Runs plans on the engine, one after the other, off the event loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._consumer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine")

    async def warm_up(self) -> None:
        """Have every kernel ready, on the consumer's own thread."""
        await asyncio.get_running_loop().run_in_executor(self._consumer, self._engine.warm_up)

    async def run(self, plan: Plan, samples: Sequence[Sample], on_start: Callable[[], None] = lambda: None) -> Outcomes:
        """The sums of the samples; `on_start` is called when they leave the queue."""
        if not samples:
            return Outcomes(0, (), {})
        return await asyncio.get_running_loop().run_in_executor(self._consumer, self._run, plan, samples, on_start)

    def _run(self, plan: Plan, samples: Sequence[Sample], on_start: Callable[[], None]) -> Outcomes:
        on_start()
        return self._engine.run(plan, samples)

    async def call(self, work: Callable[[Engine], Found], on_start: Callable[[], None] = lambda: None) -> Found:
        """What any other work finds on the engine, in its turn; `on_start` is called when it leaves the queue."""
        return await asyncio.get_running_loop().run_in_executor(self._consumer, self._call, work, on_start)

    def _call(self, work: Callable[[Engine], Found], on_start: Callable[[], None]) -> Found:
        on_start()
        return work(self._engine)

    async def in_turns(self, work: Pieces[Found], on_start: Callable[[], None] = lambda: None) -> Found:
        """What long work finds, a piece a turn: between two of them others have theirs. `on_start` as in `call`."""
        await self.call(lambda _: None, on_start)
        while (end := await self.call(lambda _: next_piece(work))) is None:
            pass
        return end.found

    def close(self) -> None:
        """Finish what runs, drop what waits."""
        self._consumer.shutdown(wait=True, cancel_futures=True)
