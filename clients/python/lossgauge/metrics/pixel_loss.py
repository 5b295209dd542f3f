"""What every loss that is a mean of per-pixel values has in common."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lossgauge.metrics.spec import BoundaryWeight, Forbidden, MetricSpec, Probability

__all__: list[str] = []


PARTS_OF_A_LOSS = {
    "positive": "The positives' part of the value; of classes, all but class 0.",
    "negative": "The negatives' part of it.",
    "positive_share": "positive / value; undefined where there is no loss to share (`no_loss`).",
}


class PixelLoss(MetricSpec):
    """Clipping, reduction and denominators of losses that add up over pixels."""

    reduction: Literal["mean", "sum", "positives"] = Field(
        default="mean",
        description="mean over the pixels; sum; or sum over the number of positives (at least 1), as RetinaNet.",
    )
    clip: Annotated[tuple[Probability, Probability], Field(strict=False)] | None = Field(
        default=None,
        description="Clip the positive class's probability into [low, high] first, in the weight and in the log.",
    )
    log_floor: float | None = Field(
        default=None, gt=0, lt=1, description="Take the log of max(pt, log_floor); the focal weight stays unclipped."
    )
    ignore_denominator: Literal["valid", "all"] = Field(
        default="valid",
        description="A mean divides by the valid pixels, or by all: ignored ones too, each counting one.",
    )
    weight_denominator: Literal["weights", "count"] = Field(
        default="weights", description="A weighted mean divides by the sum of the weights, or by the number of pixels."
    )
    weight_from: BoundaryWeight | None = Field(
        default=None, description="Pixel weights computed from the target, in place of a weight map in the request."
    )

    @model_validator(mode="after")
    def _clip_is_an_interval(self) -> Self:
        if self.clip is not None and not self.clip[0] < self.clip[1]:
            raise Forbidden(f"clip must be [low, high] with low < high; found {list(self.clip)}", "clip")
        return self
