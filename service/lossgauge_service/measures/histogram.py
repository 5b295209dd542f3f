"""The pixels of a class in equal bins of their probability or confidence: sums that add up."""

from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import torch

from lossgauge_service.measures.confidences import Column, Sides, as_probabilities, sides_of
from lossgauge_service.samples import Case, Sample
from lossgauge_service.statistics import Measure, Values

Edge = Literal["left", "right"]


class Bins(NamedTuple):
    """The weight of the positives (or right ones) and of the others, and the sum of weight times confidence, by bin."""

    positive: Values
    negative: Values
    confidence: Values

    @property
    def weight(self) -> Values:
        """The weight in a bin."""
        return self.positive + self.negative


@dataclass(frozen=True)
class Binned(Measure[Bins]):
    """Equal bins of [0, 1]; (classes, bins). closed: the edge that belongs to a bin. top: of the predicted class's confidence."""

    told: ClassVar[str] = "bins of the confidence"

    bins: int
    closed: Edge
    top: bool = False

    def measure(self, sample: Sample, device: torch.device) -> Bins:
        edges = _edges(sample.case, self.bins)
        sides = (as_probabilities(sample.case, side, self.top) for side in sides_of(sample, self.top))
        rows = [binned(side, edges, self.closed) for side in sides]
        return Bins(*(np.stack(values) for values in zip(*rows, strict=True)))


def _edges(case: Case, bins: int) -> Values:
    """Between the bins. A probability is compared with an edge in its own dtype, as NumPy and torch do."""
    edges = np.arange(1, bins) / bins
    return edges.astype(case.sent).astype(case.precision).astype(np.float64) if case.kind == "probabilities" else edges


def binned(sides: Sides, edges: Values, closed: Edge) -> Bins:
    """The sums of a class's probabilities between edges: (bins,)."""
    (positive, right), (negative, wrong) = (_side(side, edges, closed) for side in sides)
    return Bins(positive, negative, right + wrong)


def _side(column: Column, edges: Values, closed: Edge) -> tuple[Values, Values]:
    place = np.searchsorted(edges, column.values, side="right" if closed == "left" else "left")
    weight = np.ones(len(place)) if column.weights is None else column.weights
    size = len(edges) + 1
    sums = (np.bincount(place, values, size) for values in (weight, weight * column.values))
    count, confidence = (np.asarray(one, np.float64) for one in sums)
    return count, confidence
