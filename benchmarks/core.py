"""The time of the core and of the full panel beside MONAI + torchmetrics computing the same, from one run.

    scripts/bench core [--rounds 11]

Core panel: focal loss, cross-entropy, soft dice, IoU. Full panel: the same, mean IoU over ten thresholds, and the
counts at 0.5. Sixteen masks of 512 x 512, float32 logits, uint8 targets; every score per sample. A contender goes from
these arrays to numbers, its own checks and casts of the input included. Their scores are compared before any is timed,
and they take turns, so that a busy moment of the machine hits all of them; of each turn's two calls the second is timed.
"""

import argparse
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import torch
from lossgauge import metrics as m
from lossgauge.wire import Question
from lossgauge_service.engine import Engine
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import Sample, samples_of_stack
from monai.losses import DiceLoss, FocalLoss
from numpy.typing import NDArray
from torch.nn.functional import binary_cross_entropy_with_logits
from torchmetrics.functional.classification import binary_stat_scores

from benchmarks.page import head
from benchmarks.timing import in_turns

Floats = NDArray[np.float64]
Scores = Mapping[str, Floats]
Panel = Callable[[], Scores]
Kernel = Literal["compiled", "eager"]
Counts = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
Result = TypeVar("Result")

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
GOALS = {("core", "compiled"): 10, ("full", "compiled"): 50, ("core", "eager"): 3, ("full", "eager"): 10}


@dataclass(frozen=True)
class Row:
    """A contender's times on a panel, in seconds."""

    panel: str
    name: str
    seconds: list[float]

    @property
    def median(self) -> float:
        """The middle of its times."""
        return statistics.median(self.seconds)


# ----------------------------------------------------------------------------------------------------------------- ours


def ours(kernel: Kernel, metrics: list[m.MetricSpec], logits: NDArray[np.float32], target: NDArray[np.uint8]) -> Panel:
    """A panel as the service computes it: checks, plan, one pass, scores."""
    engine = Engine.build(device="cpu", kernel=kernel)
    question = Question(task="binary", prediction_kind="logits", metrics=metrics)

    def run() -> Scores:
        plan = plan_for(question)
        samples = [checked(sample, Sample) for sample in samples_of_stack(question, logits, target, None)]
        answers = [checked(scores, dict) for scores in plan.scores(engine.run(plan, samples))]
        return {metric.name: np.array([answer[metric.name].value for answer in answers]) for metric in metrics}

    return run


def checked(result: Result | Exception, kind: type[Result]) -> Result:
    """The result; raises `TypeError` on an error in its place."""
    if isinstance(result, kind):
        return result
    raise TypeError(f"expected {kind.__name__}, found {result!r}")


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
    table = binary_stat_scores(logits, target, threshold=threshold, multidim_average="samplewise")
    return table[:, 0], table[:, 1], table[:, 2], table[:, 3]


# --------------------------------------------------------------------------------------------------------------- timing


def panels() -> dict[tuple[str, str], Panel]:
    """Every contender on each panel."""
    logits, target = masks()
    tensors = (torch.from_numpy(logits), torch.from_numpy(target))
    table: dict[tuple[str, str], Panel] = {
        ("core", "peers"): lambda: peers_core(*tensors),
        ("full", "peers"): lambda: peers_full(*tensors),
    }
    kernels: tuple[Kernel, ...] = ("compiled", "eager")
    for kernel in kernels:
        table["core", kernel] = ours(kernel, CORE, logits, target)
        table["full", kernel] = ours(kernel, FULL, logits, target)
    return table


def masks() -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Logits that are right more often than not, and targets with three pixels in ten positive."""
    random = np.random.default_rng(0)
    target = (random.random(SHAPE) < 0.3).astype(np.uint8)
    logits = random.normal(scale=2.0, size=SHAPE) + 3.0 * target - 1.5
    return logits.astype(np.float32), target


def check_agreement(table: Mapping[tuple[str, str], Panel]) -> float:
    """The largest relative difference between our scores and the peers'. Raises where they disagree."""
    answers = {contender: run() for contender, run in table.items()}
    worst = [0.0]
    for (panel, name), scores in answers.items():
        for key, value in answers[panel, "peers"].items():
            np.testing.assert_allclose(scores[key], value, rtol=1e-5, err_msg=f"{name} {panel} {key}")
            worst.append(float(np.max(np.abs(scores[key] / value - 1))))
    return max(worst)


def take_turns(table: Mapping[tuple[str, str], Panel], rounds: int) -> list[Row]:
    """The times of every contender."""
    times = in_turns(list(table.values()), rounds)
    return [Row(panel, name, seconds) for (panel, name), seconds in zip(table, times, strict=True)]


# --------------------------------------------------------------------------------------------------------------- report


def report(rows: list[Row], worst: float) -> str:
    """The Markdown page."""
    lines = [
        head("The panels beside MONAI + torchmetrics", __doc__, ("torch", "monai", "torchmetrics", "numpy")),
        f"Largest relative difference between our scores and the peers': {worst:.0e}.",
        "",
        "| panel | contender | median | fastest to slowest | Mpx/s | times the peers | goal |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    peers = {row.panel: row.median for row in rows if row.name == "peers"}
    return "\n".join([*lines, *(table_line(row, peers[row.panel]) for row in rows), ""])


def table_line(row: Row, peers: float) -> str:
    """A contender's line."""
    name = "MONAI + torchmetrics" if row.name == "peers" else f"lossgauge, {row.name} kernel"
    spread = f"{min(row.seconds) * 1e3:.1f} to {max(row.seconds) * 1e3:.1f} ms"
    speed = f"{np.prod(SHAPE) / row.median / 1e6:.1f}"
    goal = GOALS.get((row.panel, row.name))
    times = f"{peers / row.median:.1f}"
    return f"| {row.panel} | {name} | {row.median * 1e3:.1f} ms | {spread} | {speed} | {times} | {goal or ''} |"


def main() -> None:
    """Check, time, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    arguments = parser.parse_args()
    table = panels()
    worst = check_agreement(table)
    print(report(take_turns(table, arguments.rounds), worst))


if __name__ == "__main__":
    main()
