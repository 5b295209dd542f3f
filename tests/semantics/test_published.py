"""What the literature's tutorials compute: each comes out to the last digit, in float64 and in float32."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from lossgauge import metrics as m
from lossgauge.metrics import MetricSpec
from lossgauge.sweeps import SweepRequest, csv_of
from lossgauge_service.engine import Engine
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import sample_of
from lossgauge_service.sweeps import Tables, sweeping

from tests.reference import Case
from tests.scoring import question_of, score, scores_of
from tests.semantics import listings as told
from tests.unit.test_maps import maps_of

RNG = np.random.default_rng(11)
SHAPE = (24, 32)
X = RNG.normal(0, 2, SHAPE).astype(np.float32).astype(np.float64)
T = (RNG.random(SHAPE) < 0.3).astype(np.int64)
# beyond every clip and below every floor, of both classes
X[0, :8], T[0, :8] = [8, -8, 16, -16] * 2, [1] * 4 + [0] * 4
P = 1 / (1 + np.exp(-X))
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


def _class_entropy(weights: Sequence[float] = (1.0, 1.0, 1.0)) -> float:
    own = np.array(weights)[TC]
    return float(np.sum(own * -np.log(np.take_along_axis(PC, TC[None], 0)[0])) / own.sum())


def _class_smoothed(weights: Sequence[float] = (1.0, 1.0, 1.0)) -> float:
    soft, by_class = 0.9 * ONE_HOT + 0.1 / 3, np.array(weights)
    loss = np.einsum("c,cn->n", by_class, (-soft * np.log(PC)).reshape(3, -1))
    return float(np.sum(loss) / by_class[TC].sum())


def _multiclass_dice(first: int = 0) -> float:
    return float(np.mean([1 - told.dice(PC[c], ONE_HOT[c], 1, 1) for c in range(first, 3)]))


P32 = P.astype(np.float32).astype(np.float64)
PROBABILITIES = Case(P32, T, prediction_kind="probabilities")
SMOOTHED_DICE = m.Dice(soft=True, smooth_numerator=1.0, smooth_denominator=1.0)
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
        "focal, clipped probabilities, of probabilities",
        m.FocalLoss(alpha=0.25, gamma=2.0, clip=CLIP),
        lambda: told.clipped_focal(P32, T, 0.25, 2.0, leak=False) / T.size,
        PROBABILITIES,
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
    Row("focal, reduced", m.FocalLoss(alpha=None, reduced_threshold=0.5), lambda: told.reduced_focal(P, T, 0.5, 2.0)),
    Row("focal, normalised", m.FocalLoss(alpha=None, normalized=True), lambda: told.normalized_focal(P, T, 2.0)),
    Row("focal, asymmetric", m.AsymmetricFocalLoss(), lambda: told.asymmetric_focal(P, T, 0.7, 2.0)),
    Row("focal, unified", m.UnifiedFocalLoss(), lambda: told.unified_focal(P, T, 0.5, 0.6, 0.5)),
    Row("cross-entropy, log loss", m.CrossEntropy(), lambda: BCE),
    Row("cross-entropy, multi-class", m.CrossEntropy(), _class_entropy, CLASSES),
    Row(
        "cross-entropy, multi-class, class weights",
        m.CrossEntropy(class_weights=[0.5, 1.0, 3.0]),
        lambda: _class_entropy((0.5, 1.0, 3.0)),
        CLASSES,
    ),
    Row("cross-entropy, multi-class, label smoothing", m.CrossEntropy(label_smoothing=0.1), _class_smoothed, CLASSES),
    Row(
        "cross-entropy, multi-class, class weights and label smoothing",
        m.CrossEntropy(class_weights=[0.5, 1.0, 3.0], label_smoothing=0.1),
        lambda: _class_smoothed((0.5, 1.0, 3.0)),
        CLASSES,
    ),
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
        for a, b in ((1.0, 1.0), (2.0, 1.0), (0.0, 0.0), (1e-5, 1e-5), (0.02, 0.02), (0.0, 1e-3), (0.0, 1e-7))
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
    Row(
        "focal + dice on one scale, as a combined loss",
        m.CombinedLoss(
            terms=[
                m.CombinedTerm(metric=m.FocalLoss(alpha=None), weight=10.0),
                m.CombinedTerm(metric=SMOOTHED_DICE, transform="minus_log"),
            ]
        ),
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
    Row(
        "boundary-weighted BCE",
        m.CrossEntropy(weight_from=m.BoundaryWeight(window=50, amplitude=5.0, decay=5.0)),
        lambda: told.boundary_weighted_bce(P, T),
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


NAMED: dict[str, dict[str, Any]] = {
    "focal_loss": {
        "alpha_mode": "balanced",
        "alpha": 0.25,
        "gamma": 2.0,
        "reduction": "mean",
        "clip": None,
        "clip_leak": False,
        "log_floor": None,
        "multiclass_mode": "softmax",
        "denominator": "pixels",
        "soft_target_pt": "product",
        "ignore_denominator": "valid",
    },
    "cross_entropy": {
        "class_weights": None,
        "pos_weight": None,
        "label_smoothing": 0.0,
        "alpha": None,
        "balance": None,
        "weight_from": None,
        "ignore_denominator": "valid",
    },
    "focal_log_dice": {"focal_weight": 10.0},
    "weighted_bce_dice": {"boundary": m.BoundaryWeight(window=50, amplitude=5.0, decay=5.0)},
}
"""The parameters that the rows of the focal losses and the cross-entropies name, and their stated defaults."""


@pytest.mark.parametrize("name", NAMED)
def test_the_parameters_of_the_rows_have_their_names_and_defaults(name: str) -> None:
    """Each choice is a parameter of a standard name, with a stated default and a line in the catalogue."""
    fields = m.CATALOGUE[name].model_fields
    assert {parameter: fields[parameter].default for parameter in NAMED[name]} == NAMED[name]
    assert [parameter for parameter in NAMED[name] if not fields[parameter].description] == []


def test_the_pixels_reach_every_clip_and_floor() -> None:
    """What is clipped, or floored, is not what it would be unclipped: a service without these parameters fails the rows."""
    plain = float(told.focal(P, T, 0.5, 1.5).sum())
    assert told.floored_focal(P, T, 0.5, 1.5, 1e-6) != pytest.approx(plain, rel=1e-4)
    assert told.clipped_focal(P, T, 0.5, 1.5, leak=False) != pytest.approx(plain, rel=1e-4)


def test_clipped_focal_loss_per_pixel(engine: Engine) -> None:
    """Per pixel, clipped too: the loss map before any reduction."""
    each = told.focal(np.clip(P, *CLIP), T, 0.25, 2.0)
    asked = {"name": "focal_loss", "alpha": 0.25, "gamma": 2.0, "clip": list(CLIP)}
    [found] = maps_of(engine, {"maps": [{"kind": "loss", "metric": asked}]}, X, T)
    assert found.array == pytest.approx(each, rel=1e-9)


def test_what_the_published_code_leaks(engine: Engine) -> None:
    """Each t = 0 pixel adds alpha (1e-3)^gamma (-log 0.999), each t = 1 pixel (1 - alpha) of the same: a count times a constant."""
    spec = m.FocalLoss(alpha=0.25, gamma=0.75, reduction="sum", clip=CLIP)
    clean, leaky = (score(engine, one, BINARY).value for one in (spec, spec.model_copy(update={"clip_leak": True})))
    assert clean is not None
    assert leaky is not None
    one_pixel = 1e-3**0.75 * -np.log(0.999)
    assert leaky - clean == pytest.approx(one_pixel * (0.25 * np.sum(T == 0) + 0.75 * np.sum(T == 1)), rel=1e-6)


def test_a_dice_loss_that_is_negative(engine: Engine) -> None:
    """The listing that adds its smoothing to I before doubling, (2, 1): of one pixel that is right, 1 - (2 + 2) / (2 + 1)."""
    case = Case(np.array([1.0]), np.array([1]), prediction_kind="probabilities")
    found = score(engine, m.DiceLoss(smooth_numerator=2.0, smooth_denominator=1.0), case).value
    assert found == pytest.approx(-1 / 3, rel=1e-9)


def swept(engine: Engine) -> Tables:
    """The tables of the grid of the literature."""
    array = {"encoding": "list", "data": [0]}
    asked = {
        "task": "binary",
        "prediction_kind": "logits",
        "prediction": array,
        "target": array,
        "sweep": {"focal": {}},
    }
    sweep = sweeping(SweepRequest.model_validate(asked))
    return sweep.tables(engine.run(sweep.plan, [sample_of(sweep.question, X.copy(), T.copy())]))


def test_alpha_by_gamma_tables_have_the_mask_beside_the_loss(engine: Engine) -> None:
    """Each cell has TP, FP, TN, FN, accuracy, precision, recall and AUC, and a CSV has them as its columns."""
    cells = swept(engine).cells
    assert cells is not None
    guess = X > 0
    tp, fp, fn, tn = (int(np.sum((guess == g) & (t == T))) for g, t in ((1, 1), (1, 0), (0, 1), (0, 0)))
    pairs = X[T == 1][:, None] - X[T == 0][None]
    expected = {
        **{"tp": tp, "fp": fp, "tn": tn, "fn": fn},
        "accuracy": (tp + tn) / T.size,
        "precision": tp / (tp + fp),
        "recall": tp / (tp + fn),
        "auc": float(np.mean((pairs > 0) + (pairs == 0) / 2)),
    }
    for cell in cells:
        assert expected == pytest.approx({name: cell[name] for name in expected}, rel=1e-9)
    table = [*csv.DictReader(io.StringIO(csv_of("cells", cells)))]
    assert len(table) == 49
    for row, cell in zip(table, cells, strict=True):
        named = {name: float(row[name]) for name in ("alpha", "gamma", "value", *expected)}
        assert named == {name: cell[name] for name in named}


def test_alpha_by_gamma_tables(engine: Engine) -> None:
    """alpha 0.1 .. 0.4 by 0.05, gamma 1 .. 4 by 0.5: each cell is its focal loss, beside the counts; the best is the lowest."""
    tables = swept(engine)
    assert tables.cells is not None
    grid = [(alpha, gamma) for alpha in np.linspace(0.1, 0.4, 7) for gamma in np.linspace(1, 4, 7)]
    expected = [float(told.focal(P, T, alpha, gamma).mean()) for alpha, gamma in grid]
    assert [cell["value"] for cell in tables.cells] == pytest.approx(expected, rel=1e-9)
    assert {(cell["tp"], cell["fp"]) for cell in tables.cells} == {
        (np.sum((X > 0) & (T == 1)), np.sum((X > 0) & (T == 0)))
    }
    best = grid[int(np.argmin(expected))]
    assert tables.best.cell is not None
    assert (tables.best.cell.alpha, tables.best.cell.gamma) == pytest.approx(best)


@pytest.mark.parametrize(("gamma", "share"), [(0.0, 0.0058), (2.0, 0.4127)], ids=["cross-entropy", "focal"])
def test_the_share_of_the_loss_that_the_positives_carry(engine: Engine, gamma: float, share: float) -> None:
    """100,000 negatives at pt = 0.95 and 10 positives at pt = 0.05."""
    t = (np.arange(100_010) < 10).astype(np.int64)
    case = Case(np.full(t.size, 0.05), t, prediction_kind="probabilities")
    spec = m.FocalLoss(alpha=0.25, gamma=gamma) if gamma else m.CrossEntropy()
    found = score(engine, spec, case).model_dump()
    assert (round(found["positive_share"], 4), round(found["positive"] / found["value"], 4)) == (share, share)
    assert found["negative"] == pytest.approx(found["value"] - found["positive"], rel=1e-9)


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
