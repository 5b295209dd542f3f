"""The time of surface distances beside MONAI's, on the CPU.

    scripts/bench surface [--rounds 5] [--axes 2 3]

A mask of 512 x 512 and one of 128 x 128 x 128, balls and noise that was smoothed, uint8 in and numbers out. `one`: the 95th percentile of
the Hausdorff distance. `panel`: it, the average symmetric surface distance and the surface dice, which share their
distances here. Each on one thread. The scores are compared before any is timed; the contenders take turns.
"""

import argparse
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import torch
from lossgauge import metrics as m
from lossgauge.wire import Question
from lossgauge_service.engine import Engine
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import sample_of
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from benchmarks import goals
from benchmarks.benchmark import Benchmark, Record
from benchmarks.ours import engine_of
from benchmarks.timing import timed

Mask = NDArray[np.uint8]
Run = Callable[[], list[float]]

ONE: list[m.MetricSpec] = [m.Hausdorff(percentile=95.0)]
PANEL: list[m.MetricSpec] = [*ONE, m.AverageSurfaceDistance(), m.SurfaceDice(tolerance=2.0)]
SIDES = {2: 512, 3: 128}
ASKED = {"one": ONE, "panel": PANEL}
OURS, PEER = "lossgauge", "MONAI"


def ball(side: int, axes: int, middle: float, radius: float) -> Mask:
    """A disc or ball, its middle and radius as shares of the side."""
    squares = sum((axis - middle * side) ** 2 for axis in np.indices((side,) * axes))
    return np.asarray(squares < (radius * side) ** 2, np.uint8)


def patches(side: int, axes: int, seed: int) -> Mask:
    """Patches of any form, a third of the image."""
    noise = np.random.default_rng(seed).normal(size=(side,) * axes)
    field = gaussian_filter(noise, side / 16)
    return np.asarray(field > np.quantile(field, 2 / 3), np.uint8)


def ours(engine: Engine, metrics: list[m.MetricSpec], prediction: Mask, target: Mask) -> Run:
    """As the service computes it: checks, plan, measures, scores."""
    question = Question(task="binary", prediction_kind="labels", metrics=metrics)

    def run() -> list[float]:
        plan = plan_for(question)
        [scores] = plan.scores(engine.run(plan, [sample_of(question, prediction, target)]))
        if not isinstance(scores, dict):
            raise scores
        return [float(score.value or 0.0) for score in scores.values()]

    return run


def peers(count: int, prediction: Mask, target: Mask) -> Run:
    """MONAI's functions, one after the other."""
    pair = [torch.from_numpy(np.stack([1 - mask, mask]))[None] for mask in (prediction, target)]
    functions: list[Callable[[], torch.Tensor]] = [
        lambda: compute_hausdorff_distance(*pair, percentile=95),
        lambda: compute_average_surface_distance(*pair, symmetric=True),
        lambda: compute_surface_dice(*pair, class_thresholds=[2.0]),
    ]
    return lambda: [float(function()) for function in functions[:count]]


def scenes(numbers_of_axes: list[int]) -> Iterator[tuple[str, Mask, Mask]]:
    """Pairs of masks, named."""
    for axes in numbers_of_axes:
        side = SIDES[axes]
        shape = " x ".join([str(side)] * axes)
        yield f"{shape}, balls", ball(side, axes, 0.53, 0.33), ball(side, axes, 0.5, 0.35)
        yield f"{shape}, patches", patches(side, axes, 0), patches(side, axes, 1)


def beside(case: str, mine: Run, theirs: Run, rounds: int) -> Iterator[Record]:
    """Compare, time, judge."""
    np.testing.assert_allclose(mine(), theirs(), rtol=1e-5)
    rows = timed(case, {OURS: mine, PEER: theirs}, rounds)
    yield from rows.values()
    yield goals.SURFACE.figure(rows[PEER].over(rows[OURS]), case)


def records(given: argparse.Namespace) -> Iterator[Record]:
    """Each pair of masks, with one distance and with three."""
    warnings.filterwarnings("ignore", category=FutureWarning, module="monai")
    engine = engine_of("compiled", threads=1)
    for scene, *masks in scenes(given.axes):
        for name, metrics in ASKED.items():
            mine, theirs = ours(engine, metrics, *masks), peers(len(metrics), *masks)
            yield from beside(f"{scene}, {name}", mine, theirs, given.rounds)


BENCHMARK = Benchmark(
    "Surface distances beside MONAI",
    __doc__,
    ("monai", "scipy", "torch", "numpy"),
    {"rounds": 5, "axes": [2, 3]},
    records,
)
