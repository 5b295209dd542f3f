"""Pixel weights computed from the target."""

import numpy as np
from lossgauge.metrics import BoundaryWeight

from lossgauge_service.samples import AnyArray, Sample
from lossgauge_service.statistics import Values


def boundary_weights(sample: Sample, boundary: BoundaryWeight) -> AnyArray:
    """The boundary weights of each class and pixel (classes, pixels), mean 1 over the valid pixels of a class.

    m = the mean of the target over the valid pixels of a box; w = amplitude * exp(-decay * |m - 0.5|). See `BoundaryWeight`.
    """
    maps = [_boundary_map(row.reshape(sample.shape), boundary) for row in sample.target]
    return np.stack([m.reshape(-1) for m in maps]).astype(sample.case.precision)


def _boundary_map(target: AnyArray, boundary: BoundaryWeight) -> Values:
    valid = (target >= 0).astype(np.float64)
    inside, seen = _box_sums(np.where(target > 0, target, 0.0), boundary.window), _box_sums(valid, boundary.window)
    mean = inside / np.maximum(seen, 1)
    weight = boundary.amplitude * np.exp(-boundary.decay * np.abs(mean - 0.5))
    total = (weight * valid).sum()
    return np.asarray(weight * (valid.sum() / total if total > 0 else 1.0))


def _box_sums(values: Values, window: int) -> Values:
    """Sums over a window of each axis: (window - 1) // 2 pixels before and window // 2 after."""
    for axis in range(values.ndim):
        values = _windowed(np.moveaxis(values, axis, -1), window)
        values = np.moveaxis(values, -1, axis)
    return values


def _windowed(values: Values, window: int) -> Values:
    length = values.shape[-1]
    running = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, -1)], -1)
    centre = np.arange(length)
    first = np.maximum(centre - (window - 1) // 2, 0)
    last = np.minimum(centre + window // 2 + 1, length)
    return np.asarray(running[..., last] - running[..., first])
