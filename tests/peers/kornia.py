"""Kornia."""

import torch
from kornia.losses import (
    binary_focal_loss_with_logits,
    dice_loss,
    focal_loss,
    lovasz_hinge_loss,
    lovasz_softmax_loss,
    tversky_loss,
)
from kornia.metrics import mean_iou

from tests.peers.batch import Batch
from tests.peers.peer import LOGITS, MASKS, Peer, of_two_axes


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


def _tversky(batch: Batch) -> float:
    return float(tversky_loss(batch.prediction, batch.target, 0.3, 0.7, ignore_index=_ignored(batch)))


def _hinge(batch: Batch) -> float:
    return float(lovasz_hinge_loss(batch.prediction[:, None], batch.target))


def _softmax(batch: Batch) -> float:
    return float(lovasz_softmax_loss(batch.prediction, batch.target))


OF_MASKS = Peer(_focal_of_masks, LOGITS, ignored=True)
PEERS = {
    ("dice_loss", "multiclass"): Peer(_dice, LOGITS, ignored=True, takes=of_two_axes),
    ("focal_loss", "binary"): OF_MASKS,
    ("focal_loss", "multilabel"): OF_MASKS,
    ("focal_loss", "multiclass"): Peer(_focal_of_classes, LOGITS, ignored=True),
    ("iou", "multiclass"): Peer(_iou, MASKS, tolerance=1e-5),
    ("tversky_loss", "multiclass"): Peer(_tversky, LOGITS, ignored=True, takes=of_two_axes),
    ("lovasz_hinge", "binary"): Peer(_hinge, LOGITS, takes=of_two_axes),
    ("lovasz_softmax", "multiclass"): Peer(_softmax, LOGITS, takes=of_two_axes),
}
