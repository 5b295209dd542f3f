"""COCO's run lengths and polygons, beside pycocotools."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from lossgauge.encodings import coco_rle, encode
from lossgauge.encodings.base import AnyArray, ArrayRejected, Caps, Encoded
from lossgauge.encodings.coco_polygons import CocoPolygonsArray
from lossgauge.encodings.coco_rle import CocoRleArray
from pycocotools import mask as coco

# pycocotools hands over arrays in a way that NumPy 2 is leaving
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CAPS = Caps()
MASKS = arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=24))


def text_of(mask: AnyArray) -> str:
    """What pycocotools writes."""
    counts: bytes = coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]
    return counts.decode()


def filled(polygons: list[list[float]], height: int, width: int) -> AnyArray:
    """What pycocotools makes of polygons."""
    mask: AnyArray = coco.decode(coco.merge(coco.frPyObjects(polygons, height, width)))
    return mask.astype(bool)


def decoded(document: Encoded, caps: Caps = CAPS) -> AnyArray:
    """The array of a document that needs no attachment, which is of booleans."""
    mask = document.decode({}, caps)
    assert mask.dtype == np.bool_
    return mask


def polygons_of(size: list[int], *polygons: list[float]) -> CocoPolygonsArray:
    """A document of polygons."""
    return CocoPolygonsArray(size=size, polygons=[*polygons])


# ---------------------------------------------------------------------------------------------------------------- runs


@given(mask=MASKS)
def test_runs_are_written_as_pycocotools_writes_them(mask: AnyArray) -> None:
    """The text is the same, and so is the mask that pycocotools and this package read from it."""
    document = encode(mask, "coco_rle")
    assert document.model_dump() == {"encoding": "coco_rle", "size": [*mask.shape], "counts": text_of(mask)}
    assert np.array_equal(decoded(document), mask)


@given(mask=MASKS)
def test_a_list_of_runs_is_read_as_pycocotools_reads_it(mask: AnyArray) -> None:
    """The list form and the text form are the same mask."""
    size, text = [*mask.shape], text_of(mask)
    counts = coco_rle.read(text, mask.size).tolist()
    theirs = coco.decode(coco.frPyObjects({"size": size, "counts": counts}, *size))
    assert np.array_equal(decoded(CocoRleArray(size=size, counts=counts)), theirs.astype(bool))


@given(counts=st.lists(st.integers(0, 2**28), min_size=1, max_size=9))
def test_long_runs_are_written_as_pycocotools_writes_them(counts: list[int]) -> None:
    """Runs of every number of characters, rising and falling, go to the same text and come back."""
    size = [sum(counts), 1]
    theirs = coco.frPyObjects({"size": size, "counts": counts}, *size)["counts"].decode()
    assert coco_rle.written(np.array(counts)) == theirs
    assert coco_rle.read(theirs, size[0]).tolist() == counts


@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (200, 1), (63, 65), (64, 64), (129, 200)], ids=str)
def test_a_mask_of_any_size_is_read_along_the_rows(shape: tuple[int, int]) -> None:
    """Whatever strips an image is turned in, the mask is what was written, laid out as other arrays are; its bits too."""
    mask = np.random.default_rng(4).random(shape) < 0.5
    runs = CocoRleArray.of(mask)
    found, bits = runs.decode({}, Caps()), runs.decode_compact({}, Caps())
    assert found.flags.c_contiguous
    assert (found == mask).all()
    assert (bits.unpacked() == mask).all()


def test_runs_go_down_the_columns() -> None:
    """One pixel of 0, three of 1, two of 0, in an image of two rows."""
    mask = [[False, True, False], [True, True, False]]
    assert decoded(CocoRleArray(size=[2, 3], counts=[1, 3, 2])).tolist() == mask
    assert decoded(CocoRleArray(size=[2, 3], counts=[1, 2, 0, 1, 2])).tolist() == mask
    assert decoded(CocoRleArray(size=[2, 3], counts="132")).tolist() == mask


REFUSED: dict[str, tuple[list[int], Any, str, str]] = {
    "too few pixels": ([2, 3], [1, 3], "/counts", "add up to 4 pixels; 6 are needed"),
    "too many pixels": ([2, 3], [1, 3, 3], "/counts", "add up to 7 pixels; 6 are needed"),
    "no runs": ([2, 3], [], "/counts", "add up to 0 pixels"),
    "no text": ([2, 3], "", "/counts", "add up to 0 pixels"),
    "a negative run": ([2, 3], [1, -1, 6], "/counts", "run 1 is -1; it is 0 to 6"),
    "a huge run": ([2, 3], [1, 2**40, 6], "/counts", "run 1 is 1099511627776"),
    "a run beyond floats": ([2, 3], [1, 10**400], "/counts", "larger than any count"),
    "a run beyond int64": ([2, 3], [2**64 + 1], "/counts", "number 0 is an integer of 65 bits"),
    "half a pixel": ([2, 3], [1, 2.5, 2.5], "/counts", "number 1 is 2.5"),
    "nan": ([2, 3], [float("nan")], "/counts", "number 0 is nan"),
    "infinity": ([2, 3], [float("inf")], "/counts", "number 0 is inf"),
    "a boolean": ([2, 3], [True, 5], "/counts", "found a boolean"),
    "a string among runs": ([2, 3], ["1", 5], "/counts", "found a string"),
    "runs of runs": ([2, 3], [[1, 5]], "/counts", "found a list"),
    "more runs than pixels": ([1, 2], [0, 0, 0, 2], "/counts", "4 runs; an image of 2 pixels"),
    "a number": ([2, 3], 6, "/counts", "a list is needed; found a number"),
    "nothing": ([2, 3], None, "/counts", "a list is needed; found null"),
    "a cut text": ([2, 3], "13R", "/counts", "ends within a number"),
    "a text of no end": ([2, 3], "P", "/counts", "ends within a number"),
    "a number of too many characters": ([90, 90], "P" * 7 + "0", "/counts", "a number of 8 characters"),
    "a long text": ([1, 1], "1" * 15, "/counts", "15 characters"),
    "a character before": ([2, 3], "1/3", "/counts", "character 1 is '/'"),
    "a character after": ([2, 3], "1p3", "/counts", "character 1 is 'p'"),
    "a character of two bytes": ([2, 3], "1é3", "/counts", r"character 1 is '\xe9'"),
    "half a character": ([2, 3], "1\ud8003", "/counts", r"character 1 is '\ud800'"),
    "a negative number": ([2, 3], "1O6", "/counts", "run 1 is -1"),
    "no rows": ([0, 3], [], "/size", "found 0 and 3"),
    "negative columns": ([2, -3], [6], "/size", "found 2 and -3"),
    "negative columns of many digits": ([2, -(10**5000)], [6], "/size", "an integer of"),
    "one side": ([6], [6], "/size", "found 1 number"),
    "three sides": ([1, 2, 3], [6], "/size", "found 3 numbers"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_broken_runs_are_refused(case: str) -> None:
    """The pointer says where it is broken, and the detail what was found there."""
    size, counts, pointer, detail = REFUSED[case]
    document = CocoRleArray(size=size, counts=counts)
    with pytest.raises(ArrayRejected) as found:
        decoded(document)
    assert (found.value.code, found.value.pointer) == ("undecodable_array", pointer)
    assert detail in found.value.detail
    assert len(found.value.detail) < 300


OVER: dict[str, tuple[Encoded, str, str]] = {
    "an image of terabytes": (CocoRleArray(size=[2**40, 2**40], counts=[2**80]), "array_elements", "/size"),
    "an image of many pixels": (CocoRleArray(size=[5, 5], counts=[25]), "array_elements", "/size"),
    "a list of runs": (CocoRleArray(size=[4, 4], counts=[1] * 9), "list_elements", "/counts"),
    "a text of runs": (CocoRleArray(size=[4, 4], counts="1" * 65), "list_elements", "/counts"),
    "polygons in terabytes": (polygons_of([2**40, 2**40], [0.0] * 6), "array_elements", "/size"),
    "a polygon of corners": (polygons_of([4, 4], [0.0] * 10), "list_elements", "/polygons/0"),
    "polygons of corners": (polygons_of([4, 4], [0.0] * 6, [0.0] * 6), "list_elements", "/polygons"),
    "polygons": (polygons_of([4, 4], *[[0.0] * 6] * 9), "list_elements", "/polygons"),
    "polygons across columns": (polygons_of([1, 16], [0, 0, 0, 1, 16, 1]), "list_elements", "/polygons"),
}


@pytest.mark.parametrize("case", OVER)
def test_caps_are_checked(case: str) -> None:
    """What is over a cap is refused with its name."""
    document, limit, pointer = OVER[case]
    with pytest.raises(ArrayRejected) as found:
        decoded(document, Caps(array_elements=16, list_elements=8))
    assert (found.value.code, found.value.limit, found.value.pointer) == ("limit_exceeded", limit, pointer)


@pytest.mark.parametrize(
    "array", [np.array([[2]]), np.array([[0.5]]), np.array([1]), np.ones((1, 1, 1), bool), np.zeros((0, 3), bool)]
)
def test_what_is_no_mask_is_not_written(array: AnyArray) -> None:
    """Two axes, pixels, and 0 and 1 only."""
    with pytest.raises(ArrayRejected):
        encode(array, "coco_rle")


# ------------------------------------------------------------------------------------------------------------ polygons


@st.composite
def images_of_polygons(draw: st.DrawFn) -> tuple[list[list[float]], int, int]:
    """A few polygons around an image: of whole and of other numbers, with points twice, far outside too."""
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    reach = draw(st.sampled_from([2.0, 50.0, 5000.0]))
    anywhere = st.floats(-reach, reach + 40)
    numbers = st.one_of(anywhere, st.integers(-3, 43).map(float), st.integers(-30, 430).map(lambda tenths: tenths / 10))
    polygon = st.lists(numbers, min_size=3, max_size=8).flatmap(
        lambda xs: st.lists(numbers, min_size=len(xs), max_size=len(xs)).map(
            lambda ys: [number for pair in zip(xs, ys, strict=True) for number in pair]
        )
    )
    return draw(st.lists(polygon, min_size=1, max_size=4)), height, width


@given(image=images_of_polygons())
def test_polygons_are_filled_as_pycocotools_fills_them(image: tuple[list[list[float]], int, int]) -> None:
    """Every pixel is the same, whatever the polygons are."""
    polygons, height, width = image
    assert np.array_equal(decoded(polygons_of([height, width], *polygons)), filled(polygons, height, width))


@pytest.mark.parametrize("seed", range(20))
def test_polygons_of_a_large_image_are_filled_as_pycocotools_fills_them(seed: int) -> None:
    """Curves of many points, a third of them beyond the borders."""
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(50, 500, 2))
    angles = np.sort(rng.uniform(0, 2 * np.pi, (3, 150)))
    radii = rng.uniform(20, 300, (3, 1)) * rng.uniform(0.5, 1, (3, 150))
    corners = np.stack([width / 2 + radii * np.cos(angles), height / 3 + radii * np.sin(angles)], axis=-1)
    polygons = corners.reshape(3, -1).tolist()
    assert np.array_equal(decoded(polygons_of([height, width], *polygons)), filled(polygons, height, width))


def test_a_square_is_its_pixels() -> None:
    """Corners at the corners of pixels enclose those pixels; the order of the corners does not matter."""
    expected = np.zeros((4, 5), bool)
    expected[1:3, 2:4] = True
    squares: list[list[float]] = [[2, 1, 4, 1, 4, 3, 2, 3], [2, 1, 2, 3, 4, 3, 4, 1, 2, 1]]
    for square in squares:
        assert np.array_equal(decoded(polygons_of([4, 5], square)), expected)


def test_polygons_are_joined() -> None:
    """Pixels of any polygon are of the mask, those of two of them too; a polygon twice is that polygon."""
    squares: list[list[float]] = [[0, 0, 3, 0, 3, 3, 0, 3], [1, 1, 4, 1, 4, 4, 1, 4]]
    expected = np.zeros((4, 4), bool)
    expected[:3, :3] = expected[1:, 1:] = True
    assert np.array_equal(decoded(polygons_of([4, 4], *squares)), expected)
    assert np.array_equal(decoded(polygons_of([4, 4], *squares, *squares)), expected)


def test_no_polygons_are_an_empty_mask() -> None:
    """A document without polygons, and one with all of them elsewhere."""
    assert not decoded(polygons_of([3, 4])).any()
    assert not decoded(polygons_of([3, 4], [100, 100, 120, 100, 120, 130])).any()


def test_what_lies_outside_takes_no_memory() -> None:
    """A polygon of the largest coordinates covers the image; its boundary would have billions of points."""
    far = float(2**27)
    assert decoded(polygons_of([3, 4], [-far, -far, far, -far, far, far, -far, far])).all()


BROKEN: dict[str, tuple[Any, str, str]] = {
    "two points": ([[0, 0, 5, 5]], "/polygons/0", "found 4 numbers"),
    "no points": ([[]], "/polygons/0", "found 0 numbers"),
    "an odd number": ([[0.0] * 6, [0.0] * 7], "/polygons/1", "found 7 numbers, which are no pairs"),
    "nan": ([[0, 0, 1, float("nan"), 2, 2]], "/polygons/0", "coordinate 3 is nan"),
    "infinity": ([[0, 0, 1, 1, float("-inf"), 2]], "/polygons/0", "coordinate 4 is -inf"),
    "too far": ([[0, 0, 1, 1, 2, 2**27 + 1]], "/polygons/0", "coordinate 5 is 134217729"),
    "much too far": ([[0, 0, 1, 1, 2, 10**400]], "/polygons/0", "coordinate 5 is an integer of 1329 bits"),
    "a boolean": ([[0, 0, True, 1, 2, 2]], "/polygons/0", "coordinate 2 is a boolean"),
    "null": ([[0, 0, None, 1, 2, 2]], "/polygons/0", "coordinate 2 is null"),
    "points in lists": ([[[0, 0], [1, 1], [2, 2], [3, 3], [4, 4], [5, 5]]], "/polygons/0", "coordinate 0 is a list"),
    "a flat list": ([0, 0, 1, 1, 2, 2], "/polygons/0", "a list is needed; found a number"),
    "a text": ("0 0 1 1 2 2", "/polygons", "a list is needed; found a string"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_polygons_are_refused(case: str) -> None:
    """The pointer says which polygon, the detail what was found."""
    polygons, pointer, detail = BROKEN[case]
    with pytest.raises(ArrayRejected) as found:
        decoded(CocoPolygonsArray(size=[9, 9], polygons=polygons))
    assert (found.value.code, found.value.pointer) == ("undecodable_array", pointer)
    assert detail in found.value.detail
