"""What every array encoding is: a message that decodes to an array, made from an array."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

AnyArray = NDArray[Any]
Buffer = bytes | bytearray | memoryview
MOST_SHOWN = 100
STRIP = 64


class ArrayRejected(ValueError):
    """An array that cannot be decoded: `code` says why, `pointer` where in the array's document, `limit` which cap."""

    def __init__(
        self, detail: str, *, code: str = "undecodable_array", pointer: str = "", limit: str | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.pointer = pointer
        self.limit = limit


def array_of(decoded: "AnyArray | Bits") -> AnyArray:
    """An array, bits unpacked."""
    return decoded.unpacked() if isinstance(decoded, Bits) else decoded


@dataclass(frozen=True)
class Caps:
    """What an array may be at most; the names are those of `GET /v1/limits`."""

    array_elements: int = 2**28
    list_elements: int = 2**20
    image_pixels: int = 2**26
    dimensions: int = 8
    header_bytes: int = 2**16


@dataclass(frozen=True)
class Part:
    """An array of a multipart body: its bytes and its media type with parameters."""

    media_type: str
    content: Buffer


@dataclass(frozen=True)
class Tensor:
    """A tensor of a safetensors body: its array, or why it has none."""

    array: AnyArray | ArrayRejected


Attachments = Mapping[str, Part | Tensor]


@dataclass(frozen=True, eq=False)
class Bits:
    """A mask of a bit a pixel (`numpy.packbits`): the first pixel is the highest bit, and the last byte's rest is 0.

    down_columns: whether the pixels of its two axes follow each other down the columns, not along the rows.
    """

    packed: NDArray[np.uint8]
    shape: tuple[int, ...]
    down_columns: bool = False

    def unpacked(self) -> AnyArray:
        """The mask as booleans."""
        bits = np.unpackbits(self.packed, count=math.prod(self.shape))
        mask = bits.view(bool)
        return turned(mask.reshape(self.shape[::-1])) if self.down_columns else mask.reshape(self.shape)


def turned(image: AnyArray) -> AnyArray:
    """The transpose of an image, laid out along its rows. A strip at a time, whose rows all stay in a core's cache."""
    out = np.empty(image.shape[::-1], image.dtype)
    for start in range(0, len(image), STRIP):
        out[:, start : start + STRIP] = image[start : start + STRIP].T
    return out


class Encoded(BaseModel):
    """An array as it travels in a JSON document."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    contents: ClassVar[frozenset[str]] = frozenset({"data"})
    """The fields that hold its numbers: read by the encoding alone, element by element."""

    encoding: str

    @classmethod
    def of(cls, array: AnyArray) -> Self:
        """Encode an array."""
        raise TypeError(f"{cls.__name__} is not made from an array alone")

    def decode(self, attachments: Attachments, caps: Caps) -> AnyArray:
        """Decode to an array; `ArrayRejected` says what was found, what is allowed, and which cap."""
        raise TypeError(f"{type(self).__name__} does not say how it is decoded")

    def decode_compact(self, attachments: Attachments, caps: Caps) -> AnyArray | Bits:
        """The same; of a mask that travels as bits the bits."""
        return self.decode(attachments, caps)


def check_shape(shape: tuple[int, ...], dtype: np.dtype[Any], caps: Caps, pointer: str = "") -> int:
    """The number of bytes of an array, checked against the caps before any memory is taken."""
    if len(shape) > caps.dimensions:
        raise over_limit("dimensions", f"{len(shape)} axes; at most {caps.dimensions} are allowed", pointer)
    if any(axis < 0 for axis in shape):
        raise ArrayRejected("a shape has no negative axis", pointer=pointer)
    if any(axis > caps.array_elements for axis in shape) or _span(shape) > caps.array_elements:
        detail = f"shape {_shown(shape)} has more than the {caps.array_elements} elements that are allowed"
        raise over_limit("array_elements", detail, pointer)
    return math.prod(shape) * dtype.itemsize


def over_limit(limit: str, detail: str, pointer: str = "") -> ArrayRejected:
    """The error of an array that is over a cap."""
    return ArrayRejected(detail, code="limit_exceeded", pointer=pointer, limit=limit)


def _shown(shape: tuple[int, ...]) -> str:
    text = str([*shape])
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}.."


def _span(shape: tuple[int, ...]) -> int:
    """The elements that the axes span, an empty axis left out: NumPy's own arithmetic overflows on it otherwise."""
    return math.prod(axis for axis in shape if axis)
