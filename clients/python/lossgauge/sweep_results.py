"""What a caller reads of a sweep: its tables, and the best row of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossgauge.errors import InvalidArgumentError
from lossgauge.sweeps import Best, Cell, FocalGrid, Row, SweepResponse, Table, ThresholdRow, csv_of, document_of
from lossgauge.wire import Score, Timings

FocalGridLike = Mapping[str, Any] | FocalGrid
"""A mapping with `alpha`, `gamma` and other parameters of `focal_loss`, or the same as a model."""


@dataclass(frozen=True, repr=False)
class SweepResult:
    """The answer to `sweep`; all of it is in `answer`.

    `best.threshold` and `best.cell` are the best rows, None where there are none. A number that is undefined is None, and
    its row's `undefined` has the reason.

    >>> from lossgauge.sweeps import MASK_COLUMNS
    >>> row = dict.fromkeys((*MASK_COLUMNS, "auc"), 1)
    >>> engine = {"version": "0.1.0", "device": "cpu", "kernel": "eager"}
    >>> told = {"best": {}, "sweep": {}, "semantics": {}, "timing_ms": {"total": 2.5}, "engine": engine}
    >>> result = SweepResult(SweepResponse.model_validate({"thresholds": [{"threshold": 0.5, **row}], **told}))
    >>> result.table()[0]["threshold"], result.to_csv().splitlines()[0][:15]
    (0.5, 'threshold,tp,fp')
    >>> result.timing_ms["total"]
    2.5
    """

    answer: SweepResponse

    @property
    def id(self) -> str | None:
        """The pair's id."""
        return self.answer.id

    @property
    def thresholds(self) -> Sequence[ThresholdRow]:
        """A row for each threshold; none where they were not swept."""
        return self.answer.thresholds or []

    @property
    def cells(self) -> Sequence[Cell]:
        """A cell for each alpha and gamma; none where they were not swept."""
        return self.answer.cells or []

    @property
    def best(self) -> Best:
        """The best threshold and the best cell, with what they were chosen by."""
        return self.answer.best

    @property
    def auc(self) -> Score | None:
        """The area under the ROC curve."""
        return self.answer.auc

    @property
    def timing_ms(self) -> Timings:
        """Where the time went: receive, decode, queue, compute, encode and total, in milliseconds."""
        return self.answer.timing_ms

    def table(self, name: Table | None = None) -> list[dict[str, Any]]:
        """The rows of a table, `thresholds` or `cells`, as mappings; the name may be left out where there is one table."""
        which, rows = self._named(name)
        return [document_of(which, dict(row)) for row in rows]

    def to_csv(self, path: str | Path | None = None, name: Table | None = None) -> str:
        """A table as CSV, as the service writes it; also written to a file where there is a path."""
        which, rows = self._named(name)
        text = csv_of(which, map(dict, rows))
        if path is not None:
            Path(path).write_text(text, encoding="utf-8", newline="")
        return text

    def _named(self, name: Table | None) -> tuple[Table, Sequence[Row]]:
        tables: dict[Table, Sequence[Row]] = {"thresholds": self.thresholds, "cells": self.cells}
        there = [table for table, rows in tables.items() if rows]
        if name is None and len(there) > 1:
            raise InvalidArgumentError(f"name a table: {' or '.join(there)}")
        chosen = name or there[0]
        if chosen not in there:
            raise InvalidArgumentError(f"{chosen!r} was not swept; swept were {', '.join(there)}")
        return chosen, tables[chosen]

    def __repr__(self) -> str:
        sizes = f"{len(self.thresholds)} thresholds, {len(self.cells)} cells"
        chosen = [str(one) for one in (self.best.threshold, self.best.cell) if one is not None]
        return "\n  best: ".join([f"SweepResult({sizes})", *chosen])
