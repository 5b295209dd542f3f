"""The one consumer that owns the device.

A request becomes jobs of a bounded cost; jobs wait in one queue (`waiting.py`). One thread draws a batch and lays it out while the
other computes the one before it, and where that one has nothing to do it draws for itself: there is no timer, and never more than
one batch that is staged. Jobs of several requests share a launch where they sum the same statistics of the same kinds of samples;
what a score is does not depend on it.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Condition, Thread
from typing import Any, Literal, TypeVar

from lossgauge_service.engine import Engine
from lossgauge_service.engine.pieces import Pieces, next_piece
from lossgauge_service.engine.staging import Staged, staged
from lossgauge_service.errors import DeadlineExceeded, Draining, LossgaugeError
from lossgauge_service.events import Ran
from lossgauge_service.lots import in_lots
from lossgauge_service.meters import Meters, Pace
from lossgauge_service.outcomes import Outcomes, joined
from lossgauge_service.plan import Plan
from lossgauge_service.samples import Sample
from lossgauge_service.statistics import Measure
from lossgauge_service.tracing import Trace, Tracing
from lossgauge_service.waiting import Job, Waiting

Found = TypeVar("Found")
Heard = Callable[[], None]

BUDGET = 2.0**26
"""Elements times statistics of a batch, beyond which nothing rides along: some tens of milliseconds of two cores."""

PATIENCE_S = 4.0
"""How long what runs may go on when the service stops: nobody waits for it any more."""
PATIENCE_WITH_WARM_UP_S = 0.5
"""The same for a warm-up: it is over at once, or takes minutes."""

PIECE_COST = 2.0**22
"""What a turn of long work is taken to cost."""


@dataclass(frozen=True)
class Ticket:
    """What a request says of its work: when its result is of no use any more, who hears that it has left the queue, its trace."""

    deadline: float | None = None
    on_start: Heard = lambda: None
    trace: Trace = field(default_factory=Trace)

    def of_part(self, number: int) -> "Ticket":
        """That of a part of the work: the first one tells that it has begun."""
        return self if number == 0 else replace(self, on_start=lambda: None)


@dataclass(frozen=True)
class Part:
    """Some samples of a request, of so much cost. share: the one that they are of, of the shares that would be if nothing were measured."""

    samples: Sequence[Sample]
    cost: float
    share: int


@dataclass(eq=False)
class Scoring(Job):
    """Some samples of a request."""

    plan: Plan = field(kw_only=True)
    part: "Part" = field(kw_only=True)
    ticket: Ticket = field(kw_only=True)
    result: "asyncio.Future[Any]" = field(kw_only=True)


@dataclass(eq=False)
class Turn(Job):
    """Any other work, alone on the device."""

    work: Callable[[Engine], Any] = field(kw_only=True)
    ticket: Ticket = field(kw_only=True)
    result: "asyncio.Future[Any]" = field(kw_only=True)


Waiter = Scoring | Turn


@dataclass(frozen=True)
class Ready:
    """A batch, and its samples as they are laid out; None where they could not be."""

    jobs: Sequence[Waiter]
    laid_out: Staged | None


class Batcher:
    """Runs plans on the engine, off the event loop, several requests at a time.

    blamed: makes what is told of the error of a request that failed alone, where the engine runs.
    """

    def __init__(
        self,
        engine: Engine,
        meters: Meters | None = None,
        budget: float = BUDGET,
        now: Callable[[], float] = time.monotonic,
        tracing: Tracing | None = None,
        blamed: Callable[[Exception], Exception] = lambda error: error,
    ) -> None:
        self._engine = engine
        self._blamed = blamed
        self._meters = meters or Meters()
        self._tracing = tracing or Tracing()
        self._pace = Pace()
        self._budget = budget
        self._now = now
        self._waiting = Waiting(budget)
        self._changed = Condition()
        self._staged: Ready | None = None
        self._busy = 0.0
        self._is_running = False
        self._is_staging = False  # a batch is staged, or being staged, never both; who claims it lets go of it
        self._closed = False
        self._threads = [Thread(target=loop, name=name, daemon=True) for name, loop in self._loops().items()]
        for thread in self._threads:
            thread.start()

    def _loops(self) -> dict[str, Callable[[], None]]:
        return {"staging": self._stage_batches, "engine": self._run_batches}

    # ------------------------------------------------------------------------------------------------------ for the routes

    async def warm_up(self) -> None:
        """Have every kernel ready, on the engine's own thread."""
        await self.call(lambda engine: engine.warm_up())

    async def run(self, plan: Plan, samples: Sequence[Sample], ticket: Ticket = Ticket()) -> Outcomes:
        """The sums of the samples; those whose deadline passes have its error. When it is cancelled, what has not begun is not done."""
        return joined([part async for part in self.stream(plan, samples, ticket)] or [Outcomes(0, (), {})])

    async def stream(
        self, plan: Plan, samples: Sequence[Sample], ticket: Ticket = Ticket()
    ) -> AsyncGenerator[Outcomes, None]:
        """The same in parts, in the order of the samples, each as soon as it is there."""
        jobs = [
            Scoring(_key(plan, part.samples), part.cost, plan=plan, part=part, **_waiting_for(ticket.of_part(number)))
            for number, part in enumerate(self._parts(plan, samples))
        ]
        self._put(*jobs)
        try:
            for job in jobs:
                yield await self._outcomes(job)
        finally:
            for job in jobs:
                job.dropped = True
                job.result.cancel()

    async def call(self, work: Callable[[Engine], Found], ticket: Ticket = Ticket(), cost: float = 0.0) -> Found:
        """What any other work finds on the engine, in its turn."""
        job = Turn(None, cost, work=work, **_waiting_for(ticket))
        self._put(job)
        try:
            found: Found = await self._result(job)
            return found
        finally:
            job.dropped = True

    async def _outcomes(self, job: Scoring) -> Outcomes:
        try:
            found: Outcomes = await self._result(job)
            return found.of_share(job.part.share)
        except DeadlineExceeded as late:
            return Outcomes(len(job.part.samples), (), dict.fromkeys(range(len(job.part.samples)), late))

    async def _result(self, job: Waiter) -> Any:
        left = None if job.deadline is None else max(0.0, job.deadline - self._now())
        try:
            async with asyncio.timeout(left):
                return await job.result
        except TimeoutError:
            raise DeadlineExceeded("the deadline passed before the work was done") from None

    async def in_turns(self, work: Pieces[Found], ticket: Ticket = Ticket()) -> Found:
        """What long work finds, a piece a turn: between two of them others have theirs."""
        turn = 0
        while (end := await self.call(lambda _: next_piece(work), ticket.of_part(turn), PIECE_COST)) is None:
            turn += 1
        return end.found

    @property
    def is_over(self) -> bool:
        """Whether nothing runs any more."""
        return not any(thread.is_alive() for thread in self._threads)

    def close(self, patience_s: float = PATIENCE_S) -> None:
        """Finish what runs, refuse what waits. What takes longer than one's patience ends with the process."""
        with self._changed:
            self._closed = True
            left = self._waiting.take_all()
            self._changed.notify_all()
        _fail(left, Draining("the service is stopping", retry_after=1))
        for thread in self._threads:
            thread.join(patience_s)
        _fail(self._staged.jobs if self._staged else (), Draining("the service is stopping", retry_after=1))

    @property
    def wait_s(self) -> float:
        """How long all that waits will take, by how fast work was done before."""
        return self._pace.seconds_of(self.pending_cost)

    @property
    def pending_cost(self) -> float:
        """Of what waits, is staged and runs."""
        with self._changed:
            staged_cost = sum(job.cost for job in self._staged.jobs) if self._staged else 0.0
            return self._waiting.cost + staged_cost + self._busy

    @property
    def queue_length(self) -> int:
        """How many jobs wait or are staged."""
        with self._changed:
            return len(self._waiting) + (len(self._staged.jobs) if self._staged else 0)

    def _put(self, *jobs: Job) -> None:
        with self._changed:
            if self._closed:
                raise Draining("the service is stopping", retry_after=1)
            for job in jobs:
                self._waiting.put(job)
            self._changed.notify_all()

    def _parts(self, plan: Plan, samples: Sequence[Sample]) -> Iterator[Part]:
        """The samples in parts that cost no more than a batch may; one that costs more is a part of its own."""
        for share, (several, _) in enumerate(_cut(samples, partial(cost_of, plan), self._budget)):
            for part, cost in _cut(several, partial(self._measured_cost, plan), self._budget):
                yield Part(part, cost, share)

    def _measured_cost(self, plan: Plan, sample: Sample) -> float:
        """What a sample costs with what is measured of it, by one thread of several: as many may share a launch."""
        most = self._budget // self._engine.threads
        return max(cost_of(plan, sample), min(most, cost_of(plan, sample, measured=True)))

    # ----------------------------------------------------------------------------------------------------------- the threads

    def _stage_batches(self) -> None:
        while self._claimed_beside_a_run():
            self._stage()

    def _claimed_beside_a_run(self) -> bool:
        """Wait until there is a batch to lay out beside the one that is computed, and claim it. False at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or (self._is_running and self._has_room))
            self._is_staging |= not self._closed
            return not self._closed

    @property
    def _has_room(self) -> bool:
        """Whether something waits, and nobody has laid out a batch or is about to."""
        return len(self._waiting) > 0 and self._staged is None and not self._is_staging

    def _stage(self) -> None:
        """Draw the batch that was claimed and lay it out; the thread keeps nothing of it."""
        ready = None
        try:
            jobs = self._drawn()
            ready = Ready(jobs, _laid_out(jobs)) if jobs else None
        finally:
            with self._changed:
                self._staged, self._is_staging = ready, False
                self._changed.notify_all()

    def _drawn(self) -> Sequence[Any]:
        with self._changed:
            drawn = self._waiting.draw(self._now())
        _fail(drawn.late, DeadlineExceeded("the deadline passed before the work began"))
        self._count_dropped([*drawn.late, *drawn.dropped])
        return drawn.batch

    def _count_dropped(self, jobs: Sequence[Any]) -> None:
        """A caller that has been told that it is late leaves no job behind either."""
        late = sum(job.late(self._now()) for job in jobs)
        self._meters.dropped(late, len(jobs) - late)

    def _run_batches(self) -> None:
        while (ready := self._take_staged()) is not None:
            started = self._now()
            cost = self._run(ready)
            self._pace.add(cost, self._now() - started)
            with self._changed:
                self._busy, self._is_running = 0.0, False
            del ready  # while it waits for the next, this thread keeps no body of the last

    def _take_staged(self) -> Ready | None:
        """The next batch, which this thread lays out itself where it would wait for it. None at the end."""
        while self._claimed_when_idle():
            self._stage()
        with self._changed:
            ready, self._staged = self._staged, None
            self._busy, self._is_running = sum(job.cost for job in ready.jobs) if ready else 0.0, ready is not None
            self._changed.notify_all()
            return ready

    def _claimed_when_idle(self) -> bool:
        """Wait until a batch is staged, or there is one to lay out, and claim that. False where one is staged, and at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._staged is not None or self._has_room)
            claims = not self._closed and self._staged is None
            self._is_staging |= claims
            return claims

    def _run(self, ready: Ready) -> float:
        """Run what is still wanted of a batch, and say what that cost."""
        jobs = [job for job in ready.jobs if not job.dropped]
        if len(jobs) < len(ready.jobs):
            self._count_dropped([job for job in ready.jobs if job.dropped])
            ready = Ready(jobs, _laid_out(jobs))
        for job in jobs:
            job.ticket.on_start()
        if jobs:
            self._launch(ready)
        return sum(job.cost for job in jobs)

    def _launch(self, ready: Ready) -> None:
        try:
            _deliver(ready.jobs, self._results(ready))
        except Exception as error:
            self._each_alone(ready.jobs, error)

    def _results(self, ready: Ready) -> list[Any]:
        [first, *_] = ready.jobs
        if isinstance(first, Turn):
            with self._observed(ready.jobs, "work", None):
                return [first.work(self._engine)]
        laid_out = ready.laid_out or staged(first.plan, _samples(ready.jobs))
        with self._observed(ready.jobs, "scores", laid_out):
            outcomes = self._engine.launch(laid_out)
        jobs = [job for job in ready.jobs if isinstance(job, Scoring)]
        return list(in_lots(outcomes, [job.plan for job in jobs], [len(job.part.samples) for job in jobs]))

    @contextmanager
    def _observed(
        self, jobs: Sequence[Waiter], kind: Literal["scores", "work"], laid_out: Staged | None
    ) -> Iterator[None]:
        """Count and trace what the device does in between, whether it succeeds or not."""
        started, failure = self._now(), None
        try:
            yield
        except Exception as error:
            failure = type(error).__name__
            raise
        finally:
            traces = list({id(job.ticket.trace): job.ticket.trace for job in jobs}.values())
            batch = Ran(
                kind=kind,
                requests=len(traces),
                items=laid_out.count if laid_out else 0,
                tiles=laid_out.tiles if laid_out else 0,
                elements=laid_out.elements if laid_out else 0,
                cost=sum(job.cost for job in jobs),
                seconds=self._now() - started,
                ended_ns=time.time_ns(),
                error=failure,
            )
            self._meters.ran(batch)
            self._tracing.ran(batch, traces)

    def _each_alone(self, jobs: Sequence[Waiter], error: Exception) -> None:
        """What fails together fails for whoever is to blame."""
        if len(jobs) == 1:
            _fail(jobs, self._blamed(error))
            return
        for job in jobs:
            self._launch(Ready([job], None))


def _waiting_for(ticket: Ticket) -> dict[str, Any]:
    return {"deadline": ticket.deadline, "ticket": ticket, "result": asyncio.get_running_loop().create_future()}


def cost_of(plan: Plan, sample: Sample, measured: bool = False) -> float:
    """Elements times statistics; measured: of which some count more often, as what is measured takes longer."""
    try:
        statistics = plan.statistics(sample.case)
    except LossgaugeError:
        return 0.0
    steps = [key.steps if measured and isinstance(key, Measure) else 1.0 for key in statistics]
    return float(sample.elements * max(1.0, sum(steps)))


def _cut(
    samples: Sequence[Sample], cost_of_one: Callable[[Sample], float], budget: float
) -> Iterator[tuple[Sequence[Sample], float]]:
    """Samples that follow each other, as many as cost no more than the budget, or one, and their cost."""
    start, taken = 0, 0.0
    for place, cost in enumerate(map(cost_of_one, samples)):
        if place > start and taken + cost > budget:
            yield samples[start:place], taken
            start, taken = place, 0.0
        taken += cost
    if start < len(samples):
        yield samples[start:], taken


def _key(plan: Plan, samples: Sequence[Sample]) -> Hashable:
    """Equal for jobs that can share a launch: they sum the same of the same kinds of samples. None where the plan does not fit."""
    try:
        return tuple((case, plan.statistics(case)) for case in dict.fromkeys(sample.case for sample in samples))
    except LossgaugeError:
        return None


def _samples(jobs: Sequence[Waiter]) -> list[Sample]:
    return [sample for job in jobs if isinstance(job, Scoring) for sample in job.part.samples]


def _laid_out(jobs: Sequence[Waiter]) -> Staged | None:
    """None for other work, and where laying out fails: it fails again where its error is caught."""
    if not jobs or not isinstance(jobs[0], Scoring):
        return None
    try:
        return staged(jobs[0].plan, _samples(jobs))
    except Exception:
        return None


def _deliver(jobs: Sequence[Waiter], results: Sequence[Any]) -> None:
    for job, result in zip(jobs, results, strict=True):
        _tell(job.result, result, None)


def _fail(jobs: Sequence[Any], error: Exception) -> None:
    for job in jobs:
        _tell(job.result, None, error)


def _tell(future: "asyncio.Future[Any]", result: Any, error: Exception | None) -> None:
    # where the caller's loop is closed there is nobody to tell, and the next job is to have its turn all the same
    with suppress(RuntimeError):
        future.get_loop().call_soon_threadsafe(_settle, future, result, error)


def _settle(future: "asyncio.Future[Any]", result: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
