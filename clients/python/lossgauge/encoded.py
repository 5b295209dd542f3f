"""Arrays that their caller holds encoded: documents of the contract, objects of `lossgauge.encodings`, dicts of pycocotools.

They travel as they are, in the document of the request. What is wrong with one is found here, by the code that the service
reads it with; only the service knows its caps, so that what is merely large is its to refuse.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from lossgauge.encodings import BY_NAME, CONTENTS, ListArray, PngArray, base64, png
from lossgauge.encodings.base import ArrayRejected, Caps, Encoded
from lossgauge.encodings.masks import shown
from lossgauge.errors import InvalidArgumentError

EncodedLike = Encoded | Mapping[str, Any]
"""A mapping with `encoding`, as in the contract, or pycocotools' {"size": .., "counts": ..}; or an object of an encoding."""

MOST_AXES = 16
"""Of an array, so that no document nests deeper than a service reads."""
MOST_ELEMENTS = 2**40
"""More than any service holds, whatever its caps."""
CAPS = Caps(dimensions=MOST_AXES)
ELSEWHERE = ("part", "tensor")
"""Encodings that name what travels beside the document, which the client writes."""
PLAIN = frozenset({int, float, bool, str, type(None)})
WHAT_IT_NEEDS = "a mapping is an array with 'encoding', as in the contract, or with pycocotools' 'size' and 'counts'"


@dataclass(frozen=True)
class Extent:
    """How much an array is: its elements, and its dtype. None where only its reader can tell."""

    elements: int | None
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class EncodedArray:
    """An array's document, in plain lists and numbers, and what it decodes to."""

    document: dict[str, Any]
    message: Encoded
    extent: Extent

    def decoded(self, pointer: str) -> NDArray[Any]:
        """The array itself; `InvalidArgumentError` where it is too large for the client, or a PNG without Pillow."""
        try:
            return self.message.decode({}, CAPS)
        except (ArrayRejected, ImportError) as error:
            raise _refused(error, pointer) from error


def encoded(value: EncodedLike, pointer: str) -> EncodedArray:
    """The checked document of an array that is encoded already; `InvalidArgumentError` points to what is wrong with it.

    >>> encoded({"size": [2, 2], "counts": b"04"}, "/target").document
    {'encoding': 'coco_rle', 'size': [2, 2], 'counts': '04'}
    """
    document = _document(value, pointer)
    message = _message(document, pointer)
    return EncodedArray(document, message, _extent(message, pointer))


def extent_of_png(content: bytes) -> Extent:
    """What a PNG file decodes to, by its header; nothing where the service will refuse it."""
    try:
        return Extent(*png.declared(content))
    except ArrayRejected:
        return Extent(0, png.DTYPES[8])


# ------------------------------------------------------------------------------------------------------------- documents


def _document(value: EncodedLike, pointer: str) -> dict[str, Any]:
    given = {name: field for name, field in value if field is not None} if isinstance(value, Encoded) else dict(value)
    if "encoding" not in given and "counts" in given:
        given = {"encoding": "coco_rle", **given}
    if "encoding" not in given:
        raise InvalidArgumentError(f"{WHAT_IT_NEEDS}; found {_keys(given)}", pointer=pointer)
    return {name: _member(name, value, f"{pointer}/{_token(name)}") for name, value in given.items()}


def _member(name: Any, value: Any, pointer: str) -> Any:
    """A member as JSON has it: the text of counts is bytes to pycocotools; tuples and NumPy arrays stand for lists."""
    if name == "counts" and isinstance(value, bytes | bytearray):
        return _text(bytes(value), pointer)
    return _listed(value, pointer, 0)


def _text(counts: bytes, pointer: str) -> str:
    try:
        return counts.decode("ascii")
    except UnicodeDecodeError as error:
        found = f"byte {error.start} is {counts[error.start]:#04x}; the characters 0 to o are allowed"
        raise InvalidArgumentError(found, pointer=pointer) from None


def _listed(value: Any, pointer: str, depth: int) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if not isinstance(value, list | tuple):
        return value
    if depth >= MOST_AXES:
        raise InvalidArgumentError(f"more than {MOST_AXES} nested lists", pointer=pointer)
    if PLAIN.issuperset(map(type, value)):
        return [*value]
    return [_listed(member, pointer, depth + 1) for member in value]


def _keys(given: Mapping[Any, Any]) -> str:
    return ", ".join(repr(shown(key)) for key in [*given][:8]) or "no key at all"


def _token(name: Any) -> str:
    """A member's name in a JSON pointer (RFC 6901)."""
    return shown(name).replace("~", "~0").replace("/", "~1")


# ---------------------------------------------------------------------------------------------------------------- checks


def _message(document: dict[str, Any], pointer: str) -> Encoded:
    encoding = document["encoding"]
    if not isinstance(encoding, str) or encoding not in BY_NAME:
        found = f"encoding {shown(encoding)!r} is not known; allowed: {', '.join(_names())}"
        raise InvalidArgumentError(found, pointer=f"{pointer}/encoding")
    if encoding in ELSEWHERE:
        found = f"encoding {encoding!r} names what the client itself sends beside the document; give the array"
        raise InvalidArgumentError(found, pointer=f"{pointer}/encoding")
    for name, value in document.items():
        _check_members(name, value, f"{pointer}/{_token(name)}")
    try:
        return BY_NAME[encoding].model_validate(document)
    except ValidationError as invalid:
        first = invalid.errors(include_url=False)[0]
    raise InvalidArgumentError(_told(first, BY_NAME[encoding]), pointer=pointer + _path(first))


def _check_members(name: Any, value: Any, pointer: str) -> None:
    """Refuse a size or shape of very many numbers, which would be as many errors."""
    if name not in CONTENTS and isinstance(value, list) and len(value) > MOST_AXES:
        raise InvalidArgumentError(f"a list of {len(value)}; an array has at most {MOST_AXES} axes", pointer=pointer)


def _names() -> list[str]:
    return [name for name in BY_NAME if name not in ELSEWHERE]


def _told(error: ErrorDetails, encoding: type[Encoded]) -> str:
    if error["type"] == "missing":
        return f"{error['loc'][-1]!r} is required and missing"
    if error["type"] == "extra_forbidden":
        return f"not a member of this encoding, which has {', '.join(encoding.model_fields)}"
    return f"{error['msg'].replace('Input should', 'must')}; found {type(error['input']).__qualname__}"


def _path(error: ErrorDetails) -> str:
    return "".join(f"/{_token(token)}" for token in error["loc"] if token != "[key]")


def _extent(message: Encoded, pointer: str) -> Extent:
    """What a message decodes to; it is decoded, and refused where it cannot be."""
    try:
        array = message.decode({}, CAPS)
    except ImportError:
        return _undecoded(message, pointer)
    except ArrayRejected as error:
        if error.code == "limit_exceeded" and _declared(message) <= MOST_ELEMENTS:
            return Extent(None, np.dtype(np.float64))
        raise _refused(error, pointer) from error
    _check_finite(message, array, pointer)
    return Extent(array.size, array.dtype)


def _declared(message: Encoded) -> int:
    """How many elements a message says that it has, where it says so."""
    said = dict(message)
    sides = said.get("size") or said.get("shape") or [said.get("original_height", 1), said.get("original_width", 1)]
    return math.prod(max(side, 1) for side in sides)


def _check_finite(message: Encoded, array: NDArray[Any], pointer: str) -> None:
    """Refuse what a list holds and JSON does not."""
    if isinstance(message, ListArray) and array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InvalidArgumentError("NaN and infinity cannot travel in a list", pointer=f"{pointer}/data")


def _undecoded(message: Encoded, pointer: str) -> Extent:
    """Of a PNG image where there is no Pillow to decode it."""
    assert isinstance(message, PngArray)
    try:
        return extent_of_png(bytes(base64.decode_strictly(message.data)))
    except ArrayRejected as error:
        raise _refused(error, pointer) from error


def _refused(error: ArrayRejected | ImportError, pointer: str) -> InvalidArgumentError:
    if isinstance(error, ImportError):
        return InvalidArgumentError(str(error), pointer=pointer)
    return InvalidArgumentError(error.detail, pointer=pointer + error.pointer)
