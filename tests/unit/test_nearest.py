"""Distances to the nearest place, beside SciPy's transform of the whole image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from lossgauge_service.measures.nearest import FIRST, LAST, nearest
from lossgauge_service.measures.surfaces import distances_to
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
    """Whatever the masks and the spacing: exact where pixels are square, else to 1e-6."""
    goal, places = (data.draw(arrays(bool, shape, fill=st.just(False))) for _ in range(2))
    spacing = data.draw(st.sampled_from([(1.0, 1.0, 1.0), (0.5, 2.0, 1.25), (3.0, 3.0, 0.2)]))[-len(shape) :]
    found = distances_to(goal, places, spacing)
    if goal.any():
        tolerance = 0 if set(spacing) == {1.0} else 1e-6
        np.testing.assert_allclose(found, by_scipy(goal, places, spacing), rtol=tolerance)
    else:
        assert np.isinf(found).all()


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("apart", [FIRST, FIRST + 1, LAST, LAST + 1, 3 * LAST])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.0, 0.25, 0.5)])
def test_a_place_far_along_any_axis_is_found(axis: int, apart: int, spacing: tuple[float, ...]) -> None:
    """At the edge of each window, and beyond the last, where the transform of the image takes over."""
    shape = tuple(apart + 2 if axis == each else 3 for each in range(3))
    there = tuple(apart + 1 if axis == each else 1 for each in range(3))
    goal, places = points(shape, (0, 0, 0)), points(shape, (1, 1, 1), there, (0, 0, 0))
    np.testing.assert_allclose(distances_to(goal, places, spacing), by_scipy(goal, places, spacing), rtol=1e-6)


def test_what_lies_beyond_the_windows_is_not_known() -> None:
    """A place is known that is as near as a window reaches; one that is farther along the middle axis is not."""
    shape = (3, 3 * LAST, 3)
    found = nearest(points(shape, (1, 0, 1)), points(shape, (1, LAST, 1), (1, LAST + 2, 1)), (1.0, 1.0, 1.0))
    assert found.known.tolist() == [True, False]
    assert found.squares[0] == LAST**2


@pytest.mark.parametrize("shape", [(300, 2, 2), (2, 300, 2), (2, 2, 300), (2, 300), (300, 2)])
def test_squares_above_the_least_integers_are_exact(shape: tuple[int, ...]) -> None:
    """An image too long for 16 bits of squared distances has them exact, too."""
    corners = (tuple(0 for _ in shape), tuple(side - 1 for side in shape))
    goal, places = points(shape, corners[0]), points(shape, corners[1])
    assert distances_to(goal, places, (1.0,) * len(shape)) == np.hypot.reduce(np.array(shape) - 1.0)
