"""COCO's polygons of a mask."""

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, SkipValidation

from lossgauge.encodings.base import AnyArray, ArrayRejected, Attachments, Caps, Encoded
from lossgauge.encodings.masks import check_count, list_of, shown, size_of
from lossgauge.encodings.outlines import FARTHEST, Outline, filled
from lossgauge.words import counted, json_kind

FEWEST_NUMBERS = 6


class CocoPolygonsArray(Encoded):
    """The union of polygons, filled as the COCO API fills them: `size` is [height, width], a polygon x1, y1, x2, y2, ..

    A polygon may lie outside the image in part or as a whole. No polygons are an empty mask.
    """

    contents: ClassVar[frozenset[str]] = frozenset({"polygons"})

    encoding: Literal["coco_polygons"] = "coco_polygons"
    size: list[int] = Field(examples=[[480, 640]])
    polygons: SkipValidation[list[list[float]]] = Field(examples=[[[10, 10, 10, 20, 20.5, 20]]])

    def decode(self, attachments: Attachments, caps: Caps) -> AnyArray:
        """Decode to a bool array of (height, width)."""
        height, width = size_of(self.size, caps)
        given = list_of(self.polygons, caps, "/polygons")
        polygons = [list_of(polygon, caps, f"/polygons/{at}") for at, polygon in enumerate(given)]
        check_count(sum(map(len, polygons)), caps, "/polygons")
        outlines = [_outline(polygon, f"/polygons/{at}") for at, polygon in enumerate(polygons)]
        return filled(outlines, height, width, caps)


def _outline(numbers: list[Any], pointer: str) -> Outline:
    """The corners of a polygon, (points, 2)."""
    if len(numbers) < FEWEST_NUMBERS or len(numbers) % 2:
        found = counted(len(numbers), "number", "numbers") + (", which are no pairs" if len(numbers) % 2 else "")
        raise ArrayRejected(
            f"a polygon is pairs x1, y1, x2, y2, .. of 3 points or more; found {found}", pointer=pointer
        )
    for at, number in enumerate(numbers):
        _check(number, at, pointer)
    return np.array(numbers, np.float64).reshape(-1, 2)


def _check(number: Any, at: int, pointer: str) -> None:
    if type(number) not in (int, float):
        raise ArrayRejected(f"coordinate {at} is {json_kind(type(number))}; it is a number", pointer=pointer)
    if not abs(number) <= FARTHEST:
        detail = f"coordinate {at} is {shown(number)}; it is {-FARTHEST} to {FARTHEST}"
        raise ArrayRejected(detail, pointer=pointer)
