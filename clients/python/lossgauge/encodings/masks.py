"""Masks: arrays of 0 and 1, and the sizes of images."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossgauge.encodings.base import AnyArray, ArrayRejected, Caps, check_shape, over_limit
from lossgauge.encodings.dtypes import invalid_dtype
from lossgauge.words import counted, json_kind

Mask = NDArray[np.bool_]
BOOL = np.dtype(bool)
MOST_SHOWN = 60
MOST_BITS = 64


def mask_of(array: AnyArray) -> Mask:
    """The mask that an array of booleans, or of integers that are all 0 or 1, is."""
    if array.dtype.kind not in "biu":
        raise invalid_dtype(array.dtype.name, "", ("bool", "integers that are all 0 or 1"))
    mask: Mask = array.astype(bool)
    if (mask != array).any():
        raise ArrayRejected("a mask of bits holds 0 and 1 only")
    return mask


def image_of(array: AnyArray) -> Mask:
    """The mask of two axes that an array is."""
    if array.ndim != 2 or array.size == 0:
        raise ArrayRejected(f"an image has two axes and at least one pixel; found shape {[*array.shape]}")
    return mask_of(array)


def image_size(height: int, width: int, caps: Caps, pointer: str) -> tuple[int, int]:
    """The size of an image, which has a pixel at least and no more than the caps allow."""
    if height < 1 or width < 1:
        raise ArrayRejected(f"height and width are positive; found {shown(height)} and {shown(width)}", pointer=pointer)
    check_shape((height, width), BOOL, caps, pointer)
    return height, width


def size_of(size: list[int], caps: Caps) -> tuple[int, int]:
    """The height and width of a document's `size`."""
    if len(size) != 2:
        raise ArrayRejected(
            f"a size is [height, width]; found {counted(len(size), 'number', 'numbers')}", pointer="/size"
        )
    return image_size(size[0], size[1], caps, "/size")


def list_of(value: object, caps: Caps, pointer: str) -> list[Any]:
    """A list of no more elements than the caps allow: it takes far more memory than its array."""
    if not isinstance(value, list):
        raise ArrayRejected(f"a list is needed; found {json_kind(type(value))}", pointer=pointer)
    check_count(len(value), caps, pointer)
    return value


def check_count(elements: int, caps: Caps, pointer: str) -> None:
    """Refuse more elements than a list may have."""
    if elements > caps.list_elements:
        detail = f"a list of {elements} elements; at most {caps.list_elements} are allowed"
        raise over_limit("list_elements", detail, pointer)


def shown(value: object) -> str:
    """A value as an error shows it."""
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        return f"an integer of {value.bit_length()} bits"
    text = str(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}.."
