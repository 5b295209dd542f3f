"""How two regions overlap: weighted sums over one class's valid elements, and its empty cases."""

from dataclasses import dataclass

import numpy as np
from lossgauge.metrics import Empty

from tests.reference.case import NO_VALID_PIXELS, Case, Floats, Outcome, quotient
from tests.reference.probability import target_membership


@dataclass(frozen=True)
class Region:
    """Sums over the valid elements of a class, p its predicted and t its target membership, v the weights."""

    tp: float  # sum v p t
    fp: float  # sum v p (1 - t)
    fn: float  # sum v (1 - p) t
    tn: float  # sum v (1 - p) (1 - t)
    prediction: float  # sum v p
    target: float  # sum v t
    prediction_squared: float  # sum v p^2
    target_squared: float  # sum v t^2
    difference: float  # sum v |p - t|
    least: float  # sum v min(p, t)
    over: float  # sum v max(p - t, 0)
    short: float  # sum v max(t - p, 0)
    rest_prediction: float  # sum v (1 - p)
    rest_target: float  # sum v (1 - t)
    weight: float  # sum v
    count: int

    def __add__(self, other: "Region") -> "Region":
        """The sums of both together."""
        return Region(**{name: getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__})

    @property
    def background(self) -> "Region":
        """The region of what is outside."""
        return Region(
            tp=self.tn,
            fp=self.fn,
            fn=self.fp,
            tn=self.tp,
            prediction=self.rest_prediction,
            target=self.rest_target,
            prediction_squared=float("nan"),
            target_squared=float("nan"),
            difference=self.difference,
            least=float("nan"),
            over=self.short,
            short=self.over,
            rest_prediction=self.prediction,
            rest_target=self.target,
            weight=self.weight,
            count=self.count,
        )


def regions_of(case: Case, membership: Floats) -> list[Region]:
    """The region of each class, from the predicted membership (C, *S)."""
    target = target_membership(case)
    weight, valid = (np.broadcast_to(array, target.shape) for array in (case.pixel_weight, case.valid))
    return [_region(p[ok], t[ok], v[ok]) for p, t, v, ok in zip(membership, target, weight, valid, strict=True)]


def _region(p: Floats, t: Floats, v: Floats) -> Region:
    return Region(
        tp=float(np.sum(v * p * t)),
        fp=float(np.sum(v * p * (1 - t))),
        fn=float(np.sum(v * (1 - p) * t)),
        tn=float(np.sum(v * (1 - p) * (1 - t))),
        prediction=float(np.sum(v * p)),
        target=float(np.sum(v * t)),
        prediction_squared=float(np.sum(v * p**2)),
        target_squared=float(np.sum(v * t**2)),
        difference=float(np.sum(v * np.abs(p - t))),
        least=float(np.sum(v * np.minimum(p, t))),
        over=float(np.sum(v * np.maximum(p - t, 0))),
        short=float(np.sum(v * np.maximum(t - p, 0))),
        rest_prediction=float(np.sum(v * (1 - p))),
        rest_target=float(np.sum(v * (1 - t))),
        weight=float(np.sum(v)),
        count=v.size,
    )


def empty_case(region: Region) -> str | None:
    """Which of the two is empty: `both_empty`, `target_empty`, `prediction_empty`, or neither."""
    if region.target == 0:
        return "both_empty" if region.prediction == 0 else "target_empty"
    return "prediction_empty" if region.prediction == 0 else None


def rule_of(empty: Empty, case: str | None, shared: float) -> tuple[float | str, str | None]:
    """The rule that speaks of an empty case, or of two that have nothing in common; and the reason of a null."""
    if case is None:
        return (empty.no_match, "no_match") if shared == 0 else ("formula", None)
    return {"both_empty": empty.both, "target_empty": empty.target, "prediction_empty": empty.prediction}[case], case


def ruled(rule: float | str, reason: str | None, formula: Outcome) -> Outcome:
    """The formula's outcome, or what the rule says."""
    if isinstance(rule, float):
        return Outcome(rule)
    return {"formula": formula, "undefined": Outcome(None, reason), "skip": Outcome(None, "skipped")}[rule]


def by_rules(empty: Empty, region: Region, formula: Outcome) -> Outcome:
    """The formula's outcome, unless the region is empty in a way that a rule speaks of."""
    if region.count == 0:
        return Outcome(None, NO_VALID_PIXELS)
    if region.weight == 0:
        return Outcome(None, "no_weight")
    return ruled(*rule_of(empty, empty_case(region), region.tp), formula)


def ratio(region: Region, numerator: float, denominator: float) -> Outcome:
    """numerator / denominator; 0/0 has the empty case as its reason."""
    return quotient(numerator, denominator, empty_case(region) or "both_empty")
