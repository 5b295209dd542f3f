"""The distance from each of some places of a grid to the nearest of others, exactly.

Surfaces are few pixels, close to each other, so that most of what a transform of the whole image does is not needed. Along the
first axis the distance within each line is found for all pixels; along the axis between (of three) for the lines that hold a
place, as far as the nearest may be; along the last one at the places only. Loops that end early are what NumPy has not, so
that these are compiled, by Numba.
"""

from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lossgauge_service.measures.masks import Mask
from lossgauge_service.statistics import Values

Steps = NDArray[np.int32]
Places = NDArray[np.intp]
Spacing = tuple[float, ...]
Loop = TypeVar("Loop", bound=Callable[..., object])

FARTHEST = 2**30
"""Steps to where there is nothing, which may be added to; more than an image has pixels along an axis."""


def compiled(loop: Loop) -> Loop:
    """The loop as machine code, compiled for what it is first called with and kept for the next process; others run meanwhile."""
    try:
        return cast(Loop, njit(nogil=True, cache=True)(loop))
    except RuntimeError:  # there is no folder that it may be kept in
        return cast(Loop, njit(nogil=True)(loop))


def warm_up() -> None:
    """Compile the loops."""
    place = np.ones((1, 1), np.bool_)
    nearest(place, place, (1.0, 1.0))


def nearest(goal: Mask, places: Mask, spacing: Spacing) -> Values:
    """The squared distance from each place to the goal, which is not empty. Two axes or three; exact where their sides are 1."""
    cube = goal if goal.ndim == 3 else goal[:, None]
    sides = (spacing[0], spacing[1] if goal.ndim == 3 else 1.0, spacing[-1])
    at = np.flatnonzero(places)
    found = np.empty(len(at))
    search(steps_of(np.ascontiguousarray(cube)), at, sides, found)
    return found


@compiled
def steps_of(goal: Mask) -> Steps:
    """How many pixels the nearest of the goal in the line along the first axis is away."""
    steps = np.empty(goal.shape, np.int32)
    for i in range(goal.shape[0]):
        for j in range(goal.shape[1]):
            for k in range(goal.shape[2]):
                before = steps[i - 1, j, k] + 1 if i else FARTHEST
                steps[i, j, k] = 0 if goal[i, j, k] else min(before, FARTHEST)
    for i in range(goal.shape[0] - 2, -1, -1):
        for j in range(goal.shape[1]):
            for k in range(goal.shape[2]):
                steps[i, j, k] = min(steps[i, j, k], steps[i + 1, j, k] + 1)
    return steps


@compiled
def search(steps: Steps, places: Places, sides: tuple[float, float, float], found: Values) -> None:
    """Fill in what is found of the places, which are in their order: a line along the last axis at a time."""
    rows, length = steps.shape[1], steps.shape[2]
    start = 0
    while start < len(places):
        line = places[start] // length
        end = start
        while end < len(places) and places[end] // length == line:
            end += 1
        search_line(steps[line // rows], line % rows, places[start:end] % length, sides, found[start:end])
        start = end


@compiled
def search_line(slab: Steps, row: int, columns: Places, sides: tuple[float, float, float], found: Values) -> None:
    """The places of one line: rows farther away are looked at while they may be nearer than what is found, twice as many each time."""
    near = np.full(slab.shape[1], np.inf)
    take(near, slab[row], sides[0], 0.0)
    reach = 1
    while True:
        worst = 0.0
        for place in range(len(columns)):
            found[place] = nearest_along(near, columns[place], sides[2])
            worst = max(worst, found[place])
        if reach >= len(slab) or (reach * sides[1]) ** 2 >= worst:
            break
        for step in range(reach, min(2 * reach, len(slab))):
            if row >= step:
                take(near, slab[row - step], sides[0], (step * sides[1]) ** 2)
            if row + step < len(slab):
                take(near, slab[row + step], sides[0], (step * sides[1]) ** 2)
        reach *= 2


@compiled
def take(near: Values, steps: Steps, side: float, apart: float) -> None:
    """Let each pixel of a line have the square of its steps in another line that is so far apart, where that is less."""
    for x in range(len(near)):
        far = steps[x] * side
        square = far * far + apart if steps[x] < FARTHEST else np.inf
        near[x] = square if square < near[x] else near[x]


@compiled
def nearest_along(near: Values, x: int, side: float) -> float:
    """The least of a line's squares, and of how far they are from x."""
    best, step = near[x], 1
    while step < len(near) and (step * side) ** 2 < best:
        apart = (step * side) ** 2
        if x >= step:
            best = min(best, near[x - step] + apart)
        if x + step < len(near):
            best = min(best, near[x + step] + apart)
        step += 1
    return float(best)
