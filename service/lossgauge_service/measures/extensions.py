"""The Lovasz extension of the Jaccard loss at the errors of a class's pixels, and its derivative.

With P positives, the Jaccard loss after i positives and j negatives is 1 - (P - i) / (P + j). A positive adds 1 / (P + j) to it, a
negative (P - i) / ((P + j) (P + j + 1)): no more is needed of the common order than how many of the other side come before.

What a pixel adds is the derivative with respect to its error: the order does not change with a small step, but where pixels are
tied. Each of a tie's pixels has then the mean of what those of its side add, and of the positives before the negatives and of these
before the positives the mean again: a subgradient that depends on no order of the pixels.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossgauge_service.measures.confidences import Row, rows_by_class, sigmoid, slopes_of_prediction
from lossgauge_service.measures.ranking import Ranked, Ranking, Rankings
from lossgauge_service.samples import AnyArray, Sample
from lossgauge_service.statistics import Derived, Differentiable, Values


class Errors(NamedTuple):
    """The error of a pixel from its value, `offset` + `order` where that is above 0.

    order: of values, and whether they are the positives'; compared as it is, without a rounding. slope: |d error / d value|, of the
    values and their order.
    """

    offset: float
    order: Callable[[AnyArray, bool], AnyArray]
    slope: Callable[[AnyArray, AnyArray], Values]

    def above_zero(self, order: AnyArray) -> AnyArray:
        """The first of a descending order, whose errors are above 0."""
        return order[: len(order) - np.searchsorted(order[::-1], -self.offset, side="right")]

    def of(self, order: AnyArray) -> Values:
        """The errors themselves, where they are above 0."""
        return np.asarray(self.offset + order.astype(np.float64))


def _margin(logits: AnyArray, positive: bool) -> AnyArray:
    return -logits if positive else logits


def _distance(p: Values, positive: bool) -> Values:
    return 1 - np.asarray(p, np.float64) if positive else np.asarray(p, np.float64)


def _distance_of_logits(logits: AnyArray, positive: bool) -> Values:
    return _distance(sigmoid(logits), positive)


def _slope_of_sigmoid(logits: AnyArray, order: AnyArray) -> Values:
    e = np.exp(-abs(np.asarray(logits, np.float64)))
    return np.asarray(e / (1 + e) ** 2)


ErrorName = Literal["hinge", "sigmoid", "probability"]
ERRORS: Mapping[ErrorName, Errors] = {
    "hinge": Errors(1.0, _margin, lambda logits, order: (order > -1).astype(np.float64)),
    "sigmoid": Errors(0.0, _distance_of_logits, _slope_of_sigmoid),
    "probability": Errors(0.0, _distance, lambda p, order: np.ones(len(p))),
}


@dataclass(frozen=True, eq=False)
class Extended:
    """The extension at the errors of a class's pixels, which are ranked by their values; adding joins the pixels."""

    name: ErrorName
    ranking: Ranking

    def __add__(self, other: "Extended") -> "Extended":
        return Extended(self.name, self.ranking + other.ranking)

    @cached_property
    def loss(self) -> float:
        """The sum of the errors in descending order, each times what it adds."""
        errors, positive, negative = ERRORS[self.name], self.ranking.positive.values, self.ranking.negative.values
        wrong = errors.above_zero(errors.order(positive, True))
        guessed = errors.above_zero(errors.order(negative[::-1], False))
        return _extension(errors.of(wrong), errors.of(guessed), *_places(wrong, guessed), len(positive))


def _extension(positive: Values, negative: Values, before: AnyArray, after: AnyArray, size: int) -> float:
    """The sum, of errors in descending order.

    before: how many negatives come before each positive; after: how many positives before each negative. size: P.
    """
    if size == 0:
        return float(negative[0]) if len(negative) else 0.0
    union = size + np.arange(len(negative), dtype=np.float64)
    missed = size - after.astype(np.float64)
    return float((positive / (size + before)).sum() + (negative * missed / (union * (union + 1))).sum())


def _places(positive: AnyArray, negative: AnyArray) -> tuple[AnyArray, AnyArray]:
    """How many negatives stand before each positive, and positives before each negative; of a tie the positive is first."""
    p, n = positive[::-1], negative[::-1]
    before = len(n) - np.searchsorted(n, p, side="right")[::-1]
    after = len(p) - np.searchsorted(p, n, side="left")[::-1]
    return before, after


class Extensions(NamedTuple):
    """An `Extended` for each class: (samples, classes)."""

    classes: NDArray[np.object_]


@dataclass(frozen=True)
class Extension(Derived[Extensions, Rankings], Differentiable):
    """The extension of each class. Its slopes are those with respect to the classes' losses, (classes,)."""

    errors: ErrorName

    @property
    def basis(self) -> Ranked:
        return Ranked()

    @property
    def grows(self) -> bool:
        return True

    def derive(self, found: Rankings) -> Extensions:
        classes = np.empty(len(found.classes), object)
        for place, ranking in enumerate(found.classes):
            classes[place] = Extended(self.errors, ranking)
        return Extensions(classes)

    def derivative(self, sample: Sample, slopes: NDArray[Any]) -> Generator[None, None, Values]:
        found = np.zeros(sample.prediction.shape)
        for place, row in enumerate(rows_by_class(sample)):
            if slopes[place]:
                found[place] = slopes[place] * _derivative(ERRORS[self.errors], row)
            yield
        return slopes_of_prediction(sample, found)


# ------------------------------------------------------------------------------------------------------------ derivative


def _derivative(errors: Errors, row: Row) -> Values:
    """d loss / d value of each of a class's pixels, 0 for those that are ignored."""
    positive, negative = (_ascending(errors, row, where, side) for where, side in _sides(row))
    found = np.zeros(len(row.values))
    found[positive.places] = -_of_positives(positive.order, negative.order) * positive.slope
    found[negative.places] = _of_negatives(positive.order, negative.order) * negative.slope
    return found


class _Ascending(NamedTuple):
    """A side's pixels by ascending error: where they are, what orders them, and |d error / d value|."""

    places: AnyArray
    order: AnyArray
    slope: Values


def _sides(row: Row) -> tuple[tuple[AnyArray, bool], tuple[AnyArray, bool]]:
    return (np.flatnonzero(row.positive), True), (np.flatnonzero(row.negative), False)


def _ascending(errors: Errors, row: Row, where: AnyArray, positive: bool) -> _Ascending:
    order = errors.order(row.values[where], positive)
    # equals have equal parts: their order is free
    ascending = np.argsort(order)
    places, order = where[ascending], order[ascending]
    return _Ascending(places, order, errors.slope(row.values[places], order))


def _of_positives(positive: AnyArray, negative: AnyArray) -> Values:
    """What each positive adds: 1 / (P + j), j being how many negatives come before it."""
    first, last = (1 / (len(positive) + above) for above in _above(negative, positive))
    return np.asarray((first + last) / 2)


def _of_negatives(positive: AnyArray, negative: AnyArray) -> Values:
    """What each negative adds, the mean of its tie: (P - i) / ((P + j) (P + k)), from j to k of the negatives being in the tie."""
    size = len(positive)
    fewest, most = _above(positive, negative)
    before, until = _above(negative, negative)
    if size == 0:
        return np.where(before == 0, 1 / until, 0.0)
    return np.asarray((size - (fewest + most) / 2) / ((size + before) * (size + until)))


def _above(ascending: AnyArray, values: AnyArray) -> tuple[Values, Values]:
    """How many are above each value, without those that are equal and with them."""
    sides: tuple[Literal["right", "left"], ...] = ("right", "left")
    without, equal = (len(ascending) - np.searchsorted(ascending, values, side).astype(np.float64) for side in sides)
    return without, equal
