"""Scores of the confusion counts."""

from collections.abc import Callable
from typing import Any

import numpy as np
from lossgauge.metrics import Accuracy, Confusion, FBeta, Precision, Recall, Specificity
from lossgauge.metrics.overlap import ClassAveraged
from lossgauge.wire import Score

from lossgauge_service.metrics.class_averages import averaged, background_misfit, counts_key, mask_key
from lossgauge_service.metrics.implementation import Implementation
from lossgauge_service.metrics.values import Readings, Reasons, finite, nothing_to_score, ratio, ruled, scores_of, told
from lossgauge_service.samples import Case
from lossgauge_service.statistics import CountSums, Pairs, Statistic, Sums, Totals, Values

Formula = Callable[[Any, Values, Values, Values, Values, Reasons], Readings]
"""The values of tp, fp, fn and tn; the reasons are those of a 0/0."""


def _needs(spec: ClassAveraged, case: Case) -> list[Statistic]:
    return [Totals(), counts_key(spec, case)]


def _precision(spec: Precision, tp: Values, fp: Values, fn: Values, tn: Values, reasons: Reasons) -> Readings:
    return ratio(tp, tp + fp, reasons)


def _recall(spec: Recall, tp: Values, fp: Values, fn: Values, tn: Values, reasons: Reasons) -> Readings:
    return ratio(tp, tp + fn, reasons)


def _specificity(spec: Specificity, tp: Values, fp: Values, fn: Values, tn: Values, reasons: Reasons) -> Readings:
    return ruled(ratio(tn, tn + fp, "no_negatives"), tn + fp == 0, spec.no_negatives, "no_negatives")


def _fbeta(spec: FBeta, tp: Values, fp: Values, fn: Values, tn: Values, reasons: Reasons) -> Readings:
    square = spec.beta**2
    return ratio((1 + square) * tp, (1 + square) * tp + square * fn + fp, reasons)


def _finish_with(formula: Formula) -> Callable[[Any, Sums, Case], list[Score]]:
    def finish(spec: ClassAveraged, sums: Sums, case: Case) -> list[Score]:
        counts = sums.counts(counts_key(spec, case))
        return averaged(spec, sums, case, counts, lambda parts, reasons: formula(spec, *parts, reasons))

    return finish


# -------------------------------------------------------------------------------------------------------------- accuracy


def _accuracy(spec: Accuracy, tp: Values, fp: Values, fn: Values, tn: Values, reasons: Reasons) -> Readings:
    return ratio(tp + tn, tp + fp + fn + tn, "no_weight")


def _accuracy_finish(spec: Accuracy, sums: Sums, case: Case) -> list[Score]:
    """Multi-class accuracy counts the diagonal: the recall of a class, and of all classes together."""
    return _finish_with(_recall if case.task == "multiclass" else _accuracy)(spec, sums, case)


# ------------------------------------------------------------------------------------------------------------- confusion


def _confusion_needs(spec: Confusion, case: Case) -> list[Statistic]:
    counts = mask_key(spec.threshold, spec.threshold_side, case)
    return [Totals(), counts, *([Pairs()] if case.task == "multiclass" else [])]


def _confusion_finish(spec: Confusion, sums: Sums, case: Case) -> list[Score]:
    counts, nothing = sums.counts(mask_key(spec.threshold, spec.threshold_side, case)), nothing_to_score(sums.totals())
    if case.task == "binary":
        numbers = {name: told(finite(values[:, 0])) for name, values in counts._asdict().items()}
        return scores_of(_errors(counts.fp + counts.fn, counts), nothing, **numbers)
    lists = {name: told(finite(values)) for name, values in counts._asdict().items()}
    if case.task == "multilabel":
        return scores_of(_errors(counts.fp + counts.fn, counts), nothing, **lists)
    return scores_of(_errors(counts.fn, counts), nothing, **lists, matrix=told(finite(sums.pairs(Pairs()).matrix)))


def _errors(wrong: Values, counts: CountSums) -> Readings:
    """How much is wrong in all classes; infinite where any count is."""
    known = np.isfinite(np.stack(counts)).all((0, 2))
    return finite(wrong.sum(-1)).unless(~known, "infinite")


FAMILY = (
    Implementation(Accuracy, _needs, _accuracy_finish, background_misfit),
    Implementation(Confusion, _confusion_needs, _confusion_finish),
    Implementation(FBeta, _needs, _finish_with(_fbeta), background_misfit),
    Implementation(Precision, _needs, _finish_with(_precision), background_misfit),
    Implementation(Recall, _needs, _finish_with(_recall), background_misfit),
    Implementation(Specificity, _needs, _finish_with(_specificity), background_misfit),
)
