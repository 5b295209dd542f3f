"""One pass: the samples of one case, under one weighting, from arrays to sums."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from lossgauge.metrics import BoundaryWeight
from numpy.typing import NDArray

from lossgauge_service.engine.cuts import cut_of
from lossgauge_service.engine.expressions import Variant
from lossgauge_service.engine.kernels import Kernels
from lossgauge_service.engine.loads import Key, Load, clip_of
from lossgauge_service.engine.tiles import Ledger, Row, class_tiles, row_tiles
from lossgauge_service.samples import AnyArray, Case, Sample
from lossgauge_service.statistics import (
    Counts,
    CountSums,
    Entropy,
    EntropySums,
    Moments,
    MomentSums,
    Pairs,
    PairSums,
    Statistic,
    Sum,
    Totals,
    TotalSums,
    Values,
)
from lossgauge_service.weights import boundary_weights

Columns = dict[Key, Values]
"""Sums by column, an entry per class."""


@dataclass(frozen=True)
class Pass:
    """The statistics that share a weighting, for samples of one case."""

    case: Case
    weight: BoundaryWeight | None
    statistics: tuple[Statistic, ...]

    @property
    def variant(self) -> Variant:
        """What the kernel reads."""
        return Variant(self.case.kind, self.case.soft, self.case.weighted or self.weight is not None)

    @property
    def load(self) -> Load:
        """What the kernel sums."""
        terms = [key for key in self.statistics if isinstance(key, Entropy)]
        plain = dict.fromkeys(term.gamma for term in terms if self._is_plain(term))
        clips = tuple(dict.fromkeys(clip_of(term) for term in terms if not self._is_plain(term)))
        cuts = tuple(dict.fromkeys(self.cut(key) for key in self.statistics if isinstance(key, Counts)))
        moments = any(isinstance(key, Moments) for key in self.statistics)
        gammas = tuple(gamma for gamma in plain if gamma != 0)
        return Load(moments, 0 in plain, gammas, clips, () if self.case.task == "multiclass" else cuts)

    def _is_plain(self, term: Entropy) -> bool:
        return not (self.case.soft or term.clip or term.log_floor or term.every)

    def cut(self, key: Counts) -> float:
        """The value above which a prediction is positive."""
        return self._cuts[key]

    @cached_property
    def _cuts(self) -> dict[Counts, float]:
        counts = [key for key in self.statistics if isinstance(key, Counts)]
        return {key: cut_of(self.case, key.threshold, key.inclusive) for key in counts}

    def column(self, key: Entropy, side: str) -> Key:
        """The kernel's column of a term: of its positives "+" or negatives "-", or of each class ""."""
        if not self._is_plain(key):
            return "clip", clip_of(key), side
        return ("gamma", key.gamma, side) if key.gamma else f"entropy{side}"


@dataclass(frozen=True)
class Tally:
    """A sample's columns, and the lowest and highest value of its prediction."""

    columns: Columns
    low: float = 0.0
    high: float = 0.0


def run_pass(the_pass: Pass, samples: Sequence[Sample], kernels: Kernels) -> list[tuple[dict[Statistic, Sum], Tally]]:
    """The sums of each sample, and what the pass saw of its values."""
    if the_pass.case.task != "multiclass":
        return _masks(the_pass, samples, kernels)
    if the_pass.case.kind == "labels":
        return [(_paired(the_pass, _matrix(sample.prediction, sample)), Tally({})) for sample in samples]
    return _classes(the_pass, samples, kernels)


# ----------------------------------------------------------------------------------------------------------------- masks


def _masks(the_pass: Pass, samples: Sequence[Sample], kernels: Kernels) -> list[tuple[dict[Statistic, Sum], Tally]]:
    rows = [row for sample in samples for row in _mask_rows(sample, the_pass.weight)]
    ledger, keys = Ledger(), list[Key]()
    for tiles in row_tiles(rows):
        keys, sums = kernels.rows(tiles, the_pass.load, the_pass.variant)
        ledger.enter(tiles.owners, sums)
    tallies = [_tallied(keys, tile_sums) for tile_sums in ledger.rows(len(rows))]
    classes = the_pass.case.classes
    by_sample = [_stacked(tallies[i : i + classes]) for i in range(0, len(tallies), classes)]
    return [
        ({key: _mask_sum(the_pass, key, tally.columns) for key in the_pass.statistics}, tally) for tally in by_sample
    ]


def _mask_rows(sample: Sample, boundary: BoundaryWeight | None) -> list[Row]:
    weight = sample.weight if boundary is None else boundary_weights(sample, boundary)
    weights = [None] * sample.case.classes if weight is None else weight
    return [Row(*parts) for parts in zip(sample.prediction, sample.target, weights, strict=True)]


def _tallied(keys: list[Key], tile_sums: NDArray[np.float64]) -> Tally:
    columns = dict(zip(keys, tile_sums.sum(0), strict=True))
    low, high = tile_sums[:, keys.index("low")].min(), tile_sums[:, keys.index("high")].max()
    return Tally(columns, float(low), float(high))


def _stacked(rows: Sequence[Tally]) -> Tally:
    """The rows of a sample's classes as one tally."""
    columns = {key: np.array([row.columns[key] for row in rows]) for key in rows[0].columns}
    return Tally(columns, float(np.min([row.low for row in rows])), float(np.max([row.high for row in rows])))


def _mask_sum(the_pass: Pass, key: Statistic, columns: Columns) -> Sum:
    if isinstance(key, Totals):
        return TotalSums(columns["count"], columns["positive"] + columns["negative"], columns["positive"])
    if isinstance(key, Moments):
        least = columns["least" if the_pass.case.soft else "pt"]
        return MomentSums(columns["p"], columns["pt"], columns["pp"], columns["tt"], least)
    if isinstance(key, Entropy):
        return EntropySums(columns[the_pass.column(key, "+")], columns[the_pass.column(key, "-")])
    assert isinstance(key, Counts)
    return CountSums(*_hits(the_pass, the_pass.cut(key), columns))


def _hits(the_pass: Pass, cut: float, columns: Columns) -> tuple[Values, Values, Values, Values]:
    tp, fp = (columns["cut", cut, side] for side in "+-")
    if the_pass.variant.fractional:
        return tp, fp, columns["miss", cut, "+"], columns["miss", cut, "-"]
    return tp, fp, columns["positive"] - tp, columns["negative"] - fp


# --------------------------------------------------------------------------------------------------------------- classes


def _classes(the_pass: Pass, samples: Sequence[Sample], kernels: Kernels) -> list[tuple[dict[Statistic, Sum], Tally]]:
    rows = [Row(sample.prediction, sample.target, sample.weight) for sample in samples]
    ledger, keys = Ledger(), list[Key]()
    for tiles in class_tiles(rows):
        keys, sums = kernels.classes(tiles, the_pass.load, the_pass.variant)
        ledger.enter(tiles.owners, sums)
    return [
        _class_sums(the_pass, sample, keys, sums) for sample, sums in zip(samples, ledger.rows(len(rows)), strict=True)
    ]


def _class_sums(
    the_pass: Pass, sample: Sample, keys: list[Key], tile_sums: NDArray[np.float64]
) -> tuple[dict[Statistic, Sum], Tally]:
    columns = {key: tile_sums[..., place].sum(0) for place, key in enumerate(keys)}
    low, high = tile_sums[..., keys.index("low")].min(), tile_sums[..., keys.index("high")].max()
    sums = {key: _class_sum(the_pass, sample, key, columns) for key in the_pass.statistics}
    return sums, Tally(columns, float(low), float(high))


def _class_sum(the_pass: Pass, sample: Sample, key: Statistic, columns: Columns) -> Sum:
    weight = columns["weight"]
    if isinstance(key, Totals):
        return TotalSums(columns["count"], weight, weight)
    if isinstance(key, Moments):
        return MomentSums(columns["p"], columns["pt"], columns["pp"], weight, columns["pt"])
    if isinstance(key, Entropy):
        loss = columns[the_pass.column(key, "")]
        return EntropySums(loss, np.zeros_like(loss))
    if isinstance(key, Pairs):
        return PairSums(_matrix(sample.prediction.argmax(0), sample))
    if the_pass.variant.fractional:
        return CountSums(columns["hit"], columns["fp"], columns["fn"], columns["tn"])
    return _counted(columns["hit"], columns["guess"], weight)


def _counted(hit: Values, guess: Values, target: Values) -> CountSums:
    return CountSums(hit, guess - hit, target - hit, target.sum() - guess - target + hit)


def _matrix(guess: AnyArray, sample: Sample) -> Values:
    """The weight of each pair of classes: rows the target's, columns the prediction's."""
    classes, valid = sample.case.classes, sample.target >= 0
    place = sample.target[valid].astype(np.int64) * classes + guess[valid]
    weight = None if sample.weight is None else sample.weight[valid]
    return np.bincount(place, weight, classes**2).reshape(classes, classes).astype(np.float64)


def _paired(the_pass: Pass, matrix: Values) -> dict[Statistic, Sum]:
    """Every statistic of two label maps, from their confusion matrix."""
    target, guess, hit = matrix.sum(1), matrix.sum(0), matrix.diagonal().copy()
    return {key: _pair_sum(key, matrix, target, guess, hit) for key in the_pass.statistics}


def _pair_sum(key: Statistic, matrix: Values, target: Values, guess: Values, hit: Values) -> Sum:
    table: dict[type[Any], Callable[[], Sum]] = {
        Totals: lambda: TotalSums(target, target, target),
        Counts: lambda: _counted(hit, guess, target),
        Pairs: lambda: PairSums(matrix),
    }
    return table[type(key)]()
