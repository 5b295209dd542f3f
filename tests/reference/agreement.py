"""Correlation, kappa, balanced accuracy and the difference in size, from masks and the confusion matrix."""

from collections.abc import Callable
from typing import Any

import numpy as np
from lossgauge.metrics import BalancedAccuracy, Kappa, Mcc, VolumeDifference
from lossgauge.metrics.agreement import Agreement
from lossgauge_service.errors import MetricDoesNotFit

from tests.reference.averaging import ByClass, averaged, mean_of_defined
from tests.reference.case import (
    NO_VALID_PIXELS,
    NOTHING_TO_SCORE,
    Case,
    Expected,
    Floats,
    Outcome,
    quotient,
    tally,
    told,
)
from tests.reference.overlap import class_average, first_class, threshold_of
from tests.reference.probability import hard_membership, target_membership
from tests.reference.region import Region, by_rules, empty_case, ratio, regions_of

Formula = Callable[[Floats], Outcome]
"""The number of a confusion matrix, rows the target's."""


def mcc(spec: Mcc, case: Case) -> Expected:
    """The correlation of the two label maps."""
    return _agreement(spec, case, _correlation)


def _correlation(matrix: Floats) -> Outcome:
    share = matrix / matrix.sum()
    true, guess = share.sum(1), share.sum(0)
    covariance = share.trace() - np.dot(true, guess)
    return quotient(covariance, np.sqrt(_variance(true)) * np.sqrt(_variance(guess)), "one_class")


def _variance(shares: Floats) -> float:
    return float(sum(shares[i] * np.delete(shares, i).sum() for i in range(len(shares))))


def kappa(spec: Kappa, case: Case) -> Expected:
    """1 - sum w O / sum w E."""

    def formula(matrix: Floats) -> Outcome:
        share = matrix / matrix.sum()
        i, j = np.indices(matrix.shape)
        weight = {"none": i != j, "linear": abs(i - j), "quadratic": (i - j) ** 2}[spec.weights]
        chance = np.outer(share.sum(1), share.sum(0))
        found = quotient(float((weight * share).sum()), float((weight * chance).sum()), "one_class")
        return found if found.value is None else Outcome(1 - found.value)

    return _agreement(spec, case, formula)


def _agreement(spec: Agreement, case: Case, formula: Formula) -> Expected:
    regions = regions_of(case, hard_membership(case, *threshold_of(spec, case)))
    of_matrix = case.task == "multiclass" and spec.average == "micro"
    if first_class(spec, case) and of_matrix:
        raise MetricDoesNotFit("the matrix has its background")
    if all(region.count == 0 for region in regions):
        return NOTHING_TO_SCORE

    def divided(found: Outcome) -> Outcome:
        keep = found.value is not None or spec.zero_division == "undefined"
        return found if keep else Outcome(float(spec.zero_division))

    def of_region(region: Region) -> Outcome:
        if region.weight == 0:
            return Outcome(None, "no_weight")
        found = formula(np.array([[region.tn, region.fp], [region.fn, region.tp]]))
        return divided(found if found.value is not None else Outcome(None, empty_case(region) or found.reason))

    if not of_matrix:
        return class_average(spec, case, regions, of_region)
    outcomes = [by_rules(spec.empty, region, of_region(region)) for region in regions]
    matrix = _matrix(spec, case)
    whole = divided(formula(matrix)) if matrix.any() else Outcome(None, "no_weight")
    return averaged(case, "micro", ByClass(outcomes, [region.target for region in regions], whole))


def _matrix(spec: Agreement, case: Case) -> Floats:
    predicted, target = hard_membership(case, *threshold_of(spec, case)), target_membership(case)
    v = case.pixel_weight * case.valid
    return np.array([[np.sum(v * t * p) for p in predicted] for t in target])


def balanced_accuracy(spec: BalancedAccuracy, case: Case) -> Expected:
    """The mean of the recalls."""
    threshold = case.threshold if spec.threshold is None else spec.threshold
    regions = regions_of(case, hard_membership(case, threshold, spec.threshold_side))
    if all(region.count == 0 for region in regions):
        return NOTHING_TO_SCORE

    def recall(region: Region, reason: str) -> Outcome:
        found = quotient(region.tp, region.target, reason)
        return Outcome(spec.absent) if found.value is None and isinstance(spec.absent, float) else found

    def both(region: Region) -> list[Outcome]:
        if region.count == 0 or region.weight == 0:
            return [Outcome(None, NO_VALID_PIXELS if region.count == 0 else "no_weight")] * 2
        return [recall(region, "target_empty"), recall(region.background, "no_negatives")]

    def label(region: Region) -> Outcome:
        pair = both(region)
        nothing = region.count == 0 or region.weight == 0
        return pair[0] if nothing else _balanced(spec, pair)

    sizes = [region.target for region in regions]
    if case.task == "multiclass":
        recalls = [recall(region, "target_empty") for region in regions]
        score = averaged(case, "macro", ByClass(recalls, sizes, Outcome(None)))
        value, reason = _balanced(spec, recalls)
        return Expected(value, reason, score.per_class, score.extras)
    score = averaged(case, "macro", ByClass([label(region) for region in regions], sizes, Outcome(None)))
    recalls, specificities = ([both(region)[side] for region in regions] for side in (0, 1))
    if case.task == "binary":
        extras = told(recall=recalls[0], specificity=specificities[0]) | tally([recalls[0], specificities[0]])
        return Expected(score.value, score.undefined, extras=extras)
    extras = told(recall=recalls, specificity=specificities)
    return Expected(score.value, score.undefined, score.per_class, score.extras | extras)


def _balanced(spec: BalancedAccuracy, recalls: list[Outcome]) -> Outcome:
    missing = [recall for recall in recalls if recall.value is None]
    if spec.absent == "undefined" and missing:
        return missing[0] if len(missing) < len(recalls) else mean_of_defined(recalls)
    found, n = mean_of_defined(recalls), len(recalls) - len(missing)
    if found.value is None or not spec.adjusted:
        return found
    return Outcome(None, "one_class") if n == 1 else Outcome((found.value - 1 / n) / (1 - 1 / n))


def volume_difference(spec: VolumeDifference, case: Case) -> Expected:
    """(P - T) / T, |P - T| / T, or 2 |P - T| / (P + T)."""
    regions = regions_of(case, hard_membership(case, *threshold_of(spec, case)))

    def formula(r: Region) -> Outcome:
        return {
            "relative": ratio(r, r.prediction - r.target, r.target),
            "absolute": ratio(r, abs(r.prediction - r.target), r.target),
            "symmetric": ratio(r, 2 * abs(r.prediction - r.target), r.prediction + r.target),
        }[spec.mode]

    def of_region(r: Region) -> Outcome:
        found = formula(r)
        return Outcome(None, "target_empty") if found.reason == "infinite" and r.target == 0 else found

    return class_average(spec, case, regions, of_region)


REFERENCES: dict[str, Callable[[Any, Case], Expected]] = {
    "balanced_accuracy": balanced_accuracy,
    "kappa": kappa,
    "mcc": mcc,
    "volume_difference": volume_difference,
}
