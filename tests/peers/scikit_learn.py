"""scikit-learn."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from tests.peers.batch import Batch
from tests.peers.peer import MASKS, PROBABILITIES, Peer, both_sides_of_every_class, of_several_labels
from tests.reference import Case

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
    weights = _weights(batch)
    return float(metrics.log_loss(target[valid], batch.prediction.numpy()[valid], labels=[0, 1], sample_weight=weights))


def _weights(batch: Batch) -> NDArray[Any]:
    """The weights of the valid pixels, one after the other."""
    weights: NDArray[Any] = batch.weight.numpy()[np.stack([case.valid for case in batch.cases])]
    return weights


def _log_loss_of_classes(batch: Batch) -> float:
    return float(metrics.log_loss(*batch.rows(), labels=[*range(batch.classes)], sample_weight=_weights(batch)))


def _specificity(batch: Batch) -> float:
    return float(metrics.recall_score(*batch.flat(), pos_label=0))


def _wrong_labels(batch: Batch) -> float:
    matrices = metrics.multilabel_confusion_matrix(*batch.flat(), labels=[*range(batch.classes)])
    return float(matrices[:, 0, 1].sum() + matrices[:, 1, 0].sum())


def _wrong(batch: Batch) -> float:
    matrix = metrics.confusion_matrix(*batch.flat(), labels=[*range(max(2, batch.classes))])
    return float(matrix.sum() - np.trace(matrix))


def _of_pixels(name: str) -> Callable[[Batch], float]:
    return lambda batch: float(getattr(metrics, name)(*batch.flat()))


def _asked(name: str, **asked: Any) -> Callable[[Batch], float]:
    return lambda batch: float(getattr(metrics, name)(*batch.flat(), **asked))


def _squares(batch: Batch) -> float:
    return float(metrics.mean_squared_error(*batch.rows()))


def _brier(batch: Batch) -> float:
    return float(
        metrics.brier_score_loss(
            *batch.rows(),
            sample_weight=_weights(batch),
            labels=[*range(max(2, batch.classes))],
            scale_by_half=batch.first.task == "binary",
        )
    )


def _ranked(name: str, average: str = "macro") -> Callable[[Batch], float]:
    """Of the mean of classes each against the rest, as of labels: roc_auc_score has it as multi_class='ovr'."""

    def score(batch: Batch) -> float:
        target, prediction = batch.rows()
        if batch.first.task == "multiclass":
            target = np.eye(batch.classes)[target]
        return float(getattr(metrics, name)(target, prediction, average=average))

    return score


def _one_against_the_rest(batch: Batch) -> float:
    target, prediction = batch.rows()
    whole = prediction / prediction.sum(1, keepdims=True)
    if batch.classes == 2:
        return _ranked("roc_auc_score")(batch)
    return float(metrics.roc_auc_score(target, whole, multi_class="ovr"))


def _of_several(case: Case) -> bool:
    return of_several_labels(case) and both_sides_of_every_class(case)


RANKED = {"roc_auc": "roc_auc_score", "average_precision": "average_precision_score"}
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
    ("cross_entropy", "binary"): Peer(_log_loss, PROBABILITIES, ignored=True, weights=True),
    ("cross_entropy", "multiclass"): Peer(_log_loss_of_classes, PROBABILITIES, ignored=True, weights=True),
    ("specificity", "binary"): Peer(_specificity, MASKS, ignored=True),
    ("confusion", "multilabel"): Peer(_wrong_labels, MASKS, takes=of_several_labels),
    ("brier", "binary"): Peer(_brier, PROBABILITIES, ignored=True, weights=True),
    ("brier", "multilabel"): Peer(_squares, PROBABILITIES),
    ("brier", "multiclass"): Peer(_brier, PROBABILITIES, ignored=True, weights=True),
    ("roc_auc", "binary"): Peer(_ranked("roc_auc_score"), PROBABILITIES, ignored=True),
    ("roc_auc", "multiclass"): Peer(_one_against_the_rest, PROBABILITIES, ignored=True, takes=_of_several, rarely=True),
    ("roc_auc", "multilabel"): Peer(_ranked("roc_auc_score"), PROBABILITIES, takes=_of_several, rarely=True),
    ("average_precision", "binary"): Peer(_ranked("average_precision_score"), PROBABILITIES, ignored=True),
    **{
        ("average_precision", task): Peer(
            _ranked("average_precision_score"),
            PROBABILITIES,
            ignored=task == "multiclass",
            takes=of_several_labels,
        )
        for task in ("multiclass", "multilabel")
    },
}
MORE = tuple(
    (metric, task, {"average": average}, Peer(_ranked(name, average), PROBABILITIES, takes=_of_several))
    for metric, name in RANKED.items()
    for task in ("multiclass", "multilabel")
    for average in ("micro", "weighted")
) + tuple(
    (metric, task, parameters, Peer(_asked(AGREEMENTS[metric], **parameters), MASKS))
    for metric, parameters in (
        ("balanced_accuracy", {"adjusted": True}),
        ("kappa", {"weights": "linear"}),
        ("kappa", {"weights": "quadratic"}),
    )
    for task in ("binary", "multiclass")
    if task == "multiclass" or "weights" not in parameters
)
