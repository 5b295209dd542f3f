"""Objects that are found, missed and invented: scores of matched instances."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lossgauge.metrics.overlap import BACKGROUND, TEN_THRESHOLDS, Average
from lossgauge.metrics.spec import (
    About,
    Each,
    Empty,
    Forbidden,
    MetricSpec,
    Place,
    PredictionKind,
    Probability,
    refuse_repeats,
)
from lossgauge.tasks import TASKS_OF_PIXELS, Task

__all__ = ["InstanceFBeta", "InstancePrecision", "PanopticQuality"]

WITH_OBJECTS: tuple[Task, ...] = (*TASKS_OF_PIXELS, "instances")
LABELS: tuple[PredictionKind, ...] = ("labels",)
LARGEST_ID = 2**63 - 1
COUNTED = {
    "tp": "Matched pairs; a list per class where there are classes, and so the others.",
    "fp": "Predicted objects without a partner.",
    "fn": "The target's objects without a partner.",
}
PAIRS = {"pairs": "pairs above 0: the matched pairs [target id, prediction id, IoU]."}
SHARES = {"precision": "TP / (TP + FP).", "recall": "TP / (TP + FN)."}
QUALITIES = {
    "sq": "The mean IoU of the matched pairs.",
    "rq": "The F1 of the objects.",
    "sq_mean": "Over the classes, as `average` says: micro is of all their objects. Where there is one class, sq.",
    "rq_mean": "As sq_mean.",
}
AT_THRESHOLDS = {"per_threshold": "The value at each threshold; a list per class where there are classes."}
Id = Annotated[int, Field(ge=1, le=LARGEST_ID)]


class Matched(MetricSpec):
    """What an object is, and which of the prediction's is which of the target's.

    Objects are the connected components of each class's mask (tasks binary, multiclass, multilabel), or the ids of two
    maps (task instances; 0 is the background). The IoU of two objects leaves ignored pixels out. A predicted object without a
    partner counts as invented unless more than half of it is ignored or in a crowd. Of a mask, ignored pixels are in no object.
    """

    threshold_side: Literal["greater", "greater_equal"] = Field(
        default="greater", description="Two objects may be matched at IoU > threshold, or IoU >= threshold."
    )
    matching: Literal["greedy", "ranked", "optimal"] = Field(
        default="greedy",
        description="greedy: the pair of the greatest IoU first, of equal ones that which comes first in the image; ranked: the first"
        " of `ranking` first, with what it overlaps most of the objects that are left, as COCO matches detections by their score;"
        " optimal: as many pairs as there can be, and of these the greatest sum of IoU. Above a threshold of 0.5 all are the same;"
        " below it optimal takes at most 10000 pairs of objects that overlap others too.",
    )
    ranking: Each[Id] = Field(
        default=[],
        max_length=10_000,
        description="matching ranked, task instances: ids of the prediction from the greatest score on, each once. What is not among"
        " them comes after these, as greedy takes it.",
    )
    connectivity: Literal["faces", "full"] = Field(
        default="full", description="Pixels of one component touch by a face, or by a face, an edge or a corner."
    )
    min_size: int = Field(
        default=1, ge=1, le=LARGEST_ID, description="Objects of fewer pixels are background, in both maps."
    )
    instance_divisor: int | None = Field(
        default=None,
        ge=1,
        le=LARGEST_ID,
        description="Task instances with num_classes: an id is class * instance_divisor + number. Only objects of one class are matched.",
    )
    crowd: Each[Id] = Field(
        default=[],
        max_length=10_000,
        description="Task instances: ids of the target, each once, that are regions of many objects, neither to be found nor missed.",
    )
    pairs: int = Field(
        default=0,
        ge=0,
        le=100_000,
        description="How many matched pairs [target id, prediction id, IoU] of a class are listed at most. A component's id is its number,"
        " in the order of their first pixels.",
    )
    average: Average = Field(
        default="macro",
        description="Over classes: the mean, the value of the summed counts, the mean weighted by the target's objects, or none.",
    )
    include_background: bool = Field(
        default=True, description="false leaves class 0 out of the average; regions have no class 0."
    )
    empty: Empty = Field(
        default=Empty(), description="What the value is when a class has no object in one map or both."
    )

    @model_validator(mode="after")
    def _each_crowd_once(self) -> Self:
        refuse_repeats("crowd", self.crowd)
        return self

    @model_validator(mode="after")
    def _a_ranking_ranks(self) -> Self:
        refuse_repeats("ranking", self.ranking)
        if self.matching == "ranked" and not self.ranking:
            raise Forbidden("matching 'ranked' needs a ranking; found none", "matching")
        if self.ranking and self.matching != "ranked":
            raise Forbidden(f"ranking is for matching 'ranked', not {self.matching!r}", "ranking")
        return self

    def without_class_0(self) -> Iterator[Place]:
        return iter(() if self.include_background else (BACKGROUND,))

    def extras_of(self, task: Task) -> tuple[str, ...]:
        return tuple(name for name in self.about.extras if name != "pairs" or self.pairs)


class InstanceFBeta(Matched):
    """F-beta of objects, (1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP): beta = 2 is the F2 of ship and nuclei competitions.

    TP are the matched pairs, FP the predicted objects and FN the target's objects that are left.
    Shapes: as the request's. Range [0, 1]. Extras: `tp`, `fp`, `fn`, `precision`, `recall` (a list per class where there are
    classes), and `pairs`. Undefined: `both_empty`. Source: van Rijsbergen, Information Retrieval, 1979, of matched objects.
    """

    about: ClassVar[About] = About(
        formula="(1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP), of objects matched at IoU > iou_threshold",
        direction="higher",
        range="[0, 1]",
        source="van Rijsbergen, Information Retrieval (1979), of matched objects",
        tasks=WITH_OBJECTS,
        kinds=LABELS,
        extras={**COUNTED, **SHARES, **PAIRS},
    )
    name: Literal["instance_fbeta"] = "instance_fbeta"
    beta: float = Field(default=1.0, ge=0, le=1e6, description="How much recall weighs against precision.")
    iou_threshold: Probability = Field(default=0.5, description="The IoU from which objects may be matched.")


class InstancePrecision(Matched):
    """Average precision of objects: the mean over IoU thresholds of TP / (TP + FP + FN).

    Objects are matched at each threshold on its own; `empty` is applied at each. `counted` and `skipped` are of the thresholds
    (where there are classes: of the classes).
    Shapes: as the request's. Range [0, 1]. Extras: `per_threshold` (a list per class where there are classes), and `pairs` of the
    first threshold. Undefined: `both_empty`. Source: Caicedo et al., Nature Methods 16 (2019) 1247 (DSB 2018).
    """

    about: ClassVar[About] = About(
        formula="mean over thresholds of TP / (TP + FP + FN), of objects matched at IoU > threshold",
        direction="higher",
        range="[0, 1]",
        source="2018 Data Science Bowl; Caicedo et al., Nature Methods 16 (2019) 1247",
        tasks=WITH_OBJECTS,
        kinds=LABELS,
        extras={**AT_THRESHOLDS, **PAIRS},
    )
    name: Literal["instance_precision"] = "instance_precision"
    thresholds: Each[Probability] = Field(
        default=list(TEN_THRESHOLDS), min_length=1, max_length=100, description="Thresholds of the IoU, each once."
    )

    @model_validator(mode="after")
    def _each_threshold_once(self) -> Self:
        refuse_repeats("thresholds", self.thresholds)
        return self


class PanopticQuality(Matched):
    """Panoptic quality: the sum of the matched objects' IoU over TP + FP / 2 + FN / 2, which is SQ times RQ.

    SQ is the mean IoU of the matched pairs, RQ their F1. Ignored pixels are the void of the panoptic format.
    Shapes: as the request's. Range [0, 1]. Extras: `sq`, `rq`, `tp`, `fp`, `fn` (a list per class where there are classes),
    `sq_mean`, `rq_mean` (of the classes that have one; a mean's PQ is not their product), and `pairs`.
    Undefined: `both_empty`. Source: Kirillov et al., arXiv:1801.00868, eq. 1.
    """

    about: ClassVar[About] = About(
        formula="sum of IoU over TP / (TP + FP / 2 + FN / 2), of objects matched at IoU > 0.5",
        direction="higher",
        range="[0, 1]",
        source="Kirillov et al., Panoptic Segmentation, arXiv:1801.00868, eq. 1",
        tasks=WITH_OBJECTS,
        kinds=LABELS,
        extras={**QUALITIES, **COUNTED, **PAIRS},
    )
    name: Literal["panoptic_quality"] = "panoptic_quality"
    iou_threshold: Probability = Field(default=0.5, description="The IoU from which objects may be matched.")
