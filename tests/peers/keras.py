"""Keras, on torch."""

import os
from collections.abc import Callable
from typing import Any

os.environ["KERAS_BACKEND"] = "torch"

import keras  # the backend is chosen before
import numpy as np
import torch

from tests.peers.batch import Batch
from tests.peers.peer import (
    LABELS,
    LOGITS,
    MASKS,
    PROBABILITIES,
    Peer,
    both_sides_of_every_class,
)
from tests.reference import Case

TASKS = ("binary", "multiclass", "multilabel")
ONE_OR_MORE = ("binary", "multilabel")


def _is_logits(batch: Batch) -> bool:
    return batch.first.prediction_kind == "logits"


def _last(channels: torch.Tensor) -> torch.Tensor:
    """(B, C, *S) as rows (B * S, C)."""
    return torch.movedim(channels, 1, -1).flatten(0, -2)


def _rows(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """One-hot targets and predictions, (n, C)."""
    target, prediction = (_last(batch.channels(array)) for array in (batch.target, batch.prediction))
    return target.double(), prediction


def _cross_entropy(batch: Batch) -> float:
    return _weighed(keras.losses.BinaryCrossentropy, batch)


def _weighed(of: Callable[..., Any], batch: Batch, **asked: Any) -> float:
    """A loss of masks with its weights: an element a row, so that each has its own."""
    loss = of(from_logits=_is_logits(batch), dtype="float64", **asked)
    target, prediction = (batch.channels(array).flatten()[:, None] for array in (batch.target, batch.prediction))
    return float(loss(target.double(), prediction, batch.channels(batch.weight).flatten()))


def _sparse(batch: Batch) -> float:
    of = keras.losses.SparseCategoricalCrossentropy(
        ignore_class=batch.first.ignore_index, from_logits=_is_logits(batch), dtype="float64"
    )
    return float(of(batch.target.flatten(), _last(batch.prediction), batch.weight.flatten()))


def _mean_of_sparse(batch: Batch) -> float:
    of = keras.losses.sparse_categorical_crossentropy
    return float(of(batch.target.flatten(), _last(batch.prediction), ignore_class=batch.first.ignore_index).mean())


def _categorical(**asked: Any) -> Callable[[Batch], float]:
    return lambda batch: _of_classes(keras.losses.CategoricalCrossentropy, batch, **asked)


def _of_classes(of: Callable[..., Any], batch: Batch, **asked: Any) -> float:
    loss = of(from_logits=_is_logits(batch), dtype="float64", **asked)
    return float(loss(*_rows(batch), batch.weight.flatten()))


def _focal(**asked: Any) -> Callable[[Batch], float]:
    return lambda batch: _weighed(keras.losses.BinaryFocalCrossentropy, batch, **asked)


def _focal_of_classes(**asked: Any) -> Callable[[Batch], float]:
    return lambda batch: _of_classes(keras.losses.CategoricalFocalCrossentropy, batch, **asked)


def _dice(batch: Batch) -> float:
    return float(keras.losses.dice(batch.channels(batch.target).double(), batch.channels(batch.prediction)))


def _tversky(alpha: float, beta: float) -> Callable[[Batch], float]:
    def loss(batch: Batch) -> float:
        target, p = batch.channels(batch.target).double(), batch.channels(batch.prediction)
        return float(keras.losses.tversky(target, p, alpha=alpha, beta=beta))

    return loss


def _squares(batch: Batch) -> float:
    of = keras.losses.MeanSquaredError(dtype="float64")
    if batch.first.task == "multiclass":
        return float(of(*_rows(batch), batch.weight.flatten()))
    target, prediction = (array.flatten()[:, None] for array in _rows(batch))
    return float(of(target, prediction, _last(batch.channels(batch.weight)).flatten()))


def _result(metric: Any, target: torch.Tensor, prediction: torch.Tensor, weight: torch.Tensor | None = None) -> float:
    metric.update_state(target, prediction, weight)
    return float(metric.result())


def _of_rows(make: Callable[[Batch], Any]) -> Callable[[Batch], float]:
    """A metric of rows, with a column a class or label."""
    return lambda batch: _result(make(batch), *_rows(batch), _weights_of_rows(batch))


def _weights_of_rows(batch: Batch) -> torch.Tensor | None:
    """One a row: all labels of a pixel have the same."""
    if batch.first.weight is None:
        return None
    weight = batch.weight[:, None] if batch.first.task == "multiclass" else batch.channels(batch.weight)
    return _last(weight)[:, 0]


def _of_elements(make: Callable[[Batch], Any]) -> Callable[[Batch], float]:
    """A metric of a mask's elements, or of all labels' together."""

    def score(batch: Batch) -> float:
        target, prediction = _rows(batch)
        return _result(make(batch), target.flatten(), prediction.flatten(), _weights(batch))

    return score


def _weights(batch: Batch) -> torch.Tensor | None:
    """One an element, in the order of `_rows`; None where there is no map."""
    return None if batch.first.weight is None else _last(batch.channels(batch.weight)).flatten()


def _threshold(batch: Batch) -> float:
    """Labels have none of the request's."""
    return 0.5 if batch.first.prediction_kind == "labels" else batch.first.threshold


def _foreground_iou(batch: Batch) -> Any:
    return keras.metrics.BinaryIoU(target_class_ids=[1], threshold=_threshold(batch))


def _binary_iou(batch: Batch) -> Any:
    return keras.metrics.BinaryIoU()


def _class_iou(batch: Batch) -> float:
    if batch.first.prediction_kind == "labels":
        of = keras.metrics.MeanIoU(batch.classes, ignore_class=batch.first.ignore_index)
        return _result(of, batch.target, batch.prediction)
    return _result(keras.metrics.OneHotMeanIoU(batch.classes), *_rows(batch))


def _right_classes(batch: Batch) -> float:
    of = keras.metrics.SparseCategoricalAccuracy()
    return _result(of, batch.target.flatten(), _last(batch.prediction), batch.weight.flatten())


def _accuracy(batch: Batch) -> Any:
    return keras.metrics.BinaryAccuracy(threshold=_threshold(batch))


def _thresholded(name: str) -> Callable[[Batch], Any]:
    return lambda batch: getattr(keras.metrics, name)(thresholds=_threshold(batch))


def _top(name: str) -> Callable[[Batch], Any]:
    return lambda batch: getattr(keras.metrics, name)(top_k=1)


def _wrong(batch: Batch) -> float:
    return sum(_of_elements(_thresholded(name))(batch) for name in ("FalsePositives", "FalseNegatives"))


def _f_score(beta: float, average: str = "macro") -> Callable[[Batch], Any]:
    def of(batch: Batch) -> Any:
        threshold = None if batch.first.task == "multiclass" else _threshold(batch)
        return keras.metrics.FBetaScore(average=average, beta=beta, threshold=threshold)

    return of


def _auc(**asked: Any) -> Callable[[Batch], float]:
    return _of_rows(lambda batch: keras.metrics.AUC(**asked))


def _above_zero(case: Case) -> bool:
    """A threshold of 0 is refused, and one of 0.3 is float32's there."""
    return case.threshold not in (0.0, 0.3)


def _without_ties(case: Case) -> bool:
    """Classes that tie are all predicted."""
    greatest = case.prediction.max(0) == case.prediction
    return bool((greatest.sum(0) == 1).all())


def _between_thresholds(case: Case) -> bool:
    """No probability is on an edge of its bins, 0 and 1 aside; and both sides are there."""
    steps = case.prediction[(case.prediction > 0) & (case.prediction < 1)] * 199
    return both_sides_of_every_class(case) and bool((abs(steps - np.round(steps)) > 1e-3).all())


def _counts(name: str, task: str) -> Peer:
    if task == "multiclass":
        return Peer(_of_rows(_top(name)), PROBABILITIES, weights=True, tolerance=1e-5, takes=_without_ties)
    return Peer(_of_elements(_thresholded(name)), PROBABILITIES, tolerance=1e-5, takes=_above_zero, weights=True)


def _f1(task: str) -> Peer:
    takes = _without_ties if task == "multiclass" else _above_zero
    return Peer(_of_rows(_f_score(1.0)), PROBABILITIES, weights=True, tolerance=1e-5, takes=takes)


PEERS = {
    **{("cross_entropy", task): Peer(_cross_entropy, PROBABILITIES, soft=True, weights=True) for task in ONE_OR_MORE},
    ("cross_entropy", "multiclass"): Peer(_sparse, PROBABILITIES, ignored=True, weights=True),
    **{
        ("focal_loss", task): Peer(_focal(), (*PROBABILITIES, *LOGITS), soft=True, weights=True) for task in ONE_OR_MORE
    },
    ("focal_loss", "multiclass"): Peer(_focal_of_classes(), (*PROBABILITIES, *LOGITS), weights=True),
    **{("dice_loss", task): Peer(_dice, PROBABILITIES, soft=True) for task in TASKS},
    **{("tversky_loss", task): Peer(_tversky(0.5, 0.5), PROBABILITIES, soft=True) for task in TASKS},
    **{("brier", task): Peer(_squares, PROBABILITIES, soft=True, weights=True) for task in TASKS},
    **{
        ("iou", task): Peer(_of_elements(_foreground_iou), PROBABILITIES, tolerance=1e-5, takes=_above_zero)
        for task in ONE_OR_MORE
    },
    ("iou", "multiclass"): Peer(_class_iou, LABELS, ignored=True, tolerance=1e-5),
    **{("mean_iou", task): Peer(_of_elements(_binary_iou), PROBABILITIES, tolerance=1e-5) for task in ONE_OR_MORE},
    **{
        (metric, task): _counts(name, task)
        for metric, name in (("precision", "Precision"), ("recall", "Recall"))
        for task in TASKS
    },
    **{("fbeta", task): _f1(task) for task in TASKS},
    **{
        ("accuracy", task): Peer(_of_elements(_accuracy), MASKS, weights=True, tolerance=1e-5, takes=_above_zero)
        for task in ONE_OR_MORE
    },
    ("accuracy", "multiclass"): Peer(_right_classes, (*PROBABILITIES, *LOGITS), weights=True, tolerance=1e-5),
    **{
        ("confusion", task): Peer(_wrong, MASKS, weights=True, tolerance=1e-5, takes=_above_zero)
        for task in ONE_OR_MORE
    },
    **{
        ("roc_auc", task): Peer(
            _auc(), PROBABILITIES, weights=True, tolerance=1e-5, takes=_between_thresholds, rarely=True
        )
        for task in ONE_OR_MORE
    },
}
MORE = (
    *(
        ("tversky_loss", task, {"fn_weight": 0.2, "fp_weight": 0.9}, Peer(_tversky(0.2, 0.9), PROBABILITIES))
        for task in TASKS
    ),
    *(
        ("cross_entropy", task, {"clip": None}, Peer(_cross_entropy, LOGITS, soft=True, weights=True))
        for task in ONE_OR_MORE
    ),
    ("cross_entropy", "multiclass", {}, Peer(_categorical(), PROBABILITIES)),
    ("cross_entropy", "multiclass", {"clip": None}, Peer(_sparse, LOGITS, ignored=True, weights=True)),
    ("cross_entropy", "multiclass", {"ignore_denominator": "all"}, Peer(_mean_of_sparse, PROBABILITIES, ignored=True)),
    *(
        (
            "cross_entropy",
            "multiclass",
            {**clip, "label_smoothing": 0.1},
            Peer(_categorical(label_smoothing=0.1), kinds),
        )
        for clip, kinds in (({"clip": None}, LOGITS), ({}, PROBABILITIES))
    ),
    *(
        ("focal_loss", task, {"alpha": 0.25, "gamma": 1.5}, Peer(_focal(apply_class_balancing=True, gamma=1.5), LOGITS))
        for task in ONE_OR_MORE
    ),
    *(
        (
            "focal_loss",
            "multiclass",
            {"alpha": alpha, "gamma": 1.5},
            Peer(_focal_of_classes(alpha=alpha, gamma=1.5), PROBABILITIES),
        )
        for alpha in (0.6, [0.2, 0.5, 0.9])
    ),
    ("iou", "multiclass", {}, Peer(_class_iou, PROBABILITIES, tolerance=1e-5)),
    *(
        (
            "fbeta",
            task,
            {"beta": 2.0, "average": average},
            Peer(_of_rows(_f_score(2.0, average)), PROBABILITIES, tolerance=1e-5),
        )
        for task in TASKS
        for average in ("micro", "weighted")
    ),
    *(
        (
            "roc_auc",
            task,
            {"bins": 49, "average": average},
            Peer(_auc(num_thresholds=50, multi_label=labels), PROBABILITIES, tolerance=1e-5),
        )
        for task, average, labels in (("binary", "macro", False), ("multilabel", "macro", True))
    ),
)
