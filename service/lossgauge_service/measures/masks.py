"""The masks of a sample, as measures of where things lie read them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossgauge_service.cuts import cut_of
from lossgauge_service.samples import AnyArray, Sample

Mask = NDArray[np.bool_]


class Masks(NamedTuple):
    """(classes, *shape) each. A pixel that is ignored is in neither mask."""

    prediction: Mask
    target: Mask
    valid: Mask


def masks_of(sample: Sample, threshold: float | None, inclusive: bool) -> Masks:
    """Both masks of each class: p > threshold (>= where inclusive), or the argmax. Targets are labels, not soft."""
    classes = sample.case.classes
    if sample.case.task == "multiclass":
        guess = sample.prediction if sample.prediction.ndim == 1 else sample.prediction.argmax(0)
        each = np.arange(classes)[:, None]
        prediction, target = guess == each, sample.target == each
        valid = np.broadcast_to(sample.target >= 0, target.shape)
    else:
        prediction = sample.prediction > cut_of(sample.case, threshold, inclusive)
        target, valid = sample.target > 0, sample.target >= 0
    return Masks(*(_laid_out(sample, mask) for mask in (prediction & valid, target, valid)))


def _laid_out(sample: Sample, mask: AnyArray) -> Mask:
    return np.asarray(mask.reshape(sample.case.classes, *sample.shape), np.bool_)
