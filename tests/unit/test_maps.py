"""Maps of one sample: gradients beside torch's own of plain formulas, losses beside their score, mistakes beside counts."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from lossgauge.mapping import MapRequest
from lossgauge_service.engine import Engine
from lossgauge_service.engine.pieces import finished
from lossgauge_service.errors import MetricDoesNotFit
from lossgauge_service.maps import Mapped, maps_in_pieces, plans_of, question_of
from lossgauge_service.samples import sample_of
from numpy.typing import NDArray
from pydantic import ValidationError
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
    return finished(maps_in_pieces(engine, request, plans_of(request), sample))


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


TVERSKY_L1 = {"name": "tversky_loss", "fp_weight": 0.2, "fn_weight": 0.9, "soft_target": "l1"}


@pytest.mark.parametrize(
    "metric", ["cross_entropy", DICE, {**DICE, "soft_target": "l1"}, {**DICE, "squared": True}, TVERSKY_L1]
)
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
        if metric is TVERSKY_L1:
            wrong = 0.2 * (p - shared).sum() + 0.9 * (t - shared).sum()
            return 1 - (shared.sum() + 1) / (shared.sum() + wrong + 1)
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


# ---------------------------------------------------------------------------------------------------------------- Lovasz


def jaccard_gradient(truth: Tensor) -> Tensor:
    """`lovasz_grad` of the published code (Berman et al., arXiv:1705.08790, algorithm 1), of sorted labels."""
    total = truth.sum()
    jaccard = 1 - (total - truth.cumsum(0)) / (total + (1 - truth).cumsum(0))
    return torch.cat([jaccard[:1], jaccard[1:] - jaccard[:-1]])


def extension(errors: Tensor, truth: Tensor) -> Tensor:
    """The errors in descending order, times the gradient of the Jaccard loss there."""
    ordered, places = torch.sort(errors, descending=True)
    return torch.dot(ordered, jaccard_gradient(truth[places]))


def hinge(x: Tensor, t: Tensor) -> Tensor:
    """`lovasz_hinge_flat`."""
    errors = 1 - x * (2 * t - 1)
    ordered, places = torch.sort(errors, descending=True)
    return torch.dot(torch.relu(ordered), jaccard_gradient(t[places]))


def softmax_losses(p: Tensor, t: Tensor, classes: Any) -> Tensor:
    """`lovasz_softmax_flat`, of probabilities (classes, pixels) and labels."""
    asked = range(len(p)) if isinstance(classes, str) else classes
    truths = [(t == place).double() for place in asked]
    losses = [extension((truth - p[place]).abs(), truth) for place, truth in zip(asked, truths, strict=True)]
    if classes == "present":
        losses = [loss for loss, truth in zip(losses, truths, strict=True) if truth.sum() > 0]
    return torch.stack(losses).mean()


@pytest.mark.parametrize("spread", SPREADS.values(), ids=SPREADS)
@pytest.mark.parametrize("metric", ["lovasz_hinge", "lovasz_softmax"])
def test_the_gradient_of_a_lovasz_loss_of_a_mask_is_torch_s(engine: Engine, metric: str, spread: float) -> None:
    """Autograd of the published formula, of logits that are all different, some beyond the hinge, some ignored."""
    logits, target, _ = scene(spread)
    logits[0, :3] = (0, 0.01, 1.5)
    found = gradient(engine, metric, {"ignore_index": 9}, logits, target)

    def formula(x: Tensor, t: Tensor, v: Tensor) -> Tensor:
        x, t = x[v > 0], t[v > 0]
        return hinge(x, t) if metric == "lovasz_hinge" else extension((t - torch.sigmoid(x)).abs(), t)

    counted = (target != 9).astype(float)
    assert close(found, autograd(formula, logits, np.where(target == 1, 1.0, 0.0), counted))
    assert not found[target == 9].any()


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
@pytest.mark.parametrize("classes", ["present", "all", [3, 1]], ids=str)
def test_the_gradient_of_lovasz_softmax_is_torch_s(engine: Engine, classes: Any, kind: str) -> None:
    """Of classes, one of which is absent, in the caller's axes; of probabilities each class's on its own."""
    random = np.random.default_rng(2)
    logits, target = 2 * random.normal(size=(9, 11, 4)), random.integers(0, 3, (9, 11))
    target[2, :4] = 9
    asked = {"task": "multiclass", "prediction_kind": kind, "ignore_index": 9, "channel_axis": -1}
    metric = {"name": "lovasz_softmax", "classes": classes}
    values = logits if kind == "logits" else torch.softmax(torch.tensor(logits), -1).numpy()

    def formula(x: Tensor, t: Tensor, v: Tensor) -> Tensor:
        p = torch.softmax(x, -1) if kind == "logits" else x
        return softmax_losses(p[t != 9].T, t[t != 9], classes)

    assert close(gradient(engine, metric, asked, values, target), autograd(formula, values, target, np.ones(1)))


@pytest.mark.parametrize("metric", ["lovasz_hinge", "lovasz_softmax"])
def test_the_gradient_of_a_lovasz_loss_of_labels_is_torch_s(engine: Engine, metric: str) -> None:
    """The mean over the labels that have a value: one has no positives, and one is ignored everywhere."""
    random = np.random.default_rng(6)
    logits, target = random.normal(size=(4, 8, 8)), random.integers(0, 2, (4, 8, 8))
    target[1], target[2], target[0, 0] = 0, 9, 9
    found = gradient(engine, metric, {"task": "multilabel", "ignore_index": 9}, logits, target)

    def formula(x: Tensor, t: Tensor, v: Tensor) -> Tensor:
        rows = [(x[place][t[place] != 9], t[place][t[place] != 9].double()) for place in (0, 1, 3)]
        losses = [
            hinge(*row) if metric == "lovasz_hinge" else extension((row[1] - torch.sigmoid(row[0])).abs(), row[1])
            for row in rows
        ]
        return torch.stack(losses).mean()

    assert close(found, autograd(formula, logits, target, np.ones(1)))


@pytest.mark.parametrize(("rule", "share"), [("formula", 1), (0.0, 0), (0.25, 0)])
def test_a_negative_image_has_the_gradient_of_its_greatest_probability(
    engine: Engine, rule: float | str, share: int
) -> None:
    """A training step on an image without positives moves the likeliest pixel; a constant, the published code's 0 too, moves none."""
    metric = {"name": "lovasz_softmax", "empty": {"target": rule}}
    found = gradient(engine, metric, {}, np.array([0.0, -1.0, -3.0]), np.zeros(3, int))
    assert found.tolist() == pytest.approx([0.25 * share, 0, 0])


@pytest.mark.parametrize(("rule", "labels"), [("formula", 2), (0.0, 2), ("skip", 1)])
def test_a_constant_of_an_absent_label_is_counted_and_has_no_gradient(
    engine: Engine, rule: float | str, labels: int
) -> None:
    """The present label has its share of the mean over all labels that count."""
    logits, target = np.array([[1.0, -2.0], [0.0, -1.0]]), np.array([[0, 1], [0, 0]])
    alone = gradient(engine, "lovasz_softmax", {}, logits[0], target[0])
    asked = {"task": "multilabel"}
    metric = {"name": "lovasz_softmax", "empty": {"target": rule}}
    found = gradient(engine, metric, asked, logits, target)
    assert found[0] == pytest.approx(alone / labels)
    assert found[1].any() == (rule == "formula")


MIXED_TERMS: list[Document] = [
    {"metric": "lovasz_softmax", "weight": 0.7},
    {"metric": "lovasz_softmax", "weight": 0.5, "transform": "minus_log"},
    {"metric": "lovasz_hinge", "transform": "complement"},
    {"metric": DICE, "weight": 2.0},
]


def test_the_gradient_of_a_mix_goes_through_its_terms(engine: Engine) -> None:
    """Two Lovasz losses, one of them twice, after transforms, and a dice loss, in one sum."""
    logits, target, _ = scene(1.0)
    logits[0, :3] = (0, 0.01, 1.5)
    terms = [{**term, "metric": _named(term["metric"])} for term in MIXED_TERMS]
    found = gradient(engine, {"name": "combined_loss", "terms": terms}, {"ignore_index": 9}, logits, target)

    def formula(x: Tensor, t: Tensor, v: Tensor) -> Tensor:
        inside, truth = x[v > 0], t[v > 0]
        soft = extension((truth - torch.sigmoid(inside)).abs(), truth)
        return 0.7 * soft - 0.5 * torch.log(soft) + (1 - hinge(inside, truth)) + 2 * dice(x, t, v)

    counted = (target != 9).astype(float)
    assert close(found, autograd(formula, logits, np.where(target == 1, 1.0, 0.0), counted))


def _named(metric: Any) -> Document:
    return {"name": metric} if isinstance(metric, str) else metric


@pytest.mark.parametrize("metric", ["lovasz_hinge", "lovasz_softmax"])
def test_the_gradient_at_a_tie_is_the_mean_of_both_orders(engine: Engine, metric: str) -> None:
    """Where every error is the same, equal pixels have equal parts: the mean of what torch has for either side moved in front."""
    target = np.array([1, 0, 0, 1, 0])
    x = np.zeros(5)

    def formula(x: Tensor, t: Tensor, v: Tensor) -> Tensor:
        return hinge(x, t) if metric == "lovasz_hinge" else extension((t - torch.sigmoid(x)).abs(), t)

    in_front = [np.where(target == side, (-1 if side else 1) * 1e-9, 0.0) for side in (1, 0)]
    both = [autograd(formula, moved, target.astype(float), np.ones(5)) for moved in in_front]
    alike = [np.where(target == 1, one[target == 1].mean(), one[target == 0].mean()) for one in both]
    assert close(gradient(engine, metric, {}, x, target), np.mean(alike, 0))


def test_a_pixel_at_the_hinge_s_corner_has_no_part(engine: Engine) -> None:
    """At a margin of exactly 1 the derivative is 0, as relu's is, on both sides."""
    found = gradient(engine, "lovasz_hinge", {}, np.array([1.0, 0.5, -1.0, -2.0]), np.array([1, 1, 0, 0]))
    assert found.tolist() == [0, -0.5, 0, 0]


def test_without_positives_the_greatest_error_has_the_gradient(engine: Engine) -> None:
    """Alone, or shared out among equals."""
    nothing = np.zeros(4, int)
    assert gradient(engine, "lovasz_hinge", {}, np.array([0.5, 2.0, 1.0, -3.0]), nothing).tolist() == [0, 1, 0, 0]
    assert gradient(engine, "lovasz_hinge", {}, np.array([2.0, 2.0, 1.0, -3.0]), nothing).tolist() == [0.5, 0.5, 0, 0]


# ----------------------------------------------------------------------------------------------------------------- boxes


def corners(row: Tensor, box_format: str) -> Tensor:
    """x1, y1, x2, y2."""
    a, b, c, d = row
    if box_format == "xyxy":
        return row
    return torch.stack([a, b, a + c, b + d] if box_format == "xywh" else [a - c / 2, b - d / 2, a + c / 2, b + d / 2])


def box_loss(name: str, one: Tensor, two: Tensor) -> Tensor:
    """The papers' formulas of a pair of corners."""
    (x1, y1, x2, y2), (a1, b1, a2, b2) = one, two
    shared = torch.relu(torch.minimum(x2, a2) - torch.maximum(x1, a1)) * torch.relu(
        torch.minimum(y2, b2) - torch.maximum(y1, b1)
    )
    union = (x2 - x1) * (y2 - y1) + (a2 - a1) * (b2 - b1) - shared
    wide, high = torch.maximum(x2, a2) - torch.minimum(x1, a1), torch.maximum(y2, b2) - torch.minimum(y1, b1)
    far = ((x1 + x2 - a1 - a2) ** 2 + (y1 + y2 - b1 - b2) ** 2) / 4 / (wide**2 + high**2)
    iou = shared / union
    v = 4 / np.pi**2 * (torch.atan((a2 - a1) / (b2 - b1)) - torch.atan((x2 - x1) / (y2 - y1))) ** 2
    sides = ((x2 - x1 - a2 + a1) / wide) ** 2 + ((y2 - y1 - b2 + b1) / high) ** 2
    losses: dict[str, Tensor] = {
        "box_iou": iou,
        "box_iou_loss": 1 - iou,
        "giou_loss": 1 - iou + (wide * high - union) / (wide * high),
        "diou_loss": 1 - iou + far,
        "ciou_loss": 1 - iou + far + v / (1 - iou + v) * v,
        "eiou_loss": 1 - iou + far + sides,
        "focal_eiou_loss": iou**1.5 * (1 - iou + far + sides),
    }
    return losses[name]


BOX_METRICS = ("box_iou", "box_iou_loss", "giou_loss", "diou_loss", "ciou_loss", "eiou_loss", "focal_eiou_loss")
FORMATS = ("xyxy", "xywh", "cxcywh")
BOXES: Document = {"task": "boxes", "prediction_kind": "boxes"}


def box_scene() -> tuple[NDArray[Any], NDArray[Any]]:
    """Corners of pairs that meet, that do not, and of which one holds the other."""
    random = np.random.default_rng(8)
    low, size = random.random((2, 20, 2)) * 4, random.random((2, 20, 2)) * 4 + 0.1
    one, two = np.concatenate([low, low + size], 2)
    one[0], two[0], one[1], two[1] = (0, 0, 9, 9), (1, 2, 3, 4), (0, 0, 1, 1), (5, 7, 6, 9)
    return one, two


def as_format(boxes: NDArray[Any], box_format: str) -> NDArray[Any]:
    """Corners as another format has them."""
    low, high = boxes[:, :2], boxes[:, 2:]
    first = {"xyxy": low, "xywh": low, "cxcywh": (low + high) / 2}[box_format]
    return np.concatenate([first, high if box_format == "xyxy" else high - low], 1)


def asked_of(name: str, box_format: str, **more: Any) -> Document:
    """A metric of boxes."""
    focus = {"gamma": 1.5} if name == "focal_eiou_loss" else {}
    return {"name": name, "box_format": box_format, **focus, **more}


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("box_format", FORMATS)
@pytest.mark.parametrize("name", BOX_METRICS)
def test_the_gradient_of_boxes_is_torch_s(engine: Engine, name: str, box_format: str, reduction: str) -> None:
    """Of each number of each predicted box, as it was sent."""
    one, two = (as_format(boxes, box_format) for boxes in box_scene())

    def formula(x: Tensor, t: Tensor, v: Tensor) -> Tensor:
        losses = [box_loss(name, *(corners(row, box_format) for row in pair)) for pair in zip(x, t, strict=True)]
        return torch.stack(losses).mean() if reduction == "mean" else torch.stack(losses).sum()

    found = gradient(engine, asked_of(name, box_format, reduction=reduction), BOXES, one, two)
    assert (found.shape, found.dtype.name) == (one.shape, "float64")
    assert close(found, autograd(formula, one, two, np.ones(1)))


@pytest.mark.parametrize("name", BOX_METRICS[:-1])
def test_the_gradient_of_boxes_in_one_place_is_the_mean_of_both_sides(engine: Engine, name: str) -> None:
    """At the target itself, a corner of every loss, nothing pulls; where boxes only touch, half of what pulls if they meet."""
    same = np.array([[1.0, 2.0, 4.0, 3.0]])
    assert np.abs(gradient(engine, asked_of(name, "xyxy"), BOXES, same, same)).max() < 1e-15
    target = np.array([[1.0, 0.25, 2.0, 0.75]])
    there, apart, meeting = (
        gradient(engine, asked_of(name, "xyxy"), BOXES, np.array([[0.0, 0.0, 1.0 + step, 1.0]]), target)
        for step in (0.0, -1e-9, 1e-9)
    )
    assert there == pytest.approx((apart + meeting) / 2, abs=1e-7)


def test_a_pair_without_a_value_pulls_nothing(engine: Engine) -> None:
    """Two boxes without an area leave the mean, and have no part of its gradient; a loss of theirs is not invented."""
    one, two = np.array([[0.0, 0, 2, 2], [1, 1, 1, 1]]), np.array([[1.0, 1, 3, 3], [1, 1, 1, 1]])
    both = gradient(engine, "giou_loss", BOXES, one, two)
    assert both[0].tolist() == gradient(engine, "giou_loss", BOXES, one[:1], two[:1])[0].tolist()
    assert both[1].tolist() == [0, 0, 0, 0]
    [found] = maps_of(engine, {**BOXES, "maps": [{"kind": "loss", "metric": "giou_loss"}]}, one, two)
    assert found.array is not None
    assert (found.array[0], np.isnan(found.array[1])) == (found.value, True)
    asked = {**BOXES, "maps": [{"kind": "gradient", "metric": "giou_loss"}]}
    [lost] = maps_of(engine, asked, one[1:], two[1:])
    [none] = maps_of(engine, asked, one[:0], two[:0])
    assert (lost.array, lost.undefined, none.array, none.undefined) == (None, "zero_union", None, "no_boxes")


def test_boxes_that_do_not_meet_have_no_focus_to_gain(engine: Engine) -> None:
    """(I / U)^gamma is 0 with them and near them: so is the gradient, not infinite."""
    one, two = np.array([[0.0, 0, 1, 1]]), np.array([[3.0, 3, 4, 4]])
    assert not gradient(engine, {"name": "focal_eiou_loss", "gamma": 0.5}, BOXES, one, two).any()


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("name", BOX_METRICS[1:])
def test_the_loss_map_of_boxes_is_a_loss_a_box(engine: Engine, name: str, reduction: str) -> None:
    """In the rows' order, and before the reduction."""
    one, two = (as_format(boxes, "cxcywh") for boxes in box_scene())
    metric = asked_of(name, "cxcywh", reduction=reduction)
    [found] = maps_of(engine, {**BOXES, "maps": [{"kind": "loss", "metric": metric}]}, one, two)
    assert found.array is not None
    pairs = zip(torch.tensor(one), torch.tensor(two), strict=True)
    expected = [float(box_loss(name, *(corners(row, "cxcywh") for row in pair))) for pair in pairs]
    assert found.array == pytest.approx(np.array(expected), rel=1e-9)
    assert (found.array.mean() if reduction == "mean" else found.array.sum()) == pytest.approx(found.value, rel=1e-12)


# ------------------------------------------------------------------------------------------------------------- precision


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
    "reduced": {"name": "focal_loss", "reduced_threshold": 0.4},
    "brier": {"name": "brier"},
    "asymmetric": {"name": "asymmetric_focal_loss", "delta": 0.6, "gamma": 1.5},
    "asymmetric sum": {"name": "asymmetric_focal_loss", "reduction": "sum"},
    "mix": {
        "name": "combined_loss",
        "terms": [
            {"metric": {"name": "brier"}, "weight": 2.0},
            {"metric": {"name": "focal_loss", "gamma": 1.5}, "weight": -0.25},
            {"metric": {"name": "asymmetric_focal_loss"}},
        ],
    },
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


APART: Document = {"name": "focal_loss", "multiclass_mode": "one_vs_rest"}
CLASS_LOSSES: dict[str, Any] = {
    "cross-entropy": "cross_entropy",
    "smoothed": {"name": "cross_entropy", "label_smoothing": 0.1},
    "smoothed, with a floor": {"name": "cross_entropy", "label_smoothing": 0.1, "log_floor": 0.01},
    "focal": {"name": "focal_loss", "alpha": [0.1, 0.2, 0.3, 0.4]},
    "brier": "brier",
    "half": {"name": "brier", "class_reduction": "half_sum"},
    "mean": {"name": "brier", "class_reduction": "mean"},
    "asymmetric": {"name": "asymmetric_focal_loss", "delta": 0.6},
    "mix": {
        "name": "combined_loss",
        "terms": [{"metric": {"name": "brier"}, "weight": 0.5}, {"metric": {"name": "cross_entropy"}, "weight": 3.0}],
    },
}


@pytest.mark.parametrize("metric", CLASS_LOSSES.values(), ids=CLASS_LOSSES)
def test_the_mean_of_a_loss_map_of_classes_is_the_score(engine: Engine, metric: Any) -> None:
    """Classes have one loss a pixel; weights enter the map, and their sum the denominator."""
    logits, target = class_scene(0)
    weight = np.random.default_rng(1).random(target.shape)
    asked = {"task": "multiclass", "ignore_index": 9, "maps": [{"kind": "loss", "metric": metric}]}
    [found] = maps_of(engine, asked, logits, target, weight)
    assert found.array is not None
    assert found.array.shape == target.shape
    assert found.array.sum() / weight[target != 9].sum() == pytest.approx(found.value, rel=1e-12)


def test_the_maps_of_a_smoothed_loss_of_weighted_classes_are_torchs(engine: Engine) -> None:
    """The loss of each pixel, and the gradient of the mean; an ignored pixel has neither."""
    logits, target = class_scene(0)
    weights = [1.0, 2.0, 0.0, 0.5]
    metric = {"name": "cross_entropy", "label_smoothing": 0.1, "class_weights": weights}
    asked = {
        "task": "multiclass",
        "ignore_index": 9,
        "maps": [{"kind": kind, "metric": metric} for kind in ("loss", "gradient")],
    }
    losses, slopes = (one.array for one in maps_of(engine, asked, logits, target))

    def theirs(x: Tensor, reduction: str) -> Tensor:
        weight, y = torch.tensor(weights, dtype=torch.float64), torch.tensor(target)[None].long()
        return cross_entropy(x[None], y, weight, ignore_index=9, label_smoothing=0.1, reduction=reduction)

    assert losses == pytest.approx(theirs(torch.tensor(logits), "none")[0].numpy(), rel=1e-12)
    assert slopes is not None
    assert close(slopes, autograd(lambda x, t, v: theirs(x, "mean"), logits, target, target))


def test_the_loss_map_of_a_normalised_focal_loss_is_over_its_focus(engine: Engine) -> None:
    """What its mean divides by is the sum of (1 - pt)^gamma, not the number of pixels."""
    logits, target, _ = scene(2.0)
    metric = {"name": "focal_loss", "gamma": 1.5, "normalized": True}
    [found] = maps_of(engine, {"ignore_index": 9, "maps": [{"kind": "loss", "metric": metric}]}, logits, target)
    assert found.array is not None
    p = 1 / (1 + np.exp(-logits))
    focus = (np.where(target == 1, 1 - p, p) ** 1.5)[target != 9].sum()
    assert found.array.sum() / focus == pytest.approx(found.value, rel=1e-12)


@pytest.mark.parametrize("task", ["binary", "multilabel", "multiclass"])
def test_the_loss_map_of_brier_is_the_square(engine: Engine, task: str) -> None:
    """(p - t)^2 of each pixel; of classes the sum over them."""
    logits, target = class_scene(0)
    if task != "multiclass":
        target = np.where(target == 9, 9, np.arange(4)[:, None, None] == target)
    if task == "binary":
        logits, target = logits[0], target[0]
    [found] = maps_of(
        engine, {"task": task, "ignore_index": 9, "maps": [{"kind": "loss", "metric": "brier"}]}, logits, target
    )
    assert found.array is not None
    if task == "multiclass":
        p, truth = np.exp(logits - logits.max(0)), np.arange(4)[:, None, None] == target
        expected = ((p / p.sum(0) - truth) ** 2).sum(0)
    else:
        expected = (torch.sigmoid(torch.tensor(logits)).numpy() - target) ** 2
    assert found.array == pytest.approx(np.where(target == 9, 0, expected), abs=1e-12)


def test_the_loss_map_of_a_mix_is_the_sum_of_its_terms_maps(engine: Engine) -> None:
    """Each times its weight: of different weightings, of masks of their own beside softmax, of different reductions."""
    logits, target, _ = scene(2.0)
    masks = [{"name": "cross_entropy", "weight_from": {"window": 5}}, {"name": "brier"}]
    classes = [APART, {"name": "cross_entropy", "reduction": "sum"}]
    for asked, terms, arrays in (
        ({"ignore_index": 9}, masks, (logits, target)),
        ({"ignore_index": 9, "task": "multiclass"}, classes, class_scene(0)),
    ):
        mix = {
            "name": "combined_loss",
            "terms": [{"metric": term, "weight": w} for term, w in zip(terms, (2.0, -0.5), strict=True)],
        }
        maps = [{"kind": "loss", "metric": metric, "name": str(place)} for place, metric in enumerate([mix, *terms])]
        whole, first, second = (np.array(one.array) for one in maps_of(engine, {**asked, "maps": maps}, *arrays))
        assert whole.any()
        assert whole == pytest.approx(2.0 * first - 0.5 * second, rel=1e-12)


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
    "counts": ({"kind": "gradient", "metric": "dice"}, "no gradient: it is made of counts of a mask, which"),
    "confusion": ({"kind": "gradient", "metric": "confusion"}, "no gradient: it is made of counts of a mask, which"),
    "ranks": ({"kind": "gradient", "metric": "roc_auc"}, "no gradient: it is made of the order of the pixels, which"),
    "average precision": (
        {"kind": "gradient", "metric": "average_precision"},
        "no gradient: it is made of the order of the pixels, which",
    ),
    "distances": (
        {"kind": "gradient", "metric": "hausdorff"},
        "no gradient: it is made of the border of a mask, which",
    ),
    "borders": ({"kind": "gradient", "metric": "boundary_iou"}, "made of the border of a mask, which"),
    "surfels": (
        {"kind": "gradient", "metric": {"name": "hausdorff", "hd_mode": "area_weighted"}},
        "made of the border of a mask, which",
    ),
    "skeletons": ({"kind": "gradient", "metric": "centreline_dice"}, "made of the skeleton of a mask, which"),
    "bins": ({"kind": "gradient", "metric": "calibration_error"}, "made of bins of the confidence, which"),
    "no loss per pixel": (
        {"kind": "loss", "metric": "dice_loss"},
        "dice_loss has no loss map; allowed of task 'binary': asymmetric_focal_loss, brier, combined_loss, cross_entropy, focal_loss",
    ),
    "an order": ({"kind": "loss", "metric": "lovasz_hinge"}, "lovasz_hinge has no loss map"),
    "a named mix": ({"kind": "loss", "metric": "bce_dice"}, "bce_dice has no loss map"),
    "a term": (
        {"kind": "loss", "metric": {"name": "combined_loss", "terms": [{"metric": DICE}]}},
        "combined_loss has no loss map: its term dice_loss has none",
    ),
    "a transform": (
        {
            "kind": "loss",
            "metric": {"name": "combined_loss", "terms": [{"metric": {"name": "brier"}, "transform": "minus_log"}]},
        },
        "'minus_log' is of the term brier as a whole, not of each pixel",
    ),
    "counts in a mix": (
        {
            "kind": "gradient",
            "metric": {
                "name": "combined_loss",
                "terms": [{"metric": {"name": "lovasz_hinge"}}, {"metric": {"name": "dice"}}],
            },
        },
        "made of counts of a mask, which",
    ),
}


def test_a_score_of_boxes_has_no_loss_map(engine: Engine) -> None:
    """The refusal lists the losses of boxes alone."""
    with pytest.raises(MetricDoesNotFit, match="box_iou has no loss map; allowed of task 'boxes': box_iou_loss, ciou"):
        maps_of(engine, {**BOXES, "maps": [{"kind": "loss", "metric": "box_iou"}]}, *box_scene())


@pytest.mark.parametrize(
    ("task", "words"), [("boxes", "errors' is of pixels"), ("instances", "a map is for the tasks binary, .*, boxes")]
)
def test_mistakes_are_of_pixels(task: str, words: str) -> None:
    """Boxes have none, and of instances there is no map: the request says so."""
    asked = {"task": task, "prediction_kind": "boxes" if task == "boxes" else "labels", "maps": [{"kind": "errors"}]}
    with pytest.raises(ValidationError, match=f"{words}.*found '{task}'"):
        MapRequest.model_validate({**asked, "prediction": NOTHING, "target": NOTHING})


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
