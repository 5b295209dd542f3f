"""Dice, IoU, the losses made of them, and the mean IoU over thresholds."""

from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from lossgauge.metrics import Dice, DiceLoss, Iou, IouLoss, LogCoshDiceLoss, MeanIou
from lossgauge.metrics.overlap import ClassAveraged, Overlap
from lossgauge.metrics.spec import Thresholded
from lossgauge_service.errors import MetricDoesNotFit

from tests.reference.averaging import ByClass, averaged, mean_of_defined
from tests.reference.case import NO_VALID_PIXELS, NOTHING_TO_SCORE, Case, Expected, Outcome, tally, told
from tests.reference.probability import hard_membership, soft_membership
from tests.reference.region import Region, by_rules, ratio, regions_of

Formula = Callable[[Region], Outcome]


def dice(spec: Dice, case: Case) -> Expected:
    """(2 I + a) / (P + T + b)."""
    return _overlap(spec, case, lambda region: _dice_of(spec, region))


def dice_loss(spec: DiceLoss, case: Case) -> Expected:
    """1 - (2 I + a) / (P + T + b)."""
    return _overlap(spec, case, lambda region: complement(_dice_of(spec, region)))


def log_cosh_dice_loss(spec: LogCoshDiceLoss, case: Case) -> Expected:
    """log(cosh(1 - dice))."""

    def formula(region: Region) -> Outcome:
        loss = complement(_dice_of(spec, region))
        return loss if loss.value is None else Outcome(float(np.log1p(2 * np.sinh(loss.value / 2) ** 2)))

    return _overlap(spec, case, formula)


def iou(spec: Iou, case: Case) -> Expected:
    """(I + a) / (P + T - I + b)."""
    return _overlap(spec, case, lambda region: _iou_of(spec, region))


def iou_loss(spec: IouLoss, case: Case) -> Expected:
    """1 - (I + a) / (P + T - I + b)."""
    return _overlap(spec, case, lambda region: complement(_iou_of(spec, region)))


def complement(outcome: Outcome) -> Outcome:
    """1 - x."""
    return outcome if outcome.value is None else Outcome(1.0 - outcome.value)


def _dice_of(spec: Overlap, region: Region) -> Outcome:
    size = _size(spec, region)
    return ratio(region, 2 * _intersection(spec, region) + spec.smooth_numerator, size + spec.smooth_denominator)


def _iou_of(spec: Overlap, region: Region) -> Outcome:
    intersection = _intersection(spec, region)
    union = _size(spec, region) - intersection
    return ratio(region, intersection + spec.smooth_numerator, union + spec.smooth_denominator)


def _intersection(spec: Overlap, region: Region) -> float:
    if spec.soft_target == "l1":
        return (region.prediction + region.target - region.difference) / 2
    return region.tp


def _size(spec: Overlap, region: Region) -> float:
    if spec.squared:
        return region.prediction_squared + region.target_squared
    return region.prediction + region.target


def _overlap(spec: Overlap, case: Case, formula: Formula) -> Expected:
    membership = soft_membership(case) if spec.soft else hard_membership(case, *threshold_of(spec, case))
    return class_average(spec, case, regions_of(case, membership), formula)


def threshold_of(spec: Thresholded, case: Case) -> tuple[float, str]:
    """The metric's own threshold, or the request's; and its side."""
    return (case.threshold if spec.threshold is None else spec.threshold), spec.threshold_side


def class_average(spec: ClassAveraged, case: Case, regions: list[Region], formula: Formula) -> Expected:
    """The formula of every class by its empty rules, averaged as the spec says."""
    first = first_class(spec, case)
    if all(region.count == 0 for region in regions):
        return NOTHING_TO_SCORE

    def outcome(region: Region) -> Outcome:
        return by_rules(spec.empty, region, formula(region))

    outcomes = [outcome(region) for region in regions]
    summed = outcome(reduce(add, regions[first:])) if regions[first:] else Outcome(None, "no_class_defined")
    return averaged(case, spec.average, ByClass(outcomes, [region.target for region in regions], summed, first))


def first_class(spec: ClassAveraged, case: Case) -> int:
    """The first class of the average: 1 where the background is left out."""
    if case.task == "binary" and not spec.include_background:
        raise MetricDoesNotFit("include_background=false needs classes or labels")
    return 0 if spec.include_background else 1


def mean_iou(spec: MeanIou, case: Case) -> Expected:
    """The mean over thresholds of the mean of the foreground's and the background's IoU."""
    at_thresholds = [regions_of(case, hard_membership(case, th, spec.threshold_side)) for th in spec.thresholds]
    by_label = [list(regions) for regions in zip(*at_thresholds, strict=True)]
    if all(regions[0].count == 0 for regions in by_label):
        return NOTHING_TO_SCORE
    outcomes = [_over_thresholds(spec, regions) for regions in by_label]
    summed = _over_thresholds(spec, [reduce(add, regions) for regions in at_thresholds])
    score = averaged(case, spec.average, ByClass(outcomes, [regions[0].target for regions in by_label], summed))
    per_threshold = [[_at_threshold(spec, region) for region in regions] for regions in by_label]
    sides = [[_told_side(spec, region) for region in regions] for regions in by_label]
    extras: dict[str, Any] = {"per_threshold": per_threshold}
    for place, name in enumerate(("foreground", "background") if spec.include_background else ("foreground",)):
        extras[name] = [[pair[place] for pair in pairs] for pairs in sides]
    if case.task != "binary":
        of_sides = tally([one for pairs in sides for pair in pairs for one in pair])
        counts = of_sides if spec.average in ("macro", "weighted") else {}
        return Expected(score.value, score.undefined, score.per_class, score.extras | told(**extras) | counts)
    single = told(**{name: lists[0] for name, lists in extras.items()})
    return Expected(score.value, score.undefined, extras=single | tally([one for pair in sides[0] for one in pair]))


def _over_thresholds(spec: MeanIou, regions: list[Region]) -> Outcome:
    """Each threshold's mean, then their mean; where nothing is defined, the reason of all the parts."""
    if regions[0].count == 0:
        return Outcome(None, NO_VALID_PIXELS)
    if regions[0].weight == 0:
        return Outcome(None, "no_weight")
    values = [_at_threshold(spec, region) for region in regions]
    if any(outcome.value is not None for outcome in values):
        return mean_of_defined(values)
    return mean_of_defined([part for region in regions for part in _ious(spec, region)])


def _told_side(spec: MeanIou, region: Region) -> list[Outcome]:
    reason = NO_VALID_PIXELS if region.count == 0 else "no_weight" if region.weight == 0 else None
    return _ious(spec, region) if reason is None else [Outcome(None, reason)] * (2 if spec.include_background else 1)


def _at_threshold(spec: MeanIou, region: Region) -> Outcome:
    return mean_of_defined(_told_side(spec, region))


def _ious(spec: MeanIou, region: Region) -> list[Outcome]:
    sides = [region, region.background] if spec.include_background else [region]
    return [by_rules(spec.empty, side, ratio(side, side.tp, side.tp + side.fp + side.fn)) for side in sides]


REFERENCES: dict[str, Callable[[Any, Case], Expected]] = {
    "dice": dice,
    "dice_loss": dice_loss,
    "iou": iou,
    "iou_loss": iou_loss,
    "log_cosh_dice_loss": log_cosh_dice_loss,
    "mean_iou": mean_iou,
}
