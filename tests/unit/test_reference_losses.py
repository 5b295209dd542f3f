"""The references of the pixel losses against torch and scikit-learn."""

from typing import Literal

import numpy as np
import pytest
import torch
from lossgauge.metrics import CrossEntropy, FocalLoss
from lossgauge_service.errors import MetricDoesNotFit
from sklearn.metrics import log_loss
from torch.nn import functional

from tests.reference import Case, reference
from tests.reference.case import AnyArray

RNG = np.random.default_rng(20)
SHAPE = (6, 7)
X = RNG.normal(scale=3, size=SHAPE)
P = 1 / (1 + np.exp(-X))
T = RNG.integers(0, 2, SHAPE)
SOFT = RNG.uniform(size=SHAPE)
W = RNG.uniform(0.1, 3, SHAPE)
IGNORED = np.where(RNG.uniform(size=SHAPE) < 0.3, 255, T)

CLASS_X = RNG.normal(scale=3, size=(4, *SHAPE))
CLASS_T = RNG.integers(0, 4, SHAPE)
CLASS_IGNORED = np.where(RNG.uniform(size=SHAPE) < 0.3, 255, CLASS_T)
CLASS_W = [0.5, 1.0, 2.0, 0.25]

LABEL_X = RNG.normal(scale=3, size=(3, *SHAPE))
LABEL_T = RNG.integers(0, 2, (3, *SHAPE))


def tensor(array: AnyArray | list[float] | float) -> torch.Tensor:
    """The array as float64."""
    return torch.tensor(array, dtype=torch.float64)


def softmax_loss(
    x: AnyArray,
    t: AnyArray,
    *,
    weight: list[float] | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> torch.Tensor:
    """torch's cross-entropy of one sample (C, *S), a target of 255 ignored."""
    return functional.cross_entropy(
        tensor(x)[None],
        torch.tensor(t)[None],
        weight=None if weight is None else tensor(weight),
        ignore_index=255,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )


def close(expected: object) -> object:
    """Equal to 1e-12 relative."""
    return pytest.approx(expected, rel=1e-12, abs=1e-14)


def test_binary_cross_entropy_is_torchs() -> None:
    """The mean over the pixels of BCE with logits, for hard and for soft targets."""
    for t in (T, SOFT):
        score = reference(CrossEntropy(), Case(X, t))
        assert score.value == close(functional.binary_cross_entropy_with_logits(tensor(X), tensor(t)).item())


def test_weighted_binary_cross_entropy_is_scikit_learns() -> None:
    """With a weight map the mean is over the sum of weights, as log_loss with sample_weight."""
    score = reference(CrossEntropy(), Case(P, T, weight=W, prediction_kind="probabilities"))
    assert score.value == close(log_loss(T.ravel(), P.ravel(), sample_weight=W.ravel()))


def test_weight_denominator_count_is_torchs_weight() -> None:
    """torch divides a weighted BCE by the number of pixels."""
    score = reference(CrossEntropy(weight_denominator="count"), Case(X, T, weight=W))
    assert score.value == close(functional.binary_cross_entropy_with_logits(tensor(X), tensor(T), tensor(W)).item())


@pytest.mark.parametrize("t", [T, SOFT], ids=["hard", "soft"])
def test_pos_weight_is_torchs(t: AnyArray) -> None:
    """pos_weight multiplies the term of t = 1 and leaves the denominator alone."""
    theirs = functional.binary_cross_entropy_with_logits(tensor(X), tensor(t), pos_weight=tensor(2.5))
    assert reference(CrossEntropy(pos_weight=2.5), Case(X, t)).value == close(theirs.item())


def test_pos_weight_per_label_is_torchs() -> None:
    """A list gives each label its own weight; the mean is over labels and pixels together."""
    weights = [0.5, 1.0, 4.0]
    theirs = functional.binary_cross_entropy_with_logits(
        tensor(LABEL_X), tensor(LABEL_T), pos_weight=tensor(weights)[:, None, None]
    )
    score = reference(CrossEntropy(pos_weight=weights), Case(LABEL_X, LABEL_T, task="multilabel"))
    assert score.value == close(theirs.item())


def test_per_class_of_labels_is_each_label_alone() -> None:
    """Each entry of per_class is the binary loss of that label."""
    alone = [reference(CrossEntropy(), Case(x, t)).value for x, t in zip(LABEL_X, LABEL_T, strict=True)]
    score = reference(CrossEntropy(), Case(LABEL_X, LABEL_T, task="multilabel"))
    assert score.per_class == close(alone)
    assert score.value == close(np.mean([a for a in alone if a is not None]))


def test_ignored_pixels_divide_out_or_count() -> None:
    """valid divides by the pixels that count, as torch with ignore_index; all by every pixel."""
    valid, case = torch.tensor(IGNORED != 255), Case(X, IGNORED, ignore_index=255)
    total = functional.binary_cross_entropy_with_logits(tensor(X)[valid], tensor(T)[valid], reduction="sum").item()
    assert reference(CrossEntropy(), case).value == close(total / np.sum(IGNORED != 255))
    assert reference(CrossEntropy(ignore_denominator="all"), case).value == close(total / IGNORED.size)


def test_multiclass_cross_entropy_is_torchs() -> None:
    """Mean and sum over the pixels that are not ignored."""
    case = Case(CLASS_X, CLASS_IGNORED, task="multiclass", ignore_index=255)
    for reduction in ("mean", "sum"):
        theirs = softmax_loss(CLASS_X, CLASS_IGNORED, reduction=reduction)
        assert reference(CrossEntropy(reduction=reduction), case).value == close(theirs.item())


def test_class_weights_are_torchs() -> None:
    """Class weights enter the mean's denominator."""
    theirs = softmax_loss(CLASS_X, CLASS_IGNORED, weight=CLASS_W)
    score = reference(
        CrossEntropy(class_weights=CLASS_W), Case(CLASS_X, CLASS_IGNORED, task="multiclass", ignore_index=255)
    )
    assert score.value == close(theirs.item())


def test_binary_class_weights_are_those_of_two_classes() -> None:
    """[negatives, positives] of logits x equal torch's weights of the two-class logits (0, x)."""
    theirs = softmax_loss(np.stack([np.zeros(SHAPE), X]), T, weight=[0.3, 2.0])
    assert reference(CrossEntropy(class_weights=[0.3, 2.0]), Case(X, T)).value == close(theirs.item())


def test_label_smoothing_is_torchs() -> None:
    """Multi-class with label_smoothing; binary as its two-class form, and as BCE of the smoothed target."""
    spec = CrossEntropy(label_smoothing=0.2)
    multi = reference(spec, Case(CLASS_X, CLASS_IGNORED, task="multiclass", ignore_index=255))
    assert multi.value == close(softmax_loss(CLASS_X, CLASS_IGNORED, label_smoothing=0.2).item())
    binary = reference(spec, Case(X, T))
    two_classes = softmax_loss(np.stack([np.zeros(SHAPE), X]), T, label_smoothing=0.2)
    smoothed = functional.binary_cross_entropy_with_logits(tensor(X), tensor(0.8 * T + 0.1))
    assert (binary.value, binary.value) == (close(two_classes.item()), close(smoothed.item()))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_label_smoothing_of_weighted_classes_is_torchs(reduction: Literal["mean", "sum"]) -> None:
    """Each class's share of the target has the class's weight; the mean divides by the pixels' own."""
    theirs = softmax_loss(CLASS_X, CLASS_IGNORED, weight=CLASS_W, reduction=reduction, label_smoothing=0.2)
    spec = CrossEntropy(label_smoothing=0.2, class_weights=CLASS_W, reduction=reduction)
    score = reference(spec, Case(CLASS_X, CLASS_IGNORED, task="multiclass", ignore_index=255))
    assert score.value == close(theirs.item())


def test_per_class_of_classes_is_the_mean_over_each_class() -> None:
    """Each entry is the mean over the class's own pixels; a class without any is null and says so."""
    target = np.where(CLASS_T == 2, 3, CLASS_T)
    pixelwise = softmax_loss(CLASS_X, target, reduction="none")[0].numpy()
    score = reference(CrossEntropy(), Case(CLASS_X, target, task="multiclass"))
    assert score.per_class == [close(pixelwise[target == c].mean()) if c != 2 else None for c in range(4)]
    assert score.extras["undefined_classes"] == {"2": "target_empty"}


def test_parts_of_a_multiclass_loss() -> None:
    """positive is the share of every class but 0, over the value's own denominator."""
    pixelwise = softmax_loss(CLASS_X, CLASS_T, reduction="none")[0].numpy()
    score = reference(CrossEntropy(), Case(CLASS_X, CLASS_T, task="multiclass"))
    positive = pixelwise[CLASS_T > 0].sum() / pixelwise.size
    assert score.extras == close(
        {"positive": positive, "negative": pixelwise.mean() - positive, "positive_share": positive / pixelwise.mean()}
    )


def test_focal_without_gamma_and_alpha_is_cross_entropy() -> None:
    """focal(gamma=0, alpha=None) = cross-entropy, in every task, soft or hard."""
    for case in (
        Case(X, T, weight=W),
        Case(X, SOFT),
        Case(CLASS_X, CLASS_IGNORED, task="multiclass", ignore_index=255),
        Case(LABEL_X, LABEL_T, task="multilabel"),
    ):
        focal = reference(FocalLoss(gamma=0.0, alpha=None), case)
        entropy = reference(CrossEntropy(), case)
        assert focal.value == close(entropy.value)
        assert focal.per_class == (None if entropy.per_class is None else close(entropy.per_class))


@pytest.mark.parametrize("t", [T, SOFT], ids=["hard", "soft"])
def test_focal_is_torchvisions_sigmoid_focal_loss(t: AnyArray) -> None:
    """The listing of torchvision.ops.sigmoid_focal_loss, mean over the pixels."""
    x, y, alpha, gamma = tensor(X), tensor(t), 0.25, 2.0
    p = torch.sigmoid(x)
    ce = functional.binary_cross_entropy_with_logits(x, y, reduction="none")
    p_t = p * y + (1 - p) * (1 - y)
    loss = (alpha * y + (1 - alpha) * (1 - y)) * ce * (1 - p_t) ** gamma
    assert reference(FocalLoss(), Case(X, t)).value == close(loss.mean().item())


@pytest.mark.parametrize("t", [T, SOFT], ids=["hard", "soft"])
def test_focal_of_constant_alpha_is_the_exp_listing(t: AnyArray) -> None:
    """alpha (1 - exp(-BCE))^gamma BCE, mean."""
    bce = functional.binary_cross_entropy_with_logits(tensor(X), tensor(t), reduction="none")
    loss = 0.8 * (1 - torch.exp(-bce)) ** 1.5 * bce
    spec = FocalLoss(alpha=0.8, gamma=1.5, alpha_mode="constant", soft_target_pt="exp")
    assert reference(spec, Case(X, t)).value == close(loss.mean().item())


def test_multiclass_focal_is_the_softmax_listing() -> None:
    """alpha_c (1 - pt)^gamma CE, pt = exp(-CE), mean over the pixels."""
    ce = softmax_loss(CLASS_X, CLASS_T, reduction="none")[0]
    focal = (1 - torch.exp(-ce)) ** 2 * ce
    listed = reference(FocalLoss(alpha=CLASS_W), Case(CLASS_X, CLASS_T, task="multiclass"))
    constant = reference(FocalLoss(alpha_mode="constant"), Case(CLASS_X, CLASS_T, task="multiclass"))
    assert listed.value == close((tensor(CLASS_W)[CLASS_T] * focal).mean().item())
    assert constant.value == close(0.25 * focal.mean().item())


def test_focal_with_a_log_floor_floors_the_log_only() -> None:
    """(1 - pt)^gamma unclipped, log of max(pt, 1e-6), alpha 0.5, gamma 1.5, sum."""
    x = np.array([-20.0, -5.0, 3.0, 20.0])
    t = np.array([1, 0, 1, 0])
    p = 1 / (1 + np.exp(-x))
    pt = np.where(t == 1, p, 1 - p)
    listing = np.sum(0.5 * (1 - pt) ** 1.5 * -np.log(np.maximum(pt, 1e-6)))
    spec = FocalLoss(alpha=0.5, gamma=1.5, log_floor=1e-6, reduction="sum")
    assert reference(spec, Case(x, t)).value == pytest.approx(listing, rel=1e-8)


def test_certain_and_wrong_logits_stay_finite() -> None:
    """A logit of -1e4 where t = 1 costs 1e4, in both losses and all tasks."""
    binary = Case(np.array([-1e4]), np.array([1]))
    multi = Case(np.array([[1e4], [0.0]]), np.array([1]), task="multiclass")
    for spec in (CrossEntropy(), FocalLoss(alpha=None)):
        assert [reference(spec, case).value for case in (binary, multi)] == [1e4, 1e4]


def test_a_probability_of_0_where_the_target_is_1_is_infinite() -> None:
    """The value is null with its reason, and so is the part; clipping makes it finite."""
    case = Case(np.array([0.0, 0.5]), np.array([1, 0]), prediction_kind="probabilities")
    score = reference(CrossEntropy(), case)
    assert (score.value, score.undefined, score.extras["positive"]) == (None, "infinite", None)
    assert reference(CrossEntropy(clip=(0.25, 1.0), reduction="sum"), case).value == close(np.log(4) + np.log(2))


def test_a_sure_prediction_costs_nothing() -> None:
    """p = t everywhere: 0, and no share where there is no loss."""
    case = Case(np.array([0.0, 1.0]), np.array([0, 1]), prediction_kind="probabilities")
    score = reference(FocalLoss(), case)
    assert (score.value, score.extras["positive_share"]) == (0.0, None)


def test_what_does_not_fit_is_refused() -> None:
    """Weightings of the wrong task or length raise MetricDoesNotFit."""
    multi = Case(CLASS_X, CLASS_T, task="multiclass")
    labels = Case(LABEL_X, LABEL_T, task="multilabel")
    binary = Case(X, T)
    for spec, case in [
        (FocalLoss(), multi),
        (FocalLoss(alpha=[1.0, 2.0]), multi),
        (FocalLoss(alpha=[1.0, 2.0]), binary),
        (FocalLoss(alpha=[1.0, 2.0, 3.0]), labels),
        (CrossEntropy(pos_weight=2.0), multi),
        (CrossEntropy(pos_weight=[2.0]), labels),
        (CrossEntropy(class_weights=[1.0, 2.0, 3.0]), binary),
        (CrossEntropy(), Case(T, T, prediction_kind="labels")),
    ]:
        with pytest.raises(MetricDoesNotFit):
            reference(spec, case)


def test_a_reduced_focal_loss_by_hand() -> None:
    """At pt = 0.2, below the threshold, all of the cross-entropy; at pt = 0.9 (0.1 / 0.5)^2 of it."""
    case = Case(np.array([0.2, 0.9]), np.ones(2, np.int64), prediction_kind="probabilities")
    spec = FocalLoss(alpha=None, reduced_threshold=0.5, reduction="sum")
    assert reference(spec, case).value == close(-np.log(0.2) - 0.04 * np.log(0.9))


def test_a_normalized_focal_loss_is_a_mean_by_its_focus() -> None:
    """sum f ce / sum f with f = (1 - pt)^gamma; alpha weighs the sum above alone."""
    p, focus = np.array([0.2, 0.9]), np.array([0.64, 0.01])
    case = Case(p, np.ones(2, np.int64), prediction_kind="probabilities")
    expected = np.sum(focus * -np.log(p)) / np.sum(focus)
    assert reference(FocalLoss(alpha=None, normalized=True), case).value == close(expected)
    assert reference(FocalLoss(alpha=0.25, normalized=True), case).value == close(0.25 * expected)
