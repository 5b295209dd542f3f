"""The pixels that a ranking is of: a value, whether it is positive, and a weight, class by class."""

import math
from dataclasses import dataclass

import numpy as np

from tests.reference.case import AnyArray, Case, Floats, Mask
from tests.reference.probability import target_membership


@dataclass(frozen=True)
class Pixels:
    """The pixels of one class, or label, that count."""

    value: Floats
    positive: Mask
    weight: Floats
    count: int

    def __add__(self, other: "Pixels") -> "Pixels":
        """Those of both."""
        value, weight = (np.concatenate(pair) for pair in ((self.value, other.value), (self.weight, other.weight)))
        positive = np.concatenate([self.positive, other.positive])
        return Pixels(value, positive, weight, self.count + other.count)

    @property
    def positives(self) -> float:
        """The weight of the positives."""
        return float(self.weight[self.positive].sum())

    @property
    def negatives(self) -> float:
        """The weight of the negatives."""
        return float(self.weight[~self.positive].sum())

    def with_values(self, value: AnyArray) -> "Pixels":
        """The same pixels with other values."""
        return Pixels(np.asarray(value, np.float64), self.positive, self.weight, self.count)


def ranked(case: Case) -> list[Pixels]:
    """Each class's pixels by what they are ranked by: a mask's logits as they are, else probabilities."""
    logits = case.task != "multiclass" and case.prediction_kind == "logits"
    return _pixels(
        case, _channels(case, case.prediction) if logits else probabilities(case), target_membership(case) == 1
    )


def rated(case: Case) -> list[Pixels]:
    """Each class's pixels by their probability."""
    return _pixels(case, probabilities(case), target_membership(case) == 1)


def confident(case: Case) -> list[Pixels]:
    """The pixels by the confidence of the predicted class; positive is what is right."""
    p = probabilities(case)
    if case.task == "multiclass":
        return _pixels(case, p.max(0)[None], (case.prediction.argmax(0) == case.target)[None])
    guess = p > 0.5
    return _pixels(case, np.maximum(p, 1 - p), guess == (target_membership(case) == 1))


def probabilities(case: Case) -> Floats:
    """(C, *S). The softmax divides by a sum that is rounded once, so that classes that change places stay tied."""
    x = np.asarray(case.prediction, np.float64)
    if case.prediction_kind == "probabilities":
        return _channels(case, x)
    if case.task != "multiclass":
        with np.errstate(over="ignore"):
            return _channels(case, 1 / (1 + np.exp(-x)))
    e = np.exp(x - x.max(0))
    return np.asarray(e / np.apply_along_axis(math.fsum, 0, e))


def _channels(case: Case, values: AnyArray) -> Floats:
    return np.asarray(values[None] if case.task == "binary" else values, np.float64)


def _pixels(case: Case, values: Floats, positive: Mask) -> list[Pixels]:
    weight, valid = (np.broadcast_to(array, values.shape) for array in (case.pixel_weight, case.valid))
    return [_counted(*row) for row in zip(values, positive, weight, valid, strict=True)]


def _counted(value: Floats, positive: Mask, weight: Floats, valid: Mask) -> Pixels:
    kept = valid & (weight > 0)
    return Pixels(value[kept], positive[kept], weight[kept], int(valid.sum()))
