"""Pairs of boxes, by their corners."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from lossgauge_service.samples import Sample
from lossgauge_service.samples.checks import bad_values
from lossgauge_service.statistics import Differentiable, Measure, Values

BoxFormat = Literal["xyxy", "xywh", "cxcywh"]
SIZES: dict[BoxFormat, str] = {
    "xyxy": "x2 >= x1 and y2 >= y1",
    "xywh": "widths and heights >= 0",
    "cxcywh": "widths and heights >= 0",
}


@dataclass(frozen=True, eq=False)
class Joined:
    """Tables of pairs (n, 8), the corners of the prediction's box and of the target's; adding joins them."""

    tables: tuple[Values, ...]

    def __add__(self, other: "Joined") -> "Joined":
        return Joined(self.tables + other.tables)

    @property
    def rows(self) -> Values:
        """All pairs, one below the other."""
        return np.concatenate(self.tables)


class BoxPairs(NamedTuple):
    """boxes (1,): a sample's pairs."""

    boxes: NDArray[np.object_]


@dataclass(frozen=True)
class Corners(Measure[BoxPairs], Differentiable):
    """The pairs of a sample's boxes. Its slopes are those with respect to the corners of the predicted boxes, (n, 4)."""

    box_format: BoxFormat

    @property
    def grows(self) -> bool:
        return True

    def measure(self, sample: Sample, device: torch.device) -> BoxPairs:
        both = [
            self._corners(role, boxes) for role, boxes in (("prediction", sample.prediction), ("target", sample.target))
        ]
        boxes = np.empty(1, object)
        boxes[0] = Joined((np.concatenate(both, 1),))
        return BoxPairs(boxes)

    def _corners(self, role: str, boxes: Values) -> Values:
        """x1, y1, x2, y2 of each box. Raises `InvalidValues` for a box whose size is below 0."""
        low, high = boxes[:, :2], boxes[:, 2:]
        inverted = high < (low if self.box_format == "xyxy" else 0)
        if inverted.any():
            bad = np.concatenate([np.zeros_like(inverted), inverted], 1)
            raise bad_values(f"/{role}", role, boxes, bad, SIZES[self.box_format])
        if self.box_format == "xywh":
            high = low + high
        elif self.box_format == "cxcywh":
            low, high = low - high / 2, low + high / 2
        return np.concatenate([low, high], 1)

    def derivative(self, sample: Sample, slopes: NDArray[Any]) -> Generator[None, None, Values]:
        yield
        low, high = slopes[:, :2], slopes[:, 2:]
        if self.box_format == "xyxy":
            return slopes
        return np.concatenate([low + high, high if self.box_format == "xywh" else (high - low) / 2], 1)
