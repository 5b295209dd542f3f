"""The time of the core and of the full panel beside MONAI + torchmetrics and segmentation_models_pytorch, from one run.

    scripts/bench core [--rounds 11]

Core panel: focal loss, cross-entropy, soft dice, IoU. Full panel: the same, mean IoU over ten thresholds, and the
counts at 0.5. Sixteen masks of 512 x 512, float32 logits, uint8 targets; every score per sample. A contender goes from
these arrays to numbers, its own checks and casts of the input included. Their scores are compared before any is timed,
and they take turns, so that a busy moment of the machine hits all of them; of each turn's two calls the second is timed.
Reading the bytes is the sum of both arrays' 64-bit words.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np
import torch
from lossgauge import metrics as m
from lossgauge.wire import Question
from monai.losses import DiceLoss, FocalLoss
from numpy.typing import NDArray
from torch.nn.functional import binary_cross_entropy_with_logits
from torchmetrics.functional.classification import binary_stat_scores

from benchmarks import goals, smp
from benchmarks.benchmark import Benchmark, Record
from benchmarks.figure import Figure
from benchmarks.goal import Goal
from benchmarks.ours import COMPILED, KERNELS, NAMES, Kernel, Scores, engine_of, ours
from benchmarks.reading import READING, reading
from benchmarks.row import Row
from benchmarks.timing import timed

Panel = Callable[[], Scores]
Counts = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]

SHAPE = (16, 512, 512)
SMOOTH = 1e-5
THRESHOLDS = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
CORE = [
    m.FocalLoss(gamma=2.0, alpha=0.25),
    m.CrossEntropy(),
    m.Dice(soft=True, smooth_numerator=SMOOTH, smooth_denominator=SMOOTH),
    m.Iou(),
]
FULL = [*CORE, m.MeanIou(thresholds=THRESHOLDS), m.Confusion()]
PANELS: Mapping[str, list[m.MetricSpec]] = {"core panel": CORE, "full panel": FULL}
GOALS: Mapping[tuple[str, Kernel], Goal] = {
    ("core panel", "compiled"): goals.CORE,
    ("full panel", "compiled"): goals.FULL,
    ("core panel", "eager"): goals.CORE_EAGER,
    ("full panel", "eager"): goals.FULL_EAGER,
}
PEERS = "MONAI + torchmetrics"


# ---------------------------------------------------------------------------------------------------------------- peers


def peers_core(logits: torch.Tensor, target: torch.Tensor) -> Scores:
    """MONAI's focal and dice loss, torch's cross-entropy, torchmetrics' counts for IoU."""
    real = target.float()
    x, t = logits[:, None], real[:, None]
    focal = FocalLoss(gamma=2.0, alpha=0.25, reduction="none")(x, t).mean((1, 2, 3))
    entropy = binary_cross_entropy_with_logits(logits, real, reduction="none").mean((1, 2))
    dice = 1 - DiceLoss(sigmoid=True, smooth_nr=SMOOTH, smooth_dr=SMOOTH, reduction="none")(x, t).reshape(-1)
    tp, fp, _, fn = counts(logits, target, 0.5)
    values = {"focal_loss": focal, "cross_entropy": entropy, "dice": dice, "iou": tp / (tp + fp + fn)}
    return {name: value.double().numpy() for name, value in values.items()}


def peers_full(logits: torch.Tensor, target: torch.Tensor) -> Scores:
    """The core, torchmetrics' counts at ten thresholds, and the mean of both classes' IoU from them."""
    core = peers_core(logits, target)
    at = [counts(logits, target, threshold) for threshold in THRESHOLDS]
    ious = [(tp / (tp + fp + fn) + tn / (tn + fp + fn)) / 2 for tp, fp, tn, fn in at]
    _, fp, _, fn = at[0]
    return {**core, "mean_iou": torch.stack(ious).mean(0).double().numpy(), "confusion": (fp + fn).double().numpy()}


def counts(logits: torch.Tensor, target: torch.Tensor, threshold: float) -> Counts:
    """TP, FP, TN and FN of each sample."""
    if len(logits) == 1:  # torchmetrics cannot take a single sample by itself
        table = binary_stat_scores(logits, target, threshold=threshold)[None]
    else:
        table = binary_stat_scores(logits, target, threshold=threshold, multidim_average="samplewise")
    return table[:, 0], table[:, 1], table[:, 2], table[:, 3]


# --------------------------------------------------------------------------------------------------------------- timing


def contenders(panel: str) -> dict[str, Panel]:
    """Every contender on a panel."""
    logits, target = masks(SHAPE)
    tensors = (torch.from_numpy(logits), torch.from_numpy(target))
    peers = peers_core if panel == "core panel" else peers_full
    question = Question(task="binary", prediction_kind="logits", metrics=PANELS[panel])
    mine = {NAMES[kernel]: ours(engine_of(kernel), question, logits, target) for kernel in KERNELS}
    other = (
        partial(smp.core, smooth=SMOOTH)
        if panel == "core panel"
        else partial(smp.full, smooth=SMOOTH, thresholds=THRESHOLDS)
    )
    return {PEERS: lambda: peers(*tensors), smp.SMP: lambda: other(*tensors), **mine}


def masks(shape: tuple[int, ...], seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Logits that are right more often than not, and targets with three pixels in ten positive."""
    random = np.random.default_rng(seed)
    target = (random.random(shape) < 0.3).astype(np.uint8)
    logits = random.normal(scale=2.0, size=shape) + 3.0 * target - 1.5
    return logits.astype(np.float32), target


def check_agreement(answers: Mapping[str, Scores], peer: str = PEERS) -> None:
    """Raises where our scores differ from the peers'."""
    for name, scores in answers.items():
        for key, value in answers[peer].items():
            np.testing.assert_allclose(scores[key], value, rtol=1e-5, err_msg=f"{name}: {key}")


def judged(panel: str, rows: Mapping[str, Row]) -> Iterator[Figure]:
    """How many times the peers' speed ours is."""
    for kernel in KERNELS:
        yield GOALS[panel, kernel].figure(rows[PEERS].over(rows[NAMES[kernel]]))
    yield Figure(f"{panel} beside {smp.SMP} in process", rows[smp.SMP].over(rows[COMPILED]))


def records(given: argparse.Namespace) -> Iterator[Record]:
    """Each panel: check, time, judge."""
    for panel in PANELS:
        named = contenders(panel)
        check_agreement({name: run() for name, run in named.items()})
        rows = timed(panel, {**named, READING: reading(*masks(SHAPE))}, given.rounds)
        yield from rows.values()
        yield from judged(panel, rows)


BENCHMARK = Benchmark(
    "The panels beside MONAI + torchmetrics, and segmentation_models_pytorch",
    __doc__,
    ("torch", "monai", "torchmetrics", "segmentation_models_pytorch", "numpy"),
    {"rounds": 11},
    records,
)
