"""What the field expects beside the tutorials' formulas: each metric by its own, in plain NumPy or by hand."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pytest
from lossgauge import metrics as m
from lossgauge.metrics import MetricSpec
from lossgauge_service.engine import Engine
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import sample_of
from scipy.spatial.distance import directed_hausdorff

from tests.reference import Case
from tests.reference.case import AnyArray, Floats
from tests.scoring import question_of, score, scores_of
from tests.semantics import listings as told

RNG = np.random.default_rng(41)
X = RNG.normal(0, 2, (9, 11)).astype(np.float32).astype(np.float64)
P = 1 / (1 + np.exp(-X))
T = (RNG.random((9, 11)) < 0.35).astype(np.int64)
SOFT = Case(X, T)
GIVEN = Case(P, T, prediction_kind="probabilities")
G = (P > 0.5).astype(np.int64)
TP, FP, FN, TN = (float(np.sum((G == g) & (T == t))) for g, t in ((1, 1), (1, 0), (0, 1), (0, 0)))
N = float(T.size)
I, SUM_P, SUM_T = float(np.sum(P * T)), float(P.sum()), float(T.sum())  # noqa: E741  # as the formulas have it


@dataclass(frozen=True)
class Row:
    """A metric that is expected, and its formula."""

    name: str
    spec: MetricSpec
    formula: Callable[[], float]
    case: Case = SOFT


def _tversky(fp: float, fn: float) -> float:
    return I / (I + fp * (SUM_P - I) + fn * (SUM_T - I))


def _generalised_dice() -> float:
    classes = [(1 - P, 1 - T), (P, T)]
    over = sum(2 * np.sum(p * t) / np.sum(t) ** 2 for p, t in classes)
    return float(1 - over / sum((np.sum(p) + np.sum(t)) / np.sum(t) ** 2 for p, t in classes))


def _mcc() -> float:
    return float((TP * TN - FP * FN) / np.sqrt((TP + FP) * (TP + FN) * (TN + FP) * (TN + FN)))


def _kappa() -> float:
    by_chance = ((TP + FP) * (TP + FN) + (TN + FN) * (TN + FP)) / N**2
    return ((TP + TN) / N - by_chance) / (1 - by_chance)


def _auc() -> float:
    pairs = product(P[T == 1].tolist(), P[T == 0].tolist())
    return float(np.mean([(p > n) + (p == n) / 2 for p, n in pairs]))


def _average_precision() -> float:
    return float(np.mean([np.mean(T[P >= threshold]) for threshold in P[T == 1]]))


def _gaps(cuts: Floats) -> tuple[Floats, Floats]:
    """Of bins (a, b] their shares of the pixels, and how far the mean probability is from the share of positives."""
    own = np.searchsorted(cuts, P.ravel(), side="left")
    bins = [own == b for b in range(len(cuts) + 1) if np.any(own == b)]
    gaps = [abs(P.ravel()[inside].mean() - T.ravel()[inside].mean()) for inside in bins]
    return np.array([inside.mean() for inside in bins]), np.array(gaps)


def _calibration(bins: int, norm: str) -> float:
    shares, gaps = _gaps(np.linspace(0, 1, bins + 1)[1:-1])
    return float({"l1": np.sum(shares * gaps), "l2": np.sqrt(np.sum(shares * gaps**2)), "max": gaps.max()}[norm])


def _adaptive(bins: int) -> float:
    """Of as many pixels in each bin."""
    order = np.argsort(P.ravel())
    chunks = np.split(order, bins)
    return float(np.mean([abs(P.ravel()[chunk].mean() - T.ravel()[chunk].mean()) for chunk in chunks]))


def _points(mask: AnyArray) -> AnyArray:
    framed = np.pad(mask, 1)
    inner = framed[:-2, 1:-1] & framed[2:, 1:-1] & framed[1:-1, :-2] & framed[1:-1, 2:]
    return np.argwhere(mask & ~inner)


def _hausdorff() -> float:
    ours, theirs = _points(G == 1), _points(T == 1)
    return float(max(directed_hausdorff(ours, theirs)[0], directed_hausdorff(theirs, ours)[0]))


def _fbeta(beta: float) -> float:
    precision, recall = TP / (TP + FP), TP / (TP + FN)
    return (1 + beta**2) * precision * recall / (beta**2 * precision + recall)


def _exact(name: str, **parameters: float) -> MetricSpec:
    """A loss without smoothing."""
    return m.CATALOGUE[name].model_validate({**parameters, "smooth_numerator": 0.0, "smooth_denominator": 0.0})


ECE = {"bins": 10, "confidence": "positive"}
ROWS = (
    Row("Tversky", _exact("tversky_loss", fp_weight=0.3, fn_weight=0.7), lambda: 1 - _tversky(0.3, 0.7)),
    Row(
        "focal Tversky",
        _exact("focal_tversky_loss", fp_weight=0.3, fn_weight=0.7, gamma=0.75),
        lambda: (1 - _tversky(0.3, 0.7)) ** 0.75,
    ),
    Row("generalised dice", _exact("generalized_dice_loss"), _generalised_dice),
    Row(
        "log-cosh dice",
        m.LogCoshDiceLoss(),
        lambda: float(np.log(np.cosh(1 - (2 * I + 1) / (SUM_P + SUM_T + 1)))),
    ),
    Row("unified focal", m.UnifiedFocalLoss(), lambda: told.unified_focal(P, T, 0.5, 0.6, 0.5)),
    Row("asymmetric focal", m.AsymmetricFocalLoss(), lambda: told.asymmetric_focal(P, T, 0.7, 2.0)),
    Row("reduced focal", m.FocalLoss(alpha=None, reduced_threshold=0.5), lambda: told.reduced_focal(P, T, 0.5, 2.0)),
    Row("normalised focal", m.FocalLoss(alpha=None, normalized=True), lambda: told.normalized_focal(P, T, 2.0)),
    Row("soft-IoU loss", _exact("iou_loss"), lambda: 1 - I / (SUM_P + SUM_T - I)),
    Row("MCC", m.Mcc(), _mcc),
    Row("Cohen's kappa", m.Kappa(), _kappa),
    Row("specificity", m.Specificity(), lambda: TN / (TN + FP)),
    Row("F-beta", m.FBeta(beta=2.0), lambda: _fbeta(2.0)),
    Row("balanced accuracy", m.BalancedAccuracy(), lambda: (TP / (TP + FN) + TN / (TN + FP)) / 2),
    Row("ROC AUC", m.RocAuc(), _auc),
    Row("average precision", m.AveragePrecision(), _average_precision),
    Row("ECE", m.CalibrationError.model_validate(ECE), lambda: _calibration(10, "l1"), GIVEN),
    Row("RMSCE", m.CalibrationError.model_validate(ECE | {"norm": "l2"}), lambda: _calibration(10, "l2"), GIVEN),
    Row("MCE", m.CalibrationError.model_validate(ECE | {"norm": "max"}), lambda: _calibration(10, "max"), GIVEN),
    Row(
        "ACE",
        m.CalibrationError.model_validate(ECE | {"binning": "quantile", "bins": 9}),
        lambda: _adaptive(9),
        GIVEN,
    ),
    Row("Brier", m.Brier(), lambda: float(np.mean((P - T) ** 2))),
    Row("NLL", m.CrossEntropy(), lambda: float(np.mean(-np.log(np.where(T == 1, P, 1 - P)))), GIVEN),
    Row("Hausdorff", m.Hausdorff(), _hausdorff),
    Row("volume difference", m.VolumeDifference(), lambda: (TP + FP - TP - FN) / (TP + FN)),
    Row("volume difference, absolute", m.VolumeDifference(mode="absolute"), lambda: abs(FP - FN) / (TP + FN)),
    Row(
        "volume difference, symmetric",
        m.VolumeDifference(mode="symmetric"),
        lambda: 2 * abs(FP - FN) / (2 * TP + FP + FN),
    ),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_the_field_expects(engine: Engine, row: Row) -> None:
    """Each has its own formula's number: 1e-9 of it in float64, 1e-6 in float32."""
    formula = row.formula()
    assert score(engine, row.spec, row.case).value == pytest.approx(formula, rel=1e-9)
    narrow = replace(row.case, prediction=row.case.prediction.astype(np.float32))
    assert score(engine, row.spec, narrow, "float32").value == pytest.approx(formula, rel=1e-6)


# ------------------------------------------------------------------------------------------- by hand: lines and objects


def test_centreline_dice_by_hand(engine: Engine) -> None:
    """Of a line of 8 pixels 6 are in the other line of 6: precision 1, recall 6/8, and their harmonic mean."""
    target, guess = np.zeros((2, 5, 12), np.int64)
    target[2, 1:9], guess[2, 1:7] = 1, 1
    found = score(engine, m.CentrelineDice(), Case(guess, target, prediction_kind="labels")).value
    assert found == pytest.approx(2 * 1 * (6 / 8) / (1 + 6 / 8))


def test_panoptic_quality_is_sq_times_rq(engine: Engine) -> None:
    """Two pairs of IoU 3/4 and 2/3, one object missed and one invented: SQ their mean, RQ 2 / (2 + 1/2 + 1/2)."""
    target, guess = np.array([1, 1, 1, 1, 2, 2, 0, 0, 3, 3]), np.array([7, 7, 7, 0, 8, 8, 8, 0, 0, 9])
    case = Case(guess, target, task="instances", prediction_kind="labels")
    found = score(engine, m.PanopticQuality(), case).model_dump()
    assert (found["tp"], found["fp"], found["fn"]) == (2, 1, 1)
    assert [found["sq"], found["rq"]] == pytest.approx([(3 / 4 + 2 / 3) / 2, 2 / 3])
    assert found["value"] == pytest.approx((3 / 4 + 2 / 3) / 2 * 2 / 3)


@pytest.mark.parametrize(("beta", "expected"), [(1.0, 2 * 2 / (2 * 2 + 1 + 2)), (2.0, 5 * 2 / (5 * 2 + 4 * 1 + 2))])
def test_instances_f1_and_f2_at_an_iou_above_one_half(engine: Engine, beta: float, expected: float) -> None:
    """Of three objects two are found, one only by half; of what was found besides two are nothing."""
    target, guess = np.zeros((2, 7, 16), np.int64)
    target[1, 0:3] = target[1, 6:10] = target[1, 12:16] = 1
    guess[1, 0:3] = guess[1, 6:9] = guess[1, 12:14] = guess[5, 3:6] = 1
    case = Case(guess, target, prediction_kind="labels")
    found = score(engine, m.InstanceFBeta(beta=beta), case).model_dump()
    assert (found["tp"], found["fp"], found["fn"]) == (2, 2, 1)
    assert found["value"] == pytest.approx(expected)


# ---------------------------------------------------------------------------------------------------------------- Lovasz


def lovasz(errors: Floats, truth: AnyArray) -> float:
    """Berman et al., algorithm 1: the errors in falling order, times what each pixel adds to the Jaccard loss."""
    order = np.argsort(-errors, kind="stable")
    hit = truth[order]
    jaccard = 1 - (hit.sum() - np.cumsum(hit)) / (hit.sum() + np.cumsum(1 - hit))
    return float(np.sum(errors[order] * np.diff(jaccard, prepend=0)))


def hinge(x: Floats, t: AnyArray) -> Floats:
    """max(0, 1 - x s), s = 1 or -1."""
    return np.asarray(np.maximum(1 - x * (2 * t - 1), 0)).ravel()


def test_lovasz_hinge_leaves_ignored_pixels_out(engine: Engine) -> None:
    """What is ignored is in no rank: the loss is that of the other pixels alone."""
    target = np.where(np.arange(11) < 4, 255, T)
    counted = target != 255
    found = score(engine, m.LovaszHinge(), Case(X, target, ignore_index=255)).value
    assert found == pytest.approx(lovasz(hinge(X[counted], T[counted]), T[counted]), rel=1e-9)
    assert found != pytest.approx(lovasz(hinge(X, T), T.ravel()), rel=1e-3)


def test_lovasz_softmax_leaves_ignored_pixels_out(engine: Engine) -> None:
    """Of every class's ranks; a class that only ignored pixels have is not present."""
    x, t = RNG.normal(0, 2, (3, 9, 11)), RNG.integers(0, 2, (9, 11))
    t[:, 7:] = 2
    case = Case(x, t, task="multiclass", ignore_index=2)
    p, counted = told.softmax(x), t != 2
    each = [lovasz(np.abs((t == c) - p[c])[counted], (t == c)[counted] * 1) for c in range(3)]
    found = {
        how: score(engine, m.LovaszSoftmax.model_validate({"classes": how}), case).value for how in ("present", "all")
    }
    assert found == pytest.approx(
        {"present": np.mean(each[:2]), "all": np.mean([*each[:2], p[2][counted].max()])}, rel=1e-9
    )


@pytest.mark.parametrize("name", ["lovasz_hinge", "lovasz_softmax"])
def test_lovasz_per_image_or_of_the_batch(engine: Engine, name: str) -> None:
    """per_image: the mean of the images' losses, or with pooling `batch` the loss of all their pixels together."""
    spec = m.CATALOGUE[name]
    metrics = [spec.model_validate({"key": "image"}), spec.model_validate({"key": "batch", "pooling": "batch"})]
    question = question_of(SOFT, metrics)
    plan = plan_for(question)
    cuts = (slice(0, 4), slice(4, None))
    samples = [sample_of(question, X[rows].copy(), T[rows].copy()) for rows in cuts]
    summary = plan.summary(scores_of(engine, plan, samples), engine.run(plan, samples).groups)
    errors = hinge(X, T).reshape(X.shape) if name == "lovasz_hinge" else np.abs(T - P)
    each = [lovasz(errors[rows].ravel(), T[rows].ravel()) for rows in cuts]
    assert summary["image"].value == pytest.approx(np.mean(each), rel=1e-9)
    assert summary["batch"].value == pytest.approx(lovasz(errors.ravel(), T.ravel()), rel=1e-9)


def test_lovasz_softmax_of_the_batch_ranks_the_pixels_of_all_images(engine: Engine) -> None:
    """Of several classes too: per_image false is, class by class, the loss of all images' pixels together."""
    x, t = RNG.normal(0, 2, (2, 3, 5, 7)), RNG.integers(0, 3, (2, 5, 7))
    question = question_of(Case(x[0], t[0], task="multiclass"), [m.LovaszSoftmax(pooling="batch")])
    plan = plan_for(question)
    samples = [sample_of(question, prediction.copy(), target) for prediction, target in zip(x, t, strict=True)]
    summary = plan.summary(scores_of(engine, plan, samples), engine.run(plan, samples).groups)
    p = np.stack([told.softmax(image) for image in x], 1).reshape(3, -1)
    each = [lovasz(np.abs((t.ravel() == c) - p[c]), (t.ravel() == c) * 1) for c in range(3)]
    assert summary["lovasz_softmax"].value == pytest.approx(np.mean(each), rel=1e-9)


@pytest.mark.parametrize("name", ["lovasz_hinge", "lovasz_softmax"])
def test_lovasz_of_ties_in_any_order(engine: Engine, name: str) -> None:
    """Determinism: pixels of equal error may stand in any order, and the loss is the same."""
    x, t = RNG.integers(-2, 3, 60) / 2, RNG.integers(0, 2, 60)
    orders = [np.arange(60), np.argsort(t, kind="stable"), np.argsort(-t, kind="stable"), RNG.permutation(60)]
    found = [score(engine, m.CATALOGUE[name].model_validate({}), Case(x[order], t[order])).value for order in orders]
    errors = hinge(x, t) if name == "lovasz_hinge" else np.abs(t - 1 / (1 + np.exp(-x)))
    assert found == pytest.approx([lovasz(errors, t)] * 4, rel=1e-12)
