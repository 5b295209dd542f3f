"""What can be summed over the pixels of a sample, or measured of it as a whole: keys, and the records that come back.

A statistic is a key; its sums are float64 arrays (samples, classes), with one class for binary. Sums of tiles, samples and
machines add up. How a statistic is computed per pixel stands in `engine/expressions.py`.

v is a pixel's weight: 1, its weight map's value, or the weight computed from the target; 0 where the target says ignore.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, NamedTuple, Self, TypeVar

import numpy as np
import torch
from lossgauge.metrics import BoundaryWeight
from numpy.typing import NDArray

from lossgauge_service.samples import Sample

Values = NDArray[np.float64]


class TotalSums(NamedTuple):
    """valid: how many pixels count; positive, negative: sums of v t and v (1 - t) (multi-class: of v in the class, and 0)."""

    valid: Values
    positive: Values
    negative: Values

    @property
    def weight(self) -> Values:
        """Sum of v."""
        return self.positive + self.negative


class MomentSums(NamedTuple):
    """Sums of v times p, p t, min(p, t), the lesser of the two, and of what is apart, with no digit lost.

    missed: t (1 - p); extra: (1 - t) p; apart: both, p + t - 2 p t. short: t - p where p is less; over: p - t where it is more;
    gap: both, |p - t|. For a hard target they are missed, extra and apart.
    """

    p: Values
    pt: Values
    least: Values
    missed: Values
    extra: Values
    short: Values
    over: Values

    @property
    def gap(self) -> Values:
        """What either lacks of the other."""
        return self.short + self.over

    @property
    def apart(self) -> Values:
        """What is in one mask and not in the other."""
        return self.missed + self.extra


class SquareSums(NamedTuple):
    """Sums of v times p^2, t^2 and (p - t)^2."""

    pp: Values
    tt: Values
    gap2: Values


class EntropySums(NamedTuple):
    """The sums over the positives and over the negatives. Multi-class: over the pixels of each class, and zeros."""

    positive: Values
    negative: Values


class CountSums(NamedTuple):
    """True and false positives and negatives of the mask, weighted by v."""

    tp: Values
    fp: Values
    fn: Values
    tn: Values

    @property
    def predicted(self) -> Values:
        """The size of the predicted mask."""
        return self.tp + self.fp

    @property
    def targeted(self) -> Values:
        """The size of the target's mask."""
        return self.tp + self.fn

    @property
    def shared(self) -> Values:
        """What both masks have in common."""
        return self.tp


class PairSums(NamedTuple):
    """Multi-class: the weight of the pixels with each target (row) and predicted (column) class; (samples, classes, classes)."""

    matrix: Values


@dataclass(frozen=True)
class Totals:
    """How many pixels there are, and how many are positive. one_vs_rest: of each class of a multi-class sample as a mask of its own."""

    weight: BoundaryWeight | None = None
    one_vs_rest: bool = False


@dataclass(frozen=True)
class Moments:
    """The sums that soft overlaps are made of."""

    weight: BoundaryWeight | None = None
    one_vs_rest: ClassVar[bool] = False


@dataclass(frozen=True)
class Squares:
    """The sums of squares that V-Net's dice divides by."""

    weight: BoundaryWeight | None = None
    one_vs_rest: ClassVar[bool] = False


@dataclass(frozen=True)
class Entropy:
    """(1 - pt)^gamma * CE, over the positives and over the negatives.

    clip: bounds of the positive class's probability. log_floor: bound of pt in the log alone. every: CE is the sum of the
    cross-entropies against every class. modulated: how a soft target's pixel divides: t f and (1 - t) f of its whole
    f = (1 - pt)^gamma CE; otherwise t (1 - p)^gamma CE(1) and (1 - t) p^gamma CE(0). pt: that of a soft target's whole f. reduced: the
    focus is 1 where pt is below it and ((1 - pt) / reduced)^gamma from there on. bare: the focus alone, 1 in CE's place.
    one_vs_rest: of each class of a multi-class sample as a mask of its own, against all others.
    """

    gamma: float = 0.0
    clip: tuple[float, float] | None = None
    log_floor: float | None = None
    every: bool = False
    modulated: bool = False
    pt: Literal["product", "exp", "logit"] = "product"
    reduced: float | None = None
    bare: bool = False
    weight: BoundaryWeight | None = None
    one_vs_rest: bool = False


@dataclass(frozen=True)
class Counts:
    """Counts of the mask p > threshold (p >= threshold where inclusive); multi-class: of the argmax."""

    threshold: float | None = 0.5
    inclusive: bool = False
    weight: BoundaryWeight | None = None
    one_vs_rest: ClassVar[bool] = False


@dataclass(frozen=True)
class Pairs:
    """The confusion matrix of a multi-class prediction."""

    weight: BoundaryWeight | None = None
    one_vs_rest: ClassVar[bool] = False


Record = TypeVar("Record", bound=tuple[Any, ...])


SLOW = 64.0
"""The `steps` of what looks for something around each pixel: a few tens to some hundreds, as the masks are."""


class Measure(ABC, Generic[Record]):
    """What is found from a whole sample, not pixel by pixel. A frozen dataclass of what decides it, and how it is found.

    Its record is a NamedTuple of arrays (classes, ...), of numbers or of objects that add up: those of several samples are
    stacked, and pooled by adding them.
    """

    weight: ClassVar[None] = None
    told: ClassVar[str] = "what is measured of the whole sample"
    """How an error names it."""

    @property
    def grows(self) -> bool:
        """Whether the record of many samples is larger than that of one: then a stream, whose memory is bounded, cannot pool it."""
        return False

    @property
    def steps(self) -> float:
        """How many sums of a statistic an element of a sample takes as long as, about."""
        return 1.0

    @abstractmethod
    def measure(self, sample: Sample, device: torch.device) -> Record:
        """The record of one sample. Raises `LossgaugeError` where it has none."""


class Differentiable(ABC):
    """What a measure is besides, whose record changes with the prediction without jumps."""

    @abstractmethod
    def derivative(self, sample: Sample, slopes: NDArray[Any]) -> Generator[None, None, Values]:
        """d score / d prediction, in its shape, of a float64 sample, from the slopes d score / d record.

        A generator that stops between its parts, so that others may have their turn.
        """


class Shared(Measure[Record]):
    """A measure whose record is a sum over pixels."""

    @abstractmethod
    def shares(self, sample: Sample, place: slice) -> Record:
        """The record of each of some pixels, a row each, of a float64 sample."""


Found = TypeVar("Found", bound=tuple[Any, ...])


class Derived(Measure[Record], Generic[Record, Found]):
    """A measure of what another finds: once a sample, for all that are derived from the same one.

    What is not asked for itself, only derived from, is never stacked: its record may hold anything.
    """

    @property
    @abstractmethod
    def basis(self) -> Measure[Found]:
        """What it is derived from."""

    @abstractmethod
    def derive(self, found: Found) -> Record:
        """The record. Raises `LossgaugeError` where there is none."""

    @property
    def steps(self) -> float:
        return self.basis.steps

    def measure(self, sample: Sample, device: torch.device) -> Record:
        return self.derive(self.basis.measure(sample, device))


PixelStatistic = Totals | Moments | Squares | Entropy | Counts | Pairs
"""What a pass sums."""

Statistic = PixelStatistic | Measure[Any]
Sum = TotalSums | MomentSums | SquareSums | EntropySums | CountSums | PairSums
Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Sums:
    """The statistics of samples of one kind, a row each. `pixels` counts every element per class, ignored ones too."""

    pixels: Values
    tables: Mapping[Statistic, Any]

    def totals(self, weight: BoundaryWeight | None = None, one_vs_rest: bool = False) -> TotalSums:
        """The totals under a weighting, of the classes or of each as a mask of its own."""
        return self._of(Totals(weight, one_vs_rest), TotalSums)

    def moments(self, key: Moments) -> MomentSums:
        """The sums of a `Moments`."""
        return self._of(key, MomentSums)

    def squares(self, key: Squares) -> SquareSums:
        """The sums of a `Squares`."""
        return self._of(key, SquareSums)

    def entropy(self, key: Entropy) -> EntropySums:
        """The sums of an `Entropy`."""
        return self._of(key, EntropySums)

    def counts(self, key: Counts) -> CountSums:
        """The sums of a `Counts`."""
        return self._of(key, CountSums)

    def pairs(self, key: Pairs) -> PairSums:
        """The sums of a `Pairs`."""
        return self._of(key, PairSums)

    def measured(self, key: Measure[Record]) -> Record:
        """The records of a `Measure`, stacked along a first axis."""
        record: Record = self.tables[key]
        return record

    def _of(self, key: Statistic, kind: type[Kind]) -> Kind:
        table = self.tables[key]
        assert isinstance(table, kind)
        return table

    def __len__(self) -> int:
        return len(self.pixels)

    def only(self, statistics: Iterable[Statistic]) -> "Sums":
        """Those of some of the statistics."""
        return Sums(self.pixels, {key: self.tables[key] for key in statistics})

    def rows(self, places: Sequence[int]) -> "Sums":
        """Those of some of the samples."""
        wanted = np.asarray(places)
        return self._each(lambda values: values.take(wanted, 0))

    @classmethod
    def of_all(cls, parts: "Sequence[Sums]") -> "Sums":
        """The samples of some sums of the same statistics, one after the other."""
        if len(parts) == 1:
            return parts[0]
        first = parts[0].tables
        tables = {key: _stacked([part.tables[key] for part in parts]) for key in first}
        return cls(np.concatenate([part.pixels for part in parts]), tables)

    def pooled(self) -> "Sums":
        """All samples as one."""
        return self._each(lambda values: values.sum(0, keepdims=True))

    def times(self, scales: Values) -> "Sums":
        """The sums with each sample's weights multiplied by its scale."""
        with np.errstate(over="ignore"):
            tables = {key: _scaled(key, table, scales) for key, table in self.tables.items()}
        return Sums(self.pixels, tables)

    def _each(self, function: Callable[[Values], Values]) -> "Sums":
        tables: dict[Statistic, Any] = {key: type(table)(*map(function, table)) for key, table in self.tables.items()}
        return Sums(function(self.pixels), tables)

    def __add__(self, other: Self) -> "Sums":
        """Row by row: what two shards of the same samples have."""
        tables = {key: _added(table, other.tables[key]) for key, table in self.tables.items()}
        return Sums(self.pixels + other.pixels, tables)


def _scaled(key: Statistic, table: Any, scales: Values) -> Any:
    if key.weight is not None or isinstance(key, Measure):
        return table
    scaled = type(table)(*(values * scales.reshape(-1, *[1] * (values.ndim - 1)) for values in table))
    return scaled._replace(valid=table.valid) if isinstance(table, TotalSums) else scaled


def _stacked(tables: Sequence[Any]) -> Any:
    return type(tables[0])(*map(np.concatenate, zip(*tables, strict=True)))


def _added(one: Any, two: Any) -> Any:
    return type(one)(*(a + b for a, b in zip(one, two, strict=True)))
