"""Elements: a buffer of bytes seen as an array."""

from typing import Any

import numpy as np

from lossgauge.encodings.base import AnyArray, ArrayRejected, Buffer


def check_size(found: int, needed: int, pointer: str = "/data") -> None:
    """Refuse a number of bytes that is not the one that shape and dtype need."""
    if found != needed:
        raise ArrayRejected(f"shape and dtype need {needed} bytes; found {found}", pointer=pointer)


def array_over(body: Buffer, dtype: np.dtype[Any], shape: tuple[int, ...], pointer: str = "/data") -> AnyArray:
    """The C-ordered array that a buffer holds, which must have its exact size.

    Zero-copy where the buffer is aligned for the dtype and the byte order is the machine's.
    """
    flat = np.frombuffer(body, dtype)
    if dtype.kind == "b":
        _check_booleans(flat, pointer)
    return _native(flat).reshape(shape)


def _native(flat: AnyArray) -> AnyArray:
    in_order = flat.astype(flat.dtype.newbyteorder("="), copy=False)
    return in_order if in_order.flags.aligned else in_order.copy()


def _check_booleans(flat: AnyArray, pointer: str) -> None:
    """Other bytes than 0 and 1 would count as 1 in one library and as 255 in another."""
    if flat.size and flat.view(np.uint8).max() > 1:
        raise ArrayRejected(f"a bool is the byte 0 or 1; found {flat.view(np.uint8).max()}", pointer=pointer)
