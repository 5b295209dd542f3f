"""Label Studio's brush: run lengths packed into bits.

The format of thi.ng/rle-pack, which Label Studio writes and label-studio-converter reads (brush.py, decode_rle). From the
highest bit of the first byte: 32 bits, how many values there are; 5 bits, the bits of a value less one; four times 4
bits, four lengths of a length less one. Then, until all values are there: 1 bit, whether a value is repeated; 2 bits,
which of the four lengths; as many bits, how many values less one; and one value, or all of them. Values are those of an
RGBA image along its rows.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import SkipValidation

from lossgauge.encodings.base import AnyArray, ArrayRejected, Attachments, Caps, Encoded
from lossgauge.encodings.masks import Mask, image_size, list_of, shown
from lossgauge.words import json_kind

Integers = NDArray[np.int64]
RGBA, GREY = 4, 1
HEADER_BITS = 32 + 5 + 4 * 4
SPARE_BITS = 8


class LabelStudioRleArray(Encoded):
    """A mask as Label Studio's brush exports it: `format` and `rle` of its value, and the size of the image.

    A pixel belongs to the mask where its alpha is over 0, or its one value where the image has no more.
    """

    contents: ClassVar[frozenset[str]] = frozenset({"rle"})

    encoding: Literal["label_studio_rle"] = "label_studio_rle"
    format: Literal["rle"] = "rle"
    rle: SkipValidation[list[int]]
    original_width: int
    original_height: int

    def decode(self, attachments: Attachments, caps: Caps) -> AnyArray:
        """Decode to a bool array of (original_height, original_width)."""
        height, width = self.original_height, self.original_width
        image_size(height, width, caps, "/original_height" if height < 1 else "/original_width")
        return read(_bytes(list_of(self.rle, caps, "/rle")), height * width).reshape(height, width)


@dataclass(frozen=True)
class Header:
    """What stands before the first series: how many values, the bits of one, and the four lengths of a length."""

    values: int
    value_bits: int
    lengths: tuple[int, ...]


@dataclass(frozen=True)
class Series:
    """The series of a body: the value at which each starts, the bit of its first value, whether that is repeated."""

    starts: Integers
    places: Integers
    repeated: Mask


def read(body: bytes, pixels: int) -> Mask:
    """The mask of some bytes, of an image of `pixels`."""
    header = _header(body)
    if header.values not in (RGBA * pixels, GREY * pixels):
        raise _rejected(f"it holds {header.values} values; {pixels} pixels have {RGBA} each, or one")
    series, end = _series(body, header)
    spare = 8 * len(body) - end
    if spare < 0:
        raise _rejected(f"its {len(body)} bytes end before its last value")
    if spare > SPARE_BITS or _number(body, end, spare):
        raise _rejected(f"its {len(body)} bytes go on after its last value")
    return _filled(body, header, series, pixels)


def _header(body: bytes) -> Header:
    if 8 * len(body) < HEADER_BITS:
        raise _rejected(f"its {len(body)} bytes end before its last value")
    lengths = tuple(_number(body, at, 4) + 1 for at in range(37, HEADER_BITS, 4))
    return Header(_number(body, 0, 32), _number(body, 32, 5) + 1, lengths)


def _number(body: bytes, at: int, size: int) -> int:
    """The number of some bits."""
    start, end = at // 8, -(-(at + size) // 8)
    return int.from_bytes(body[start:end], "big") >> (8 * end - at - size) & ((1 << size) - 1)


def _series(body: bytes, header: Header) -> tuple[Series, int]:
    """The series of a body, and the bit after the last. What is behind the body counts as 0: the end tells."""
    padded, bits = body + bytes(4), 8 * len(body)
    starts, places, repeated = [], [], []
    start, at = 0, HEADER_BITS
    while start < header.values and at < bits:
        window = int.from_bytes(padded[at >> 3 : (at >> 3) + 4], "big") << (at & 7)
        same, length = window >> 31 & 1, header.lengths[window >> 29 & 3]
        count = (window >> (29 - length) & ((1 << length) - 1)) + 1
        starts.append(start)
        places.append(at + 3 + length)
        repeated.append(same == 1)
        at += 3 + length + header.value_bits * (1 if same else count)
        start += count
    if start > header.values:
        raise _rejected(f"its runs go on after its {header.values} values")
    missing = start < header.values
    return Series(np.array(starts), np.array(places), np.array(repeated)), bits + 1 if missing else at


def _filled(body: bytes, header: Header, series: Series, pixels: int) -> Mask:
    """The mask of the last of each pixel's values: the first of these at or after value i is of pixel i // channels."""
    channels = header.values // pixels
    set_before = np.concatenate([[0], np.cumsum(np.unpackbits(np.frombuffer(body, np.uint8)), dtype=np.int32)])
    firsts = series.starts // channels
    counts = np.diff(np.append(firsts, pixels))
    mask = np.repeat(_any_set(set_before, series.places, header.value_bits), counts)

    single = ~series.repeated
    pixel = np.flatnonzero(np.repeat(single, counts))
    value = channels * pixel + channels - 1 - np.repeat(series.starts[single], counts[single])
    places = np.repeat(series.places[single], counts[single]) + header.value_bits * value
    mask[pixel] = _any_set(set_before, places, header.value_bits)
    return mask


def _any_set(set_before: NDArray[np.int32], places: Integers, size: int) -> Mask:
    """Whether the numbers at some bits are over 0."""
    found: Mask = set_before[places + size] > set_before[places]
    return found


def _bytes(numbers: list[Any]) -> bytes:
    """The bytes of a list of numbers from 0 to 255."""
    if set(map(type, numbers)) - {int}:
        at = next(at for at, number in enumerate(numbers) if type(number) is not int)
        found = shown(numbers[at]) if type(numbers[at]) is float else json_kind(type(numbers[at]))
        raise _rejected(f"byte {at} is {found}; it is a whole number")
    try:
        return bytes(numbers)
    except (ValueError, OverflowError):
        at = next(at for at, number in enumerate(numbers) if not 0 <= number <= 255)
        raise _rejected(f"byte {at} is {shown(numbers[at])}; a byte is 0 to 255") from None


def _rejected(detail: str) -> ArrayRejected:
    return ArrayRejected(detail, pointer="/rle")
