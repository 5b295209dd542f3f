"""Scores and losses of the order of the pixels: Lovasz, the area under the ROC curve, average precision."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lossgauge.metrics.overlap import BINARY_LIKE, Average
from lossgauge.metrics.spec import SOFT_KINDS, About, EmptyRule, Forbidden, MetricSpec, TargetEmpty, refuse_repeats
from lossgauge.tasks import Task

__all__ = ["AveragePrecision", "LovaszHinge", "LovaszSoftmax", "RocAuc"]

LOVASZ = "Berman, Triki and Blaschko, The Lovasz-Softmax loss, arXiv:1705.08790"
BOUND_AND_CURVE = {
    "error_bound": "method histogram: how far the exact value may be from this one, at most.",
    "curve": "curve points: the curve, an object of lists, or one a class.",
}
ClassNumber = Annotated[int, Field(ge=0, le=100_000)]
ClassList = Annotated[list[ClassNumber], Field(min_length=1, max_length=1000, strict=False)]


class OfExtensions(MetricSpec):
    """The parameters of a Lovasz loss."""

    empty: TargetEmpty = Field(
        default=TargetEmpty(target="formula"),
        description="What the loss of a mask, a label, or a class that counts is where the target has none of it. formula: the greatest"
        " error, which has a gradient.",
    )

    @classmethod
    def other_names(cls) -> dict[str, str]:
        return {**super().other_names(), "per_image": "pooling"}

    @model_validator(mode="before")
    @classmethod
    def _per_image_is_a_pooling(cls, given: Any) -> Any:
        """`per_image`, the published code's: true is pooling `sample`, false `batch`."""
        if not isinstance(given, Mapping) or "per_image" not in given or "pooling" in given:
            return given
        if not isinstance(given["per_image"], bool):
            raise Forbidden("per_image is true or false", "per_image")
        others = {name: value for name, value in given.items() if name != "per_image"}
        return {**others, "pooling": "sample" if given["per_image"] else "batch"}


class LovaszHinge(OfExtensions):
    """Lovasz hinge: the Lovasz extension of the Jaccard loss, of the hinge errors e = max(0, 1 - x s), s = 1 or -1.

    The errors in descending order, each times what its pixel adds to the Jaccard loss of the pixels before it. Without
    positives it is the greatest error, as in the published code, or what `empty` says. Per image; `pooling: batch` is the published code's
    `per_image=False`, and may be called so. Of logits only: a hinge is of margins, which probabilities have not. Multilabel:
    the mean over labels.
    Weights and soft targets are refused: the Jaccard loss counts pixels.
    Shapes: as the request's. Range [0, inf). Source: Berman et al., arXiv:1705.08790, algorithm 1.
    """

    about: ClassVar[About] = About(
        formula="sum over i of max(0, 1 - x s) in descending order, times (jaccard_i - jaccard_(i - 1))",
        direction="lower",
        range="[0, inf)",
        source=LOVASZ,
        tasks=BINARY_LIKE,
        kinds=("logits",),
    )
    name: Literal["lovasz_hinge"] = "lovasz_hinge"


class LovaszSoftmax(OfExtensions):
    """Lovasz softmax: the Lovasz extension of the Jaccard loss of each class, of the errors |t - p|, and the mean over classes.

    p is the softmax's probability; for binary and multilabel the sigmoid's, of the foreground only, as the published code
    treats one channel. Probabilities are taken as they are. Per image; `pooling: batch` is the published code's
    `per_image=False`, and may be called so. Weights and soft targets are refused: the Jaccard loss counts pixels.
    A mask, or a label, that the target has not is never left out: its loss is the greatest probability, as the published code's of
    `all`; `empty` {target: 0} is its 0 of `present`, which has no gradient.
    Shapes: as the request's. Range [0, 1]. Undefined: `target_empty` (of classes: `classes` is `present` and the class is not).
    Source: Berman et al., arXiv:1705.08790, eq. 11.
    """

    about: ClassVar[About] = About(
        formula="mean over classes of: sum over i of |t - p| in descending order, times (jaccard_i - jaccard_(i - 1))",
        direction="lower",
        range="[0, 1]",
        source=LOVASZ,
        kinds=SOFT_KINDS,
    )
    name: Literal["lovasz_softmax"] = "lovasz_softmax"
    classes: Literal["present", "all"] | ClassList = Field(
        default="present",
        description="The classes of the mean: those that the target has, all, or these; of the last two an absent one is as `empty` says:"
        " its greatest probability. Masks and labels count whether present or not.",
    )

    @model_validator(mode="after")
    def _each_class_once(self) -> Self:
        refuse_repeats("classes", self.classes if isinstance(self.classes, list) else [], "class ")
        return self


class OfRanking(MetricSpec):
    """The parameters of a score of how well the pixels are ranked."""

    average: Average = Field(
        default="macro",
        description="Over classes, each against the rest: the mean, the value of all classes' pixels ranked together, the mean weighted"
        " by the positives, or none.",
    )
    method: Literal["exact", "histogram"] = Field(
        default="exact",
        description="exact: of the sorted values. histogram: of equal bins of the probability, whose pixels are tied; extra `error_bound`.",
    )
    bins: int = Field(default=1000, ge=2, le=10_000, description="Bins of the histogram.")
    curve: Literal["none", "points"] = Field(
        default="none",
        description="points: the curve in the extra `curve` (micro has one, the others one a class), without the points that"
        " its area does not need: those on a straight line (ROC), and those that add no positive (precision and recall).",
    )
    max_points: int = Field(
        default=200,
        ge=2,
        le=10_000,
        description="Points of the curve; of more, these are chosen, evenly along it, and `area_change` tells what that does.",
    )
    empty: TargetEmpty = Field(
        default=TargetEmpty(target="undefined"),
        description="What the value is of a mask, a label or a class that the target has not. formula: 0/0, undefined.",
    )

    def extras_of(self, task: Task) -> tuple[str, ...]:
        asked = {"error_bound": self.method == "histogram", "curve": self.curve == "points"}
        return tuple(name for name in self.about.extras if asked[name])


class RocAuc(OfRanking):
    """Area under the ROC curve: how often a positive is ranked above a negative, a tie counting half.

    sum over pairs of v v' ([x > x'] + [x = x'] / 2) / (P N): exact, over the sorted values, whatever the ties. Binary and multilabel
    logits are ranked as they are (a sigmoid ties what rounds to 1); classes by their softmax, each against the rest.
    Shapes: as the request's. Range [0, 1]. Undefined: `target_empty`, `no_negatives`. Extras: `error_bound` (histogram: half of
    sum over bins p_b n_b / (P N), which the exact value is at most apart), `curve` (fpr, tpr, thresholds, area_change; the first point,
    (0, 0), is above all values and has no threshold). Soft targets are refused. Source: Hanley and McNeil, Radiology 143 (1982) 29.
    """

    about: ClassVar[About] = About(
        formula="sum over positives i and negatives j of v_i v_j ([x_i > x_j] + [x_i = x_j] / 2) / (P N)",
        direction="higher",
        range="[0, 1]",
        source="Hanley and McNeil, Radiology 143 (1982) 29",
        kinds=SOFT_KINDS,
        extras=BOUND_AND_CURVE,
    )
    name: Literal["roc_auc"] = "roc_auc"
    no_negatives: EmptyRule = Field(
        default="undefined", description="What the value is where the target has no negative: 0/0."
    )


class AveragePrecision(OfRanking):
    """Average precision: the mean over the positives of the precision at their own threshold.

    sum over thresholds (R_n - R_(n-1)) P_n, without interpolation, exact whatever the ties; ranked as in `roc_auc`. 1 where there
    are no negatives. Shapes: as the request's. Range [0, 1]. Undefined: `target_empty`. Extras: `error_bound` (histogram: the exact
    value is at most so far away, between the sums of each bin's worst and best order), `curve` (precision, recall, thresholds,
    area_change). Soft targets are refused. Source: Zhu, Recall, precision and average precision, Waterloo 2004.
    """

    about: ClassVar[About] = About(
        formula="sum over thresholds of (recall_n - recall_(n - 1)) precision_n",
        direction="higher",
        range="[0, 1]",
        source="Zhu, Recall, precision and average precision, University of Waterloo 2004-09",
        kinds=SOFT_KINDS,
        extras=BOUND_AND_CURVE,
    )
    name: Literal["average_precision"] = "average_precision"
