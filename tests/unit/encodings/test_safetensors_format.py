"""Safetensors bodies: as the library reads and writes them, and no rule of the format unchecked."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from lossgauge.encodings import safetensors
from lossgauge.encodings.base import AnyArray, ArrayRejected, Caps, Tensor
from lossgauge.encodings.dtypes import NAMES
from lossgauge.encodings.tensor import TensorArray
from safetensors import numpy as oracle

CAPS = Caps()
TENSORS = st.dictionaries(
    st.text(st.characters(codec="utf-8"), max_size=5).filter(lambda name: name != "__metadata__"),
    arrays.arrays(st.sampled_from(NAMES), arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)),
    max_size=5,
)


def body_of(header: object, data: bytes = b"") -> bytes:
    """A body of any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype: object = "U8", shape: object = (2,), offsets: object = (0, 2)) -> dict[str, Any]:
    """A tensor of the header."""
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@given(tensors=TENSORS, document=st.text(st.characters(codec="utf-8")))
def test_the_library_reads_what_is_written(tensors: dict[str, AnyArray], document: str) -> None:
    """A body is a valid file to the library, with the same tensors."""
    loaded = oracle.load(safetensors.write(document, tensors))
    assert loaded.keys() == tensors.keys()
    assert all(loaded[name].tobytes() == tensors[name].tobytes() for name in tensors)
    assert all(loaded[name].shape == tensors[name].shape for name in tensors)


@given(tensors=TENSORS, document=st.text(st.characters(codec="utf-8")))
def test_what_is_written_is_read(tensors: dict[str, AnyArray], document: str) -> None:
    """The document and the tensors come back, bit by bit."""
    metadata, loaded = safetensors.read(safetensors.write(document, tensors), CAPS, max_tensors=5)
    assert metadata == {"request": document}
    assert {name: (a.dtype, a.shape, a.tobytes()) for name, a in loaded.items()} == {
        name: (a.dtype, a.shape, a.tobytes()) for name, a in tensors.items()
    }


@given(tensors=TENSORS)
def test_what_the_library_writes_is_read(tensors: dict[str, AnyArray]) -> None:
    """The library's files are read, with their metadata or without."""
    for metadata in ({"request": "{}"}, None):
        found, loaded = safetensors.read(bytearray(oracle.save(tensors, metadata)), CAPS, max_tensors=5)
        assert found == (metadata or {})
        assert {name: a.tobytes() for name, a in loaded.items()} == {name: a.tobytes() for name, a in tensors.items()}


def test_tensors_are_aligned_views() -> None:
    """The data starts at a multiple of 64 bytes, the widest first; nothing is copied."""
    tensors = {"m": np.ones(3, bool), "x": np.ones(2, np.float64), "h": np.ones(1, np.float16)}
    body = bytearray(safetensors.write("{}", tensors))
    _, loaded = safetensors.read(body, CAPS, max_tensors=3)
    assert (8 + int.from_bytes(body[:8], "little")) % 64 == 0
    assert all(np.shares_memory(array, np.frombuffer(body, np.uint8)) for array in loaded.values())
    assert all(array.flags.writeable for array in loaded.values())


def test_any_layout_is_written() -> None:
    """Strided, Fortran-ordered and big-endian arrays are written by value."""
    values = np.arange(12, dtype=">f4").reshape(3, 4)
    _, loaded = safetensors.read(safetensors.write(b"{}", {"a": values[:, ::2], "b": values.T}), CAPS, max_tensors=2)
    assert np.array_equal(loaded["a"], values[:, ::2])
    assert np.array_equal(loaded["b"], values.T)


def test_bfloat16_is_widened() -> None:
    """A BF16 tensor becomes the float32 of the same value."""
    header = {"x": entry("BF16", [2], [0, 4])}
    _, loaded = safetensors.read(body_of(header, b"\x80\x3f\x00\xc0"), CAPS, max_tensors=1)
    assert loaded["x"].dtype == np.float32
    assert loaded["x"].tolist() == [1.0, -2.0]


def test_a_tensor_over_the_cap_spoils_no_other() -> None:
    """The body is read; the cap is that of the array which uses the tensor."""
    caps = Caps(array_elements=2)
    _, loaded = safetensors.read(safetensors.write("", {"big": np.ones(3), "small": np.ones(2)}), caps, max_tensors=2)
    attachments = {name: Tensor(array) for name, array in loaded.items()}
    assert TensorArray(name="small").decode(attachments, caps).tolist() == [1.0, 1.0]
    with pytest.raises(ArrayRejected) as found:
        TensorArray(name="big").decode(attachments, caps)
    assert (found.value.code, found.value.limit, found.value.pointer) == ("limit_exceeded", "array_elements", "/name")


NOT_SAFE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "within its header"),
    "short": (b"\x01\x00", "within its header"),
    "a list": (body_of([]), "does not start"),
    "a space first": (body_of(b" {}"), "does not start"),
    "not JSON": (body_of(b"{"), "not JSON"),
    "not utf-8": (body_of(b'{"\xff":1}'), "not JSON"),
    "deep": (body_of(b'{"a":' * 100_000 + b"1" + b"}" * 100_000), "not JSON"),
    "long integer": (body_of(b'{"a":' + b"1" * 5000 + b"}"), "not JSON"),
    "duplicate names": (body_of(b'{"__metadata__":{},"__metadata__":{}}'), "twice"),
    "duplicate keys": (body_of(b'{"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}'), "twice"),
    "metadata of numbers": (body_of({"__metadata__": {"a": 1}}), "strings"),
    "metadata a list": (body_of({"__metadata__": []}), "strings"),
    "entry a number": (body_of({"a": 1}), "other keys"),
    "missing key": (body_of({"a": {"dtype": "U8", "shape": [0]}}), "other keys"),
    "extra key": (body_of({"a": {**entry(), "x": 1}}, b"12"), "other keys"),
    "negative axis": (body_of({"a": entry("U8", [-2])}, b"12"), "whole numbers"),
    "float axis": (body_of({"a": entry("U8", [2.0])}, b"12"), "whole numbers"),
    "bool axis": (body_of({"a": entry("U8", [True, 2])}, b"12"), "whole numbers"),
    "shape null": (body_of({"a": entry("U8", None)}, b"12"), "whole numbers"),
    "three offsets": (body_of({"a": entry("U8", [2], [0, 1, 2])}, b"12"), "whole numbers"),
    "offset a bool": (body_of({"a": entry("U8", [2], [False, 2])}, b"12"), "whole numbers"),
    "reversed": (body_of({"a": entry("U8", [0], [0, 0]), "b": entry("U8", [2], [2, 0])}, b"12"), "lies at"),
    "hole": (body_of({"a": entry(), "b": entry("U8", [1], [3, 4])}, b"1234"), "lies at"),
    "hole first": (body_of({"a": entry("U8", [1], [1, 2])}, b"12"), "lies at"),
    "overlap": (body_of({"a": entry(), "b": entry("U8", [2], [1, 3])}, b"123"), "lies at"),
    "same place": (body_of({"a": entry(), "b": entry()}, b"12"), "lies at"),
    "beyond the end": (body_of({"a": entry()}, b"1"), "its data has"),
    "trailing bytes": (body_of({"a": entry()}, b"123"), "its data has"),
    "no tensor but bytes": (body_of({}, b"1"), "its data has"),
    "size of shape": (body_of({"a": entry("U16", [2])}, b"12"), "need 4 bytes; found 2"),
    "bool of 2": (body_of({"a": entry("BOOL", [2])}, b"\x00\x02"), "byte 0 or 1"),
}


@pytest.mark.parametrize("case", NOT_SAFE)
def test_what_breaks_the_format_is_refused(case: str) -> None:
    """Each rule of the format, broken alone."""
    body, detail = NOT_SAFE[case]
    with pytest.raises(ArrayRejected, match=detail) as found:
        safetensors.read(body, CAPS, max_tensors=9)
    assert found.value.code == "undecodable_array"


@pytest.mark.parametrize("dtype", ["F8_E4M3", "C64", "object", "", None, [[]]])
def test_other_dtypes_are_refused(dtype: object) -> None:
    """What is not on the list is named, with the list."""
    with pytest.raises(ArrayRejected, match="allowed are BOOL, I8") as found:
        safetensors.read(body_of({"a": entry(dtype)}, b"12"), CAPS, max_tensors=1)
    assert found.value.code == "invalid_dtype"


OVER: dict[str, tuple[bytes, str]] = {
    "header_bytes": ((2**63).to_bytes(8, "little") + b"{}", "header_bytes"),
    "parts": (body_of({name: entry("U8", [0], [0, 0]) for name in "abc"}), "parts"),
    "dimensions": (body_of({"a": entry("U8", [1] * 70, [0, 1])}, b"1"), "dimensions"),
    "array_elements": (body_of({"a": entry("U8", [0, 2**62, 2**62], [0, 0])}), "array_elements"),
}


@pytest.mark.parametrize("case", OVER)
def test_caps_are_named(case: str) -> None:
    """What is over a cap says which."""
    body, limit = OVER[case]
    with pytest.raises(ArrayRejected) as found:
        safetensors.read(body, CAPS, max_tensors=2)
    assert (found.value.code, found.value.limit) == ("limit_exceeded", limit)


def test_the_cap_on_the_header_is_exact() -> None:
    """A header of the allowed length is read; one byte less allowed and it is not."""
    body = body_of({})
    assert safetensors.read(body, CAPS, max_tensors=0, max_header_bytes=2) == ({}, {})
    with pytest.raises(ArrayRejected, match="a header of 2 bytes; at most 1"):
        safetensors.read(body, CAPS, max_tensors=0, max_header_bytes=1)


def test_a_tensor_is_not_named_as_the_metadata() -> None:
    """The reserved name is refused when writing."""
    with pytest.raises(ValueError, match="__metadata__"):
        safetensors.write("", {"__metadata__": np.ones(1)})
