"""IoU and regression losses of paired boxes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from lossgauge.metrics import BoxIou, BoxIouLoss, CiouLoss, DiouLoss, EiouLoss, FocalEiouLoss, GiouLoss, MetricSpec
from lossgauge.metrics.boxes import OfBoxes
from lossgauge.wire import Score
from numpy.typing import NDArray

from lossgauge_service.measures.boxes import Corners
from lossgauge_service.metrics import box_formulas
from lossgauge_service.metrics.box_formulas import Formula, derivative_of, values_of
from lossgauge_service.metrics.implementation import Implementation
from lossgauge_service.metrics.values import Readings, finite, scores_of, told, undefined
from lossgauge_service.samples import Case
from lossgauge_service.statistics import Measure, Statistic, Sums, Values


def _needs(spec: OfBoxes, case: Case) -> list[Statistic]:
    return [Corners(spec.box_format)]


def _rows(spec: OfBoxes, sums: Sums) -> list[Values]:
    """The pairs of each sample."""
    return [joined.rows for joined in sums.measured(Corners(spec.box_format)).boxes[:, 0]]


def _score(spec: OfBoxes, rows: Values, formula: Formula) -> Score:
    """The mean or sum of the pairs that have a value."""
    numbers = values_of(spec, formula, rows)
    values = finite(numbers).unless(np.isnan(numbers), "zero_union")
    [score] = scores_of(_reduced(spec, values), np.array([None], object), values[None], per_box=told(values[None]))
    return score


def _reduced(spec: OfBoxes, values: Readings) -> Readings:
    numbers = values.numbers[values.defined]
    if not len(numbers):
        return undefined((1,), "zero_union" if len(values.numbers) else "no_boxes")
    return finite(np.array([numbers.mean() if spec.reduction == "mean" else numbers.sum()]))


def _slopes(spec: OfBoxes, rows: Values, formula: Formula) -> Values:
    """The derivative of the score with respect to the corners of the predicted boxes, (n, 4)."""
    counted = int((~np.isnan(values_of(spec, formula, rows))).sum())
    return derivative_of(spec, formula, rows) / (counted if spec.reduction == "mean" else 1)


def _implemented(kind: type[MetricSpec], formula: Formula, is_loss: bool = True) -> Implementation[Any]:
    def finish(spec: Any, sums: Sums, case: Case) -> list[Score]:
        return [_score(spec, rows, formula) for rows in _rows(spec, sums)]

    def slopes(spec: Any, sums: Sums, case: Case) -> Mapping[Measure[Any], NDArray[Any]]:
        return {Corners(spec.box_format): _slopes(spec, _rows(spec, sums)[0], formula)}

    def losses(spec: Any, sums: Sums, whole: Sums, case: Case) -> Values:
        return values_of(spec, formula, _rows(spec, sums)[0])[:, None]

    return Implementation(kind, _needs, finish, losses=losses if is_loss else None, slopes=slopes)


FAMILY = (
    _implemented(BoxIou, box_formulas.box_iou, is_loss=False),
    _implemented(BoxIouLoss, box_formulas.iou_loss),
    _implemented(CiouLoss, box_formulas.ciou_loss),
    _implemented(DiouLoss, box_formulas.diou_loss),
    _implemented(EiouLoss, box_formulas.eiou_loss),
    _implemented(FocalEiouLoss, box_formulas.focal_eiou_loss),
    _implemented(GiouLoss, box_formulas.giou_loss),
)
