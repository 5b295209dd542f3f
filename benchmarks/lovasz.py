"""The time of the Lovasz losses beside segmentation_models_pytorch's, from one run.

    scripts/bench lovasz [--rounds 11]

One 512 x 512 image at a time, float32 logits, uint8 target, on the CPU; softmax of five classes. A contender goes from these
arrays to a number, its own checks and casts of the input included. The values are compared before any is timed; they take turns.
"""

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from lossgauge import metrics as m
from lossgauge.wire import Question
from lossgauge_service.engine import Engine
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import sample_of
from numpy.typing import NDArray

from benchmarks.page import head
from benchmarks.timing import in_turns
from tests.peers.segmentation_models_pytorch import losses

Contender = Callable[[], float]
SIDE = 512
CLASSES = 5


def peers(task: str, x: NDArray[Any], t: NDArray[Any]) -> float:
    """LovaszLoss of one image."""
    logits = torch.from_numpy(x).reshape(1, -1, SIDE, SIDE)
    return float(losses.LovaszLoss(task)(logits, torch.from_numpy(t).long()[None]))


def ours(engine: Engine, question: Question, x: NDArray[Any], t: NDArray[Any]) -> float:
    """The service's own core, without HTTP."""
    plan = plan_for(question)
    [scores] = plan.scores(engine.run(plan, [sample_of(question, x, t)]))
    assert isinstance(scores, dict)
    [score] = scores.values()
    assert score.value is not None
    return score.value


def _pairs(engine: Engine) -> dict[str, tuple[Contender, Contender]]:
    rng = np.random.default_rng(0)
    t = (rng.random((SIDE, SIDE)) < 0.3).astype(np.uint8)
    x = (rng.normal(0, 2, t.shape) + 2 * t - 1).astype(np.float32)
    labels = rng.integers(0, CLASSES, t.shape).astype(np.uint8)
    logits = rng.normal(0, 2, (CLASSES, SIDE, SIDE)).astype(np.float32)
    hinge = Question(task="binary", prediction_kind="logits", metrics=[m.LovaszHinge()])
    softmax = Question(task="multiclass", prediction_kind="logits", metrics=[m.LovaszSoftmax()])
    return {
        "lovasz_hinge": (lambda: ours(engine, hinge, x, t), lambda: peers("binary", x, t)),
        "lovasz_softmax": (lambda: ours(engine, softmax, logits, labels), lambda: peers("multiclass", logits, labels)),
    }


def main() -> None:
    """Compare the values, time both, print."""
    parser = argparse.ArgumentParser(description="Lovasz losses beside segmentation_models_pytorch's")
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    engine = Engine.build(device="cpu", kernel="auto")
    print(
        head(
            "Lovasz losses beside segmentation_models_pytorch",
            __doc__,
            ("segmentation_models_pytorch", "torch", "numpy"),
        )
    )
    print("| loss | lossgauge | peer | times the peer | goal |", "|---|---:|---:|---:|---:|", sep="\n")
    for name, contenders in _pairs(engine).items():
        a, b = (contender() for contender in contenders)
        if abs(a - b) > 1e-3 * abs(b):
            raise SystemExit(f"{name}: {a} beside {b}")
        mine, theirs = map(statistics.median, in_turns(contenders, rounds))
        print(f"| {name} | {mine * 1e3:.1f} ms | {theirs * 1e3:.1f} ms | {theirs / mine:.1f} | 1 |", flush=True)


if __name__ == "__main__":
    main()
