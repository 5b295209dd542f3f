"""Overlap of two masks: dice, IoU, and the losses made of them."""

from collections.abc import Iterator
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from lossgauge.metrics.spec import (
    About,
    Each,
    Empty,
    Forbidden,
    MetricSpec,
    NonNegative,
    Place,
    Probability,
    Thresholded,
    refuse_repeats,
)
from lossgauge.tasks import Task

__all__ = ["Dice", "DiceLoss", "Iou", "IouLoss", "LogCoshDiceLoss", "MeanIou"]

Average = Literal["macro", "micro", "weighted", "none"]
LOSS_EMPTY = Empty(both=0.0)
BACKGROUND: Place = ("include_background",)


class ClassAveraged(Thresholded):
    """A value per class, averaged, with rules for empty masks and the threshold of a mask."""

    average: Average = Field(
        default="macro",
        description="Over classes: the mean, the value of the summed counts, the mean weighted by the target's pixels, or none.",
    )
    include_background: bool = Field(
        default=True, description="false leaves class 0 out of the average; regions have no class 0."
    )
    empty: Empty = Field(
        default=Empty(), description="What the value is when a class has no pixel in one mask or both."
    )

    def without_class_0(self) -> Iterator[Place]:
        return iter(() if self.include_background else (BACKGROUND,))


class Overlap(ClassAveraged):
    """The parameters that dice and IoU share."""

    soft: bool = Field(
        default=False, description="true: probabilities as they are; false: the thresholded (or argmax) mask."
    )
    smooth_numerator: NonNegative = Field(default=0.0, description="Added to the numerator.")
    smooth_denominator: NonNegative = Field(default=0.0, description="Added to the denominator.")
    squared: bool = Field(
        default=False, description="Squares in the denominator: sum p^2 and sum t^2 for sum p and sum t (V-Net)."
    )
    soft_target: Literal["product", "l1"] = Field(
        default="product",
        description="The intersection with a soft target: sum p t, or (sum p + sum t - sum |p - t|) / 2, which makes dice(t, t) = 1.",
    )

    @model_validator(mode="after")
    def _l1_has_no_squares(self) -> Self:
        if self.squared and self.soft_target == "l1":
            raise Forbidden("squared and soft_target 'l1' exclude each other; found both", "squared")
        return self


class Dice(Overlap):
    """Dice coefficient (2 I + a) / (P + T + b): twice the overlap over the sum of the sizes.

    I = sum p t, P = sum p, T = sum t over the valid pixels of a class, weighted where there are weights; p is the mask,
    or with `soft` the probability. a = smooth_numerator, b = smooth_denominator.
    Shapes: as the request's. Range [0, 1] without smoothing. Undefined: `both_empty`. Source: Dice, Ecology 26, 1945.
    """

    about: ClassVar[About] = About(
        formula="(2 I + a) / (P + T + b)", direction="higher", range="[0, 1]", source="Dice, Ecology 26 (1945) 297"
    )
    name: Literal["dice"] = "dice"


class DiceLoss(Overlap):
    """Dice loss 1 - (2 I + a) / (P + T + b), of probabilities, with a = b = 1 as the Keras tutorials have it.

    Every parameter as in `dice`; a = 2, b = 1 is a well-known PyTorch listing whose loss can be negative.
    Shapes: as the request's. Range [0, 1] for a = b. Source: Milletari et al., arXiv:1606.04797, eq. 2 (squared).
    """

    about: ClassVar[About] = About(
        formula="1 - (2 I + a) / (P + T + b)",
        direction="lower",
        range="[0, 1] for a = b",
        source="Milletari et al., V-Net, arXiv:1606.04797, eq. 2; smoothing of 1: Keras tutorials",
    )
    name: Literal["dice_loss"] = "dice_loss"
    soft: bool = Field(
        default=True, description="true: probabilities as they are; false: the thresholded (or argmax) mask."
    )
    smooth_numerator: NonNegative = Field(default=1.0, description="Added to the numerator.")
    smooth_denominator: NonNegative = Field(default=1.0, description="Added to the denominator.")
    empty: Empty = Field(
        default=LOSS_EMPTY, description="What the value is when a class has no pixel in one mask or both."
    )


class LogCoshDiceLoss(Overlap):
    """Log-cosh dice loss log(cosh(1 - dice)), of each class before the average.

    Every parameter as in `dice_loss`. Shapes: as the request's. Range [0, log(cosh(1))] for a = b.
    Source: Jadon, A survey of loss functions for semantic segmentation, arXiv:2006.14822.
    """

    about: ClassVar[About] = About(
        formula="log(cosh(1 - (2 I + a) / (P + T + b)))",
        direction="lower",
        range="[0, log(cosh(1))] for a = b",
        source="Jadon, arXiv:2006.14822",
    )
    name: Literal["log_cosh_dice_loss"] = "log_cosh_dice_loss"
    soft: bool = Field(
        default=True, description="true: probabilities as they are; false: the thresholded (or argmax) mask."
    )
    smooth_numerator: NonNegative = Field(default=1.0, description="Added to the numerator.")
    smooth_denominator: NonNegative = Field(default=1.0, description="Added to the denominator.")
    empty: Empty = Field(
        default=LOSS_EMPTY, description="What the value is when a class has no pixel in one mask or both."
    )


class Iou(Overlap):
    """Intersection over union (I + a) / (P + T - I + b), the Jaccard index.

    Parameters as in `dice`. Shapes: as the request's. Range [0, 1] without smoothing. Undefined: `both_empty`.
    Source: Jaccard, 1912.
    """

    about: ClassVar[About] = About(
        formula="(I + a) / (P + T - I + b)",
        direction="higher",
        range="[0, 1]",
        source="Jaccard, New Phytologist 11 (1912) 37",
    )
    name: Literal["iou"] = "iou"


class IouLoss(Overlap):
    """Soft IoU loss 1 - (I + a) / (P + T - I + b), of probabilities, with a = b = 1.

    Parameters as in `dice`. Shapes: as the request's. Range [0, 1] for a = b.
    Source: Rahman and Wang, Optimizing Intersection-Over-Union, ISVC 2016.
    """

    about: ClassVar[About] = About(
        formula="1 - (I + a) / (P + T - I + b)",
        direction="lower",
        range="[0, 1] for a = b",
        source="Rahman and Wang, Optimizing Intersection-Over-Union in Deep Neural Networks, ISVC 2016",
    )
    name: Literal["iou_loss"] = "iou_loss"
    soft: bool = Field(
        default=True, description="true: probabilities as they are; false: the thresholded (or argmax) mask."
    )
    smooth_numerator: NonNegative = Field(default=1.0, description="Added to the numerator.")
    smooth_denominator: NonNegative = Field(default=1.0, description="Added to the denominator.")
    empty: Empty = Field(
        default=LOSS_EMPTY, description="What the value is when a class has no pixel in one mask or both."
    )


BINARY_LIKE: tuple[Task, ...] = ("binary", "multilabel")
TEN_THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


class MeanIou(MetricSpec):
    """Mean IoU over thresholds: at each, the mean of the foreground's and the background's IoU; then their mean.

    Shapes: as the request's. Range [0, 1]. Extras: `per_threshold`, `foreground`, `background`. An IoU that is undefined (a class
    in neither mask) follows `empty`, and leaves the mean when it has no value; `counted` and `skipped` are of the IoUs
    (multilabel: of all labels'). Source: the DSB 2018 and Carvana evaluation kernels.
    """

    about: ClassVar[About] = About(
        formula="mean over thresholds of (IoU(p > th, t) + IoU(p <= th, 1 - t)) / 2",
        direction="higher",
        range="[0, 1]",
        source="evaluation listings of the 2018 Data Science Bowl",
        tasks=BINARY_LIKE,
        extras={
            "per_threshold": "The mean of the two IoUs at each threshold; a list per label where there are labels, and so the others.",
            "foreground": "The foreground's IoU at each threshold.",
            "background": "The background's, where it is included.",
        },
    )
    name: Literal["mean_iou"] = "mean_iou"
    thresholds: Each[Probability] = Field(
        default=list(TEN_THRESHOLDS),
        min_length=1,
        max_length=1000,
        description="Thresholds of the probability, each once.",
    )
    threshold_side: Literal["greater", "greater_equal"] = Field(
        default="greater", description="p > threshold, or p >= threshold."
    )
    include_background: bool = Field(default=True, description="false: the foreground's IoU only.")
    average: Average = Field(default="macro", description="Over labels (multilabel), as in `dice`.")
    empty: Empty = Field(
        default=Empty(), description="What an IoU is when its class is in neither mask, or in one only."
    )

    @model_validator(mode="after")
    def _each_threshold_once(self) -> Self:
        refuse_repeats("thresholds", self.thresholds)
        return self

    def extras_of(self, task: Task) -> tuple[str, ...]:
        return tuple(name for name in self.about.extras if name != "background" or self.include_background)
