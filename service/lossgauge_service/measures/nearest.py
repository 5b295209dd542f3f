"""The distance from each of some places of a grid to the nearest of others, exactly.

Surfaces are close to each other, so that most of what a transform of the whole image does is not needed. Along the first axis
the distance within each line is found for all pixels by doubling; along the axis between (of three) over a window; along the
last one over a window at the places only. A window grows while a place has nothing near.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from lossgauge_service.measures.masks import Mask
from lossgauge_service.statistics import Values

Squares = NDArray[Any]
Known = NDArray[np.bool_]
Places = NDArray[np.intp]

BLOCK = 2**17
"""Bytes that stay in a core's cache."""

FIRST, LAST = 8, 32
"""The least window and the largest of the axis between, in pixels: beyond it a transform of the image is faster."""

ALONG = 16
"""The least window of the last axis."""

FAR = {np.dtype(np.uint16): 2**16 - 1 - LAST**2, np.dtype(np.float32): np.inf}
"""Farther than anything of the image, and what may be added to."""


class Nearest(NamedTuple):
    """The squared distance of each place, and whether it is known: of the others nothing is within a window's reach."""

    squares: Values
    known: Known


def nearest(goal: Mask, places: Mask, spacing: tuple[float, ...]) -> Nearest:
    """From the places to the goal, which is not empty. Exact for pixels with sides of 1, else to 1e-6."""
    lines, at = _of_lines(goal, spacing), np.flatnonzero(places)
    if goal.ndim == 3:
        return _windowed(lines, at, spacing)
    return Nearest(_along(lines, at, spacing[1]), np.ones(len(at), np.bool_))


def _of_lines(goal: Mask, spacing: tuple[float, ...]) -> Squares:
    """The squared distance to the nearest of the goal in each line of the first axis; `FAR` where there is none."""
    small = set(spacing) == {1.0} and np.square(goal.shape).sum() <= FAR[np.dtype(np.uint16)]
    steps = _steps(goal)
    squares = steps.astype(np.uint16 if small else np.float32)
    if spacing[0] != 1:
        np.multiply(squares, spacing[0], out=squares, casting="same_kind")
    np.square(squares, out=squares)
    squares[steps == len(goal)] = FAR[squares.dtype]
    return squares


def _steps(goal: Mask) -> NDArray[np.uint16]:
    none = len(goal)
    steps = np.where(goal, np.uint16(0), np.uint16(none))
    other = np.empty_like(steps)
    step = 1
    while step < none:
        for here, there in _both_ways(step):
            np.add(steps[there], np.uint16(step), out=other[there])
            np.minimum(steps[here], other[there], out=steps[here])
        step *= 2
    return steps


def _both_ways(step: int) -> tuple[tuple[slice, slice], ...]:
    return (slice(step, None), slice(-step)), (slice(-step), slice(step, None))


def _windowed(lines: Squares, at: Places, spacing: tuple[float, ...]) -> Nearest:
    squares, reach, longest = lines.copy(), 0, min(LAST, lines.shape[1])
    found, left = np.full(len(at), np.inf), np.arange(len(at))
    while len(left) and reach < longest:
        steps = range(reach + 1, min(2 * reach or FIRST, longest) + 1)
        _widen(squares, lines, steps, spacing[1])
        found[left] = _along(squares, at[left], spacing[2])
        reach = steps[-1]
        left = left[found[left] > ((reach + 1) * spacing[1]) ** 2]
    known = np.ones(len(at), np.bool_)
    known[left] = reach == lines.shape[1]
    return Nearest(found, known)


def _widen(squares: Squares, lines: Squares, steps: range, side: float) -> None:
    """Let each pixel take what lies so many steps away along the middle axis, where that is nearer."""
    height = max(1, BLOCK // lines[0].nbytes)
    other = np.empty_like(lines[:height])
    for start in range(0, len(lines), height):
        mine, given = squares[start : start + height], lines[start : start + height]
        for step in steps:
            square = lines.dtype.type((step * side) ** 2)
            for here, there in _both_ways(step):
                room = other[: len(mine), there]
                np.add(given[:, there], square, out=room)
                np.minimum(mine[:, here], room, out=mine[:, here])


def _along(squares: Squares, at: Places, side: float) -> Values:
    """The squared distances of the places, the last axis with the others."""
    length = squares.shape[-1]
    line, column = np.divmod(at, length)
    found, left, reach = np.full(len(at), np.inf), np.arange(len(at)), ALONG
    while len(left):
        row = length + 2 * reach
        windows = sliding_window_view(_padded(squares, reach).reshape(-1), 2 * reach + 1)
        apart = np.square(np.arange(-reach, reach + 1) * side, dtype=np.float32)
        found[left] = (windows[line[left] * row + column[left]] + apart).min(1)
        if reach >= length:
            break
        left = left[found[left] > ((reach + 1) * side) ** 2]
        reach *= 2
    return found


def _padded(squares: Squares, reach: int) -> Squares:
    """With as many pixels as a window reaches at both ends of each line, none of them near."""
    length = squares.shape[-1]
    wide = np.empty((*squares.shape[:-1], length + 2 * reach), squares.dtype)
    wide[..., :reach] = wide[..., reach + length :] = FAR[squares.dtype]
    wide[..., reach : reach + length] = squares
    return wide
