"""Cross-entropy: -log pt, its weightings and label smoothing."""

from collections.abc import Callable
from typing import Any

import numpy as np
from lossgauge.metrics import CrossEntropy
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


def cross_entropy(spec: CrossEntropy, case: Case) -> Expected:
    """Cross-entropy of any task."""
    _refuse_unfit(spec, case)
    if case.task == "multiclass":
        return score_of_classes(spec, case, [_class_sums(spec, pixels) for pixels in classes_of(spec, case)])
    labels = labels_of(spec, case)
    return score_of_labels(spec, case, [_label_sums(spec, case, label) for label in labels])


def _label_sums(spec: CrossEntropy, case: Case, label: Label) -> Sums:
    t, v = label.t, label.v
    logs = label.pair.floored(spec.log_floor)
    weight_0, weight_1 = _weights(spec, case, label)
    terms = np.stack([_scaled(weight_0, -logs.log_q), _scaled(weight_1, -logs.log_p)])
    targets, rest = float(np.sum(v * t)), float(np.sum(v * (1 - t)))
    return Sums(
        positive=weighted_sum(v * t, _smoothed(spec, terms, 1)),
        negative=weighted_sum(v * (1 - t), _smoothed(spec, terms, 0)),
        weight=float(np.sum(v)) if spec.class_weights is None else weight_1 * targets + weight_0 * rest,
        count=t.size,
        mass=float(np.sum(v)),
        elements=label.elements,
        positives=targets,
    )


def _scaled(factor: float, values: Floats) -> Floats:
    return np.array([scaled(factor, float(value)) for value in values.ravel()]).reshape(values.shape)


def _smoothed(spec: CrossEntropy, against: Floats, c: int) -> Floats:
    """(1 - e) CE_c + e / C (the sum of CE over all classes), of `against` (C, n)."""
    e, own, every = spec.label_smoothing, np.asarray(against[c]), np.sum(against, axis=0)
    return own if e == 0 else (1 - e) * own + e / len(against) * every


def _weights(spec: CrossEntropy, case: Case, label: Label) -> tuple[float, float]:
    """The weights of the terms of t = 0 and of t = 1."""
    if spec.class_weights is not None:
        return _class_weights_of_label(spec.class_weights, case, label)
    if spec.pos_weight is not None:
        listed = spec.pos_weight if isinstance(spec.pos_weight, list) else [spec.pos_weight] * case.classes
        return 1.0, listed[label.index]
    if spec.balance is not None:
        alpha = _share_of_negatives(label)
        return 1 - alpha, alpha
    return (1.0, 1.0) if spec.alpha is None else (1 - spec.alpha, spec.alpha)


def _class_weights_of_label(weights: list[float], case: Case, label: Label) -> tuple[float, float]:
    if case.task == "binary":
        return weights[0], weights[1]
    return weights[label.index], weights[label.index]


def _share_of_negatives(label: Label) -> float:
    total = float(np.sum(label.v))
    return float(np.sum(label.v * (1 - label.t))) / total if total > 0 else 0.0


def _class_sums(spec: CrossEntropy, pixels: ClassPixels) -> Sums:
    c, v = pixels.index, pixels.v
    entropies = -pixels.pair.floored(spec.log_floor).log_p
    class_weights = spec.class_weights or [1.0] * len(entropies)
    against = np.stack([_scaled(*pair) for pair in zip(class_weights, entropies, strict=True)])
    total = weighted_sum(v, _smoothed(spec, against, c))
    weight = float(np.sum(v))
    return Sums(
        positive=total if c > 0 else 0.0,
        negative=total if c == 0 else 0.0,
        weight=class_weights[c] * weight,
        count=v.size,
        mass=weight,
        elements=v.size,
        positives=weight if c > 0 else 0.0,
    )


def _refuse_unfit(spec: CrossEntropy, case: Case) -> None:
    if case.task == "multiclass" and (spec.pos_weight, spec.alpha, spec.balance) != (None, None, None):
        raise MetricDoesNotFit("pos_weight, alpha and balance are for binary and multilabel")
    classes = 2 if case.task == "binary" else case.classes
    if spec.class_weights is not None and len(spec.class_weights) != classes:
        raise MetricDoesNotFit(f"{len(spec.class_weights)} class weights for {classes} classes")
    if isinstance(spec.pos_weight, list) and (case.task == "binary" or len(spec.pos_weight) != classes):
        raise MetricDoesNotFit("a list of pos_weight has one for each label of a multilabel task")


REFERENCES: dict[str, Callable[[Any, Case], Expected]] = {"cross_entropy": cross_entropy}
