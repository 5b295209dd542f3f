"""What follows from the counts of true and false positives and negatives."""

from collections.abc import Callable
from typing import Any

import numpy as np
from lossgauge.metrics import Accuracy, Confusion, FBeta, Precision, Recall, Specificity
from lossgauge.metrics.overlap import ClassAveraged

from tests.reference.case import NOTHING_TO_SCORE, Case, Expected, Outcome, quotient
from tests.reference.overlap import class_average, threshold_of
from tests.reference.probability import hard_membership, target_membership
from tests.reference.region import Region, ratio, regions_of


def confusion(spec: Confusion, case: Case) -> Expected:
    """FP + FN; multi-class: the matrix off its diagonal."""
    regions = _regions(spec, case)
    if all(region.count == 0 for region in regions):
        return NOTHING_TO_SCORE
    if case.task == "multiclass":
        matrix = _matrix(spec, case)
        wrong = sum(matrix[i][j] for i in range(case.classes) for j in range(case.classes) if i != j)
        return Expected(wrong, extras=_counts(case, regions) | {"matrix": matrix})
    return Expected(sum(region.fp + region.fn for region in regions), extras=_counts(case, regions))


def _counts(case: Case, regions: list[Region]) -> dict[str, Any]:
    lists = {name: [getattr(region, name) for region in regions] for name in ("tp", "fp", "fn", "tn")}
    return {name: values[0] for name, values in lists.items()} if case.task == "binary" else lists


def _matrix(spec: Confusion, case: Case) -> list[list[float]]:
    predicted, target = hard_membership(case, *threshold_of(spec, case)), target_membership(case)
    v = case.pixel_weight * case.valid
    return [[float(np.sum(v * t * p)) for p in predicted] for t in target]


def precision(spec: Precision, case: Case) -> Expected:
    """TP / (TP + FP)."""
    return class_average(spec, case, _regions(spec, case), lambda r: ratio(r, r.tp, r.tp + r.fp))


def recall(spec: Recall, case: Case) -> Expected:
    """TP / (TP + FN)."""
    return class_average(spec, case, _regions(spec, case), lambda r: ratio(r, r.tp, r.tp + r.fn))


def specificity(spec: Specificity, case: Case) -> Expected:
    """TN / (TN + FP)."""
    return class_average(spec, case, _regions(spec, case), lambda r: _of_negatives(spec, r))


def _of_negatives(spec: Specificity, region: Region) -> Outcome:
    if region.tn + region.fp > 0:
        return quotient(region.tn, region.tn + region.fp, "no_negatives")
    if isinstance(spec.no_negatives, float):
        return Outcome(spec.no_negatives)
    return Outcome(None, "skipped" if spec.no_negatives == "skip" else "no_negatives")


def fbeta(spec: FBeta, case: Case) -> Expected:
    """(1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP)."""
    b2 = spec.beta**2

    def formula(r: Region) -> Outcome:
        return ratio(r, (1 + b2) * r.tp, (1 + b2) * r.tp + b2 * r.fn + r.fp)

    return class_average(spec, case, _regions(spec, case), formula)


def accuracy(spec: Accuracy, case: Case) -> Expected:
    """(TP + TN) / N; multi-class: the diagonal's share, and per class the recall."""
    multiclass = case.task == "multiclass"
    return class_average(spec, case, _regions(spec, case), _recall_of if multiclass else _right)


def _recall_of(region: Region) -> Outcome:
    return ratio(region, region.tp, region.target)


def _right(region: Region) -> Outcome:
    return quotient(region.tp + region.tn, region.weight, "no_weight")


def _regions(spec: ClassAveraged | Confusion, case: Case) -> list[Region]:
    return regions_of(case, hard_membership(case, *threshold_of(spec, case)))


REFERENCES: dict[str, Callable[[Any, Case], Expected]] = {
    "accuracy": accuracy,
    "confusion": confusion,
    "fbeta": fbeta,
    "precision": precision,
    "recall": recall,
    "specificity": specificity,
}
