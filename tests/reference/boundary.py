"""Boundary weights: w = a exp(-d |m - 0.5|), m the mean of the target in a box around the pixel, scaled to mean 1."""

import numpy as np
from lossgauge.metrics import BoundaryWeight

from tests.reference.case import AnyArray, Floats, Mask


def boundary_weight(spec: BoundaryWeight, target: AnyArray, valid: Mask) -> Floats:
    """The weight of each pixel of one mask (*S), 0 where it is not valid."""
    weight = np.zeros(target.shape)
    for pixel in np.argwhere(valid):
        box = _box(spec.window, pixel)
        mean = np.mean(target[box][valid[box]])
        weight[tuple(pixel)] = spec.amplitude * np.exp(-spec.decay * abs(mean - 0.5))
    return weight * np.count_nonzero(valid) / np.sum(weight) if np.any(valid) else weight


def _box(window: int, pixel: AnyArray) -> tuple[slice, ...]:
    before, after = (window - 1) // 2, window // 2
    return tuple(slice(max(0, i - before), i + after + 1) for i in pixel)
