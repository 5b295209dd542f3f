"""The time of the Lovasz losses beside the published algorithm in torch (Berman et al., arXiv:1705.08790), from one run.

    python -m benchmarks.lovasz [--rounds 11]

One 512 x 512 image at a time, float32 logits, uint8 target, on the CPU; softmax of five classes. A contender goes from these
arrays to a number, its own checks and casts of the input included. The values are compared before any is timed; they take turns.
"""

import argparse
import statistics
import time
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

Contender = Callable[[], float]
SIDE = 512
CLASSES = 5


def published_extension(errors: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """A sort of all errors, the gradient of the Jaccard loss by cumulative sums, and their dot product."""
    ordered, places = torch.sort(errors, descending=True)
    truth = truth[places]
    total = truth.sum()
    jaccard = 1 - (total - truth.cumsum(0)) / (total + (1 - truth).cumsum(0))
    jaccard[1:] = jaccard[1:] - jaccard[:-1].clone()
    return torch.dot(torch.relu(ordered), jaccard)


def published_hinge(x: NDArray[Any], t: NDArray[Any]) -> float:
    """lovasz_hinge of one image."""
    logits, truth = torch.from_numpy(x).flatten(), torch.from_numpy(t).flatten().float()
    return float(published_extension(1 - logits * (2 * truth - 1), truth))


def published_softmax(x: NDArray[Any], t: NDArray[Any]) -> float:
    """lovasz_softmax of one image, over the classes that are present."""
    p, labels = torch.from_numpy(x).flatten(1).softmax(0), torch.from_numpy(t).flatten()
    truths = [(labels == c).float() for c in range(len(p))]
    losses = [published_extension((truth - p[c]).abs(), truth) for c, truth in enumerate(truths) if truth.any()]
    return float(torch.stack(losses).mean())


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
        "lovasz_hinge": (lambda: ours(engine, hinge, x, t), lambda: published_hinge(x, t)),
        "lovasz_softmax": (lambda: ours(engine, softmax, logits, labels), lambda: published_softmax(logits, labels)),
    }


def _median_times(contenders: tuple[Contender, Contender], rounds: int) -> list[float]:
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for contender, taken in zip(contenders, times, strict=True):
            contender()
            start = time.perf_counter()
            contender()
            taken.append(time.perf_counter() - start)
    return [statistics.median(taken) for taken in times]


def main() -> None:
    """Compare the values, time both, print."""
    parser = argparse.ArgumentParser(description="Lovasz losses beside the published algorithm")
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    engine = Engine.build(device="cpu", kernel="auto")
    for name, contenders in _pairs(engine).items():
        a, b = (contender() for contender in contenders)
        if abs(a - b) > 1e-3 * abs(b):
            raise SystemExit(f"{name}: {a} beside {b}")
        mine, theirs = _median_times(contenders, rounds)
        print(f"{name}: {mine * 1e3:.1f} ms, published {theirs * 1e3:.1f} ms, ratio {theirs / mine:.2f}")


if __name__ == "__main__":
    main()
