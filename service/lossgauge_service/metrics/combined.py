"""Weighted sums of losses: each term is finished by its own implementation."""

import math
from collections.abc import Callable
from typing import Any

from lossgauge.metrics import BceDice, BceLogDice, CombinedLoss, FocalDice, FocalLogDice, WeightedBceDice
from lossgauge.metrics.combined import CombinedTerm, Mix
from lossgauge.metrics.spec import MetricSpec
from lossgauge.wire import Score

from lossgauge_service.metrics import overlap, pixel_losses
from lossgauge_service.metrics.implementation import Implementation
from lossgauge_service.metrics.values import Value, finite, score_of
from lossgauge_service.samples import Case
from lossgauge_service.statistics import Statistic, Sums

PARTS: dict[type[MetricSpec], Implementation[Any]] = {
    part.spec: part for part in (*overlap.FAMILY, *pixel_losses.FAMILY)
}

TRANSFORMS: dict[str, Callable[[float], float]] = {
    "identity": lambda x: x,
    "complement": lambda x: 1 - x,
    "minus_log": lambda x: -math.log(x) if x > 0 else math.inf,
}


def _needs(spec: Mix, case: Case) -> list[Statistic]:
    return [need for term in spec.terms_of() for need in PARTS[type(term.metric)].needs(term.metric, case)]


def _finish(spec: Mix, sums: Sums, case: Case) -> Score:
    scores = [PARTS[type(term.metric)].finish(term.metric, sums, case) for term in spec.terms_of()]
    values = [_transformed(term, score) for term, score in zip(spec.terms_of(), scores, strict=True)]
    return score_of(_sum(values), terms=[score.value for score in scores])


def _transformed(term: CombinedTerm, score: Score) -> Value:
    if score.value is None:
        return Value(None, score.undefined)
    return finite(term.weight * TRANSFORMS[term.transform](score.value))


def _sum(values: list[Value]) -> Value:
    for value in values:
        if value.number is None:
            return value
    return finite(math.fsum(value.number for value in values if value.number is not None))


def _misfit(spec: Mix, case: Case) -> str | None:
    for term in spec.terms_of():
        if case.kind not in term.metric.about.kinds:
            return f"{term.metric.name} takes {' or '.join(term.metric.about.kinds)}, not {case.kind}"
        misfit = PARTS[type(term.metric)].misfit(term.metric, case)
        if misfit is not None:
            return f"{term.metric.name}: {misfit}"
    return None


FAMILY = tuple(
    Implementation(spec, _needs, _finish, _misfit)
    for spec in (CombinedLoss, BceDice, BceLogDice, FocalDice, FocalLogDice, WeightedBceDice)
)
