"""Weighted sums of losses, and the named mixes written out from their formulas."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from lossgauge.metrics import (
    BceDice,
    BceLogDice,
    CombinedLoss,
    CrossEntropy,
    FocalDice,
    FocalLogDice,
    MetricSpec,
    WeightedBceDice,
)

from tests.reference import brier, cross_entropy, focal, focal_variants, overlap, ranking, tversky
from tests.reference.case import NOTHING_TO_SCORE, Case, Expected, Outcome, told
from tests.reference.fit import require_fit

FAMILIES = (brier, cross_entropy, focal, focal_variants, overlap, ranking, tversky)
SINGLE: dict[str, Callable[[Any, Case], Expected]] = {
    name: reference for family in FAMILIES for name, reference in family.REFERENCES.items()
}


class Term(NamedTuple):
    """weight * transform(metric)."""

    metric: MetricSpec
    weight: float = 1.0
    transform: str = "identity"


def combined_loss(spec: CombinedLoss, case: Case) -> Expected:
    """sum of weight * transform(metric)."""
    return _sum(case, [Term(term.metric, term.weight, term.transform) for term in spec.terms])


def bce_dice(spec: BceDice, case: Case) -> Expected:
    """BCE + dice loss."""
    return _sum(case, [Term(spec.bce), Term(spec.dice)])


def bce_log_dice(spec: BceLogDice, case: Case) -> Expected:
    """BCE - log dice."""
    return _sum(case, [Term(spec.bce), Term(spec.dice, transform="minus_log")])


def focal_dice(spec: FocalDice, case: Case) -> Expected:
    """Focal + dice loss."""
    return _sum(case, [Term(spec.focal), Term(spec.dice)])


def focal_log_dice(spec: FocalLogDice, case: Case) -> Expected:
    """c focal - log dice."""
    return _sum(case, [Term(spec.focal, weight=spec.focal_weight), Term(spec.dice, transform="minus_log")])


def weighted_bce_dice(spec: WeightedBceDice, case: Case) -> Expected:
    """sum w BCE / sum w + dice loss, w the boundary's weights."""
    return _sum(case, [Term(CrossEntropy(weight_from=spec.boundary)), Term(spec.dice)])


def _sum(case: Case, terms: Sequence[Term]) -> Expected:
    scores = [_own(term.metric, case) for term in terms]
    if not np.any(case.valid):
        return NOTHING_TO_SCORE
    outcomes = [_transformed(term, score) for term, score in zip(terms, scores, strict=True)]
    extras = told(terms=[Outcome(score.value, score.undefined) for score in scores])
    reason = next((outcome.reason for outcome in outcomes if outcome.reason is not None), None)
    if reason is not None:
        return Expected(None, reason, extras=extras)
    values = [term.weight * (outcome.value or 0.0) for term, outcome in zip(terms, outcomes, strict=True)]
    return Expected(sum(values), extras=extras)


def _own(metric: MetricSpec, case: Case) -> Expected:
    require_fit(metric, case)
    return SINGLE[metric.name](metric, case)


def _transformed(term: Term, score: Expected) -> Outcome:
    if score.value is None:
        return Outcome(None, score.undefined)
    return _TRANSFORMS[term.transform](score.value)


def _identity(value: float) -> Outcome:
    return Outcome(value)


def _complement(value: float) -> Outcome:
    return Outcome(1.0 - value)


def _minus_log(value: float) -> Outcome:
    if value <= 0:
        return Outcome(None, "infinite" if value == 0 else "log_of_negative")
    return Outcome(float(-np.log(value)))


_TRANSFORMS = {"identity": _identity, "complement": _complement, "minus_log": _minus_log}

REFERENCES: dict[str, Callable[[Any, Case], Expected]] = {
    "bce_dice": bce_dice,
    "bce_log_dice": bce_log_dice,
    "combined_loss": combined_loss,
    "focal_dice": focal_dice,
    "focal_log_dice": focal_log_dice,
    "weighted_bce_dice": weighted_bce_dice,
}
