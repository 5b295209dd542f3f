"""Kornia."""

import numpy as np
import torch
from kornia.losses import (
    binary_focal_loss_with_logits,
    dice_loss,
    focal_loss,
    lovasz_hinge_loss,
    lovasz_softmax_loss,
    tversky_loss,
)
from kornia.metrics import accuracy, confusion_matrix, mean_iou, mean_iou_bbox

from tests.peers.batch import Batch
from tests.peers.peer import BOXES, LOGITS, MASKS, PROBABILITIES, Peer, of_two_axes
from tests.reference import Case


def _ignored(batch: Batch) -> int:
    return -100 if batch.first.ignore_index is None else batch.first.ignore_index


def _dice(batch: Batch) -> float:
    return float(dice_loss(batch.prediction, batch.target, ignore_index=_ignored(batch)))


def _focal_of_masks(batch: Batch) -> float:
    x, t = batch.channels(batch.prediction), batch.channels(batch.target)
    return float(binary_focal_loss_with_logits(x, t.double(), 0.25, reduction="mean", ignore_index=_ignored(batch)))


def _focal_of_classes(batch: Batch) -> float:
    loss = focal_loss(batch.prediction, batch.target, None, reduction="mean", ignore_index=_ignored(batch))
    return float(loss)


def _iou(batch: Batch) -> float:
    mask, target = (array.reshape(len(array), -1) for array in (batch.mask, batch.target))
    return float(torch.mean(mean_iou(mask, target, batch.classes)))


def _wrong(batch: Batch) -> float:
    matrix = confusion_matrix(batch.mask, batch.target, max(2, batch.classes)).sum(0)
    return float(matrix.sum() - matrix.diagonal().sum())


def _accuracy(batch: Batch) -> float:
    return float(accuracy(torch.movedim(batch.prediction, 1, -1).flatten(0, -2), batch.target.flatten())[0]) / 100


def _without_ties(case: Case) -> bool:
    """Which of two classes that tie comes first is topk's choice."""
    return bool(((case.prediction.max(0) == case.prediction).sum(0) == 1).all())


def _tversky(batch: Batch) -> float:
    return float(tversky_loss(batch.prediction, batch.target, 0.3, 0.7, ignore_index=_ignored(batch)))


def _hinge(batch: Batch) -> float:
    return float(lovasz_hinge_loss(batch.prediction[:, None], batch.target))


def _softmax(batch: Batch) -> float:
    return float(lovasz_softmax_loss(batch.prediction, batch.target))


def _box_iou(batch: Batch) -> float:
    sides = ([getattr(case, name) for case in batch.cases] for name in ("prediction", "target"))
    return float(mean_iou_bbox(*(torch.tensor(np.concatenate(boxes)) for boxes in sides)).diag().mean())


def _have_areas(case: Case) -> bool:
    return all(bool((box[:, 2:] > box[:, :2]).all()) for box in (case.prediction, case.target))


OF_MASKS = Peer(_focal_of_masks, LOGITS, soft=True, ignored=True)
PEERS = {
    ("dice_loss", "multiclass"): Peer(_dice, LOGITS, ignored=True, takes=of_two_axes),
    ("focal_loss", "binary"): OF_MASKS,
    ("focal_loss", "multilabel"): OF_MASKS,
    ("focal_loss", "multiclass"): Peer(_focal_of_classes, LOGITS, ignored=True),
    ("iou", "multiclass"): Peer(_iou, MASKS, tolerance=1e-5),
    ("confusion", "multiclass"): Peer(_wrong, MASKS),
    ("accuracy", "multiclass"): Peer(_accuracy, PROBABILITIES, tolerance=1e-5, takes=_without_ties),
    ("box_iou", "boxes"): Peer(_box_iou, BOXES, takes=_have_areas),
    ("tversky_loss", "multiclass"): Peer(_tversky, LOGITS, ignored=True, takes=of_two_axes),
    ("lovasz_hinge", "binary"): Peer(_hinge, LOGITS, takes=of_two_axes),
    ("lovasz_softmax", "multiclass"): Peer(_softmax, LOGITS, takes=of_two_axes),
}
