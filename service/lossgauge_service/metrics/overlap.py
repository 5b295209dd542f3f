"""Dice, IoU and their losses, and mean IoU over thresholds."""

from collections.abc import Callable
from dataclasses import dataclass

from lossgauge.metrics import Dice, DiceLoss, Iou, IouLoss, MeanIou
from lossgauge.metrics.overlap import Overlap
from lossgauge.wire import Score

from lossgauge_service.metrics.class_averages import averaged, background_misfit, counts_key, mask_key
from lossgauge_service.metrics.implementation import Implementation
from lossgauge_service.metrics.values import (
    NO_PIXELS,
    Value,
    by_rule,
    empty_case,
    mean,
    nothing_to_score,
    ratio,
    score_of,
    score_of_classes,
)
from lossgauge_service.samples import Case
from lossgauge_service.statistics import CountSums, Moments, Statistic, Sums, Totals, Values


@dataclass(frozen=True)
class Areas:
    """Per class: the intersection, the sizes, and the sizes as the denominator has them (squared or not)."""

    shared: Values
    predicted: Values
    targeted: Values
    predicted_below: Values
    targeted_below: Values


def _needs(spec: Overlap, case: Case) -> list[Statistic]:
    return [Totals(), Moments() if _reads_moments(spec, case) else counts_key(spec, case)]


def _reads_moments(spec: Overlap, case: Case) -> bool:
    # two masks of labels have the same sums either way, and counting them is cheaper
    return spec.soft and (case.kind != "labels" or case.soft)


def _areas(spec: Overlap, sums: Sums, case: Case) -> Areas:
    if not _reads_moments(spec, case):
        counts = sums.counts(counts_key(spec, case))
        predicted, targeted = counts.tp + counts.fp, counts.tp + counts.fn
        return Areas(counts.tp, predicted, targeted, predicted, targeted)
    m, targeted = sums.moments(Moments()), sums.totals().target
    # (p + t - |p - t|) / 2 is the lesser of the two
    shared = m.least if spec.soft_target == "l1" else m.pt
    below = (m.pp, m.tt) if spec.squared else (m.p, targeted)
    return Areas(shared, m.p, targeted, *below)


def _dice(spec: Overlap, areas: Areas, classes: slice, reason: str) -> Value:
    below = areas.predicted_below[classes].sum() + areas.targeted_below[classes].sum() + spec.smooth_denominator
    return ratio(2 * areas.shared[classes].sum() + spec.smooth_numerator, below, reason)


def _iou(spec: Overlap, areas: Areas, classes: slice, reason: str) -> Value:
    shared = areas.shared[classes].sum()
    below = (
        areas.predicted_below[classes].sum() + areas.targeted_below[classes].sum() - shared + spec.smooth_denominator
    )
    return ratio(shared + spec.smooth_numerator, below, reason)


def _complement(value: Value) -> Value:
    return value if value.number is None else Value(1 - value.number)


Ratio = Callable[[Overlap, Areas, slice, str], Value]


def _finish_with(formula: Ratio, as_loss: bool) -> Callable[[Overlap, Sums, Case], Score]:
    def finish(spec: Overlap, sums: Sums, case: Case) -> Score:
        areas = _areas(spec, sums, case)

        def value_of(classes: slice, reason: str) -> Value:
            value = formula(spec, areas, classes, reason)
            return _complement(value) if as_loss else value

        return averaged(spec, sums, case, areas.predicted, areas.targeted, value_of)

    return finish


# -------------------------------------------------------------------------------------------------------------- mean IoU


def _mean_needs(spec: MeanIou, case: Case) -> list[Statistic]:
    return [Totals(), *(mask_key(th, spec.threshold_side, case) for th in spec.thresholds)]


def _mean_finish(spec: MeanIou, sums: Sums, case: Case) -> Score:
    nothing = nothing_to_score(sums.totals())
    if nothing:
        return score_of(nothing)
    if case.task == "binary":
        rows = _curve(spec, sums, case, slice(0, 1))
        return score_of(mean(rows), per_threshold=[row.number for row in rows])
    curves = [_curve(spec, sums, case, slice(c, c + 1)) for c in range(case.classes)]
    count = sums.totals().valid
    curves = [rows if count[c] else [NO_PIXELS] * len(rows) for c, rows in enumerate(curves)]
    classes = [mean(rows) for rows in curves]
    value = _label_average(spec, sums, case, classes)
    return score_of_classes(value, classes, classes, per_threshold=[[row.number for row in rows] for rows in curves])


def _label_average(spec: MeanIou, sums: Sums, case: Case, classes: list[Value]) -> Value:
    if spec.average == "micro":
        return mean(_curve(spec, sums, case, slice(0, case.classes)))
    if spec.average == "none":
        return Value(None, "not_averaged")
    return mean(classes, sums.totals().target.tolist() if spec.average == "weighted" else None)


def _curve(spec: MeanIou, sums: Sums, case: Case, classes: slice) -> list[Value]:
    return [
        _at_threshold(spec, sums.counts(mask_key(th, spec.threshold_side, case)), classes) for th in spec.thresholds
    ]


def _at_threshold(spec: MeanIou, counts: CountSums, classes: slice) -> Value:
    tp, fp, fn, tn = (float(values[classes].sum()) for values in counts)
    sides = [_side_iou(spec, tp, fp, fn)]
    if spec.include_background:
        sides.append(_side_iou(spec, tn, fn, fp))
    return mean(sides)


def _side_iou(spec: MeanIou, hit: float, wrong: float, missed: float) -> Value:
    if hit > 0:
        return Value(hit / (hit + wrong + missed))
    which = empty_case(hit + wrong, hit + missed)
    return by_rule(spec.empty, which, lambda reason: ratio(hit, hit + wrong + missed, reason))


FAMILY = (
    Implementation(Dice, _needs, _finish_with(_dice, as_loss=False), background_misfit),
    Implementation(DiceLoss, _needs, _finish_with(_dice, as_loss=True), background_misfit),
    Implementation(Iou, _needs, _finish_with(_iou, as_loss=False), background_misfit),
    Implementation(IouLoss, _needs, _finish_with(_iou, as_loss=True), background_misfit),
    Implementation(MeanIou, _mean_needs, _mean_finish),
)
