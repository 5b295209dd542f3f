"""How sure a prediction is of each pixel, and which pixels bear it out: what rankings and histograms are made of."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossgauge_service.samples import AnyArray, Case, Sample
from lossgauge_service.statistics import Values

Mask = NDArray[np.bool_]
GRAIN = 2.0**42
"""Multiples of 1 / GRAIN up to 1 add up exactly, two thousand of them."""


class Column(NamedTuple):
    """Values of pixels, and their weights, None where each weighs 1."""

    values: AnyArray
    weights: Values | None


class Sides(NamedTuple):
    """The valid pixels of a class that weigh something: those that are positive (or right), and the others."""

    positive: Column
    negative: Column


class Row(NamedTuple):
    """The values of a class's pixels, all of them, and which of them are positive and negative, the ignored being neither."""

    values: AnyArray
    positive: Mask
    negative: Mask
    weights: Values | None


def sides_of(sample: Sample, top: bool) -> Iterator[Sides]:
    """Each class's pixels by its own value; where `top`, by the confidence of the predicted class: one row for classes."""
    for row in _top(sample) if top else rows_by_class(sample):
        yield Sides(_column(row, row.positive), _column(row, row.negative))


def _column(row: Row, where: Mask) -> Column:
    if row.weights is None:
        return Column(row.values[where], None)
    counted = where & (row.weights > 0)
    return Column(row.values[counted], row.weights[counted])


def rows_by_class(sample: Sample) -> Iterator[Row]:
    """Each class's values: logits of masks as they are, and probabilities."""
    if sample.case.task != "multiclass":
        for place, (values, target) in enumerate(zip(sample.prediction, sample.target, strict=True)):
            yield Row(values, target == 1, target == 0, _weights(sample, place))
        return
    weights = _weights(sample, 0)
    for place, values in enumerate(_class_probabilities(sample)):
        positive = sample.target == place
        yield Row(values, positive, ~positive & (sample.target >= 0), weights)


def _top(sample: Sample) -> Iterator[Row]:
    if sample.case.task == "multiclass":
        right = sample.prediction.argmax(0) == sample.target
        valid = sample.target >= 0
        yield Row(_class_probabilities(sample).max(0), right & valid, ~right & valid, _weights(sample, 0))
        return
    for row in rows_by_class(sample):
        p = probabilities(sample.case, row.values)
        guessed = p > 0.5
        right, wrong = np.where(guessed, row.positive, row.negative), np.where(guessed, row.negative, row.positive)
        yield Row(np.maximum(p, 1 - p), right, wrong, row.weights)


def _weights(sample: Sample, place: int) -> Values | None:
    if sample.weight is None:
        return None
    weights = sample.weight if sample.weight.ndim == 1 else sample.weight[place]
    with np.errstate(over="ignore"):
        return np.asarray(weights, np.float64) * sample.weight_scale


def probabilities(case: Case, values: AnyArray) -> Values:
    """The float64 probabilities of a mask's values, in their order."""
    return sigmoid(values) if are_logits(case) else np.asarray(values, np.float64)


def are_logits(case: Case) -> bool:
    """Whether the values of rows by class are logits; those of classes are probabilities by then."""
    return case.kind == "logits" and case.task != "multiclass"


def sigmoid(logits: AnyArray) -> Values:
    """1 / (1 + exp(-x)), in float64."""
    wide = np.asarray(logits, np.float64)
    e = np.exp(-abs(wide))
    return np.asarray(np.where(wide >= 0, 1, e) / (1 + e))


def as_probabilities(case: Case, sides: Sides, top: bool) -> Sides:
    """The sides with what `sides_of` gives as logits, the masks' own values, as probabilities."""
    if top:
        return sides
    return Sides(*(side._replace(values=probabilities(case, side.values)) for side in sides))


def _class_probabilities(sample: Sample) -> Values:
    wide = np.asarray(sample.prediction, np.float64)
    if sample.case.kind != "logits":
        return wide
    with np.errstate(over="ignore"):
        e = np.exp(wide - wide.max(0))
    # summed so that the order of the classes cannot be seen: pixels that are tied stay tied
    coarse = np.round(e * GRAIN) / GRAIN
    return np.asarray(e / (coarse.sum(0) + (e - coarse).sum(0)))


def slopes_of_prediction(sample: Sample, slopes: Values) -> Values:
    """d score / d prediction from d score / d value of the rows by class, both (classes, pixels)."""
    if sample.case.task != "multiclass" or sample.case.kind != "logits":
        return slopes
    p = _class_probabilities(sample)
    # from those of the top class, whose probability may be near 1: what is left is sums of small ones
    apart = slopes - np.take_along_axis(slopes, p.argmax(0)[None], 0)
    return np.asarray(p * (apart - (p * apart).sum(0)))
