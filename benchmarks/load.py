"""Many callers at once: what sharing launches gains, and what the largest requests wait.

    scripts/bench load [--callers 32] [--calls 40]

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
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from lossgauge import metrics as m
from lossgauge.wire import Question
from lossgauge_service.batching import BUDGET, Batcher, Ticket
from lossgauge_service.engine import Engine
from lossgauge_service.events import Ran
from lossgauge_service.meters import Meters
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import Sample, sample_of

from benchmarks.page import head

PANEL: list[m.MetricSpec] = [m.FocalLoss(), m.CrossEntropy(), m.Dice(soft=True), m.Iou()]
QUESTION = Question(task="binary", prediction_kind="logits", metrics=PANEL)
SIDES = {"small": [64], "mixed": [64] * 64 + [128] * 16 + [256] * 4 + [512] + [1024] + [2048]}
GOAL = 3.0


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


def line(name: str, loads: dict[str, list[Load]], callers: int) -> str:
    """The table's line of a kind."""
    rate = {name: statistics.median(load.per_second for load in each) for name, each in loads.items()}
    shared, goal = loads["shared"], f"{GOAL:g}" if name.startswith("small") else ""
    wait, longest = max(load.largest_wait for load in shared), max(max(load.launches) for load in shared)
    times = f"{rate['shared'] / rate['alone']:.1f} | {goal} | {wait * 1e3:.0f} ms | {callers * longest * 1e3:.0f} ms"
    return f"| {name} | {rate['shared']:.0f} | {rate['alone']:.0f} | {times} |"


def main() -> None:
    """Time, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--callers", type=int, default=32)
    parser.add_argument("--calls", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kernel", choices=("compiled", "eager"), default="compiled")
    given: Any = parser.parse_args()
    engine = Engine.build(device="cpu", kernel=given.kernel)
    print(head("Many callers at once", __doc__, ("torch", "numpy")))
    print("| load | shared, calls/s | alone, calls/s | times | goal | the largest waits at most | bound |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for kind, scored in product(SIDES, (False, True)):
        given_load = partial(measured, engine, kind, scored, callers=given.callers, calls=given.calls)
        given_load(BUDGET)  # what is compiled is compiled now
        loads: dict[str, list[Load]] = {"shared": [], "alone": []}
        for _ in range(given.rounds):
            for name, budget in (("shared", BUDGET), ("alone", 0.0)):
                loads[name].append(given_load(budget))
        print(line(f"{kind}, {'scores' if scored else 'sums'}", loads, given.callers), flush=True)


if __name__ == "__main__":
    main()
