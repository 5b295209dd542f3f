"""Parts and tensors: found by name, and a part's media type says how it is read."""

import numpy as np
import pytest
from lossgauge.encodings.base import ArrayRejected, Attachments, Caps, Encoded, Part, Tensor
from lossgauge.encodings.part import PartArray
from lossgauge.encodings.tensor import TensorArray

CAPS = Caps()
TENSOR = Tensor(np.ones(2))
PART = Part("application/json", b"[1]")

MISSING: list[tuple[Encoded, Attachments, str]] = [
    (PartArray(name="a"), {}, "no part has this name; the body has no parts"),
    (PartArray(name="a"), {"c": PART, "b": PART}, "the body has 'b', 'c'"),
    (PartArray(name="a"), {"a": TENSOR}, "the body has no parts"),
    (PartArray(name="a"), {f"{n:03}": PART for n in range(100)}, "'019' and 80 more"),
    (TensorArray(name="a"), {}, "no tensor has this name; the body has no tensors"),
    (TensorArray(name="a"), {"a": PART, "b": TENSOR}, "the body has 'b'"),
]


@pytest.mark.parametrize(("document", "attachments", "detail"), MISSING)
def test_a_missing_attachment_lists_those_there(document: Encoded, attachments: Attachments, detail: str) -> None:
    """The error says what the body has."""
    with pytest.raises(ArrayRejected, match=detail) as found:
        document.decode(attachments, CAPS)
    assert (found.value.code, found.value.pointer) == ("undecodable_array", "/name")


REFUSED: list[tuple[str, bytes, str]] = [
    ("", b"", "media type ''; known are application/x-npy, image/png"),
    ("text/plain", b"[1]", "media type 'text/plain'"),
    ("application/octet-stream", b"", "needs the parameter dtype, shape"),
    ("application/octet-stream; dtype=bool", b"", "needs the parameter shape"),
    ("application/octet-stream; dtype=bool; shape=1; order=F", b"\1", "has no parameter 'order'"),
    ("application/x-npy; shape=1", b"", "has no parameter 'shape'"),
    ("application/x-packbits", b"", "needs the parameter shape"),
    ("application/x-packbits; shape=1; shape=2", b"\x80", "cannot be read"),
    ('application/x-packbits; shape="1', b"\x80", "cannot be read"),
    ("application/x-packbits; shape", b"\x80", "cannot be read"),
    ("application/x-packbits; shape*0=1", b"\x80", "cannot be read"),
    ("application/x-packbits; shape=-1", b"\x80", "written like 512,512; found '-1'"),
    ("application/x-packbits; shape=1.0", b"\x80", "written like 512,512"),
    ("application/x-packbits; shape=1x1", b"\x80", "written like 512,512"),
    ("application/x-packbits; shape=1,", b"\x80", "written like 512,512"),
    ("application/x-packbits; shape=" + "9" * 5000, b"\x80", "written like 512,512"),
    ("application/x-packbits; shape=٢", b"\x80", "written like 512,512"),
    ("application/json; charset=latin-1", b"[1]", "JSON is utf-8"),
    ("application/json", b"", "not JSON"),
    ("application/json", b"[1", "not JSON"),
    ("application/json", b"[NaN]", "NaN is not a number of JSON"),
    ("application/json", b"[-Infinity]", "-Infinity is not a number of JSON"),
    ("application/json", b"[" * 100_000, "not JSON"),
    ("application/json", b"[" + b"9" * 5000 + b"]", "not JSON"),
    ("application/json", b"\xff\xfe[\x001\x00]\x00", "not JSON"),
    ("application/json", b'{"data": [1]}', "is a list"),
    ("application/json", b"1", "is a list"),
    ("application/json", b'[1, "1"]', "a string among numbers"),
    ("application/json", b"[[1], [null]]", r"null among numbers \(at /1/0\)"),
]


@pytest.mark.parametrize(("media_type", "content", "detail"), REFUSED)
def test_a_part_that_is_not_what_it_says_is_refused(media_type: str, content: bytes, detail: str) -> None:
    """Nothing falls through silently: media type, parameters and content are checked."""
    with pytest.raises(ArrayRejected, match=detail) as found:
        PartArray(name="a").decode({"a": Part(media_type, content)}, CAPS)
    assert (found.value.code, found.value.pointer) == ("undecodable_array", "/name")


def test_a_scalar_part_has_an_empty_shape() -> None:
    """As an empty list of axes in a raw document."""
    part = Part('application/octet-stream; dtype=uint8; shape=""', b"\x07")
    assert PartArray(name="a").decode({"a": part}, CAPS) == np.uint8(7)


def test_errors_inside_a_part_keep_their_code_and_cap() -> None:
    """What the part's own encoding says stands, at the pointer of the name."""
    part = Part("application/octet-stream; dtype=float128; shape=1", b"")
    with pytest.raises(ArrayRejected) as found:
        PartArray(name="a").decode({"a": part}, CAPS)
    assert (found.value.code, found.value.pointer) == ("invalid_dtype", "/name")
    part = Part("application/octet-stream; dtype=bool; shape=3", bytes(3))
    with pytest.raises(ArrayRejected) as found:
        PartArray(name="a").decode({"a": part}, Caps(array_elements=2))
    assert (found.value.limit, found.value.pointer) == ("array_elements", "/name")


def test_a_list_of_a_part_has_its_cap_before_it_is_parsed() -> None:
    """Its commas are counted: at the cap it is read, and one element over is refused though it is not even JSON."""
    caps = Caps(list_elements=3)
    read = PartArray(name="a").decode({"a": Part("application/json", b"[1,2,3]")}, caps)
    assert read.tolist() == [1, 2, 3]
    with pytest.raises(ArrayRejected) as found:
        PartArray(name="a").decode({"a": Part("application/json", b"[1,2,3,")}, caps)
    assert found.value.limit == "list_elements"
