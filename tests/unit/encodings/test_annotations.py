"""What Label Studio's brush and CVAT export, written here bit by bit and number by number."""

from itertools import groupby
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from lossgauge.encodings.base import AnyArray, ArrayRejected, Caps, Encoded
from lossgauge.encodings.cvat_rle import CvatRleArray
from lossgauge.encodings.label_studio_rle import LabelStudioRleArray

CAPS = Caps()
IMAGES = arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 3))


def decoded(document: Encoded, caps: Caps = CAPS) -> AnyArray:
    """The array of a document that needs no attachment, which is of booleans."""
    mask = document.decode({}, caps)
    assert mask.dtype == np.bool_
    return mask


def check_refused(document: Encoded, pointer: str, detail: str) -> None:
    """A document that cannot be read, and why."""
    with pytest.raises(ArrayRejected) as found:
        decoded(document)
    assert (found.value.code, found.value.pointer) == ("undecodable_array", pointer)
    assert detail in found.value.detail
    assert len(found.value.detail) < 300


# -------------------------------------------------------------------------------------------------------- Label Studio


def brush_of(rle: Any, width: int = 2, height: int = 1) -> LabelStudioRleArray:
    """A document of a brush."""
    return LabelStudioRleArray(rle=rle, original_width=width, original_height=height)


def bytes_of(bits: str) -> list[int]:
    """The bytes of some bits, written with spaces between; the last is filled up with 0."""
    together = bits.replace(" ", "")
    filled_up = together + "0" * (-len(together) % 8)
    return [int(filled_up[at : at + 8], 2) for at in range(0, len(filled_up), 8)]


def written(values: list[int], sizes: tuple[int, ...] = (3, 4, 8, 16), value_bits: int = 8) -> list[int]:
    """The bytes of some values: equal ones together, single ones in a series of their own kind."""
    bits = f"{len(values):032b}{value_bits - 1:05b}" + "".join(f"{size - 1:04b}" for size in sizes)
    for single, group in groupby([[*run] for _, run in groupby(values)], key=lambda run: len(run) == 1):
        runs = [*group]
        chunks = [[value for run in runs for value in run]] if single else runs
        for chunk in chunks:
            for start in range(0, len(chunk), 2 ** max(sizes)):
                bits += _record(chunk[start : start + 2 ** max(sizes)], sizes, value_bits, repeated=not single)
    return bytes_of(bits)


def _record(values: list[int], sizes: tuple[int, ...], value_bits: int, repeated: bool) -> str:
    place = next(place for place, size in enumerate(sizes) if len(values) <= 2**size)
    kept = values[:1] if repeated else values
    head = f"{int(repeated)}{place:02b}" + f"{{:0{sizes[place]}b}}".format(len(values) - 1)
    return head + "".join(f"{{:0{value_bits}b}}".format(value) for value in kept)


HEAD = "00111 0010 0011 0111 1111"
EIGHT = "00000000 00000000 00000000 00001000"


def test_a_brush_written_by_hand() -> None:
    """Two pixels of red, one with alpha: four values one by one, then a 0 four times."""
    bits = f"{EIGHT} {HEAD}  0 00 011 11111111 00000000 00000000 10000000  1 00 011 00000000"
    assert decoded(brush_of(bytes_of(bits))).tolist() == [[True, False]]


def test_alpha_alone_decides() -> None:
    """Colour without alpha is not of the mask, and alpha of 1 without colour is."""
    values = [255, 255, 255, 0, 0, 0, 0, 1, 0, 0, 0, 0]
    assert decoded(brush_of(written(values), 3)).tolist() == [[False, True, False]]


@pytest.mark.parametrize(
    ("sizes", "value_bits"), [((3, 4, 8, 16), 8), ((1, 2, 3, 4), 2), ((4, 4, 5, 6), 16), ((5,) * 4, 32)]
)
@given(image=IMAGES)
def test_brushes_come_back(sizes: tuple[int, ...], value_bits: int, image: AnyArray) -> None:
    """RGBA images of a random alpha beside other colours, and images of one value a pixel."""
    height, width = image.shape
    rgba = np.stack([image * 0, image[::-1], np.full_like(image, 2), image], axis=-1)
    for values in (rgba, image):
        document = brush_of(written(values.reshape(-1).tolist(), sizes, value_bits), width, height)
        assert np.array_equal(decoded(document), image > 0)


def test_long_runs_of_a_brush() -> None:
    """Runs of more values than one length can say, that begin and end within pixels."""
    mask = np.zeros((300, 300), bool)
    mask[:100], mask[200, 7:] = True, True
    values = np.repeat(mask.reshape(-1).astype(np.uint8) * 255, 4).tolist()
    assert np.array_equal(decoded(brush_of(written(values), 300, 300)), mask)


def test_a_spare_byte_of_zeros_is_taken() -> None:
    """label-studio-converter puts one behind a body that ends with a whole byte."""
    whole = bytes_of(f"{EIGHT} {HEAD}  1 10 00000111 00000001")
    assert decoded(brush_of(whole)).all()
    assert decoded(brush_of([*whole, 0])).all()


GOOD = bytes_of(f"{EIGHT} {HEAD}  1 00 111 00000001")
BROKEN_BRUSHES: dict[str, tuple[Any, str]] = {
    "no bytes": ([], "its 0 bytes end before"),
    "a cut header": (GOOD[:5], "its 5 bytes end before"),
    "a cut value": (GOOD[:-1], "its 8 bytes end before"),
    "cut values": (bytes_of(f"{EIGHT} {HEAD}  0 00 111 00000001"), "its 9 bytes end before"),
    "bytes behind": ([*GOOD, 0, 0], "11 bytes go on"),
    "bits behind": ([*GOOD[:-1], GOOD[-1] | 1], "9 bytes go on"),
    "too many values": (bytes_of(f"{EIGHT} {HEAD}  1 01 1000 00000001"), "go on after its 8 values"),
    "other values": (bytes_of(f"{EIGHT[:-4]}0100 {HEAD}  1 00 011 00000001"), "it holds 4 values; 2 pixels"),
    "values of terabytes": (bytes_of(f"{'1' * 32} {HEAD}  1 00 111 00000001"), "it holds 4294967295 values"),
    "a byte of 256": ([*GOOD[:-1], 256], "byte 8 is 256"),
    "a byte of -1": ([-1, *GOOD], "byte 0 is -1"),
    "a byte of many digits": ([10**5000, *GOOD], "byte 0 is an integer of 16610 bits"),
    "a boolean": ([*GOOD[:-1], True], "byte 8 is a boolean"),
    "a decimal": ([0.0, *GOOD], "byte 0 is 0.0"),
    "a text": ("AAAACA==", "a list is needed; found a string"),
}


@pytest.mark.parametrize("case", BROKEN_BRUSHES)
def test_broken_brushes_are_refused(case: str) -> None:
    """The detail says what was found."""
    rle, detail = BROKEN_BRUSHES[case]
    check_refused(brush_of(rle), "/rle", detail)


@pytest.mark.parametrize(("width", "height", "side"), [(0, 2, "width"), (-1, 2, "width"), (2, 0, "height")])
def test_a_brush_has_a_size(width: int, height: int, side: str) -> None:
    """No side is 0 or less."""
    check_refused(brush_of(GOOD, width, height), f"/original_{side}", "height and width are positive")


def test_the_caps_of_a_brush() -> None:
    """Pixels and bytes are counted before memory is taken."""
    for document, limit in ((brush_of(GOOD, 2**40, 2**40), "array_elements"), (brush_of([0] * 99), "list_elements")):
        with pytest.raises(ArrayRejected) as found:
            decoded(document, Caps(list_elements=98))
        assert (found.value.code, found.value.limit) == ("limit_exceeded", limit)


# ---------------------------------------------------------------------------------------------------------------- CVAT

CORNER = [[False] * 4, [False, False, True, False], [False, True, True, False]]


def from_xml(rle: str, left: int = 1, top: int = 1, width: int = 2, height: int = 2) -> CvatRleArray:
    """A document of what stands in CVAT's XML."""
    return CvatRleArray(size=[3, 4], rle=rle, left=left, top=top, width=width, height=height)


def from_json(*points: Any) -> CvatRleArray:
    """A document of what stands in CVAT's JSON."""
    return CvatRleArray(size=[3, 4], points=[*points])


def test_a_mask_of_cvat_written_by_hand() -> None:
    """A box of two by two with one pixel of 0 first, at column 1 and row 1; right and bottom are within the box."""
    assert decoded(from_xml("1, 3")).tolist() == CORNER
    assert decoded(from_xml(" 1,3,0 ")).tolist() == CORNER
    assert decoded(from_json(1, 3, 1, 1, 2, 2)).tolist() == CORNER
    assert decoded(from_json(1.0, 3.0, 1.0, 1.0, 2.0, 2.0)).tolist() == CORNER


@given(data=st.data(), mask=arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_masks_of_cvat_come_back(data: st.DataObject, mask: AnyArray) -> None:
    """Any box of an image, in either form, is pasted where it was, and all else is 0."""
    height, width = mask.shape
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    bottom, right = data.draw(st.integers(top, height - 1)), data.draw(st.integers(left, width - 1))
    box = mask[top : bottom + 1, left : right + 1]
    runs = [len([*run]) for _, run in groupby(box.reshape(-1).tolist())]
    counts = [0, *runs] if box[0, 0] else runs
    expected = np.zeros_like(mask)
    expected[top : bottom + 1, left : right + 1] = box

    size = [height, width]
    points = CvatRleArray(size=size, points=[*counts, left, top, right, bottom])
    rle = ", ".join(map(str, counts))
    xml = CvatRleArray(size=size, rle=rle, left=left, top=top, width=box.shape[1], height=box.shape[0])
    assert np.array_equal(decoded(points), expected)
    assert np.array_equal(decoded(xml), expected)


BROKEN_MASKS: dict[str, tuple[CvatRleArray, str, str]] = {
    "too few pixels": (from_xml("1, 2"), "/rle", "add up to 3 pixels; 4 are needed"),
    "too many pixels": (from_json(1, 4, 1, 1, 2, 2), "/points", "add up to 5 pixels; 4 are needed"),
    "a run of more": (from_xml("1, 5"), "/rle", "run 1 is 5; it is 0 to 4"),
    "a negative run": (from_json(5, -1, 1, 1, 2, 2), "/points", "run 0 is 5"),
    "more runs than pixels": (from_json(0, 0, 0, 0, 0, 4, 1, 1, 2, 2), "/points", "6 runs"),
    "no runs": (from_json(1, 1, 2, 2), "/points", "add up to 0"),
    "three points": (from_json(1, 1, 2), "/points", "ends with left, top, right, bottom"),
    "half a point": (from_json(1, 3, 1, 1.5, 2, 2), "/points", "number 3 is 1.5"),
    "nan": (from_json(1, float("nan"), 1, 1, 2, 2), "/points", "number 1 is nan"),
    "a text among points": (from_json("1", 3, 1, 1, 2, 2), "/points", "found a string"),
    "a box too wide": (from_json(1, 7, 1, 1, 4, 2), "/points", "left 1, top 1, width 4, height 2"),
    "a box too high": (from_xml("1, 5", height=3), "/rle", "not within the image of size [3, 4]"),
    "a box before": (from_xml("1, 3", left=-1), "/rle", "left -1"),
    "a box above": (from_xml("1, 3", top=-1), "/rle", "top -1"),
    "a box of nothing": (from_json(1, 3, 2, 1, 1, 2), "/points", "width 0"),
    "a box of many digits": (from_xml("1, 3", left=10**5000), "/rle", "left an integer of 16610 bits"),
    "an empty text": (from_xml(""), "/rle", "number 0 is ''"),
    "a word": (from_xml("1, three"), "/rle", "number 1 is 'three'"),
    "a sign": (from_xml("1, -3"), "/rle", "number 1 is '-3'"),
    "other digits": (from_xml("1, ٣"), "/rle", r"number 1 is '\u0663'"),
    "many digits": (from_xml("1, " + "9" * 5000), "/rle", "which is no count"),
    "neither": (CvatRleArray(size=[3, 4]), "", "points are needed"),
    "no box": (CvatRleArray(size=[3, 4], rle="1, 3", left=1, top=1, width=2), "", "points are needed"),
    "no text": (CvatRleArray(size=[3, 4], left=1, top=1, width=2, height=2), "", "points are needed"),
    "both": (CvatRleArray(size=[3, 4], points=[1, 3, 1, 1, 2, 2], left=1), "", "not taken beside them"),
    "a size of one": (CvatRleArray(size=[3], points=[1, 3, 1, 1, 2, 2]), "/size", "found 1 number"),
    "a size of 0": (CvatRleArray(size=[0, 4], points=[1, 3, 1, 1, 2, 2]), "/size", "found 0 and 4"),
}


@pytest.mark.parametrize("case", BROKEN_MASKS)
def test_broken_masks_of_cvat_are_refused(case: str) -> None:
    """The pointer says where it is broken, the detail what was found."""
    check_refused(*BROKEN_MASKS[case])


def test_the_caps_of_a_mask_of_cvat() -> None:
    """Pixels, points and numbers of a text are counted before memory is taken."""
    over = {
        "/size": CvatRleArray(size=[2**40, 2**40], rle="1, 3", left=0, top=0, width=2, height=2),
        "/points": from_json(*[0] * 9),
        "/rle": from_xml(",".join("0" * 9)),
    }
    for pointer, document in over.items():
        with pytest.raises(ArrayRejected) as found:
            decoded(document, Caps(list_elements=8))
        assert (found.value.code, found.value.pointer) == ("limit_exceeded", pointer)
