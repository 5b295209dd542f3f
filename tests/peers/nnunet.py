"""nnU-Net's formulas: training/loss/dice.py and evaluation/evaluate_predictions.py."""

from collections.abc import Callable

import torch

from tests.peers.batch import Batch
from tests.peers.peer import LOGITS, MASKS, Peer


def _loss(batch: Batch) -> float:
    p, t = batch.prediction.softmax(1)[:, 1:], batch.channels(batch.target).double()[:, 1:]
    shared, sizes = (array.flatten(2).sum(-1) for array in (p * t, p + t))
    return float(1 - ((2 * shared + 1) / (sizes + 1)).mean())


def _of_regions(formula: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Callable[[Batch], float]:
    def score(batch: Batch) -> float:
        mask, target = (batch.channels(array)[:, 1:].flatten(2).double() for array in (batch.mask, batch.target))
        values = formula((mask * target).sum(-1), (mask + target).sum(-1))
        return float(torch.nanmean(values))

    return score


DICE = _of_regions(lambda shared, sizes: 2 * shared / sizes)
IOU = _of_regions(lambda shared, sizes: shared / (sizes - shared))
PEERS = {
    ("dice_loss", "multiclass"): Peer(_loss, LOGITS),
    ("dice", "multiclass"): Peer(DICE, MASKS),
    ("iou", "multiclass"): Peer(IOU, MASKS),
}
