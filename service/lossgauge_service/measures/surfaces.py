"""The distances from the surface of each mask of a sample to the other's."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from lossgauge_service.measures.masks import Mask, masks_of, sizes_of
from lossgauge_service.measures.nearest import Spacing, nearest
from lossgauge_service.samples import Sample
from lossgauge_service.statistics import SLOW, Measure, Values

Connectivity = Literal["faces", "full"]
Objects = NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class Distances:
    """From each element of a surface to the other surface: infinite where the other mask has none.

    areas: what an element counts (1 for a pixel); diagonals: of the image that the element is in.
    """

    values: Values
    areas: Values
    diagonals: Values

    def __add__(self, other: "Distances") -> "Distances":
        """Those of both."""
        return Distances(
            np.concatenate([self.values, other.values]),
            np.concatenate([self.areas, other.areas]),
            np.concatenate([self.diagonals, other.diagonals]),
        )

    def where_nothing_is(self, rule: float | str) -> "Distances":
        """The same, and by the rule where the other mask has no surface: its diagonal, a constant, or left out."""
        lost = np.isinf(self.values)
        if not lost.any() or rule in ("formula", "undefined"):
            return self
        if rule == "skip":
            return Distances(self.values[~lost], self.areas[~lost], self.diagonals[~lost])
        instead = self.diagonals if rule == "image_diagonal" else float(rule)
        return Distances(np.where(lost, instead, self.values), self.areas, self.diagonals)


@dataclass(frozen=True, eq=False)
class Surfaces:
    """The distances from the prediction's surface to the target's, and back; the diagonal of the (largest) image they are in."""

    to_target: Distances
    to_prediction: Distances
    diagonal: float

    def __add__(self, other: "Surfaces") -> "Surfaces":
        """The surfaces of both."""
        diagonal = max(self.diagonal, other.diagonal)
        return Surfaces(self.to_target + other.to_target, self.to_prediction + other.to_prediction, diagonal)


class SurfaceRecord(NamedTuple):
    """Of each class its surfaces, and how many pixels its masks have in common and each."""

    surfaces: Objects
    shared: Values
    predicted: Values
    targeted: Values


class Elements(NamedTuple):
    """The places of a surface in a grid, and what each place counts."""

    places: Mask
    areas: Values


class Around(Protocol):
    """Finds the surface of a mask that lies in a frame."""

    def __call__(self, mask: Mask, frame: "Frame") -> Elements: ...


class Frame(NamedTuple):
    """The least box of an image that holds both masks: its slices, and of each axis whether it begins and ends at the image's edge."""

    box: tuple[slice, ...]
    edges: tuple[tuple[bool, bool], ...]


@dataclass(frozen=True)
class Borders(Measure[SurfaceRecord]):
    """Surfaces as the pixels of a mask that have a neighbour outside of it."""

    told: ClassVar[str] = "the border of a mask"

    threshold: float | None
    inclusive: bool
    border: Connectivity
    edge_is_border: bool

    @property
    def grows(self) -> bool:
        return True

    @property
    def steps(self) -> float:
        return SLOW

    def measure(self, sample: Sample, device: torch.device) -> SurfaceRecord:
        def around(mask: Mask, frame: Frame) -> Elements:
            places = border_of(mask[frame.box], self.border, None if self.edge_is_border else frame.edges)
            return Elements(places, np.ones(np.count_nonzero(places)))

        return record_of(sample, self.threshold, self.inclusive, around)


def record_of(sample: Sample, threshold: float | None, inclusive: bool, around: Around) -> SurfaceRecord:
    """The surfaces of each class, as `around` finds them."""
    masks = masks_of(sample, threshold, inclusive)
    spacing = sample.spacing or (1.0,) * len(sample.shape)
    surfaces = np.empty(len(masks.target), object)
    for place, pair in enumerate(zip(masks.prediction, masks.target, strict=True)):
        surfaces[place] = _surfaces(*pair, spacing, around)
    both = masks.prediction & masks.target
    return SurfaceRecord(surfaces, *map(sizes_of, (both, masks.prediction, masks.target)))


def _surfaces(prediction: Mask, target: Mask, spacing: Spacing, around: Around) -> Surfaces:
    diagonal = float(np.hypot.reduce(np.multiply(target.shape, spacing)))
    frame = frame_of(prediction | target)
    if frame is None:
        nothing = Distances(*(np.zeros(0) for _ in Distances.__dataclass_fields__))
        return Surfaces(nothing, nothing, diagonal)
    ours, theirs = around(prediction, frame), around(target, frame)
    there, back = (_from_to(one, other.places, spacing, diagonal) for one, other in ((ours, theirs), (theirs, ours)))
    return Surfaces(there, back, diagonal)


def _from_to(elements: Elements, goal: Mask, spacing: Spacing, diagonal: float) -> Distances:
    values = distances_to(goal, elements.places, spacing)
    return Distances(values, elements.areas, np.full(len(values), diagonal))


def distances_to(goal: Mask, places: Mask, spacing: Spacing) -> Values:
    """From each of the places to the nearest of the goal, infinite where there is none."""
    if not goal.any() or not places.any():
        return np.full(np.count_nonzero(places), np.inf)
    longest = max(spacing)
    return np.sqrt(nearest(goal, places, tuple(side / longest for side in spacing))) * longest


def frame_of(mask: Mask) -> Frame | None:
    """The least box that holds the mask; None where it is empty."""
    box: list[slice] = []
    for axis in range(mask.ndim):
        held = np.flatnonzero(mask.any(tuple(other for other in range(mask.ndim) if other != axis)))
        if not len(held):
            return None
        box.append(slice(int(held[0]), int(held[-1]) + 1))
    return Frame(
        tuple(box), tuple((part.start == 0, part.stop == side) for part, side in zip(box, mask.shape, strict=True))
    )


def border_of(mask: Mask, border: Connectivity, inside: tuple[tuple[bool, bool], ...] | None = None) -> Mask:
    """The pixels with a neighbour outside; beyond a side that `inside` names the mask goes on, beyond any other it ends."""
    inner = mask.copy()
    for axis, sides in enumerate(inside or ((False, False),) * mask.ndim):
        # the corners' neighbours too, where an axis finds what those before it have left
        _erode(inner, inner.copy() if border == "full" else mask, axis, sides)
    return np.asarray(mask & ~inner)


def _erode(inner: Mask, mask: Mask, axis: int, goes_on: tuple[bool, bool]) -> None:
    """Leave what has both of its neighbours along an axis in the mask."""
    before, after = _at(axis, slice(None, -1)), _at(axis, slice(1, None))
    inner[after] &= mask[before]
    inner[before] &= mask[after]
    for end, mask_goes_on in zip((0, -1), goes_on, strict=True):
        inner[_at(axis, end)] &= mask_goes_on


def _at(axis: int, place: Any) -> tuple[Any, ...]:
    return (*[slice(None)] * axis, place)
