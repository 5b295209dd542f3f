"""The choices of metrics that are no sums over pixels: rankings, distances, objects, bins."""

from typing import Any

import numpy as np
import pytest
from lossgauge import metrics as m
from lossgauge.metrics import CATALOGUE
from lossgauge_service.engine import Engine
from pydantic import ValidationError
from scipy.ndimage import binary_erosion, distance_transform_edt
from sklearn.metrics import average_precision_score, roc_auc_score

from tests.reference import Case
from tests.reference.case import AnyArray
from tests.scoring import score
from tests.semantics import listings as told

RNG = np.random.default_rng(31)
A = np.zeros((20, 24), np.int64)
A[3:12, 4:15] = 1
B = np.zeros((20, 24), np.int64)
B[5:16, 6:20] = 1
B[18, 22] = 1
MASKS = Case(A, B, prediction_kind="labels")
XC, TC = RNG.normal(0, 2, (3, 8, 9)), RNG.integers(0, 3, (8, 9))


def _value(engine: Engine, name: str, case: Case, **parameters: Any) -> float | None:
    return score(engine, CATALOGUE[name].model_validate(parameters), case).value


# --------------------------------------------------------------------------------------------------- focal over classes


def test_focal_over_classes(engine: Engine) -> None:
    """Softmax focal over pixels, over pixels times classes (a third of it), and one-vs-rest sigmoids: three numbers."""
    case = Case(XC, TC, task="multiclass")
    pixels = told.softmax_focal(XC, TC, 1.0, 2.0)
    assert _value(engine, "focal_loss", case, alpha=None) == pytest.approx(pixels, rel=1e-9)
    elements = _value(engine, "focal_loss", case, alpha=None, denominator="elements")
    assert elements == pytest.approx(pixels / 3, rel=1e-9)
    hot = (np.arange(3).reshape(3, 1, 1) == TC).astype(np.int64)
    each = 2 * told.focal(1 / (1 + np.exp(-XC)), hot, 0.5, 2.0)
    parameters = {"alpha": None, "multiclass_mode": "one_vs_rest", "denominator": "elements"}
    found = score(engine, m.FocalLoss.model_validate(parameters), case)
    assert found.value == pytest.approx(float(each.mean()), rel=1e-9)
    assert found.per_class == pytest.approx(each.mean((1, 2)), rel=1e-9)
    over_pixels = _value(engine, "focal_loss", case, **parameters | {"denominator": "pixels"})
    assert over_pixels == pytest.approx(float(each.sum(0).mean()), rel=1e-9)
    masks = _value(engine, "focal_loss", Case(XC, hot, task="multilabel"), alpha=None)
    assert masks == pytest.approx(found.value, rel=1e-12)


def test_focal_over_classes_of_probabilities(engine: Engine) -> None:
    """Against the rest a class's probability is taken as it is given: no second sigmoid."""
    p = 1 / (1 + np.exp(-XC))
    parameters = {"multiclass_mode": "one_vs_rest", "alpha": 0.25}
    logits = _value(engine, "focal_loss", Case(XC, TC, task="multiclass"), **parameters)
    given = _value(engine, "focal_loss", Case(p, TC, task="multiclass", prediction_kind="probabilities"), **parameters)
    assert given == pytest.approx(logits, rel=1e-9)


def test_focal_over_classes_leaves_ignored_pixels_out_of_every_mask(engine: Engine) -> None:
    """An ignored pixel is in no class's rest either, and alpha_t weighs each mask's positives against its rest."""
    target = np.where(np.arange(9) < 3, 1, TC)
    case = Case(XC, target, task="multiclass", ignore_index=1)
    counted = target != 1
    hot = (np.arange(3).reshape(3, 1, 1) == target).astype(np.int64)
    each = told.focal(1 / (1 + np.exp(-XC)), hot, 0.25, 2.0)[:, counted]
    found = score(engine, m.FocalLoss(multiclass_mode="one_vs_rest", denominator="elements"), case)
    assert found.value == pytest.approx(float(each.mean()), rel=1e-9)
    assert found.per_class == pytest.approx(each.mean(1), rel=1e-9)


# --------------------------------------------------------------------------------------------------------------- Tversky


def test_tversky_weights_by_name(engine: Engine) -> None:
    """`fp_weight` and `fn_weight`, with alpha and beta as their other names, in this order."""
    tp, fp, fn = float(np.sum(A * B)), float(np.sum(A * (1 - B))), float(np.sum((1 - A) * B))
    options = {"smooth_numerator": 0.0, "smooth_denominator": 0.0}
    expected = 1 - tp / (tp + 0.3 * fp + 0.7 * fn)
    named = _value(engine, "tversky_loss", MASKS, fp_weight=0.3, fn_weight=0.7, **options)
    aliased = _value(engine, "tversky_loss", MASKS, alpha=0.3, beta=0.7, **options)
    assert [named, aliased] == pytest.approx([expected, expected], rel=1e-9)


# ---------------------------------------------------------------------------------------------------------------- Lovasz


def _lovasz(errors: AnyArray, truth: AnyArray) -> float:
    """Berman et al., algorithm 1: the errors in falling order, times the gradient of the Jaccard loss."""
    order = np.argsort(-errors, kind="stable")
    hit = truth[order]
    jaccard = 1 - (hit.sum() - np.cumsum(hit)) / (hit.sum() + np.cumsum(1 - hit))
    return float(np.sum(errors[order] * np.diff(jaccard, prepend=0)))


@pytest.mark.parametrize(("per_image", "pooling"), [(True, "sample"), (False, "batch")])
@pytest.mark.parametrize("name", ["lovasz_hinge", "lovasz_softmax"])
def test_lovasz_per_image_by_its_published_name(name: str, per_image: bool, pooling: str) -> None:
    """`per_image` is the pooling: of each sample, or of the batch's pixels together; anything but a boolean is refused."""
    assert CATALOGUE[name].model_validate({"per_image": per_image}).pooling == pooling
    for given, found in (
        ({"per_image": 1}, "true or false"),
        ({"per_image": per_image, "pooling": pooling}, "name one"),
    ):
        with pytest.raises(ValidationError, match=f"per_image .*{found}"):
            CATALOGUE[name].model_validate(given)


def test_lovasz_hinge_and_softmax(engine: Engine) -> None:
    """Per image; softmax over the classes that are present, over all, or over those that are listed."""
    x, t = RNG.normal(0, 2, 60), RNG.integers(0, 2, 60)
    hinge = np.maximum(1 - x * (2 * t - 1), 0)
    assert _value(engine, "lovasz_hinge", Case(x, t)) == pytest.approx(_lovasz(hinge, t), rel=1e-9)
    target = np.where(TC == 2, 1, TC)
    each = [
        _lovasz(np.abs((target == c) - p).ravel(), (target == c).ravel() * 1) for c, p in enumerate(told.softmax(XC))
    ]
    expected = {"present": np.mean(each[:2]), "all": np.mean(each), (1, 2): np.mean(each[1:])}
    for classes, value in expected.items():
        given = list(classes) if isinstance(classes, tuple) else classes
        case = Case(XC, target, task="multiclass")
        assert _value(engine, "lovasz_softmax", case, classes=given) == pytest.approx(value, rel=1e-9)


# ------------------------------------------------------------------------------------------------------ surface distances


def _directed(one: AnyArray, other: AnyArray) -> AnyArray:
    border, across = (mask & ~binary_erosion(mask) for mask in (one == 1, other == 1))
    return np.asarray(distance_transform_edt(~across)[border])


def test_hd95_in_its_definitions(engine: Engine) -> None:
    """The greater of two directed percentiles, or one percentile of all distances; by area: `test_choices_of_surfaces`."""
    there, back = _directed(A, B), _directed(B, A)
    expected = {
        "max_of_directed": max(np.percentile(there, 95), np.percentile(back, 95)),
        "pooled": np.percentile(np.concatenate([there, back]), 95),
    }
    found = {how: _value(engine, "hausdorff", MASKS, percentile=95, hd_mode=how) for how in expected}
    assert expected == pytest.approx(found, rel=1e-6)


def test_surface_distances_by_direction(engine: Engine) -> None:
    """ASSD is the mean over both borders, MASD the mean of the two means."""
    there, back = _directed(A, B), _directed(B, A)
    expected = {
        "assd": float(np.concatenate([there, back]).mean()),
        "masd": float((there.mean() + back.mean()) / 2),
        "directed": float(there.mean()),
    }
    found = {how: _value(engine, "average_surface_distance", MASKS, symmetric=how) for how in expected}
    assert expected == pytest.approx(found, rel=1e-6)


def test_surface_dice_in_its_definitions(engine: Engine) -> None:
    """Counts of both borders together, or the mean of the two shares."""
    there, back = _directed(A, B) <= 2, _directed(B, A) <= 2
    expected = {
        "pooled_counts": float(np.concatenate([there, back]).mean()),
        "mean_of_fractions": float((there.mean() + back.mean()) / 2),
    }
    found = {how: _value(engine, "surface_dice", MASKS, tolerance=2.0, nsd_mode=how) for how in expected}
    assert expected == pytest.approx(found, rel=1e-9)


def test_a_distance_of_an_empty_mask_is_by_rule(engine: Engine) -> None:
    """A missed object has the image's diagonal by default: it never leaves a mean."""
    missed = Case(np.zeros_like(B), B, prediction_kind="labels")
    assert _value(engine, "hausdorff", missed) == pytest.approx(np.hypot(*B.shape))
    assert _value(engine, "hausdorff", missed, empty={"prediction": 7.0}) == 7.0
    nothing = score(engine, m.Hausdorff(), Case(np.zeros_like(B), np.zeros_like(B), prediction_kind="labels"))
    assert (nothing.value, nothing.undefined) == (None, "both_empty")


# --------------------------------------------------------------------------------------------------------------- matching


def test_matching_at_the_threshold(engine: Engine) -> None:
    """IoU > 0.5 strictly (panoptic), or >= (COCO): a pair at one half is matched by the second only."""
    half = Case(np.array([[1, 1, 0, 0]]), np.array([[1, 0, 0, 0]]), prediction_kind="labels")
    strict, inclusive = (
        _value(engine, "instance_fbeta", half, iou_threshold=0.5, threshold_side=side)
        for side in ("greater", "greater_equal")
    )
    assert (strict, inclusive) == (0.0, 1.0)


def test_f2_and_the_mean_over_iou_thresholds(engine: Engine) -> None:
    """F-beta of matched objects, and TP / (TP + FP + FN) at each of 0.5 .. 0.95, averaged."""
    guess, truth = np.zeros((6, 12), np.int64), np.zeros((6, 12), np.int64)
    guess[1:3, 0:4] = truth[1:3, 0:3] = 1
    truth[4:6, 6:9] = 1
    case = Case(guess, truth, prediction_kind="labels")
    tp, fp, fn = 1, 0, 1
    assert _value(engine, "instance_fbeta", case, beta=2.0) == pytest.approx(5 * tp / (5 * tp + 4 * fn + fp))
    counts = [(0.75 > threshold, threshold) for threshold in np.linspace(0.5, 0.95, 10).round(2)]
    expected = np.mean([hit / 2 if hit else 0 / 3 for hit, _ in counts])
    assert _value(engine, "instance_precision", case) == pytest.approx(expected)


# ------------------------------------------------------------------------------------------------------------ calibration


@pytest.mark.parametrize(("closed", "counts"), [("left", [1.0, 3.0]), ("right", [3.0, 1.0])])
def test_every_pixel_is_in_one_bin(engine: Engine, closed: str, counts: list[float]) -> None:
    """A pixel at an edge is on the side that `closed` says; p = 0 and p = 1 are in a bin too."""
    p, t = np.array([0.0, 0.5, 0.5, 1.0]), np.array([0, 0, 1, 1])
    case = Case(p, t, prediction_kind="probabilities")
    spec = m.CalibrationError.model_validate({"bins": 2, "closed": closed, "confidence": "positive", "norm": "max"})
    found = score(engine, spec, case).model_dump()
    assert counts == found["bin_count"]


@pytest.mark.parametrize("bins", [1, 2, 5, 15])
def test_the_number_of_bins(engine: Engine, bins: int) -> None:
    """`bins` is how many there are, 15 by default, and every pixel is counted once: the edges of the interval too."""
    p = np.concatenate([[0.0, 1.0], RNG.random(98)])
    case = Case(p, (RNG.random(100) < p).astype(np.int64), prediction_kind="probabilities")
    found = score(engine, m.CalibrationError(bins=bins, confidence="positive"), case).model_dump()
    assert (len(found["bin_count"]), sum(found["bin_count"])) == (bins, 100)
    inside = np.minimum(np.ceil(p * bins).astype(int) - (p > 0), bins - 1)
    assert found["bin_count"] == [float(np.sum(inside == b)) for b in range(bins)]
    assert m.CalibrationError().bins == 15


# ------------------------------------------------------------------------------------------------------------ determinism


def test_ties_never_change_a_value(engine: Engine) -> None:
    """Equal scores in any order have the same AUC and average precision, scikit-learn's."""
    p, t = RNG.integers(0, 4, 50) / 4, RNG.integers(0, 2, 50)
    expected = {"roc_auc": roc_auc_score(t, p), "average_precision": average_precision_score(t, p)}
    for order in (np.arange(50), np.argsort(t), np.argsort(-t)):
        case = Case(p[order], t[order], prediction_kind="probabilities")
        assert expected == pytest.approx({name: _value(engine, name, case) for name in expected}, rel=1e-9)


def test_ties_are_in_one_adaptive_bin(engine: Engine) -> None:
    """Bins of equally many pixels part no pixels of equal probability, whichever comes first."""
    p, t = np.array([0.1, 0.1, 0.1, 0.1, 0.6, 0.9]), np.array([0, 1, 0, 1, 1, 1])
    asked = {"bins": 2, "binning": "quantile", "confidence": "positive"}
    found = [
        score(
            engine,
            m.CalibrationError.model_validate(asked),
            Case(p[order], t[order], prediction_kind="probabilities"),
        ).model_dump()
        for order in (np.arange(6), np.arange(6)[::-1], np.argsort(t, kind="stable"))
    ]
    assert [one["bin_count"] for one in found] == [[4.0, 2.0]] * 3
    expected = 4 / 6 * (0.5 - 0.1) + 2 / 6 * (1 - 0.75)
    assert [one["value"] for one in found] == pytest.approx([expected] * 3)
