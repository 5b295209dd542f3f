"""Weighted sums of losses: each term is finished by its own implementation."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from lossgauge.metrics import BceDice, BceLogDice, CombinedLoss, FocalDice, FocalLogDice, WeightedBceDice
from lossgauge.metrics.combined import CombinedTerm, Mix
from lossgauge.metrics.spec import MetricSpec
from lossgauge.wire import Score
from numpy.typing import NDArray

from lossgauge_service.metrics import brier, cross_entropy, focal, focal_variants, lovasz, overlap, tversky
from lossgauge_service.metrics.implementation import Implementation, Misfit, misfit_of_kind
from lossgauge_service.metrics.pixel_loss import scaled
from lossgauge_service.metrics.values import by_place
from lossgauge_service.samples import Case
from lossgauge_service.statistics import Measure, Statistic, Sums, Values

FAMILIES = (brier, cross_entropy, focal, focal_variants, lovasz, overlap, tversky)
PARTS: dict[type[MetricSpec], Implementation[Any]] = {part.spec: part for family in FAMILIES for part in family.FAMILY}

NOTHING = ("no_valid_pixels", "no_weight")
"""Why no term of a sample has a value."""


class Transform(NamedTuple):
    """What becomes of a term's value, and the derivative of that."""

    of: Callable[[float], float]
    slope: Callable[[float], float]


TRANSFORMS: dict[str, Transform] = {
    "identity": Transform(lambda x: x, lambda x: 1.0),
    "complement": Transform(lambda x: 1 - x, lambda x: -1.0),
    "minus_log": Transform(lambda x: -math.log(x) if x > 0 else math.inf, lambda x: -1 / x),
}


def _needs(spec: Mix, case: Case) -> list[Statistic]:
    return [need for term in spec.terms_of() for need in PARTS[type(term.metric)].needs(term.metric, case)]


def _finish(spec: Mix, sums: Sums, case: Case) -> list[Score]:
    terms = spec.terms_of()
    by_term = [PARTS[type(term.metric)].finish(term.metric, sums, case) for term in terms]
    return [_mixed(terms, scores) for scores in zip(*by_term, strict=True)]


def _mixed(terms: Sequence[CombinedTerm], scores: Sequence[Score]) -> Score:
    """The sum of a sample's terms; the first that is undefined or infinite says why there is none."""
    parts = []
    for term, score in zip(terms, scores, strict=True):
        part = math.inf if score.value is None else _transformed(term, score.value)
        if not math.isfinite(part):
            return _with_terms(scores, value=None, undefined=score.undefined or "infinite")
        parts.append(part)
    try:
        return _with_terms(scores, value=math.fsum(parts))
    except OverflowError:
        return _with_terms(scores, value=None, undefined="infinite")


def _with_terms(scores: Sequence[Score], **members: Any) -> Score:
    reasons = [score.undefined for score in scores]
    if len({*reasons}) == 1 and reasons[0] in NOTHING:
        return Score.model_validate({**members, "terms": None, "undefined_extras": {"terms": reasons[0]}})
    why = by_place(reasons)
    told = {"undefined_extras": {"terms": why}} if why else {}
    return Score.model_validate({**members, "terms": [score.value for score in scores], **told})


def _transformed(term: CombinedTerm, value: float) -> float:
    return term.weight * TRANSFORMS[term.transform].of(value)


def _misfit(spec: Mix, case: Case) -> Misfit | None:
    """That of the first term that has one, with the term's place in the mix."""
    for term, place in zip(spec.terms_of(), spec.places(), strict=True):
        misfit = _misfit_of(term.metric, case)
        if misfit is not None:
            return Misfit(misfit.detail, (*place, *misfit.at) if place else ())
    return None


def _misfit_of(metric: MetricSpec, case: Case) -> Misfit | None:
    return misfit_of_kind(metric, case.task, case.kind) or _own_misfit(metric, case)


def _own_misfit(metric: MetricSpec, case: Case) -> Misfit | None:
    misfit = PARTS[type(metric)].misfit(metric, case)
    return misfit and Misfit(f"{metric.name}: {misfit.detail}", misfit.at)


# ------------------------------------------------------------------------------------------------------ maps of the terms


def _slopes(spec: Mix, sums: Sums, case: Case) -> Mapping[Measure[Any], NDArray[Any]]:
    """Those of the terms that are of measures, each through its transform."""
    slopes: dict[Measure[Any], NDArray[Any]] = {}
    for term in spec.terms_of():
        part = PARTS[type(term.metric)]
        if part.slopes is not None:
            factor = _slope(term, part.finish(term.metric, sums, case)[0])
            for key, of_record in part.slopes(term.metric, sums, case).items():
                slopes[key] = slopes.get(key, 0.0) + factor * of_record
    return slopes


def _slope(term: CombinedTerm, score: Score) -> float:
    """d sum / d term."""
    assert score.value is not None
    return term.weight * TRANSFORMS[term.transform].slope(float(score.value))


def _losses(spec: Mix, sums: Sums, whole: Sums, case: Case) -> Values:
    """The sum of the terms' losses, each times its weight."""
    found = np.zeros(1)
    for term in spec.terms_of():
        losses = PARTS[type(term.metric)].losses
        assert losses is not None
        found = found + scaled(term.weight, losses(term.metric, sums, whole, case))
    return found


def _losses_misfit(spec: Mix) -> str | None:
    for term in spec.terms_of():
        if PARTS[type(term.metric)].losses is None:
            return f"its term {term.metric.name} has none"
        if term.transform != "identity":
            return f"{term.transform!r} is of the term {term.metric.name} as a whole, not of each pixel"
    return None


NAMED = (BceDice, BceLogDice, FocalDice, FocalLogDice, WeightedBceDice)
FAMILY = (
    Implementation(CombinedLoss, _needs, _finish, _misfit, _losses, _losses_misfit, _slopes),
    *(Implementation(spec, _needs, _finish, _misfit, slopes=_slopes) for spec in NAMED),
)
