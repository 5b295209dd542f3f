"""The time of maps beside torch's own, on the CPU, from one run.

    scripts/bench maps [--rounds 9] [--threads 1]

Float32 logits and integer targets in, float32 out. A loss map: the same with reduction "none", in float64. A gradient: autograd of
the same mean, in float64. Ours has its checks, its plan and its score besides. The arrays are compared before any is timed; the
contenders take turns. Torch has `threads` of them; a map of ours has one whatever that is. Where other programs want the cores,
only the ratio of one run says anything.
"""

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from lossgauge.mapping import MapRequest
from lossgauge_service.engine import Engine
from lossgauge_service.engine.pieces import finished
from lossgauge_service.maps import maps_in_pieces, plans_of, question_of
from lossgauge_service.samples import sample_of
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from benchmarks.benchmark import Benchmark, Record
from benchmarks.figure import Figure
from benchmarks.ours import engine_of
from benchmarks.timing import timed

Array = NDArray[Any]
Run = Callable[[], Array]
Losses = Callable[[Tensor, Tensor], Tensor]
NOTHING = {"encoding": "list", "data": [0]}
OURS, PEER = "lossgauge", "torch"
FOCAL = {"name": "focal_loss", "gamma": 1.5}


def focal(x: Tensor, t: Tensor) -> Tensor:
    """The focal loss of each pixel: gamma 1.5, alpha 0.25."""
    ce = binary_cross_entropy_with_logits(x, t.double(), reduction="none")
    return torch.where(t > 0, 0.25, 0.75) * (1 - torch.exp(-ce)) ** 1.5 * ce


def classes(x: Tensor, t: Tensor) -> Tensor:
    """The cross-entropy of each pixel of classes."""
    return cross_entropy(x[None], t[None], reduction="none")[0]


def ours(engine: Engine, task: str, kind: str, metric: Any, prediction: Array, target: Array) -> Run:
    """As the service computes it, from arrays to an array."""
    asked = {"task": task, "prediction_kind": "logits", "prediction": NOTHING, "target": NOTHING}
    request = MapRequest.model_validate({**asked, "maps": [{"kind": kind, "metric": metric}]})

    def run() -> Array:
        sample = sample_of(question_of(request), prediction, target)
        [found] = finished(maps_in_pieces(engine, request, plans_of(request), sample))
        if found.array is None:
            raise RuntimeError(f"{kind} of {metric}: {found.undefined}")
        return found.array

    return run


def theirs(losses: Losses, kind: str, prediction: Array, target: Array) -> Run:
    """Torch's, from arrays to an array."""

    def run() -> Array:
        x, t = torch.tensor(prediction, dtype=torch.float64, requires_grad=kind == "gradient"), torch.tensor(target)
        found = losses(x, t)
        if kind == "gradient":
            [found] = torch.autograd.grad(found.mean(), x)
        return np.asarray(found.numpy().astype(np.float32))

    return run


def scenes() -> Iterator[tuple[str, str, Any, Losses, Array, Array]]:
    """What is mapped: its name, its task, its metric, torch's losses, and the arrays."""
    random = np.random.default_rng(0)
    for side in (512, 1024):
        logits = random.normal(scale=2.0, size=(side, side)).astype(np.float32)
        yield f"{side} x {side}, focal", "binary", FOCAL, focal, logits, random.integers(0, 2, logits.shape)
    logits = random.normal(scale=2.0, size=(19, 512, 512)).astype(np.float32)
    target = random.integers(0, 19, (512, 512))
    yield "19 x 512 x 512, cross-entropy", "multiclass", "cross_entropy", classes, logits, target


def beside(case: str, mine: Run, peer: Run, rounds: int) -> Iterator[Record]:
    """Compare, time."""
    expected = peer()
    np.testing.assert_allclose(mine(), expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())
    rows = timed(case, {OURS: mine, PEER: peer}, rounds)
    yield from rows.values()
    yield Figure(f"{case}, time beside torch", rows[OURS].over(rows[PEER]))


def records(given: argparse.Namespace) -> Iterator[Record]:
    """Each scene's loss and gradient."""
    engine = engine_of("eager", given.threads)
    for name, task, metric, losses, *arrays in scenes():
        for kind in ("loss", "gradient"):
            mine, peer = ours(engine, task, kind, metric, *arrays), theirs(losses, kind, *arrays)
            yield from beside(f"{name}, {kind}", mine, peer, given.rounds)


BENCHMARK = Benchmark("Maps beside torch", __doc__, ("torch", "numpy"), {"rounds": 9, "threads": 1}, records)
