"""Keras, on torch."""

import os
from collections.abc import Callable

os.environ["KERAS_BACKEND"] = "torch"

import keras  # the backend is chosen before

from tests.peers.batch import Batch
from tests.peers.peer import PROBABILITIES, Peer


def _cross_entropy(batch: Batch) -> float:
    return float(keras.losses.binary_crossentropy(batch.target.double(), batch.prediction).mean())


def _focal(batch: Batch) -> float:
    return float(keras.losses.binary_focal_crossentropy(batch.target.double(), batch.prediction).mean())


def _dice(batch: Batch) -> float:
    return float(keras.losses.dice(batch.channels(batch.target).double(), batch.channels(batch.prediction)))


def _tversky(alpha: float, beta: float) -> Callable[[Batch], float]:
    def loss(batch: Batch) -> float:
        target, p = batch.channels(batch.target).double(), batch.channels(batch.prediction)
        return float(keras.losses.tversky(target, p, alpha=alpha, beta=beta))

    return loss


def _squares(batch: Batch) -> float:
    return float(keras.losses.mean_squared_error(batch.target.double(), batch.prediction).mean())


TASKS = ("binary", "multiclass", "multilabel")
TVERSKY = Peer(_tversky(0.5, 0.5), PROBABILITIES)
BRIER = Peer(_squares, PROBABILITIES, soft=True)
MEAN = Peer(_cross_entropy, PROBABILITIES, soft=True)
FOCAL = Peer(_focal, PROBABILITIES)
DICE = Peer(_dice, PROBABILITIES)
PEERS = {
    ("cross_entropy", "binary"): MEAN,
    ("cross_entropy", "multilabel"): MEAN,
    ("focal_loss", "binary"): FOCAL,
    ("focal_loss", "multilabel"): FOCAL,
    ("dice_loss", "binary"): DICE,
    ("dice_loss", "multiclass"): DICE,
    ("dice_loss", "multilabel"): DICE,
    ("brier", "binary"): BRIER,
    ("brier", "multilabel"): BRIER,
    **{("tversky_loss", task): TVERSKY for task in TASKS},
}
MORE = tuple(
    ("tversky_loss", task, {"fn_weight": 0.2, "fp_weight": 0.9}, Peer(_tversky(0.2, 0.9), PROBABILITIES))
    for task in TASKS
)
