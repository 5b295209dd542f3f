"""Correlation, kappa, balanced accuracy and the difference in size, from the confusion counts."""

from collections.abc import Callable
from typing import Any

import numpy as np
from lossgauge.metrics import BalancedAccuracy, Kappa, Mcc, VolumeDifference
from lossgauge.metrics.agreement import Agreement
from lossgauge.metrics.overlap import ClassAveraged
from lossgauge.wire import Score

from lossgauge_service.metrics.class_averages import averaged, background_misfit, counts_key, mask_key
from lossgauge_service.metrics.implementation import Implementation, Misfit
from lossgauge_service.metrics.values import (
    Extra,
    Readings,
    Reasons,
    by_rules,
    finite,
    mean,
    nothing_to_score,
    ratio,
    scored,
    scores_of,
    scores_of_classes,
    stacked,
    told,
)
from lossgauge_service.samples import Case
from lossgauge_service.statistics import Counts, CountSums, Pairs, Statistic, Sums, Totals, Values

Formula = Callable[[Any, CountSums, Reasons], Readings]
"""The values of counts of any shape; the reasons are those of an empty mask."""

Whole = Callable[[Any, Sums, Case], Readings]
"""The value of all classes together."""


def _finish_with(formula: Formula, whole: Whole) -> Callable[[Any, Sums, Case], list[Score]]:
    def finish(spec: Agreement, sums: Sums, case: Case) -> list[Score]:
        def of_class(counts: CountSums, reasons: Reasons) -> Readings:
            return _ruled(spec, formula(spec, counts, reasons))

        counts = sums.counts(counts_key(spec, case))
        if not _is_of_matrix(spec, case):
            return averaged(spec, sums, case, counts, of_class)
        classes = by_rules(spec.empty, counts, lambda reasons: of_class(counts, reasons))
        value = _ruled(spec, whole(spec, sums, case))
        return scores_of_classes(value, classes, None, nothing_to_score(sums.totals()))

    return finish


def _is_of_matrix(spec: Agreement, case: Case) -> bool:
    return case.task == "multiclass" and spec.average == "micro"


def _ruled(spec: Agreement, values: Readings) -> Readings:
    """The values with what the spec says of 0/0 in its place."""
    if spec.zero_division == "undefined":
        return values
    return values.replaced(~values.defined & (values.reasons != "infinite"), spec.zero_division)


def _one_class(reasons: Reasons) -> Reasons:
    """The reasons of a 0/0: where no mask is empty, one is full."""
    named: Reasons = np.where(reasons == "zero_denominator", "one_class", reasons)
    return named


def _agreement_misfit(spec: Agreement, case: Case) -> Misfit | None:
    if _is_of_matrix(spec, case) and not spec.include_background:
        found = "average 'micro' of task 'multiclass' is of the whole matrix, with class 0; take macro or weighted to leave it out"
        return Misfit(found, ("include_background",))
    return background_misfit(spec, case)


def _shares(counts: CountSums) -> CountSums:
    """The counts over their sum, so that no product of them overflows."""
    whole = counts.predicted + counts.fn + counts.tn
    return CountSums(*(ratio(part, whole, "no_weight").numbers for part in counts))


# ----------------------------------------------------------------------------------------------------------- correlation


def _mcc_needs(spec: Mcc, case: Case) -> list[Statistic]:
    return [Totals(), counts_key(spec, case)]


def _mcc(spec: Mcc, counts: CountSums, reasons: Reasons) -> Readings:
    return _correlation(_moments(_shares(counts)), _one_class(reasons))


def _rk(spec: Mcc, sums: Sums, case: Case) -> Readings:
    covariance, predicted, targeted = _moments(_shares(sums.counts(counts_key(spec, case))))
    together = covariance.sum(-1), predicted.sum(-1), targeted.sum(-1)
    return _correlation(together, np.full(len(sums), "one_class", object))


def _moments(shares: CountSums) -> tuple[Values, Values, Values]:
    """The covariance of a class's two masks, and their variances, without a difference of large numbers in these."""
    tp, fp, fn, tn = shares
    return tp * tn - fp * fn, (tp + fp) * (tn + fn), (tp + fn) * (tn + fp)


def _correlation(moments: tuple[Values, Values, Values], reasons: Reasons) -> Readings:
    covariance, predicted, targeted = moments
    unknown = np.isnan(covariance)
    found = ratio(covariance, np.sqrt(predicted) * np.sqrt(targeted), reasons)
    return found.unless(unknown, "infinite")


# ----------------------------------------------------------------------------------------------------------------- kappa


def _kappa_needs(spec: Kappa, case: Case) -> list[Statistic]:
    return [Totals(), counts_key(spec, case), *([Pairs()] if _is_of_matrix(spec, case) else [])]


def _kappa(spec: Kappa, counts: CountSums, reasons: Reasons) -> Readings:
    tp, fp, fn, tn = _shares(counts)
    chance = (tp + fp) * (tn + fp) + (tp + fn) * (tn + fn)
    return _beyond_chance(fp + fn, chance, _one_class(reasons))


def _kappa_of_matrix(spec: Kappa, sums: Sums, case: Case) -> Readings:
    matrix = sums.pairs(Pairs()).matrix
    shares = ratio(matrix, matrix.sum((-2, -1), keepdims=True), "no_weight").numbers
    weights = _disagreement(spec, case.classes)
    chance = shares.sum(-1)[:, :, None] * shares.sum(-2)[:, None, :]
    observed, expected = ((weights * part).sum((-2, -1)) for part in (shares, chance))
    return _beyond_chance(observed, expected, np.full(len(sums), "one_class", object))


def _disagreement(spec: Kappa, classes: int) -> Values:
    places = np.arange(classes, dtype=np.float64)
    distance = abs(places[:, None] - places)
    powers = {"none": 0, "linear": 1, "quadratic": 2}
    weights: Values = np.where(distance > 0, distance ** powers[spec.weights], 0.0)
    return weights


def _beyond_chance(observed: Values, expected: Values, reasons: Reasons) -> Readings:
    unknown = np.isnan(observed)
    return ratio(observed, expected, reasons).unless(unknown, "infinite").mapped(lambda share: 1 - share)


# ------------------------------------------------------------------------------------------------------ balanced accuracy


def _balanced_key(spec: BalancedAccuracy, case: Case) -> Counts:
    return mask_key(spec.threshold, spec.threshold_side, case)


def _balanced_needs(spec: BalancedAccuracy, case: Case) -> list[Statistic]:
    return [Totals(), _balanced_key(spec, case)]


def _balanced_finish(spec: BalancedAccuracy, sums: Sums, case: Case) -> list[Score]:
    totals, (tp, fp, fn, tn) = sums.totals(), sums.counts(_balanced_key(spec, case))
    nothing = nothing_to_score(totals)
    recalls = _with_absent(spec, ratio(tp, tp + fn, "target_empty"))
    if case.task == "multiclass":
        return scores_of_classes(_balanced(spec, recalls), recalls, recalls, nothing)
    both = stacked([recalls, _with_absent(spec, ratio(tn, tn + fp, "no_negatives"))])
    labels = _balanced(spec, both)
    if case.task == "binary":
        return scores_of(labels[:, 0], nothing, both[:, 0], **_recalls(both[:, 0]))
    labels = scored(labels, totals)
    return scores_of_classes(mean(labels), labels, labels, nothing, **_recalls(scored(both, totals)))


def _recalls(both: Readings) -> dict[str, Extra]:
    """What the mean is of, the foreground's and the background's."""
    return {"recall": told(both[..., 0]), "specificity": told(both[..., 1])}


def _with_absent(spec: BalancedAccuracy, recalls: Readings) -> Readings:
    if isinstance(spec.absent, str):
        return recalls
    return recalls.replaced(~recalls.defined & (recalls.reasons != "infinite"), spec.absent)


def _balanced(spec: BalancedAccuracy, recalls: Readings) -> Readings:
    """The mean over the last axis, adjusted or not."""
    found, counted = mean(recalls), recalls.defined.sum(-1)
    if spec.absent == "undefined":
        first = np.argmin(recalls.defined, -1)[..., None]
        reasons = np.take_along_axis(recalls.reasons, first, -1)[..., 0]
        found = found.unless(counted < recalls.numbers.shape[-1], reasons)
    if not spec.adjusted:
        return found
    adjusted = (counted * found.numbers - 1) / np.maximum(counted - 1, 1)
    return Readings(adjusted, found.reasons).unless(found.defined & (counted == 1), "one_class")


# ------------------------------------------------------------------------------------------------------------------ size


def _difference_needs(spec: ClassAveraged, case: Case) -> list[Statistic]:
    return [Totals(), counts_key(spec, case)]


def _difference_finish(spec: VolumeDifference, sums: Sums, case: Case) -> list[Score]:
    counts = sums.counts(counts_key(spec, case))
    return averaged(spec, sums, case, counts, lambda parts, reasons: _difference(spec, parts, reasons))


def _difference(spec: VolumeDifference, counts: CountSums, reasons: Reasons) -> Readings:
    more = finite(counts.fp - counts.fn).numbers
    if spec.mode == "symmetric":
        return ratio(2 * abs(more), counts.predicted + counts.targeted, reasons)
    return ratio(more if spec.mode == "relative" else abs(more), counts.targeted, reasons)


FAMILY = (
    Implementation(BalancedAccuracy, _balanced_needs, _balanced_finish),
    Implementation(Kappa, _kappa_needs, _finish_with(_kappa, _kappa_of_matrix), _agreement_misfit),
    Implementation(Mcc, _mcc_needs, _finish_with(_mcc, _rk), _agreement_misfit),
    Implementation(VolumeDifference, _difference_needs, _difference_finish, background_misfit),
)
