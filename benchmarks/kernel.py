"""The passes beside MONAI + torchmetrics and segmentation_models_pytorch, and beside reading the same bytes once.

    scripts/bench kernel [--rounds 11] [--sides 512 1024 2048] [--samples 16]

The core and the full panel are those of `core`, the grid of focal losses that of `sweep`. `21 classes`: cross-entropy, soft dice
and IoU of each of so many samples of 21 x 512 x 512 logits. `labels`: IoU, dice and the counts of 16 masks of 512 x 512 bytes of 0 and
1, beside one call of torchmetrics' counts from which all three follow. `20 metrics`: of those that need no sort, in one question,
beside the first of them, focal loss, alone. Each with the compiled and the eager kernel. The scores are compared before any
is timed; the contenders take turns, and of each turn's two calls the second is timed.
"""

import argparse
from collections.abc import Iterator

import numpy as np
import torch
from lossgauge import metrics as m
from lossgauge.wire import Question
from monai.losses import DiceLoss
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy
from torchmetrics.functional.classification import multiclass_stat_scores

from benchmarks import core, goals, sweep
from benchmarks.benchmark import Benchmark, Record
from benchmarks.figure import Figure
from benchmarks.ours import COMPILED, KERNELS, NAMES, Array, Scores, engine_of, ours
from benchmarks.reading import READING, reading
from benchmarks.timing import Contender, timed

ROUNDS_OF_SWEEPS = 7
"""To one round of the others: they take milliseconds, of which a busy moment is many."""
CLASSES = 21
OF_CLASSES: list[m.MetricSpec] = [
    m.CrossEntropy(),
    m.Dice(soft=True, smooth_numerator=core.SMOOTH, smooth_denominator=core.SMOOTH),
    m.Iou(),
]
OF_LABELS: list[m.MetricSpec] = [m.Iou(), m.Dice(), m.Confusion()]
TWENTY: list[m.MetricSpec] = [
    *core.FULL,
    m.Brier(),
    m.Accuracy(),
    m.Precision(),
    m.Recall(),
    m.Specificity(),
    m.FBeta(),
    m.Mcc(),
    m.Kappa(),
    m.BalancedAccuracy(),
    m.DiceLoss(),
    m.IouLoss(),
    m.TverskyLoss(),
    m.LogCoshDiceLoss(),
    m.FocalLoss(gamma=2.0, alpha=None, key="plain_focal_loss"),
]


def records(given: argparse.Namespace) -> Iterator[Record]:
    """Every case."""
    yield from core.records(given)
    rounds = ROUNDS_OF_SWEEPS * given.rounds
    yield from sweep.records(argparse.Namespace(rounds=rounds, sides=given.sides, kernel="compiled"))
    yield from _of_classes(given)
    yield from _of_labels(given.rounds)
    yield from _of_twenty(given.rounds)


# -------------------------------------------------------------------------------------------------------------- classes


def peers_of_classes(logits: torch.Tensor, target: torch.Tensor) -> Scores:
    """Torch's cross-entropy, MONAI's dice loss, torchmetrics' counts for IoU, each of a sample."""
    long = target.long()
    entropy = cross_entropy(logits, long, reduction="none").mean((1, 2))
    loss = DiceLoss(softmax=True, to_onehot_y=True, smooth_nr=core.SMOOTH, smooth_dr=core.SMOOTH, reduction="none")
    dice = 1 - loss(logits, long[:, None]).reshape(len(logits), CLASSES).mean(1)
    tp, fp, _, fn, _ = multiclass_stat_scores(
        logits, long, CLASSES, average=None, multidim_average="samplewise"
    ).unbind(-1)
    iou = (tp / (tp + fp + fn)).mean(1)
    values = {"cross_entropy": entropy, "dice": dice, "iou": iou}
    return {name: value.double().numpy() for name, value in values.items()}


def scene_of_classes(samples: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Logits that are right more often than not."""
    random = np.random.default_rng(0)
    target = random.integers(0, CLASSES, (samples, 512, 512)).astype(np.uint8)
    logits = random.standard_normal((samples, CLASSES, 512, 512), np.float32)
    logits += 2 * (target[:, None] == np.arange(CLASSES)[:, None, None])
    return logits, target


def _of_classes(given: argparse.Namespace) -> Iterator[Record]:
    logits, target = scene_of_classes(given.samples)
    question = Question(task="multiclass", prediction_kind="logits", metrics=OF_CLASSES)
    tensors = torch.from_numpy(logits), torch.from_numpy(target)
    named = {core.PEERS: lambda: peers_of_classes(*tensors), **_ours(question, logits, target)}
    core.check_agreement({name: run() for name, run in named.items()})
    rows = timed(f"21 classes, {given.samples} samples", {**named, READING: reading(logits, target)}, given.rounds)
    yield from rows.values()
    yield Figure("21 classes beside MONAI + torchmetrics", rows[core.PEERS].over(rows[COMPILED]))


# --------------------------------------------------------------------------------------------------------------- labels


def peers_of_labels(prediction: torch.Tensor, target: torch.Tensor) -> Scores:
    """One call of torchmetrics' counts, and IoU and dice from them."""
    tp, fp, _, fn = core.counts(prediction, target, 0.5)
    values = {"iou": tp / (tp + fp + fn), "dice": 2 * tp / (2 * tp + fp + fn), "confusion": fp + fn}
    return {name: value.double().numpy() for name, value in values.items()}


def _of_labels(rounds: int) -> Iterator[Record]:
    logits, target = core.masks(core.SHAPE)
    prediction = (logits > 0).astype(np.uint8)
    question = Question(task="binary", prediction_kind="labels", metrics=OF_LABELS)
    tensors = torch.from_numpy(prediction), torch.from_numpy(target)
    named = {core.PEERS: lambda: peers_of_labels(*tensors), **_ours(question, prediction, target)}
    core.check_agreement({name: run() for name, run in named.items()})
    rows = timed("labels", {**named, READING: reading(prediction, target)}, rounds)
    yield from rows.values()
    yield goals.LABELS.figure(rows[core.PEERS].over(rows[COMPILED]))


# ------------------------------------------------------------------------------------------------------------ 20 metrics


def _of_twenty(rounds: int) -> Iterator[Record]:
    arrays = core.masks(core.SHAPE)
    engine = engine_of("compiled")
    asked = {"1 metric": TWENTY[:1], "20 metrics": TWENTY}
    questions = {name: Question(task="binary", prediction_kind="logits", metrics=each) for name, each in asked.items()}
    named: dict[str, Contender] = {name: ours(engine, question, *arrays) for name, question in questions.items()}
    rows = timed("20 metrics", {**named, READING: reading(*arrays)}, rounds)
    yield from rows.values()
    yield goals.TWENTY.figure(rows["20 metrics"].over(rows["1 metric"]))


def _ours(question: Question, prediction: Array, target: Array) -> dict[str, core.Panel]:
    return {NAMES[kernel]: ours(engine_of(kernel), question, prediction, target) for kernel in KERNELS}


BENCHMARK = Benchmark(
    "The kernel beside MONAI + torchmetrics, and beside reading the bytes",
    __doc__,
    ("torch", "monai", "torchmetrics", "segmentation_models_pytorch", "numpy"),
    {"rounds": 11, "sides": [512, 1024, 2048], "samples": 16},
    records,
)
