"""The Brier score."""

from typing import ClassVar, Literal

from pydantic import Field

from lossgauge.metrics.spec import SOFT_KINDS, About, MetricSpec

__all__ = ["Brier"]


class Brier(MetricSpec):
    """Brier score: the mean over pixels of (p - t)^2; of several classes the sum of it over them.

    Multilabel: the mean over labels and pixels. `per_class` is each class against the rest. Shapes: as the request's.
    Range [0, 2], and [0, 1] but for the sum over classes; more where weights above 1 are divided by a count.
    Undefined: `no_valid_pixels`, `no_weight`.
    Source: Brier, Mon Weather Rev 78 (1950) 1.
    """

    about: ClassVar[About] = About(
        formula="mean of (p - t)^2; multi-class: of its sum over classes",
        direction="lower",
        range="[0, 2]; more for weights above 1 with weight_denominator count",
        source="Brier, Mon Weather Rev 78 (1950) 1",
        kinds=SOFT_KINDS,
    )
    name: Literal["brier"] = "brier"
    class_reduction: Literal["sum", "half_sum", "mean"] = Field(
        default="sum",
        description="Multi-class: the sum over classes, half of it (which is the binary score where there are two), or the mean.",
    )
    weight_denominator: Literal["weights", "count"] = Field(
        default="weights", description="A weighted mean divides by the sum of the weights, or by the number of pixels."
    )
