"""The time of the Lovasz losses beside segmentation_models_pytorch's, from one run.

    scripts/bench lovasz [--rounds 11]

One 512 x 512 image at a time, float32 logits, uint8 target, on the CPU; softmax of five classes. A contender goes from these
arrays to a number, its own checks and casts of the input included. The values are compared before any is timed; they take turns.
"""

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from lossgauge import metrics as m
from lossgauge.wire import Question
from numpy.typing import NDArray

from benchmarks import goals
from benchmarks.benchmark import Benchmark, Record
from benchmarks.ours import Scores, engine_of, ours
from benchmarks.timing import timed
from tests.peers.segmentation_models_pytorch import losses

Contender = Callable[[], float]
SIDE = 512
CLASSES = 5
OURS, PEER = "lossgauge", "segmentation_models_pytorch"


def peers(task: str, x: NDArray[Any], t: NDArray[Any]) -> float:
    """LovaszLoss of one image."""
    logits = torch.from_numpy(x).reshape(1, -1, SIDE, SIDE)
    return float(losses.LovaszLoss(task)(logits, torch.from_numpy(t).long()[None]))


def pairs() -> dict[str, dict[str, Contender]]:
    """Both contenders of each loss."""
    engine = engine_of("compiled")
    rng = np.random.default_rng(0)
    t = (rng.random((SIDE, SIDE)) < 0.3).astype(np.uint8)
    x = (rng.normal(0, 2, t.shape) + 2 * t - 1).astype(np.float32)
    labels = rng.integers(0, CLASSES, t.shape).astype(np.uint8)
    logits = rng.normal(0, 2, (CLASSES, SIDE, SIDE)).astype(np.float32)
    hinge = Question(task="binary", prediction_kind="logits", metrics=[m.LovaszHinge()])
    softmax = Question(task="multiclass", prediction_kind="logits", metrics=[m.LovaszSoftmax()])
    mine = {
        "lovasz_hinge": ours(engine, hinge, x[None], t[None]),
        "lovasz_softmax": ours(engine, softmax, logits[None], labels[None]),
    }
    return {
        "lovasz_hinge": {OURS: lambda: value(mine["lovasz_hinge"]()), PEER: lambda: peers("binary", x, t)},
        "lovasz_softmax": {
            OURS: lambda: value(mine["lovasz_softmax"]()),
            PEER: lambda: peers("multiclass", logits, labels),
        },
    }


def value(scores: Scores) -> float:
    """The one score of the one sample."""
    [[score]] = scores.values()
    return float(score)


def records(given: argparse.Namespace) -> Iterator[Record]:
    """Each loss: compare the values, time both, judge."""
    for name, contenders in pairs().items():
        np.testing.assert_allclose(contenders[OURS](), contenders[PEER](), rtol=1e-3, err_msg=name)
        rows = timed(name, contenders, given.rounds)
        yield from rows.values()
        yield goals.LOVASZ.figure(rows[PEER].over(rows[OURS]), name)


BENCHMARK = Benchmark(
    "Lovasz losses beside segmentation_models_pytorch",
    __doc__,
    ("segmentation_models_pytorch", "torch", "numpy"),
    {"rounds": 11},
    records,
)
