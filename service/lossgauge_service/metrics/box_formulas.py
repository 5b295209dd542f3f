"""The formulas of paired boxes, in float64 torch: their values are the scores, and their derivatives are torch's of the same lines.

Where a formula has a corner (two edges in one place, boxes that touch) the derivative is the mean of both sides, which is what torch
has for the lesser and the greater of two equal numbers.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from lossgauge.metrics import CiouLoss, FocalEiouLoss, GiouLoss
from lossgauge.metrics.boxes import OfBoxes
from torch import Tensor

from lossgauge_service.statistics import Values


class Pairs(NamedTuple):
    """Of each pair (n,): areas of intersection and union; (n, 2) the sides of both, of the box around them, and the centres' gap."""

    intersection: Tensor
    union: Tensor
    predicted: Tensor
    targeted: Tensor
    around: Tensor
    gap: Tensor


Formula = Callable[[Any, Pairs, Tensor], Tensor]
"""The value of each pair, from its IoU too."""


def values_of(spec: OfBoxes, formula: Formula, rows: Values) -> Values:
    """The value of each pair of corners (n, 8); NaN where it has none."""
    pairs = _pairs(torch.from_numpy(rows))
    values = formula(spec, pairs, _iou(spec, pairs)).numpy()
    return np.where(_defined(spec, pairs).numpy(), values, np.nan)


def derivative_of(spec: OfBoxes, formula: Formula, rows: Values) -> Values:
    """The derivative of each pair's value with respect to the corners of its first box, (n, 4); 0 where it has no value."""
    found, table = np.zeros((len(rows), 4)), torch.from_numpy(rows)
    defined = _defined(spec, _pairs(table))
    with torch.enable_grad():
        moving = table[defined].requires_grad_()
        pairs = _pairs(moving)
        [slopes] = torch.autograd.grad(formula(spec, pairs, _iou(spec, pairs)).sum(), moving)
    found[defined.numpy()] = slopes[:, :4].numpy()
    return found


def _pairs(rows: Tensor) -> Pairs:
    low, high, other_low, other_high = rows.view(-1, 4, 2).unbind(1)
    common = torch.minimum(high, other_high) - torch.maximum(low, other_low)
    intersection = torch.maximum(common, torch.zeros_like(common)).prod(1)
    predicted, targeted = high - low, other_high - other_low
    around = torch.maximum(high, other_high) - torch.minimum(low, other_low)
    gap = ((low - other_low) + (high - other_high)) / 2
    union = predicted.prod(1) + targeted.prod(1) - intersection
    return Pairs(intersection, union, predicted, targeted, around, gap)


def _defined(spec: OfBoxes, pairs: Pairs) -> Tensor:
    """Which pairs have a value."""
    return pairs.union != 0 if spec.zero_union == "undefined" else torch.ones_like(pairs.union, dtype=torch.bool)


def _share(part: Tensor, whole: Tensor) -> Tensor:
    """part / whole, 0 where there is no whole."""
    return part / torch.where(whole == 0, 1.0, whole) * (whole != 0)


def _iou(spec: OfBoxes, pairs: Pairs) -> Tensor:
    found = _share(pairs.intersection, pairs.union)
    return found if spec.zero_union == "undefined" else torch.where(pairs.union == 0, spec.zero_union, found)


# -------------------------------------------------------------------------------------------------------------- formulas


def box_iou(spec: OfBoxes, pairs: Pairs, iou: Tensor) -> Tensor:
    """I / U."""
    return iou


def iou_loss(spec: OfBoxes, pairs: Pairs, iou: Tensor) -> Tensor:
    """1 - I / U."""
    return 1 - iou


def giou_loss(spec: GiouLoss, pairs: Pairs, iou: Tensor) -> Tensor:
    """1 - I / U + (C - U) / C."""
    around = pairs.around.prod(1)
    outside = around - pairs.union
    # what is below 0 is a rounding, and no corner
    outside = outside + (outside.clamp(min=0) - outside).detach()
    return 1 - iou + _share(outside, around)


def diou_loss(spec: OfBoxes, pairs: Pairs, iou: Tensor) -> Tensor:
    """1 - I / U + d^2 / c^2."""
    return 1 - iou + _share((pairs.gap**2).sum(1), (pairs.around**2).sum(1))


def ciou_loss(spec: CiouLoss, pairs: Pairs, iou: Tensor) -> Tensor:
    """1 - I / U + d^2 / c^2 + a v; a is a function of the boxes as v is, and has its part in the derivative."""
    targeted, predicted = (torch.atan2(sides[:, 0], sides[:, 1]) for sides in (pairs.targeted, pairs.predicted))
    v = 4 / np.pi**2 * (targeted - predicted) ** 2
    return diou_loss(spec, pairs, iou) + _share(v**2, 1 - iou + v)


def eiou_loss(spec: OfBoxes, pairs: Pairs, iou: Tensor) -> Tensor:
    """1 - I / U + d^2 / c^2 + (w - w_t)^2 / C_w^2 + (h - h_t)^2 / C_h^2."""
    sides = _share((pairs.predicted - pairs.targeted) ** 2, pairs.around**2)
    return diou_loss(spec, pairs, iou) + sides.sum(1)


def focal_eiou_loss(spec: FocalEiouLoss, pairs: Pairs, iou: Tensor) -> Tensor:
    """(I / U)^gamma times the EIoU loss; boxes that do not meet, whose loss is 0, have no derivative but 0."""
    meeting = torch.where(iou > 0, iou, 1.0) ** spec.gamma
    return torch.where(iou > 0, meeting, 0.0**spec.gamma) * eiou_loss(spec, pairs, iou)
