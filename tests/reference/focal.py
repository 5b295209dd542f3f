"""Focal loss: -alpha_t (1 - pt)^gamma log pt (Lin et al., arXiv:1708.02002, eq. 5)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from lossgauge.metrics import FocalLoss
from lossgauge_service.errors import MetricDoesNotFit

from tests.reference.case import Case, Expected, Floats
from tests.reference.pixel_loss import (
    ClassPixels,
    Label,
    Sums,
    classes_of,
    labels_of,
    scaled,
    score_of_classes,
    score_of_labels,
    weighted_sum,
)
from tests.reference.probability import one_hot


def focal_loss(spec: FocalLoss, case: Case) -> Expected:
    """Focal loss of any task."""
    if case.task == "multiclass" and spec.multiclass_mode == "one_vs_rest":
        return _one_vs_rest(spec, case)
    if case.task == "multiclass":
        _refuse_unfit_classes(spec, case)
        return score_of_classes(spec, case, [_class_sums(spec, pixels) for pixels in classes_of(spec, case)])
    if isinstance(spec.alpha, list):
        raise MetricDoesNotFit("a list of alpha is for multi-class")
    return score_of_labels(spec, case, [_label_sums(spec, label) for label in labels_of(spec, case)])


def _one_vs_rest(spec: FocalLoss, case: Case) -> Expected:
    """The binary loss of each class's mask; a mean over pixels is C times that over all masks' elements."""
    if isinstance(spec.alpha, list) and len(spec.alpha) != case.classes:
        raise MetricDoesNotFit(f"{len(spec.alpha)} alphas for {case.classes} classes")
    masks = np.where(case.valid, one_hot(case.target, case.classes), -1.0)
    apart = replace(case, task="multilabel", target=masks, ignore_index=-1)
    found = score_of_labels(spec, apart, [_label_sums(spec, label) for label in labels_of(spec, apart)])
    over_elements = spec.denominator == "elements" or spec.reduction != "mean" or spec.normalized
    return found if over_elements else _times(found, case.classes)


def _times(score: Expected, factor: float) -> Expected:
    whole = {"positive", "negative"}
    extras = {
        name: extra * factor if name in whole and extra is not None else extra for name, extra in score.extras.items()
    }
    return replace(score, value=None if score.value is None else score.value * factor, extras=extras)


def _label_sums(spec: FocalLoss, label: Label) -> Sums:
    (loss, loss_of_rest), t, v = _focal_of_label(spec, label), label.t, label.v
    alpha_positive, alpha_negative = _alphas(spec, label.index)
    leak_positive, leak_negative = _leaks(spec, label.index)
    focus = v * _mean_focus(spec, label) if spec.normalized else v
    targets, rest = float(np.sum(v * t)), float(np.sum(v * (1 - t)))
    return Sums(
        positive=scaled(alpha_positive, weighted_sum(v * t, loss)) + leak_positive * targets,
        negative=scaled(alpha_negative, weighted_sum(v * (1 - t), loss_of_rest)) + leak_negative * rest,
        weight=_denominator(focus) if spec.normalized else float(np.sum(v)),
        count=t.size,
        mass=float(np.sum(v)),
        elements=label.elements,
        positives=targets,
    )


def _focal_of_label(spec: FocalLoss, label: Label) -> tuple[Floats, Floats]:
    """What the share t of a pixel costs, and the share 1 - t: the pixel's whole loss, or each its own."""
    if spec.soft_target_pt == "separate":
        logs = label.pair.floored(spec.log_floor)
        return _focus(spec, label.pair.q) * -logs.log_p, _focus(spec, label.pair.p) * -logs.log_q
    whole = _focus(spec, _one_minus_pt(spec, label)) * _cross_entropy(label, spec.log_floor)
    return whole, whole


def _mean_focus(spec: FocalLoss, label: Label) -> Floats:
    if spec.soft_target_pt == "separate":
        return label.t * _focus(spec, label.pair.q) + (1 - label.t) * _focus(spec, label.pair.p)
    return _focus(spec, _one_minus_pt(spec, label))


def _focus(spec: FocalLoss, missed: Floats) -> Floats:
    """(1 - pt)^gamma; reduced, 1 below the threshold and ((1 - pt) / threshold)^gamma from there on."""
    if spec.reduced_threshold is None:
        return missed**spec.gamma
    turned_down = (missed / spec.reduced_threshold) ** spec.gamma
    return np.where(1 - missed < spec.reduced_threshold, 1.0, turned_down)


def _denominator(weights: Floats) -> float:
    """Their sum; without any focus so little that nothing over it is 0."""
    return max(float(np.sum(weights)), float(np.finfo(float).tiny))


def _one_minus_pt(spec: FocalLoss, label: Label) -> Floats:
    if spec.soft_target_pt == "exp":
        return -np.expm1(-_cross_entropy(label, None))
    if spec.soft_target_pt == "logit":
        return _sigmoid((1 - 2 * label.t) * (_finite(label.pair.log_p) - _finite(label.pair.log_q)))
    return label.t * label.pair.q + (1 - label.t) * label.pair.p


def _finite(logs: Floats) -> Floats:
    return np.maximum(logs, -1e30)


def _sigmoid(x: Floats) -> Floats:
    return np.exp(-np.logaddexp(0, -x))


def _cross_entropy(label: Label, floor: float | None) -> Floats:
    logs = label.pair.floored(floor)
    return _shared(label.t, -logs.log_p) + _shared(1 - label.t, -logs.log_q)


def _shared(share: Floats, value: Floats) -> Floats:
    return np.multiply(share, value, out=np.zeros_like(value), where=share > 0)


def _alphas(spec: FocalLoss, index: int) -> tuple[float, float]:
    if spec.alpha is None:
        return 1.0, 1.0
    alpha = spec.alpha[index] if isinstance(spec.alpha, list) else spec.alpha
    return (alpha, 1 - alpha) if spec.alpha_mode == "balanced" else (alpha, alpha)


def _leaks(spec: FocalLoss, index: int) -> tuple[float, float]:
    """What a t = 1 pixel and a t = 0 pixel leak: the published code clips the other class's stand-in too."""
    if not spec.clip_leak:
        return 0.0, 0.0
    assert spec.clip is not None
    (low, high), (alpha, rest) = spec.clip, _alphas(spec, index)
    stand_in_of_0 = rest * low**spec.gamma * -np.log1p(-low)
    stand_in_of_1 = alpha * (1 - high) ** spec.gamma * -np.log(high)
    return float(stand_in_of_0), float(stand_in_of_1)


def _refuse_unfit_classes(spec: FocalLoss, case: Case) -> None:
    if spec.alpha_mode == "balanced" and isinstance(spec.alpha, float):
        raise MetricDoesNotFit("a balanced alpha is for binary and multilabel")
    if isinstance(spec.alpha, list) and len(spec.alpha) != case.classes:
        raise MetricDoesNotFit(f"{len(spec.alpha)} alphas for {case.classes} classes")
    if spec.clip_leak:
        raise MetricDoesNotFit("clip_leak is for binary and multilabel")


def _class_sums(spec: FocalLoss, pixels: ClassPixels) -> Sums:
    c, v = pixels.index, pixels.v
    focus = _focus(spec, pixels.pair.q[c])
    loss = focus * -pixels.pair.floored(spec.log_floor).log_p[c]
    total = scaled(_alpha_of_class(spec, c), weighted_sum(v, loss)) / _times_classes(spec, pixels)
    weight = float(np.sum(v))
    return Sums(
        positive=total if c > 0 else 0.0,
        negative=total if c == 0 else 0.0,
        weight=_denominator(v * focus) if spec.normalized else weight,
        count=v.size,
        mass=weight,
        elements=v.size,
        positives=weight if c > 0 else 0.0,
    )


def _times_classes(spec: FocalLoss, pixels: ClassPixels) -> int:
    """How many elements of a mean a pixel is."""
    return len(pixels.pair.q) if spec.denominator == "elements" and spec.reduction == "mean" else 1


def _alpha_of_class(spec: FocalLoss, c: int) -> float:
    if spec.alpha is None:
        return 1.0
    return spec.alpha[c] if isinstance(spec.alpha, list) else spec.alpha


REFERENCES: dict[str, Callable[[Any, Case], Expected]] = {"focal_loss": focal_loss}
