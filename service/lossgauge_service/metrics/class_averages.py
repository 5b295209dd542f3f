"""Scores that have a value per class: the counts or moments of a class, the empty rules, and the average."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from lossgauge.metrics.overlap import Average, ClassAveraged
from lossgauge.wire import Score

from lossgauge_service.metrics.implementation import Misfit
from lossgauge_service.metrics.values import (
    Parts,
    Readings,
    Reasons,
    by_rules,
    mean,
    nothing_to_score,
    scored,
    scores_of,
    scores_of_classes,
    undefined,
)
from lossgauge_service.samples import Case
from lossgauge_service.statistics import Counts, Sums, Values

SomeParts = TypeVar("SomeParts", bound=Parts)
Tables = TypeVar("Tables")
Formula = Callable[[SomeParts, Reasons], Readings]
"""The values of parts of any shape; the reasons are those of a 0/0."""


def counts_key(spec: ClassAveraged, case: Case) -> Counts:
    """The counts that a spec's threshold asks for."""
    return mask_key(spec.threshold, spec.threshold_side, case)


def mask_key(threshold: float | None, side: str, case: Case) -> Counts:
    """The counts of a mask; classes and labels have no threshold."""
    if case.task == "multiclass" or case.kind == "labels":
        return Counts(None)
    return Counts(threshold, side == "greater_equal")


def averaged(spec: ClassAveraged, sums: Sums, case: Case, parts: SomeParts, formula: Formula[SomeParts]) -> list[Score]:
    """The scores of a value per class, by the spec's rules and average."""
    totals = sums.totals()
    nothing = nothing_to_score(totals)
    classes = _ruled(spec, parts, formula)
    if case.task == "binary":
        return scores_of(classes[:, 0], nothing)
    if case.task == "multilabel":
        classes = scored(classes, totals)
    taken = slice(0 if spec.include_background else 1, None)
    chosen = classes[:, taken]
    if spec.average == "micro" and chosen.numbers.size:
        together = _ruled(spec, summed(parts, taken), formula)
        value = scored(together, summed(totals, taken)) if case.task == "multilabel" else together
    else:
        value = average(spec.average, chosen, parts.targeted[:, taken])
    return scores_of_classes(value, classes, counted_by(spec.average, chosen), nothing)


def _ruled(spec: ClassAveraged, parts: SomeParts, formula: Formula[SomeParts]) -> Readings:
    return by_rules(spec.empty, parts, lambda reasons: formula(parts, reasons))


def average(how: Average, classes: Readings, sizes: Values) -> Readings:
    """The mean over the last axis, plain or weighted by the target's sizes, or none."""
    if how == "none":
        return undefined(classes.numbers.shape[:-1], "not_averaged")
    return mean(classes, sizes if how == "weighted" else None)


def counted_by(how: Average, values: Readings) -> Readings | None:
    """What an average counts: a value of all together is no mean of theirs, and none has no mean."""
    return values if how in ("macro", "weighted") else None


def summed(parts: Tables, taken: slice) -> Tables:
    """The parts of some classes together."""
    values: Any = parts
    together: Tables = type(parts)(*(np.ascontiguousarray(value[:, taken]).sum(1) for value in values))
    return together


def background_misfit(spec: ClassAveraged, case: Case) -> Misfit | None:
    """Binary has no background class to leave out."""
    if case.task == "binary" and not spec.include_background:
        found = "include_background false leaves class 0 out, and task 'binary' has one class"
        return Misfit(found, ("include_background",))
    return None
