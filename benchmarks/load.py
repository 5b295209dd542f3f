"""Many callers at once: what sharing launches gains, and what the largest requests wait.

    scripts/bench load [--callers 32] [--calls 40] [--rounds 5] [--kernel compiled]

Callers score one pair after the other: the panel of focal loss, cross-entropy, dice and IoU, of float32 logits. `small`: 64 x 64.
`mixed`: sides of 64 to 2048, the small ones more often. `shared`: the service's queue, whose launches hold what waits together;
`alone`: the same queue with a budget of nothing, so that every request is a launch of its own. The pairs are given to the queue
itself: HTTP is not timed. `sums` ends with what the queue gives; `scores` with what each call makes of it, which the calls of a
launch share (`lots.py`).
No request waits for more than one launch of each that came before it (`waiting.py`): the longest wait of the largest requests
stands beside that bound, of the longest launch that was seen.
"""

import argparse
import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import product

import numpy as np
from lossgauge import metrics as m
from lossgauge.wire import Question
from lossgauge_service.batching import BUDGET, Batcher, Ticket
from lossgauge_service.engine import Engine
from lossgauge_service.events import Ran
from lossgauge_service.meters import Meters
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import Sample, sample_of

from benchmarks import goals
from benchmarks.benchmark import Benchmark, Record
from benchmarks.figure import Figure
from benchmarks.ours import engine_of
from benchmarks.row import Row
from benchmarks.spread import Spread

PANEL: list[m.MetricSpec] = [m.FocalLoss(), m.CrossEntropy(), m.Dice(soft=True), m.Iou()]
QUESTION = Question(task="binary", prediction_kind="logits", metrics=PANEL)
SIDES = {"small": [64], "mixed": [64] * 64 + [128] * 16 + [256] * 4 + [512] + [1024] + [2048]}
BUDGETS = {"shared": BUDGET, "alone": 0.0}


@dataclass
class Load:
    """What came of some calls: seconds in all, and of each how long it waited and how large it was."""

    seconds: float = 0.0
    waits: list[tuple[float, int]] = field(default_factory=list)
    launches: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Calls per second."""
        return len(self.waits) / self.seconds

    @property
    def largest_wait(self) -> float:
        """The longest of a largest request."""
        largest = max(elements for _, elements in self.waits)
        return max(seconds for seconds, elements in self.waits if elements == largest)


class Launches(Meters):
    """Notes how long each launch took."""

    def __init__(self, seconds: list[float]) -> None:
        super().__init__()
        self._seconds = seconds

    def ran(self, batch: Ran) -> None:
        self._seconds.append(batch.seconds)


def samples(kind: str, number: int) -> list[Sample]:
    """Pairs of the kind's sides."""
    rng = np.random.default_rng(0)
    made = {side: _sample(rng, side) for side in dict.fromkeys(SIDES[kind])}
    return [made[side] for side in rng.choice(SIDES[kind], number)]


def _sample(rng: np.random.Generator, side: int) -> Sample:
    target = (rng.random((side, side)) < 0.3).astype(np.uint8)
    return sample_of(QUESTION, (rng.normal(size=target.shape) + 2 * target - 1).astype(np.float32), target)


async def _load(batcher: Batcher, given: list[Sample], callers: int, load: Load, scored: bool) -> None:
    queue = iter(given)
    start = time.perf_counter()
    await asyncio.gather(*(_caller(batcher, queue, load, scored) for _ in range(callers)))
    load.seconds = time.perf_counter() - start


async def _caller(batcher: Batcher, queue: Iterator[Sample], load: Load, scored: bool) -> None:
    for sample in queue:
        asked, plan = time.perf_counter(), plan_for(QUESTION)
        outcomes = await batcher.run(plan, [sample], Ticket(on_start=partial(_note_wait, load, asked, sample)))
        if scored:
            plan.scores(outcomes)


def _note_wait(load: Load, asked: float, sample: Sample) -> None:
    load.waits.append((time.perf_counter() - asked, sample.elements))


def measured(engine: Engine, kind: str, scored: bool, budget: float, callers: int, calls: int) -> Load:
    """The load on a queue of its own."""
    load = Load()
    batcher = Batcher(engine, Launches(load.launches), budget)
    try:
        asyncio.run(_load(batcher, samples(kind, callers * calls), callers, load, scored))
    finally:
        batcher.close()
    return load


def in_turns(engine: Engine, kind: str, scored: bool, given: argparse.Namespace) -> dict[str, list[Load]]:
    """Loads on both queues, which take turns."""
    loaded = partial(measured, engine, kind, scored, callers=given.callers, calls=given.calls)
    loaded(BUDGET)  # what is compiled is compiled now
    turns = [{name: loaded(budget) for name, budget in BUDGETS.items()} for _ in range(given.rounds)]
    return {name: [turn[name] for turn in turns] for name in BUDGETS}


def found(case: str, loads: dict[str, list[Load]], callers: int) -> Iterator[Record]:
    """The calls per second on both queues, their ratio, and the longest wait beside its bound."""
    rows = {name: Row(case, name, tuple(load.per_second for load in each), "1/s") for name, each in loads.items()}
    yield from rows.values()
    times, judged = rows["shared"].over(rows["alone"]), case.startswith("small")
    yield goals.SHARED_LAUNCHES.figure(times, case) if judged else Figure(f"{case}, shared beside alone", times)
    waits = [load.largest_wait / (callers * max(load.launches)) for load in loads["shared"]]
    yield Figure(f"{case}, the largest's longest wait over its bound", Spread.of(waits))


def records(given: argparse.Namespace) -> Iterator[Record]:
    """Each kind of load, with and without scores."""
    engine = engine_of(given.kernel)
    for kind, scored in product(SIDES, (False, True)):
        case = f"{kind}, {'scores' if scored else 'sums'}"
        yield from found(case, in_turns(engine, kind, scored, given), given.callers)


BENCHMARK = Benchmark(
    "Many callers at once",
    __doc__,
    ("torch", "numpy"),
    {"callers": 32, "calls": 40, "rounds": 5, "kernel": "compiled"},
    records,
)
