"""Raw elements: dtype and shape stand beside them."""

from typing import Any, Literal, Self

import numpy as np
from pydantic import Field

from lossgauge.encodings import base64
from lossgauge.encodings.base import AnyArray, Attachments, Buffer, Caps, Encoded, check_shape
from lossgauge.encodings.dtypes import LITTLE_ENDIAN, NAMES, invalid_dtype, little_endian, name_of
from lossgauge.encodings.elements import array_over, check_size

BFLOAT16 = "bfloat16"
BFLOAT16_BITS = np.dtype("<u2")


class RawArray(Encoded):
    """The elements in C order, little-endian, in base64."""

    encoding: Literal["raw"] = "raw"
    dtype: str = Field(examples=["float32"])
    shape: list[int] = Field(examples=[[512, 512]])
    data: str

    @classmethod
    def of(cls, array: AnyArray) -> Self:
        """Encode an array of any allowed dtype."""
        return cls(dtype=name_of(array), shape=[*array.shape], data=base64.encode(little_endian(array).tobytes()))

    def decode(self, attachments: Attachments, caps: Caps) -> AnyArray:
        """Decode to an array over the decoded bytes; bfloat16 becomes float32."""
        shape = tuple(self.shape)
        check_size(base64.decoded_size(self.data), _size(self.dtype, shape, caps))
        return read(base64.decode_strictly(self.data), self.dtype, shape, caps)


def read(body: Buffer, dtype: str, shape: tuple[int, ...], caps: Caps) -> AnyArray:
    """The array of some elements; bfloat16, the upper half of a float32, becomes that float32."""
    check_size(len(body), _size(dtype, shape, caps))
    if dtype == BFLOAT16:
        return widened(array_over(body, BFLOAT16_BITS, shape))
    return array_over(body, LITTLE_ENDIAN[dtype], shape)


def widened(upper_halves: AnyArray) -> AnyArray:
    """The float32 values of bfloat16 bits: exact."""
    return np.left_shift(upper_halves.astype(np.uint32), 16).view(np.float32)


def _size(dtype: str, shape: tuple[int, ...], caps: Caps) -> int:
    return check_shape(shape, _stored(dtype), caps, "/shape")


def _stored(dtype: str) -> np.dtype[Any]:
    if dtype == BFLOAT16:
        return BFLOAT16_BITS
    if dtype not in LITTLE_ENDIAN:
        raise invalid_dtype(dtype, "/dtype", (*NAMES, BFLOAT16))
    return LITTLE_ENDIAN[dtype]
