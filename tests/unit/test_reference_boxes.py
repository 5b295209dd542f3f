"""The reference of boxes against counted pixels, kornia, and examples worked out by hand."""

from math import atan, pi
from typing import Any

import numpy as np
import pytest
import torch
from lossgauge import metrics as m
from lossgauge.metrics.boxes import OfBoxes

from tests.reference import Case, reference

SIDE = 12


def value(spec: OfBoxes, prediction: Any, target: Any) -> float | None:
    """What the reference says of paired boxes."""
    arrays = np.array(prediction, float), np.array(target, float)
    return reference(spec, Case(*arrays, task="boxes", prediction_kind="boxes")).value


def _covered(box: Any) -> Any:
    mask = np.zeros((SIDE, SIDE), bool)
    x1, y1, x2, y2 = box
    mask[y1:y2, x1:x2] = True
    return mask


@pytest.mark.parametrize("seed", range(20))
def test_areas_are_counted_pixels(seed: int) -> None:
    """Of boxes with whole corners, IoU and the empty part of the box around both are counts of pixels."""
    rng = np.random.default_rng(seed)
    one, two = (np.concatenate([c.min(0), c.max(0) + 1]) for c in rng.integers(0, SIDE, (2, 2, 2)))
    a, b = _covered(one), _covered(two)
    hull = _covered(np.concatenate([np.minimum(one, two)[:2], np.maximum(one, two)[2:]]))
    iou = (a & b).sum() / (a | b).sum()
    assert value(m.BoxIou(), [one], [two]) == pytest.approx(iou)
    assert value(m.GiouLoss(), [one], [two]) == pytest.approx(1 - iou + (hull & ~(a | b)).sum() / hull.sum())


def test_iou_is_that_of_kornia() -> None:
    """The IoU of each pair is on the diagonal of kornia's table."""
    metrics = pytest.importorskip("kornia.metrics")
    corners = np.random.default_rng(0).uniform(0, 4, (2, 30, 2))
    one = np.concatenate([corners[0], corners[0] + 2], 1)
    two = np.concatenate([corners[1], corners[1] + 3], 1)
    table = metrics.mean_iou_bbox(torch.tensor(one), torch.tensor(two))
    assert value(m.BoxIou(), one, two) == pytest.approx(float(table.diagonal().mean()))


UNIT, WIDE, FAR = [0, 0, 1, 1], [0, 0, 2, 1], [3, 0, 4, 1]


@pytest.mark.parametrize(
    ("spec", "other", "expected"),
    [
        (m.BoxIou(), WIDE, 1 / 2),
        (m.BoxIouLoss(), WIDE, 1 / 2),
        (m.GiouLoss(), WIDE, 1 / 2),
        (m.GiouLoss(), FAR, 1 + 2 / 4),
        (m.DiouLoss(), WIDE, 1 / 2 + 0.25 / 5),
        (m.DiouLoss(), FAR, 1 + 9 / 17),
        (m.EiouLoss(), WIDE, 1 / 2 + 0.25 / 5 + 1 / 4),
        (m.FocalEiouLoss(), WIDE, 0.5**0.5 * (1 / 2 + 0.25 / 5 + 1 / 4)),
        (m.FocalEiouLoss(), FAR, 0.0),
    ],
)
def test_losses_by_hand(spec: OfBoxes, other: list[int], expected: float) -> None:
    """A box beside one twice as wide, and beside one three widths away."""
    assert value(spec, [UNIT], [other]) == pytest.approx(expected)


def test_the_shapes_count_in_ciou() -> None:
    """v is of the two angles, and weighs by itself over 1 - IoU + v."""
    v = 4 / pi**2 * (atan(2) - atan(1)) ** 2
    assert value(m.CiouLoss(), [UNIT], [WIDE]) == pytest.approx(1 / 2 + 0.25 / 5 + v**2 / (1 / 2 + v))


def test_formats_name_the_same_box() -> None:
    """Corners, corner and size, centre and size."""
    assert value(m.BoxIou(box_format="xywh"), [[1, 2, 3, 4]], [[1, 2, 3, 2]]) == 1 / 2
    assert value(m.BoxIou(box_format="cxcywh"), [[2.5, 4, 3, 4]], [[2.5, 3, 3, 2]]) == 1 / 2
    assert value(m.BoxIou(), [[1, 2, 4, 6]], [[1, 2, 4, 4]]) == 1 / 2
