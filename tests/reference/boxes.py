"""Paired boxes, one at a time, straight from the formulas of the papers."""

from collections.abc import Callable
from math import atan2, pi
from typing import Any, NamedTuple

from lossgauge.metrics.boxes import OfBoxes

from tests.reference.case import Case, Expected, Outcome, tally, told


class Box(NamedTuple):
    """Two corners."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def width(self) -> float:
        """Along x."""
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        """Along y."""
        return self.y2 - self.y1

    @property
    def area(self) -> float:
        """Width times height."""
        return self.width * self.height


Formula = Callable[[Any, Box, Box, float], float]


def box_of(row: list[float], box_format: str) -> Box:
    """The corners of a row."""
    a, b, c, d = row
    return {
        "xyxy": Box(a, b, c, d),
        "xywh": Box(a, b, a + c, b + d),
        "cxcywh": Box(a - c / 2, b - d / 2, a + c / 2, b + d / 2),
    }[box_format]


def intersection(one: Box, two: Box) -> float:
    """The area of what both cover."""
    width = min(one.x2, two.x2) - max(one.x1, two.x1)
    height = min(one.y2, two.y2) - max(one.y1, two.y1)
    return width * height if width > 0 and height > 0 else 0.0


def around(one: Box, two: Box) -> Box:
    """The smallest box that holds both."""
    return Box(min(one.x1, two.x1), min(one.y1, two.y1), max(one.x2, two.x2), max(one.y2, two.y2))


def iou(spec: OfBoxes, one: Box, two: Box) -> float | None:
    """I / U, or the rule of two boxes without an area."""
    common = intersection(one, two)
    union = one.area + two.area - common
    if union == 0:
        return None if spec.zero_union == "undefined" else spec.zero_union
    return common / union


def _over(part: float, whole: float) -> float:
    return 0.0 if whole == 0 else part / whole


def _box_iou(spec: Any, one: Box, two: Box, overlap: float) -> float:
    return overlap


def _iou_loss(spec: Any, one: Box, two: Box, overlap: float) -> float:
    return 1 - overlap


def _giou(spec: Any, one: Box, two: Box, overlap: float) -> float:
    whole = around(one, two).area
    union = one.area + two.area - intersection(one, two)
    return 1 - overlap + _over(whole - union, whole)


def _diou(spec: Any, one: Box, two: Box, overlap: float) -> float:
    hull = around(one, two)
    dx, dy = (one.x1 + one.x2 - two.x1 - two.x2) / 2, (one.y1 + one.y2 - two.y1 - two.y2) / 2
    return 1 - overlap + _over(dx**2 + dy**2, hull.width**2 + hull.height**2)


def _ciou(spec: Any, one: Box, two: Box, overlap: float) -> float:
    v = 4 / pi**2 * (atan2(two.width, two.height) - atan2(one.width, one.height)) ** 2
    alpha = _over(v, 1 - overlap + v)
    return _diou(spec, one, two, overlap) + alpha * v


def _eiou(spec: Any, one: Box, two: Box, overlap: float) -> float:
    hull = around(one, two)
    wide = _over((one.width - two.width) ** 2, hull.width**2)
    high = _over((one.height - two.height) ** 2, hull.height**2)
    return _diou(spec, one, two, overlap) + wide + high


def _focal_eiou(spec: Any, one: Box, two: Box, overlap: float) -> float:
    focus: float = overlap**spec.gamma
    return focus * _eiou(spec, one, two, overlap)


def _scored(formula: Formula) -> Callable[[Any, Case], Expected]:
    def score(spec: OfBoxes, case: Case) -> Expected:
        sides = [[box_of(row, spec.box_format) for row in array.tolist()] for array in (case.prediction, case.target)]
        pairs = list(zip(*sides, strict=True))
        if not pairs:
            return Expected(None, "no_boxes", extras={"per_box": [], "counted": 0, "skipped": 0})
        values = [_value(spec, formula, *pair) for pair in pairs]
        known = [value for value, _ in values if value is not None]
        extras = told(per_box=values) | tally(values)
        if not known:
            return Expected(None, "zero_union", extras=extras)
        return Expected(sum(known) / (len(known) if spec.reduction == "mean" else 1), extras=extras)

    return score


def _value(spec: OfBoxes, formula: Formula, one: Box, two: Box) -> Outcome:
    overlap = iou(spec, one, two)
    return Outcome(None, "zero_union") if overlap is None else Outcome(formula(spec, one, two, overlap))


REFERENCES: dict[str, Callable[[Any, Case], Expected]] = {
    "box_iou": _scored(_box_iou),
    "box_iou_loss": _scored(_iou_loss),
    "ciou_loss": _scored(_ciou),
    "diou_loss": _scored(_diou),
    "eiou_loss": _scored(_eiou),
    "focal_eiou_loss": _scored(_focal_eiou),
    "giou_loss": _scored(_giou),
}
