"""The time of a sweep of 49 focal losses beside that of one, from one run.

    scripts/bench sweep [--rounds 21] [--kernel compiled]

Alpha 0.1 to 0.4 by 0.05, gamma 1 to 4 by 0.5; float32 logits, uint8 targets. One focal loss is that of gamma 1.5, alpha 0.25,
as `/v1/score` computes it; a sweep is its request, plan, pass and cells, without the AUC's sort. They take turns, and of each
turn's two calls the second is timed.
"""

import argparse
import statistics
from collections.abc import Callable
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

from benchmarks.page import head
from benchmarks.timing import in_turns

Run = Callable[[], Any]
GOAL = 3.0
SIDES = (512, 1024, 2048)
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


def masks(side: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Logits that are right more often than not, and a target with three pixels in ten positive."""
    random = np.random.default_rng(0)
    target = (random.random((side, side)) < 0.3).astype(np.uint8)
    logits = random.normal(scale=2.0, size=target.shape) + 3.0 * target - 1.5
    return logits.astype(np.float32), target


def main() -> None:
    """Time, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--kernel", choices=("compiled", "eager"), default="compiled")
    arguments = parser.parse_args()
    engine = Engine.build(device="cpu", kernel=arguments.kernel)
    print(head("A sweep of 49 focal losses beside one", __doc__, ("torch", "numpy")))
    print("| pixels | focal, gamma 1.5 | focal, gamma 2 | 49 cells | times gamma 1.5 | times gamma 2 | goal |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for side in SIDES:
        arrays = masks(side)
        runs = [one(engine, 1.5, *arrays), one(engine, 2.0, *arrays), grid(engine, *arrays)]
        print(line(side, *map(statistics.median, in_turns(runs, arguments.rounds))), flush=True)


def line(side: int, plain: float, quadratic: float, cells: float) -> str:
    """The table's line of a size."""
    times = " | ".join(f"{taken * 1e3:.1f} ms" for taken in (plain, quadratic, cells))
    return f"| {side} x {side} | {times} | {cells / plain:.2f} | {cells / quadratic:.2f} | {GOAL} |"


if __name__ == "__main__":
    main()
