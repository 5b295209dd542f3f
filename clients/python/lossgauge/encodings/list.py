"""Nested lists of numbers, as JSON has them."""

from itertools import chain
from typing import Any, Literal, Self

import numpy as np
from pydantic import SkipValidation

from lossgauge.encodings.base import AnyArray, ArrayRejected, Attachments, Caps, Encoded, over_limit
from lossgauge.encodings.dtypes import name_of
from lossgauge.words import json_kind

DTYPES: dict[frozenset[type], type[np.generic]] = {
    frozenset(): np.float64,
    frozenset({bool}): np.bool_,
    frozenset({int}): np.int64,
    frozenset({float}): np.float64,
    frozenset({int, float}): np.float64,
}


class ListArray(Encoded):
    """Nested lists of numbers (or of booleans): integers become int64, decimals float64."""

    encoding: Literal["list"] = "list"
    data: SkipValidation[list[Any]]

    @classmethod
    def of(cls, array: AnyArray) -> Self:
        """Encode an array of finite values, or of integers that fit int64, with at least one axis."""
        name_of(array)
        if array.ndim == 0 or 0 in array.shape[:-1]:
            raise ArrayRejected(f"nested lists cannot have the shape {[*array.shape]}", pointer="/data")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ArrayRejected("NaN and infinity cannot travel in a list", pointer="/data")
        if array.dtype == np.uint64 and (array >= 2**63).any():
            raise ArrayRejected("an integer that does not fit int64", pointer="/data")
        return cls(data=array.tolist())

    def decode(self, attachments: Attachments, caps: Caps) -> AnyArray:
        """Decode to a bool, int64 or float64 array."""
        return read(self.data, caps)


def read(data: list[Any], caps: Caps) -> AnyArray:
    """The array of nested lists, all of one length at each depth."""
    shape = _shape_of_first(data, caps)
    _check_elements(shape, caps)
    elements = _flattened(data, shape)
    try:
        return np.array(elements, _dtype(elements, shape)).reshape(shape)
    except OverflowError:
        at = next(index for index, element in enumerate(elements) if not _fits(element))
        raise ArrayRejected("an integer that does not fit int64", pointer=_pointer(at, shape)) from None


def _shape_of_first(data: list[Any], caps: Caps) -> tuple[int, ...]:
    """The length of the list, of its first element, of that one's first element, and so on."""
    shape: list[int] = []
    first: Any = data
    while isinstance(first, list):
        shape.append(len(first))
        if len(shape) > caps.dimensions:
            raise over_limit("dimensions", f"more than {caps.dimensions} nested lists", "/data")
        first = first[0] if first else None
    return tuple(shape)


def _check_elements(shape: tuple[int, ...], caps: Caps) -> None:
    """A list takes far more memory than its array, and has its own cap."""
    elements = 1
    for axis in shape:
        elements *= axis
        if elements > caps.list_elements:
            raise over_limit("list_elements", f"a list of more than {caps.list_elements} elements", "/data")


def _flattened(data: list[Any], shape: tuple[int, ...]) -> list[Any]:
    level: list[Any] = [data]
    for depth, length in enumerate(shape):
        for index, row in enumerate(level):
            if not isinstance(row, list) or len(row) != length:
                raise _ragged(row, length, _pointer(index, shape[:depth]))
        level = list(chain.from_iterable(level))
    return level


def _ragged(row: object, length: int, pointer: str) -> ArrayRejected:
    found = f"a list of {len(row)}" if isinstance(row, list) else json_kind(type(row))
    return ArrayRejected(f"{found} where the first is a list of {length}", pointer=pointer)


def _dtype(elements: list[Any], shape: tuple[int, ...]) -> type[np.generic]:
    kinds = frozenset(map(type, elements))
    if kinds in DTYPES:
        return DTYPES[kinds]
    number = {int, float} if type(elements[0]) in (int, float) else {bool}
    at = next(index for index, element in enumerate(elements) if type(element) not in number)
    others = "booleans" if type(elements[0]) is bool else "numbers"
    raise ArrayRejected(f"{json_kind(type(elements[at]))} among {others}", pointer=_pointer(at, shape))


def _fits(element: float) -> bool:
    return isinstance(element, float) or -(2**63) <= element < 2**63


def _pointer(index: int, shape: tuple[int, ...]) -> str:
    """The JSON pointer to an element of C order."""
    axes: list[int] = []
    for axis in reversed(shape):
        index, position = divmod(index, axis)
        axes.insert(0, position)
    return "".join(["/data", *(f"/{position}" for position in axes)])
