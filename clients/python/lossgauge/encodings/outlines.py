"""Filling polygons exactly as the COCO API does (cocodataset/cocoapi, common/maskApi.c, rleFrPoly and rleMerge).

A polygon's corners go to a grid five times as fine. Each edge is a chain of grid points, one a step along its longer
axis, the other axis rounded. Where the chain passes the middle of an image column (from grid column 5c + 2 to 5c + 3, or
back), the mask toggles in image column c at the image row of the upper point of the two, rounded up. The pixels after an
odd number of toggles, down the columns, are the polygon.

The API walks along every point of the chain. Here only the passages are computed, so that what lies outside the image
costs nothing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lossgauge.encodings.base import Caps, over_limit
from lossgauge.encodings.masks import Mask

Outline = NDArray[np.float64]
Integers = NDArray[np.int64]
SCALE = 5
MIDDLE = 2
FARTHEST = 2**27


@dataclass(frozen=True)
class Edges:
    """Edges on the fine grid, each along its longer axis from `start` by `length` steps, on the other from `across`.

    polygon: which polygon each is of; rise: how far the other axis goes in all.
    """

    polygon: Integers
    start: Integers
    across: Integers
    length: Integers
    rise: Integers

    def __getitem__(self, chosen: Integers | Mask) -> "Edges":
        return Edges(*(values[chosen] for values in vars(self).values()))

    def rounded(self, step: Integers) -> Integers:
        """The grid point on the shorter axis at a step; cut towards 0, as the API's cast to int does."""
        slope = self.rise / np.maximum(self.length, 1)
        points: Integers = (self.across + slope * step + 0.5).astype(np.int64)
        return points


@dataclass(frozen=True)
class Passages:
    """Where chains pass the middle of image columns: the image column, and the grid row of the upper point."""

    polygon: Integers
    column: Integers
    row: Integers


@dataclass(frozen=True)
class Columns:
    """The image columns whose middles each of some edges passes: `count` of them from `first`."""

    first: Integers
    count: Integers

    def each(self) -> tuple[Integers, Integers]:
        """The edge and the column of every passage."""
        edge = np.repeat(np.arange(self.count.size), self.count)
        place = np.arange(edge.size) - np.repeat(np.cumsum(self.count) - self.count, self.count)
        return edge, self.first[edge] + place


def filled(outlines: list[Outline], height: int, width: int, caps: Caps) -> Mask:
    """The union of polygons, each an array of (points, 2) as x, y."""
    if not outlines:
        return np.zeros((height, width), bool)
    flat, steep = _edges(outlines)
    flat_columns = _columns(flat.start, flat.start + flat.length, width)
    steep_columns = _columns(*_span(steep), width)
    _check(int(flat_columns.count.sum() + steep_columns.count.sum()), caps)
    passages = _joined(_of_flat(flat, flat_columns), _of_steep(steep, steep_columns))
    return _union(passages.polygon, _toggles(passages, height), height * width).reshape(width, height).T


def _edges(outlines: list[Outline]) -> tuple[Edges, Edges]:
    """The edges that are at least as wide as high, and the others."""
    points = (SCALE * np.concatenate(outlines) + 0.5).astype(np.int64)
    sizes = np.array([len(outline) for outline in outlines])
    following = np.arange(1, len(points) + 1)
    following[np.cumsum(sizes) - 1] = np.cumsum(sizes) - sizes
    polygon, ends = np.repeat(np.arange(sizes.size), sizes), points[following]
    wide, high = np.abs(ends - points).T
    flat = wide >= high
    rows_first = [each[~flat, ::-1] for each in (points, ends)]
    return _along(polygon[flat], points[flat], ends[flat]), _along(polygon[~flat], *rows_first)


def _along(polygon: Integers, points: Integers, ends: Integers) -> Edges:
    """Edges in the direction in which their first axis grows."""
    turned = (points[:, 0] > ends[:, 0])[:, None]
    (start, across), (end, last) = np.where(turned, ends, points).T, np.where(turned, points, ends).T
    return Edges(polygon, start, across, end - start, last - across)


def _span(steep: Edges) -> tuple[Integers, Integers]:
    begin, end = steep.rounded(np.zeros_like(steep.length)), steep.rounded(steep.length)
    return np.minimum(begin, end), np.maximum(begin, end)


def _columns(low: Integers, high: Integers, width: int) -> Columns:
    """The image columns c of which the grid columns 5c + 2 and 5c + 3 are both from low to high."""
    first = np.maximum(-((MIDDLE - low) // SCALE), 0)
    last = np.minimum((high - MIDDLE - 1) // SCALE, width - 1)
    return Columns(first, np.maximum(last - first + 1, 0))


def _check(passages: int, caps: Caps) -> None:
    if passages > caps.list_elements:
        detail = f"the edges cross {passages} image columns in all; at most {caps.list_elements} are allowed"
        raise over_limit("list_elements", detail, "/polygons")


def _of_flat(flat: Edges, columns: Columns) -> Passages:
    edge, column = columns.each()
    passing = flat[edge]
    step = SCALE * column + MIDDLE - passing.start
    return Passages(passing.polygon, column, np.minimum(passing.rounded(step), passing.rounded(step + 1)))


def _of_steep(steep: Edges, columns: Columns) -> Passages:
    """The last step before the middle of the column, found by halving: the chain only ever rises, or only falls."""
    edge, column = columns.each()
    passing = steep[edge]
    before, after = np.zeros_like(edge), passing.length
    for _ in range(int(passing.length.max(initial=0)).bit_length()):
        half = (before + after) // 2
        passed = (passing.rounded(half) > SCALE * column + MIDDLE) == (passing.rise > 0)
        before, after = np.where(passed, before, half), np.where(passed, half, after)
    return Passages(passing.polygon, column, passing.start + before)


def _joined(some: Passages, others: Passages) -> Passages:
    pairs = zip(vars(some).values(), vars(others).values(), strict=True)
    return Passages(*(np.concatenate(pair) for pair in pairs))


def _toggles(passages: Passages, height: int) -> Integers:
    """The pixels, counted down the columns, before which the mask toggles."""
    rows = np.clip(-((MIDDLE - passages.row) // SCALE), 0, height)
    return passages.column * height + rows


def _union(polygon: Integers, toggles: Integers, pixels: int) -> Mask:
    """The pixels after an odd number of toggles of any one polygon."""
    unpaired = np.flatnonzero(np.bincount(polygon) % 2)
    keys = np.sort(np.concatenate([polygon * (pixels + 1) + toggles, unpaired * (pixels + 1) + pixels]))
    positions = keys % (pixels + 1)
    order = np.argsort(positions, kind="stable")
    depth = np.cumsum(np.where(order % 2 == 0, 1, -1))
    lengths = np.diff(np.concatenate([[0], positions[order], [pixels]]))
    return np.repeat(np.concatenate([[False], depth > 0]), lengths)
