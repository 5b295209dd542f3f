"""Focal losses that treat the rare class apart: asymmetric and unified focal loss."""

from typing import ClassVar, Literal

from pydantic import Field

from lossgauge.metrics.pixel_loss import PARTS_OF_A_LOSS, PixelLoss
from lossgauge.metrics.spec import SOFT_KINDS, About, MetricSpec, Probability

__all__ = ["AsymmetricFocalLoss", "UnifiedFocalLoss"]

YEUNG = "Yeung et al., Comput Med Imaging Graph 95 (2022) 102026, arXiv:2102.04525"


class AsymmetricFocalLoss(PixelLoss):
    """Asymmetric focal loss: the focus turns down the easy background only.

    Per pixel -delta log pt of the foreground, -(1 - delta) (1 - pt)^gamma log pt of the background (multi-class: class 0).
    Hard targets. Shapes: as the request's. Range [0, inf). Extras: `positive`, `negative`, `positive_share`.
    Source: Yeung et al., arXiv:2102.04525, as its authors' code.
    """

    about: ClassVar[About] = About(
        formula="-delta t log pt - (1 - delta) (1 - t) (1 - pt)^gamma log pt",
        direction="lower",
        range="[0, inf)",
        source=YEUNG,
        kinds=SOFT_KINDS,
        extras=PARTS_OF_A_LOSS,
    )
    name: Literal["asymmetric_focal_loss"] = "asymmetric_focal_loss"
    delta: Probability = Field(default=0.7, description="Weight of the foreground; the background's is 1 - delta.")
    gamma: float = Field(default=2.0, ge=0, le=20, description="How strongly easy background is turned down.")


class UnifiedFocalLoss(MetricSpec):
    """Unified focal loss: weight * focal Tversky + (1 - weight) * focal, with the same delta and gamma in both.

    Tversky: the mean over the background and the classes of (1 - TI)^(1 - gamma), the background's exponent being 1 where it is
    asymmetric; TI = (I + s) / (I + delta FN + (1 - delta) FP + s). Focal: a mean over pixels, weighed by delta (foreground) and
    1 - delta, with the focus gamma on both or (asymmetric) on the background only. Binary and multi-class (class 0 is the
    background), hard targets. Shapes: as the request's. Range [0, inf). Extras: `terms`, Tversky and focal.
    As the authors' code (github.com/mlyg/unified-focal-loss). The paper's lambda is the focal term's share, 1 - weight; its Tversky
    term is a sum (`class_reduction`); its symmetric form has gamma and 1 - gamma in each other's place. MONAI's
    AsymmetricUnifiedFocalLoss halves the focal term, and its weight is the focal term's.
    Source: Yeung et al., arXiv:2102.04525, as its authors' code.
    """

    about: ClassVar[About] = About(
        formula="weight * mean of (1 - TI)^(1 - gamma) + (1 - weight) * focal(delta, gamma)",
        direction="lower",
        range="[0, inf)",
        source=YEUNG,
        tasks=("binary", "multiclass"),
        kinds=SOFT_KINDS,
        extras={"terms": "The Tversky term and the focal term, before their weights."},
    )
    name: Literal["unified_focal_loss"] = "unified_focal_loss"
    form: Literal["symmetric", "asymmetric"] = Field(
        default="symmetric",
        description="asymmetric: no focus on the foreground's pixels, nor on the background's Tversky.",
    )
    weight: Probability = Field(
        default=0.5, description="How much the Tversky term weighs; the focal term has the rest."
    )
    delta: Probability = Field(default=0.6, description="Weight of the foreground and of misses.")
    gamma: float = Field(default=0.5, ge=0, lt=1, description="The focus of both terms.")
    smooth: float = Field(default=1e-7, gt=0, le=1e9, description="Added above and below in the Tversky index.")
    class_reduction: Literal["mean", "sum"] = Field(
        default="mean",
        description="Of the Tversky term over the background and the classes: their mean, or the paper's sum.",
    )
    log_floor: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="The focal term takes the log of max(pt, log_floor); the authors' code clips at 1e-7.",
    )
