"""Requests share launches, and no score tells."""

import asyncio
import threading
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from lossgauge import metrics as m
from lossgauge.metrics import MetricSpec
from lossgauge.wire import Question, Score
from lossgauge_service import batching
from lossgauge_service.batching import Batcher, Ticket
from lossgauge_service.engine import Engine
from lossgauge_service.engine.staging import Staged, staged
from lossgauge_service.errors import DeadlineExceeded, Draining
from lossgauge_service.outcomes import Outcomes, joined
from lossgauge_service.plan import Plan, plan_for
from lossgauge_service.samples import Case, Sample, sample_of
from lossgauge_service.statistics import Sums

FOCAL: list[MetricSpec] = [m.FocalLoss(gamma=1.5), m.Dice(soft=True), m.RocAuc()]
COUNTS: list[MetricSpec] = [m.Iou()]
MEASURED: list[MetricSpec] = [m.Dice(soft=True), m.Hausdorff(), m.RocAuc()]


@dataclass(frozen=True)
class Held(Engine):
    """Computes nothing until it is let; remembers how many samples each launch had."""

    let: threading.Event = field(default_factory=threading.Event)
    launches: list[int] = field(default_factory=list)
    poison: list[int] = field(default_factory=list)

    def launch(self, batch: Staged) -> Outcomes:
        self.launches.append(batch.count)
        self.let.wait(60)
        if batch.count in self.poison:
            raise ZeroDivisionError
        return super().launch(batch)


@pytest.fixture
def held(engine: Engine) -> Held:
    """An engine that is held."""
    return Held(engine.device, engine.kernels, engine.info)


def question(metrics: list[MetricSpec]) -> Question:
    """What is asked of a sample."""
    return Question(task="binary", prediction_kind="logits", metrics=metrics)


def sample(seed: int, side: int = 24) -> Sample:
    """A sample of its own."""
    rng = np.random.default_rng(seed)
    shape = side, side + seed % 3
    return sample_of(question(COUNTS), rng.normal(size=shape).astype(np.float32), rng.integers(0, 2, shape, np.uint8))


async def until(condition: Any) -> None:
    """Wait for something that another thread does."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)


def run(batcher: Batcher, main: Coroutine[Any, Any, Any]) -> Any:
    """Run, and close the batcher."""
    try:
        return asyncio.run(main)
    finally:
        batcher.close()


def scores(plan: Plan, outcomes: Outcomes) -> list[Any]:
    """To the last digit."""
    return plan.scores(outcomes)


def noting(numbers: list[int], plan: Plan) -> Plan:
    """The plan, which notes how many samples it finishes at a time."""
    first, *others = plan.implementations

    def finish(spec: Any, sums: Sums, case: Case) -> list[Score]:
        numbers.append(len(sums))
        return first.finish(spec, sums, case)

    noted = Plan(plan.specs)
    vars(noted)["implementations"] = replace(first, finish=finish), *others
    return noted


def test_what_waits_together_is_one_launch(held: Held, engine: Engine) -> None:
    """One request runs, one batch is staged, and all that came meanwhile is one launch; each gets its own bits."""
    plan, samples = plan_for(question(FOCAL)), [sample(seed) for seed in range(12)]
    batcher = Batcher(held)

    async def main() -> list[Outcomes]:
        first = asyncio.create_task(batcher.run(plan, samples[:1]))
        await until(lambda: held.launches == [1])
        second = asyncio.create_task(batcher.run(plan, samples[1:2]))
        await until(lambda: batcher._staged is not None)
        rest = [asyncio.create_task(batcher.run(plan, [one])) for one in samples[2:]]
        await until(lambda: len(batcher._waiting) == len(rest))
        held.let.set()
        return await asyncio.gather(first, second, *rest)

    found = run(batcher, main())
    assert held.launches == [1, 1, 10]
    alone = [engine.run(plan, [one]) for one in samples]
    assert [scores(plan, outcomes) for outcomes in found] == [scores(plan, outcomes) for outcomes in alone]


def test_an_idle_engine_lays_out_itself(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes while nothing runs is laid out by the thread that runs it; what comes meanwhile, by the other."""
    plan, by = plan_for(question(FOCAL)), list[str]()

    def noted(*given: Any) -> Staged:
        by.append(threading.current_thread().name)
        return staged(*given)

    monkeypatch.setattr(batching, "staged", noted)
    batcher = Batcher(held)

    async def main() -> None:
        first = asyncio.create_task(batcher.run(plan, [sample(0)]))
        await until(lambda: held.launches == [1])
        second = asyncio.create_task(batcher.run(plan, [sample(1)]))
        await until(lambda: batcher._staged is not None)
        held.let.set()
        await asyncio.gather(first, second)

    run(batcher, main())
    assert by == ["engine", "staging"]


def test_what_shares_a_launch_and_a_plan_is_finished_together(held: Held, engine: Engine) -> None:
    """Callers whose plans are equal, each its own object, are finished by the first of them; another plan of the same sums is not."""
    asked = [[m.FocalLoss(alpha=alpha), m.Iou()] for alpha in (0.5, 0.5, 0.25, 0.5, 0.25, 0.75)]
    batcher, numbers = Batcher(held), list[int]()
    plans, samples = [noting(numbers, plan_for(question([*one]))) for one in asked], [sample(seed) for seed in range(6)]

    async def main() -> list[Outcomes]:
        first = asyncio.create_task(batcher.run(plans[0], samples[:1]))
        await until(lambda: held.launches == [1])
        second = asyncio.create_task(batcher.run(plan_for(question(COUNTS)), samples[:1]))
        await until(lambda: batcher._staged is not None)
        rest = [asyncio.create_task(batcher.run(plan, [one])) for plan, one in zip(plans, samples, strict=True)]
        await until(lambda: len(batcher._waiting) == len(rest))
        held.let.set()
        await asyncio.gather(first, second)
        return await asyncio.gather(*rest)

    found = run(batcher, main())
    assert held.launches == [1, 1, 6]
    alone = [scores(plan, engine.run(plan, [one])) for plan, one in zip(plans, samples, strict=True)]
    numbers.clear()
    assert [scores(plan, outcomes) for plan, outcomes in zip(plans, found, strict=True)] == alone
    assert numbers == [3, 2, 1]


def test_what_sums_something_else_has_its_own_launch(held: Held) -> None:
    """Plans of other statistics, and samples of other kinds, do not share."""
    plans = [plan_for(question(metrics)) for metrics in (FOCAL, COUNTS, FOCAL, COUNTS)]
    batcher = Batcher(held)

    async def main() -> None:
        held_back = asyncio.create_task(batcher.run(plans[0], [sample(0)]))
        await until(lambda: held.launches == [1])
        staged = asyncio.create_task(batcher.run(plans[1], [sample(1)]))
        await until(lambda: batcher._staged is not None)
        rest = [asyncio.create_task(batcher.run(plan, [sample(2), sample(3)])) for plan in plans]
        await until(lambda: len(batcher._waiting) == len(rest))
        held.let.set()
        await asyncio.gather(held_back, staged, *rest)

    run(batcher, main())
    assert held.launches == [1, 1, 4, 4]


@pytest.mark.parametrize("budget", [1.0, 5000.0, 2.0**40])
def test_a_large_request_is_shared_out(engine: Engine, budget: float) -> None:
    """A request whose samples cost more than a batch may is several; its outcomes are as those of one."""
    plan, samples = plan_for(question(FOCAL)), [sample(seed) for seed in range(7)]
    batcher = Batcher(engine, budget=budget)
    found = run(batcher, batcher.run(plan, samples))
    assert scores(plan, found) == scores(plan, engine.run(plan, samples))


@pytest.mark.parametrize("metrics", [FOCAL, MEASURED])
def test_what_takes_long_is_told_a_few_samples_at_a_time(held: Held, engine: Engine, metrics: list[MetricSpec]) -> None:
    """Of distances as many samples share a launch as are measured at a time, of sums all; the summary is that of one run, to the bit."""
    plan, samples = plan_for(question(metrics)), [sample(seed) for seed in range(24)]
    batcher = Batcher(held, budget=7e4)
    held.let.set()

    async def main() -> list[Outcomes]:
        return [part async for part in batcher.stream(plan, samples)]

    parts = run(batcher, main())
    most = engine.threads if metrics is MEASURED else len(samples)
    assert [part.count for part in parts] == [len(samples[start : start + most]) for start in range(0, 24, most)]
    found, alone = joined(parts), engine.run(plan, samples)
    assert scores(plan, found) == scores(plan, alone)
    assert plan.summary(scores(plan, found), found.groups) == plan.summary(scores(plan, alone), alone.groups)


def test_what_was_done_before_the_deadline_has_its_scores(held: Held, engine: Engine) -> None:
    """Of a request that takes longer than its deadline those samples are late that were not done, and are not launched."""
    plan, samples = plan_for(question(MEASURED)), [sample(seed) for seed in range(24)]
    clock = [0.0]
    batcher = Batcher(held, budget=1.0, now=lambda: clock[0])

    async def told() -> list[Outcomes]:
        return [part async for part in batcher.stream(plan, samples, Ticket(deadline=1000.0))]

    async def main() -> list[Outcomes]:
        parts = asyncio.create_task(told())
        await until(lambda: held.launches == [1])
        clock[0] = 2000.0
        held.let.set()
        return await parts

    first, _, *rest = run(batcher, main())  # the second may have been drawn before
    assert scores(plan, first) == scores(plan, engine.run(plan, samples[:1]))
    assert [type(error) for part in rest for error in part.errors.values()] == [DeadlineExceeded] * 22
    assert len(held.launches) <= 2


def test_who_has_left_costs_nothing(held: Held) -> None:
    """A request that is cancelled before its turn is never launched, staged or not."""
    plan = plan_for(question(COUNTS))
    batcher = Batcher(held)

    async def main() -> Outcomes:
        first = asyncio.create_task(batcher.run(plan, [sample(0)]))
        await until(lambda: held.launches == [1])
        left = [asyncio.create_task(batcher.run(plan, [sample(1), sample(2)]))]
        await until(lambda: batcher._staged is not None)
        left += [asyncio.create_task(batcher.run(plan, [sample(1), sample(2)])) for _ in range(2)]
        await until(lambda: len(batcher._waiting) == 2)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        stays = asyncio.create_task(batcher.run(plan, [sample(3)]))
        await until(lambda: len(batcher._waiting) == 3)
        held.let.set()
        await first
        return await stays

    assert run(batcher, main()).count == 1
    assert held.launches == [1, 1]


def test_a_deadline_that_has_passed(held: Held) -> None:
    """What is too late when it would be drawn is not launched, and told so."""
    plan = plan_for(question(COUNTS))
    batcher = Batcher(held)

    async def main() -> None:
        waiting = [asyncio.create_task(batcher.run(plan, [sample(0)]))]
        await until(lambda: held.launches == [1])
        waiting.append(asyncio.create_task(batcher.run(plan, [sample(0)])))
        await until(lambda: batcher._staged is not None)
        late = asyncio.create_task(batcher.run(plan, [sample(1)], Ticket(time.monotonic() - 1)))
        await until(lambda: len(batcher._waiting) == 1)
        held.let.set()
        found = await late
        assert [type(error) for error in found.errors.values()] == [DeadlineExceeded]
        await asyncio.gather(*waiting)

    run(batcher, main())
    assert held.launches == [1, 1]


def test_one_that_fails_never_fails_its_neighbours(held: Held, engine: Engine) -> None:
    """A fault of a shared launch is found by running each alone."""
    held.poison.append(5)
    held.poison.append(2)
    plan = plan_for(question(COUNTS))
    batcher = Batcher(held)

    async def main() -> list[Any]:
        first = asyncio.create_task(batcher.run(plan, [sample(0)]))
        await until(lambda: held.launches == [1])
        second = asyncio.create_task(batcher.run(plan, [sample(0)]))
        await until(lambda: batcher._staged is not None)
        three = [batcher.run(plan, [sample(1)]), batcher.run(plan, [sample(2)] * 2), batcher.run(plan, [sample(3)] * 2)]
        tasks = [asyncio.create_task(one) for one in three]
        await until(lambda: len(batcher._waiting) == 3)
        held.let.set()
        return await asyncio.gather(first, second, *tasks, return_exceptions=True)

    *good, bad, worse = run(batcher, main())
    assert [type(error) for error in (bad, worse)] == [ZeroDivisionError] * 2
    assert scores(plan, good[2]) == scores(plan, engine.run(plan, [sample(1)]))
    assert held.launches == [1, 1, 5, 1, 2, 2]


def test_what_waits_when_the_service_stops_is_told(held: Held) -> None:
    """What runs is finished, what waits is refused, and nothing is taken any more."""
    plan = plan_for(question(COUNTS))
    batcher = Batcher(held)

    async def main() -> None:
        runs = asyncio.create_task(batcher.run(plan, [sample(0)]))
        await until(lambda: held.launches == [1])
        staged = asyncio.create_task(batcher.run(plan, [sample(1)]))
        await until(lambda: batcher._staged is not None)
        waits = asyncio.create_task(batcher.run(plan, [sample(2)]))
        await until(lambda: len(batcher._waiting) == 1)
        closing = asyncio.create_task(asyncio.to_thread(batcher.close))
        with pytest.raises(Draining):
            await waits
        held.let.set()
        assert (await runs).count == (await staged).count == 1
        await closing
        with pytest.raises(Draining):
            await batcher.run(plan, [sample(3)])

    run(batcher, main())


def test_how_long_the_queue_takes(held: Held) -> None:
    """The wait is the cost of what is there over the pace of what was done; nothing where nothing is there."""
    plan = plan_for(question(COUNTS))
    batcher = Batcher(held)

    async def main() -> None:
        assert batcher.wait_s == 0
        held.let.set()
        await batcher.run(plan, [sample(0)])
        held.let.clear()
        await until(lambda: batcher.pending_cost == 0)
        task = asyncio.create_task(batcher.run(plan, [sample(0)] * 5))
        await until(lambda: len(held.launches) == 2)
        assert batcher.wait_s > 0
        held.let.set()
        await task

    run(batcher, main())
