"""What is right and what is wrong, pixel by pixel."""

import numpy as np
from numpy.typing import NDArray

from lossgauge_service.cuts import cut_of
from lossgauge_service.errors import InvalidParameter
from lossgauge_service.maps.layout import as_sent, of_pixels
from lossgauge_service.samples import AnyArray, Sample, check_range

TRUE_NEGATIVE, TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE, IGNORED = 0, 1, 2, 3, 255
RIGHT, WRONG = TRUE_POSITIVE, FALSE_POSITIVE


def mistakes(sample: Sample, threshold: float, inclusive: bool) -> AnyArray:
    """The mistakes of each label and pixel, or of each pixel of classes. Raises `InvalidParameter` for a soft target."""
    if sample.case.soft:
        raise InvalidParameter("a map of errors needs a target of labels, not of probabilities", pointer="/target_kind")
    check_range(sample, float(sample.prediction.min()), float(sample.prediction.max()))
    if sample.case.task == "multiclass":
        return of_pixels(_of_classes(sample), sample)
    return as_sent(_of_masks(sample, cut_of(sample.case, threshold, inclusive)), sample)


def _of_masks(sample: Sample, cut: float) -> NDArray[np.uint8]:
    guess, target = sample.prediction > cut, sample.target > 0
    found = np.where(guess, np.where(target, TRUE_POSITIVE, FALSE_POSITIVE), np.where(target, FALSE_NEGATIVE, 0))
    return np.where(sample.target < 0, IGNORED, found).astype(np.uint8)


def _of_classes(sample: Sample) -> NDArray[np.uint8]:
    guess = sample.prediction if sample.prediction.ndim == 1 else sample.prediction.argmax(0)
    found = np.where(guess == sample.target, RIGHT, WRONG)
    return np.where(sample.target < 0, IGNORED, found).astype(np.uint8)
