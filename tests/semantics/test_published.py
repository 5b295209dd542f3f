"""What the literature's tutorials compute: each comes out to the last digit, in float64 and in float32."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from lossgauge import metrics as m
from lossgauge.metrics import MetricSpec
from lossgauge_service.engine import Engine
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import sample_of

from tests.reference import Case
from tests.scoring import question_of, score, scores_of
from tests.semantics import listings as told

RNG = np.random.default_rng(11)
SHAPE = (24, 32)
X = RNG.normal(0, 2, SHAPE).astype(np.float32).astype(np.float64)
P = 1 / (1 + np.exp(-X))
T = (RNG.random(SHAPE) < 0.3).astype(np.int64)
W = RNG.uniform(0.25, 2, SHAPE).astype(np.float32).astype(np.float64)
XC = RNG.normal(0, 2, (3, *SHAPE)).astype(np.float32).astype(np.float64)
TC = RNG.integers(0, 3, SHAPE)
BINARY = Case(X, T)
CLASSES = Case(XC, TC, task="multiclass")
BCE = float(told.cross_entropy(P, T).mean())
KERAS_DICE = told.dice(P, T, 1, 1)
ONE_HOT = np.arange(3).reshape(3, 1, 1) == TC
PC = told.softmax(XC)


@dataclass(frozen=True)
class Row:
    """A name in the field: the spec that reaches it, on which case, and what is published."""

    name: str
    spec: MetricSpec
    published: Callable[[], float]
    case: Case = BINARY


def _hed() -> float:
    beta = float(np.mean(T == 0))
    return float(np.mean(np.where(T == 1, beta, 1 - beta) * told.cross_entropy(P, T)))


def _positive_weight() -> float:
    return float(np.mean(np.where(T == 1, 3.0, 1.0) * told.cross_entropy(P, T)))


def _class_weights() -> float:
    weight = np.where(T == 1, 2.0, 0.5)
    return float(np.sum(weight * told.cross_entropy(P, T)) / weight.sum())


def _smoothed() -> float:
    soft = T * 0.9 + 0.05
    return float(np.mean(-soft * np.log(P) - (1 - soft) * np.log(1 - P)))


def _multiclass_dice(first: int = 0) -> float:
    return float(np.mean([1 - told.dice(PC[c], ONE_HOT[c], 1, 1) for c in range(first, 3)]))


CLIP = (0.001, 0.999)
ROWS = (
    Row("focal, mean", m.FocalLoss(alpha=0.25, gamma=2.0), lambda: float(told.focal(P, T, 0.25, 2).mean())),
    Row("focal, sum", m.FocalLoss(reduction="sum"), lambda: float(told.focal(P, T, 0.25, 2).sum())),
    Row(
        "focal, by number of positives (RetinaNet)",
        m.FocalLoss(reduction="positives"),
        lambda: float(told.focal(P, T, 0.25, 2).sum() / T.sum()),
    ),
    Row(
        "focal, clipped probabilities, mean",
        m.FocalLoss(alpha=0.25, gamma=2.0, clip=CLIP),
        lambda: told.clipped_focal(P, T, 0.25, 2.0, leak=False) / T.size,
    ),
    Row(
        "focal, clipped probabilities, gamma 0.75, sum",
        m.FocalLoss(alpha=0.25, gamma=0.75, reduction="sum", clip=CLIP),
        lambda: told.clipped_focal(P, T, 0.25, 0.75, leak=False),
    ),
    Row(
        "focal, clipped probabilities, its leak",
        m.FocalLoss(alpha=0.25, gamma=0.75, reduction="sum", clip_leak=True, clip=CLIP),
        lambda: told.clipped_focal(P, T, 0.25, 0.75, leak=True),
    ),
    Row(
        "focal, clipped log",
        m.FocalLoss(alpha=0.5, gamma=1.5, log_floor=1e-6, reduction="sum"),
        lambda: told.floored_focal(P, T, 0.5, 1.5, 1e-6),
    ),
    Row(
        "focal, constant alpha",
        m.FocalLoss(alpha=0.8, alpha_mode="constant"),
        lambda: told.constant_focal(P, T, 0.8, 2.0),
    ),
    Row(
        "focal, multi-class softmax",
        m.FocalLoss(alpha=0.25, alpha_mode="constant"),
        lambda: told.softmax_focal(XC, TC, 0.25, 2.0),
        CLASSES,
    ),
    Row(
        "focal, multi-class softmax, alpha per class",
        m.FocalLoss(alpha=[0.2, 0.3, 0.5]),
        lambda: told.softmax_focal(XC, TC, [0.2, 0.3, 0.5], 2.0),
        CLASSES,
    ),
    Row("cross-entropy, log loss", m.CrossEntropy(), lambda: BCE),
    Row("cross-entropy, class weights", m.CrossEntropy(class_weights=[0.5, 2.0]), _class_weights),
    Row("cross-entropy, pos_weight", m.CrossEntropy(pos_weight=3.0), _positive_weight),
    Row("cross-entropy, label smoothing", m.CrossEntropy(label_smoothing=0.1), _smoothed),
    Row(
        "balanced cross-entropy, alpha",
        m.CrossEntropy(alpha=0.3),
        lambda: float(np.mean(np.where(T == 1, 0.3, 0.7) * told.cross_entropy(P, T))),
    ),
    Row("balanced cross-entropy, inverse frequency (HED)", m.CrossEntropy(balance="inverse_frequency"), _hed),
    *(
        Row(
            f"dice, soft, smoothing ({a}, {b})",
            m.DiceLoss(smooth_numerator=a, smooth_denominator=b),
            lambda a=a, b=b: 1 - told.dice(P, T, a, b),  # type: ignore[misc]  # the defaults keep this row's smoothing
        )
        for a, b in ((1.0, 1.0), (2.0, 1.0), (0.0, 0.0), (1e-5, 1e-5), (0.02, 0.02), (0.0, 1e-7))
    ),
    Row(
        "dice, soft, squared denominators",
        m.Dice(soft=True, squared=True),
        lambda: float(2 * np.sum(P * T) / (np.sum(P**2) + np.sum(T))),
    ),
    Row("dice, multi-class", m.DiceLoss(), _multiclass_dice, CLASSES),
    Row("dice, multi-class, foreground", m.DiceLoss(include_background=False), lambda: _multiclass_dice(1), CLASSES),
    Row("weighted dice", m.DiceLoss(), lambda: 1 - told.dice(P, T, 1, 1, W), replace(BINARY, weight=W)),
    Row(
        "focal + dice on one scale",
        m.FocalLogDice(focal_weight=10.0),
        lambda: float(10 * np.mean(2 * told.focal(P, T, 0.5, 2.0)) - np.log(KERAS_DICE)),
    ),
    Row("BCE + log dice", m.BceLogDice(), lambda: float(BCE - np.log(KERAS_DICE))),
    Row("BCE + dice", m.BceDice(), lambda: BCE + 1 - KERAS_DICE),
    Row(
        "focal + dice",
        m.FocalDice(),
        lambda: float(np.mean(2 * told.focal(P, T, 0.5, 2.0))) + 1 - KERAS_DICE,
    ),
    Row(
        "boundary-weighted BCE + dice",
        m.WeightedBceDice(),
        lambda: told.boundary_weighted_bce(P, T) + 1 - KERAS_DICE,
    ),
    Row("mean IoU over thresholds", m.MeanIou(), lambda: told.mean_iou(P, T, background=True)),
    Row(
        "mean IoU over thresholds, foreground only",
        m.MeanIou(include_background=False),
        lambda: told.mean_iou(P, T, background=False),
    ),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_published_formula_comes_out_to_the_last_digit(engine: Engine, row: Row) -> None:
    """1e-9 of the published number in float64, 1e-6 in float32."""
    published = row.published()
    assert score(engine, row.spec, row.case).value == pytest.approx(published, rel=1e-9)
    narrow = replace(row.case, prediction=row.case.prediction.astype(np.float32))
    assert score(engine, row.spec, narrow, "float32").value == pytest.approx(published, rel=1e-6)


@pytest.mark.parametrize(("gamma", "share"), [(0.0, 0.0058), (2.0, 0.4127)], ids=["cross-entropy", "focal"])
def test_the_share_of_the_loss_that_the_positives_carry(engine: Engine, gamma: float, share: float) -> None:
    """100,000 negatives at pt = 0.95 and 10 positives at pt = 0.05."""
    t = (np.arange(100_010) < 10).astype(np.int64)
    case = Case(np.full(t.size, 0.05), t, prediction_kind="probabilities")
    spec = m.FocalLoss(alpha=0.25, gamma=gamma) if gamma else m.CrossEntropy()
    found = score(engine, spec, case).model_dump()
    assert (round(found["positive_share"], 4), round(found["positive"] / found["value"], 4)) == (share, share)


def test_dice_per_sample_then_mean_or_of_the_whole_batch(engine: Engine) -> None:
    """`pooling` tells which of the two a batch's value is."""
    metrics = [m.DiceLoss(key="sample"), m.DiceLoss(key="batch", pooling="batch")]
    question = question_of(BINARY, metrics)
    plan = plan_for(question)
    samples = [sample_of(question, X[:8].copy(), T[:8].copy()), sample_of(question, X[8:].copy(), T[8:].copy())]
    outcomes = engine.run(plan, samples)
    summary = plan.summary(scores_of(engine, plan, samples), outcomes.groups)
    each = [1 - told.dice(P[rows], T[rows], 1, 1) for rows in (slice(0, 8), slice(8, None))]
    assert summary["sample"].value == pytest.approx(np.mean(each), rel=1e-9)
    assert summary["batch"].value == pytest.approx(1 - KERAS_DICE, rel=1e-9)
