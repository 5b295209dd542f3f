"""Lovasz losses by the published algorithm, and scores of rankings pair by pair."""

from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from lossgauge.metrics import AveragePrecision, LovaszHinge, LovaszSoftmax, RocAuc
from lossgauge.metrics.ranking import OfRanking
from lossgauge.metrics.spec import EmptyRule
from lossgauge_service.errors import MetricDoesNotFit

from tests.reference.averaging import ByClass, averaged
from tests.reference.case import NO_VALID_PIXELS, NOTHING_TO_SCORE, Case, Expected, Outcome, told
from tests.reference.confidence import Pixels, ranked, rated
from tests.reference.region import ruled

# ---------------------------------------------------------------------------------------------------------------- Lovasz


def lovasz_hinge(spec: LovaszHinge, case: Case) -> Expected:
    """The extension of the hinge errors max(0, 1 - x s)."""
    _require_counted(case)
    outcomes = [
        _unless_empty(spec, row, _loss(row, 1 - row.value * np.where(row.positive, 1, -1))) for row in ranked(case)
    ]
    return _mean_of(case, outcomes)


def lovasz_softmax(spec: LovaszSoftmax, case: Case) -> Expected:
    """The extension of |t - p|, and the mean over the chosen classes."""
    _require_counted(case)
    if isinstance(spec.classes, list) and (case.task == "binary" or max(spec.classes) >= case.classes):
        raise MetricDoesNotFit("no such classes")
    outcomes = [_unless_empty(spec, row, _loss(row, np.abs(row.positive - row.value))) for row in rated(case)]
    if spec.classes == "present" and case.task == "multiclass":
        absent = [row.count > 0 and not row.positive.any() for row in rated(case)]
        outcomes = [
            Outcome(None, "target_empty") if no else outcome for no, outcome in zip(absent, outcomes, strict=True)
        ]
    return _mean_of(case, outcomes, spec.classes if isinstance(spec.classes, list) else None)


def _require_counted(case: Case) -> None:
    if case.weight is not None or case.target_kind == "probabilities":
        raise MetricDoesNotFit("Lovasz losses count pixels")


def _unless_empty(spec: LovaszHinge | LovaszSoftmax, row: Pixels, loss: Outcome) -> Outcome:
    """The loss, or what the rule says of a target of which there are pixels and no positive."""
    if row.count == 0 or row.positive.any():
        return loss
    return ruled(spec.empty.target, "target_empty", loss)


def _loss(row: Pixels, errors: Any) -> Outcome:
    """Algorithm 1: errors in descending order times the gradient of the Jaccard loss."""
    if row.count == 0 and row.value.size == 0:
        return Outcome(None, NO_VALID_PIXELS)
    order = np.argsort(-errors, kind="stable")
    truth = row.positive[order].astype(np.float64)
    jaccard = 1 - (truth.sum() - truth.cumsum()) / (truth.sum() + (1 - truth).cumsum())
    return Outcome(float(np.sum(np.maximum(errors[order], 0) * np.diff(jaccard, prepend=0))))


def _mean_of(case: Case, outcomes: list[Outcome], chosen: list[int] | None = None) -> Expected:
    if not case.valid.any():
        return NOTHING_TO_SCORE
    if case.task == "binary" or chosen is None:
        return averaged(case, "macro", ByClass(outcomes, [], Outcome(None)))
    within = averaged(case, "macro", ByClass([outcomes[c] for c in chosen], [], Outcome(None)))
    whole = averaged(case, "none", ByClass(outcomes, [], Outcome(None)))
    tally = {name: within.extras[name] for name in ("counted", "skipped")}
    return Expected(within.value, within.undefined, whole.per_class, whole.extras | tally)


# ----------------------------------------------------------------------------------------------------------------- areas


def roc_auc(spec: RocAuc, case: Case) -> Expected:
    """The weighted share of the pairs in which the positive is ranked above the negative; a tie is half a pair."""
    return _of_ranking(spec, case, _share_of_pairs, _tied_pairs, spec.no_negatives)


def average_precision(spec: AveragePrecision, case: Case) -> Expected:
    """The mean over the positives of the precision of what is ranked at least as high."""
    return _of_ranking(spec, case, _mean_precision, _precision_bound, None)


def _share_of_pairs(row: Pixels) -> float:
    above = np.subtract.outer(row.value[row.positive], row.value[~row.positive])
    return float(row.weight[row.positive] @ ((np.sign(above) + 1) / 2) @ row.weight[~row.positive]) / (
        row.positives * row.negatives
    )


def _tied_pairs(row: Pixels) -> float:
    tied = np.equal.outer(row.value[row.positive], row.value[~row.positive])
    pairs = row.weight[row.positive] @ tied @ row.weight[~row.positive]
    return float(pairs) / 2 / (row.positives * row.negatives)


def _mean_precision(row: Pixels) -> float:
    precisions = [_precision_at(row, threshold) for threshold in row.value[row.positive]]
    return float(np.dot(row.weight[row.positive], precisions) / row.positives)


def _precision_at(row: Pixels, threshold: float) -> float:
    reached = row.value >= threshold
    return float(row.weight[reached & row.positive].sum() / row.weight[reached].sum())


def _precision_bound(row: Pixels) -> float:
    """Bin by bin: the precision with none of the bin's negatives, and the integral of s / (s + FP) with all of them first."""
    most = least = 0.0
    for value in np.unique(row.value[row.positive]):
        tp, fp = (float(row.weight[(row.value >= value) & side].sum()) for side in (row.positive, ~row.positive))
        before, passed = (float(row.weight[(row.value > value) & side].sum()) for side in (row.positive, ~row.positive))
        most += (tp - before) * tp / (tp + passed)
        least += tp - before - (fp * np.log((tp + fp) / (before + fp)) if fp else 0)
    value = _mean_precision(row)
    return max(most / row.positives - value, value - least / row.positives)


def _of_ranking(
    spec: OfRanking,
    case: Case,
    formula: Callable[[Pixels], float],
    bound: Callable[[Pixels], float],
    no_negatives: EmptyRule | None,
) -> Expected:
    """A score of each class's pixels, or of all together, and its extras. no_negatives: None where it needs none."""
    if case.target_kind == "probabilities":
        raise MetricDoesNotFit("soft targets have no positives and negatives")
    rows = ranked(case) if spec.method == "exact" else [_in_bins(spec, case, row) for row in rated(case)]
    if not case.valid.any():
        return NOTHING_TO_SCORE

    def score(function: Callable[[Pixels], float], target: EmptyRule, negatives: EmptyRule | None) -> Expected:
        outcomes = [_outcome(case, row, function, target, negatives) for row in rows]
        together = _outcome(case, reduce(add, rows), function, target, negatives)
        sizes = [row.positives for row in rows]
        return averaged(case, spec.average, ByClass(outcomes, sizes, together))

    found = score(formula, spec.empty.target, no_negatives)
    extras: dict[str, Any] = {}
    if spec.method == "histogram":
        of_bound = score(bound, _certain(spec.empty.target), None if no_negatives is None else _certain(no_negatives))
        extras = told(error_bound=Outcome(of_bound.value, of_bound.undefined))
    of_curve = score(lambda row: 0.0, "undefined", None if no_negatives is None else "undefined")
    nulls = _nulls_of_curves(spec, case, of_curve, no_negatives is not None) if spec.curve == "points" else None
    if nulls:
        extras["undefined_extras"] = extras.get("undefined_extras", {}) | {"curve": nulls}
    return Expected(found.value, found.undefined, found.per_class, found.extras | extras)


def _nulls_of_curves(spec: OfRanking, case: Case, found: Expected, needs_negatives: bool) -> Any:
    """Why a curve is null; a ROC curve that there is has a first point without a threshold."""
    first = {"thresholds": {"0": "above_all_values"}} if needs_negatives else None
    if case.task == "binary" or spec.average == "micro":
        return first if found.value is not None else found.undefined
    reasons = found.extras.get("undefined_classes", {})
    places = {str(c): reasons.get(str(c), first) for c in range(case.classes)}
    return {place: why for place, why in places.items() if why is not None}


def _certain(rule: EmptyRule) -> EmptyRule:
    """A constant is what it is: nothing of it is in doubt."""
    return 0.0 if isinstance(rule, float) else rule


def _outcome(
    case: Case,
    row: Pixels,
    function: Callable[[Pixels], float],
    target: EmptyRule,
    negatives: EmptyRule | None,
) -> Outcome:
    if row.count == 0:
        return Outcome(None, NO_VALID_PIXELS)
    if row.weight.sum() == 0 and case.task == "multilabel":
        return Outcome(None, "no_weight")
    if row.positives == 0:
        return ruled(target, "target_empty", Outcome(None, "target_empty"))
    if negatives is not None and row.negatives == 0:
        return ruled(negatives, "no_negatives", Outcome(None, "no_negatives"))
    return Outcome(function(row))


def _in_bins(spec: OfRanking, case: Case, row: Pixels) -> Pixels:
    """The pixels with the number of their bin as their value: [0, 1/n), ..., [1 - 1/n, 1]."""
    edges = np.array([k / spec.bins for k in range(1, spec.bins)])
    if case.prediction_kind == "probabilities":
        edges = edges.astype(case.prediction.dtype)
    return row.with_values(np.array([np.sum(edges <= value) for value in row.value]))


REFERENCES: dict[str, Callable[[Any, Case], Expected]] = {
    "average_precision": average_precision,
    "lovasz_hinge": lovasz_hinge,
    "lovasz_softmax": lovasz_softmax,
    "roc_auc": roc_auc,
}
