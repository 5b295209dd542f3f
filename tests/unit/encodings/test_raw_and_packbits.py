"""Raw and packed elements whose bytes are not what dtype and shape say."""

import numpy as np
import pytest
from lossgauge.encodings import base64, packbits, raw
from lossgauge.encodings.base import ArrayRejected, Caps, Encoded
from lossgauge.encodings.packbits import PackbitsArray
from lossgauge.encodings.raw import RawArray
from pydantic import ValidationError

CAPS = Caps()


def raw_of(dtype: str = "float32", shape: tuple[int, ...] = (2,), body: bytes = bytes(8)) -> RawArray:
    """A raw document with one thing changed."""
    return RawArray(dtype=dtype, shape=list(shape), data=base64.encode(body))


def packed_of(shape: tuple[int, ...], body: bytes) -> PackbitsArray:
    """A packed document."""
    return PackbitsArray(shape=list(shape), data=base64.encode(body))


REFUSED: dict[str, tuple[Encoded, str, str, str | None]] = {
    "too few bytes": (raw_of(body=bytes(7)), "undecodable_array", "/data", None),
    "too many bytes": (raw_of(body=bytes(9)), "undecodable_array", "/data", None),
    "scalar of two": (raw_of(shape=()), "undecodable_array", "/data", None),
    "empty of eight": (raw_of(shape=(0, 5)), "undecodable_array", "/data", None),
    "negative axis": (raw_of(shape=(-2,)), "undecodable_array", "/shape", None),
    "negative axes": (raw_of(shape=(-2, -1)), "undecodable_array", "/shape", None),
    "object": (raw_of("object"), "invalid_dtype", "/dtype", None),
    "number of a dtype": (raw_of("<f4"), "invalid_dtype", "/dtype", None),
    "complex": (raw_of("complex64", (1,)), "invalid_dtype", "/dtype", None),
    "long name": (raw_of("x" * 10_000), "invalid_dtype", "/dtype", None),
    "axes": (raw_of(shape=(1,) * 9), "limit_exceeded", "/shape", "dimensions"),
    "elements": (raw_of(shape=(2**40, 2**40)), "limit_exceeded", "/shape", "array_elements"),
    "huge axis": (raw_of(shape=(10**4200, 10**4200)), "limit_exceeded", "/shape", "array_elements"),
    "empty of huge axes": (raw_of(shape=(0, 2**62, 2**62), body=b""), "limit_exceeded", "/shape", "array_elements"),
    "empty of many": (raw_of(shape=(0, *[2**28] * 3), body=b""), "limit_exceeded", "/shape", "array_elements"),
    "bool of 255": (raw_of("bool", (1,), b"\xff"), "undecodable_array", "/data", None),
    "bfloat16 of 3 bytes": (raw_of("bfloat16", (2,), bytes(3)), "undecodable_array", "/data", None),
    "bits missing": (packed_of((9,), bytes(1)), "undecodable_array", "/data", None),
    "bits too many": (packed_of((8,), bytes(2)), "undecodable_array", "/data", None),
    "padding set": (packed_of((3,), b"\x10"), "undecodable_array", "/data", None),
    "bits of nothing": (packed_of((0,), bytes(1)), "undecodable_array", "/data", None),
    "bits of axes": (packed_of((1,) * 9, bytes(1)), "limit_exceeded", "/shape", "dimensions"),
    "bits of terabytes": (packed_of((2**40, 2**40), bytes(1)), "limit_exceeded", "/shape", "array_elements"),
    "bits of less": (packed_of((-8, 1), bytes(1)), "undecodable_array", "/shape", None),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused(case: str) -> None:
    """The code, the pointer and the cap say what is wrong."""
    document, code, pointer, limit = REFUSED[case]
    with pytest.raises(ArrayRejected) as found:
        document.decode({}, CAPS)
    assert (found.value.code, found.value.pointer, found.value.limit) == (code, pointer, limit)
    assert len(found.value.detail) < 300


@pytest.mark.parametrize("shape", [[True], [1.0], ["1"], [None], 1, None, [[1]]])
@pytest.mark.parametrize("model", [RawArray, PackbitsArray])
def test_a_shape_is_of_whole_numbers(model: type[Encoded], shape: object) -> None:
    """Booleans, decimals and strings are no axes."""
    document = {"shape": shape, "data": "AA=="} | ({"dtype": "bool"} if model is RawArray else {})
    with pytest.raises(ValidationError, match="shape"):
        model.model_validate(document)


def test_the_cap_on_elements_is_exact() -> None:
    """An array at the cap is read, one element over is refused."""
    assert raw_of().decode({}, Caps(array_elements=2)).size == 2
    assert packbits.read(b"\xe0", (3,), Caps(array_elements=3)).unpacked().all()
    with pytest.raises(ArrayRejected, match="more than the 1 elements"):
        raw_of().decode({}, Caps(array_elements=1))
    with pytest.raises(ArrayRejected, match="more than the 2 elements"):
        packbits.read(b"\xe0", (3,), Caps(array_elements=2))


def test_the_size_is_checked_before_decoding() -> None:
    """A text of another length is refused for its length, though it is not even base64."""
    with pytest.raises(ArrayRejected, match="need 8 bytes; found 9"):
        RawArray(dtype="float32", shape=[2], data="*" * 12).decode({}, CAPS)


def test_values_are_little_endian() -> None:
    """The first byte is the lowest."""
    assert raw.read(b"\x01\x00", "uint16", (), CAPS) == np.uint16(1)
