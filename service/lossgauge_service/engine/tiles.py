"""Cutting samples into tiles of a fixed number of elements.

Rows that fill whole tiles are read where they lie, where enough of them lie behind each other; other rows and remainders are
copied side by side into shared tiles, so that one launch serves many small samples. Which elements a row's tiles have depends on the
row alone, and a kernel treats every tile on its own: a sample's sums are the same bits whatever shares its launch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossgauge_service.engine.expressions import ROW_TILE
from lossgauge_service.samples import AnyArray

CLASS_TILE = 512
STAGED_TILES = 2**15
"""So many tiles are copied together at most: 80 MB of float32."""
DIRECT_TILES = 64
"""So many whole tiles that lie behind each other are read in place, of one row or of several."""


@dataclass(frozen=True)
class Row:
    """A vector of pixels: prediction, target and weight of equal length."""

    prediction: AnyArray
    target: AnyArray
    weight: AnyArray | None

    def __len__(self) -> int:
        return len(self.prediction)

    def __getitem__(self, part: slice) -> "Row":
        weight = None if self.weight is None else self.weight[part]
        return Row(self.prediction[part], self.target[part], weight)


Placed = tuple[int, Row]
"""A row, or a part of one, and which of the rows it is."""


@dataclass(frozen=True)
class Tiles:
    """What one launch reads, and the row that each tile belongs to."""

    prediction: Tensor
    target: Tensor
    weight: Tensor | None
    owners: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.owners)

    def __getitem__(self, part: slice) -> "Tiles":
        weight = None if self.weight is None else self.weight[part]
        return Tiles(self.prediction[part], self.target[part], weight, self.owners[part])


def row_tiles(rows: Sequence[Row]) -> Iterator[Tiles]:
    """All rows cut into tiles of `ROW_TILE`: what lies in long runs in place, then the rest copied, `STAGED_TILES` at a time."""
    whole, rest = list[Placed](), list[Placed]()
    for owner, row in enumerate(rows):
        length = _whole_length(row)
        if length:
            whole.append((owner, row[:length]))
        if len(row) > length:
            rest.append((owner, row[length:]))
    for run in _runs_in_memory(whole):
        if sum(len(row) for _, row in run) >= DIRECT_TILES * ROW_TILE:
            yield _in_place(run)
        else:
            rest += run
    yield from map(_staged, _shares(sorted(rest, key=itemgetter(0))))


def _whole_length(row: Row) -> int:
    """How much of a row may be read in place. A short one stays whole: it is added up the same wherever it lies."""
    remainder = len(row) % ROW_TILE
    return 0 if remainder and len(row) < DIRECT_TILES * ROW_TILE else len(row) - remainder


def _shares(rest: list[Placed]) -> Iterator[list[Placed]]:
    """The rows in lots of a bounded number of tiles; a row stays whole."""
    lot, tiles = list[Placed](), 0
    for placed in rest:
        own = -(-len(placed[1]) // ROW_TILE)
        if lot and tiles + own > STAGED_TILES:
            yield lot
            lot, tiles = [], 0
        lot.append(placed)
        tiles += own
    if lot:
        yield lot


def _runs_in_memory(placed: list[Placed]) -> list[list[Placed]]:
    """The rows in runs that lie one behind the other in the same memory, as stacked samples do."""
    runs: list[list[Placed]] = []
    for one in placed:
        if runs and _follows(runs[-1][-1][1], one[1]):
            runs[-1].append(one)
        else:
            runs.append([one])
    return runs


def _follows(before: Row, after: Row) -> bool:
    pairs = [(before.prediction, after.prediction), (before.target, after.target)]
    if before.weight is not None and after.weight is not None:
        pairs.append((before.weight, after.weight))
    return all(_end(a) == b.ctypes.data and _owner(a) is _owner(b) for a, b in pairs)


def _owner(array: AnyArray) -> object:
    """Whose memory an array is: that of an array, or of a body of which several arrays are views."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    base: object = array.base
    return base.obj if isinstance(base, memoryview) else array


def _end(array: AnyArray) -> int:
    return array.ctypes.data + array.nbytes


def _in_place(run: list[Placed]) -> Tiles:
    rows = [row for _, row in run]
    weights = [row.weight for row in rows if row.weight is not None]
    return Tiles(
        _cut([row.prediction for row in rows]),
        _cut([row.target for row in rows]),
        _cut(weights) if weights else None,
        np.concatenate([np.full(len(row) // ROW_TILE, owner) for owner, row in run]),
    )


def _cut(arrays: list[AnyArray]) -> Tensor:
    first, length = arrays[0], sum(map(len, arrays))
    whole = np.lib.stride_tricks.as_strided(first, (length,), first.strides) if len(arrays) > 1 else first
    # torch cannot hold a read-only array without a warning; nothing here writes to it
    held = whole if whole.flags.writeable and whole.flags.aligned else whole.copy()
    return torch.from_numpy(held).view(-1, ROW_TILE)


def _staged(rest: list[Placed]) -> Tiles:
    owners = np.concatenate([np.full(-(-len(row) // ROW_TILE), owner) for owner, row in rest])
    first = rest[0][1]
    prediction = np.zeros((len(owners), ROW_TILE), first.prediction.dtype)
    target = np.full((len(owners), ROW_TILE), -1, first.target.dtype)
    weight = None if first.weight is None else np.zeros((len(owners), ROW_TILE), first.weight.dtype)
    for (_, row), start in zip(rest, _starts(rest), strict=True):
        place = slice(start * ROW_TILE, start * ROW_TILE + len(row))
        prediction.reshape(-1)[place] = row.prediction
        target.reshape(-1)[place] = row.target
        if weight is not None and row.weight is not None:
            weight.reshape(-1)[place] = row.weight
    torch_weight = None if weight is None else torch.from_numpy(weight)
    return Tiles(torch.from_numpy(prediction), torch.from_numpy(target), torch_weight, owners)


def _starts(rest: list[Placed]) -> Iterator[int]:
    start = 0
    for _, row in rest:
        yield start
        start += -(-len(row) // ROW_TILE)


def class_tiles(rows: Sequence[Row]) -> list[Tiles]:
    """Rows of (classes, pixels) cut into tiles (tiles, classes, CLASS_TILE); one `Tiles` per number of classes."""
    groups: dict[int, list[tuple[int, Row]]] = {}
    for owner, row in enumerate(rows):
        groups.setdefault(row.prediction.shape[0], []).append((owner, row))
    return [_class_group(group) for group in groups.values()]


def _class_group(group: list[tuple[int, Row]]) -> Tiles:
    pieces = [_class_pieces(row) for _, row in group]
    owners = np.concatenate(
        [np.full(len(piece.target), owner) for (owner, _), piece in zip(group, pieces, strict=True)]
    )
    weights = [piece.weight for piece in pieces if piece.weight is not None]
    return Tiles(
        torch.from_numpy(np.concatenate([piece.prediction for piece in pieces])),
        torch.from_numpy(np.concatenate([piece.target for piece in pieces])),
        torch.from_numpy(np.concatenate(weights)) if weights else None,
        owners,
    )


def _class_pieces(row: Row) -> Row:
    classes, pixels = row.prediction.shape
    tiles = -(-pixels // CLASS_TILE)
    prediction = np.zeros((classes, tiles * CLASS_TILE), row.prediction.dtype)
    prediction[:, :pixels] = row.prediction
    target = np.full(tiles * CLASS_TILE, -1, row.target.dtype)
    target[:pixels] = row.target
    weight = None
    if row.weight is not None:
        weight = np.zeros(tiles * CLASS_TILE, row.weight.dtype)
        weight[:pixels] = row.weight
    return Row(
        np.ascontiguousarray(prediction.reshape(classes, tiles, CLASS_TILE).swapaxes(0, 1)),
        target.reshape(tiles, CLASS_TILE),
        None if weight is None else weight.reshape(tiles, CLASS_TILE),
    )
