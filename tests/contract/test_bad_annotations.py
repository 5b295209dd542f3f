"""Broken run lengths and polygons: 422 with a JSON pointer to what does not add up."""

from typing import Any

import httpx
import pytest

from tests.contract.spoilt import Document, check_refused


def coco(counts: Any) -> Document:
    """COCO's runs of an image of 2 by 3."""
    return {"encoding": "coco_rle", "size": [2, 3], "counts": counts}


def polygons(*polygons: Any) -> Document:
    """COCO's polygons in an image of 2 by 3."""
    return {"encoding": "coco_polygons", "size": [2, 3], "polygons": [*polygons]}


def brush(rle: Any) -> Document:
    """Label Studio's brush of an image of 2 by 3."""
    return {"encoding": "label_studio_rle", "rle": rle, "original_width": 3, "original_height": 2}


def cvat(points: Any) -> Document:
    """The points of CVAT's JSON, in an image of 2 by 3."""
    return {"encoding": "cvat_rle", "size": [2, 3], "points": points}


def in_xml(rle: str) -> Document:
    """The runs of CVAT's XML, of a box as large as an image of 2 by 3."""
    return {"encoding": "cvat_rle", "size": [2, 3], "rle": rle, "left": 0, "top": 0, "width": 3, "height": 2}


SIX = [0, 0, 0, 6, 0x38, 0, 0]
"""The head of a brush of six values of a byte each, whose lengths take one bit."""
UNDECODABLE: dict[str, tuple[Document, str, list[str]]] = {
    "coco_rle: too few pixels": (coco([1, 3]), "/counts", ["4", "6"]),
    "coco_rle: too many pixels": (coco([1, 3, 3]), "/counts", ["7", "6"]),
    "coco_rle: negative": (coco([1, -1, 6]), "/counts", ["run 1 is -1"]),
    "coco_rle: huge": (coco([2**63]), "/counts", ["number 0 is 9223372036854775808"]),
    "coco_rle: half a pixel": (coco([1.5, 4.5]), "/counts", ["number 0 is 1.5"]),
    "coco_rle: a string among runs": (coco([1, "5"]), "/counts", ["found a string"]),
    "coco_rle: an object": (coco({"a": 1}), "/counts", ["a list is needed; found an object"]),
    "coco_rle: too few pixels of a text": (coco("13"), "/counts", ["4", "6"]),
    "coco_rle: a negative run of a text": (coco("1O6"), "/counts", ["run 1 is -1"]),
    "coco_rle: an odd character": (coco("1!5"), "/counts", ["character 1 is '!'"]),
    "coco_rle: a cut text": (coco("13R"), "/counts", ["ends within a number"]),
    "coco_rle: a number without end": (coco("P" * 7 + "0"), "/counts", ["8 characters"]),
    "coco_polygons: two points": (polygons([0, 0, 1, 1]), "/polygons/0", ["4 numbers"]),
    "coco_polygons: an odd number": (
        polygons([0, 0, 1, 1, 2, 2], [0, 0, 1, 1, 2, 2, 3]),
        "/polygons/1",
        ["found 7 numbers, which are no pairs"],
    ),
    "coco_polygons: null": (polygons([0, 0, 1, None, 2, 2]), "/polygons/0", ["coordinate 3 is null; it is a number"]),
    "coco_polygons: far out": (polygons([0, 0, 1, 1, 2, 1e300]), "/polygons/0", ["coordinate 5 is 1e+300"]),
    "coco_polygons: no polygon": (polygons(0, 0, 1, 1, 2, 2), "/polygons/0", ["a list is needed; found a number"]),
    "coco_polygons: nested": (polygons([[0, 0], [1, 1], [2, 2]]), "/polygons/0", ["3 numbers"]),
    "label_studio_rle: cut": (brush([0, 0, 0]), "/rle", ["3 bytes"]),
    "label_studio_rle: cut values": (brush(SIX), "/rle", ["7 bytes end before"]),
    "label_studio_rle: other pixels": (brush([0, 0, 0, 7, *SIX[4:]]), "/rle", ["holds 7 values", "6 pixels"]),
    "label_studio_rle: huge": (brush([255] * 4 + SIX[4:]), "/rle", ["holds 4294967295 values"]),
    "label_studio_rle: negative": (brush([-1, *SIX]), "/rle", ["byte 0 is -1"]),
    "label_studio_rle: no byte": (brush([256, *SIX]), "/rle", ["byte 0 is 256"]),
    "label_studio_rle: a character": (brush([*SIX, "a"]), "/rle", ["byte 7 is a string"]),
    "cvat_rle: too few pixels": (cvat([1, 3, 0, 0, 2, 1]), "/points", ["4", "6"]),
    "cvat_rle: negative": (cvat([7, -1, 0, 0, 2, 1]), "/points", ["run 0 is 7"]),
    "cvat_rle: huge": (cvat([2**60, 0, 0, 2, 1]), "/points", ["number 0 is 1152921504606846976"]),
    "cvat_rle: no box": (cvat([1, 5]), "/points", ["ends with left, top, right, bottom"]),
    "cvat_rle: a box too wide": (cvat([8, 0, 0, 3, 1]), "/points", ["width 4", "[2, 3]"]),
    "cvat_rle: a string": (cvat(["6", 0, 0, 2, 1]), "/points", ["found a string"]),
    "cvat_rle: an odd character": (in_xml("1, 5x"), "/rle", ["number 1 is '5x'"]),
    "cvat_rle: a sign": (in_xml("7, -1"), "/rle", ["number 1 is '-1'"]),
    "cvat_rle: a cut text": (in_xml("1, 5,"), "/rle", ["number 2 is ''"]),
    "cvat_rle: too many pixels of a text": (in_xml("1, 6"), "/rle", ["7", "6"]),
}
WIDE = [2**26 + 1, 1]
OVER: dict[str, tuple[Document, str, list[str]]] = {
    "coco_rle: terabytes": (coco([2**40]) | {"size": [2**20, 2**20]}, "/size", ["67108864"]),
    "coco_rle: two sides of 2^31": (coco("0") | {"size": [2**31, 2**31]}, "/size", ["67108864"]),
    "coco_polygons: terabytes": (polygons([0, 0, 1, 1, 2, 2]) | {"size": WIDE}, "/size", ["67108864"]),
    "coco_polygons: columns": (
        polygons(*[[0, 0, 8192, 8192, 8192, 0]] * 99) | {"size": [8192, 8192]},
        *("/polygons", ["1622016", "1048576"]),
    ),
    "label_studio_rle: terabytes": (brush(SIX) | {"original_width": 2**31}, "/original_width", ["67108864"]),
    "cvat_rle: terabytes": (cvat([6, 0, 0, 2, 1]) | {"size": WIDE}, "/size", ["67108864"]),
}
ROLES = ("prediction", "target", "weight")


@pytest.mark.parametrize("name", UNDECODABLE)
def test_a_broken_annotation(caller: httpx.Client, name: str) -> None:
    """Runs and corners that are no mask are refused where they stand, whatever array they should be."""
    document, pointer, words = UNDECODABLE[name]
    for role in ROLES:
        check_refused(caller, role, document, "undecodable_array", pointer, words)


@pytest.mark.parametrize("name", OVER)
def test_an_annotation_over_a_cap(caller: httpx.Client, name: str) -> None:
    """A few bytes that say more pixels than are allowed are refused before memory is taken."""
    document, pointer, words = OVER[name]
    for role in ROLES:
        check_refused(caller, role, document, "limit_exceeded", pointer, words)
