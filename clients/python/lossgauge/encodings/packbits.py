"""Packed masks: a bit a pixel."""

import math
from typing import Literal, Self

import numpy as np

from lossgauge.encodings import base64
from lossgauge.encodings.base import AnyArray, ArrayRejected, Attachments, Bits, Buffer, Caps, Encoded, check_shape
from lossgauge.encodings.elements import check_size
from lossgauge.encodings.masks import BOOL, mask_of

PIXELS_IN_A_BYTE = 8


class PackbitsArray(Encoded):
    """A mask, eight pixels a byte, first pixel in the highest bit (`numpy.packbits`), in base64."""

    encoding: Literal["packbits"] = "packbits"
    shape: list[int]
    data: str

    @classmethod
    def of(cls, array: AnyArray) -> Self:
        """Encode a mask: booleans, or integers that are all 0 or 1."""
        return cls(shape=[*array.shape], data=base64.encode(np.packbits(mask_of(array).reshape(-1)).tobytes()))

    def decode(self, attachments: Attachments, caps: Caps) -> AnyArray:
        """Decode to a bool array."""
        return self.decode_compact(attachments, caps).unpacked()

    def decode_compact(self, attachments: Attachments, caps: Caps) -> Bits:
        """The bits, as they are."""
        shape = tuple(self.shape)
        check_size(base64.decoded_size(self.data), _size(shape, caps))
        return read(base64.decode_strictly(self.data), shape, caps)


def read(body: Buffer, shape: tuple[int, ...], caps: Caps) -> Bits:
    """The mask of some packed bits; the bits that fill up the last byte must be 0."""
    check_size(len(body), _size(shape, caps))
    packed = np.frombuffer(body, np.uint8)
    rest = -math.prod(shape) % PIXELS_IN_A_BYTE
    if rest and packed[-1] & ((1 << rest) - 1):
        raise ArrayRejected("the bits after the last pixel must be 0", pointer="/data")
    return Bits(packed, shape)


def _size(shape: tuple[int, ...], caps: Caps) -> int:
    return -(-check_shape(shape, BOOL, caps, "/shape") // PIXELS_IN_A_BYTE)
