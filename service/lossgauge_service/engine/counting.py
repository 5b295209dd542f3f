"""What is counted without a kernel: masks of labels, as the bytes and the bits that they are, and pairs of classes."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossgauge_service.samples import AnyArray, Sample
from lossgauge_service.statistics import (
    Counts,
    CountSums,
    Pairs,
    PairSums,
    PixelStatistic,
    Statistic,
    Sum,
    Totals,
    TotalSums,
    Values,
)

BLOCK = 2**17
"""Bytes of a block: what is made of it stays in a core's cache."""

WORD = 8
"""Bytes that are counted at once."""


class Sizes(NamedTuple):
    """How many pixels both masks have, each of them, and how many count."""

    both: int
    predicted: int
    targeted: int
    valid: int


class Overlaps(NamedTuple):
    """The sizes of masks, (samples, classes) each."""

    both: Values
    predicted: Values
    targeted: Values
    valid: Values

    @property
    def totals(self) -> TotalSums:
        """What the targets have."""
        return TotalSums(self.valid, self.targeted, self.valid - self.targeted)

    @property
    def counts(self) -> CountSums:
        """How many pixels are right and wrong."""
        fp, fn = self.predicted - self.both, self.targeted - self.both
        return CountSums(self.both, fp, fn, self.valid - self.targeted - fp)


class Confusions(NamedTuple):
    """The confusion matrices of maps of classes (samples, classes, classes), and how many pixels of each class count."""

    matrices: Values
    valid: Values

    @property
    def totals(self) -> TotalSums:
        """What the targets have."""
        return TotalSums(self.valid, self.matrices.sum(2), np.zeros_like(self.valid))

    @property
    def counts(self) -> CountSums:
        """How much is right and wrong."""
        # sums alone: a small count of weights is not what is left of a large one
        others = 1 - np.eye(self.matrices.shape[-1])
        wrong = self.matrices * others
        rest = np.einsum("nij,ci,cj->nc", self.matrices, others, others, optimize=True)
        return CountSums(self.matrices.diagonal(axis1=1, axis2=2).copy(), wrong.sum(1), wrong.sum(2), rest)


def countable(statistics: Iterable[Statistic]) -> bool:
    """Whether the statistics are counts of pixels, each of which counts for one."""
    return all(isinstance(key, Totals | Counts) and key.weight is None for key in statistics)


def counted(statistics: Iterable[PixelStatistic], samples: Sequence[Sample]) -> dict[Statistic, Sum]:
    """The sums of samples of one case, whose predictions are labels: maps of classes, or masks without weights."""
    found = _confusions(samples) if samples[0].case.task == "multiclass" else _overlaps(samples)
    return {key: _sum(key, found) for key in statistics}


def guessed_pairs(samples: Sequence[Sample]) -> PairSums:
    """The pairs of classes of samples whose predictions are scores: the class with the highest is the guess."""
    return PairSums(np.stack([_matrix(sample.prediction.argmax(0), sample) for sample in samples]))


def _sum(key: PixelStatistic, found: Overlaps | Confusions) -> Sum:
    if isinstance(key, Totals):
        return found.totals
    if isinstance(key, Counts):
        return found.counts
    assert isinstance(key, Pairs), f"{key} is not counted"
    assert isinstance(found, Confusions), "masks have no pairs of classes"
    return PairSums(found.matrices)


# ----------------------------------------------------------------------------------------------------------------- masks


def _overlaps(samples: Sequence[Sample]) -> Overlaps:
    rows = [_packed_sizes(sample) if sample.case.packed else _all_sizes(sample) for sample in samples]
    return Overlaps(*np.moveaxis(np.array(rows, np.float64), -1, 0))


def _all_sizes(sample: Sample) -> list[Sizes]:
    return [_sizes(*pair) for pair in zip(sample.prediction, sample.target, strict=True)]


def _sizes(prediction: AnyArray, target: AnyArray) -> Sizes:
    """Of two masks of a byte a pixel, 0 and 1; -1 in the target is in neither."""
    whole = bool(target.min() >= 0)
    blocks = _blocks(prediction, target) if whole else _valid_blocks(prediction, target)
    sizes = [[np.count_nonzero(mask) for mask in (p & t, p, t)] for p, t in blocks]
    both, predicted, targeted = (sum(column) for column in zip(*sizes, strict=True))
    return Sizes(both, predicted, targeted, len(target) if whole else int(np.count_nonzero(target >= 0)))


def _blocks(prediction: AnyArray, target: AnyArray) -> Iterator[tuple[AnyArray, AnyArray]]:
    for start in range(0, len(target), BLOCK):
        part = slice(start, start + BLOCK)
        yield prediction[part].view(np.bool_), target[part].view(np.bool_)


def _valid_blocks(prediction: AnyArray, target: AnyArray) -> Iterator[tuple[AnyArray, AnyArray]]:
    for start in range(0, len(target), BLOCK):
        part = slice(start, start + BLOCK)
        yield prediction[part].view(np.bool_) & (target[part] >= 0), target[part] > 0


def _packed_sizes(sample: Sample) -> list[Sizes]:
    prediction, target = (_words(bits[0]) for bits in (sample.prediction, sample.target))
    both, predicted, targeted = (_ones(words) for words in (prediction & target, prediction, target))
    return [Sizes(both, predicted, targeted, sample.elements)]


def _words(packed: AnyArray) -> NDArray[np.uint64]:
    """The bytes as words, where they lie if they fill them."""
    rest = -len(packed) % WORD
    whole = np.concatenate([packed, np.zeros(rest, np.uint8)]) if rest else packed
    return whole.view(np.uint64)


def _ones(words: NDArray[np.uint64]) -> int:
    return int(np.bitwise_count(words).sum(dtype=np.int64))


# ------------------------------------------------------------------------------------------------------------------ maps


def _confusions(samples: Sequence[Sample]) -> Confusions:
    matrices = np.stack([_matrix(sample.prediction, sample) for sample in samples])
    return Confusions(matrices, np.stack([_class_sizes(sample) for sample in samples]))


def _matrix(guess: AnyArray, sample: Sample) -> Values:
    """The weight of each pair of classes: rows the target's, columns the prediction's."""
    classes, valid = sample.case.classes, sample.target >= 0
    place = sample.target[valid].astype(np.int64) * classes + guess[valid]
    weight = None if sample.weight is None else sample.weight[valid]
    return np.bincount(place, weight, classes**2).reshape(classes, classes).astype(np.float64)


def _class_sizes(sample: Sample) -> Values:
    return np.bincount(sample.target[sample.target >= 0], minlength=sample.case.classes).astype(np.float64)
