"""Tversky, focal Tversky and generalised dice loss."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from lossgauge.metrics import FocalTverskyLoss, GeneralizedDiceLoss, TverskyLoss
from lossgauge.metrics.tversky import TverskyIndex
from lossgauge.wire import Score

from lossgauge_service.metrics.class_averages import averaged, background_misfit, mask_key, summed
from lossgauge_service.metrics.implementation import Implementation
from lossgauge_service.metrics.values import (
    Readings,
    Reasons,
    by_rules,
    finite,
    nothing_to_score,
    ratio,
    scores_of,
    told,
)
from lossgauge_service.samples import Case
from lossgauge_service.statistics import Counts, Moments, Statistic, Sums, Totals, Values


class Overlaps(NamedTuple):
    """The intersection, the misses and the false alarms, and the sizes of both masks."""

    shared: Values
    missed: Values
    extra: Values
    predicted: Values
    targeted: Values


Region = TverskyIndex | GeneralizedDiceLoss


def _mask(spec: Region, case: Case) -> Counts | None:
    """The counts to read, None where probabilities are summed. Two masks of labels have the same sums either way."""
    of_moments = spec.soft and (case.kind != "labels" or case.soft)
    return None if of_moments else mask_key(spec.threshold, spec.threshold_side, case)


def _needs(spec: Region, case: Case) -> list[Statistic]:
    return [Totals(), _mask(spec, case) or Moments()]


def _overlaps(spec: Region, sums: Sums, case: Case) -> Overlaps:
    mask = _mask(spec, case)
    if mask is None:
        m = sums.moments(Moments())
        if isinstance(spec, TverskyIndex) and spec.soft_target == "l1":
            return Overlaps(m.least, m.short, m.over, m.p, sums.totals().positive)
        return Overlaps(m.pt, m.missed, m.extra, m.p, sums.totals().positive)
    counts = sums.counts(mask)
    return Overlaps(counts.tp, counts.fn, counts.fp, counts.predicted, counts.targeted)


# --------------------------------------------------------------------------------------------------------------- Tversky


def _tversky(spec: TverskyIndex, parts: Overlaps, reasons: Reasons) -> Readings:
    wrong = spec.fp_weight * parts.extra + spec.fn_weight * parts.missed
    unequal = spec.smooth_denominator - spec.smooth_numerator
    return ratio(wrong + unequal, parts.shared + wrong + spec.smooth_denominator, reasons)


def _focal_tversky(spec: FocalTverskyLoss, parts: Overlaps, reasons: Reasons) -> Readings:
    return _tversky(spec, parts, reasons).mapped(lambda loss: np.maximum(loss, 0) ** spec.gamma)


def _finish_with(
    formula: Callable[[Any, Overlaps, Reasons], Readings],
) -> Callable[[TverskyIndex, Sums, Case], list[Score]]:
    def finish(spec: TverskyIndex, sums: Sums, case: Case) -> list[Score]:
        parts = _overlaps(spec, sums, case)
        return averaged(spec, sums, case, parts, lambda some, reasons: formula(spec, some, reasons))

    return finish


# ------------------------------------------------------------------------------------------------------ generalised dice


def _generalized_finish(spec: GeneralizedDiceLoss, sums: Sums, case: Case) -> list[Score]:
    taken = slice(0 if spec.include_background or case.task == "binary" else 1, None)
    parts = Overlaps(*(values[:, taken] for values in _classes(spec, sums, case)))
    weights = _class_weights(spec, parts.targeted)
    whole = summed(parts, slice(None))
    value = by_rules(spec.empty, whole, lambda reasons: _generalized(spec, parts, weights, reasons))
    no_class = np.full(len(sums), not weights.shape[-1])
    return scores_of(
        value.unless(no_class, "no_class_defined"), nothing_to_score(sums.totals()), class_weights=told(finite(weights))
    )


def _classes(spec: GeneralizedDiceLoss, sums: Sums, case: Case) -> Overlaps:
    """The classes' overlaps; of a mask, the background's and the foreground's."""
    parts = _overlaps(spec, sums, case)
    if case.task != "binary" or not spec.include_background:
        return parts
    return with_background(parts, sums.totals().negative)


def with_background(parts: Overlaps, negative: Values) -> Overlaps:
    """The overlaps of a mask's background, and then its own."""
    shared = np.maximum(negative - parts.extra, 0)
    # the background misses what the foreground has too much
    behind = Overlaps(shared, parts.extra, parts.missed, shared + parts.missed, negative)
    return Overlaps(*(np.concatenate(both, 1) for both in zip(behind, parts, strict=True)))


def _class_weights(spec: GeneralizedDiceLoss, sizes: Values) -> Values:
    power = {"square": 2, "simple": 1, "uniform": 0}[spec.weight_type]
    absent = sizes == 0
    weights = np.where(absent, 0.0, (1 / np.where(absent, 1.0, sizes)) ** power)
    return np.where(absent, _of_absent(spec, weights), weights)


def _of_absent(spec: GeneralizedDiceLoss, weights: Values) -> Values | float:
    if spec.absent == "max_of_present":
        largest = weights.max(-1, keepdims=True, initial=0.0)
        return np.where(largest > 0, largest, 1.0)
    return 1.0 if spec.absent == "one" else 0.0


def _generalized(spec: GeneralizedDiceLoss, parts: Overlaps, weights: Values, reasons: Reasons) -> Readings:
    wrong = (weights * (parts.missed + parts.extra)).sum(-1)
    sizes = (weights * (parts.predicted + parts.targeted)).sum(-1)
    unequal = spec.smooth_denominator - spec.smooth_numerator
    return ratio(wrong + unequal, sizes + spec.smooth_denominator, reasons)


FAMILY = (
    Implementation(FocalTverskyLoss, _needs, _finish_with(_focal_tversky), background_misfit),
    Implementation(GeneralizedDiceLoss, _needs, _generalized_finish),
    Implementation(TverskyLoss, _needs, _finish_with(_tversky), background_misfit),
)
