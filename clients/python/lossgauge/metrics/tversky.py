"""Losses of overlap that weigh misses against false alarms, or small classes against large ones."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import AliasChoices, Field

from lossgauge.metrics.overlap import BACKGROUND, LOSS_EMPTY, ClassAveraged
from lossgauge.metrics.spec import About, Empty, NonNegative, Place, Thresholded

__all__ = ["FocalTverskyLoss", "GeneralizedDiceLoss", "TverskyLoss"]

SALEHI = "Salehi et al., arXiv:1706.05721"


class TverskyIndex(ClassAveraged):
    """The parameters of the Tversky index (I + a) / (I + fp_weight FP + fn_weight FN + b)."""

    soft: bool = Field(
        default=True, description="true: probabilities as they are; false: the thresholded (or argmax) mask."
    )
    fp_weight: NonNegative = Field(
        default=0.3,
        validation_alias=AliasChoices("fp_weight", "alpha"),
        description="How much a false alarm weighs. `alpha` is taken too; libraries have alpha and beta both ways round.",
    )
    fn_weight: NonNegative = Field(
        default=0.7,
        validation_alias=AliasChoices("fn_weight", "beta"),
        description="How much a miss weighs. `beta` is taken too.",
    )
    smooth_numerator: NonNegative = Field(default=1.0, description="Added to the numerator.")
    smooth_denominator: NonNegative = Field(default=1.0, description="Added to the denominator.")
    soft_target: Literal["product", "l1"] = Field(
        default="product",
        description="What is shared with a soft target: sum p t; or sum min(p, t), with FP = sum p - I and FN = sum t - I.",
    )
    empty: Empty = Field(
        default=LOSS_EMPTY, description="What the value is when a class has no pixel in one mask or both."
    )


class TverskyLoss(TverskyIndex):
    """Tversky loss 1 - (I + a) / (I + fp_weight FP + fn_weight FN + b), of probabilities.

    I = sum p t, FP = sum p (1 - t), FN = sum (1 - p) t over the valid pixels of a class. Both weights 0.5: dice loss (with
    half its smoothing); both 1: IoU loss. `soft_target` l1: I = sum min(p, t), FP = sum p - I, FN = sum t - I.
    Shapes: as the request's. Range [0, 1] for a = b.
    Undefined: 0/0, where nothing is smoothed. Source: Salehi et al., arXiv:1706.05721.
    """

    about: ClassVar[About] = About(
        formula="1 - (I + a) / (I + fp_weight FP + fn_weight FN + b)",
        direction="lower",
        range="[0, 1] for a = b",
        source=SALEHI,
    )
    name: Literal["tversky_loss"] = "tversky_loss"


class FocalTverskyLoss(TverskyIndex):
    """Focal Tversky loss max(1 - TI, 0)^gamma, of each class before the average.

    `gamma` is the exponent itself: the paper writes (1 - TI)^(1 / gamma) with gamma = 4 / 3, which is 0.75 here.
    Parameters as in `tversky_loss`. Shapes: as the request's. Range [0, 1] for a = b.
    Source: Abraham and Khan, arXiv:1810.07842.
    """

    about: ClassVar[About] = About(
        formula="(1 - (I + a) / (I + fp_weight FP + fn_weight FN + b))^gamma",
        direction="lower",
        range="[0, 1] for a = b",
        source="Abraham and Khan, arXiv:1810.07842",
    )
    name: Literal["focal_tversky_loss"] = "focal_tversky_loss"
    gamma: float = Field(default=0.75, gt=0, le=10, description="The exponent: 1 / gamma of the paper's gamma.")


class GeneralizedDiceLoss(Thresholded):
    """Generalised dice loss 1 - (2 sum w I + a) / (sum w (P + T) + b): the sums over classes, small ones weighing as large.

    w = 1 / T^2, 1 / T or 1 by `weight_type`, T the class's size in the target. Binary: the background is the second class.
    A class that the target lacks weighs by `absent`. Shapes: as the request's. Range [0, 1] for a = b. Extras:
    `class_weights`, the w of each class. Undefined: 0/0, where nothing is smoothed. Source: Sudre et al., arXiv:1707.03237.
    """

    about: ClassVar[About] = About(
        formula="1 - (2 sum w I + a) / (sum w (P + T) + b), w = 1 / T^2",
        direction="lower",
        range="[0, 1] for a = b",
        source="Sudre et al., arXiv:1707.03237",
        extras={"class_weights": "The w of each class of the sums; binary: of the background and of the foreground."},
    )
    name: Literal["generalized_dice_loss"] = "generalized_dice_loss"
    weight_type: Literal["square", "simple", "uniform"] = Field(
        default="square", description="A class's weight: 1 / T^2, 1 / T, or 1."
    )
    absent: Literal["max_of_present", "one", "skip"] = Field(
        default="max_of_present",
        description="The weight of a class with T = 0: the largest of the others' (MONAI, NiftyNet; 1 where all are absent), 1, or 0.",
    )
    soft: bool = Field(
        default=True, description="true: probabilities as they are; false: the thresholded (or argmax) mask."
    )
    include_background: bool = Field(
        default=True,
        description="false leaves class 0 out, which regions do not have; binary: the foreground alone, which is dice loss.",
    )
    smooth_numerator: NonNegative = Field(default=1e-5, description="Added to the numerator.")
    smooth_denominator: NonNegative = Field(default=1e-5, description="Added to the denominator.")
    empty: Empty = Field(
        default=LOSS_EMPTY, description="What the value is when all classes together have no pixel in one mask or both."
    )

    def without_class_0(self) -> Iterator[Place]:
        return iter(() if self.include_background else (BACKGROUND,))
