"""One sample as the references take it, and what they say its score is."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from lossgauge.metrics.spec import PredictionKind, Task
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
        """The number of classes or labels; 1 for binary, and for ids that have none."""
        if self.task == "binary":
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
    """A score. `extras` holds whatever else an answer's score holds: its own extras, `undefined_classes` where
    `per_class` has a null, `counted` and `skipped` where there is a mean over classes.
    """

    value: float | None
    undefined: str | None = None
    per_class: list[float | None] | None = None
    extras: dict[str, Any] = field(default_factory=dict)


NO_VALID_PIXELS = "no_valid_pixels"
NOTHING_TO_SCORE = Expected(value=None, undefined=NO_VALID_PIXELS)


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
