"""Weighted sums of losses, and the mixes of the literature as named instances."""

from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar, Literal, Self, get_args

from pydantic import BeforeValidator, Field

from lossgauge.metrics.brier import Brier
from lossgauge.metrics.cross_entropy import CrossEntropy
from lossgauge.metrics.focal import FocalLoss
from lossgauge.metrics.focal_variants import AsymmetricFocalLoss, UnifiedFocalLoss
from lossgauge.metrics.overlap import Dice, DiceLoss, Iou, IouLoss, LogCoshDiceLoss
from lossgauge.metrics.ranking import LovaszHinge, LovaszSoftmax
from lossgauge.metrics.spec import SOFT_KINDS, About, BoundaryWeight, Empty, Frozen, MetricSpec, Place, named
from lossgauge.metrics.tversky import FocalTverskyLoss, GeneralizedDiceLoss, TverskyLoss

__all__ = ["BceDice", "BceLogDice", "CombinedLoss", "CombinedTerm", "FocalDice", "FocalLogDice", "WeightedBceDice"]

Combinable = Annotated[
    FocalLoss
    | CrossEntropy
    | Dice
    | DiceLoss
    | Iou
    | IouLoss
    | LogCoshDiceLoss
    | TverskyLoss
    | FocalTverskyLoss
    | GeneralizedDiceLoss
    | AsymmetricFocalLoss
    | UnifiedFocalLoss
    | LovaszHinge
    | LovaszSoftmax
    | Brier,
    Field(discriminator="name"),
]
NAMES = tuple(spec.model_fields["name"].default for spec in get_args(get_args(Combinable)[0]))
Term = Annotated[Combinable, BeforeValidator(named, json_schema_input_type=Literal[NAMES] | Combinable)]
BcePart = Annotated[
    CrossEntropy, BeforeValidator(named, json_schema_input_type=Literal["cross_entropy"] | CrossEntropy)
]
FocalPart = Annotated[FocalLoss, BeforeValidator(named, json_schema_input_type=Literal["focal_loss"] | FocalLoss)]
DiceLossPart = Annotated[DiceLoss, BeforeValidator(named, json_schema_input_type=Literal["dice_loss"] | DiceLoss)]
DicePart = Annotated[Dice, BeforeValidator(named, json_schema_input_type=Literal["dice"] | Dice)]
KERAS_DICE = DiceLoss()
KERAS_DICE_SCORE = Dice(soft=True, smooth_numerator=1.0, smooth_denominator=1.0, empty=Empty(both="formula"))
PLAIN_FOCAL = FocalLoss(alpha=None)
BCE = "The cross-entropy that is added: plain, a mean over pixels, by default."
FOCAL = "The focal loss that is added: without alpha by default."
DICE_LOSS = "The dice loss that is added: of probabilities, smoothed by 1, by default."
DICE_SCORE = "The dice of whose logarithm the loss is made: of probabilities, smoothed by 1, by default."
TERMS = {"terms": "The value of each term, before its transform and weight."}
MIX_SOURCE = "mixes of segmentation competitions (Carvana, DSB 2018)"


class CombinedTerm(Frozen):
    """One term: weight * transform(metric)."""

    metric: Term = Field(description="A loss of pixels, or `dice` or `iou` for a transform.")
    weight: float = Field(default=1.0, ge=-1e6, le=1e6, description="How much the term weighs, after its transform.")
    transform: Literal["identity", "complement", "minus_log"] = Field(
        default="identity", description="x, 1 - x, or -log x."
    )


class Mix(MetricSpec):
    """A spec that stands for a weighted sum."""

    def terms_of(self) -> list[CombinedTerm]:
        """The sum that this mix stands for."""
        return []

    def places(self) -> list[Place]:
        """Where each term's metric stands in the spec; nowhere where it is made of other parameters."""
        return []

    def with_threshold(self, threshold: float) -> Self:
        parts = {name: part.with_threshold(threshold) for name, part in self if isinstance(part, MetricSpec)}
        return self.model_copy(update=parts)


class CombinedLoss(Mix):
    """Weighted sum of losses, each after an optional transform: sum_i weight_i * transform_i(metric_i).

    Undefined when a term is. Extras: `terms`, the value of each term before its weight. Range: that of the terms.
    """

    about: ClassVar[About] = About(
        formula="sum of weight * transform(metric)",
        direction="lower",
        range="(-inf, inf)",
        source=MIX_SOURCE,
        extras=TERMS,
    )
    name: Literal["combined_loss"] = "combined_loss"
    terms: list[CombinedTerm] = Field(min_length=1, max_length=16, description="The losses that are added up.")

    def terms_of(self) -> list[CombinedTerm]:
        return self.terms

    def places(self) -> list[Place]:
        return [("terms", place, "metric") for place in range(len(self.terms))]

    def with_threshold(self, threshold: float) -> Self:
        return self._with([term.metric.with_threshold(threshold) for term in self.terms])

    def of_masks(self) -> Self:
        return self._with([term.metric.of_masks() for term in self.terms])

    def parts(self) -> Iterator[tuple[Place, MetricSpec]]:
        return zip(self.places(), [term.metric for term in self.terms], strict=True)

    def _with(self, metrics: Sequence[MetricSpec]) -> Self:
        pairs = zip(self.terms, metrics, strict=True)
        return self.model_copy(update={"terms": [term.model_copy(update={"metric": one}) for term, one in pairs]})

    def without_class_0(self) -> Iterator[Place]:
        for place, term in enumerate(self.terms):
            yield from (("terms", place, "metric", *at) for at in term.metric.without_class_0())


class BceDice(Mix):
    """BCE + dice loss. Range [0, inf). Extras: `terms`."""

    about: ClassVar[About] = About(
        formula="BCE + (1 - dice)",
        direction="lower",
        range="[0, inf)",
        source=MIX_SOURCE,
        kinds=SOFT_KINDS,
        extras=TERMS,
    )
    name: Literal["bce_dice"] = "bce_dice"
    bce: BcePart = Field(default=CrossEntropy(), description=BCE)
    dice: DiceLossPart = Field(default=KERAS_DICE, description=DICE_LOSS)

    def terms_of(self) -> list[CombinedTerm]:
        return [CombinedTerm(metric=self.bce), CombinedTerm(metric=self.dice)]

    def places(self) -> list[Place]:
        return [("bce",), ("dice",)]


class BceLogDice(Mix):
    """BCE - log(1 - dice loss) = BCE - log dice. Range [0, inf). Extras: `terms`."""

    about: ClassVar[About] = About(
        formula="BCE - log(1 - dice_loss)",
        direction="lower",
        range="[0, inf)",
        source=MIX_SOURCE,
        kinds=SOFT_KINDS,
        extras=TERMS,
    )
    name: Literal["bce_log_dice"] = "bce_log_dice"
    bce: BcePart = Field(default=CrossEntropy(), description=BCE)
    dice: DicePart = Field(default=KERAS_DICE_SCORE, description=DICE_SCORE)

    def terms_of(self) -> list[CombinedTerm]:
        return [CombinedTerm(metric=self.bce), CombinedTerm(metric=self.dice, transform="minus_log")]

    def places(self) -> list[Place]:
        return [("bce",), ("dice",)]


class FocalDice(Mix):
    """Focal + dice loss. Range [0, inf). Extras: `terms`."""

    about: ClassVar[About] = About(
        formula="focal + (1 - dice)",
        direction="lower",
        range="[0, inf)",
        source=MIX_SOURCE,
        kinds=SOFT_KINDS,
        extras=TERMS,
    )
    name: Literal["focal_dice"] = "focal_dice"
    focal: FocalPart = Field(default=PLAIN_FOCAL, description=FOCAL)
    dice: DiceLossPart = Field(default=KERAS_DICE, description=DICE_LOSS)

    def terms_of(self) -> list[CombinedTerm]:
        return [CombinedTerm(metric=self.focal), CombinedTerm(metric=self.dice)]

    def places(self) -> list[Place]:
        return [("focal",), ("dice",)]


class FocalLogDice(Mix):
    """c * focal - log dice: focal and dice on one scale, c = focal_weight. Range [0, inf). Extras: `terms`."""

    about: ClassVar[About] = About(
        formula="c focal - log dice",
        direction="lower",
        range="[0, inf)",
        source=MIX_SOURCE,
        kinds=SOFT_KINDS,
        extras=TERMS,
    )
    name: Literal["focal_log_dice"] = "focal_log_dice"
    focal_weight: float = Field(default=10.0, ge=0, le=1e6, description="c: how much the focal loss weighs.")
    focal: FocalPart = Field(default=PLAIN_FOCAL, description=FOCAL)
    dice: DicePart = Field(default=KERAS_DICE_SCORE, description=DICE_SCORE)

    def terms_of(self) -> list[CombinedTerm]:
        return [
            CombinedTerm(metric=self.focal, weight=self.focal_weight),
            CombinedTerm(metric=self.dice, transform="minus_log"),
        ]

    def places(self) -> list[Place]:
        return [("focal",), ("dice",)]


class WeightedBceDice(Mix):
    """Boundary-weighted BCE + dice loss: the BCE weighted by `boundary`, over the sum of weights; the dice unweighted.

    Range [0, inf). Extras: `terms`. Tasks: binary and multilabel.
    """

    about: ClassVar[About] = About(
        formula="sum w BCE / sum w + (1 - dice)",
        direction="lower",
        range="[0, inf)",
        source=MIX_SOURCE,
        tasks=("binary", "multilabel"),
        kinds=SOFT_KINDS,
        extras=TERMS,
    )
    name: Literal["weighted_bce_dice"] = "weighted_bce_dice"
    boundary: BoundaryWeight = Field(
        default=BoundaryWeight(), description="How the cross-entropy's weights are computed; the dice has none."
    )
    dice: DiceLossPart = Field(default=KERAS_DICE, description=DICE_LOSS)

    def terms_of(self) -> list[CombinedTerm]:
        return [CombinedTerm(metric=CrossEntropy(weight_from=self.boundary)), CombinedTerm(metric=self.dice)]

    def places(self) -> list[Place]:
        return [(), ("dice",)]
