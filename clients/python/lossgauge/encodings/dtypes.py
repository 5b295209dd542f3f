"""The dtypes that an array may have."""

from typing import Any

import numpy as np

from lossgauge.encodings.base import AnyArray, ArrayRejected

NAMES = (
    "bool",
    *(f"{sign}int{bits}" for bits in (8, 16, 32, 64) for sign in ("", "u")),
    *(f"float{bits}" for bits in (16, 32, 64)),
)
LITTLE_ENDIAN: dict[str, np.dtype[Any]] = {name: np.dtype(name).newbyteorder("<") for name in NAMES}


def dtype_named(name: str, pointer: str = "/dtype") -> np.dtype[Any]:
    """The little-endian dtype of a name such as `float32`."""
    if name not in LITTLE_ENDIAN:
        raise invalid_dtype(name, pointer)
    return LITTLE_ENDIAN[name]


def name_of(array: AnyArray) -> str:
    """The name of an array's dtype; refused where it is not allowed."""
    if array.dtype.name not in LITTLE_ENDIAN:
        raise invalid_dtype(array.dtype.name, "/dtype")
    return array.dtype.name


def little_endian(array: AnyArray) -> AnyArray:
    """The array in C order and little-endian; a copy only where it is not so already."""
    return array.astype(LITTLE_ENDIAN[name_of(array)], order="C", copy=False)


def invalid_dtype(found: str, pointer: str, allowed: tuple[str, ...] = NAMES) -> ArrayRejected:
    """The error of a dtype that is not allowed."""
    shown = found if len(found) <= 40 else found[:40] + ".."
    return ArrayRejected(
        f"dtype {shown!r} is not allowed; allowed are {', '.join(allowed)}", code="invalid_dtype", pointer=pointer
    )
