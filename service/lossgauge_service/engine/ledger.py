"""Adding up the tiles' sums of launches by row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lossgauge_service.engine.loads import Key

EXTREMES: dict[Key, tuple[np.ufunc, float]] = {"low": (np.minimum, np.inf), "high": (np.maximum, -np.inf)}
"""The columns that are no sums: what makes one of two, and what that leaves as it is."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """The columns of a launch, (columns, tiles, ..): sums first, then extremes."""

    keys: tuple[Key, ...]
    values: Floats

    @classmethod
    def of(cls, layout: "Layout", sums: Tensor) -> Self:
        """The columns of a layout, of those in the CPU's memory."""
        assert len(sums) == layout.width, f"{len(sums)} columns for {layout}"
        return cls(layout.keys, sums.numpy()[layout.places].astype(np.float64))


class Layout(NamedTuple):
    """Which of a launch's columns, `width` in all, make a table: their keys and places, sums first."""

    keys: tuple[Key, ...]
    places: NDArray[np.intp]
    width: int

    @classmethod
    def of(cls, places: Mapping[Key, int], width: int) -> Self:
        """That of the columns at these places."""
        keys = sorted(places, key=EXTREMES.__contains__)
        return cls(tuple(keys), np.array([places[key] for key in keys], np.intp), width)


class Kind(NamedTuple):
    """Columns that become one of two in the same way."""

    columns: slice
    how: np.ufunc
    neutral: float


@lru_cache(maxsize=256)
def _kinds(keys: tuple[Key, ...]) -> tuple[Kind, ...]:
    added = sum(key not in EXTREMES for key in keys)
    extremes = (Kind(slice(place, place + 1), *EXTREMES[keys[place]]) for place in range(added, len(keys)))
    return Kind(slice(added), np.add, 0.0), *extremes


class Ledger:
    """Adds up the tiles' sums of every launch by row, in float64: pairwise, as NumPy does, over the row's tiles alone.

    All tiles of a pass are launched alike: with the same layouts.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._totals: dict[tuple[Key, ...], Floats] = {}

    def enter(self, owners: NDArray[np.intp], tables: Sequence[Table]) -> None:
        """Add what was launched for some tiles, in which a row's tiles stand together."""
        starts = np.flatnonzero(np.diff(owners, prepend=-1))
        rows = owners[starts]
        for table in tables:
            total = self._total(table)
            for columns, how, _ in _kinds(table.keys):
                own = how.reduceat(table.values[columns], starts, axis=1)
                total[columns, rows] = how(total[columns, rows], own)

    @property
    def columns(self) -> dict[Key, Floats]:
        """The columns, (rows, ..)."""
        return {key: column for keys, total in self._totals.items() for key, column in zip(keys, total, strict=True)}

    def _total(self, table: Table) -> Floats:
        if table.keys not in self._totals:
            columns, _, *others = table.values.shape
            total = np.empty((columns, self._rows, *others))
            for kind in _kinds(table.keys):
                total[kind.columns] = kind.neutral
            self._totals[table.keys] = total
        return self._totals[table.keys]
