"""The area under the ROC curve of a sample's masks: exact, from a sort."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossgauge_service.samples import Sample

Values = NDArray[np.float64]


class Area(NamedTuple):
    """The area, or NaN and why; positives: the weight of the positives."""

    value: float
    reason: str | None
    positives: float


def areas_of(sample: Sample, together: bool) -> list[Area]:
    """The area of each label's mask, or of all labels' pixels together. The target is hard.

    The chance that a positive's score is above a negative's; equal scores count a half, whatever their order.
    Range [0, 1]. Undefined: `no_valid_pixels`, `no_weight`, `target_empty`, `no_negatives`. Source: Hanley and McNeil, 1982.
    """
    weights = [None] * sample.case.classes if sample.weight is None else [*sample.weight]
    if not together:
        return [_area(*row) for row in zip(sample.prediction, sample.target, weights, strict=True)]
    weight = None if sample.weight is None else sample.weight.reshape(-1)
    return [_area(sample.prediction.reshape(-1), sample.target.reshape(-1), weight)]


class Side(NamedTuple):
    """The scores of one side in order, each one's weight, and the weight below each place."""

    scores: NDArray[Any]
    weights: Values
    below: Values

    @property
    def total(self) -> float:
        """The weight of all."""
        return float(self.below[-1])


def _area(scores: NDArray[Any], target: NDArray[Any], weight: NDArray[Any] | None) -> Area:
    positives, negatives = (_side(scores, weight, target == label) for label in (1, 0))
    reason = _reason(positives, negatives)
    if reason is not None:
        return Area(np.nan, reason, positives.total)
    lower = negatives.below[np.searchsorted(negatives.scores, positives.scores, "left")]
    upper = negatives.below[np.searchsorted(negatives.scores, positives.scores, "right")]
    twice = float((positives.weights * (lower + upper)).sum())
    return Area(twice / 2 / (positives.total * negatives.total), None, positives.total)


def _side(scores: NDArray[Any], weight: NDArray[Any] | None, chosen: NDArray[np.bool_]) -> Side:
    picked = scores[chosen]
    if weight is None:
        return Side(np.sort(picked), np.ones(len(picked)), np.arange(len(picked) + 1, dtype=np.float64))
    order = np.argsort(picked, kind="stable")
    weights = weight[chosen][order].astype(np.float64)
    return Side(picked[order], weights, np.concatenate([[0.0], np.cumsum(weights)]))


def _reason(positives: Side, negatives: Side) -> str | None:
    if len(positives.scores) + len(negatives.scores) == 0:
        return "no_valid_pixels"
    if positives.total + negatives.total == 0:
        return "no_weight"
    if positives.total == 0:
        return "target_empty"
    return "no_negatives" if negatives.total == 0 else None
