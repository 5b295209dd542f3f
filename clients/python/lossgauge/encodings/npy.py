"""The .npy format (NumPy enhancement proposal 1): an array with its dtype and shape in a header."""

import io
import re
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np

from lossgauge.encodings import base64
from lossgauge.encodings.base import (
    AnyArray,
    ArrayRejected,
    Attachments,
    Buffer,
    Caps,
    Encoded,
    check_shape,
    over_limit,
)
from lossgauge.encodings.dtypes import LITTLE_ENDIAN, invalid_dtype, name_of
from lossgauge.encodings.elements import array_over, check_size

MAGIC = b"\x93NUMPY"
LENGTH_BYTES = {1: 2, 2: 4, 3: 4}
WIDEST_ITEM = 8
PAIR = re.compile(
    r"""\s*(?P<quote>['"])(?P<key>\w+)(?P=quote)\s*:\s*(?P<value>'[^'\\]*'|"[^"\\]*"|True|False|\([^()]*\)|\[.*)\s*(?:,|$)""",
    re.ASCII | re.DOTALL,
)
AXES = re.compile(r"\(\s*(?:-?[0-9]{1,19}L?\s*,\s*)*(?:-?[0-9]{1,19}L?\s*)?\)", re.ASCII)


class NpyArray(Encoded):
    """A .npy file (format 1, 2 or 3) in base64."""

    encoding: Literal["npy"] = "npy"
    data: str

    @classmethod
    def of(cls, array: AnyArray) -> Self:
        """Encode an array of any allowed dtype."""
        name_of(array)
        file = io.BytesIO()
        np.save(file, array, allow_pickle=False)
        return cls(data=base64.encode(file.getbuffer()))

    def decode(self, attachments: Attachments, caps: Caps) -> AnyArray:
        """Decode to an array over the decoded bytes."""
        at_most = caps.array_elements * WIDEST_ITEM + caps.header_bytes + 12
        return read(base64.decode(self.data, at_most, "array_elements"), caps)


@dataclass(frozen=True)
class Header:
    """What the header of a file declares."""

    dtype: np.dtype[Any]
    fortran_order: bool
    shape: tuple[int, ...]


def read(body: Buffer, caps: Caps) -> AnyArray:
    """The array of a file: no pickle, not a byte more or less than its header declares, zero-copy."""
    text, start = _header_text(memoryview(body), caps)
    header = _header(text)
    needed = check_shape(header.shape, header.dtype, caps, "/data")
    check_size(len(body) - start, needed)
    stored = header.shape[::-1] if header.fortran_order else header.shape
    array = array_over(memoryview(body)[start:], header.dtype, stored)
    return array.T if header.fortran_order else array


def _header_text(body: memoryview, caps: Caps) -> tuple[str, int]:
    """The header's text, and where the elements start."""
    major = _major_version(body)
    length_ends = 8 + LENGTH_BYTES[major]
    length = int.from_bytes(body[8:length_ends], "little")
    if length > caps.header_bytes:
        detail = f"a header of {length} bytes; at most {caps.header_bytes} are allowed"
        raise over_limit("header_bytes", detail, "/data")
    if len(body) < length_ends + length:
        raise _malformed("the file ends within its header")
    return _text(body[length_ends : length_ends + length], "utf-8" if major == 3 else "latin-1"), length_ends + length


def _major_version(body: memoryview) -> int:
    if body[:6] != MAGIC:
        raise _malformed(f"it starts with {bytes(body[:6])!r}")
    if len(body) < 8 or body[6] not in LENGTH_BYTES or body[7] != 0:
        raise _malformed(f"its version is {'.'.join(map(str, body[6:8]))}; known are 1.0, 2.0 and 3.0")
    return body[6]


def _text(header: memoryview, charset: str) -> str:
    try:
        return str(header, charset)
    except UnicodeDecodeError:
        raise _malformed(f"its header is not {charset}") from None


def _header(text: str) -> Header:
    pairs = _pairs(text)
    if pairs.get("descr", "").startswith("["):
        raise invalid_dtype("structured", "/data")
    if pairs.keys() != {"descr", "fortran_order", "shape"}:
        raise _malformed(f"its header has the keys {', '.join(sorted(pairs))}, not descr, fortran_order and shape")
    if pairs["fortran_order"] not in ("True", "False"):
        raise _malformed("fortran_order is neither True nor False")
    return Header(_dtype(pairs["descr"]), pairs["fortran_order"] == "True", _shape(pairs["shape"]))


def _pairs(text: str) -> dict[str, str]:
    """The header's keys with their values as text; a list, which a structured dtype is, takes the rest."""
    inside = text.strip(" \n")
    if not (inside.startswith("{") and inside.endswith("}")):
        raise _malformed("its header is not a dictionary")
    return _pairs_inside(inside[1:-1].strip())


def _pairs_inside(text: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    position = 0
    while position < len(text):
        pair = PAIR.match(text, position)
        if pair is None or pair["key"] in pairs:
            raise _malformed(f"its header cannot be read at {text[position : position + 40]!r}")
        pairs[pair["key"]] = pair["value"]
        position = pair.end()
    return pairs


def _dtype(value: str) -> np.dtype[Any]:
    if value[1:-1] not in DESCRIPTIONS:
        raise invalid_dtype(value.strip("'\""), "/data")
    return DESCRIPTIONS[value[1:-1]]


def _shape(value: str) -> tuple[int, ...]:
    if AXES.fullmatch(value) is None or (value.count(",") == 0 and value.strip("( )")):
        raise _malformed(f"its shape is {value[:40]!r}")
    return tuple(int(axis) for axis in value.strip("()").replace("L", "").split(",") if axis.strip())


def _malformed(detail: str) -> ArrayRejected:
    return ArrayRejected(f"not a .npy file: {detail}", pointer="/data")


def _descriptions() -> dict[str, np.dtype[Any]]:
    """Each dtype under `<f4` and `>f4`; those of one byte under `|` too."""
    return {
        order + dtype.str[1:]: np.dtype(order + dtype.str[1:])
        for dtype in LITTLE_ENDIAN.values()
        for order in ("<>|" if dtype.itemsize == 1 else "<>")
    }


DESCRIPTIONS = _descriptions()
