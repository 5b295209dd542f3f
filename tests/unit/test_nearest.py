"""Distances to the nearest place, beside SciPy's transform of the whole image."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from lossgauge_service.measures import nearest as loops
from lossgauge_service.measures.nearest import compiled, nearest
from lossgauge_service.measures.surfaces import distances_to
from numba import njit
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

Mask = NDArray[np.bool_]


def by_scipy(goal: Mask, places: Mask, spacing: tuple[float, ...]) -> NDArray[np.float64]:
    """The same of the whole image."""
    return np.asarray(distance_transform_edt(~goal, spacing)[places])


def points(shape: tuple[int, ...], *at: tuple[int, ...]) -> Mask:
    """A mask of single pixels."""
    mask = np.zeros(shape, bool)
    mask[tuple(np.transpose(at))] = True
    return mask


@given(data=st.data(), shape=array_shapes(min_dims=2, max_dims=3, max_side=40))
def test_the_distance_of_any_places_is_scipys(data: st.DataObject, shape: tuple[int, ...]) -> None:
    """Whatever the masks and the spacing: exact where pixels are square."""
    goal, places = (data.draw(arrays(bool, shape, fill=st.just(False))) for _ in range(2))
    spacing = data.draw(st.sampled_from([(1.0, 1.0, 1.0), (0.5, 2.0, 1.25), (3.0, 3.0, 0.2), (1e-9, 1.0, 1e6)]))[
        -len(shape) :
    ]
    found = distances_to(goal, places, spacing)
    if goal.any():
        tolerance = 0 if set(spacing) == {1.0} else 1e-12
        np.testing.assert_allclose(found, by_scipy(goal, places, spacing), rtol=tolerance)
    else:
        assert np.isinf(found).all()


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("apart", [1, 2, 3, 4, 7, 8, 9, 33, 100])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.0, 0.25, 0.5)])
def test_a_place_far_along_any_axis_is_found(axis: int, apart: int, spacing: tuple[float, ...]) -> None:
    """However far it is: where the search has looked at twice as many rows, and just before and after."""
    shape = tuple(apart + 2 if axis == each else 3 for each in range(3))
    there = tuple(apart + 1 if axis == each else 1 for each in range(3))
    goal, places = points(shape, (0, 0, 0)), points(shape, (1, 1, 1), there, (0, 0, 0))
    np.testing.assert_allclose(distances_to(goal, places, spacing), by_scipy(goal, places, spacing), rtol=1e-12)


def test_places_are_found_in_their_order() -> None:
    """Several places of one line, and lines without a place between them, each have their own distance."""
    goal, places = (
        points((4, 5, 6), (0, 0, 0)),
        points((4, 5, 6), (0, 0, 5), (0, 0, 1), (1, 3, 0), (3, 4, 5), (1, 1, 1)),
    )
    assert nearest(goal, places, (1.0, 1.0, 1.0)).tolist() == [1.0, 25.0, 3.0, 10.0, 50.0]


@pytest.mark.parametrize("shape", [(300, 2, 2), (2, 300, 2), (2, 2, 300), (2, 300), (300, 2)])
def test_long_distances_are_exact(shape: tuple[int, ...]) -> None:
    """From corner to corner of an oblong image."""
    corners = (tuple(0 for _ in shape), tuple(side - 1 for side in shape))
    goal, places = points(shape, corners[0]), points(shape, corners[1])
    assert distances_to(goal, places, (1.0,) * len(shape)) == np.hypot.reduce(np.array(shape) - 1.0)


def test_loops_are_compiled_where_nothing_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that is read-only costs their machine code, which is made again, and not the service."""

    def without_a_folder(cache: bool = False, **options: bool) -> Callable[[Any], Any]:
        def compiling(loop: Any) -> Any:
            if cache:
                raise RuntimeError("no locator available")
            return njit(**options)(loop)

        return compiling

    monkeypatch.setattr(loops, "njit", without_a_folder)
    assert compiled(_twice)(3) == 6


def _twice(number: int) -> int:
    return 2 * number
