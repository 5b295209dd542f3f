"""Keras, on torch."""

import os

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
}
