"""Label Studio's brush: run lengths packed into bits.

The format of thi.ng/rle-pack, which Label Studio writes and label-studio-converter reads (brush.py, decode_rle). From the
highest bit of the first byte: 32 bits, how many values there are; 5 bits, the bits of a value less one; four times 4
bits, four lengths of a length less one. Then, until all values are there: 1 bit, whether a value is repeated; 2 bits,
which of the four lengths; as many bits, how many values less one; and one value, or all of them. Values are those of an
RGBA image along its rows.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import SkipValidation

from lossgauge.encodings.base import AnyArray, ArrayRejected, Attachments, Caps, Encoded
from lossgauge.encodings.masks import Mask, image_size, list_of, shown

RGBA, GREY = 4, 1
HEADER_BITS = 32 + 5 + 4 * 4
SPARE_BITS = 8


class LabelStudioRleArray(Encoded):
    """A mask as Label Studio's brush exports it: `format` and `rle` of its value, and the size of the image.

    A pixel belongs to the mask where its alpha is over 0, or its one value where the image has no more.
    """

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


@dataclass
class Bits:
    """A body read bit by bit."""

    body: bytes
    at: int = 0

    @property
    def left(self) -> int:
        """The bits that are not read yet."""
        return 8 * len(self.body) - self.at

    def number(self, size: int) -> int:
        """The number of the next bits."""
        self._check(size)
        start, end = self.at // 8, -(-(self.at + size) // 8)
        self.at += size
        return int.from_bytes(self.body[start:end], "big") >> (8 * end - self.at) & ((1 << size) - 1)

    def any_set(self, count: int, size: int) -> Mask:
        """Whether each of the next numbers, all of a size, is over 0."""
        self._check(count * size)
        start, skipped = self.at // 8, self.at % 8
        self.at += count * size
        bits = np.unpackbits(np.frombuffer(self.body[start : -(-self.at // 8)], np.uint8))
        return np.asarray(bits[skipped : skipped + count * size].reshape(count, size).any(axis=1))

    def _check(self, size: int) -> None:
        if size > self.left:
            raise _rejected(f"its {len(self.body)} bytes end before its last value")


def read(body: bytes, pixels: int) -> Mask:
    """The mask of some bytes, of an image of `pixels`."""
    bits = Bits(body)
    values = bits.number(32)
    if values not in (RGBA * pixels, GREY * pixels):
        raise _rejected(f"it holds {values} values; {pixels} pixels have {RGBA} each, or one")
    mask = _filled(bits, values, values // pixels)
    if bits.left > SPARE_BITS or bits.number(bits.left):
        raise _rejected(f"{len(body)} bytes go on after its last value")
    return mask


def _filled(bits: Bits, values: int, channels: int) -> Mask:
    """The mask of the last of each pixel's values: the first of it at or after value i is that of pixel i // channels."""
    value_bits = bits.number(5) + 1
    lengths = [bits.number(4) + 1 for _ in range(4)]
    mask = np.zeros(values // channels, bool)
    start = 0
    while start < values:
        repeated = bits.number(1)
        end = start + 1 + bits.number(lengths[bits.number(2)])
        if end > values:
            raise _rejected(f"its runs go on after its {values} values")
        if repeated:
            mask[start // channels : end // channels] = bits.number(value_bits) > 0
        else:
            found = bits.any_set(end - start, value_bits)
            mask[start // channels : end // channels] = found[(channels - 1 - start) % channels :: channels]
        start = end
    return mask


def _bytes(numbers: list[Any]) -> bytes:
    """The bytes of a list of numbers from 0 to 255."""
    if set(map(type, numbers)) - {int}:
        at = next(at for at, number in enumerate(numbers) if type(number) is not int)
        raise _rejected(f"byte {at} is of type {type(numbers[at]).__name__}")
    try:
        return bytes(numbers)
    except (ValueError, OverflowError):
        at = next(at for at, number in enumerate(numbers) if not 0 <= number <= 255)
        raise _rejected(f"byte {at} is {shown(numbers[at])}; a byte is 0 to 255") from None


def _rejected(detail: str) -> ArrayRejected:
    return ArrayRejected(detail, pointer="/rle")
