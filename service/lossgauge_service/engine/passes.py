"""One pass: the samples of one case, under one weighting, from arrays to sums."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeVar

import numpy as np
from lossgauge.metrics import BoundaryWeight

from lossgauge_service.cuts import cut_of
from lossgauge_service.engine.counting import counted, guessed_pairs
from lossgauge_service.engine.expressions import Variant
from lossgauge_service.engine.kernels import Kernels
from lossgauge_service.engine.ledger import Ledger
from lossgauge_service.engine.loads import Key, Load, clip_of
from lossgauge_service.engine.tiles import Row, Tiles, class_tiles, row_tiles
from lossgauge_service.samples import Case, Sample, case_one_vs_rest, one_vs_rest
from lossgauge_service.statistics import (
    Counts,
    CountSums,
    Entropy,
    EntropySums,
    Moments,
    MomentSums,
    Pairs,
    PixelStatistic,
    Squares,
    SquareSums,
    Statistic,
    Sum,
    Totals,
    TotalSums,
    Values,
)
from lossgauge_service.weights import boundary_weights

SPECIAL_GAMMAS = {0.0: "entropy", 2.0: "quadratic"}
"""Gammas that have columns of their own: their powers need no exponential."""

Kind = TypeVar("Kind", MomentSums, SquareSums)
Columns = dict[Key, Values]
"""Sums by column, (samples, classes)."""


@dataclass(frozen=True)
class Pass:
    """The statistics that share a weighting and a view of the classes, for samples of one case (as they are viewed)."""

    case: Case
    weight: BoundaryWeight | None
    statistics: tuple[PixelStatistic, ...]

    @cached_property
    def variant(self) -> Variant:
        """What the kernel reads."""
        return Variant(self.case.kind, self.case.soft, self.case.weighted or self.weight is not None)

    @property
    def counts_labels(self) -> bool:
        """Whether labels are counted as they are: no kernel reads them."""
        return self.case.kind == "labels" and (self.case.task == "multiclass" or not self.variant.fractional)

    @cached_property
    def load(self) -> Load:
        """What the kernel sums. The squares are made with the help of the moments."""
        terms = [key for key in self.statistics if isinstance(key, Entropy)]
        plain = dict.fromkeys(term.gamma for term in terms if self._is_plain(term))
        clips = tuple(dict.fromkeys(clip_of(term) for term in terms if not self._is_plain(term)))
        cuts = tuple(dict.fromkeys(self.cut(key) for key in self.statistics if isinstance(key, Counts)))
        moments, squares = (any(isinstance(key, kind) for key in self.statistics) for kind in (Moments, Squares))
        gammas = tuple(gamma for gamma in plain if gamma not in SPECIAL_GAMMAS)
        cuts = () if self.case.task == "multiclass" else cuts
        return Load(moments or squares, 0 in plain, gammas, clips, cuts, squares, 2 in plain)

    def _is_plain(self, term: Entropy) -> bool:
        return not (self.case.soft or term.clip or term.log_floor or term.every or term.reduced or term.bare)

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
        special = SPECIAL_GAMMAS.get(key.gamma)
        return ("gamma", key.gamma, side) if special is None else f"{special}{side}"


def passes_of(case: Case, statistics: Sequence[PixelStatistic]) -> list[Pass]:
    """The passes over samples of one case that sum the statistics: one for each weighting, and each view of the classes."""
    kinds = dict.fromkeys((key.weight, key.one_vs_rest) for key in statistics)
    return [
        Pass(
            case_one_vs_rest(case) if apart else case,
            weight,
            tuple(key for key in statistics if (key.weight, key.one_vs_rest) == (weight, apart)),
        )
        for weight, apart in kinds
    ]


def viewed(the_pass: Pass, sample: Sample) -> Sample:
    """A sample as a pass reads it."""
    return sample if sample.case == the_pass.case else one_vs_rest(sample)


class Passed(NamedTuple):
    """The sums of each statistic, and the lowest and highest value of each sample's prediction."""

    tables: dict[Statistic, Sum]
    low: Values
    high: Values


@dataclass(frozen=True)
class Laid:
    """The samples of a pass, as it views them, cut into the tiles that its kernels read."""

    the_pass: Pass
    samples: Sequence[Sample]
    tiles: Sequence[Tiles]


def lay_out(the_pass: Pass, samples: Sequence[Sample]) -> Laid:
    """Everything before the device is needed: the view of the classes, computed weights, tiles."""
    samples = [viewed(the_pass, sample) for sample in samples]
    return Laid(the_pass, samples, _tiles(the_pass, samples))


def _tiles(the_pass: Pass, samples: Sequence[Sample]) -> list[Tiles]:
    if the_pass.counts_labels:
        return []
    if the_pass.case.task == "multiclass":
        return class_tiles([Row(sample.prediction, sample.target, sample.weight) for sample in samples])
    return list(row_tiles([row for sample in samples for row in _mask_rows(sample, the_pass.weight)]))


def run_pass(laid: Laid, kernels: Kernels) -> Passed:
    """The sums of each sample, and what the pass saw of its values."""
    the_pass, samples = laid.the_pass, laid.samples
    if the_pass.counts_labels:
        # labels have been checked, and have no extremes to be
        return Passed(counted(the_pass.statistics, samples), np.zeros(len(samples)), np.zeros(len(samples)))
    columns = (_class_columns if the_pass.case.task == "multiclass" else _mask_columns)(laid, kernels)
    tables = tables_of(the_pass, columns)
    tables |= {key: guessed_pairs(samples) for key in the_pass.statistics if isinstance(key, Pairs)}
    return Passed(tables, columns["low"].min(1), columns["high"].max(1))


def tables_of(the_pass: Pass, columns: Columns) -> dict[Statistic, Sum]:
    """The sums of what is summed of values (not of labels, and no pairs) from columns of any number of rows."""
    sums = _class_sum if the_pass.case.task == "multiclass" else _mask_sum
    return {key: sums(the_pass, key, columns) for key in the_pass.statistics if not isinstance(key, Pairs)}


# ----------------------------------------------------------------------------------------------------------------- masks


def _mask_columns(laid: Laid, kernels: Kernels) -> Columns:
    the_pass = laid.the_pass
    shape = len(laid.samples), the_pass.case.classes
    ledger = Ledger(shape[0] * shape[1])
    for tiles in laid.tiles:
        ledger.enter(tiles.owners, kernels.rows(tiles, the_pass.load, the_pass.variant))
    return {key: values.reshape(shape) for key, values in ledger.columns.items()}


def _mask_rows(sample: Sample, boundary: BoundaryWeight | None) -> list[Row]:
    weight = sample.weight if boundary is None else boundary_weights(sample, boundary)
    weights = [None] * sample.case.classes if weight is None else weight
    return [Row(*parts) for parts in zip(sample.prediction, sample.target, weights, strict=True)]


def _mask_sum(the_pass: Pass, key: PixelStatistic, columns: Columns) -> Sum:
    if isinstance(key, Totals):
        return TotalSums(columns["count"], columns["positive"], columns["negative"])
    if isinstance(key, Moments):
        return _named(MomentSums, columns) if the_pass.case.soft else _hard_moments(columns)
    if isinstance(key, Squares):
        return _named(SquareSums, columns) if the_pass.case.soft else _hard_squares(columns, columns["positive"])
    if isinstance(key, Entropy):
        return EntropySums(columns[the_pass.column(key, "+")], columns[the_pass.column(key, "-")])
    assert isinstance(key, Counts), f"{key} is not a sum over masks"
    return CountSums(*_hits(the_pass, the_pass.cut(key), columns))


def _named(kind: type[Kind], columns: Columns) -> Kind:
    """A record whose members are columns by their names."""
    return kind(**{name: columns[name] for name in kind._fields})


def _hard_moments(columns: Columns) -> MomentSums:
    pt, missed, extra = columns["pt"], columns["missed"], columns["extra"]
    return MomentSums(p=pt + extra, pt=pt, least=pt, missed=missed, extra=extra, short=missed, over=extra)


def _hard_squares(columns: Columns, target: Values) -> SquareSums:
    missed, missed2, extra2 = columns["missed"], columns["missed2"], columns["extra2"]
    # sum of p^2 over the positives: loses digits only where it is small beside sum t^2, to which it is added
    positives = np.maximum(target - 2 * missed + missed2, 0)
    return SquareSums(pp=positives + extra2, tt=target, gap2=missed2 + extra2)


def _hits(the_pass: Pass, cut: float, columns: Columns) -> tuple[Values, Values, Values, Values]:
    tp, fp = (columns["cut", cut, side] for side in "+-")
    if the_pass.variant.fractional:
        return tp, fp, columns["miss", cut, "+"], columns["miss", cut, "-"]
    return tp, fp, columns["positive"] - tp, columns["negative"] - fp


# --------------------------------------------------------------------------------------------------------------- classes


def _class_columns(laid: Laid, kernels: Kernels) -> Columns:
    the_pass = laid.the_pass
    ledger = Ledger(len(laid.samples))
    for tiles in laid.tiles:
        ledger.enter(tiles.owners, kernels.classes(tiles, the_pass.load, the_pass.variant))
    return ledger.columns


def _class_sum(the_pass: Pass, key: PixelStatistic, columns: Columns) -> Sum:
    weight = columns["weight"]
    if isinstance(key, Totals):
        return TotalSums(columns["count"], weight, np.zeros_like(weight))
    if isinstance(key, Moments):
        return _hard_moments(columns)
    if isinstance(key, Squares):
        return _hard_squares(columns, weight)
    if isinstance(key, Entropy):
        loss = columns[the_pass.column(key, "")]
        return EntropySums(loss, np.zeros_like(loss))
    assert isinstance(key, Counts), f"{key} is not a sum over classes"
    if the_pass.variant.fractional:
        return CountSums(columns["hit"], columns["fp"], columns["fn"], columns["tn"])
    return _guesses(columns["hit"], columns["guess"], weight)


def _guesses(hit: Values, guess: Values, target: Values) -> CountSums:
    return CountSums(hit, guess - hit, target - hit, target.sum(-1, keepdims=True) - guess - target + hit)
