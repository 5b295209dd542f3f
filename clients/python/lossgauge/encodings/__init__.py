"""Array encodings, one a file. A new one is a file and a line in `ENCODINGS`."""

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from lossgauge.encodings.base import AnyArray, Encoded
from lossgauge.encodings.coco_polygons import CocoPolygonsArray
from lossgauge.encodings.coco_rle import CocoRleArray
from lossgauge.encodings.cvat_rle import CvatRleArray
from lossgauge.encodings.label_studio_rle import LabelStudioRleArray
from lossgauge.encodings.list import ListArray
from lossgauge.encodings.npy import NpyArray
from lossgauge.encodings.packbits import PackbitsArray
from lossgauge.encodings.part import PartArray
from lossgauge.encodings.png import PngArray
from lossgauge.encodings.raw import RawArray
from lossgauge.encodings.tensor import TensorArray

__all__ = [
    "BY_NAME",
    "CONTENTS",
    "ENCODINGS",
    "Array",
    "CocoPolygonsArray",
    "CocoRleArray",
    "CvatRleArray",
    "Encoded",
    "LabelStudioRleArray",
    "ListArray",
    "NpyArray",
    "PackbitsArray",
    "PartArray",
    "PngArray",
    "RawArray",
    "TensorArray",
    "encode",
]

ENCODINGS: tuple[type[Encoded], ...] = (
    NpyArray,
    RawArray,
    ListArray,
    PngArray,
    PackbitsArray,
    CocoRleArray,
    CocoPolygonsArray,
    LabelStudioRleArray,
    CvatRleArray,
    PartArray,
    TensorArray,
)

if TYPE_CHECKING:
    Array = Encoded
else:
    Array = Annotated[reduce(or_, ENCODINGS), Field(discriminator="encoding")]

BY_NAME = {encoding.model_fields["encoding"].default: encoding for encoding in ENCODINGS}


CONTENTS = frozenset[str]().union(*(encoding.contents for encoding in ENCODINGS))
"""The fields of arrays' documents that hold their numbers."""


def encode(array: AnyArray, encoding: str) -> Encoded:
    """The document of an array in an encoding, by its name.

    Raises `ValueError` for a name that is not an encoding's, `TypeError` for one that is not made from an array alone,
    and `ArrayRejected` for an array that the encoding cannot hold without changing a value.
    """
    if encoding not in BY_NAME:
        raise ValueError(f"no encoding is named {encoding!r}; there are {', '.join(BY_NAME)}")
    return BY_NAME[encoding].of(array)
