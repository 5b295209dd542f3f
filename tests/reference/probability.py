"""Probabilities and masks of a prediction, each in the form that loses no digit."""

from dataclasses import dataclass

import numpy as np

from tests.reference.case import AnyArray, Case, Floats, Mask


@dataclass(frozen=True)
class Pair:
    """The logarithms of p and of 1 - p, kept apart because 1 - p is lost in p."""

    log_p: Floats
    log_q: Floats

    @property
    def p(self) -> Floats:
        """The probability of the class."""
        return np.exp(self.log_p)

    @property
    def q(self) -> Floats:
        """The probability that it is not the class."""
        return np.exp(self.log_q)

    def clipped(self, interval: tuple[float, float] | None) -> "Pair":
        """p clipped into [low, high], and with it 1 - p into [1 - high, 1 - low]."""
        if interval is None:
            return self
        low, high = interval
        with np.errstate(divide="ignore"):
            log_p = np.clip(self.log_p, np.log(low), np.log(high))
            log_q = np.clip(self.log_q, np.log1p(-high), np.log1p(-low))
        return Pair(log_p, log_q)

    def floored(self, floor: float | None) -> "Pair":
        """The logarithms of max(p, floor) and max(1 - p, floor)."""
        if floor is None:
            return self
        return Pair(np.maximum(self.log_p, np.log(floor)), np.maximum(self.log_q, np.log(floor)))


def pair_of_sigmoid(case: Case) -> Pair:
    """p of each element alone (binary, multilabel)."""
    x = np.asarray(case.prediction, dtype=np.float64)
    if case.prediction_kind == "logits":
        return Pair(-np.logaddexp(0.0, -x), -np.logaddexp(0.0, x))
    return _pair_of_probabilities(x)


def pair_of_softmax(case: Case) -> Pair:
    """p of each class (C, *S); 1 - p of logits is the sum of the other classes' p."""
    x = np.asarray(case.prediction, dtype=np.float64)
    if case.prediction_kind != "logits":
        return _pair_of_probabilities(x)
    total = np.logaddexp.reduce(x, axis=0)
    others = [np.logaddexp.reduce(np.delete(x, c, axis=0), axis=0) for c in range(len(x))]
    return Pair(x - total, np.stack(others) - total)


def _pair_of_probabilities(p: Floats) -> Pair:
    with np.errstate(divide="ignore"):
        return Pair(np.log(p), np.log1p(-p))


def soft_membership(case: Case) -> Floats:
    """How much each element belongs to each class: (C, *S), probabilities, or 0 and 1 of labels."""
    if case.prediction_kind == "labels":
        return _membership_of_labels(case)
    if case.prediction_kind == "probabilities":
        return _channels(case, case.prediction)
    return pair_of_softmax(case).p if case.task == "multiclass" else _channels(case, pair_of_sigmoid(case).p)


def hard_membership(case: Case, threshold: float, side: str) -> Floats:
    """Which class each element is in: (C, *S) of 0 and 1. Multi-class: the first of the greatest."""
    if case.prediction_kind == "labels":
        return _membership_of_labels(case)
    if case.task == "multiclass":
        return one_hot(np.argmax(case.prediction, axis=0), case.classes)
    return _channels(case, exceeds(case, threshold, side))


def target_membership(case: Case) -> Floats:
    """The target as (C, *S), 0 or 1, or soft; ignored elements hold what they hold."""
    if case.task == "multiclass":
        return one_hot(case.target, case.classes)
    return _channels(case, case.target)


def exceeds(case: Case, threshold: float, side: str) -> Mask:
    """Where p > threshold (or >=), p the exact sigmoid of a logit, compared in the prediction's own dtype."""
    if case.prediction_kind != "logits":
        return _compare(case.prediction, threshold, side)
    if threshold in (0.0, 1.0):
        return np.full(case.prediction.shape, threshold == 0.0)
    return _compare(case.prediction, float(np.log(threshold / (1.0 - threshold))), side)


def _compare(values: AnyArray, threshold: float, side: str) -> Mask:
    limit = values.dtype.type(threshold)
    above = {"greater": np.greater, "greater_equal": np.greater_equal}[side]
    return np.asarray(above(values, limit), dtype=np.bool_)


def one_hot(labels: AnyArray, classes: int) -> Floats:
    """(C, *S) of 0 and 1; a label that is no class is in none."""
    return np.stack([np.asarray(labels == c, dtype=np.float64) for c in range(classes)])


def _membership_of_labels(case: Case) -> Floats:
    if case.task == "multiclass":
        return one_hot(case.prediction, case.classes)
    return _channels(case, case.prediction)


def _channels(case: Case, values: AnyArray) -> Floats:
    channels = values[np.newaxis] if case.task == "binary" else values
    return np.asarray(channels, dtype=np.float64)
