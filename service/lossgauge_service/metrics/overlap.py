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
    return [Totals(), Moments() if spec.soft and case.kind != "labels" else counts_key(spec, case)]


def _areas(spec: Overlap, sums: Sums, case: Case) -> Areas:
    if not spec.soft or case.kind == "labels":
        counts = sums.counts(counts_key(spec, case))
        predicted, targeted = counts.tp + counts.fp, counts.tp + counts.fn
        return Areas(counts.tp, predicted, targeted, predicted, targeted)
    m, targeted = sums.moments(Moments()), sums.totals().target
    shared = (m.p + targeted - m.l1) / 2 if spec.soft_target == "l1" else m.pt
    below = (m.pp, m.tt) if spec.squared else (m.p, targeted)
    return Areas(shared, m.p, targeted, *below)


def _dice(spec: Overlap, areas: Areas, classes: slice, reason: str) -> Value:
    below = areas.predicted_below[classes].sum() + areas.targeted_below[classes].sum() + spec.smooth_denominator
    return ratio(2 * areas.shared[classes].sum() + spec.smooth_numerator, below, reason)


def _iou(spec: Overlap, areas: Areas, classes: slice, reason: str) -> Value:
    shared = areas.shared[classes].sum()
    below = areas.predicted_below[classes].sum() + areas.targeted_below[classes].sum() - shared + spec.smooth_denominator
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


def _misfit(spec: Overlap, case: Case) -> str | None:
    if case.soft and not spec.soft:
        return "a soft target has no mask; give soft: true"
    return background_misfit(spec, case)


# -------------------------------------------------------------------------------------------------------------- mean IoU


def _mean_needs(spec: MeanIou, case: Case) -> list[Statistic]:
    return [Totals(), *(mask_key(th, spec.threshold_side, case) for th in spec.thresholds)]


def _mean_finish(spec: MeanIou, sums: Sums, case: Case) -> Score:
    count = sums.totals().count
    if count.sum() == 0:
        return score_of(NO_PIXELS)
    if case.task == "binary":
        rows = _curve(spec, sums, case, slice(0, 1))
        return score_of(mean(rows), per_threshold=[row.number for row in rows], **_tally(rows))
    curves = [_curve(spec, sums, case, slice(c, c + 1)) for c in range(case.classes)]
    classes = [mean(rows) if count[c] else NO_PIXELS for c, rows in enumerate(curves)]
    micro = _curve(spec, sums, case, slice(0, case.classes))
    value, rows = _label_average(spec, sums, classes, curves, micro)
    return score_of_classes(value, classes, classes, per_threshold=[row.number for row in rows])


def _tally(values: list[Value]) -> dict[str, int]:
    counted = sum(value.number is not None for value in values)
    return {"counted": counted, "skipped": len(values) - counted}


def _label_average(
    spec: MeanIou, sums: Sums, classes: list[Value], curves: list[list[Value]], micro: list[Value]
) -> tuple[Value, list[Value]]:
    """The value over labels, and the value at each threshold."""
    if spec.average == "micro":
        return mean(micro), micro
    weights = sums.totals().target.tolist() if spec.average == "weighted" else None
    rows = [mean(list(column), weights) for column in zip(*curves, strict=True)]
    return (Value(None, "not_averaged") if spec.average == "none" else mean(classes, weights)), rows


def _curve(spec: MeanIou, sums: Sums, case: Case, classes: slice) -> list[Value]:
    return [_at_threshold(spec, sums.counts(mask_key(th, spec.threshold_side, case)), classes) for th in spec.thresholds]


def _at_threshold(spec: MeanIou, counts: CountSums, classes: slice) -> Value:
    tp, fp, fn, tn = (float(values[classes].sum()) for values in counts)
    sides = [_side_iou(spec, tp, fp, fn)]
    if spec.include_background:
        sides.append(_side_iou(spec, tn, fn, fp))
    return mean(sides)


def _side_iou(spec: MeanIou, hit: float, wrong: float, missed: float) -> Value:
    which = empty_case(hit + wrong, hit + missed)
    return by_rule(spec.empty, which, lambda reason: ratio(hit, hit + wrong + missed, reason))


def _mean_misfit(spec: MeanIou, case: Case) -> str | None:
    return "a soft target has no mask" if case.soft else None


FAMILY = (
    Implementation(Dice, _needs, _finish_with(_dice, as_loss=False), _misfit),
    Implementation(DiceLoss, _needs, _finish_with(_dice, as_loss=True), _misfit),
    Implementation(Iou, _needs, _finish_with(_iou, as_loss=False), _misfit),
    Implementation(IouLoss, _needs, _finish_with(_iou, as_loss=True), _misfit),
    Implementation(MeanIou, _mean_needs, _mean_finish, _mean_misfit),
)
