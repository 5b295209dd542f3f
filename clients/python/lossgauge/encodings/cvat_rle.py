"""CVAT's run lengths of a mask: rows of a box within the image.

CVAT's JSON has them in `points`, the box's left, top, right and bottom (both within the box) behind the runs; its XML for
images (1.1) has `rle`, `left`, `top`, `width` and `height` of <mask>. Runs go along the rows, a run of 0 first.
"""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, SkipValidation

from lossgauge.encodings.base import AnyArray, ArrayRejected, Attachments, Caps, Encoded
from lossgauge.encodings.masks import Mask, check_count, list_of, shown, size_of
from lossgauge.encodings.runs import Counts, filled, whole_numbers

CORNERS = ("left", "top", "right", "bottom")
MOST_DIGITS = 16


class CvatRleArray(Encoded):
    """A mask as CVAT exports it: `points` of its JSON, or `rle`, `left`, `top`, `width` and `height` of its XML.

    `size` is the [height, width] of the image: what is outside the box is 0.
    """

    contents: ClassVar[frozenset[str]] = frozenset({"points"})

    encoding: Literal["cvat_rle"] = "cvat_rle"
    size: list[int] = Field(examples=[[480, 640]])
    points: SkipValidation[list[float] | None] = Field(default=None, examples=[[1, 2, 1, 0, 0, 1, 1]])
    rle: str | None = Field(default=None, examples=["1, 2, 1"])
    left: int | None = None
    top: int | None = None
    width: int | None = None
    height: int | None = None

    def decode(self, attachments: Attachments, caps: Caps) -> AnyArray:
        """Decode to a bool array of (height, width)."""
        size = size_of(self.size, caps)
        if self.points is None:
            return _pasted(_numbers_of(self.rle, caps), *self._box(), size, "/rle")
        if {self.rle, self.left, self.top, self.width, self.height} != {None}:
            raise ArrayRejected("points hold runs and box: rle, left, top, width and height are not taken beside them")
        return _from_points(list_of(self.points, caps, "/points"), size)

    def _box(self) -> tuple[int, int, int, int]:
        """The box's left, top, width and height."""
        left, top, width, height = self.left, self.top, self.width, self.height
        if left is None or top is None or width is None or height is None:
            raise ArrayRejected("points are needed, or rle with left, top, width and height")
        return left, top, width, height


def _from_points(points: list[float], size: tuple[int, int]) -> Mask:
    if len(points) < len(CORNERS):
        raise ArrayRejected(f"points are a list that ends with {', '.join(CORNERS)}", pointer="/points")
    numbers = whole_numbers(points, "/points")
    left, top, right, bottom = map(int, numbers[-len(CORNERS) :])
    return _pasted(numbers[: -len(CORNERS)], left, top, right - left + 1, bottom - top + 1, size, "/points")


def _pasted(counts: Counts, left: int, top: int, width: int, height: int, size: tuple[int, int], pointer: str) -> Mask:
    """The image of a size with the runs in the box, which must lie within it."""
    inside = left >= 0 and top >= 0 and width > 0 and height > 0
    if not inside or left + width > size[1] or top + height > size[0]:
        corner, extent = f"left {shown(left)}, top {shown(top)}", f"width {shown(width)}, height {shown(height)}"
        raise ArrayRejected(f"the box of {corner}, {extent} is not within the image of size {[*size]}", pointer=pointer)
    box_pixels = filled(counts, width * height, pointer).reshape(height, width)
    image = np.zeros(size, bool)
    image[top : top + height, left : left + width] = box_pixels
    return image


def _numbers_of(text: str | None, caps: Caps) -> Counts:
    """The numbers of a text such as `3, 5, 7`."""
    if text is None:
        raise ArrayRejected("points are needed, or rle with left, top, width and height")
    check_count(text.count(",") + 1, caps, "/rle")
    words = [word.strip() for word in text.split(",")]
    for at, word in enumerate(words):
        if not (word.isascii() and word.isdigit() and len(word) <= MOST_DIGITS):
            raise ArrayRejected(f"number {at} is {shown(ascii(word))}, which is no count of pixels", pointer="/rle")
    return whole_numbers([int(word) for word in words], "/rle")
