"""The pixels of a class in order: a multiset of values, which merges, and is sorted where it is read."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from lossgauge_service.measures.confidences import Column, sides_of
from lossgauge_service.samples import Sample
from lossgauge_service.statistics import Measure


@dataclass(frozen=True, eq=False)
class Ranking:
    """The positives and the negatives of a class, in columns that are sorted, each."""

    positives: tuple[Column, ...]
    negatives: tuple[Column, ...]

    def __add__(self, other: "Ranking") -> "Ranking":
        """Both together."""
        return Ranking(self.positives + other.positives, self.negatives + other.negatives)

    @cached_property
    def positive(self) -> Column:
        """The positives, ascending."""
        return _merged(self.positives)

    @cached_property
    def negative(self) -> Column:
        """The negatives, ascending."""
        return _merged(self.negatives)


class Rankings(NamedTuple):
    """A `Ranking` for each class: (samples, classes)."""

    classes: NDArray[np.object_]


@dataclass(frozen=True)
class Ranked(Measure[Rankings]):
    """The order of the valid pixels, class by class: of logits as they are, else of probabilities, each class against the rest.

    top: the order of the predicted class's confidence, of the pixels that are right and of those that are wrong.
    """

    told: ClassVar[str] = "the order of the pixels"

    top: bool = False

    @property
    def grows(self) -> bool:
        return True

    def measure(self, sample: Sample, device: torch.device) -> Rankings:
        sides = list(sides_of(sample, self.top))
        classes = np.empty(len(sides), object)
        for place, side in enumerate(sides):
            classes[place] = Ranking((_sorted(side.positive, device),), (_sorted(side.negative, device),))
        return Rankings(classes)


def _sorted(column: Column, device: torch.device) -> Column:
    if device.type != "cpu":
        return sorted_on(device, column)
    if column.weights is None:
        column.values.sort()
        return column
    order = np.argsort(column.values, kind="stable")
    return Column(column.values[order], column.weights[order])


def sorted_on(device: torch.device, column: Column) -> Column:
    """The column in ascending order, sorted by torch where a sort is faster than the way there."""
    found = torch.from_numpy(column.values).to(device).sort(stable=True)
    weights = None if column.weights is None else column.weights[found.indices.cpu().numpy()]
    return Column(found.values.cpu().numpy(), weights)


def _merged(columns: tuple[Column, ...]) -> Column:
    if len(columns) == 1:
        return columns[0]
    values = np.concatenate([column.values for column in columns])
    if columns[0].weights is None:
        # runs that are sorted are merged, not sorted again
        return Column(np.sort(values, kind="stable"), None)
    weights = np.concatenate([column.weights for column in columns if column.weights is not None])
    order = np.argsort(values, kind="stable")
    return Column(values[order], weights[order])
