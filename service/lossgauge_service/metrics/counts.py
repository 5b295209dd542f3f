"""Scores of the confusion counts."""

from collections.abc import Callable
from typing import Any

from lossgauge.metrics import Accuracy, Confusion, FBeta, Precision, Recall, Specificity
from lossgauge.metrics.overlap import ClassAveraged
from lossgauge.wire import Score

from lossgauge_service.metrics.class_averages import averaged, background_misfit, counts_key, mask_key
from lossgauge_service.metrics.implementation import Implementation
from lossgauge_service.metrics.values import Value, finite, nothing_to_score, ratio, score_of
from lossgauge_service.samples import Case
from lossgauge_service.statistics import CountSums, Pairs, Statistic, Sums, Totals

Formula = Callable[[Any, float, float, float, float, str], Value]
"""A value of tp, fp, fn, tn; the reason is that of a 0/0."""


def _needs(spec: ClassAveraged, case: Case) -> list[Statistic]:
    return [Totals(), counts_key(spec, case)]


def _precision(spec: Precision, tp: float, fp: float, fn: float, tn: float, reason: str) -> Value:
    return ratio(tp, tp + fp, reason)


def _recall(spec: Recall, tp: float, fp: float, fn: float, tn: float, reason: str) -> Value:
    return ratio(tp, tp + fn, reason)


def _specificity(spec: Specificity, tp: float, fp: float, fn: float, tn: float, reason: str) -> Value:
    return ratio(tn, tn + fp, "no_negatives")


def _fbeta(spec: FBeta, tp: float, fp: float, fn: float, tn: float, reason: str) -> Value:
    square = spec.beta**2
    return ratio((1 + square) * tp, (1 + square) * tp + square * fn + fp, reason)


def _finish_with(formula: Formula) -> Callable[[Any, Sums, Case], Score]:
    def finish(spec: ClassAveraged, sums: Sums, case: Case) -> Score:
        counts = sums.counts(counts_key(spec, case))

        def value_of(classes: slice, reason: str) -> Value:
            return formula(spec, *_of(counts, classes), reason)

        return averaged(spec, sums, case, counts.tp + counts.fp, counts.tp + counts.fn, value_of)

    return finish


def _of(counts: CountSums, classes: slice) -> tuple[float, float, float, float]:
    tp, fp, fn, tn = (float(values[classes].sum()) for values in counts)
    return tp, fp, fn, tn


# -------------------------------------------------------------------------------------------------------------- accuracy


def _accuracy(spec: Accuracy, tp: float, fp: float, fn: float, tn: float, reason: str) -> Value:
    return ratio(tp + tn, tp + fp + fn + tn, "no_weight")


def _accuracy_finish(spec: Accuracy, sums: Sums, case: Case) -> Score:
    """Multi-class accuracy counts the diagonal: the recall of a class, and of all classes together."""
    return _finish_with(_recall if case.task == "multiclass" else _accuracy)(spec, sums, case)


# ------------------------------------------------------------------------------------------------------------- confusion


def _confusion_needs(spec: Confusion, case: Case) -> list[Statistic]:
    counts = mask_key(spec.threshold, spec.threshold_side, case)
    return [Totals(), counts, *([Pairs()] if case.task == "multiclass" else [])]


def _confusion_finish(spec: Confusion, sums: Sums, case: Case) -> Score:
    nothing = nothing_to_score(sums.totals())
    if nothing:
        return score_of(nothing)
    counts = sums.counts(mask_key(spec.threshold, spec.threshold_side, case))
    named = zip(("tp", "fp", "fn", "tn"), counts, strict=True)
    if case.task == "binary":
        return score_of(finite(float(counts.fp[0] + counts.fn[0])), **{name: float(v[0]) for name, v in named})
    lists = {name: values.tolist() for name, values in named}
    if case.task == "multilabel":
        return score_of(finite(float((counts.fp + counts.fn).sum())), **lists)
    matrix = sums.pairs(Pairs()).matrix
    return score_of(finite(float(matrix.sum() - matrix.trace())), **lists, matrix=matrix.tolist())


FAMILY = (
    Implementation(Accuracy, _needs, _accuracy_finish, background_misfit),
    Implementation(Confusion, _confusion_needs, _confusion_finish),
    Implementation(FBeta, _needs, _finish_with(_fbeta), background_misfit),
    Implementation(Precision, _needs, _finish_with(_precision), background_misfit),
    Implementation(Recall, _needs, _finish_with(_recall), background_misfit),
    Implementation(Specificity, _needs, _finish_with(_specificity), background_misfit),
)
