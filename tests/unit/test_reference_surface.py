"""The references of surfaces against MONAI, SciPy and the values of hand-made masks."""

from typing import Any

import numpy as np
import pytest
import torch
from lossgauge import metrics as m
from lossgauge.metrics import MetricSpec
from lossgauge_service.measures.surfels import measures_of
from scipy.ndimage import binary_erosion
from scipy.spatial.distance import directed_hausdorff

from tests.reference import Case, reference
from tests.reference.case import AnyArray

RNG = np.random.default_rng(11)
SHAPES = [(9, 12), (6, 7, 5)]
SPACING = (0.7, 1.3, 2.0)


def masks(shape: tuple[int, ...]) -> tuple[AnyArray, AnyArray]:
    """Two masks of a third of the pixels."""
    prediction, target = (RNG.random((2, *shape)) < 1 / 3).astype(int)
    return prediction, target


def value(spec: MetricSpec, pair: tuple[AnyArray, AnyArray], spaced: bool = True) -> float:
    """The reference's value of two masks."""
    spacing = SPACING[: pair[0].ndim] if spaced else None
    found = reference(spec, Case(*pair, prediction_kind="labels", spacing=spacing)).value
    assert found is not None
    return found


def points(mask: AnyArray) -> AnyArray:
    """The places of the border's pixels, spaced."""
    return np.asarray(np.argwhere(mask & ~binary_erosion(mask)) * np.array(SPACING[: mask.ndim]))


@pytest.mark.parametrize("shape", SHAPES)
def test_hausdorff_is_scipys(shape: tuple[int, ...]) -> None:
    """The directed distance is SciPy's, of borders by its erosion, and the distance is the larger of the two."""
    prediction, target = masks(shape)
    there, back = (
        directed_hausdorff(*(points(x) for x in pair))[0] for pair in ((prediction, target), (target, prediction))
    )
    assert value(m.Hausdorff(directed=True), (prediction, target)) == pytest.approx(there, rel=1e-12)
    assert value(m.Hausdorff(), (prediction, target)) == pytest.approx(max(there, back), rel=1e-12)


@pytest.fixture
def monai() -> Any:
    """MONAI's metrics, where it is installed."""
    return pytest.importorskip("monai.metrics")


def tensors(pair: tuple[AnyArray, AnyArray]) -> list[torch.Tensor]:
    """Background and foreground, as MONAI takes them."""
    return [torch.from_numpy(np.stack([1 - mask, mask]))[None] for mask in pair]


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("shape", SHAPES)
def test_distances_are_monais(monai: Any, shape: tuple[int, ...]) -> None:
    """HD, HD95 and both average distances, to MONAI's float32."""
    pair = masks(shape)
    spaced: dict[str, Any] = {"spacing": list(SPACING[: len(shape)])}
    found = {
        value(m.Hausdorff(), pair): monai.compute_hausdorff_distance(*tensors(pair), **spaced),
        value(m.Hausdorff(percentile=95.0), pair): monai.compute_hausdorff_distance(
            *tensors(pair), percentile=95, **spaced
        ),
        value(m.AverageSurfaceDistance(), pair): monai.compute_average_surface_distance(
            *tensors(pair), symmetric=True, **spaced
        ),
        value(m.AverageSurfaceDistance(symmetric="directed"), pair): monai.compute_average_surface_distance(
            *tensors(pair), **spaced
        ),
    }
    assert list(found) == pytest.approx([float(theirs) for theirs in found.values()], rel=1e-6)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mode", ["pooled_counts", "pooled_areas"])
def test_surface_dice_is_monais(monai: Any, mode: str, shape: tuple[int, ...]) -> None:
    """Of pixels, and of half-pixel surfels, which are DeepMind's."""
    pair = masks(shape)
    theirs = monai.compute_surface_dice(
        *tensors(pair),
        class_thresholds=[1.0],
        spacing=list(SPACING[: len(shape)]),
        use_subvoxels=mode == "pooled_areas",
    )
    spec = m.SurfaceDice.model_validate({"tolerance": 1.0, "nsd_mode": mode})
    assert value(spec, pair) == pytest.approx(float(theirs), rel=1e-6)


@pytest.mark.parametrize("axes", [2, 3])
def test_the_areas_of_surfels_are_deepminds(monai: Any, axes: int) -> None:
    """The table of every neighbourhood is the one that MONAI has of DeepMind."""
    table, _ = monai.utils.get_code_to_measure_table(SPACING[:axes])
    assert measures_of(SPACING[:axes]) == pytest.approx(np.asarray(table), rel=1e-6)


def square(top: int, left: int, side: int) -> AnyArray:
    """A square in an image of 12 x 12."""
    mask = np.zeros((12, 12), int)
    mask[top : top + side, left : left + side] = 1
    return mask


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (m.Hausdorff(), 2.0),
        (m.Hausdorff(percentile=50.0), 1.0),
        (m.Hausdorff(percentile=50.0, hd_mode="pooled"), 1.0),
        (m.AverageSurfaceDistance(), (4 * 2 + 4 * 1) / 12),
        (m.BoundaryIou(), 4 / 20),
        (m.BoundaryIou(dilation_ratio=1.0), 8 / 24),
    ],
    ids=repr,
)
def test_a_shifted_square_by_hand(spec: MetricSpec, expected: float) -> None:
    """Two squares of 4 x 4, one two to the right of the other."""
    assert value(spec, (square(4, 2, 4), square(4, 4, 4)), spaced=False) == pytest.approx(expected, rel=1e-12)


def test_percentiles_by_area_by_hand() -> None:
    """A square of 2 in one of 4: the corners that are sqrt 2 away hold less than half of either length."""
    pair = (square(5, 5, 2), square(4, 4, 4))
    found = [value(m.Hausdorff(percentile=q, hd_mode="area_weighted"), pair, spaced=False) for q in (50.0, 95.0)]
    assert found == pytest.approx([1.0, np.sqrt(2)])
