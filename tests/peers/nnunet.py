"""nnU-Net's formulas: training/loss/dice.py, compound_losses.py and evaluation/evaluate_predictions.py."""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from tests.peers.batch import Batch
from tests.peers.peer import LABELS, LOGITS, MASKS, Peer

SMOOTH = 1e-5
TASKS = ("multiclass", "multilabel")


def _soft_dice(batch: Batch, batch_dice: bool = False) -> float:
    """MemoryEfficientSoftDiceLoss as nnUNetTrainer makes it, whose value is less by 1."""
    of_classes = batch.first.task == "multiclass"
    p = batch.prediction.softmax(1) if of_classes else torch.sigmoid(batch.prediction)
    t, counts = _target(batch), _valid(batch)
    foreground = slice(1 if of_classes else 0, None)
    p, t = ((array * counts)[:, foreground].flatten(2) for array in (p, t))
    shared, sizes = ((array.sum(-1).sum(0) if batch_dice else array.sum(-1)) for array in (p * t, p + t))
    return float(1 - ((2 * shared + SMOOTH) / (sizes + SMOOTH).clamp_min(1e-8)).mean())


def _target(batch: Batch) -> torch.Tensor:
    """Channels, of classes 0 where a pixel is ignored, which `_valid` leaves out."""
    if batch.first.task == "multilabel":
        return batch.target.double()
    return batch.channels(torch.where(_valid(batch)[:, 0].bool(), batch.target, 0)).double()


def _valid(batch: Batch) -> torch.Tensor:
    """1 where a pixel counts, with one channel."""
    ignored = batch.first.ignore_index
    if batch.first.task == "multilabel":
        return torch.ones_like(batch.target[:, :1]).double()
    return (batch.target != (-100 if ignored is None else ignored))[:, None].double()


def _cross_entropy(batch: Batch) -> float:
    if batch.first.task == "multilabel":
        return float(functional.binary_cross_entropy_with_logits(batch.prediction, batch.target.double(), batch.weight))
    ignored = -100 if batch.first.ignore_index is None else batch.first.ignore_index
    return float(functional.cross_entropy(batch.prediction, batch.target, ignore_index=ignored))


def _compound(batch_dice: bool) -> Callable[[Batch], float]:
    """DC_and_CE_loss and DC_and_BCE_loss, both of weights 1, and 1 more."""
    return lambda batch: _cross_entropy(batch) + _soft_dice(batch, batch_dice)


Formula = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def _evaluated(formula: Formula) -> Callable[[Batch], float]:
    """Of labels but the first, or of regions that are masks."""

    def score(batch: Batch) -> float:
        first = 1 if batch.first.task == "multiclass" else 0
        masks = [batch.channels(array)[:, first:].flatten(2).double() for array in (batch.mask, batch.target)]
        return _scored(formula, *masks)

    return score


def _of_regions(formula: Formula, regions: list[list[int]]) -> Callable[[Batch], float]:
    """region_or_label_to_mask, for every region."""

    def score(batch: Batch) -> float:
        sides = [
            torch.stack([torch.isin(labels, torch.tensor(region)) for region in regions], 1)
            for labels in (batch.mask, batch.target)
        ]
        return _scored(formula, *(masks.flatten(2).double() for masks in sides))

    return score


def _scored(formula: Formula, mask: torch.Tensor, target: torch.Tensor) -> float:
    return float(torch.nanmean(formula((mask * target).sum(-1), (mask + target).sum(-1))))


FORMULAS: dict[str, Formula] = {
    "dice": lambda shared, sizes: 2 * shared / sizes,
    "iou": lambda shared, sizes: shared / (sizes - shared),
}
PEERS = {
    ("dice_loss", "multiclass"): Peer(_soft_dice, LOGITS, ignored=True),
    ("dice_loss", "multilabel"): Peer(_soft_dice, LOGITS),
    ("cross_entropy", "multiclass"): Peer(_cross_entropy, LOGITS, ignored=True),
    ("cross_entropy", "multilabel"): Peer(_cross_entropy, LOGITS, soft=True, weights=True),
    **{(metric, task): Peer(_evaluated(formula), MASKS) for metric, formula in FORMULAS.items() for task in TASKS},
}
TERMS: dict[str, Any] = {"terms": [{"metric": {"name": "cross_entropy"}}, {"metric": {"name": "dice_loss"}}]}
MORE = tuple(
    more
    for task in TASKS
    for more in (
        ("dice_loss", task, {"pooling": "batch"}, Peer(lambda batch: _soft_dice(batch, True), LOGITS)),
        ("combined_loss", task, TERMS, Peer(_compound(False), LOGITS)),
        ("combined_loss", task, {**TERMS, "pooling": "batch"}, Peer(_compound(True), LOGITS)),
    )
)
NESTED, APART = [[1, 2], [2]], [[2], [1]]
REGIONS = tuple(
    (metric, regions, Peer(_of_regions(formula, regions), LABELS))
    for metric, formula in FORMULAS.items()
    for regions in (NESTED, APART)
)
