"""Runs: how many pixels of 0 a mask starts with, then of 1, then of 0, and so on."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossgauge.encodings.base import ArrayRejected
from lossgauge.encodings.masks import Mask, shown
from lossgauge.words import json_kind

Counts = NDArray[np.int64]
MOST = 2**53


def runs_of(flat: Mask) -> Counts:
    """The runs of some pixels, of which there is at least one; the first may be 0."""
    borders = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    first = [0, 0] if flat[0] else [0]
    return np.diff(np.concatenate([first, borders, [flat.size]]))


def filled(counts: Counts, pixels: int, pointer: str) -> Mask:
    """The pixels of some runs, which must be of `pixels` in all. Checked before memory is taken."""
    _check(counts, pixels, pointer)
    return np.repeat(np.arange(counts.size) % 2 == 1, counts)


def whole_numbers(numbers: list[Any], pointer: str) -> Counts:
    """The integers of a JSON list; decimals without a fraction are taken for the integers that they are."""
    if strange := set(map(type, numbers)) - {int, float}:
        names = ", ".join(sorted(map(json_kind, strange)))
        raise ArrayRejected(f"whole numbers are needed; found {names}", pointer=pointer)
    values = _as_floats(numbers, pointer)
    unfit = np.flatnonzero(~((np.abs(values) <= MOST) & (values == np.rint(values))))
    if unfit.size:
        at = int(unfit[0])
        raise ArrayRejected(f"number {at} is {shown(numbers[at])}, which is no count of pixels", pointer=pointer)
    return values.astype(np.int64)


def _as_floats(numbers: list[Any], pointer: str) -> NDArray[np.float64]:
    try:
        return np.array(numbers, np.float64)
    except OverflowError:
        raise ArrayRejected("a number is larger than any count of pixels", pointer=pointer) from None


def _check(counts: Counts, pixels: int, pointer: str) -> None:
    if counts.size > pixels + 1:
        raise ArrayRejected(
            f"{counts.size} runs; an image of {pixels} pixels has no more than one a pixel", pointer=pointer
        )
    unfit = np.flatnonzero((counts < 0) | (counts > pixels))
    if unfit.size:
        at = int(unfit[0])
        raise ArrayRejected(f"run {at} is {counts[at]}; it is 0 to {pixels}, the pixels of the image", pointer=pointer)
    if counts.sum() != pixels:
        raise ArrayRejected(f"the runs add up to {counts.sum()} pixels; {pixels} are needed", pointer=pointer)
