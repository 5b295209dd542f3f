"""Masks of labels, counted as the bytes and the bits that they are: no kernel reads them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossgauge_service.samples import AnyArray, Sample
from lossgauge_service.statistics import Counts, CountSums, Statistic, Totals, TotalSums, Values

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


class Counted(NamedTuple):
    """What is known of masks of labels, (samples, classes) each."""

    totals: TotalSums
    counts: CountSums


def countable(statistics: Iterable[Statistic]) -> bool:
    """Whether the statistics are counts of pixels, each of which counts for one."""
    return all(isinstance(key, Totals | Counts) and key.weight is None for key in statistics)


def counted(samples: Sequence[Sample]) -> Counted:
    """The totals and the counts of samples of one case, whose predictions are masks of labels without weights."""
    rows = [_packed_sizes(sample) if sample.case.packed else _all_sizes(sample) for sample in samples]
    both, predicted, targeted, valid = np.moveaxis(np.array(rows, np.float64), -1, 0)
    return _records(both, predicted, targeted, valid)


def _records(both: Values, predicted: Values, targeted: Values, valid: Values) -> Counted:
    fp, fn = predicted - both, targeted - both
    return Counted(TotalSums(valid, targeted, valid - targeted), CountSums(both, fp, fn, valid - targeted - fp))


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
