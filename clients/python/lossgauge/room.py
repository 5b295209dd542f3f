"""How much the service makes of a pair's arrays: a few bytes of runs may say millions of pixels, and it holds no more of one
body than `Limits.decoded_bytes`."""

from collections.abc import Mapping, Sized
from typing import Any

import numpy as np

from lossgauge.arrays import PngFile, Sendable
from lossgauge.encoded import EncodedArray, Extent, extent_of_png

LABEL_BYTES = {"binary": 1, "multilabel": 1, "multiclass": 4}
"""Of a pixel's label, as the service keeps it; ids and boxes have eight."""
NARROW = ("bool", "int8", "uint8", "int16", "uint16", "float16", "float32")
"""What is computed in float32, unless the request asks for float64."""
BEYOND = 2**63
"""More than any service holds: what has it travels alone."""


def extent_of(held: Sendable) -> Extent:
    """How much of an array there is."""
    if isinstance(held, EncodedArray):
        return held.extent
    return extent_of_png(held.content) if isinstance(held, PngFile) else Extent(held.size, held.dtype)


def most_bytes(asked: Mapping[str, Any], extents: Mapping[str, Extent]) -> int:
    """At most the bytes of a pair's arrays in the service."""
    sizes = {role: extent.elements for role, extent in extents.items() if extent.elements is not None}
    if len(sizes) < len(extents):
        return BEYOND
    number = _number_bytes(asked, extents["prediction"].dtype)
    label = LABEL_BYTES.get(str(asked.get("task")), 8)
    weights = sizes["prediction"] if asked.get("task") == "multilabel" else sizes.get("weight", 0)
    weight = number * weights * ("weight" in sizes)
    if isinstance(asked.get("regions"), Sized):
        return len(asked["regions"]) * (2 * sizes["target"] + weight)
    predicted = label if asked.get("prediction_kind") == "labels" else max(number, label)
    targeted = number if asked.get("target_kind") == "probabilities" else label
    return sizes["prediction"] * predicted + sizes["target"] * targeted + weight


def _number_bytes(asked: Mapping[str, Any], prediction: np.dtype[Any]) -> int:
    precision = asked.get("precision")
    if precision is not None:
        return 4 if precision == "float32" else 8
    return 4 if asked.get("prediction_kind") == "labels" or prediction.name in NARROW else 8
