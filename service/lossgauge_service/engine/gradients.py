"""The derivative of a score with respect to the prediction.

A score is finish(S), S the sums over the pixels: its derivative is the sum over k of d finish / d S_k times d S_k / d x. The
second is torch's (`columns.py`). The first is a central difference of order 8 of `finish`, which takes all its points as rows
at once: what a metric has to write for a gradient is nothing. What is measured of the whole sample (`Differentiable`) has a
derivative of its own; there the metric says d finish / d S_k (`slopes`), for a record may be as large as the sample.

`finish` may write one number in two ways that are equal only for sums that belong together (1 - loss, or the score itself). So
the sums are moved together, along coordinates of what sums can be: what a mask misses, and what it has too much of, at a
target that stays. A step is a small share of the least sum that it moves, so that no point leaves what is possible.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from lossgauge.metrics import MetricSpec
from numpy.typing import NDArray

from lossgauge_service.engine.blocks import Blocks
from lossgauge_service.engine.columns import derivative_of, sums_of
from lossgauge_service.engine.loads import Key
from lossgauge_service.engine.measuring import Records, measured
from lossgauge_service.engine.passes import Columns, Pass, passes_of, tables_of
from lossgauge_service.engine.pieces import Pieces
from lossgauge_service.errors import MetricDoesNotFit
from lossgauge_service.metrics.implementation import Implementation
from lossgauge_service.samples import Case, Sample
from lossgauge_service.statistics import (
    Differentiable,
    Entropy,
    Measure,
    Moments,
    Squares,
    Statistic,
    Sums,
    Totals,
    Values,
)

STENCIL = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}
STEP = 0.02
"""Of the least sum that moves: the error of the difference is then 1e-12 of it, and that of rounding 1e-14."""
ROW_ELEMENTS = 2**20

SMOOTH = (Totals, Moments, Squares, Entropy)
"""The statistics that change with the prediction without jumps, or not at all."""


Statistics = tuple[Statistic, ...]


@dataclass(frozen=True)
class Coordinate:
    """What sums say (a sum of them) and which sums move with it. near: sums, by factors, no part of which a step may reach."""

    reads: Mapping[Key, float]
    moves: Mapping[Key, float]
    near: tuple[Mapping[Key, float], ...] = field(default=())


POSITIVE_SQUARES: Mapping[Key, float] = {"target": 1, "missed": -2, "missed2": 1}
HARD = (
    Coordinate({"missed": 1}, {"missed": 1, "pt": -1, "missed2": 2}, ({"pt": 1}, {"missed": 1, "extra": 1})),
    Coordinate({"extra": 1}, {"extra": 1}, ({"missed": 1, "extra": 1},)),
    Coordinate({"missed": -2, "missed2": 1}, {"missed2": 1}, (POSITIVE_SQUARES, {"missed2": 1, "extra2": 1})),
    Coordinate({"extra2": 1}, {"extra2": 1}, ({"missed2": 1, "extra2": 1},)),
)
SOFT = (
    Coordinate({"p": 1}, {"p": 1, "over": 1, "extra": 1}, ({"p": 1}, {"short": 1, "over": 1})),
    Coordinate({"pt": 1}, {"pt": 1, "gap2": -2, "missed": -1, "extra": -1}, ({"pt": 1},)),
    Coordinate({"least": 1}, {"least": 1, "short": -1, "over": -1}, ({"least": 1}, {"short": 1, "over": 1})),
    Coordinate({"pp": 1}, {"pp": 1, "gap2": 1}, ({"pp": 1}, {"gap2": 1})),
)
FIXED = {"count", "positive", "negative", "weight", "low", "high", "guess", "hit", "fp", "fn", "tn", "tt"}


@dataclass(frozen=True)
class Slopes:
    """The derivatives of a score with respect to the sums of its passes, and to what is measured."""

    spec: MetricSpec
    implementation: Implementation[Any]
    sample: Sample
    columns: Mapping[Pass, Columns]
    records: Records

    def of(self, the_pass: Pass) -> Columns:
        """By column, (classes,). Columns that do not depend on the prediction have none."""
        slopes: Columns = {}
        for coordinate in self._coordinates(the_pass):
            along = self._along(the_pass, coordinate)
            for key, factor in coordinate.reads.items():
                slopes[key] = slopes.get(key, 0.0) + factor * along
        return slopes

    def _coordinates(self, the_pass: Pass) -> Iterator[Coordinate]:
        columns, named = self.columns[the_pass], SOFT if self.sample.case.soft else HARD
        yield from (one for one in named if one.reads.keys() <= columns.keys())
        in_named = {key for one in (*SOFT, *HARD) for key in one.moves}
        yield from (Coordinate({key: 1}, {key: 1}, ({key: 1},)) for key in columns.keys() - in_named - FIXED)

    def _along(self, the_pass: Pass, coordinate: Coordinate) -> Values:
        """The derivative along a coordinate of each class."""
        steps = STEP * self._reach(the_pass, coordinate)
        slopes = np.zeros(len(steps))
        moving = np.flatnonzero(steps > 0)
        for some in np.array_split(moving, -(-len(moving) * len(steps) * 2 * len(STENCIL) // ROW_ELEMENTS) or 1):
            slopes[some] = self._differences(the_pass, coordinate, some, steps[some])
        return slopes

    def _reach(self, the_pass: Pass, coordinate: Coordinate) -> Values:
        """How far a coordinate may move, by class: the least of the sums near it that are not 0; all weight where all are."""
        columns = self.columns[the_pass]
        weight = columns["weight"][0] if "weight" in columns else (columns["positive"] + columns["negative"])[0]
        target = columns["weight"][0] if "weight" in columns else columns["positive"][0]
        reach = np.full(len(weight), np.inf)
        for near in coordinate.near:
            if near.keys() <= {*columns, "target"}:
                here = sum(factor * (target if key == "target" else columns[key][0]) for key, factor in near.items())
                reach = np.where(here > 0, np.minimum(reach, here), reach)
        return np.where(np.isinf(reach), weight, reach)

    def _differences(self, the_pass: Pass, coordinate: Coordinate, classes: NDArray[np.intp], steps: Values) -> Values:
        """Central differences, of some of the classes."""
        offsets = np.array([sign * times for times in STENCIL for sign in (1, -1)], np.float64)
        factors = np.array([sign * factor for factor in STENCIL.values() for sign in (1, -1)])
        rows = len(classes) * len(offsets)
        shift = np.zeros((rows, self.sample.case.classes))
        shift[np.arange(rows), np.repeat(classes, len(offsets))] = np.outer(steps, offsets).ravel()
        values = self._values(the_pass, coordinate, shift).reshape(len(classes), len(offsets))
        return np.asarray((values * factors).sum(1) / steps)

    def _values(self, the_pass: Pass, coordinate: Coordinate, shift: Values) -> Values:
        """The scores where the sums have moved, a row each."""
        sums = self._sums(shift, {the_pass: coordinate.moves})
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            scores = self.implementation.finish(self.spec, sums, self.sample.case)
        return np.array([np.nan if score.value is None else score.value for score in scores], np.float64)

    def _sums(self, shift: Values, moving: Mapping[Pass, Mapping[Key, float]]) -> Sums:
        """The sample's sums, once for each row of the shift, by which some have moved."""
        tables: dict[Statistic, Any] = {}
        for one, columns in self.columns.items():
            moves = moving.get(one, {})
            tables |= tables_of(one, {key: values + moves.get(key, 0.0) * shift for key, values in columns.items()})
        for key, record in self.records.items():
            tables[key] = type(record)(*(values.repeat(len(shift), 0) for values in record))
        return Sums(np.full(len(shift), float(math.prod(self.sample.shape))), tables)

    def of_measures(self) -> Mapping[Any, NDArray[Any]]:
        """With respect to the record of each measure, as its `derivative` reads them."""
        slopes = self.implementation.slopes
        if not self.records or slopes is None:
            return {}
        return slopes(self.spec, self._sums(np.zeros((1, self.sample.case.classes)), {}), self.sample.case)


def check_smooth(spec: MetricSpec, implementation: Implementation[Any], statistics: Statistics, case: Case) -> None:
    """Refuse a metric that counts, ranks or measures: it has no gradient, or one of 0."""
    if case.kind == "labels":
        raise MetricDoesNotFit(f"{spec.name} has no gradient with respect to labels", pointer="/metrics/0")
    smooth = SMOOTH if implementation.slopes is None else (*SMOOTH, Differentiable)
    others = [key for key in statistics if not isinstance(key, smooth)]
    if others:
        found = (
            f"it is made of {_told(others[0])}, which a small change of the prediction does not change or makes jump"
        )
        raise MetricDoesNotFit(f"{spec.name} has no gradient: {found}; ask for a soft loss", pointer="/metrics/0")


def _told(statistic: Statistic) -> str:
    return statistic.told if isinstance(statistic, Measure) else "counts of a mask"


def gradient_of(
    spec: MetricSpec,
    implementation: Implementation[Any],
    statistics: Statistics,
    sample: Sample,
    blocks: Blocks,
) -> Pieces[Values]:
    """d score / d prediction, in its shape, of a float64 sample that has a score; NaN where it has no derivative."""
    passes = passes_of(sample.case, [key for key in statistics if not isinstance(key, Measure)])
    records, _ = measured([key for key in statistics if isinstance(key, Measure)], {0: sample}, blocks)
    columns: dict[Pass, Columns] = {}
    for one in passes:
        columns[one] = yield from sums_of(one, sample, blocks.device)
    slopes, found = Slopes(spec, implementation, sample, columns, records), np.zeros(sample.prediction.shape)
    for one in passes:
        if of_pass := slopes.of(one):
            found += yield from derivative_of(one, sample, of_pass, blocks.device)
    for key, of_record in slopes.of_measures().items():
        found += yield from key.derivative(sample, of_record)
    return found
