"""The masks of a sample, as measures of where things lie read them."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossgauge_service.cuts import cut_of
from lossgauge_service.errors import LimitExceeded
from lossgauge_service.samples import AnyArray, Case, Sample
from lossgauge_service.statistics import Values

Mask = NDArray[np.bool_]


class Masks(NamedTuple):
    """(classes, *shape) each, `valid` without memory of its own where it is one for all. An ignored pixel is in neither mask."""

    prediction: Mask
    target: Mask
    valid: Mask


MOST_ELEMENTS = 2**31
"""Of one side's masks: a map of labels is a few bytes as an image, and as many masks as there are classes."""


def masks_of(sample: Sample, threshold: float | None, inclusive: bool) -> Masks:
    """Both masks of each class: p > threshold (>= where inclusive), or the argmax. Targets are labels, not soft.

    Raises `LimitExceeded` for more classes and pixels than masks are made of.
    """
    _check_size(sample)
    valid = sample.target >= 0
    if sample.case.task == "multiclass":
        each = np.arange(sample.case.classes)[:, None]
        guess = sample.prediction if sample.prediction.ndim == 1 else sample.prediction.argmax(0)
        prediction, target = np.where(valid, guess, -1) == each, sample.target == each
    else:
        prediction = (sample.prediction > _cut(sample.case, threshold, inclusive)) & valid
        target = sample.target > 0
    shape = (sample.case.classes, *sample.shape)
    one_for_all = np.broadcast_to(valid.reshape(-1, *sample.shape), shape)
    return Masks(_laid_out(prediction, shape), _laid_out(target, shape), _laid_out(one_for_all, shape))


def sizes_of(masks: Mask) -> Values:
    """How many pixels each mask has."""
    return np.array([np.count_nonzero(mask) for mask in masks], np.float64)


def _cut(case: Case, threshold: float | None, inclusive: bool) -> float:
    """That of the case; of labels an integer, which bytes are compared with as they are."""
    return 0 if case.kind == "labels" else cut_of(case, threshold, inclusive)


def _check_size(sample: Sample) -> None:
    pixels = math.prod(sample.shape)
    if sample.case.classes * pixels > MOST_ELEMENTS:
        found = f"{sample.case.classes} classes of {pixels} pixels are as many masks; together at most {MOST_ELEMENTS} are taken"
        raise LimitExceeded(f"{found}, and fewer classes in `regions`", pointer="/prediction", limit="classes")


def _laid_out(mask: AnyArray, shape: tuple[int, ...]) -> Mask:
    return np.asarray(mask.reshape(shape), np.bool_)
