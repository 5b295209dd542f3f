"""Numbers that may be undefined, a row per sample, and their averages."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
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
    found, known = Readings(numbers, no_reasons(numbers.shape)), np.isfinite(numbers)
    return found if known.all() else found.unless(~known, "infinite")


def no_reasons(shape: tuple[int, ...]) -> Reasons:
    """None everywhere."""
    # an empty array of objects is filled with None, and sooner than `np.full` does it
    return np.empty(shape, object)


def undefined(shape: tuple[int, ...], reason: str) -> Readings:
    """No number anywhere."""
    return Readings(np.full(shape, np.nan), np.full(shape, reason, object))


def ratio(numerator: Values, denominator: Values, reason: str | Reasons) -> Readings:
    """numerator / denominator, undefined for the reason where the denominator is 0."""
    zero = denominator == 0
    if not zero.any():
        return finite(numerator / denominator)
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
    reasons, weight = no_reasons((len(totals.valid),)), totals.weight.sum(-1)
    # where something weighs there is a pixel that counts
    if ((weight > 0) & (weight < np.inf)).all():
        return reasons
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
    known = np.isfinite(numbers)
    told: NDArray[Any] = numbers
    if not known.all():
        told = numbers.astype(object)
        told[~known] = None
    lists: list[Any] = told.tolist()
    return lists


class Extra(NamedTuple):
    """A member that scores have beside their value, and the reasons of the nulls in it, by place: a row a sample."""

    members: Sequence[Any]
    reasons: Sequence[Any]


def told(values: Readings) -> Extra:
    """The numbers, and why some of them are null."""
    return Extra(plain(values.numbers), [by_place(reasons) for reasons in values.reasons.tolist()])


def by_place(reasons: Any) -> Any:
    """Of nested lists of reasons, those that there are, by index; None where there are none."""
    if not isinstance(reasons, list):
        return reasons
    found = ((str(place), by_place(each)) for place, each in enumerate(reasons))
    return {place: why for place, why in found if why is not None} or None


def scores_of(values: Readings, nothing: Reasons, counted: Readings | None = None, /, **extras: Extra) -> list[Score]:
    """A score per sample, and where it is a mean what that counted; where nothing counts no extra has a value either."""
    return _scores(values, nothing, {} if counted is None else _tally(counted), extras)


def scores_of_classes(
    values: Readings, classes: Readings, counted: Readings | None, nothing: Reasons, **extras: Extra
) -> list[Score]:
    """Scores of classes together, with each class's value, and where it is a mean what that counted."""
    per_class = told(classes)
    tally = {} if counted is None else _tally(counted)
    members = {"per_class": per_class.members, "undefined_classes": per_class.reasons, **tally}
    return _scores(values, nothing, members, extras)


def _tally(values: Readings) -> dict[str, list[int]]:
    """How many of each sample's values a mean counts, and how many it leaves out."""
    counted = values.defined.sum(tuple(range(1, values.numbers.ndim)))
    whole = math.prod(values.numbers.shape[1:])
    return {"counted": counted.tolist(), "skipped": (whole - counted).tolist()}


def _scores(
    values: Readings, nothing: Reasons, members: Mapping[str, Sequence[Any]], extras: Mapping[str, Extra]
) -> list[Score]:
    rows = zip(
        plain(values.numbers),
        values.reasons.tolist(),
        nothing.tolist(),
        _by_sample(members),
        _by_sample({name: extra.members for name, extra in extras.items()}),
        _by_sample({name: extra.reasons for name, extra in extras.items()}),
        strict=False,  # where there are no columns there is no end of rows
    )
    return [_score(*row) for row in rows]


def _by_sample(columns: Mapping[str, Sequence[Any]]) -> Iterable[dict[str, Any]]:
    """The columns as a row a sample; without columns, as many empty rows as are taken."""
    if not columns:
        return repeat({})
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _score(
    number: float | None,
    reason: str | None,
    nothing: str | None,
    members: Mapping[str, Any],
    extras: Mapping[str, Any],
    why: Mapping[str, Any],
) -> Score:
    if nothing is not None:
        return _score_of_nothing(nothing, members, extras)
    given = {"undefined": reason, **members, "undefined_extras": _given(why) or None}
    return Score(value=number if reason is None else None, **_given(given), **extras)


def _given(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: member for name, member in members.items() if member is not None}


def _score_of_nothing(reason: str, members: Mapping[str, Any], extras: Collection[str]) -> Score:
    """Where nothing counts: the same members, all null for one reason."""
    known: dict[str, Any] = {"undefined": reason, **dict.fromkeys(extras)}
    if "per_class" in members:
        classes = len(members["per_class"])
        places = map(str, range(classes))
        known |= {"per_class": [None] * classes, "undefined_classes": dict.fromkeys(places, reason)}
    if "counted" in members:
        known |= {"counted": 0, "skipped": members["counted"] + members["skipped"]}
    if extras:
        known["undefined_extras"] = dict.fromkeys(extras, reason)
    return Score(value=None, **known)
