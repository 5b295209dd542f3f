"""Focal losses."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from lossgauge.metrics.pixel_loss import PARTS_OF_A_LOSS, PixelLoss
from lossgauge.metrics.spec import SOFT_KINDS, About, Each, Forbidden, NonNegative

__all__ = ["FocalLoss"]


class FocalLoss(PixelLoss):
    """Focal loss: cross-entropy with the easy pixels turned down.

    Per pixel -alpha_t (1 - pt)^gamma log pt, with pt the probability given to the true class and
    alpha_t = alpha for t = 1, 1 - alpha for t = 0 (`balanced`) or alpha for both (`constant`).
    `reduced_threshold` h: (1 - pt)^gamma is 1 where pt < h and ((1 - pt) / h)^gamma from there on (arXiv:1903.01347).
    `normalized`: sum v alpha_t f ce / sum v f with f = (1 - pt)^gamma; 0 where no pixel has focus. segmentation_models_pytorch
    divides its mean by the same sum, which is a further 1 / N.
    Multi-class: pt is the softmax probability of the true class; alpha is null, a constant, or a list, one per class.
    `one_vs_rest`: the binary loss of each class's mask, target == c, with p = sigmoid(x_c), or p_c as given; added up over the
    classes, or with `denominator` = elements their mean. `per_class` is each class's own.
    Shapes: as the request's. Range [0, inf). Extras: `positive`, `negative`, `positive_share`.
    Source: Lin et al., arXiv:1708.02002, eq. 5.
    """

    about: ClassVar[About] = About(
        formula="-alpha_t (1 - pt)^gamma log pt",
        direction="lower",
        range="[0, inf)",
        source="Lin et al., Focal Loss for Dense Object Detection, arXiv:1708.02002, eq. 5",
        kinds=SOFT_KINDS,
        extras=PARTS_OF_A_LOSS,
    )
    name: Literal["focal_loss"] = "focal_loss"
    gamma: float = Field(
        default=2.0, ge=0, le=20, description="How strongly easy pixels are turned down; 0 is cross-entropy."
    )
    alpha: NonNegative | Each[NonNegative] | None = Field(
        default=0.25,
        description="Weight of the positives; null for none; a list gives one weight per class (multi-class).",
    )
    alpha_mode: Literal["balanced", "constant"] = Field(
        default="balanced",
        description="balanced: alpha for t = 1, 1 - alpha for t = 0. constant: alpha for every pixel.",
    )
    clip_leak: bool = Field(
        default=False,
        description="Add what the published clipped code leaks: the other class's pixels, replaced by 1 or 0 and clipped too.",
    )
    denominator: Literal["pixels", "elements"] = Field(
        default="pixels",
        description="A mean of classes divides by the pixels, or by the pixels times the classes (multi-class); labels are elements.",
    )
    multiclass_mode: Literal["softmax", "one_vs_rest"] = Field(
        default="softmax",
        description="Multi-class: the true class's probability, or each class's sigmoid (probability as given) against the rest.",
    )
    soft_target_pt: Literal["product", "exp", "logit", "separate"] = Field(
        default="product",
        description=(
            "pt of a soft target: p t + (1 - p)(1 - t), exp(-cross-entropy), sigmoid((2 t - 1) x) of the logit x, or separate: "
            "p of the share t and 1 - p of the share 1 - t, each beside its own logarithm."
        ),
    )

    reduced_threshold: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Reduced focal loss: the focus is 1 where pt < threshold, ((1 - pt) / threshold)^gamma from there on.",
    )
    normalized: bool = Field(
        default=False,
        description="A mean divides by the sum of the focal weights (1 - pt)^gamma, times the pixels' weights, not by these alone.",
    )

    @model_validator(mode="after")
    def _normalized_has_its_denominator(self) -> Self:
        others = {"reduction": "mean", "ignore_denominator": "valid", "weight_denominator": "weights"}
        changed = [name for name, value in others.items() if getattr(self, name) != value]
        if self.normalized and changed:
            raise Forbidden(f"normalized is a denominator of its own; found {changed[0]} too", changed[0])
        return self

    @model_validator(mode="after")
    def _leak_is_not_reduced(self) -> Self:
        if self.clip_leak and self.reduced_threshold is not None:
            raise Forbidden("clip_leak and reduced_threshold exclude each other; found both", "clip_leak")
        return self

    @model_validator(mode="after")
    def _alpha_in_range(self) -> Self:
        weighed = self.alpha if self.multiclass_mode == "one_vs_rest" or isinstance(self.alpha, float) else None
        alphas = weighed if isinstance(weighed, list) else [weighed or 0.0]
        if self.alpha_mode == "balanced" and max(alphas, default=0.0) > 1:
            raise Forbidden(f"alpha must be in [0, 1] when alpha_mode is 'balanced'; found {self.alpha}", "alpha")
        return self

    @model_validator(mode="after")
    def _leak_needs_clip(self) -> Self:
        if self.clip_leak and (self.clip is None or self.alpha is None or self.alpha_mode != "balanced"):
            missing = [f"no {name}" for name in ("clip", "alpha") if getattr(self, name) is None]
            found = " and ".join(missing or [f"alpha_mode {self.alpha_mode!r}"])
            raise Forbidden(f"clip_leak needs clip, alpha and alpha_mode 'balanced'; found {found}", "clip_leak")
        return self
