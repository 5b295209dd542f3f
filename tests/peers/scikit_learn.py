"""scikit-learn."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import metrics

from tests.peers.batch import Batch
from tests.peers.peer import MASKS, PROBABILITIES, Peer, of_several_labels

TASKS = ("binary", "multiclass", "multilabel")
NAMES = {"precision": "precision_score", "recall": "recall_score", "fbeta": "f1_score", "iou": "jaccard_score"}


def _averaged(name: str) -> Callable[[Batch], float]:
    def score(batch: Batch) -> float:
        average: dict[str, Any] = {"average": "binary" if batch.first.task == "binary" else "macro"}
        return float(getattr(metrics, name)(*batch.flat(), **average))

    return score


def _accuracy(batch: Batch) -> float:
    return float(metrics.accuracy_score(*batch.flat()))


def _log_loss(batch: Batch) -> float:
    target = batch.target.numpy()
    valid = np.stack([case.valid for case in batch.cases])
    return float(metrics.log_loss(target[valid], batch.prediction.numpy()[valid], labels=[0, 1]))


def _wrong(batch: Batch) -> float:
    matrix = metrics.confusion_matrix(*batch.flat(), labels=[*range(max(2, batch.classes))])
    return float(matrix.sum() - np.trace(matrix))


def _of_pixels(name: str) -> Callable[[Batch], float]:
    return lambda batch: float(getattr(metrics, name)(*batch.flat()))


AGREEMENTS = {"mcc": "matthews_corrcoef", "kappa": "cohen_kappa_score", "balanced_accuracy": "balanced_accuracy_score"}
PEERS = {
    **{
        (metric, task): Peer(_of_pixels(name), MASKS, ignored=True)
        for metric, name in AGREEMENTS.items()
        for task in ("binary", "multiclass")
    },
    **{
        (metric, task): Peer(_averaged(name), MASKS, ignored=task != "multilabel", takes=of_several_labels)
        for metric, name in NAMES.items()
        for task in TASKS
    },
    **{("accuracy", task): Peer(_accuracy, MASKS, ignored=True) for task in ("binary", "multiclass")},
    **{("confusion", task): Peer(_wrong, MASKS, ignored=True) for task in ("binary", "multiclass")},
    ("cross_entropy", "binary"): Peer(_log_loss, PROBABILITIES, ignored=True),
}
