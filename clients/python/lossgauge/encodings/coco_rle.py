"""COCO's run lengths of a mask, as a list or as its text.

The format of the COCO API (cocodataset/cocoapi, common/maskApi.c): runs down the columns, a run of 0 first. The text has
five bits a character, the lowest first, in the characters 48 to 111; bit 32 says that another follows, bit 16 of the last
is the sign. From the fourth run on, a number is the difference from the run two before.
"""

from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, SkipValidation

from lossgauge.encodings.base import AnyArray, ArrayRejected, Attachments, Bits, Caps, Encoded, over_limit, turned
from lossgauge.encodings.masks import Mask, image_of, list_of, shown, size_of
from lossgauge.encodings.runs import Counts, filled, runs_of, whole_numbers

FIRST, BITS, DIGIT, SIGN, MORE = 48, 5, 0x1F, 0x10, 0x20
MOST_CHARACTERS = 7
CHARACTERS_PER_ELEMENT = 8


class CocoRleArray(Encoded):
    """A mask as COCO keeps it: `size` is [height, width], `counts` the runs down the columns, as a list or a text."""

    contents: ClassVar[frozenset[str]] = frozenset({"counts"})

    encoding: Literal["coco_rle"] = "coco_rle"
    size: list[int] = Field(examples=[[2, 3]])
    counts: SkipValidation[list[int] | str] = Field(examples=["132", [1, 3, 2]])

    @classmethod
    def of(cls, array: AnyArray) -> Self:
        """Encode an image of booleans, or of integers that are all 0 or 1; `counts` is a text."""
        image = image_of(array)
        return cls(size=[*image.shape], counts=written(runs_of(image.T.reshape(-1))))

    def decode(self, attachments: Attachments, caps: Caps) -> AnyArray:
        """Decode to a bool array of (height, width)."""
        height, width = size_of(self.size, caps)
        return turned(self._pixels(height * width, caps).reshape(width, height))

    def decode_compact(self, attachments: Attachments, caps: Caps) -> Bits:
        """The same as bits, down the columns as the runs go."""
        height, width = size_of(self.size, caps)
        return Bits(np.packbits(self._pixels(height * width, caps)), (height, width), down_columns=True)

    def _pixels(self, pixels: int, caps: Caps) -> Mask:
        return filled(_counts(self.counts, pixels, caps), pixels, "/counts")


def written(counts: Counts) -> str:
    """The text of some runs."""
    left = counts.copy()
    left[3:] -= counts[1:-2]
    most = int(np.abs(left).max()).bit_length() // BITS + 1
    places = BITS * np.arange(most)
    rests, digits = left[:, None] >> (places + BITS), left[:, None] >> places & DIGIT
    more = np.where(digits & SIGN, rests != -1, rests != 0)
    used = np.cumsum(~more, axis=1) - ~more == 0
    codes: NDArray[np.uint8] = (digits + MORE * more + FIRST)[used].astype(np.uint8)
    return codes.tobytes().decode("ascii")


def read(text: str, pixels: int) -> Counts:
    """The runs of a text, of an image of `pixels`."""
    codes = _codes(text, pixels)
    ends = np.flatnonzero((codes & MORE) == 0)
    if codes.size and (ends.size == 0 or ends[-1] != codes.size - 1):
        raise _rejected("the text ends within a number")
    starts = np.concatenate([[0], ends[:-1] + 1])[: ends.size]
    lengths = ends - starts + 1
    if lengths.size and lengths.max() > MOST_CHARACTERS:
        raise _rejected(f"a number of {lengths.max()} characters; at most {MOST_CHARACTERS} are allowed")
    return _undone(_numbers(codes, starts, lengths))


def _counts(counts: object, pixels: int, caps: Caps) -> Counts:
    if not isinstance(counts, str):
        return whole_numbers(list_of(counts, caps, "/counts"), "/counts")
    at_most = CHARACTERS_PER_ELEMENT * caps.list_elements
    if len(counts) > at_most:
        raise over_limit("list_elements", f"{len(counts)} characters; at most {at_most} are allowed", "/counts")
    return read(counts, pixels)


def _codes(text: str, pixels: int) -> NDArray[np.int64]:
    if len(text) > MOST_CHARACTERS * (pixels + 1):
        raise _rejected(f"{len(text)} characters; the runs of {pixels} pixels have fewer")
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.int64) - FIRST
    strange = np.flatnonzero((codes < 0) | (codes > MORE + DIGIT))
    if strange.size:
        at = int(strange[0])
        raise _rejected(f"character {at} is {shown(ascii(text[at]))}; the characters 0 to o are allowed")
    return codes


def _numbers(codes: NDArray[np.int64], starts: Counts, lengths: Counts) -> Counts:
    if codes.size == 0:
        return codes
    places = np.arange(codes.size) - np.repeat(starts, lengths)
    magnitudes = np.add.reduceat((codes & DIGIT) << BITS * places, starts)
    negative = (codes[starts + lengths - 1] & SIGN) != 0
    return magnitudes - np.where(negative, 1 << BITS * lengths, 0)


def _undone(numbers: Counts) -> Counts:
    """The runs of which these are the differences."""
    counts = numbers.copy()
    counts[1::2] = np.cumsum(numbers[1::2])
    counts[2::2] = np.cumsum(numbers[2::2])
    return counts


def _rejected(detail: str) -> ArrayRejected:
    return ArrayRejected(detail, pointer="/counts")
