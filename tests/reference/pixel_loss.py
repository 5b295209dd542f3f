"""Losses that add up over pixels: the sums that they are made of, and what these are divided by."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from lossgauge.metrics.pixel_loss import PixelLoss
from lossgauge_service.errors import MetricDoesNotFit

from tests.reference.boundary import boundary_weight
from tests.reference.case import (
    NO_VALID_PIXELS,
    NOTHING_TO_SCORE,
    AnyArray,
    Case,
    Expected,
    Floats,
    Mask,
    Outcome,
    quotient,
    reasons_by_class,
    told,
)
from tests.reference.probability import Pair, pair_of_sigmoid, pair_of_softmax


@dataclass(frozen=True)
class Label:
    """The valid elements of one label (binary: the only one): p and 1 - p, the target, the weights v."""

    index: int
    pair: Pair
    t: Floats
    v: Floats
    elements: int


@dataclass(frozen=True)
class ClassPixels:
    """The valid pixels of one target class of C: p and 1 - p of every class (C, n), the weights v."""

    index: int
    pair: Pair
    v: Floats


@dataclass(frozen=True)
class Sums:
    """A loss's two parts, and everything that it may be divided by; `mass` is the pixels' own weights, `weight` with the classes'."""

    positive: float = 0.0
    negative: float = 0.0
    weight: float = 0.0
    count: int = 0
    mass: float = 0.0
    elements: int = 0
    positives: float = 0.0

    def __add__(self, other: "Sums") -> "Sums":
        """The sums of both together."""
        return Sums(**{name: getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__})


def weight_map(spec: PixelLoss, case: Case) -> Floats:
    """The weight of every element, from the request or from the target."""
    if spec.weight_from is None:
        return case.pixel_weight
    if case.weight is not None or case.task == "multiclass":
        raise MetricDoesNotFit("boundary weights are for binary and multilabel targets without a weight map")
    masks = zip(_per_label(case, case.target), _per_label(case, case.valid), strict=True)
    weights = np.stack([boundary_weight(spec.weight_from, target, valid) for target, valid in masks])
    return weights.reshape(case.target.shape)


def labels_of(spec: PixelLoss, case: Case) -> list[Label]:
    """Each label's valid elements (binary and multilabel), p clipped as the spec says."""
    pair = pair_of_sigmoid(case).clipped(spec.clip)
    arrays = (pair.log_p, pair.log_q, case.target, weight_map(spec, case), case.valid)
    channels = zip(*(_per_label(case, array) for array in arrays), strict=True)
    return [_label(index, *channel) for index, channel in enumerate(channels)]


def _label(index: int, log_p: Floats, log_q: Floats, target: AnyArray, weight: Floats, valid: Mask) -> Label:
    pair = Pair(log_p[valid], log_q[valid])
    return Label(index, pair, target[valid].astype(np.float64), weight[valid], elements=valid.size)


def _per_label(case: Case, array: AnyArray) -> AnyArray:
    return array[np.newaxis] if case.task == "binary" else array


def classes_of(spec: PixelLoss, case: Case) -> list[ClassPixels]:
    """Each target class's valid pixels (multi-class), every p clipped as the spec says."""
    pair, weight = pair_of_softmax(case).clipped(spec.clip), weight_map(spec, case)
    return [
        ClassPixels(c, Pair(pair.log_p[:, here], pair.log_q[:, here]), weight[here])
        for c in range(case.classes)
        for here in [case.valid & (case.target == c)]
    ]


def weighted_sum(weights: Floats, values: Floats) -> float:
    """sum w x, where w = 0 takes its element out even if x is infinite."""
    counted = weights > 0
    return float(np.sum(weights[counted] * values[counted]))


def scaled(factor: float, value: float) -> float:
    """factor * value, where 0 takes out even what is infinite."""
    return factor * value if factor > 0 else 0.0


def score_of_labels(spec: PixelLoss, case: Case, labels: list[Sums]) -> Expected:
    """All labels and pixels together; `per_class` is each label alone."""
    total = sum(labels, Sums())
    if case.task == "binary" or total.count == 0:
        return _score(spec, total, None)
    return _score(spec, total, [loss_of(spec, label) for label in labels])


def score_of_classes(spec: PixelLoss, case: Case, classes: list[Sums]) -> Expected:
    """All pixels together; `per_class` is each target class over its own pixels (over all positives where asked)."""
    within = sum(classes, Sums())
    total = replace(within, elements=case.target.size)
    per_class = [_loss_of_class(spec, one, total.positives) for one in classes]
    return _score(spec, total, per_class)


def _loss_of_class(spec: PixelLoss, one: Sums, positives: float) -> Outcome:
    if one.count == 0:
        return Outcome(None, "target_empty")
    return loss_of(spec, replace(one, positives=positives))


def loss_of(spec: PixelLoss, sums: Sums) -> Outcome:
    """Both parts over the denominator."""
    if sums.count == 0:
        return Outcome(None, NO_VALID_PIXELS)
    if sums.mass == 0:
        return Outcome(None, "no_weight")
    return _over(sums.positive + sums.negative, denominator_of(spec, sums))


def _over(part: float, denominator: float) -> Outcome:
    """part / denominator; a smoothed loss may be of pixels whose class weighs nothing, where there is nothing to divide by."""
    return Outcome(None, "no_weight") if denominator == 0 else quotient(part, denominator, "no_weight")


def denominator_of(spec: PixelLoss, sums: Sums) -> float:
    """What the sum is divided by, as `reduction` and the two denominators say."""
    if spec.reduction == "sum":
        return 1.0
    if spec.reduction == "positives":
        return max(1.0, sums.positives)
    if spec.ignore_denominator == "all":
        return float(sums.elements)
    return sums.weight if spec.weight_denominator == "weights" else float(sums.count)


def _score(spec: PixelLoss, total: Sums, per_class: list[Outcome] | None) -> Expected:
    if total.count == 0:
        return NOTHING_TO_SCORE
    value, undefined = loss_of(spec, total)
    extras: dict[str, Any] = _parts(spec, total)
    if per_class is None:
        return Expected(value, undefined, None, extras)
    reasons = reasons_by_class(per_class)
    extras |= {"undefined_classes": reasons} if reasons else {}
    return Expected(value, undefined, [outcome.value for outcome in per_class], extras)


def _parts(spec: PixelLoss, total: Sums) -> dict[str, Any]:
    denominator = denominator_of(spec, total)
    return told(
        positive=_over(total.positive, denominator),
        negative=_over(total.negative, denominator),
        positive_share=_share(total.positive, total.positive + total.negative),
    )


def _share(part: float, whole: float) -> Outcome:
    return Outcome(None, "infinite") if np.isinf(whole) else quotient(part, whole, "no_loss")
