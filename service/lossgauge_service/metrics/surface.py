"""Distances between surfaces, and how well surfaces, bands along borders, and centrelines meet."""

from collections.abc import Callable
from typing import Any

import numpy as np
from lossgauge.metrics import AverageSurfaceDistance, BoundaryIou, CentrelineDice, Hausdorff, SurfaceDice
from lossgauge.metrics.overlap import ClassAveraged
from lossgauge.metrics.surface import Distance, Surfaced
from lossgauge.wire import Score
from lossgauge.words import counted

from lossgauge_service.measures.boundaries import BandCounts, Bands
from lossgauge_service.measures.skeletons import SkeletonCounts, Skeletons
from lossgauge_service.measures.surfaces import Borders, Distances, SurfaceRecord, Surfaces
from lossgauge_service.measures.surfels import Surfels
from lossgauge_service.metrics.class_averages import averaged, background_misfit, counts_key
from lossgauge_service.metrics.implementation import Implementation, Misfit
from lossgauge_service.metrics.values import Readings, Reasons, finite, ratio
from lossgauge_service.samples import Case
from lossgauge_service.statistics import Measure, Sums, Totals, Values

Key = Callable[[Any, Case], Measure[Any]]
Formula = Callable[[Any, Any, Reasons], Readings]
Value = Callable[[Any, Surfaces], float]
"""The value of one pair of surfaces; NaN where there is nothing to divide by."""

WITHIN = 1 + 1e-6
"""What a distance may be off by and still be its tolerance."""

TO_ROUNDING = 1 - 1e-12
"""What a share of the area may be off by and still be the percentile."""


def _implementation(spec: type[ClassAveraged], key: Key, formula: Formula) -> Implementation[Any]:
    def finish(spec: ClassAveraged, sums: Sums, case: Case) -> list[Score]:
        parts = sums.measured(key(spec, case))
        return averaged(spec, sums, case, parts, lambda parts, reasons: formula(spec, parts, reasons))

    return Implementation(spec, lambda spec, case: [Totals(), key(spec, case)], finish, _misfit)


def _misfit(spec: ClassAveraged, case: Case) -> Misfit | None:
    if case.axes not in (2, 3):
        return Misfit(f"surfaces are of masks of 2 or 3 axes; found {case.axes}")
    if case.weighted:
        return Misfit("a surface has no weights; found a weight map")
    if case.soft:
        return Misfit("a surface is of a mask of labels; found a target of probabilities")
    if isinstance(spec, SurfaceDice) and isinstance(spec.tolerance, list) and len(spec.tolerance) != case.classes:
        given = counted(len(spec.tolerance), "entry", "entries")
        return Misfit(f"tolerance has {given}; the classes are {case.classes}", ("tolerance",))
    return background_misfit(spec, case)


# -------------------------------------------------------------------------------------------------------------- surfaces


def _surfaces_key(spec: Surfaced, case: Case) -> Borders | Surfels:
    mask = counts_key(spec, case)
    if "area_weighted" in _modes(spec) or "pooled_areas" in _modes(spec):
        return Surfels(mask.threshold, mask.inclusive, spec.edge_is_border)
    return Borders(mask.threshold, mask.inclusive, spec.border, spec.edge_is_border)


def _modes(spec: Surfaced) -> tuple[str | None, ...]:
    return getattr(spec, "hd_mode", None), getattr(spec, "nsd_mode", None)


def _each(value: Value) -> Formula:
    def formula(spec: Distance, parts: SurfaceRecord, reasons: Reasons) -> Readings:
        found = _readings([value(spec, pair) for pair in parts.surfaces.ravel().tolist()], reasons)
        return _of_nothing(found, parts) if spec.empty.both == "image_diagonal" else found

    return formula


def _of_nothing(found: Readings, parts: SurfaceRecord) -> Readings:
    """The image's diagonal where both masks are empty: there is no surface to have it as its distance."""
    nothing = (parts.predicted == 0) & (parts.targeted == 0)
    diagonals = np.array([pair.diagonal for pair in parts.surfaces.ravel().tolist()]).reshape(nothing.shape)
    return Readings(
        np.where(nothing, diagonals, found.numbers), np.where(nothing, np.asarray(None, object), found.reasons)
    )


def _readings(numbers: list[float], reasons: Reasons) -> Readings:
    values = np.array(numbers, np.float64).reshape(reasons.shape)
    return finite(values).unless(np.isnan(values), reasons)


def _directions(spec: Distance, pair: Surfaces, directed: bool) -> list[Distances]:
    """Those of the two directions that have distances; the way back stands for a prediction that has no surface."""
    there = pair.to_target.where_nothing_is(spec.empty.target)
    back = pair.to_prediction.where_nothing_is(spec.empty.prediction)
    found = [distances for distances in (there, back) if len(distances.values)]
    return found[:1] if directed else found


def _hausdorff(spec: Hausdorff, pair: Surfaces) -> float:
    directions = _directions(spec, pair, spec.directed)
    share = 100.0 if spec.percentile is None else spec.percentile
    if not directions:
        return np.nan
    if spec.hd_mode == "area_weighted":
        return max(_percentile_by_area(distances, share) for distances in directions)
    if spec.hd_mode == "pooled":
        return _percentile(np.concatenate([distances.values for distances in directions]), share)
    return max(_percentile(distances.values, share) for distances in directions)


def _percentile(values: Values, share: float) -> float:
    if share == 100:
        return float(values.max())
    place = (len(values) - 1) * share / 100
    low = int(place)
    ordered = np.partition(values, [low, min(low + 1, len(values) - 1)])
    below, above = float(ordered[low]), float(ordered[min(low + 1, len(values) - 1)])
    # two infinite neighbours have no difference
    return below if place == low or above == below else below + (above - below) * (place - low)


def _percentile_by_area(distances: Distances, share: float) -> float:
    order = np.lexsort((distances.areas, distances.values))
    areas = np.cumsum(distances.areas[order])
    place = np.searchsorted(areas, areas[-1] * (share / 100) * TO_ROUNDING)
    return float(distances.values[order[place]])


def _average(spec: AverageSurfaceDistance, pair: Surfaces) -> float:
    directions = _directions(spec, pair, spec.symmetric == "directed")
    if not directions:
        return np.nan
    if spec.symmetric == "masd":
        return float(np.mean([distances.values.mean() for distances in directions]))
    return float(np.concatenate([distances.values for distances in directions]).mean())


def _surface_dice(spec: SurfaceDice, parts: SurfaceRecord, reasons: Reasons) -> Readings:
    tolerances = np.broadcast_to(np.array(spec.tolerance, np.float64), reasons.shape)
    pairs = zip(parts.surfaces.ravel().tolist(), tolerances.ravel().tolist(), strict=True)
    return _readings([_near(spec, *pair) for pair in pairs], reasons)


def _near(spec: SurfaceDice, pair: Surfaces, tolerance: float) -> float:
    sides = (pair.to_target, pair.to_prediction)
    near = np.array([side.areas[side.values <= tolerance * WITHIN].sum() for side in sides])
    whole = np.array([side.areas.sum() for side in sides])
    if not whole.any():
        return np.nan
    if spec.nsd_mode == "mean_of_fractions":
        return float(np.mean(near / np.where(whole == 0, 1, whole)))
    return float(near.sum() / whole.sum())


# ------------------------------------------------------------------------------------------------------ bands, centrelines


def _bands_key(spec: BoundaryIou, case: Case) -> Bands:
    mask = counts_key(spec, case)
    return Bands(mask.threshold, mask.inclusive, spec.dilation_ratio)


def _boundary_iou(spec: BoundaryIou, parts: BandCounts, reasons: Reasons) -> Readings:
    return ratio(parts.shared_band, parts.predicted_band + parts.targeted_band - parts.shared_band, reasons)


def _skeletons_key(spec: CentrelineDice, case: Case) -> Skeletons:
    mask = counts_key(spec, case)
    return Skeletons(mask.threshold, mask.inclusive)


def _centreline_dice(spec: CentrelineDice, parts: SkeletonCounts, reasons: Reasons) -> Readings:
    """2 a b / (a + b) of a = i / m and b = j / n is 2 i j / (i n + j m); where either is 0 so is it, whatever the other."""
    i, m, j, n = parts.predicted_inside, parts.predicted_line, parts.targeted_inside, parts.targeted_line
    outside = ((m > 0) & (i == 0)) | ((n > 0) & (j == 0))
    known = (m > 0) & (n > 0)
    return ratio(np.where(known, 2 * i * j, 0), np.where(known, i * n + j * m, 0), reasons).replaced(outside, 0.0)


FAMILY = (
    _implementation(Hausdorff, _surfaces_key, _each(_hausdorff)),
    _implementation(AverageSurfaceDistance, _surfaces_key, _each(_average)),
    _implementation(SurfaceDice, _surfaces_key, _surface_dice),
    _implementation(BoundaryIou, _bands_key, _boundary_iou),
    _implementation(CentrelineDice, _skeletons_key, _centreline_dice),
)
