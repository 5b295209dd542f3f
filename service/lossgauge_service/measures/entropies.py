"""The cross-entropies of classes against every class, each times its class's weight: where a smoothed and weighted target goes to.

No sum of the pass has it, for its weights are one for each class and stand within the sum over the classes.
"""

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from lossgauge_service.samples import AnyArray, Sample
from lossgauge_service.statistics import Differentiable, Shared, Values

ELEMENTS = 2**18
"""Elements that are computed together."""


class EntropiesByClass(NamedTuple):
    """Sums of v sum_c w_c CE_c over the pixels of each class: (samples, classes)."""

    every: Values


@dataclass(frozen=True)
class WeightedEntropies(Shared[EntropiesByClass], Differentiable):
    """sum_c w_c CE_c of the pixels of each target class. clip: bounds of every probability; log_floor: a lower one besides."""

    class_weights: tuple[float, ...]
    clip: tuple[float, float] | None = None
    log_floor: float | None = None

    def measure(self, sample: Sample, device: torch.device) -> EntropiesByClass:
        parts = [self._by_class(sample, place) for place in _places(sample)]
        return EntropiesByClass(np.sum(parts, 0, np.float64))

    def shares(self, sample: Sample, place: slice) -> EntropiesByClass:
        mine = sample.target[place, None] == np.arange(sample.case.classes)
        return EntropiesByClass(np.where(mine, self._losses(sample, place)[:, None], 0.0))

    def derivative(self, sample: Sample, slopes: NDArray[Any]) -> Generator[None, None, Values]:
        found = np.zeros(sample.prediction.shape)
        for place in _places(sample):
            times = _weights(sample, place) * slopes[sample.target[place]]
            np.multiply(times, self._slopes(sample, place), out=found[:, place], where=times != 0)
            yield
        return found

    def _by_class(self, sample: Sample, place: slice) -> Values:
        target, losses = sample.target[place], self._losses(sample, place)
        sums = np.bincount(target[target >= 0], losses[target >= 0], sample.case.classes)
        return np.asarray(sums, np.float64)

    def _losses(self, sample: Sample, place: slice) -> Values:
        """Of each pixel, its weight included."""
        entropies, weights = self._bounded(_entropies(sample, place)), _weights(sample, place)
        # what weighs nothing may be infinite
        each = np.multiply(self._factors, entropies, out=np.zeros(entropies.shape), where=self._factors > 0)
        losses: Values = np.multiply(weights, each.sum(0), out=np.zeros(weights.shape), where=weights > 0)
        return losses

    def _slopes(self, sample: Sample, place: slice) -> Values:
        """d sum_c w_c CE_c / d prediction: nothing comes through a probability that is clipped."""
        entropies = _entropies(sample, place)
        factors = np.where(self._bounded(entropies) == entropies, self._factors, 0.0)
        p = np.exp(-entropies)
        if sample.case.kind == "logits":
            return np.asarray(p * factors.sum(0) - factors)
        return np.divide(-factors, p, out=np.zeros(p.shape), where=factors > 0)

    @property
    def _factors(self) -> Values:
        return np.array(self.class_weights)[:, None]

    def _bounded(self, entropies: Values) -> Values:
        low, high = self.clip or (0.0, 1.0)
        least, most = (_minus_log(p) for p in (high, max(low, self.log_floor or 0.0)))
        return entropies.clip(least, most)


def _minus_log(p: float) -> float:
    return -math.log(p) if p > 0 else math.inf


def _places(sample: Sample) -> Iterator[slice]:
    step = max(1, ELEMENTS // sample.case.classes)
    return (slice(start, start + step) for start in range(0, len(sample.target), step))


def _weights(sample: Sample, place: slice) -> Values:
    """v of each pixel."""
    valid = np.asarray(sample.target[place] >= 0, np.float64)
    if sample.weight is None:
        return valid
    with np.errstate(over="ignore"):
        return valid * (sample.weight[place].astype(np.float64) * sample.weight_scale)


def _entropies(sample: Sample, place: slice) -> Values:
    """-log p of every class, (classes, pixels)."""
    values = sample.prediction[:, place].astype(np.float64)
    if sample.case.kind == "logits":
        return _entropies_of_logits(values)
    with np.errstate(divide="ignore"):
        return np.asarray(-np.log(values))


def _entropies_of_logits(logits: AnyArray) -> Values:
    """The top's own 1 is left out of the sum, so that a small loss keeps its digits."""
    with np.errstate(over="ignore"):
        behind = logits.max(0) - logits
    others = np.where(behind > 0, np.exp(-behind), 0.0).sum(0) + (np.count_nonzero(behind == 0, 0) - 1)
    return np.asarray(behind + np.log1p(others))
