"""One sample as the references take it, and what they say its score is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from lossgauge.metrics.spec import PredictionKind
from lossgauge.tasks import Task
from lossgauge.wire import TargetKind
from numpy.typing import NDArray

AnyArray = NDArray[Any]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Case:
    """A sample with its channel axis first: multilabel (C, *S) both, multi-class (C, *S) or labels (*S) against (*S).

    `weight` has the shape of the target; multilabel takes (*S) too, the same for every label. `num_classes` is needed
    for multi-class labels only.
    """

    prediction: AnyArray
    target: AnyArray
    weight: AnyArray | None = None
    task: Task = "binary"
    prediction_kind: PredictionKind = "logits"
    target_kind: TargetKind = "labels"
    ignore_index: int | None = None
    threshold: float = 0.5
    num_classes: int | None = None
    spacing: tuple[float, ...] | None = None

    @property
    def classes(self) -> int:
        """The number of classes or labels; 1 where there are none."""
        if self.task in ("binary", "boxes"):
            return 1
        if self.task == "instances":
            return self.num_classes or 1
        if self.prediction_kind == "labels" and self.task == "multiclass":
            assert self.num_classes is not None
            return self.num_classes
        return int(self.prediction.shape[0])

    @property
    def valid(self) -> Mask:
        """Where the target counts: everywhere but at `ignore_index`."""
        if self.ignore_index is None:
            return np.ones(self.target.shape, dtype=np.bool_)
        return np.asarray(self.target != self.ignore_index, dtype=np.bool_)

    @property
    def pixel_weight(self) -> Floats:
        """The weight map in the target's shape, 1 where there is none."""
        weight = np.ones(()) if self.weight is None else self.weight
        return np.array(np.broadcast_to(weight, self.target.shape), dtype=np.float64)


class Outcome(NamedTuple):
    """A number, or the reason why there is none."""

    value: float | None
    reason: str | None = None


@dataclass(frozen=True)
class Expected:
    """A score. `extras` holds whatever else an answer's score holds: its own extras, with `undefined_extras` where one of them has
    a null, `undefined_classes` where `per_class` has one, `counted` and `skipped` where there is a mean over classes.
    """

    value: float | None
    undefined: str | None = None
    per_class: list[float | None] | None = None
    extras: dict[str, Any] = field(default_factory=dict)


NO_VALID_PIXELS = "no_valid_pixels"
NOTHING_TO_SCORE = Expected(value=None, undefined=NO_VALID_PIXELS)


def told(**extras: Any) -> dict[str, Any]:
    """Extras with each `Outcome` in them as its value, and `undefined_extras`: the reasons of the nulls, by place."""
    reasons = {name: why for name, extra in extras.items() if (why := _why(extra)) is not None}
    values = {name: _value(extra) for name, extra in extras.items()}
    return values | ({"undefined_extras": reasons} if reasons else {})


def _value(extra: Any) -> Any:
    if isinstance(extra, Outcome):
        return extra.value
    return [_value(one) for one in extra] if isinstance(extra, list) else extra


def _why(extra: Any) -> Any:
    if isinstance(extra, Outcome):
        return extra.reason
    if not isinstance(extra, list):
        return None
    return {str(place): why for place, one in enumerate(extra) if (why := _why(one)) is not None} or None


def tally(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How many have a value, and how many have not."""
    counted = sum(outcome.value is not None for outcome in outcomes)
    return {"counted": counted, "skipped": len(outcomes) - counted}


def quotient(numerator: float, denominator: float, zero_over_zero: str) -> Outcome:
    """numerator / denominator, undefined where it is 0/0 and where it is infinite."""
    if numerator == 0 and denominator == 0:
        return Outcome(None, zero_over_zero)
    if denominator == 0 or np.isinf(numerator):
        return Outcome(None, "infinite")
    return Outcome(float(numerator / denominator))


def reasons_by_class(outcomes: list[Outcome]) -> dict[str, str]:
    """The reason of each undefined class, by its index."""
    return {str(c): outcome.reason for c, outcome in enumerate(outcomes) if outcome.reason is not None}
