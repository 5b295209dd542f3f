"""The row of surface distances, choice by choice: percentiles by area, borders, spacing, tolerances, bands along borders."""

from typing import Any

import numpy as np
import pytest
from lossgauge.metrics import CATALOGUE
from lossgauge_service.engine import Engine
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, distance_transform_edt

from tests.reference import Case
from tests.reference.case import AnyArray
from tests.scoring import score

Mask = NDArray[np.bool_]
A = np.zeros((20, 24), bool)
A[3:12, 4:15] = True
B = np.zeros((20, 24), bool)
B[5:16, 6:20] = True
B[18, 22] = True
"""Two boxes that overlap, and a pixel far from both."""


def box(shape: tuple[int, ...], *sides: slice) -> Mask:
    """A box in an image."""
    mask = np.zeros(shape, bool)
    mask[sides] = True
    return mask


def value(
    engine: Engine, name: str, pair: tuple[AnyArray, AnyArray], spacing: Any = None, **parameters: Any
) -> float | None:
    """A metric of two masks."""
    case = Case(*pair, prediction_kind="labels", spacing=spacing)
    return score(engine, CATALOGUE[name].model_validate(parameters), case).value


# ---------------------------------------------------------------------------------------------- half-pixel surfels, by area


def _lengths(mask: Mask, down: float = 1.0, right: float = 1.0) -> AnyArray:
    """The length of the outline in the 2 x 2 pixels around each corner of a pixel: half a diagonal where one of them or three
    are inside, a side where two beside each other are, and a whole diagonal where two across are."""
    around = sliding_window_view(np.pad(mask, 1), (2, 2))
    inside = around.sum((2, 3))
    across = (inside == 2) & (around[..., 0, 0] == around[..., 1, 1])
    level = (inside == 2) & (around[..., 0, 0] == around[..., 0, 1])
    kinds = [inside % 2 == 1, across, level, inside == 2]
    diagonal = np.hypot(down, right)
    return np.select(kinds, [diagonal / 2, diagonal, right, down], 0.0)


def _by_area(one: AnyArray, other: AnyArray, spacing: tuple[float, float] = (1.0, 1.0)) -> tuple[AnyArray, AnyArray]:
    """The distance from each piece of an outline to the other outline, and the piece's length."""
    far = distance_transform_edt(other == 0, sampling=spacing)
    return np.asarray(far[one > 0]), np.asarray(one[one > 0])


def _percentile(distances: AnyArray, lengths: AnyArray, share: float) -> float:
    """The least distance within which this share of the length lies."""
    order = np.argsort(distances, kind="stable")
    whole = np.cumsum(lengths[order])
    return float(distances[order][np.argmax(whole >= share * whole[-1])])


@pytest.mark.parametrize("percentile", [50.0, 80.0, 95.0])
def test_hd95_by_surface_area(engine: Engine, percentile: float) -> None:
    """hd_mode area_weighted: the greater of the directed percentiles by the length of half-pixel surfels, not by their number."""
    a, b = _lengths(A), _lengths(B)
    expected = max(_percentile(*_by_area(*pair), percentile / 100) for pair in ((a, b), (b, a)))
    found = value(engine, "hausdorff", (A, B), percentile=percentile, hd_mode="area_weighted")
    assert found == pytest.approx(expected, rel=1e-9)


def test_hd95_in_its_definitions_are_three_numbers(engine: Engine) -> None:
    """On one pair the three of `hd_mode` differ: what is named is what is computed."""
    modes = ("max_of_directed", "pooled", "area_weighted")
    found = {value(engine, "hausdorff", (A, B), percentile=95.0, hd_mode=mode) for mode in modes}
    assert len(found) == 3


@pytest.mark.parametrize("tolerance", [0.0, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.5, 2.0)])
def test_nsd_of_areas_pooled(engine: Engine, spacing: tuple[float, float], tolerance: float) -> None:
    """nsd_mode pooled_areas: the length of both outlines that is near the other, over the length of both."""
    a, b = _lengths(A, *spacing), _lengths(B, *spacing)
    (there, its), (back, own) = _by_area(a, b, spacing), _by_area(b, a, spacing)
    near = its[there <= tolerance].sum() + own[back <= tolerance].sum()
    found = value(engine, "surface_dice", (A, B), spacing, tolerance=tolerance, nsd_mode="pooled_areas")
    assert found == pytest.approx(near / (its.sum() + own.sum()), rel=1e-9)


def test_nsd_by_hand_in_its_three_modes(engine: Engine) -> None:
    """Five pixels in a row and the first three of them, at a tolerance of 1.

    The pixel at the far end is 2 away: of the counts 7 of 8 are near, of the fractions (1 + 4/5) / 2. The outlines are 4 sides
    and 8 sides with 4 half diagonals each, of which the two half diagonals at the far end alone are out.
    """
    long, short = box((3, 9), slice(1, 2), slice(2, 7)), box((3, 9), slice(1, 2), slice(2, 5))
    counts, fractions, areas = (
        value(engine, "surface_dice", (short, long), tolerance=1.0, nsd_mode=mode)
        for mode in ("pooled_counts", "mean_of_fractions", "pooled_areas")
    )
    assert counts == pytest.approx(7 / 8)
    assert fractions == pytest.approx((1 + 4 / 5) / 2)
    half = np.sqrt(2) / 2
    assert areas == pytest.approx((4 + 4 * half + 8 + 2 * half) / (4 + 4 * half + 8 + 4 * half))


# ---------------------------------------------------------------------------------------------------------------- borders


def test_border_of_4_or_8_neighbours(engine: Engine) -> None:
    """A square of 5 without a corner against the whole: the pixel inside that corner is a border to 8 neighbours only.

    To 4 the borders have 15 and 16 pixels, of which the corner alone is off the other; to 8 they have 16 each, and the pixel
    inside is off too.
    """
    whole = box((9, 9), slice(2, 7), slice(2, 7))
    cut = whole & ~box((9, 9), slice(2, 3), slice(2, 3))
    found = [value(engine, "surface_dice", (cut, whole), tolerance=0.0, border=border) for border in ("faces", "full")]
    assert found == pytest.approx([30 / 31, 30 / 32])


@pytest.mark.parametrize("border", ["faces", "full"])
def test_border_is_what_an_erosion_takes(engine: Engine, border: str) -> None:
    """The border is the mask less its erosion by a cross of 4 or a square of 8 neighbours; all distances follow from it."""
    rough = [np.random.default_rng(seed).random((24, 24)) < 0.8 for seed in (1, 2)]
    element = np.ones((3, 3)) if border == "full" else None
    one, other = (mask & ~binary_erosion(mask, element) for mask in rough)
    distances = np.concatenate([distance_transform_edt(~other)[one], distance_transform_edt(~one)[other]])
    found = value(engine, "average_surface_distance", (rough[0], rough[1]), border=border)
    assert found == pytest.approx(distances.mean(), rel=1e-6)


def test_edge_is_border_or_not(engine: Engine) -> None:
    """Three and five columns from the image's left edge to its bottom and top.

    With edge_is_border false the last columns are the borders: every pixel of one is 2 from the other. With true the borders
    have 10 and 14 pixels, whose 24 distances are 12 in all.
    """
    pair = box((4, 6), slice(None), slice(0, 3)), box((4, 6), slice(None), slice(0, 5))
    found = [value(engine, "average_surface_distance", pair, edge_is_border=edge) for edge in (True, False)]
    assert found == pytest.approx([12 / 24, 2.0])
    areas = [
        value(engine, "surface_dice", pair, tolerance=1.0, nsd_mode="pooled_areas", edge_is_border=edge)
        for edge in (True, False)
    ]
    assert areas[0] is not None
    assert areas[0] > 0
    assert areas[1] == 0


# ---------------------------------------------------------------------------------------------------------------- spacing


@pytest.mark.parametrize(
    ("spacing", "move", "distance"),
    [
        ((0.5, 3.0), (4, 0), 2.0),
        ((0.5, 3.0), (0, 4), 12.0),
        ((0.5, 3.0), (4, 4), float(np.hypot(2, 12))),
        ((2.0, 0.5, 3.0), (1, 0, 0), 2.0),
        ((2.0, 0.5, 3.0), (0, 4, 0), 2.0),
        ((2.0, 0.5, 3.0), (0, 0, 2), 6.0),
        ((2.0, 0.5, 3.0), (1, 2, 2), float(np.sqrt(2**2 + 1**2 + 6**2))),
    ],
)
@pytest.mark.parametrize(
    ("name", "parameters"),
    [("hausdorff", {}), ("hausdorff", {"percentile": 95.0}), ("average_surface_distance", {})],
    ids=["hausdorff", "hd95", "assd"],
)
def test_spacing_per_axis(
    engine: Engine,
    name: str,
    parameters: dict[str, Any],
    spacing: tuple[float, ...],
    move: tuple[int, ...],
    distance: float,
) -> None:
    """Two single pixels are as far apart as their steps along each axis times that axis's spacing."""
    here, there = (np.zeros((7,) * len(spacing), bool) for _ in range(2))
    here[(1,) * len(spacing)] = True
    there[tuple(1 + step for step in move)] = True
    assert value(engine, name, (here, there), spacing, **parameters) == pytest.approx(distance, rel=1e-9)


def test_spacing_is_the_unit_of_the_tolerance(engine: Engine) -> None:
    """A pixel 4 rows of 0.5 away is within a tolerance of 2, and out of one of 1.9; a pixel 4 columns of 3 away is not."""
    here, below, beside = (box((7, 7), slice(row, row + 1), slice(at, at + 1)) for row, at in ((1, 1), (5, 1), (1, 5)))
    spacing = (0.5, 3.0)
    found = [
        value(engine, "surface_dice", (here, other), spacing, tolerance=tolerance)
        for other, tolerance in ((below, 2.0), (below, 1.9), (beside, 2.0), (beside, 12.0))
    ]
    assert found == [1.0, 0.0, 0.0, 1.0]


def test_spacing_makes_the_diagonal_of_a_missed_object(engine: Engine) -> None:
    """image_diagonal is sqrt(sum (n_i s_i)^2): of 6 rows of 0.5 and 8 columns of 0.5, 5."""
    pair = np.zeros((6, 8), bool), box((6, 8), slice(2, 4), slice(2, 4))
    assert value(engine, "hausdorff", pair, (0.5, 0.5), empty={"prediction": "image_diagonal"}) == 5.0
    assert value(engine, "hausdorff", pair, (1.0, 0.0001)) == pytest.approx(6.0, rel=1e-6)


# ----------------------------------------------------------------------------------------------------------- boundary IoU


def _band_iou(one: Mask, other: Mask, width: int) -> float:
    """The IoU of what an erosion by a square, `width` times, takes of each mask."""
    bands = [mask & ~binary_erosion(mask, np.ones((3, 3)), width) for mask in (one, other)]
    return float(np.sum(bands[0] & bands[1]) / np.sum(bands[0] | bands[1]))


@pytest.mark.parametrize(
    ("shape", "parameters", "width"),
    [
        ((90, 120), {}, 3),
        ((180, 240), {}, 6),
        ((90, 120), {"dilation_ratio": 0.04}, 6),
        ((18, 24), {}, 1),
        ((45, 60), {}, 2),
        ((27, 36), {"dilation_ratio": 0.001}, 1),
    ],
    ids=["0.02 of 150", "0.02 of 300", "0.04 of 150", "at least 1", "1.5 is 2", "at least 1 of a small share"],
)
def test_boundary_iou_dilates_by_a_share_of_the_diagonal(
    engine: Engine, shape: tuple[int, int], parameters: dict[str, float], width: int
) -> None:
    """The bands are 0.02 of the image's diagonal wide, at least 1 pixel: a pixel more or less is another number."""
    height, breadth = shape
    one = box(shape, slice(2, height - 3), slice(2, breadth - 3))
    other = box(shape, slice(3, height - 3), slice(3, breadth - 2))
    found = value(engine, "boundary_iou", (one, other), **parameters)
    assert found == pytest.approx(_band_iou(one, other, width), rel=1e-12)
    assert all(found != pytest.approx(_band_iou(one, other, width + off), rel=1e-3) for off in (1, 2))


def test_boundary_iou_by_hand(engine: Engine) -> None:
    """Two squares of 4 a column apart, bands of 1: outlines of 12 pixels of which 6 are of both."""
    pair = box((9, 9), slice(2, 6), slice(2, 6)), box((9, 9), slice(2, 6), slice(3, 7))
    assert value(engine, "boundary_iou", pair) == pytest.approx(6 / 18)
