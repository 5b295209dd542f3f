"""MONAI."""

from collections.abc import Callable

import torch
from monai.losses import DiceLoss, FocalLoss
from monai.metrics import (
    compute_average_surface_distance,
    compute_confusion_matrix_metric,
    compute_dice,
    compute_hausdorff_distance,
    compute_iou,
    compute_surface_dice,
    get_confusion_matrix,
)

from tests.peers.batch import Batch
from tests.peers.peer import LABELS, LOGITS, MASKS, Peer, of_two_surfaces

TASKS = ("binary", "multiclass", "multilabel")
NAMES = {"precision": "precision", "recall": "sensitivity", "specificity": "specificity", "fbeta": "f1 score"}


def _channels(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    return batch.channels(batch.mask), batch.channels(batch.target)


def _mean(values: torch.Tensor) -> float:
    """MONAI's reduction: over classes, then over the samples that have a value."""
    return float(torch.nanmean(torch.nanmean(values.double(), dim=1)))


def _dice(batch: Batch) -> float:
    return _mean(compute_dice(*_channels(batch)))


def _iou(batch: Batch) -> float:
    return _mean(compute_iou(*_channels(batch)))


def _confusion(name: str) -> Callable[[Batch], float]:
    return lambda batch: _mean(compute_confusion_matrix_metric(name, get_confusion_matrix(*_channels(batch))))


def _loss(jaccard: bool) -> Callable[[Batch], float]:
    def loss(batch: Batch) -> float:
        softmax = batch.first.task == "multiclass"
        of = DiceLoss(sigmoid=not softmax, softmax=softmax, jaccard=jaccard)
        return float(of(batch.channels(batch.prediction), batch.channels(batch.target).double()))

    return loss


def _focal(batch: Batch) -> float:
    of = FocalLoss(use_softmax=batch.first.task == "multiclass")
    return float(of(batch.channels(batch.prediction), batch.channels(batch.target)))


def _hausdorff(batch: Batch) -> float:
    return _mean(compute_hausdorff_distance(*_channels(batch), include_background=True))


def _surface_distance(batch: Batch) -> float:
    return _mean(compute_average_surface_distance(*_channels(batch), include_background=True))


def _surface_dice(batch: Batch) -> float:
    thresholds = [1.0] * batch.classes
    return _mean(compute_surface_dice(*_channels(batch), thresholds, include_background=True))


SURFACES = {"hausdorff": _hausdorff, "average_surface_distance": _surface_distance, "surface_dice": _surface_dice}
PEERS = {
    **{
        (metric, task): Peer(run, LABELS, tolerance=1e-5, takes=of_two_surfaces, rarely=True)
        for metric, run in SURFACES.items()
        for task in TASKS
    },
    **{("dice", task): Peer(_dice, MASKS, tolerance=1e-5) for task in TASKS},
    **{("iou", task): Peer(_iou, MASKS, tolerance=1e-5) for task in TASKS},
    **{("dice_loss", task): Peer(_loss(False), LOGITS, soft=True) for task in TASKS},
    **{("iou_loss", task): Peer(_loss(True), LOGITS, soft=True) for task in TASKS},
    **{("focal_loss", task): Peer(_focal, LOGITS, tolerance=1e-5) for task in TASKS},
    **{
        (metric, task): Peer(_confusion(name), MASKS, tolerance=1e-5)
        for metric, name in NAMES.items()
        for task in TASKS
    },
    **{("accuracy", task): Peer(_confusion("accuracy"), MASKS, tolerance=1e-5) for task in ("binary", "multilabel")},
}
