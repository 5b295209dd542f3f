"""How what lies near the borders of two masks overlaps."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d

from lossgauge_service.measures.masks import Mask, masks_of
from lossgauge_service.samples import Sample
from lossgauge_service.statistics import SLOW, Measure, Values


class BandCounts(NamedTuple):
    """The pixels that both masks' bands have in common, those of each, and the same of the masks."""

    shared_band: Values
    predicted_band: Values
    targeted_band: Values
    shared: Values
    predicted: Values
    targeted: Values


@dataclass(frozen=True)
class Bands(Measure[BandCounts]):
    """The pixels of a mask within a share of the image's diagonal, at least one pixel, of its border."""

    told: ClassVar[str] = "the border of a mask"

    threshold: float | None
    inclusive: bool
    dilation_ratio: float

    @property
    def steps(self) -> float:
        return SLOW

    def measure(self, sample: Sample, device: torch.device) -> BandCounts:
        masks = masks_of(sample, self.threshold, self.inclusive)
        width = max(1, round(self.dilation_ratio * float(np.hypot.reduce(np.array(sample.shape, np.float64)))))
        pairs = zip(masks.prediction, masks.target, strict=True)
        return BandCounts(*np.array([_counts(*pair, width) for pair in pairs], np.float64).T)


def _counts(prediction: Mask, target: Mask, width: int) -> tuple[int, ...]:
    ours, theirs = band_of(prediction, width), band_of(target, width)
    return tuple(int(np.count_nonzero(mask)) for mask in _overlapping(ours, theirs) + _overlapping(prediction, target))


def _overlapping(one: Mask, other: Mask) -> tuple[Mask, Mask, Mask]:
    return one & other, one, other


def band_of(mask: Mask, width: int) -> Mask:
    """The pixels of the mask with one outside of it, or of the image, within so many steps along every axis."""
    inner: NDArray[np.uint8] = mask.view(np.uint8)
    for axis, side in enumerate(mask.shape):
        # a window wider than the image sees its outside from everywhere
        inner = minimum_filter1d(inner, 2 * min(width, side) + 1, axis, mode="constant", cval=0)
    return np.asarray(mask & (inner == 0))
