"""Numbers that may be undefined, a row per sample, and their averages."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from lossgauge.metrics import Empty
from lossgauge.wire import Score
from numpy.typing import NDArray

from lossgauge_service.statistics import TotalSums, Values

Mask = NDArray[np.bool_] | np.bool
Reasons = NDArray[np.object_]
"""Names of reasons, None where there is none."""


@dataclass(frozen=True)
class Readings:
    """Numbers, NaN where there is none, and the reason why there is none. The first axis is the sample."""

    numbers: Values
    reasons: Reasons

    @property
    def defined(self) -> Mask:
        """Where there is a number."""
        return ~np.isnan(self.numbers)

    def __getitem__(self, place: Any) -> "Readings":
        return Readings(self.numbers[place], self.reasons[place])

    def unless(self, where: Mask, reason: str | Reasons) -> "Readings":
        """The same, but undefined for the reason where the mask holds."""
        return self if not where.any() else Readings(*_put(self, where, np.nan, reason))

    def replaced(self, where: Mask, number: float) -> "Readings":
        """The same, but the number where the mask holds."""
        return self if not where.any() else Readings(*_put(self, where, number, None))

    def mapped(self, function: Callable[[Values], Values]) -> "Readings":
        """The function of every number."""
        return Readings(function(self.numbers), self.reasons)


def _put(readings: Readings, where: Mask, number: float, reason: str | Reasons | None) -> tuple[Values, Reasons]:
    return np.where(where, number, readings.numbers), np.where(where, np.asarray(reason, object), readings.reasons)


def finite(numbers: Values) -> Readings:
    """The numbers; what is not finite is undefined, as `infinite`."""
    reasons = np.full(numbers.shape, None, object)
    return Readings(numbers, reasons).unless(~np.isfinite(numbers), "infinite")


def undefined(shape: tuple[int, ...], reason: str) -> Readings:
    """No number anywhere."""
    return Readings(np.full(shape, np.nan), np.full(shape, reason, object))


def ratio(numerator: Values, denominator: Values, reason: str | Reasons) -> Readings:
    """numerator / denominator, undefined for the reason where the denominator is 0."""
    zero = denominator == 0
    return finite(numerator / np.where(zero, 1.0, denominator)).unless(zero, reason)


def stacked(readings: Sequence[Readings]) -> Readings:
    """Readings side by side, along a new last axis."""
    return Readings(np.stack([one.numbers for one in readings], -1), np.stack([one.reasons for one in readings], -1))


class Parts(Protocol):
    """What a value is made of, arrays (samples, classes): a NamedTuple that knows the sizes of both masks, and of what they share."""

    @property
    def shared(self) -> Values:
        """The size of what both have in common."""

    @property
    def predicted(self) -> Values:
        """The prediction's size."""

    @property
    def targeted(self) -> Values:
        """The target's size."""


class Sizes(NamedTuple):
    """Sizes alone."""

    shared: Values
    predicted: Values
    targeted: Values


def by_rules(empty: Empty, parts: Parts, formula: Callable[[Reasons], Readings]) -> Readings:
    """The formula's values under the empty rules, by the sizes of the masks; it is given the reasons of a 0/0."""
    no_target, no_guess = parts.targeted == 0, parts.predicted == 0
    reasons = np.full(no_target.shape, "zero_denominator", object)
    if not (no_target | no_guess).any():
        return _unmatched(empty, parts, formula(reasons))
    cases = {"both": no_target & no_guess, "target": no_target & ~no_guess, "prediction": no_guess & ~no_target}
    for case, where in cases.items():
        reasons[where] = f"{case}_empty"
    values = _unmatched(empty, parts, formula(reasons))
    for case, where in cases.items():
        values = ruled(values, where, getattr(empty, case), f"{case}_empty")
    return values


def _unmatched(empty: Empty, parts: Parts, values: Readings) -> Readings:
    """The values by the rule of masks that have nothing in common, where neither is empty."""
    if empty.no_match == "formula":
        return values
    apart = (parts.shared == 0) & (parts.predicted > 0) & (parts.targeted > 0)
    return ruled(values, apart, empty.no_match, "no_match")


def ruled(values: Readings, where: Mask, rule: float | str, reason: str) -> Readings:
    """The values, but as the rule says where the mask holds."""
    if isinstance(rule, float | int):
        return values.replaced(where, rule)
    reasons = {"undefined": reason, "skip": "skipped"}
    return values.unless(where, reasons[rule]) if rule in reasons else values


def mean(values: Readings, weights: Values | None = None) -> Readings:
    """The (weighted) mean of the defined values of the last axis; undefined for their common reason where there are none."""
    defined = values.defined
    weight = np.where(defined, 1.0 if weights is None else weights, 0.0)
    total = (np.where(defined, values.numbers, 0.0) * weight).sum(-1)
    found = ratio(total, weight.sum(-1), "target_empty")
    nothing = ~defined.any(-1)
    return found.unless(nothing, _common(values.reasons)) if nothing.any() else found


def _common(reasons: Reasons) -> Reasons:
    if not reasons.shape[-1]:
        return np.full(reasons.shape[:-1], "no_class_defined", object)
    same = (reasons == reasons[..., :1]).all(-1)
    return np.where(same, reasons[..., 0], "no_class_defined")


# ---------------------------------------------------------------------------------------------------------------- scores


def nothing_to_score(totals: TotalSums) -> Reasons:
    """Why a sample has no score: every pixel is ignored, or weighs nothing, or all weigh more than a float64 holds. None where it has."""
    reasons = np.full(len(totals.valid), None, object)
    weight = totals.weight.sum(-1)
    reasons[weight == 0] = "no_weight"
    reasons[np.isinf(weight)] = "infinite"
    reasons[totals.valid.sum(-1) == 0] = "no_valid_pixels"
    return reasons


def scored(classes: Readings, totals: TotalSums) -> Readings:
    """The values of labels (samples, classes, ...), undefined for those of which nothing counts."""
    each = (..., *[None] * (classes.numbers.ndim - totals.valid.ndim))
    lost = classes.unless((totals.weight == 0)[each], "no_weight")
    lost = lost.unless(np.isinf(totals.weight)[each], "infinite")
    return lost.unless((totals.valid == 0)[each], "no_valid_pixels")


def plain(numbers: Values) -> list[Any]:
    """Lists of floats, with None for what is not finite."""
    known = numbers.astype(object)
    known[~np.isfinite(numbers)] = None
    lists: list[Any] = known.tolist()
    return lists


def scores_of(values: Readings, nothing: Reasons, **extras: Sequence[Any]) -> list[Score]:
    """A score per sample; extras that are None are left out, and all are where nothing counts."""
    rows = zip(plain(values.numbers), values.reasons.tolist(), nothing.tolist(), strict=True)
    members = [dict(zip(extras, row, strict=True)) for row in zip(*extras.values(), strict=True)] if extras else None
    return [_score(*row, members[place] if members else {}) for place, row in enumerate(rows)]


def _score(number: float | None, reason: str | None, nothing: str | None, extras: Mapping[str, Any]) -> Score:
    if nothing is not None:
        return Score(value=None, undefined=nothing)
    given = {name: extra for name, extra in extras.items() if extra is not None}
    return Score(value=number, **given) if reason is None else Score(value=None, undefined=reason, **given)


def scores_of_classes(
    values: Readings, classes: Readings, considered: Readings, nothing: Reasons, **extras: Sequence[Any]
) -> list[Score]:
    """Scores averaged over classes, with each class's value and what the average counted."""
    counted = considered.defined.sum(-1)
    return scores_of(
        values,
        nothing,
        per_class=plain(classes.numbers),
        undefined_classes=[_by_class(reasons) for reasons in classes.reasons.tolist()],
        counted=counted.tolist(),
        skipped=(considered.numbers.shape[-1] - counted).tolist(),
        **extras,
    )


def _by_class(reasons: list[str | None]) -> dict[str, str] | None:
    return {str(place): reason for place, reason in enumerate(reasons) if reason is not None} or None
