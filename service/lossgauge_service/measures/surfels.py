"""Surfaces as the elements between pixels: lengths of marching squares, areas of marching cubes.

The areas are those of the table of DeepMind's surface-distance (Apache-2.0; Nikolov et al., arXiv:1809.04430).
"""

from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import numpy as np
import torch

from lossgauge_service.measures.masks import Mask
from lossgauge_service.measures.nearest import Spacing
from lossgauge_service.measures.surfaces import Elements, Frame, SurfaceRecord, record_of
from lossgauge_service.samples import Sample
from lossgauge_service.statistics import SLOW, Measure, Values

TRIANGLES = {
    "-": (0, 0, 0, 0, 0, 0, 0),
    "a": (0, 0, 0, 0, 0, 0, 1),
    "b": (0, 0, 0, 0, 0, 0, 2),
    "c": (0, 0, 0, 0, 0, 0, 3),
    "d": (0, 0, 0, 0, 0, 0, 4),
    "e": (0, 0, 0, 0, 0, 0, 6),
    "f": (0, 0, 0, 0, 0, 2, 0),
    "g": (0, 0, 0, 0, 0, 2, 1),
    "h": (0, 0, 0, 0, 0, 4, 0),
    "i": (0, 0, 0, 0, 1, 1, 4),
    "j": (0, 0, 0, 0, 2, 0, 0),
    "k": (0, 0, 0, 0, 2, 0, 1),
    "l": (0, 0, 0, 0, 4, 0, 0),
    "m": (0, 0, 0, 1, 0, 1, 4),
    "n": (0, 0, 0, 1, 1, 0, 4),
    "o": (0, 0, 0, 2, 0, 0, 0),
    "p": (0, 0, 0, 2, 0, 0, 1),
    "q": (0, 0, 0, 4, 0, 0, 0),
    "r": (0, 0, 1, 0, 0, 0, 3),
    "s": (0, 0, 1, 0, 0, 0, 4),
    "t": (0, 0, 2, 0, 0, 0, 0),
    "u": (0, 1, 0, 0, 0, 0, 3),
    "v": (0, 1, 0, 0, 0, 0, 4),
    "w": (0, 2, 0, 0, 0, 0, 0),
    "x": (1, 0, 0, 0, 0, 0, 3),
    "y": (1, 0, 0, 0, 0, 0, 4),
    "z": (2, 0, 0, 0, 0, 0, 0),
}
"""How often each surface has triangles across two axes (by the third: last, middle, first), across the diagonals of two axes
(without the first, middle, last), and across all three."""

OCTANTS = (
    "-aafajbrabjrfrrtaobubxcebpkngmsr"
    "aboubkpnbcxegsmrfuuwgivugviuhggf"
    "abbgoxpmbcksuenrjxkixzyxkylkixkj"
    "bcpvpyqpcdycvcpbrenumxposckbgbba"
)
"""The surface of each neighbourhood of 2 x 2 x 2 pixels; one with inside and outside exchanged has the same."""


@dataclass(frozen=True)
class Surfels(Measure[SurfaceRecord]):
    """Surfaces as the corners of pixels where a mask and its outside meet, each with its length or area."""

    told: ClassVar[str] = "the border of a mask"

    threshold: float | None
    inclusive: bool
    edge_is_border: bool

    @property
    def grows(self) -> bool:
        return True

    @property
    def steps(self) -> float:
        return SLOW

    def measure(self, sample: Sample, device: torch.device) -> SurfaceRecord:
        table = measures_of(sample.spacing or (1.0,) * len(sample.shape))

        def around(mask: Mask, frame: Frame) -> Elements:
            areas = table[_codes(mask[frame.box])][() if self.edge_is_border else _off_the_edge(frame)]
            places = areas > 0
            return Elements(places, areas[places])

        return record_of(sample, self.threshold, self.inclusive, around)


def measures_of(spacing: Spacing) -> Values:
    """The length (2-D) or area (3-D) of the surface in each neighbourhood, by its code."""
    return _lengths(*spacing) if len(spacing) == 2 else _areas(*spacing)


def _lengths(down: float, right: float) -> Values:
    corner = np.hypot(down, right) / 2
    half = [0, corner, corner, right, corner, down, 2 * corner, corner]
    return np.array(half + half[::-1])


def _areas(a: float, b: float, c: float) -> Values:
    across, sides = np.array([a * b, a * c, b * c]) / 2, np.array([b * c, a * c, a * b])
    diagonal = [np.hypot(*pair) / 4 for pair in (sides[1:], sides[::2], sides[:2])]
    kinds = np.array([*across, *diagonal, np.sqrt((sides**2).sum()) / 8])
    half = np.array([np.dot(TRIANGLES[letter], kinds) for letter in OCTANTS])
    return np.concatenate([half, half[::-1]])


def _codes(mask: Mask) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """Which of the pixels around each corner are in the mask: the first is the highest bit."""
    framed = np.pad(mask, 1).view(np.uint8)
    codes = np.zeros(tuple(side + 1 for side in mask.shape), np.uint8)
    for steps in product((0, 1), repeat=mask.ndim):
        codes <<= 1
        codes |= framed[tuple(slice(step, step + side) for step, side in zip(steps, codes.shape, strict=True))]
    return codes


def _off_the_edge(frame: Frame) -> tuple[slice, ...]:
    return tuple(slice(int(low), -1 if high else None) for low, high in frame.edges)
