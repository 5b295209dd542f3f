"""The thresholds of a ranking, and how much of either side lies at or above each."""

from typing import Any, NamedTuple

import numpy as np

from lossgauge_service.measures.confidences import Column, probabilities
from lossgauge_service.measures.histogram import Bins
from lossgauge_service.measures.ranking import Ranking
from lossgauge_service.samples import AnyArray, Case
from lossgauge_service.statistics import Values

Point = dict[str, Any]


class Steps(NamedTuple):
    """Descending thresholds, as probabilities, and the weight of the positives and of the negatives at or above each."""

    thresholds: Values
    tp: Values
    fp: Values

    @property
    def positives(self) -> float:
        """The weight of all positives."""
        return float(self.tp[-1]) if len(self.tp) else 0.0

    @property
    def negatives(self) -> float:
        """The weight of all negatives."""
        return float(self.fp[-1]) if len(self.fp) else 0.0

    @property
    def recall(self) -> Values:
        """TP / P."""
        return self.tp / self.positives

    @property
    def fall_out(self) -> Values:
        """FP / N."""
        return self.fp / self.negatives

    @property
    def precision(self) -> Values:
        """TP / (TP + FP); 1 where nothing weighs anything."""
        predicted = self.tp + self.fp
        return np.where(predicted > 0, self.tp, 1.0) / np.where(predicted > 0, predicted, 1.0)


def steps_of_ranking(case: Case, ranking: Ranking) -> Steps:
    """A step for each value that there is: what is tied is one step."""
    positive, negative = ranking.positive, ranking.negative
    values = np.sort(np.concatenate([positive.values, negative.values]), kind="stable")
    new = np.ones(len(values), bool)
    new[1:] = values[1:] != values[:-1]
    thresholds = values[new][::-1]
    return Steps(probabilities(case, thresholds), _reached(positive, thresholds), _reached(negative, thresholds))


def _reached(column: Column, thresholds: AnyArray) -> Values:
    """The weight at or above each threshold."""
    above = len(column.values) - np.searchsorted(column.values, thresholds[::-1], side="left")[::-1]
    if column.weights is None:
        return above.astype(np.float64)
    return np.concatenate([[0.0], np.cumsum(column.weights[::-1])])[above]


def steps_of_bins(bins: Bins) -> Steps:
    """A step for each bin, at its lower edge."""
    count = len(bins.positive)
    return Steps(np.arange(count)[::-1] / count, np.cumsum(bins.positive[::-1]), np.cumsum(bins.negative[::-1]))


# ------------------------------------------------------------------------------------------------------- areas and bounds


def roc_area(steps: Steps) -> float:
    """The trapezoids' area, of a curve from (0, 0)."""
    return _trapezoids(steps.fall_out, steps.recall)


def _trapezoids(x: Values, y: Values) -> float:
    return float((np.diff(x, prepend=0) * (y + np.concatenate([[0.0], y[:-1]]))).sum() / 2)


def precision_area(steps: Steps) -> float:
    """The steps' area: what each adds to the recall, times its precision."""
    return _rectangles(steps.recall, steps.precision)


def _rectangles(recall: Values, precision: Values) -> float:
    return float((np.diff(recall, prepend=0) * precision).sum())


def roc_bound(steps: Steps) -> float:
    """Half of what the pairs within a step weigh: what their order may add or take away."""
    return float((np.diff(steps.recall, prepend=0) * np.diff(steps.fall_out, prepend=0)).sum() / 2)


def precision_bound(steps: Steps) -> float:
    """How far the sum is from the least and from the greatest that any order within the steps has.

    A positive of a step has at most TP / (TP + FP'), FP' being before the step. The least sum has all of a step's negatives
    before its positives: the integral over s from TP' to TP of s / (s + FP), TP - TP' - FP log((TP + FP) / (TP' + FP)).
    """
    added = np.diff(steps.tp, prepend=0)
    steps_with = added > 0
    tp, fp, added = steps.tp[steps_with], steps.fp[steps_with], added[steps_with]
    passed = (steps.fp - np.diff(steps.fp, prepend=0))[steps_with]
    most = added * tp / (tp + passed)
    least = added + fp * np.log1p(-np.where(fp > 0, added / (tp + fp), 0))
    value = added * tp / (tp + fp)
    return float(max((most - value).sum(), (value - least).sum()) / steps.positives)


# ---------------------------------------------------------------------------------------------------------------- curves


def roc_curve(steps: Steps, most: int) -> Point:
    """False and true positive rates from (0, 0) on, and their thresholds; points on a straight line are left out."""
    x, y = (np.concatenate([[0.0], values]) for values in (steps.fall_out, steps.recall))
    bends = np.ones(len(x), bool)
    bends[1:-1] = np.diff(x)[1:] * np.diff(y)[:-1] != np.diff(x)[:-1] * np.diff(y)[1:]
    kept = _spread(np.flatnonzero(bends), x + y, most)
    thresholds = [None, *steps.thresholds.tolist()]
    change = _trapezoids(x[kept], y[kept]) - _trapezoids(x, y)
    return {
        "fpr": x[kept].tolist(),
        "tpr": y[kept].tolist(),
        "thresholds": [thresholds[place] for place in kept],
        "area_change": change if len(kept) < bends.sum() else 0.0,
    }


def precision_curve(steps: Steps, most: int) -> Point:
    """Precision and recall in the order of descending thresholds; steps that add no positive are left out."""
    rises = np.flatnonzero(np.diff(steps.tp, prepend=0) > 0)
    kept = _spread(rises, steps.recall, most)
    recall, precision = steps.recall[kept], steps.precision[kept]
    change = _rectangles(recall, precision) - precision_area(steps)
    return {
        "precision": precision.tolist(),
        "recall": recall.tolist(),
        "thresholds": steps.thresholds[kept].tolist(),
        "area_change": change if len(kept) < len(rises) else 0.0,
    }


def _spread(places: AnyArray, along: Values, most: int) -> AnyArray:
    """At most so many of the places, the first and the last among them, evenly along an ascending measure."""
    if len(places) <= most:
        return places
    there = along[places]
    nearest = np.searchsorted(there, np.linspace(there[0], there[-1], most))
    nearest[0], nearest[-1] = 0, len(places) - 1
    return places[np.unique(nearest)]
