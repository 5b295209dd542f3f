"""The Brier score: the mean of (p - t)^2."""

from collections.abc import Callable
from typing import Any

import numpy as np
from lossgauge.metrics import Brier

from tests.reference.case import (
    NO_VALID_PIXELS,
    NOTHING_TO_SCORE,
    Case,
    Expected,
    Floats,
    Mask,
    Outcome,
    reasons_by_class,
)
from tests.reference.probability import pair_of_sigmoid, pair_of_softmax, target_membership


def brier(spec: Brier, case: Case) -> Expected:
    """The mean over pixels of (p - t)^2, summed over classes."""
    t = target_membership(case)
    error = _misses(case).reshape(t.shape)
    v = np.broadcast_to(case.pixel_weight * case.valid, t.shape)
    if not case.valid.any():
        return NOTHING_TO_SCORE
    valid = np.broadcast_to(case.valid, t.shape)
    divisors = v if spec.weight_denominator == "weights" else valid
    squares, weights = ([float(np.sum(part)) for part in parts] for parts in (v * error**2, divisors))
    if case.task == "multiclass":
        parts = {"sum": 1.0, "half_sum": 0.5, "mean": 1 / len(squares)}
        value = parts[spec.class_reduction] * sum(squares) / weights[0] if weights[0] else 0.0
    else:
        value = sum(squares) / sum(weights) if sum(weights) else 0.0
    if case.task == "binary":
        return Expected(value)
    outcomes = [_outcome(*parts) for parts in zip(squares, weights, v, valid, strict=True)]
    reasons = reasons_by_class(outcomes)
    extras = {"undefined_classes": reasons} if reasons else {}
    return Expected(value, None, [outcome.value for outcome in outcomes], extras)


def _misses(case: Case) -> Floats:
    """|p - t|; of a hard target without a difference."""
    pair = pair_of_softmax(case) if case.task == "multiclass" else pair_of_sigmoid(case)
    t = target_membership(case)
    p, q = pair.p.reshape(t.shape), pair.q.reshape(t.shape)
    return np.where(t == 1, q, np.where(t == 0, p, np.abs(p - t)))


def _outcome(square: float, divisor: float, weights: Floats, valid: Mask) -> Outcome:
    if not valid.any():
        return Outcome(None, NO_VALID_PIXELS)
    return Outcome(square / divisor) if np.any(weights * valid) else Outcome(None, "no_weight")


REFERENCES: dict[str, Callable[[Any, Case], Expected]] = {"brier": brier}
