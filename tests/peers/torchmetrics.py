"""TorchMetrics, its functional forms."""

from collections.abc import Callable
from typing import Any

import torch
from torchmetrics.functional import classification, segmentation

from tests.peers.batch import Batch
from tests.peers.peer import MASKS, Peer, ignored_is_no_class

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


def _wrong(task: str) -> Callable[[Batch], float]:
    function = getattr(classification, f"{task}_confusion_matrix")

    def errors(batch: Batch) -> float:
        matrix = function(batch.prediction, batch.target, **_asked(batch))
        return float(matrix.sum() - matrix.diagonal(dim1=-2, dim2=-1).sum())

    return errors


PEERS = {
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
