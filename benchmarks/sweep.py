"""The time of a sweep of 49 focal losses beside that of one, from one run.

    scripts/bench sweep [--rounds 21] [--kernel compiled] [--sides 512 1024 2048]

Alpha 0.1 to 0.4 by 0.05, gamma 1 to 4 by 0.5; float32 logits, uint8 targets. One focal loss is that of gamma 1.5, alpha 0.25,
as `/v1/score` computes it; a sweep is its request, plan, pass and cells, without the AUC's sort. They take turns, and of each
turn's two calls the second is timed.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from lossgauge import metrics as m
from lossgauge.sweeps import SweepRequest
from lossgauge.wire import Question
from lossgauge_service.engine import Engine
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import sample_of
from lossgauge_service.sweeps import sweeping
from numpy.typing import NDArray

from benchmarks import goals
from benchmarks.benchmark import Benchmark, Record
from benchmarks.core import masks
from benchmarks.ours import engine_of
from benchmarks.row import Row
from benchmarks.timing import timed

Run = Callable[[], Any]
GAMMAS = (1.5, 2.0)
GRID = "49 cells"
SAID: dict[str, Any] = {"task": "binary", "prediction_kind": "logits"}
NO_ARRAY = {"encoding": "list", "data": [0]}


def one(engine: Engine, gamma: float, logits: NDArray[np.float32], target: NDArray[np.uint8]) -> Run:
    """One focal loss, from arrays to its score."""
    question = Question(**SAID, metrics=[m.FocalLoss(gamma=gamma)])

    def run() -> Any:
        plan = plan_for(question)
        return plan.scores(engine.run(plan, [sample_of(question, logits, target)]))

    return run


def grid(engine: Engine, logits: NDArray[np.float32], target: NDArray[np.uint8]) -> Run:
    """The 49 cells, from arrays to the table."""
    document = {**SAID, "prediction": NO_ARRAY, "target": NO_ARRAY, "sweep": {"focal": {}, "auc": False}}

    def run() -> Any:
        sweep = sweeping(SweepRequest.model_validate(document))
        sample = sample_of(sweep.question, logits, target)
        return sweep.tables(engine.run(sweep.plan, [sample]))

    return run


def rows_of(engine: Engine, side: int, rounds: int) -> dict[str, Row]:
    """The times of one side: single focal losses and the grid."""
    arrays = masks((side, side))
    single = {f"focal, gamma {gamma:g}": one(engine, gamma, *arrays) for gamma in GAMMAS}
    return timed(f"{side} x {side} grid", {**single, GRID: grid(engine, *arrays)}, rounds)


def judged(side: int, rows: Mapping[str, Row]) -> Iterator[Record]:
    """The rows, and how many times a single loss's time the grid's is."""
    yield from rows.values()
    for name in rows:
        if name != GRID:
            yield goals.FOCAL_GRID.figure(rows[GRID].over(rows[name]), f"{side} x {side}, {name}")


def records(given: argparse.Namespace) -> Iterator[Record]:
    """Each side: time, judge."""
    engine = engine_of(given.kernel)
    for side in given.sides:
        yield from judged(side, rows_of(engine, side, given.rounds))


BENCHMARK = Benchmark(
    "A sweep of 49 focal losses beside one",
    __doc__,
    ("torch", "numpy"),
    {"rounds": 21, "kernel": "compiled", "sides": [512, 1024, 2048]},
    records,
)
