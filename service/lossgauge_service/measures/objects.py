"""The objects of two maps, and how many pixels each pair of them shares: never a table of all pairs."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import cc3d
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from lossgauge_service.measures.masks import Mask, masks_of
from lossgauge_service.samples import Sample
from lossgauge_service.samples.checks import bad_values
from lossgauge_service.statistics import SLOW, Measure

Integers = NDArray[np.int64]
LARGEST_ID = 2**63 - 1
FACES, FULL = {2: 4, 3: 6}, {2: 8, 3: 26}
"""The names that cc3d has for how pixels touch, by the number of axes."""


class Side(NamedTuple):
    """The objects of one map: their ids, and how many pixels each has."""

    ids: Integers
    sizes: Integers


class Shared(NamedTuple):
    """The pairs that share pixels: the places of both objects, how many pixels, and the first of these in the image."""

    target: Integers
    prediction: Integers
    pixels: Integers
    first: Integers


class Objects(NamedTuple):
    """The objects of a class. void: how many pixels of each predicted object are ignored. crowd: which of the target's are none."""

    target: Side
    prediction: Side
    shared: Shared
    void: Integers
    crowd: Mask


class ByClass(NamedTuple):
    """The objects of every class, and how many pixels of it count."""

    objects: list[Objects]
    valid: Integers


@dataclass(frozen=True)
class Layout(Measure[ByClass]):
    """The objects of each class, by what an object is. full: pixels touch by corners too; divisor: an id is class * divisor + number."""

    told: ClassVar[str] = "objects"

    full: bool = True
    min_size: int = 1
    divisor: int | None = None
    crowd: tuple[int, ...] = ()

    @property
    def steps(self) -> float:
        return SLOW

    def measure(self, sample: Sample, device: torch.device) -> ByClass:
        """The objects of a sample's classes. Raises `InvalidValues` for an id whose class there is not."""
        return _of_ids(sample, self) if sample.case.task == "instances" else _of_masks(sample, self)


# ------------------------------------------------------------------------------------------------------------ components


def _of_masks(sample: Sample, layout: Layout) -> ByClass:
    masks = masks_of(sample, None, False)
    objects = [
        _counted(_components(target, layout), _components(prediction, layout), np.zeros(0, np.int64), layout)
        for prediction, target in zip(masks.prediction, masks.target, strict=True)
    ]
    return ByClass(objects, masks.valid.reshape(len(objects), -1).sum(1))


def components(mask: Mask, full: bool) -> NDArray[np.integer]:
    """The connected components of a mask of any number of axes, numbered from 1."""
    found: NDArray[np.integer]
    if mask.ndim in FULL:
        # as bytes: a single row of booleans comes back with pixels that it does not have (4.1.1)
        found = cc3d.connected_components(mask.astype(np.uint8), connectivity=(FULL if full else FACES)[mask.ndim])
    else:
        found, _ = ndimage.label(mask, ndimage.generate_binary_structure(mask.ndim, mask.ndim if full else 1))
    return found


def _components(mask: Mask, layout: Layout) -> "_Numbered":
    numbered = _numbered(components(mask, layout.full).reshape(-1).astype(np.int64), layout.min_size)
    in_order = np.argsort(np.argsort(numbered.first)) + 1
    return numbered._replace(side=Side(in_order, numbered.side.sizes))


# ------------------------------------------------------------------------------------------------------------------- ids


def _of_ids(sample: Sample, layout: Layout) -> ByClass:
    ignored = np.flatnonzero(sample.target < 0)
    target = _numbered(np.maximum(sample.target, 0), layout.min_size)
    prediction = _numbered(sample.prediction, layout.min_size)
    every = _counted(target, prediction, ignored, layout)
    valid = np.full(sample.case.classes, sample.target.size - len(ignored))
    if layout.divisor is None:
        return ByClass([every], valid)
    _check_classes(sample, layout.divisor)
    classes = [side.ids // layout.divisor for side in (every.target, every.prediction)]
    return ByClass([_some(every, *(of == c for of in classes)) for c in range(sample.case.classes)], valid)


def _check_classes(sample: Sample, divisor: int) -> None:
    last = min(sample.case.classes * divisor - 1, LARGEST_ID)
    for role, ids in (("prediction", sample.prediction), ("target", sample.target)):
        bad = ids > last
        if bad.any():
            several = (
                f"{sample.case.classes} classes"
                if sample.case.classes > 1
                else "1 class, as num_classes says no other,"
            )
            allowed = f"ids from 0 to {last}, of {several} of {divisor} ids each"
            raise bad_values(f"/{role}", role, ids.reshape(sample.shape), bad.reshape(sample.shape), allowed)


def _some(every: Objects, of_target: Mask, of_prediction: Mask) -> Objects:
    """Those objects of both maps that the masks tell, and what they share with each other."""
    kept = of_target[every.shared.target] & of_prediction[every.shared.prediction]
    shared = Shared(*(values[kept] for values in every.shared))
    places = [np.cumsum(of) - 1 for of in (of_target, of_prediction)]
    return Objects(
        Side(*(values[of_target] for values in every.target)),
        Side(*(values[of_prediction] for values in every.prediction)),
        shared._replace(target=places[0][shared.target], prediction=places[1][shared.prediction]),
        every.void[of_prediction],
        every.crowd[of_target],
    )


# -------------------------------------------------------------------------------------------------------------- counting


class _Numbered(NamedTuple):
    """A map of objects numbered from 1 (0: background), the objects, and the first pixel of each."""

    numbers: NDArray[np.int32]
    side: Side
    first: Integers


class _Distinct(NamedTuple):
    values: Integers
    counts: Integers
    first: Integers


def _distinct(keys: Integers) -> _Distinct:
    """The values there are, in order, how often, and where first. Memory is of the order of the keys', whatever they are."""
    if not keys.size or keys.max() >= 4 * keys.size:
        values, first, counts = np.unique(keys, return_index=True, return_counts=True)
        return _Distinct(values, counts, first)
    every = np.bincount(keys)
    values = np.flatnonzero(every)
    first = np.zeros(len(every), np.int64)
    first[keys[::-1]] = np.arange(len(keys))[::-1]
    return _Distinct(values, every[values], first[values])


def _numbered(ids: Integers, min_size: int) -> _Numbered:
    inside = np.flatnonzero(ids)
    found = _distinct(ids[inside])
    large = found.counts >= min_size
    numbers = np.zeros(ids.shape, np.int32)
    numbers[inside] = np.where(large, np.cumsum(large), 0)[np.searchsorted(found.values, ids[inside])]
    return _Numbered(numbers, Side(found.values[large], found.counts[large]), inside[found.first[large]])


def _counted(target: _Numbered, prediction: _Numbered, ignored: Integers, layout: Layout) -> Objects:
    both = np.flatnonzero((target.numbers > 0) & (prediction.numbers > 0))
    width = len(prediction.side.ids) + 1
    found = _distinct(target.numbers[both].astype(np.int64) * width + prediction.numbers[both])
    shared = Shared(found.values // width - 1, found.values % width - 1, found.counts, both[found.first])
    void = np.bincount(prediction.numbers[ignored], minlength=width)[1:]
    crowd = np.isin(target.side.ids, np.array(layout.crowd, np.int64))
    return Objects(target.side, prediction.side, shared, void, crowd)
