"""How the centrelines of two masks lie in the other mask."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch

from lossgauge_service.measures.masks import Mask, masks_of
from lossgauge_service.measures.surfaces import frame_of
from lossgauge_service.samples import Sample
from lossgauge_service.statistics import SLOW, Measure, Values


class SkeletonCounts(NamedTuple):
    """The pixels of each mask's skeleton, those of them in the other mask, and the pixels in common and of the masks."""

    predicted_line: Values
    predicted_inside: Values
    targeted_line: Values
    targeted_inside: Values
    shared: Values
    predicted: Values
    targeted: Values


@dataclass(frozen=True)
class Skeletons(Measure[SkeletonCounts]):
    """The skeletons of the masks."""

    told: ClassVar[str] = "the skeleton of a mask"

    threshold: float | None
    inclusive: bool

    @property
    def steps(self) -> float:
        return SLOW

    def measure(self, sample: Sample, device: torch.device) -> SkeletonCounts:
        masks = masks_of(sample, self.threshold, self.inclusive)
        pairs = zip(masks.prediction, masks.target, strict=True)
        return SkeletonCounts(*np.array([_counts(*pair) for pair in pairs], np.float64).T)


def _counts(prediction: Mask, target: Mask) -> tuple[int, ...]:
    ours, theirs = skeleton_of(prediction), skeleton_of(target)
    parts = (ours, ours & target, theirs, theirs & prediction, prediction & target, prediction, target)
    return tuple(int(np.count_nonzero(mask)) for mask in parts)


def skeleton_of(mask: Mask) -> Mask:
    """What thinning leaves: Zhang and Suen's in 2-D, Lee's in 3-D."""
    # importing scikit-image takes half a second, which only those wait for who ask
    from skimage.morphology import skeletonize

    skeleton, frame = np.zeros_like(mask), frame_of(mask)
    if frame is not None:
        skeleton[frame.box] = skeletonize(mask[frame.box])
    return skeleton
