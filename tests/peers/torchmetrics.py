"""TorchMetrics, its functional forms."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torchmetrics.functional import classification, detection, regression, segmentation

from tests.peers.batch import Batch
from tests.peers.objects import DIVISOR
from tests.peers.peer import (
    BOXES,
    LABELS,
    MASKS,
    PROBABILITIES,
    Peer,
    both_sides_of_every_class,
    ignored_is_no_class,
    of_two_surfaces,
)
from tests.reference import Case

TASKS = ("binary", "multiclass", "multilabel")
NAMES = {
    "iou": "jaccard_index",
    "precision": "precision",
    "recall": "recall",
    "fbeta": "f1_score",
    "accuracy": "accuracy",
    "specificity": "specificity",
}


def _classification(task: str, name: str) -> Callable[[Batch], float]:
    function = getattr(classification, f"{task}_{name}")
    return lambda batch: float(function(batch.prediction, batch.target, **_asked(batch)))


def _asked(batch: Batch) -> dict[str, Any]:
    first = batch.first
    classes = {"binary": {}, "multiclass": {"num_classes": first.classes}, "multilabel": {"num_labels": first.classes}}
    threshold = {} if first.task == "multiclass" else {"threshold": first.threshold}
    return {**classes[first.task], **threshold, "ignore_index": first.ignore_index}


def _dice(batch: Batch) -> float:
    masks = [batch.channels(array).bool() for array in (batch.mask, batch.target)]
    return float(torch.nanmean(segmentation.dice_score(*masks, num_classes=batch.classes)))


def _mean_iou(batch: Batch) -> float:
    masks = [batch.channels(array).bool() for array in (batch.mask, batch.target)]
    return float(torch.nanmean(segmentation.mean_iou(*masks, num_classes=batch.classes)))


def _wrong(task: str) -> Callable[[Batch], float]:
    function = getattr(classification, f"{task}_confusion_matrix")

    def errors(batch: Batch) -> float:
        matrix = function(batch.prediction, batch.target, **_asked(batch))
        return float(matrix.sum() - matrix.diagonal(dim1=-2, dim2=-1).sum())

    return errors


def _of(task: str, name: str, **asked: Any) -> Callable[[Batch], float]:
    """A function that has no threshold to take."""
    function = getattr(classification, f"{task}_{name}")

    def score(batch: Batch) -> float:
        given = {key: value for key, value in _asked(batch).items() if key != "threshold"}
        return float(function(batch.prediction, batch.target, **given, **asked))

    return score


def _generalized_dice(batch: Batch) -> float:
    masks = [batch.channels(array).bool() for array in (batch.mask, batch.target)]
    return float(1 - segmentation.generalized_dice_score(*masks, num_classes=batch.classes).mean())


def _hausdorff(batch: Batch) -> float:
    masks = [batch.channels(array).bool() for array in (batch.mask, batch.target)]
    distances = segmentation.hausdorff_distance(*masks, num_classes=batch.classes, include_background=True)
    return float(distances.mean())


def _iou_of_boxes(batch: Batch) -> float:
    """torchvision.ops.box_iou, whose diagonal it means."""
    p, t = (torch.tensor(np.stack([getattr(case, name) for case in batch.cases])) for name in ("prediction", "target"))
    low, high = torch.maximum(p[..., :2], t[..., :2]), torch.minimum(p[..., 2:], t[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    sizes = [(box[..., 2:] - box[..., :2]).prod(-1) for box in (p, t)]
    return float((shared / (sizes[0] + sizes[1] - shared)).nanmean())


def _box_parts(batch: Batch) -> tuple[torch.Tensor, ...]:
    """Both boxes, the union's area, the box around both, and the IoU."""
    p, t = (
        torch.tensor(np.concatenate([getattr(case, name) for case in batch.cases])) for name in ("prediction", "target")
    )
    low, high = torch.maximum(p[:, :2], t[:, :2]), torch.minimum(p[:, 2:], t[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    union = sum((box[:, 2:] - box[:, :2]).prod(1) for box in (p, t)) - shared
    around = torch.maximum(p[:, 2:], t[:, 2:]) - torch.minimum(p[:, :2], t[:, :2])
    return p, t, union, around, shared / union


def _giou(batch: Batch) -> float:
    """1 - torchvision.ops.generalized_box_iou, the mean of its diagonal."""
    _, _, union, around, iou = _box_parts(batch)
    area = around.prod(1)
    return float(1 - (iou - (area - union) / area).mean())


def _distances(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    p, t, _, around, iou = _box_parts(batch)
    apart = ((p[:, :2] + p[:, 2:] - t[:, :2] - t[:, 2:]) / 2).square().sum(1)
    return iou - apart / (around.square().sum(1) + 1e-7), iou


def _diou(batch: Batch) -> float:
    """1 - torchvision.ops.distance_box_iou."""
    return float(1 - _distances(batch)[0].mean())


def _ciou(batch: Batch) -> float:
    """1 - torchvision.ops.complete_box_iou."""
    diou, iou = _distances(batch)
    angles = [torch.atan((box[:, 2] - box[:, 0]) / (box[:, 3] - box[:, 1])) for box in _box_parts(batch)[:2]]
    v = 4 / torch.pi**2 * (angles[0] - angles[1]).square()
    return float(1 - (diou - v / (1 - iou + v + 1e-7) * v).mean())


def _have_areas(case: Case) -> bool:
    return all(bool((box[:, 2:] - box[:, :2] >= 0.125).all()) for box in (case.prediction, case.target))


def _squares(batch: Batch) -> float:
    prediction, target = (batch.channels(array).double().contiguous() for array in (batch.prediction, batch.target))
    return float(regression.mean_squared_error(prediction, target))


def _panoptic(divisor: int) -> Callable[[Batch], float]:
    """Every category of the maps is a thing but the target's 0, which is of none."""

    def quality(batch: Batch) -> float:
        sides = [
            torch.tensor(np.stack([getattr(case, name) for case in batch.cases])) for name in ("prediction", "target")
        ]
        pairs = [torch.stack([ids // divisor, ids % divisor], -1).flatten(1, -2) for ids in sides]
        void = (sides[1] == 0).flatten(1)
        pairs[1][void] = 99
        categories = {int(c) for c in torch.unique(torch.cat(pairs)[..., 0])} - {99}
        if not categories:
            return float("nan")
        return float(
            detection.panoptic_quality(*pairs, things=categories, stuffs=set(), allow_unknown_preds_category=True)
        )

    return quality


def _square(case: Case) -> bool:
    shape = case.target.shape[-2:]
    return case.target.ndim - (case.task == "multilabel") == 2 and shape[0] == shape[1] and of_two_surfaces(case)


def _with_both(case: Case) -> bool:
    """MCC is of a mask and a target that both have two classes; 0/0 is a number of its own."""
    if case.task == "multiclass" and case.classes > 2:
        return ignored_is_no_class(case)
    mask = Batch([case]).mask.numpy()[0]
    sides = (mask[case.valid], case.target[case.valid])
    return ignored_is_no_class(case) and all(len(np.unique(side)) == 2 for side in sides)


def _of_both_sides(case: Case) -> bool:
    return ignored_is_no_class(case) and both_sides_of_every_class(case)


def _is_unsure(case: Case) -> bool:
    """A confidence of 1 has a bin of its own."""
    return bool((case.prediction < 1).all()) and ignored_is_no_class(case)


PEERS = {
    **{
        ("mcc", task): Peer(
            _classification(task, "matthews_corrcoef"),
            MASKS,
            ignored=task != "multilabel",
            tolerance=1e-4,
            takes=_with_both,
            rarely=True,
        )
        for task in TASKS
    },
    **{
        ("kappa", task): Peer(
            _classification(task, "cohen_kappa"), MASKS, ignored=True, tolerance=1e-4, takes=ignored_is_no_class
        )
        for task in ("binary", "multiclass")
    },
    **{
        ("roc_auc", task): Peer(
            _of(task, "auroc"),
            PROBABILITIES,
            ignored=task != "multilabel",
            tolerance=1e-5,
            takes=ignored_is_no_class,
        )
        for task in TASKS
    },
    ("average_precision", "binary"): Peer(
        _of("binary", "average_precision"), PROBABILITIES, ignored=True, tolerance=1e-5, takes=ignored_is_no_class
    ),
    ("average_precision", "multilabel"): Peer(
        _of("multilabel", "average_precision"), PROBABILITIES, tolerance=1e-5, takes=ignored_is_no_class
    ),
    ("average_precision", "multiclass"): Peer(
        _of("multiclass", "average_precision"),
        PROBABILITIES,
        ignored=True,
        tolerance=1e-5,
        takes=_of_both_sides,
        rarely=True,
    ),
    **{
        ("calibration_error", task): Peer(
            _of(task, "calibration_error"), PROBABILITIES, ignored=True, tolerance=1e-5, takes=_is_unsure
        )
        for task in ("binary", "multiclass")
    },
    **{("generalized_dice_loss", task): Peer(_generalized_dice, MASKS, tolerance=1e-5) for task in TASKS},
    **{("hausdorff", task): Peer(_hausdorff, LABELS, tolerance=1e-5, takes=_square, rarely=True) for task in TASKS},
    ("panoptic_quality", "instances"): Peer(_panoptic(1000), LABELS, ignored=True, filled=True),
    ("box_iou", "boxes"): Peer(_iou_of_boxes, BOXES),
    **{
        (metric, "boxes"): Peer(run, BOXES, takes=_have_areas, tolerance=1e-4)
        for metric, run in (("giou_loss", _giou), ("diou_loss", _diou), ("ciou_loss", _ciou))
    },
    **{("brier", task): Peer(_squares, PROBABILITIES, soft=True, tolerance=1e-5) for task in TASKS},
    **{("dice", task): Peer(_dice, MASKS, tolerance=1e-5) for task in TASKS},
    **{
        (metric, task): Peer(
            _classification(task, name),
            MASKS,
            ignored=task != "multilabel",
            tolerance=1e-5,
            takes=ignored_is_no_class,
        )
        for metric, name in NAMES.items()
        for task in TASKS
    },
    **{
        ("confusion", task): Peer(_wrong(task), MASKS, ignored=task != "multilabel", takes=ignored_is_no_class)
        for task in TASKS
    },
}
MORE = (
    *(
        ("iou", task, {"empty": {"both": "skip"}, "pooling": "sample"}, Peer(_mean_iou, MASKS, tolerance=1e-5))
        for task in TASKS
    ),
    *(
        (
            "calibration_error",
            task,
            {"norm": norm, "bins": 4},
            Peer(_of(task, "calibration_error", norm=norm, n_bins=4), PROBABILITIES, tolerance=1e-5),
        )
        for task in ("binary", "multiclass")
        for norm in ("l2", "max")
    ),
    *(
        (
            metric,
            task,
            {"method": "histogram", "bins": 8},
            Peer(_of(task, name, thresholds=9), PROBABILITIES, tolerance=1e-5),
        )
        for metric, name in (("roc_auc", "auroc"), ("average_precision", "average_precision"))
        for task in TASKS
    ),
    *(
        (
            "kappa",
            "multiclass",
            {"weights": weights},
            Peer(_of("multiclass", "cohen_kappa", weights=weights), MASKS, tolerance=1e-5),
        )
        for weights in ("linear", "quadratic")
    ),
    (
        "panoptic_quality",
        "instances",
        {"instance_divisor": DIVISOR},
        Peer(_panoptic(DIVISOR), LABELS, ignored=True, filled=True),
    ),
)
