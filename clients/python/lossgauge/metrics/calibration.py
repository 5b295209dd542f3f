"""Whether probabilities are as often right as they say."""

from typing import ClassVar, Literal

from pydantic import Field

from lossgauge.metrics.overlap import Average
from lossgauge.metrics.spec import SOFT_KINDS, About, MetricSpec

__all__ = ["CalibrationError"]


class CalibrationError(MetricSpec):
    """Calibration error: how far, in bins of the confidence, the share that is right is from the mean confidence.

    With f_b a bin's share of the (weighted) pixels, g_b = |accuracy_b - confidence_b|: l1 (ECE) is sum f_b g_b, l2 (RMSCE) is
    sqrt(sum f_b g_b^2), max (MCE) is the greatest g_b. Every pixel is in one bin, p = 0 and p = 1 too. Bins are equal intervals
    of [0, 1], or (quantile: adaptive, ACE) hold equally many pixels, a tie in one of them. Multi-class: of the greatest
    probability and its class; multilabel: of each label, then the average.
    `counted` and `skipped` are of the bins (multilabel: of the labels): an empty bin weighs nothing.
    Shapes: as the request's. Range [0, 1]. Extras, for a reliability diagram: `bin_confidence`, `bin_accuracy` (null in an empty
    bin), `bin_count` (the sum of weights). Soft targets are refused.
    Source: Naeini et al., AAAI 2015; Guo et al., arXiv:1706.04599; quantile: Nixon et al., arXiv:1904.01685.
    """

    about: ClassVar[About] = About(
        formula="(sum over bins of f_b |accuracy_b - confidence_b|^n)^(1 / n)",
        direction="lower",
        range="[0, 1]",
        source="Naeini et al., AAAI 2015; Guo et al., arXiv:1706.04599; Nixon et al., arXiv:1904.01685",
        kinds=SOFT_KINDS,
        extras={
            "bin_confidence": "The mean confidence in each bin, null in an empty one; multilabel: a list per label, and so the others.",
            "bin_accuracy": "The share that is right (or positive) in each bin, null in an empty one.",
            "bin_count": "The sum of the weights in each bin.",
        },
    )
    name: Literal["calibration_error"] = "calibration_error"
    norm: Literal["l1", "l2", "max"] = Field(default="l1", description="l1: ECE, l2: RMSCE, max: MCE.")
    binning: Literal["uniform", "quantile"] = Field(
        default="uniform", description="Bins of equal width, or of equally many pixels."
    )
    bins: int = Field(default=15, ge=1, le=10_000, description="How many bins.")
    closed: Literal["left", "right"] = Field(
        default="right",
        description="Which edge belongs to a bin: left is [a, b), right is (a, b]; the outermost edges always do.",
    )
    confidence: Literal["positive", "top"] | None = Field(
        default=None,
        description="positive: p against how often the pixel is positive; top: max(p, 1 - p) against how often p > 0.5 is right."
        " By default positive, and top for classes, which have no positive.",
    )
    average: Average = Field(
        default="macro",
        description="Over labels (multilabel): the mean, the error of all labels' pixels together, the mean weighted by the positives,"
        " or none.",
    )
