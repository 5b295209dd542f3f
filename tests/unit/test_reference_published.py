"""The references against what the literature prints, its listings written out literally."""

from typing import Any

import numpy as np
import pytest
import torch
from lossgauge.metrics import (
    BceDice,
    BceLogDice,
    BoundaryWeight,
    CrossEntropy,
    Dice,
    DiceLoss,
    FocalLogDice,
    FocalLoss,
    MeanIou,
    MetricSpec,
    WeightedBceDice,
)
from torch.nn import functional

from tests.reference import Case, reference
from tests.reference.boundary import boundary_weight
from tests.reference.case import AnyArray

RNG = np.random.default_rng(7)
P = np.concatenate([RNG.uniform(0, 1, 500), [0.0, 1.0, 0.0, 1.0]])
T = np.concatenate([RNG.integers(0, 2, 500), [0, 0, 1, 1]])
KERAS = Case(P, T, prediction_kind="probabilities")
INNER = Case(P[:500], T[:500], prediction_kind="probabilities")


def close(expected: object) -> object:
    """Equal to 1e-12 relative."""
    return pytest.approx(expected, rel=1e-12)


def keras_focal(y_true: AnyArray, y_pred: AnyArray, gamma: float, alpha: float) -> float:
    """The Keras listing: the other class's pixels are replaced and clipped too."""
    pt_1 = np.clip(np.where(y_true == 1, y_pred, np.ones_like(y_pred)), 1e-3, 0.999)
    pt_0 = np.clip(np.where(y_true == 0, y_pred, np.zeros_like(y_pred)), 1e-3, 0.999)
    positives = -np.sum(alpha * (1.0 - pt_1) ** gamma * np.log(pt_1))
    negatives = -np.sum((1 - alpha) * pt_0**gamma * np.log(1.0 - pt_0))
    return float(positives + negatives)


@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, 0.25), (0.75, 0.25)])
def test_clipped_focal_with_its_leak_is_the_keras_listing(gamma: float, alpha: float) -> None:
    """clip=(1e-3, 0.999), clip_leak: the published number, as a sum and as a mean."""
    published = keras_focal(T, P, gamma, alpha)
    mean = FocalLoss(gamma=gamma, alpha=alpha, clip=(1e-3, 0.999), clip_leak=True)
    for spec, pixels in ((mean.model_copy(update={"reduction": "sum"}), 1), (mean, T.size)):
        score = reference(spec, KERAS)
        assert score.value == close(published / pixels)
        assert score.extras["positive"] + score.extras["negative"] == close(published / pixels)


def test_the_leak_is_1e_4_of_the_loss_at_gamma_three_quarters() -> None:
    """Without clip_leak the value is lower by about 1e-4 of it."""
    with_leak, without = (
        reference(FocalLoss(gamma=0.75, clip=(1e-3, 0.999), clip_leak=leak, reduction="sum"), KERAS).value
        for leak in (True, False)
    )
    assert with_leak is not None
    assert without is not None
    assert 1e-6 < (with_leak - without) / without < 1e-3


def test_the_leak_is_that_of_each_pixel() -> None:
    """alpha (1 - hi)^gamma (-log hi) a negative, (1 - alpha) lo^gamma (-log(1 - lo)) a positive, in its own part."""
    specs = [FocalLoss(gamma=0.75, clip=(0.01, 0.95), clip_leak=leak, reduction="sum") for leak in (True, False)]
    leaky, clean = (reference(spec, KERAS).extras for spec in specs)
    negatives, positives = np.sum(T == 0), np.sum(T == 1)
    assert leaky["negative"] - clean["negative"] == pytest.approx(negatives * 0.25 * 0.05**0.75 * -np.log(0.95))
    assert leaky["positive"] - clean["positive"] == pytest.approx(positives * 0.75 * 0.01**0.75 * -np.log(0.99))


@pytest.mark.parametrize(
    ("spec", "published"), [(CrossEntropy(), 0.0058), (FocalLoss(alpha=0.25, gamma=2.0), 0.4127)], ids=["ce", "focal"]
)
def test_the_share_of_the_loss_that_the_positives_carry(spec: MetricSpec, published: float) -> None:
    """100,000 negatives at pt = 0.95 and 10 positives at pt = 0.05."""
    p = np.concatenate([np.full(100_000, 0.05), np.full(10, 0.05)])
    t = np.concatenate([np.zeros(100_000, dtype=np.int64), np.ones(10, dtype=np.int64)])
    share = reference(spec, Case(p, t, prediction_kind="probabilities")).extras["positive_share"]
    assert round(share, 4) == published


def test_retinanet_divides_by_the_positives() -> None:
    """The sum over the number of positives, or over 1 where there are none."""
    total = reference(FocalLoss(reduction="sum"), INNER).value
    assert total is not None
    assert reference(FocalLoss(reduction="positives"), INNER).value == close(total / np.sum(T[:500]))
    empty = Case(P[:500], np.zeros(500, dtype=np.int64), prediction_kind="probabilities")
    nothing = reference(FocalLoss(reduction="sum"), empty).value
    assert reference(FocalLoss(reduction="positives"), empty).value == nothing


def test_balanced_cross_entropy_is_hed() -> None:
    """-beta sum_Y+ log p - (1 - beta) sum_Y- log(1 - p), beta = |Y-| / |Y| (arXiv:1504.06375, eq. 2)."""
    p, t = P[:500], T[:500]
    beta = np.sum(t == 0) / t.size
    published = -beta * np.sum(np.log(p[t == 1])) - (1 - beta) * np.sum(np.log(1 - p[t == 0]))
    spec = CrossEntropy(balance="inverse_frequency", reduction="sum")
    assert reference(spec, INNER).value == close(published)
    assert reference(CrossEntropy(alpha=float(beta), reduction="sum"), INNER).value == close(published)


@pytest.mark.parametrize(("a", "b"), [(1.0, 1.0), (0.0, 0.0), (1e-5, 1e-5), (0.0, 1e-7)])
def test_dice_smoothings(a: float, b: float) -> None:
    """(2 I + a) / (P + T + b) of the probabilities, and its loss."""
    published = (2 * np.sum(P * T) + a) / (np.sum(P) + np.sum(T) + b)
    options: dict[str, Any] = {"soft": True, "smooth_numerator": a, "smooth_denominator": b}
    assert reference(Dice(**options), KERAS).value == close(published)
    assert reference(DiceLoss(**options), KERAS).value == close(1 - published)


def test_the_dice_listing_that_adds_before_doubling() -> None:
    """2 (I + 1) / (P + T + 1): a = 2, b = 1; its loss of a perfect single pixel is negative."""
    listing = 1 - 2 * (np.sum(P * T) + 1) / (np.sum(P) + np.sum(T) + 1)
    spec = DiceLoss(smooth_numerator=2.0)
    assert reference(spec, KERAS).value == close(listing)
    one = Case(np.array([1.0]), np.array([1]), prediction_kind="probabilities")
    assert reference(spec, one).value == close(1 - 4 / 3)


def test_squared_dice_is_v_net() -> None:
    """2 I / (sum p^2 + sum t^2) (arXiv:1606.04797, eq. 2)."""
    published = 2 * np.sum(P * T) / (np.sum(P**2) + np.sum(T**2))
    assert reference(Dice(soft=True, squared=True), KERAS).value == close(published)


def test_weighted_dice() -> None:
    """1 - (2 sum w p t + s) / (sum w p + sum w t + s)."""
    w = RNG.uniform(0, 2, P.size)
    published = 1 - (2 * np.sum(w * P * T) + 1) / (np.sum(w * P) + np.sum(w * T) + 1)
    assert reference(DiceLoss(), Case(P, T, weight=w, prediction_kind="probabilities")).value == close(published)


def test_the_l1_dice_of_a_soft_mask_with_itself_is_1() -> None:
    """soft_target='l1' makes dice(t, t) = 1 for a soft t; the product does not."""
    case = Case(P, P, prediction_kind="probabilities", target_kind="probabilities")
    assert reference(Dice(soft=True, soft_target="l1"), case).value == close(1.0)
    assert reference(Dice(soft=True), case).value != close(1.0)


def test_the_mixes() -> None:
    """BCE + dice loss, BCE - log dice, c focal - log dice, each from its formula."""
    p, t = P[:500], T[:500]
    pt = np.where(t == 1, p, 1 - p)
    bce, focal = np.mean(-np.log(pt)), np.mean((1 - pt) ** 2 * -np.log(pt))
    dice = (2 * np.sum(p * t) + 1) / (np.sum(p) + np.sum(t) + 1)
    assert reference(BceDice(), INNER).value == close(bce + 1 - dice)
    assert reference(BceLogDice(), INNER).value == close(bce - np.log(dice))
    assert reference(FocalLogDice(), INNER).value == close(10 * focal - np.log(dice))
    assert reference(FocalLogDice(), INNER).extras["terms"] == close([focal, dice])


@pytest.mark.parametrize("window", [2, 3, 4, 5, 50])
def test_boundary_weights_are_the_average_pooling_listing(window: int) -> None:
    """m by torch's avg_pool2d over a padded image, real pixels only; w = 5 exp(-5 |m - 0.5|), scaled to mean 1."""
    t = RNG.integers(0, 2, (19, 13))
    before, after = (window - 1) // 2, window // 2
    boxes = functional.pad(torch.tensor(np.stack([t, np.ones_like(t)])[None], dtype=torch.float64), [before, after] * 2)
    inside, real = functional.avg_pool2d(boxes, window, stride=1)[0].numpy()
    w = 5 * np.exp(-5 * np.abs(inside / real - 0.5))
    ours = boundary_weight(BoundaryWeight(window=window), t, np.ones(t.shape, dtype=np.bool_))
    assert ours == pytest.approx(w / w.mean(), rel=1e-12)


def test_weighted_bce_dice_weighs_the_bce_only() -> None:
    """sum w BCE / sum w + dice loss, whatever the amplitude."""
    x = RNG.normal(size=(9, 11))
    t = RNG.integers(0, 2, (9, 11))
    w = boundary_weight(BoundaryWeight(window=4), t, np.ones(t.shape, dtype=np.bool_))
    bce = functional.binary_cross_entropy_with_logits(
        torch.tensor(x), torch.tensor(t, dtype=torch.float64), reduction="none"
    )
    dice_loss = reference(DiceLoss(), Case(x, t)).value
    assert dice_loss is not None
    for amplitude in (5.0, 0.5):
        spec = WeightedBceDice(boundary=BoundaryWeight(window=4, amplitude=amplitude))
        assert reference(spec, Case(x, t)).value == close(np.sum(w * bce.numpy()) / np.sum(w) + dice_loss)


def test_boundary_weights_see_no_ignored_pixel() -> None:
    """An ignored pixel enters no box and weighs nothing; the others' mean is 1."""
    t = RNG.integers(0, 2, (8, 8))
    valid = RNG.uniform(size=(8, 8)) < 0.7
    one, other = (boundary_weight(BoundaryWeight(window=3), np.where(valid, t, fill), valid) for fill in (255, -1))
    assert one.tolist() == other.tolist()
    assert (one[valid].mean(), one[~valid].tolist()) == (close(1.0), [0.0] * int(np.sum(~valid)))


def test_mean_iou_is_the_listing() -> None:
    """For each of 0.5 .. 0.95 the mean of the foreground's and the background's IoU of p > threshold; then the mean."""

    def iou(a: AnyArray, b: AnyArray) -> float:
        return float(np.sum(a & b) / np.sum(a | b))

    y = T == 1
    masks = [th < P for th in np.linspace(0.5, 0.95, 10)]
    both = [(iou(mask, y) + iou(~mask, ~y)) / 2 for mask in masks]
    score = reference(MeanIou(), KERAS)
    assert score.value == close(np.mean(both))
    assert score.extras["per_threshold"] == close(both)
    foreground = reference(MeanIou(include_background=False), KERAS).value
    assert foreground == close(np.mean([iou(mask, y) for mask in masks]))
