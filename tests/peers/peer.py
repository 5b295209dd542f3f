"""A library's function beside one of our metrics, and which samples it takes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from lossgauge.metrics.spec import ALL_KINDS, PredictionKind

from tests.peers.batch import Batch
from tests.reference import Case

MASKS: tuple[PredictionKind, ...] = ("labels", "probabilities")
LABELS: tuple[PredictionKind, ...] = ("labels",)
LOGITS: tuple[PredictionKind, ...] = ("logits",)
BOXES: tuple[PredictionKind, ...] = ("boxes",)
PROBABILITIES: tuple[PredictionKind, ...] = ("probabilities",)


def _takes_all(case: Case) -> bool:
    return True


@dataclass(frozen=True)
class Peer:
    """`run` gives the library's value of a batch, NaN where it has none.

    kinds, soft, ignored, weights: the samples that the library takes at all. takes: those of them that it is not known
    (in the preset's `differs`) to score otherwise. rarely: few samples of random ones are taken; the batches are. filled:
    every pixel of a predicted map has an object. spaced: batches have a `spacing`. tolerance: relative; of libraries that
    compute in float32 it is 1e-5.
    """

    run: Callable[[Batch], float]
    kinds: tuple[PredictionKind, ...] = ALL_KINDS
    soft: bool = False
    ignored: bool = False
    weights: bool = False
    tolerance: float = 1e-6
    takes: Callable[[Case], bool] = _takes_all
    rarely: bool = False
    filled: bool = False
    spaced: bool = False


def of_two_surfaces(case: Case) -> bool:
    """Surfaces in two or three axes, of a mask and a target that are there in every class."""
    spatial = case.target.ndim - (case.task == "multilabel")
    if spatial not in (2, 3) or case.prediction_kind != "labels":
        return False
    masks = [case.prediction, case.target]
    if case.task == "multiclass":
        return all((mask == c).any() for mask in masks for c in range(case.classes))
    return all(mask.reshape(case.classes, -1).any(-1).all() for mask in masks)


def both_sides_of_every_class(case: Case) -> bool:
    """Positives and negatives of every class among the target's pixels that count: valid, and of a weight."""
    counts = case.valid & (case.pixel_weight > 0)
    if case.task == "binary":
        return len(np.unique(case.target[counts])) == 2
    if case.task == "multiclass":
        return len(np.unique(case.target[counts])) == case.classes
    rows = zip(case.target.reshape(case.classes, -1), counts.reshape(case.classes, -1), strict=True)
    return all(len(np.unique(row[counted])) == 2 for row, counted in rows)


def of_two_axes(case: Case) -> bool:
    """The library takes images only."""
    return case.target.ndim - (case.task == "multilabel") == 2


def of_several_labels(case: Case) -> bool:
    """The library takes one label for one mask, or refuses it."""
    return case.task != "multilabel" or case.classes > 1


def every_label_counts(case: Case) -> bool:
    """A label of which every pixel is ignored counts as 0 there."""
    return case.task != "multilabel" or bool(case.valid.reshape(case.classes, -1).any(-1).all())


def ignored_is_no_class(case: Case) -> bool:
    """An `ignore_index` that is a class takes the class out of the library's mean; and there is more than one label."""
    return of_several_labels(case) and (case.ignore_index is None or not 0 <= case.ignore_index < max(2, case.classes))
