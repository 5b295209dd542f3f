"""Values that may be undefined, and their averages."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lossgauge.metrics import Empty
from lossgauge.wire import Score

from lossgauge_service.statistics import TotalSums


@dataclass(frozen=True)
class Value:
    """A number, or the reason why there is none."""

    number: float | None
    reason: str | None = None


NO_PIXELS = Value(None, "no_valid_pixels")
NO_WEIGHT = Value(None, "no_weight")


def nothing_to_score(totals: TotalSums) -> Value | None:
    """Why nothing counts: every pixel is ignored, or weighs nothing. None where something does."""
    if totals.valid.sum() == 0:
        return NO_PIXELS
    return NO_WEIGHT if totals.weight.sum() == 0 else None


def finite(number: float) -> Value:
    """A number as a value; what is not finite is undefined, as `infinite`."""
    return Value(float(number)) if math.isfinite(number) else Value(None, "infinite")


def ratio(numerator: float, denominator: float, reason: str) -> Value:
    """numerator / denominator, undefined for the reason where the denominator is 0."""
    return finite(numerator / denominator) if denominator != 0 else Value(None, reason)


def empty_case(predicted: float, targeted: float) -> Literal["both", "target", "prediction"] | None:
    """Which of the masks are empty."""
    if targeted == 0:
        return "both" if predicted == 0 else "target"
    return "prediction" if predicted == 0 else None


def by_rule(
    empty: Empty, case: Literal["both", "target", "prediction"] | None, formula: Callable[[str], Value]
) -> Value:
    """The value under the empty rules; `formula` is given the reason for a 0/0."""
    if case is None:
        return formula("zero_denominator")
    rule = getattr(empty, case)
    if rule == "formula":
        return formula(f"{case}_empty")
    if rule in ("undefined", "skip"):
        return Value(None, f"{case}_empty" if rule == "undefined" else "skipped")
    return finite(rule)


def mean(values: Sequence[Value], weights: Sequence[float] | None = None) -> Value:
    """The (weighted) mean of the defined values; undefined for their common reason when there are none."""
    numbers = [
        (v.number, w) for v, w in zip(values, weights or [1.0] * len(values), strict=True) if v.number is not None
    ]
    if not numbers:
        reasons = {v.reason for v in values}
        return Value(None, reasons.pop() if len(reasons) == 1 else "no_class_defined")
    return ratio(math.fsum(n * w for n, w in numbers), math.fsum(w for _, w in numbers), "target_empty")


def score_of(value: Value, **extras: Any) -> Score:
    """A score of one value; extras that are None are left out."""
    given = {name: extra for name, extra in extras.items() if extra is not None}
    if value.reason is not None:
        given["undefined"] = value.reason
    return Score(value=value.number, **given)


def score_of_classes(value: Value, classes: Sequence[Value], considered: Sequence[Value], **extras: Any) -> Score:
    """A score averaged over classes, with each class's value and what the average counted."""
    reasons = {str(i): v.reason for i, v in enumerate(classes) if v.reason is not None}
    counted = sum(v.number is not None for v in considered)
    return score_of(
        value,
        per_class=[v.number for v in classes],
        undefined_classes=reasons or None,
        counted=counted,
        skipped=len(considered) - counted,
        **extras,
    )
