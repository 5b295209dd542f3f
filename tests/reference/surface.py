"""Distances between surfaces by comparing every pair of their points, bands along borders, and centrelines."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, reduce
from itertools import permutations, product
from operator import add
from typing import Any, cast

import numpy as np
from lossgauge.metrics import AverageSurfaceDistance, BoundaryIou, CentrelineDice, Empty, Hausdorff, SurfaceDice
from lossgauge.metrics.overlap import ClassAveraged
from lossgauge.metrics.surface import Distance, Surfaced
from lossgauge_service.errors import MetricDoesNotFit
from skimage.morphology import skeletonize

from tests.reference.averaging import ByClass, averaged
from tests.reference.case import NOTHING_TO_SCORE, Case, Expected, Mask, Outcome, quotient
from tests.reference.overlap import first_class, threshold_of
from tests.reference.probability import hard_membership, target_membership
from tests.reference.region import Region, by_rules, empty_case, regions_of

Pair = tuple[Mask, Mask]
Place = tuple[int, ...]
Distances = list[tuple[float, float]]
"""A distance and the area that it counts for."""

CUBES: dict[int, list[tuple[int, int, int]]] = {
    0b00000000: [],
    0b00000001: [(1, 1, 1)],
    0b00000011: [(2, 2, 0), (2, 2, 0)],
    0b00000110: [(1, 1, 1), (1, 1, 1)],
    0b00000111: [(4, 0, 0), (3, 3, 3)],
    0b00001111: [(4, 0, 0), (4, 0, 0)],
    0b00010110: [(1, 1, 1), (1, 1, 1), (1, 1, 1)],
    0b00010111: [(6, 6, 6)],
    0b00011000: [(1, 1, 1), (1, 1, 1)],
    0b00011001: [(0, 2, 2), (0, 2, 2), (1, 1, 1)],
    0b00011011: [(0, 2, 2), (2, 0, 2), (4, 4, 4)],
    0b00011110: [(4, 0, 0), (4, 4, 4)],
    0b00111100: [(2, 2, 0), (2, 2, 0), (2, 2, 0), (2, 2, 0)],
    0b01101001: [(1, 1, 1), (1, 1, 1), (1, 1, 1), (1, 1, 1)],
}
"""Marching cubes: the neighbourhoods that no turn, mirror or exchange of inside and outside makes of another; each triangle's
area vector in eighths."""


@dataclass(frozen=True)
class Paths:
    """The distances from the prediction's surface to the target's, and back."""

    there: Distances
    back: Distances

    def __add__(self, other: "Paths") -> "Paths":
        """Those of both."""
        return Paths(self.there + other.there, self.back + other.back)


def hausdorff(spec: Hausdorff, case: Case) -> Expected:
    """The largest distance, or a percentile."""

    def formula(paths: Paths, region: Region, label: int | None) -> Outcome:
        directions = _directions(paths, spec.directed)
        if spec.hd_mode == "pooled":
            directions = _together(directions)
        return _or_reason(max(map(_of(spec), directions)) if directions else None, region)

    return _score(spec, case, _paths(spec, case, spec.hd_mode == "area_weighted"), formula)


def _of(spec: Hausdorff) -> Callable[[Distances], float]:
    return _percentile_by_area(spec) if spec.hd_mode == "area_weighted" else _percentile(spec)


def _percentile(spec: Hausdorff) -> Callable[[Distances], float]:
    share = 100 if spec.percentile is None else spec.percentile

    def percentile(distances: Distances) -> float:
        values = [distance for distance, _ in distances]
        low, high = (float(np.percentile(values, share, method=side)) for side in ("lower", "higher"))
        return high if high in (low, np.inf) else float(np.percentile(values, share))

    return percentile


def _percentile_by_area(spec: Hausdorff) -> Callable[[Distances], float]:
    share = 1 if spec.percentile is None else spec.percentile / 100

    def percentile(distances: Distances) -> float:
        whole, so_far = sum(area for _, area in distances), 0.0
        for distance, area in sorted(distances):
            so_far += area
            if so_far >= share * whole * (1 - 1e-12):
                return distance
        raise AssertionError

    return percentile


def average_surface_distance(spec: AverageSurfaceDistance, case: Case) -> Expected:
    """The mean distance."""

    def formula(paths: Paths, region: Region, label: int | None) -> Outcome:
        directions = _directions(paths, spec.symmetric == "directed")
        lists = directions if spec.symmetric == "masd" else _together(directions)
        means = [float(np.mean([distance for distance, _ in distances])) for distances in lists if distances]
        return _or_reason(float(np.mean(means)) if means else None, region)

    return _score(spec, case, _paths(spec, case, False), formula)


def surface_dice(spec: SurfaceDice, case: Case) -> Expected:
    """The share of both surfaces that is within the tolerance."""
    tolerances = spec.tolerance if isinstance(spec.tolerance, list) else [spec.tolerance] * case.classes
    if len(tolerances) != case.classes:
        raise MetricDoesNotFit("a tolerance for each class")

    def formula(paths: Paths, region: Region, label: int | None) -> Outcome:
        tolerance = tolerances[label or 0] * (1 + 1e-6)
        near = [sum(area for distance, area in side if distance <= tolerance) for side in (paths.there, paths.back)]
        whole = [sum(area for _, area in side) for side in (paths.there, paths.back)]
        if spec.nsd_mode == "mean_of_fractions" and any(whole):
            return Outcome(sum(part / of for part, of in zip(near, whole, strict=True) if of) / 2)
        return _or_reason(sum(near) / sum(whole) if any(whole) else None, region)

    return _score(spec, case, _paths(spec, case, spec.nsd_mode == "pooled_areas"), formula)


def boundary_iou(spec: BoundaryIou, case: Case) -> Expected:
    """The IoU of the bands along the borders."""
    parts = []
    for prediction, target in _masks(spec, case):
        width = max(1, round(spec.dilation_ratio * float(np.sqrt(np.sum(np.square(target.shape))))))
        ours, theirs = _band(prediction, width), _band(target, width)
        parts.append(np.array([len(ours & theirs), len(ours | theirs)]))

    def formula(part: Any, region: Region, label: int | None) -> Outcome:
        return quotient(part[0], part[1], empty_case(region) or "zero_denominator")

    return _score(spec, case, parts, formula)


def _band(mask: Mask, width: int) -> set[Place]:
    steps = list(product(range(-width, width + 1), repeat=mask.ndim))
    return {place for place in _places(mask) if any(not _holds(mask, _moved(place, step), False) for step in steps)}


def centreline_dice(spec: CentrelineDice, case: Case) -> Expected:
    """The harmonic mean of the shares of each skeleton in the other mask."""
    parts = []
    for prediction, target in _masks(spec, case):
        ours, theirs = (
            skeletonize(mask, method="zhang" if mask.ndim == 2 else "lee") > 0 for mask in (prediction, target)
        )
        parts.append(np.array([np.sum(x) for x in (ours & target, ours, theirs & prediction, theirs)]))

    def formula(part: Any, region: Region, label: int | None) -> Outcome:
        shares = [inside / line for inside, line in (part[:2], part[2:]) if line]
        if 0 in shares:
            return Outcome(0.0)
        if len(shares) < 2:
            return Outcome(None, empty_case(region) or "zero_denominator")
        return Outcome(float(2 / (1 / shares[0] + 1 / shares[1])))

    return _score(spec, case, parts, formula)


# ----------------------------------------------------------------------------------------------------------------- classes


def _score(
    spec: ClassAveraged, case: Case, parts: list[Any], formula: Callable[[Any, Region, int | None], Outcome]
) -> Expected:
    """The formula of every class's part by the empty rules, and of their sum, averaged as the spec says."""
    first = first_class(spec, case)
    regions = regions_of(case, hard_membership(case, *threshold_of(spec, case)))
    if all(region.count == 0 for region in regions):
        return NOTHING_TO_SCORE

    def outcome(part: Any, region: Region, label: int | None) -> Outcome:
        if spec.empty.model_dump()["both"] == "image_diagonal" and region.count and empty_case(region) == "both_empty":
            return Outcome(_diagonal(case))
        return by_rules(_of_a_score(spec.empty), region, formula(part, region, label))

    outcomes = [outcome(part, region, c) for c, (part, region) in enumerate(zip(parts, regions, strict=True))]
    summed = Outcome(None, "no_class_defined")
    if regions[first:]:
        summed = outcome(reduce(add, parts[first:]), reduce(add, regions[first:]), None)
    return averaged(case, spec.average, ByClass(outcomes, [region.target for region in regions], summed, first))


def _of_a_score(empty: Empty) -> Empty:
    """The rules with the formula for the diagonal, which the distances are already."""
    rules = empty.model_dump()
    return Empty(**{case: "formula" if rule == "image_diagonal" else rule for case, rule in rules.items()})


def _or_reason(value: float | None, region: Region) -> Outcome:
    if value is None:
        return Outcome(None, empty_case(region) or "zero_denominator")
    return Outcome(None, "infinite") if np.isinf(value) else Outcome(value)


def _masks(spec: ClassAveraged, case: Case) -> list[Pair]:
    """Both masks of each class, without what is ignored."""
    axes = case.target.ndim - (case.task == "multilabel")
    if axes not in (2, 3) or case.weight is not None or case.target_kind != "labels":
        raise MetricDoesNotFit("masks of two or three axes, of labels, without weights")
    predicted, target = hard_membership(case, *threshold_of(spec, case)) > 0, target_membership(case) > 0
    return list(zip(predicted & case.valid, target & case.valid, strict=True))


# ---------------------------------------------------------------------------------------------------------------- surfaces


def _directions(paths: Paths, directed: bool) -> list[Distances]:
    """Those that there are."""
    found = [distances for distances in (paths.there, paths.back) if distances]
    return found[:1] if directed else found


def _together(directions: list[Distances]) -> list[Distances]:
    return [[one for distances in directions for one in distances]] if directions else []


def _paths(spec: Surfaced, case: Case, surfels: bool) -> list[Paths]:
    found = _surfels if surfels else _border
    spacing = np.array(case.spacing or [1.0] * 3)
    rules = spec.empty if isinstance(spec, Distance) else Empty(target="formula", prediction="formula")
    parts = []
    for prediction, target in _masks(spec, case):
        scale = spacing[: target.ndim]
        ours, theirs = (
            [(np.array(place) * scale, area) for place, area in found(spec, mask, scale)]
            for mask in (prediction, target)
        )
        there = _nearest(ours, theirs, rules.target, _diagonal(case))
        parts.append(Paths(there, _nearest(theirs, ours, rules.prediction, _diagonal(case))))
    return parts


def _diagonal(case: Case) -> float:
    sides = np.array(case.target.shape[1 if case.task == "multilabel" else 0 :])
    return float(np.sqrt(np.sum((sides * np.array(case.spacing or [1.0] * len(sides))) ** 2)))


def _nearest(start: Any, goal: Any, rule: Any, diagonal: float) -> Distances:
    """From each point to the nearest of the goal's; where there is none, by the rule."""
    if goal:
        ends = np.array([point for point, _ in goal])
        return [(float(np.min(np.linalg.norm(ends - point, axis=1))), area) for point, area in start]
    lost = {"image_diagonal": diagonal, "formula": np.inf, "undefined": np.inf}.get(rule, rule)
    return [] if rule == "skip" else [(float(lost), area) for _, area in start]


def _border(spec: Surfaced, mask: Mask, scale: Any) -> Iterator[tuple[Place, float]]:
    """The pixels with a neighbour outside, each of area 1."""
    steps = [step for step in product((-1, 0, 1), repeat=mask.ndim) if any(step)]
    if spec.border == "faces":
        steps = [step for step in steps if sum(map(abs, step)) == 1]
    for place in _places(mask):
        if any(not _holds(mask, _moved(place, step), not spec.edge_is_border) for step in steps):
            yield place, 1.0


def _surfels(spec: Surfaced, mask: Mask, scale: Any) -> Iterator[tuple[Place, float]]:
    """The corners between pixels in and out of the mask, each with its length or area."""
    for corner in product(*(range(side + 1) for side in mask.shape)):
        if not spec.edge_is_border and any(place in (0, side) for place, side in zip(corner, mask.shape, strict=True)):
            continue
        around = product((-1, 0), repeat=mask.ndim)
        cube = np.reshape([_holds(mask, _moved(corner, step), False) for step in around], (2,) * mask.ndim)
        if cube.any() and not cube.all():
            yield corner, _length(cube, scale) if mask.ndim == 2 else _area(cube, scale)


def _length(square: Mask, scale: Any) -> float:
    """Marching squares: a diagonal for each corner that is alone, a side where two neighbours are."""
    inside = int(square.sum())
    if inside in (1, 3):
        return float(np.hypot(*scale) / 2)
    if square[0, 0] == square[1, 1]:
        return float(np.hypot(*scale))
    return float(scale[1] if square[0, 0] == square[0, 1] else scale[0])


def _area(cube: Mask, scale: Any) -> float:
    sides = np.array([scale[1] * scale[2], scale[0] * scale[2], scale[0] * scale[1]])
    return sum(float(np.linalg.norm(np.array(vector) / 8 * sides)) for vector in _triangles(tuple(cube.ravel())))


@cache
def _triangles(inside: tuple[bool, ...]) -> list[tuple[int, ...]]:
    """The triangles of the one of `CUBES` that a neighbourhood is when turned, mirrored or exchanged."""
    cube = np.reshape(inside, (2, 2, 2))
    for order, flips, swap in product(permutations(range(3)), product((1, -1), repeat=3), (False, True)):
        turned = np.transpose(cube, order)[tuple(slice(None, None, flip) for flip in flips)] ^ swap
        code = int("".join(str(int(bit)) for bit in turned.ravel()), 2)
        if code in CUBES:
            return [tuple(vector[order.index(axis)] for axis in range(3)) for vector in CUBES[code]]
    raise AssertionError


def _places(mask: Mask) -> list[Place]:
    return [cast(Place, tuple(place)) for place in np.argwhere(mask).tolist()]


def _moved(place: Place, step: Place) -> Place:
    return tuple(a + b for a, b in zip(place, step, strict=True))


def _holds(mask: Mask, place: Place, beyond: bool) -> bool:
    """Whether a place is in the mask; `beyond` is what the places outside of the image are."""
    if all(0 <= at < side for at, side in zip(place, mask.shape, strict=True)):
        return bool(mask[place])
    return beyond


REFERENCES: dict[str, Callable[[Any, Case], Expected]] = {
    "average_surface_distance": average_surface_distance,
    "boundary_iou": boundary_iou,
    "centreline_dice": centreline_dice,
    "hausdorff": hausdorff,
    "surface_dice": surface_dice,
}
