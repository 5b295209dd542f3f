"""Overlap of boxes, paired row by row: IoU, and the losses of box regression."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lossgauge.metrics.spec import About, MetricSpec, PredictionKind, Probability
from lossgauge.tasks import Task

__all__ = ["BoxIou", "BoxIouLoss", "CiouLoss", "DiouLoss", "EiouLoss", "FocalEiouLoss", "GiouLoss"]

ONLY_BOXES: tuple[Task, ...] = ("boxes",)
AS_BOXES: tuple[PredictionKind, ...] = ("boxes",)
PER_BOX = {"per_box": "The value of each pair."}
ZHENG = "Zheng et al., Distance-IoU Loss, arXiv:1911.08287"
ZHANG = "Zhang et al., Focal and Efficient IOU Loss, arXiv:2101.08158"


class OfBoxes(MetricSpec):
    """A value per pair of boxes, prediction and target both (n, 4), and what is made of them.

    I and U are the areas of a pair's intersection and union, C of the box around both, c its diagonal, C_w and C_h its sides; d
    is the distance of the centres. A distance over a side of 0 is 0. Extras: `per_box`, `counted`, `skipped`. Undefined:
    `no_boxes`, `zero_union`.
    """

    box_format: Literal["xyxy", "xywh", "cxcywh"] = Field(
        default="xyxy",
        description="Two corners; the least corner, width and height; or the centre, width and height.",
    )
    reduction: Literal["mean", "sum"] = Field(default="mean", description="Over the boxes that have a value.")
    zero_union: Annotated[Probability | Literal["undefined"], Field(union_mode="left_to_right")] = Field(
        default="undefined",
        description="The IoU of two boxes of which neither has an area; undefined leaves the pair out.",
    )


class BoxIou(OfBoxes):
    """Intersection over union of paired boxes, I / U.

    Shapes: (n, 4) both. Range [0, 1]. Undefined: `no_boxes`, `zero_union`. Source: Everingham et al., IJCV 88 (2010) 303.
    """

    about: ClassVar[About] = About(
        formula="I / U",
        direction="higher",
        range="[0, 1]",
        source="Everingham et al., The PASCAL VOC Challenge, IJCV 88 (2010) 303",
        tasks=ONLY_BOXES,
        kinds=AS_BOXES,
        extras=PER_BOX,
    )
    name: Literal["box_iou"] = "box_iou"


class BoxIouLoss(OfBoxes):
    """IoU loss of paired boxes, 1 - I / U.

    Shapes: (n, 4) both. Range [0, 1]. Undefined: `no_boxes`, `zero_union`. Source: Rezatofighi et al., arXiv:1902.09630, alg. 2.
    """

    about: ClassVar[About] = About(
        formula="1 - I / U",
        direction="lower",
        range="[0, 1]",
        source="Rezatofighi et al., Generalized Intersection over Union, arXiv:1902.09630, alg. 2",
        tasks=ONLY_BOXES,
        kinds=AS_BOXES,
        extras=PER_BOX,
    )
    name: Literal["box_iou_loss"] = "box_iou_loss"


class GiouLoss(OfBoxes):
    """Generalised IoU loss, 1 - I / U + (C - U) / C: boxes that do not meet are told how far apart they are.

    Shapes: (n, 4) both. Range [0, 2]. Undefined: `no_boxes`, `zero_union`. Source: Rezatofighi et al., arXiv:1902.09630, alg. 2.
    """

    about: ClassVar[About] = About(
        formula="1 - I / U + (C - U) / C",
        direction="lower",
        range="[0, 2]",
        source="Rezatofighi et al., Generalized Intersection over Union, arXiv:1902.09630, alg. 2",
        tasks=ONLY_BOXES,
        kinds=AS_BOXES,
        extras=PER_BOX,
    )
    name: Literal["giou_loss"] = "giou_loss"


class DiouLoss(OfBoxes):
    """Distance IoU loss, 1 - I / U + d^2 / c^2.

    Shapes: (n, 4) both. Range [0, 2]. Undefined: `no_boxes`, `zero_union`. Source: Zheng et al., arXiv:1911.08287, eq. 7.
    """

    about: ClassVar[About] = About(
        formula="1 - I / U + d^2 / c^2",
        direction="lower",
        range="[0, 2]",
        source=f"{ZHENG}, eq. 7",
        tasks=ONLY_BOXES,
        kinds=AS_BOXES,
        extras=PER_BOX,
    )
    name: Literal["diou_loss"] = "diou_loss"


class CiouLoss(OfBoxes):
    """Complete IoU loss, 1 - I / U + d^2 / c^2 + a v: the shapes count too.

    v = 4 / pi^2 (arctan(w_t / h_t) - arctan(w / h))^2 and a = v / (1 - I / U + v), with a v = 0 where v = 0.
    Shapes: (n, 4) both. Range [0, 3]. Undefined: `no_boxes`, `zero_union`. Source: Zheng et al., arXiv:1911.08287, eq. 8 to 11.
    """

    about: ClassVar[About] = About(
        formula="1 - I / U + d^2 / c^2 + a v, v = 4 / pi^2 (arctan(w_t / h_t) - arctan(w / h))^2, a = v / (1 - I / U + v)",
        direction="lower",
        range="[0, 3]",
        source=f"{ZHENG}, eq. 8 to 11",
        tasks=ONLY_BOXES,
        kinds=AS_BOXES,
        extras=PER_BOX,
    )
    name: Literal["ciou_loss"] = "ciou_loss"


class EiouLoss(OfBoxes):
    """Efficient IoU loss, 1 - I / U + d^2 / c^2 + (w - w_t)^2 / C_w^2 + (h - h_t)^2 / C_h^2.

    Shapes: (n, 4) both. Range [0, 4]. Undefined: `no_boxes`, `zero_union`. Source: Zhang et al., arXiv:2101.08158.
    """

    about: ClassVar[About] = About(
        formula="1 - I / U + d^2 / c^2 + (w - w_t)^2 / C_w^2 + (h - h_t)^2 / C_h^2",
        direction="lower",
        range="[0, 4]",
        source=ZHANG,
        tasks=ONLY_BOXES,
        kinds=AS_BOXES,
        extras=PER_BOX,
    )
    name: Literal["eiou_loss"] = "eiou_loss"


class FocalEiouLoss(OfBoxes):
    """Focal EIoU loss, (I / U)^gamma times the EIoU loss: pairs that overlap well weigh most, and those that do not meet nothing.

    Shapes: (n, 4) both. Range [0, 4]. Undefined: `no_boxes`, `zero_union`. Source: Zhang et al., arXiv:2101.08158.
    """

    about: ClassVar[About] = About(
        formula="(I / U)^gamma eiou_loss",
        direction="lower",
        range="[0, 4]",
        source=ZHANG,
        tasks=ONLY_BOXES,
        kinds=AS_BOXES,
        extras=PER_BOX,
    )
    name: Literal["focal_eiou_loss"] = "focal_eiou_loss"
    gamma: float = Field(default=0.5, ge=0, le=1e3, description="How much the IoU decides a pair's weight.")
