"""Scores of matched objects."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from lossgauge.metrics import InstanceFBeta, InstancePrecision, PanopticQuality
from lossgauge.metrics.instances import Matched
from lossgauge.wire import Score

from lossgauge_service.measures.matching import Matching, MatchSums
from lossgauge_service.measures.objects import Layout
from lossgauge_service.metrics.class_averages import average, counted_by, summed
from lossgauge_service.metrics.implementation import Implementation, Misfit
from lossgauge_service.metrics.values import (
    Extra,
    Readings,
    Reasons,
    Sizes,
    by_rules,
    finite,
    mean,
    nothing_to_score,
    ratio,
    scored,
    scores_of,
    scores_of_classes,
    told,
)
from lossgauge_service.samples import Case
from lossgauge_service.statistics import Statistic, Sums, TotalSums, Values


class Found(NamedTuple):
    """(samples, classes, thresholds): counts of objects and the sum of the pairs' IoU."""

    tp: Values
    fp: Values
    fn: Values
    iou: Values


MOST_AXES = 6
"""A pixel's neighbours are 3 to the power of the axes."""

Extras = Mapping[str, Extra]
Formula = Callable[[Any, Found, Reasons], Readings]
"""The values of what was found, of any shape; the reasons are those of a 0/0."""


def _key(spec: Matched) -> Matching:
    thresholds = spec.thresholds if isinstance(spec, InstancePrecision) else [getattr(spec, "iou_threshold", 0.5)]
    layout = Layout(spec.connectivity == "full", spec.min_size, spec.instance_divisor, tuple(spec.crowd))
    inclusive, optimal = spec.threshold_side == "greater_equal", spec.matching == "optimal"
    return Matching(tuple(thresholds), inclusive, optimal, tuple(spec.ranking), layout, spec.pairs)


def _needs(spec: Matched, case: Case) -> list[Statistic]:
    return [_key(spec)]


def _misfit(spec: Matched, case: Case) -> Misfit | None:
    if case.weighted:
        return Misfit("objects are counted, and a weight map has no meaning for them")
    if case.soft:
        return Misfit("a soft target has no objects; target_kind must be 'labels'")
    if case.task != "instances":
        return _misfit_of_masks(spec, case)
    if spec.instance_divisor is None and case.classes > 1:
        return Misfit("num_classes needs instance_divisor, which tells an id's class")
    if case.classes == 1 and not spec.include_background:
        found = "include_background false leaves class 0 out, and without num_classes there is one class"
        return Misfit(found, ("include_background",))
    return None


def _misfit_of_masks(spec: Matched, case: Case) -> Misfit | None:
    if spec.instance_divisor is not None:
        found = f"instance_divisor is for ids of the task 'instances', not {case.task!r}"
        return Misfit(found, ("instance_divisor",))
    for name in ("crowd", "ranking"):
        if getattr(spec, name):
            return Misfit(f"{name} is for ids of the task 'instances', not {case.task!r}", (name,))
    if case.axes > MOST_AXES:
        return Misfit(f"components are found along at most {MOST_AXES} axes; the pixels have {case.axes}")
    if case.task == "binary" and not spec.include_background:
        found = "include_background false leaves class 0 out, and task 'binary' has one class"
        return Misfit(found, ("include_background",))
    return None


# -------------------------------------------------------------------------------------------------------------- averages


def _finish_with(
    formula: Formula, extras: Callable[[Any, MatchSums, bool], Extras]
) -> Callable[[Any, Sums, Case], list[Score]]:
    def finish(spec: Matched, sums: Sums, case: Case) -> list[Score]:
        table = sums.measured(_key(spec))
        single = case.task == "binary" or (case.task == "instances" and case.classes == 1)
        more = {**extras(spec, table, single), **_pairs(spec, table, single)}
        return _averaged(spec, table, case, single, formula, more)

    return finish


def _averaged(
    spec: Matched, table: MatchSums, case: Case, single: bool, formula: Formula, extras: Extras
) -> list[Score]:
    """The mean over thresholds of the values by the spec's rules, and their average over classes."""
    totals = TotalSums(table.valid, table.valid, np.zeros_like(table.valid))
    nothing = nothing_to_score(totals)
    found = Found(table.tp, table.fp, table.fn, table.iou)
    at_thresholds = _ruled(spec, found, formula)
    classes = mean(at_thresholds)
    of_thresholds = isinstance(spec, InstancePrecision)
    if of_thresholds:
        extras = {"per_threshold": told(at_thresholds[:, 0] if single else at_thresholds), **extras}
    if single:
        return scores_of(classes[:, 0], nothing, at_thresholds[:, 0] if of_thresholds else None, **extras)
    classes = scored(classes, totals)
    chosen = classes[:, slice(0 if spec.include_background else 1, None)]
    value = _value(spec, found, totals, chosen, formula)
    return scores_of_classes(value, classes, counted_by(spec.average, chosen), nothing, **extras)


def _value(spec: Matched, found: Found, totals: TotalSums, chosen: Readings, formula: Formula) -> Readings:
    taken = slice(0 if spec.include_background else 1, None)
    if spec.average == "micro" and chosen.numbers.size:
        return scored(mean(_ruled(spec, summed(found, taken), formula)), summed(totals, taken))
    return average(spec.average, chosen, (found.tp + found.fn)[:, taken, 0])


def _ruled(spec: Matched, found: Found, formula: Formula) -> Readings:
    sizes = Sizes(found.tp, found.tp + found.fp, found.tp + found.fn)
    return by_rules(spec.empty, sizes, lambda reasons: formula(spec, found, reasons))


# --------------------------------------------------------------------------------------------------------------- metrics


def _fbeta(spec: InstanceFBeta, found: Found, reasons: Reasons) -> Readings:
    square = spec.beta**2
    return ratio((1 + square) * found.tp, (1 + square) * found.tp + square * found.fn + found.fp, reasons)


def _precision(spec: InstancePrecision, found: Found, reasons: Reasons) -> Readings:
    return ratio(found.tp, found.tp + found.fp + found.fn, reasons)


def _quality(spec: PanopticQuality, found: Found, reasons: Reasons) -> Readings:
    return ratio(found.iou, found.tp + found.fp / 2 + found.fn / 2, reasons)


def _of_fbeta(spec: InstanceFBeta, table: MatchSums, single: bool) -> Extras:
    reasons = _lacking(table)
    shares = {
        "precision": ratio(table.tp, table.tp + table.fp, reasons),
        "recall": ratio(table.tp, table.tp + table.fn, reasons),
    }
    return _at_first({**_counts(table), **shares}, single)


def _of_quality(spec: PanopticQuality, table: MatchSums, single: bool) -> Extras:
    found = Found(table.tp, table.fp, table.fn, table.iou)
    parts = _qualities(found)
    means = {f"{name}_mean": told(_mean_quality(spec, found, name, single)) for name in parts}
    return {**_at_first({**parts, **_counts(table)}, single), **means}


def _qualities(found: Found) -> dict[str, Readings]:
    reasons = _lacking(found)
    return {
        "sq": ratio(found.iou, found.tp, reasons),
        "rq": ratio(found.tp, found.tp + found.fp / 2 + found.fn / 2, reasons),
    }


def _mean_quality(spec: PanopticQuality, found: Found, name: str, single: bool) -> Readings:
    """A quality's average over the classes; where there is one, its own."""
    taken = slice(0 if spec.include_background else 1, None)
    classes = _qualities(found)[name][..., 0]
    if single:
        return classes[:, 0]
    chosen = classes[:, taken]
    if spec.average == "micro" and chosen.numbers.size:
        return _qualities(summed(found, taken))[name][:, 0]
    return average(spec.average, chosen, (found.tp + found.fn)[:, taken, 0])


def _counts(table: MatchSums) -> dict[str, Readings]:
    return {"tp": finite(table.tp), "fp": finite(table.fp), "fn": finite(table.fn)}


def _lacking(table: MatchSums | Found) -> Reasons:
    """Which map has no object, or that none is matched: why there is nothing to divide by."""
    no_target, no_guess = table.tp + table.fn == 0, table.tp + table.fp == 0
    cases = {"both_empty": no_target & no_guess, "target_empty": no_target, "prediction_empty": no_guess}
    return np.select([*cases.values()], [*cases], "no_match").astype(object)


def _of_thresholds(spec: InstancePrecision, table: MatchSums, single: bool) -> Extras:
    return {}


def _at_first(tables: Mapping[str, Readings], single: bool) -> Extras:
    return {name: told(values[:, 0, 0] if single else values[:, :, 0]) for name, values in tables.items()}


def _pairs(spec: Matched, table: MatchSums, single: bool) -> Extras:
    """The matched pairs, a list for each class where there are classes; none where none are asked for."""
    if spec.pairs == 0:
        return {}
    lists = [[[list(pair) for pair in pairs] for pairs in row] for row in table.pairs.tolist()]
    return {"pairs": Extra([row[0] for row in lists] if single else lists, [None] * len(lists))}


FAMILY = (
    Implementation(InstanceFBeta, _needs, _finish_with(_fbeta, _of_fbeta), _misfit),
    Implementation(InstancePrecision, _needs, _finish_with(_precision, _of_thresholds), _misfit),
    Implementation(PanopticQuality, _needs, _finish_with(_quality, _of_quality), _misfit),
)
