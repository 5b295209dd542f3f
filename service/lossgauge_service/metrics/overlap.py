"""Dice, IoU and their losses, and mean IoU over thresholds."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from lossgauge.metrics import Dice, DiceLoss, Iou, IouLoss, LogCoshDiceLoss, MeanIou
from lossgauge.metrics.overlap import Overlap
from lossgauge.wire import Score

from lossgauge_service.metrics.class_averages import (
    average,
    averaged,
    background_misfit,
    counted_by,
    counts_key,
    mask_key,
    summed,
)
from lossgauge_service.metrics.implementation import Implementation
from lossgauge_service.metrics.values import (
    Extra,
    Readings,
    Reasons,
    Sizes,
    by_rules,
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
from lossgauge_service.statistics import CountSums, Moments, Squares, Statistic, Sums, Totals, Values


class Areas(NamedTuple):
    """The intersection I, the sizes, their sum P + T as the denominator has it (squared or not), and P + T - 2 I."""

    shared: Values
    predicted: Values
    targeted: Values
    below: Values
    apart: Values


def _needs(spec: Overlap, case: Case) -> list[Statistic]:
    if not _reads_moments(spec, case):
        return [Totals(), counts_key(spec, case)]
    return [Totals(), Moments(), *([Squares()] if spec.squared else [])]


def _reads_moments(spec: Overlap, case: Case) -> bool:
    # two masks of labels have the same sums either way, and counting them is cheaper
    return spec.soft and (case.kind != "labels" or case.soft)


def _areas(spec: Overlap, sums: Sums, case: Case) -> Areas:
    if not _reads_moments(spec, case):
        counts = sums.counts(counts_key(spec, case))
        predicted, targeted = counts.predicted, counts.targeted
        return Areas(counts.tp, predicted, targeted, predicted + targeted, counts.fp + counts.fn)
    m, targeted = sums.moments(Moments()), sums.totals().positive
    if spec.soft_target == "l1":
        # (p + t - |p - t|) / 2 is the lesser of the two
        return Areas(m.least, m.p, targeted, m.p + targeted, m.gap)
    if spec.squared:
        s = sums.squares(Squares())
        return Areas(m.pt, m.p, targeted, s.pp + s.tt, s.gap2)
    return Areas(m.pt, m.p, targeted, m.p + targeted, m.apart)


Formula = Callable[[Overlap, Areas, Reasons], Readings]


def _dice(spec: Overlap, areas: Areas, reasons: Reasons) -> Readings:
    value = ratio(2 * areas.shared + spec.smooth_numerator, areas.below + spec.smooth_denominator, reasons)
    return _by_the_smaller(spec, value, _dice_loss(spec, areas, reasons))


def _dice_loss(spec: Overlap, areas: Areas, reasons: Reasons) -> Readings:
    return ratio(areas.apart + _unequal(spec), areas.below + spec.smooth_denominator, reasons)


def _log_cosh_dice_loss(spec: Overlap, areas: Areas, reasons: Reasons) -> Readings:
    return _dice_loss(spec, areas, reasons).mapped(_log_cosh)


def _log_cosh(x: Values) -> Values:
    # of a small x the sum of exponentials has lost all digits, of a large one the square overflows
    small = np.log1p(2 * np.sinh(np.minimum(abs(x), 1) / 2) ** 2)
    curve: Values = np.where(abs(x) < 1, small, np.logaddexp(x, -x) - np.log(2))
    return curve


def _by_the_smaller(spec: Overlap, value: Readings, loss: Readings) -> Readings:
    # 1 - a small loss has the digits that its logarithm or complement needs; sums of counts are exact either way
    return (
        Readings(np.where(loss.numbers < 0.5, 1 - loss.numbers, value.numbers), value.reasons) if spec.soft else value
    )


def _iou(spec: Overlap, areas: Areas, reasons: Reasons) -> Readings:
    value = ratio(areas.shared + spec.smooth_numerator, _union(spec, areas), reasons)
    return _by_the_smaller(spec, value, _iou_loss(spec, areas, reasons))


def _iou_loss(spec: Overlap, areas: Areas, reasons: Reasons) -> Readings:
    return ratio(areas.apart + _unequal(spec), _union(spec, areas), reasons)


def _union(spec: Overlap, areas: Areas) -> Values:
    return areas.apart + areas.shared + spec.smooth_denominator


def _unequal(spec: Overlap) -> float:
    return spec.smooth_denominator - spec.smooth_numerator


def _finish_with(formula: Formula) -> Callable[[Overlap, Sums, Case], list[Score]]:
    def finish(spec: Overlap, sums: Sums, case: Case) -> list[Score]:
        areas = _areas(spec, sums, case)
        return averaged(spec, sums, case, areas, lambda parts, reasons: formula(spec, parts, reasons))

    return finish


# -------------------------------------------------------------------------------------------------------------- mean IoU


def _mean_needs(spec: MeanIou, case: Case) -> list[Statistic]:
    return [Totals(), *(mask_key(th, spec.threshold_side, case) for th in spec.thresholds)]


def _mean_finish(spec: MeanIou, sums: Sums, case: Case) -> list[Score]:
    totals, counts = sums.totals(), _counts(spec, sums, case)
    nothing, sides = nothing_to_score(totals), _sides(spec, counts)
    if case.task == "binary":
        single = sides[:, 0]
        return scores_of(mean(mean(single)), nothing, single, **_curves(single))
    sides = scored(sides, totals)
    classes = mean(mean(sides))
    if spec.average == "micro":
        value = mean(mean(_sides(spec, summed(counts, slice(None)))))
    else:
        value = average(spec.average, classes, totals.positive)
    return scores_of_classes(value, classes, counted_by(spec.average, sides), nothing, **_curves(sides))


def _counts(spec: MeanIou, sums: Sums, case: Case) -> CountSums:
    """The counts at every threshold: (samples, classes, thresholds)."""
    at = [sums.counts(mask_key(th, spec.threshold_side, case)) for th in spec.thresholds]
    return CountSums(*(np.stack(values, -1) for values in zip(*at, strict=True)))


def _sides(spec: MeanIou, counts: CountSums) -> Readings:
    """The IoU of the positives at each threshold, and beside it the negatives' where these count: (.., thresholds, sides)."""
    tp, fp, fn, tn = counts
    sides = [_side_iou(spec, tp, fp, fn)]
    if spec.include_background:
        sides.append(_side_iou(spec, tn, fn, fp))
    return stacked(sides)


def _curves(sides: Readings) -> dict[str, Extra]:
    """The mean of the sides at each threshold, and each side."""
    names = ("foreground", "background")[: sides.numbers.shape[-1]]
    return {
        "per_threshold": told(mean(sides)),
        **{name: told(sides[..., place]) for place, name in enumerate(names)},
    }


def _side_iou(spec: MeanIou, hit: Values, wrong: Values, missed: Values) -> Readings:
    sizes = Sizes(hit, hit + wrong, hit + missed)
    return by_rules(spec.empty, sizes, lambda reasons: ratio(hit, hit + wrong + missed, reasons))


FAMILY = (
    Implementation(Dice, _needs, _finish_with(_dice), background_misfit),
    Implementation(DiceLoss, _needs, _finish_with(_dice_loss), background_misfit),
    Implementation(Iou, _needs, _finish_with(_iou), background_misfit),
    Implementation(IouLoss, _needs, _finish_with(_iou_loss), background_misfit),
    Implementation(LogCoshDiceLoss, _needs, _finish_with(_log_cosh_dice_loss), background_misfit),
    Implementation(MeanIou, _mean_needs, _mean_finish),
)
