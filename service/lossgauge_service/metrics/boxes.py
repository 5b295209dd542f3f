"""IoU and regression losses of paired boxes."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from lossgauge.metrics import BoxIou, BoxIouLoss, CiouLoss, DiouLoss, EiouLoss, FocalEiouLoss, GiouLoss
from lossgauge.metrics.boxes import OfBoxes
from lossgauge.wire import Score

from lossgauge_service.measures.boxes import Corners
from lossgauge_service.metrics.implementation import Implementation
from lossgauge_service.metrics.values import Readings, finite, ratio, scores_of, told, undefined
from lossgauge_service.samples import Case
from lossgauge_service.statistics import Statistic, Sums, Values


class Pairs(NamedTuple):
    """Of each pair (n,): areas of intersection and union; (n, 2) the sides of both, of the box around them, and the centres' gap."""

    intersection: Values
    union: Values
    predicted: Values
    targeted: Values
    around: Values
    gap: Values


Formula = Callable[[Any, Pairs, Values], Values]
"""The value of each pair, from its IoU too, which is NaN where it is undefined."""


def _pairs(rows: Values) -> Pairs:
    low, high, other_low, other_high = (rows[:, first : first + 2] for first in (0, 2, 4, 6))
    common = np.maximum(np.minimum(high, other_high) - np.maximum(low, other_low), 0).prod(1)
    predicted, targeted = high - low, other_high - other_low
    around = np.maximum(high, other_high) - np.minimum(low, other_low)
    gap = ((low - other_low) + (high - other_high)) / 2
    return Pairs(common, predicted.prod(1) + targeted.prod(1) - common, predicted, targeted, around, gap)


def _share(part: Values, whole: Values) -> Values:
    """part / whole, 0 where there is no whole."""
    return np.asarray(part / np.where(whole == 0, 1.0, whole) * (whole != 0), np.float64)


def _iou(spec: OfBoxes, pairs: Pairs) -> Readings:
    found = ratio(pairs.intersection, pairs.union, "zero_union")
    return found if spec.zero_union == "undefined" else found.replaced(pairs.union == 0, spec.zero_union)


# --------------------------------------------------------------------------------------------------------------- formulas


def _box_iou(spec: BoxIou, pairs: Pairs, iou: Values) -> Values:
    return iou


def _iou_loss(spec: OfBoxes, pairs: Pairs, iou: Values) -> Values:
    return 1 - iou


def _giou(spec: GiouLoss, pairs: Pairs, iou: Values) -> Values:
    around = pairs.around.prod(1)
    return 1 - iou + _share(np.maximum(around - pairs.union, 0), around)


def _diou(spec: OfBoxes, pairs: Pairs, iou: Values) -> Values:
    return 1 - iou + _share((pairs.gap**2).sum(1), (pairs.around**2).sum(1))


def _ciou(spec: CiouLoss, pairs: Pairs, iou: Values) -> Values:
    shapes = [np.arctan2(sides[:, 0], sides[:, 1]) for sides in (pairs.targeted, pairs.predicted)]
    v = 4 / np.pi**2 * (shapes[0] - shapes[1]) ** 2
    return _diou(spec, pairs, iou) + _share(v**2, 1 - iou + v)


def _eiou(spec: OfBoxes, pairs: Pairs, iou: Values) -> Values:
    sides = _share((pairs.predicted - pairs.targeted) ** 2, pairs.around**2)
    value: Values = _diou(spec, pairs, iou) + sides.sum(1)
    return value


def _focal_eiou(spec: FocalEiouLoss, pairs: Pairs, iou: Values) -> Values:
    return np.asarray(iou**spec.gamma * _eiou(spec, pairs, iou), np.float64)


# ----------------------------------------------------------------------------------------------------------------- scores


def _needs(spec: OfBoxes, case: Case) -> list[Statistic]:
    return [Corners(spec.box_format)]


def _finish_with(formula: Formula) -> Callable[[Any, Sums, Case], list[Score]]:
    def finish(spec: OfBoxes, sums: Sums, case: Case) -> list[Score]:
        return [_score(spec, joined.rows, formula) for joined in sums.measured(Corners(spec.box_format)).boxes[:, 0]]

    return finish


def _score(spec: OfBoxes, rows: Values, formula: Formula) -> Score:
    """The mean or sum of the pairs that have a value."""
    pairs = _pairs(rows)
    values = _iou(spec, pairs).mapped(lambda iou: formula(spec, pairs, iou))
    [score] = scores_of(_reduced(spec, values), np.array([None], object), values[None], per_box=told(values[None]))
    return score


def _reduced(spec: OfBoxes, values: Readings) -> Readings:
    numbers = values.numbers[values.defined]
    if not len(numbers):
        return undefined((1,), "zero_union" if len(values.numbers) else "no_boxes")
    return finite(np.array([numbers.mean() if spec.reduction == "mean" else numbers.sum()]))


FAMILY = (
    Implementation(BoxIou, _needs, _finish_with(_box_iou)),
    Implementation(BoxIouLoss, _needs, _finish_with(_iou_loss)),
    Implementation(CiouLoss, _needs, _finish_with(_ciou)),
    Implementation(DiouLoss, _needs, _finish_with(_diou)),
    Implementation(EiouLoss, _needs, _finish_with(_eiou)),
    Implementation(FocalEiouLoss, _needs, _finish_with(_focal_eiou)),
    Implementation(GiouLoss, _needs, _finish_with(_giou)),
)
