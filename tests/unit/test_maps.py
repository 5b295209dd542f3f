"""Maps of one sample: gradients beside torch's own of plain formulas, losses beside their score, mistakes beside counts."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from lossgauge.mapping import MapRequest
from lossgauge_service.engine import Engine
from lossgauge_service.errors import MetricDoesNotFit
from lossgauge_service.maps import Mapped, mapped, plans_of, question_of
from lossgauge_service.samples import sample_of
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

Document = dict[str, Any]
Formula = Callable[[Tensor, Tensor, Tensor], Tensor]
TOLERANCE = 1e-7
NOTHING = {"encoding": "list", "data": [0]}


def maps_of(engine: Engine, asked: Document, *arrays: Any) -> list[Mapped]:
    """The maps of a prediction, a target and perhaps a weight."""
    request = MapRequest.model_validate(
        {"task": "binary", "prediction_kind": "logits", "prediction": NOTHING, "target": NOTHING} | asked
    )
    sample = sample_of(question_of(request), *(np.array(array) for array in arrays))
    return mapped(engine, request, plans_of(request), sample)


def gradient(engine: Engine, metric: Any, asked: Document, *arrays: Any) -> NDArray[Any]:
    """The gradient of one metric."""
    [found] = maps_of(engine, {**asked, "maps": [{"kind": "gradient", "metric": metric}]}, *arrays)
    assert found.array is not None, found.undefined
    return found.array


def close(found: NDArray[Any], expected: NDArray[Any]) -> bool:
    """Whether two gradients agree, by the largest entry."""
    return bool(np.abs(found - expected).max() <= TOLERANCE * np.abs(expected).max())


def autograd(formula: Formula, x: NDArray[Any], t: NDArray[Any], v: NDArray[Any]) -> NDArray[Any]:
    """torch's gradient of a plain formula of prediction, target and weights."""
    prediction = torch.tensor(x, requires_grad=True)
    formula(prediction, torch.tensor(t), torch.tensor(v)).backward()  # type: ignore[no-untyped-call]
    assert prediction.grad is not None
    return np.asarray(prediction.grad.numpy())


# ----------------------------------------------------------------------------------------------------------------- masks


def bce(x: Tensor, t: Tensor, v: Tensor) -> Tensor:
    """The weighted mean cross-entropy."""
    return (binary_cross_entropy_with_logits(x, t, reduction="none") * v).sum() / v.sum()


def focal(x: Tensor, t: Tensor, v: Tensor, gamma: float = 2.0, alpha: float = 0.25) -> Tensor:
    """The focal loss of arXiv:1708.02002."""
    p = torch.sigmoid(x)
    pt, alpha_t = torch.where(t > 0, p, 1 - p), torch.where(t > 0, alpha, 1 - alpha)
    ce = binary_cross_entropy_with_logits(x, t, reduction="none")
    return (alpha_t * (1 - pt) ** gamma * ce * v).sum() / v.sum()


def overlap_of(p: Tensor, t: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sums of p t, p and t."""
    return (v * p * t).sum(), (v * p).sum(), (v * t).sum()


def dice(x: Tensor, t: Tensor, v: Tensor, smooth: float = 1.0) -> Tensor:
    """The soft dice loss."""
    shared, predicted, targeted = overlap_of(torch.sigmoid(x), t, v)
    return 1 - (2 * shared + smooth) / (predicted + targeted + smooth)


def squared_dice(x: Tensor, t: Tensor, v: Tensor) -> Tensor:
    """V-Net's dice loss."""
    p = torch.sigmoid(x)
    return 1 - (2 * (v * p * t).sum() + 1) / ((v * p * p).sum() + (v * t * t).sum() + 1)


def iou(x: Tensor, t: Tensor, v: Tensor) -> Tensor:
    """The soft IoU loss."""
    shared, predicted, targeted = overlap_of(torch.sigmoid(x), t, v)
    return 1 - (shared + 1) / (predicted + targeted - shared + 1)


SMOOTH = {"smooth_numerator": 1.0, "smooth_denominator": 1.0}
DICE = {"name": "dice_loss", **SMOOTH}
BINARY: dict[str, tuple[Document, Formula]] = {
    "cross-entropy": ({"name": "cross_entropy"}, bce),
    "focal": ({"name": "focal_loss", "gamma": 2.0, "alpha": 0.25}, focal),
    "focal 1.3": ({"name": "focal_loss", "gamma": 1.3, "alpha": 0.6}, lambda x, t, v: focal(x, t, v, 1.3, 0.6)),
    "dice": (DICE, dice),
    "squares": ({**DICE, "squared": True}, squared_dice),
    "IoU": ({"name": "iou_loss", **SMOOTH}, iou),
    "a score": ({"name": "dice", "soft": True, **SMOOTH}, lambda x, t, v: 1 - dice(x, t, v)),
    "mix": ({"name": "bce_dice", "dice": DICE}, lambda x, t, v: bce(x, t, v) + dice(x, t, v)),
    "log dice": (
        {"name": "bce_log_dice", "dice": {"name": "dice", "soft": True, **SMOOTH}},
        lambda x, t, v: bce(x, t, v) - torch.log(1 - dice(x, t, v)),
    ),
}
SPREADS = {"near 0": 0.1, "usual": 2.0, "sure": 12.0}


def scene(spread: float, seed: int = 0) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Logits, a target with ignored pixels (9), and weights."""
    random = np.random.default_rng(seed)
    target = (random.random((13, 17)) < 0.3).astype(np.int64)
    logits = spread * random.normal(size=target.shape)
    logits[0, :3] = 0
    target[3, 2:6] = 9
    return logits, target, random.random(target.shape) + 0.1


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("spread", SPREADS.values(), ids=SPREADS)
@pytest.mark.parametrize(("metric", "formula"), BINARY.values(), ids=BINARY)
def test_the_gradient_of_a_mask_is_torch_s(
    engine: Engine, metric: Document, formula: Formula, spread: float, weighted: bool
) -> None:
    """With ignored pixels and weights, of good and bad predictions: within 1e-7 of the largest entry."""
    logits, target, weight = scene(spread)
    arrays = (logits, target, weight) if weighted else (logits, target)
    found = gradient(engine, metric, {"ignore_index": 9}, *arrays)
    v = np.where(target == 9, 0.0, weight if weighted else 1.0)
    expected = autograd(formula, logits, np.where(target == 1, 1.0, 0.0), v)
    assert found.dtype == np.float64
    assert close(found, expected)
    assert not found[target == 9].any()


@pytest.mark.parametrize("share", [1e-3, 0.5 - 1e-9, 0.999])
def test_the_gradient_of_dice_where_its_formula_changes(engine: Engine, share: float) -> None:
    """Near a dice of 1/2, where the score is written in another way, and at both ends, nothing jumps."""
    target = np.arange(64) % 4 == 0
    p = np.where(target, share, (1 - share) / 3)
    for metric, formula in ((DICE, dice), ({"name": "dice", "soft": True}, lambda x, t, v: 1 - dice(x, t, v, 0.0))):
        found = gradient(engine, metric, {"prediction_kind": "probabilities"}, p, target)
        expected = autograd(
            lambda x, t, v, f=formula: f(torch.logit(x), t, v),  # type: ignore[misc]
            *(p, target.astype(float), np.ones(64)),
        )
        assert close(found, expected)


def test_the_gradient_of_probabilities_at_their_ends(engine: Engine) -> None:
    """Probabilities of exactly 0 and 1 that are right have the derivative of the formula; of wrong ones there is none."""
    p, target = np.array([0.0, 1.0, 0.3, 0.8]), np.array([0, 1, 0, 1])
    found = gradient(engine, "cross_entropy", {"prediction_kind": "probabilities"}, p, target)
    assert np.allclose(found, [0.25, -0.25, 0.25 / 0.7, -0.25 / 0.8], rtol=1e-12)
    asked = {"prediction_kind": "probabilities", "maps": [{"kind": "gradient", "metric": "cross_entropy"}]}
    [lost] = maps_of(engine, asked, p, 1 - target)
    assert (lost.array, lost.undefined) == (None, "infinite")


def test_the_gradient_of_what_is_clipped(engine: Engine) -> None:
    """Outside of the clip nothing changes; inside, all is as without."""
    p, target = np.array([0.001, 0.2, 0.999]), np.array([1, 1, 0])
    clipped = {"name": "focal_loss", "gamma": 2.0, "alpha": 0.25, "clip": [0.01, 0.99]}
    found = gradient(engine, clipped, {"prediction_kind": "probabilities"}, p, target)
    free = gradient(engine, {**clipped, "clip": None}, {"prediction_kind": "probabilities"}, p, target)
    assert (found[0], found[2]) == (0, 0)
    assert found[1] == pytest.approx(free[1], rel=1e-10)


@pytest.mark.parametrize("metric", ["cross_entropy", DICE, {**DICE, "soft_target": "l1"}, {**DICE, "squared": True}])
def test_the_gradient_with_soft_targets(engine: Engine, metric: Any) -> None:
    """A target between 0 and 1 enters as the formulas say."""
    logits, _, _ = scene(2.0)
    target = np.random.default_rng(4).random(logits.shape)
    target[0], target[1] = 0, 1

    def formula(x: Tensor, t: Tensor, v: Tensor) -> Tensor:
        p = torch.sigmoid(x)
        if metric == "cross_entropy":
            return bce(x, t, v)
        if metric.get("squared"):
            return squared_dice(x, t, v)
        shared = torch.minimum(p, t) if "soft_target" in metric else p * t
        return 1 - (2 * shared.sum() + 1) / ((p + t).sum() + 1)

    found = gradient(engine, metric, {"target_kind": "probabilities"}, logits, target)
    assert close(found, autograd(formula, logits, target, np.ones(target.shape)))


# --------------------------------------------------------------------------------------------------------------- classes


def class_scene(channel_axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Logits of four classes, some equal, one far off, and a target with ignored pixels (9)."""
    random = np.random.default_rng(7)
    logits = 2 * random.normal(size=(4, 9, 11))
    logits[:, 0, 0], logits[1:3, 0, 1], logits[0, 0, 2] = 0, 7.5, -900
    target = random.integers(0, 4, (9, 11))
    target[2, :4] = 9
    return np.moveaxis(logits, 0, channel_axis), target


def class_dice(x: Tensor, t: Tensor) -> Tensor:
    """The mean of the classes' dice losses, over the pixels that count."""
    counted = t != 9
    p = torch.softmax(x, 0)[:, counted]
    hot = torch.nn.functional.one_hot(t[counted], len(x)).T
    shared, both = (p * hot).sum(1), p.sum(1) + hot.sum(1)
    return (1 - (2 * shared + 1) / (both + 1)).mean()


@pytest.mark.parametrize("channel_axis", [0, -1])
@pytest.mark.parametrize(
    "metric", ["cross_entropy", {**DICE, "average": "macro"}, {"name": "focal_loss", "alpha": None}]
)
def test_the_gradient_of_classes_is_torch_s(engine: Engine, metric: Any, channel_axis: int) -> None:
    """Softmax cross-entropy, focal loss and macro dice, with ignored pixels and equal logits, in the caller's axes."""
    logits, target = class_scene(channel_axis)

    def formula(x: Tensor, t: Tensor, v: Tensor) -> Tensor:
        first = x.movedim(channel_axis, 0)
        if metric == "cross_entropy":
            return cross_entropy(first[None], t[None], ignore_index=9)
        if metric["name"] == "dice_loss":
            return class_dice(first, t)
        ce = cross_entropy(first[None], t[None], ignore_index=9, reduction="none")[0]
        return ((1 - torch.exp(-ce)) ** 2 * ce)[t != 9].mean()

    asked = {"task": "multiclass", "ignore_index": 9, "channel_axis": channel_axis}
    found = gradient(engine, metric, asked, logits, target)
    assert found.shape == logits.shape
    assert close(found, autograd(formula, logits, target, np.ones(1)))


def test_float32_is_answered_in_float32(engine: Engine) -> None:
    """The dtype follows the precision; the derivative is computed in float64."""
    logits, target, _ = scene(2.0)
    narrow = logits.astype(np.float32)
    small = gradient(engine, DICE, {"ignore_index": 9}, narrow, target)
    wide = gradient(engine, DICE, {"ignore_index": 9, "precision": "float64"}, narrow, target)
    assert (small.dtype.name, wide.dtype.name) == ("float32", "float64")
    assert (small == wide.astype(np.float32)).all()


# ---------------------------------------------------------------------------------------------- losses, mistakes, refusals

LOSSES: dict[str, Document] = {
    "cross-entropy": {"name": "cross_entropy"},
    "focal": {"name": "focal_loss", "gamma": 1.5, "alpha": 0.3},
    "positive weight": {"name": "cross_entropy", "pos_weight": 3.0},
    "balanced": {"name": "cross_entropy", "balance": "inverse_frequency"},
    "smoothed": {"name": "cross_entropy", "label_smoothing": 0.1},
    "leak": {"name": "focal_loss", "alpha": 0.25, "clip": [1e-6, 0.9], "clip_leak": True},
    "boundary": {"name": "cross_entropy", "weight_from": {"window": 5}},
    "sum": {"name": "focal_loss", "reduction": "sum"},
    "count": {"name": "cross_entropy", "weight_denominator": "count"},
    "all": {"name": "cross_entropy", "ignore_denominator": "all"},
}


@pytest.mark.parametrize("metric", LOSSES.values(), ids=LOSSES)
def test_the_mean_of_a_loss_map_is_the_score(engine: Engine, metric: Document) -> None:
    """The map's sum over the reduction's denominator is the score of the same spec; what is ignored is 0."""
    logits, target, _ = scene(2.0)
    [found] = maps_of(engine, {"ignore_index": 9, "maps": [{"kind": "loss", "metric": metric}]}, logits, target)
    assert found.array is not None
    assert found.array.shape == logits.shape
    assert not found.array[target == 9].any()
    by = {"sum": 1, "all": target.size}
    how = metric.get("reduction") or metric.get("ignore_denominator") or ""
    denominator = by.get(str(how), (target != 9).sum())
    assert found.array.sum() / denominator == pytest.approx(found.value, rel=1e-12)


@pytest.mark.parametrize("metric", ["cross_entropy", {"name": "focal_loss", "alpha": [0.1, 0.2, 0.3, 0.4]}])
def test_the_mean_of_a_loss_map_of_classes_is_the_score(engine: Engine, metric: Any) -> None:
    """Classes have one loss a pixel; weights enter the map, and their sum the denominator."""
    logits, target = class_scene(0)
    weight = np.random.default_rng(1).random(target.shape)
    asked = {"task": "multiclass", "ignore_index": 9, "maps": [{"kind": "loss", "metric": metric}]}
    [found] = maps_of(engine, asked, logits, target, weight)
    assert found.array is not None
    assert found.array.shape == target.shape
    assert found.array.sum() / weight[target != 9].sum() == pytest.approx(found.value, rel=1e-12)


def test_a_loss_map_holds_what_is_infinite(engine: Engine) -> None:
    """A wrong probability of 0 costs infinitely much, there and only there; the score says so."""
    asked = {"prediction_kind": "probabilities", "maps": [{"kind": "loss", "metric": "cross_entropy"}]}
    [found] = maps_of(engine, asked, np.array([0.0, 0.5]), np.array([1, 1]))
    assert found.array is not None
    assert found.array.tolist() == [np.inf, np.log(2)]
    assert (found.value, found.undefined) == (None, "infinite")


def test_mistakes_of_masks_and_of_classes(engine: Engine) -> None:
    """Each pixel is one of five, by the threshold and its side; classes are right or wrong."""
    p, target = np.array([[0.2, 0.9, 0.5], [0.7, 0.1, 0.6]]), np.array([[0, 1, 1], [0, 1, 9]])
    asked = {"prediction_kind": "probabilities", "ignore_index": 9}
    above, from_it = ({"kind": "errors"}, {"kind": "errors", "name": "b", "threshold_side": "greater_equal"})
    one, other = maps_of(engine, {**asked, "maps": [above, from_it]}, p, target)
    assert one.array is not None
    assert other.array is not None
    assert one.array.tolist() == [[0, 1, 3], [2, 3, 255]]
    assert other.array.tolist() == [[0, 1, 1], [2, 3, 255]]
    logits, classes = class_scene(0)
    [found] = maps_of(engine, {"task": "multiclass", "ignore_index": 9, "maps": [above]}, logits, classes)
    assert found.array is not None
    assert (found.array[classes == 9] == 255).all()
    right = logits.argmax(0) == classes
    assert (found.array[classes != 9] == np.where(right, 1, 2)[classes != 9]).all()


REFUSED = {
    "counts": ({"kind": "gradient", "metric": "dice"}, "no gradient"),
    "confusion": ({"kind": "gradient", "metric": "confusion"}, "no gradient"),
    "no loss per pixel": ({"kind": "loss", "metric": "dice_loss"}, "focal_loss, cross_entropy"),
}


@pytest.mark.parametrize(("asked", "words"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_such_map_is_refused(engine: Engine, asked: Document, words: str) -> None:
    """A metric of counts has no gradient, an overlap no loss per pixel: refused at its place, not answered with zeros."""
    with pytest.raises(MetricDoesNotFit, match=words) as raised:
        maps_of(engine, {"maps": [{"kind": "errors"}, asked]}, *scene(1.0)[:1], np.zeros((13, 17), int))
    assert raised.value.pointer == "/maps/1/metric"


def test_an_undefined_score_has_no_gradient(engine: Engine) -> None:
    """Where every pixel is ignored there is a reason, and no array of zeros."""
    asked = {"ignore_index": 9, "maps": [{"kind": "gradient", "metric": "cross_entropy"}]}
    [found] = maps_of(engine, asked, np.zeros((2, 2)), np.full((2, 2), 9))
    assert (found.array, found.value, found.undefined) == (None, None, "no_valid_pixels")
