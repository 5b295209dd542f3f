"""Scores that have a value per class: the counts or moments of a class, the empty rules, and the average."""

from collections.abc import Callable

import numpy as np
from lossgauge.metrics.overlap import ClassAveraged
from lossgauge.wire import Score

from lossgauge_service.metrics.values import (
    NO_PIXELS,
    Value,
    by_rule,
    empty_case,
    mean,
    nothing_to_score,
    score_of,
    score_of_classes,
)
from lossgauge_service.samples import Case
from lossgauge_service.statistics import Counts, Sums, Values


def counts_key(spec: ClassAveraged, case: Case) -> Counts:
    """The counts that a spec's threshold asks for."""
    return mask_key(spec.threshold, spec.threshold_side, case)


def mask_key(threshold: float | None, side: str, case: Case) -> Counts:
    """The counts of a mask; classes and labels have no threshold."""
    if case.task == "multiclass" or case.kind == "labels":
        return Counts(None)
    return Counts(threshold, side == "greater_equal")


def considered(spec: ClassAveraged, case: Case) -> range:
    """The classes that the average takes."""
    return range(0 if spec.include_background else 1, case.classes)


def averaged(
    spec: ClassAveraged,
    sums: Sums,
    case: Case,
    predicted: Values,
    targeted: Values,
    value_of: Callable[[slice, str], Value],
) -> Score:
    """The score of a value per class, by the spec's rules and average.

    `value_of` gives the value of the summed classes of a slice, and names a 0/0 by the reason it is given.
    """
    totals = sums.totals()
    nothing = nothing_to_score(totals)
    if nothing:
        return score_of(nothing)

    def by_rules(classes: slice) -> Value:
        which = empty_case(float(predicted[classes].sum()), float(targeted[classes].sum()))
        return by_rule(spec.empty, which, lambda reason: value_of(classes, reason))

    if case.task == "binary":
        return score_of(by_rules(slice(0, 1)))
    lost = np.zeros(case.classes, bool) if case.task == "multiclass" else totals.valid == 0
    classes = [NO_PIXELS if lost[c] else by_rules(slice(c, c + 1)) for c in range(case.classes)]
    taken = considered(spec, case)
    chosen = [classes[c] for c in taken]
    sizes = [float(targeted[c]) for c in taken]
    value = _average(spec, chosen, sizes, lambda: by_rules(slice(taken.start, taken.stop)))
    return score_of_classes(value, classes, chosen)


def _average(spec: ClassAveraged, chosen: list[Value], weights: list[float], micro: Callable[[], Value]) -> Value:
    if spec.average == "micro" and any(value != NO_PIXELS for value in chosen):
        return micro()
    if spec.average == "none":
        return Value(None, "not_averaged")
    return mean(chosen, weights if spec.average == "weighted" else None)


def background_misfit(spec: ClassAveraged, case: Case) -> str | None:
    """Binary has no background class to leave out."""
    if case.task == "binary" and not spec.include_background:
        return "include_background false leaves class 0 out, and task 'binary' has one class"
    return None
