"""Nested lists that are not arrays."""

from typing import Any

import numpy as np
import pytest
from lossgauge.encodings.base import AnyArray, ArrayRejected, Caps
from lossgauge.encodings.list import ListArray

CAPS = Caps()


def decoded(data: list[Any], caps: Caps = CAPS) -> AnyArray:
    """The array of a list."""
    return ListArray(data=data).decode({}, caps)


@pytest.mark.parametrize(
    ("data", "dtype", "shape"),
    [
        ([True, False], "bool", (2,)),
        ([[1, 2], [3, -(2**63)]], "int64", (2, 2)),
        ([1, 0.5], "float64", (2,)),
        ([0.5, 2**70], "float64", (2,)),
        ([], "float64", (0,)),
        ([[], []], "float64", (2, 0)),
    ],
)
def test_the_dtype_follows_from_the_numbers(data: list[Any], dtype: str, shape: tuple[int, ...]) -> None:
    """Booleans stay booleans, whole numbers int64, and any decimal makes float64."""
    array = decoded(data)
    assert (array.dtype, array.shape) == (np.dtype(dtype), shape)
    assert array.tolist() == data


REFUSED: list[tuple[list[Any], str, str]] = [
    ([[1, 2], [3]], "a list of 1 where the first is a list of 2", "/data/1"),
    ([[[1], [2]], [[3], [4, 5]]], "a list of 2 where the first is a list of 1", "/data/1/1"),
    ([[1], 2], "a number where the first is a list of 1", "/data/1"),
    ([[], [1]], "a list of 1 where the first is a list of 0", "/data/1"),
    ([1, [2]], "a list among numbers", "/data/1"),
    ([[1, 2], [3, "4"]], "a string among numbers", "/data/1/1"),
    (["1"], "a string among", "/data/0"),
    ([1, None], "null among numbers", "/data/1"),
    ([None, 1], "null among", "/data/0"),
    ([[1], {"a": 1}], "an object where the first is a list of 1", "/data/1"),
    ([1, True], "a boolean among numbers", "/data/1"),
    ([0.5, False], "a boolean among numbers", "/data/1"),
    ([True, 1], "a number among booleans", "/data/1"),
    ([[1, 2], [2**63, 4]], "does not fit int64", "/data/1/0"),
    ([-(2**63) - 1], "does not fit int64", "/data/0"),
    ([0.5, 10**400], "does not fit int64", "/data/1"),
]


@pytest.mark.parametrize(("data", "detail", "pointer"), REFUSED)
def test_what_is_not_an_array_is_refused(data: list[Any], detail: str, pointer: str) -> None:
    """The pointer goes to the first element that does not fit."""
    with pytest.raises(ArrayRejected, match=detail) as found:
        decoded(data)
    assert (found.value.code, found.value.pointer) == ("undecodable_array", pointer)


def nested(depth: int) -> list[Any]:
    """Lists of one list."""
    data: list[Any] = [1]
    for _ in range(depth - 1):
        data = [data]
    return data


def test_depth_has_a_cap() -> None:
    """As many lists within lists as dimensions are allowed, and no more, however many."""
    assert decoded(nested(8)).shape == (1,) * 8
    for depth in (9, 100_000):
        with pytest.raises(ArrayRejected) as found:
            decoded(nested(depth))
        assert (found.value.code, found.value.limit) == ("limit_exceeded", "dimensions")


def test_elements_have_a_cap() -> None:
    """A list at the cap is read, one element over is refused; shared rows count each time."""
    assert decoded([[1, 2], [3, 4]], Caps(list_elements=4)).size == 4
    row = [0] * 1000
    for data in ([1, 2, 3, 4, 5], [row] * 1000):
        with pytest.raises(ArrayRejected) as found:
            decoded(data, Caps(list_elements=4))
        assert (found.value.code, found.value.limit) == ("limit_exceeded", "list_elements")
