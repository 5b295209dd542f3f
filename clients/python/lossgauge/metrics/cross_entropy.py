"""Cross-entropy."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from lossgauge.metrics.pixel_loss import PARTS_OF_A_LOSS, PixelLoss
from lossgauge.metrics.spec import SOFT_KINDS, About, Each, Forbidden, NonNegative, Probability

__all__ = ["CrossEntropy"]


class CrossEntropy(PixelLoss):
    """Cross-entropy, log loss: -log of the probability given to the true class.

    Per pixel -log pt; with `pos_weight` -(pos_weight t log p + (1 - t) log(1 - p)); with `alpha` -alpha_t log pt;
    with `balance` = inverse_frequency (HED) alpha is the negatives' share of the sample's pixels; with `label_smoothing` e
    (1 - e) CE + e / C * (the sum of the cross-entropies against every class), C = 2 where there are no classes, each term
    with its own class's weight (as torch's `pos_weight` with smoothed targets).
    Shapes: as the request's. Range [0, inf). Extras: `positive`, `negative`, `positive_share`.
    Source: Good (1952); balanced: Xie and Tu, arXiv:1504.06375, eq. 2.
    """

    about: ClassVar[About] = About(
        formula="-log pt",
        direction="lower",
        range="[0, inf)",
        source="Good, Rational Decisions, 1952; balanced: Xie and Tu, arXiv:1504.06375, eq. 2",
        kinds=SOFT_KINDS,
        extras=PARTS_OF_A_LOSS,
    )
    name: Literal["cross_entropy"] = "cross_entropy"
    class_weights: Each[NonNegative] | None = Field(
        default=None,
        description="One weight per class: [negatives, positives] for binary, C otherwise. Enters the mean's denominator.",
    )
    pos_weight: NonNegative | Each[NonNegative] | None = Field(
        default=None,
        description="Weight of the positives' term (one, or one per label); does not enter the denominator.",
    )
    alpha: Probability | None = Field(default=None, description="alpha for t = 1, 1 - alpha for t = 0.")
    balance: Literal["inverse_frequency"] | None = Field(
        default=None, description="inverse_frequency: alpha is the share of negatives in the sample."
    )
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="Move this much of the target to the uniform distribution."
    )

    @model_validator(mode="after")
    def _one_weighting(self) -> Self:
        given = [n for n in ("class_weights", "pos_weight", "alpha", "balance") if getattr(self, n) is not None]
        if len(given) > 1:
            allowed = "class_weights, pos_weight, alpha and balance"
            raise Forbidden(f"give one of {allowed}; found {' and '.join(given)}", given[1])
        return self
