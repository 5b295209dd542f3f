"""What the client foresees of a pair's size in the service is never less than the truth, and no guess in the clouds."""

from typing import Any

import numpy as np
import pytest
from lossgauge.arrays import PngFile, sendable
from lossgauge.encoded import Extent
from lossgauge.encodings import CocoRleArray, png
from lossgauge.metrics import Dice
from lossgauge.room import BEYOND, extent_of, most_bytes
from lossgauge.wire import Question
from lossgauge_service.samples import sample_of

MASK = np.eye(6, 8, dtype=np.uint8)
HOT = np.stack([MASK, 1 - MASK, 0 * MASK])
WEIGHT = np.ones((6, 8), np.float32)
CASES: dict[str, tuple[dict[str, Any], Any, Any, Any]] = {
    "masks": ({"prediction_kind": "labels"}, MASK, MASK, None),
    "masks of booleans": ({"prediction_kind": "labels"}, MASK > 0, MASK > 0, None),
    "masks with weights": ({"prediction_kind": "labels"}, MASK, MASK, WEIGHT),
    "float16": ({}, MASK.astype(np.float16), MASK, WEIGHT),
    "float32": ({}, MASK.astype(np.float32), MASK, WEIGHT),
    "float64": ({}, MASK.astype(np.float64), MASK, WEIGHT),
    "uint8": ({}, MASK, MASK, None),
    "int64": ({}, MASK.astype(np.int64), MASK, None),
    "float32 in float64": ({"precision": "float64"}, MASK.astype(np.float32), MASK, WEIGHT),
    "float64 in float32": ({"precision": "float32"}, MASK.astype(np.float64), MASK, WEIGHT),
    "soft targets": ({"target_kind": "probabilities"}, MASK.astype(np.float64), MASK / 2, WEIGHT),
    "labels each": ({"task": "multilabel", "prediction_kind": "labels"}, HOT, HOT, WEIGHT),
    "logits each": ({"task": "multilabel"}, HOT.astype(np.float32), HOT, WEIGHT),
    "classes": ({"task": "multiclass"}, HOT.astype(np.float32), MASK, WEIGHT),
    "classes' labels": ({"task": "multiclass", "prediction_kind": "labels", "num_classes": 3}, MASK, MASK, WEIGHT),
    "regions": ({"task": "multiclass", "regions": [[0], [2], [0, 1]]}, HOT.astype(np.float32), MASK, WEIGHT),
    "ids": ({"task": "instances", "prediction_kind": "labels"}, MASK, MASK, None),
    "boxes": ({"task": "boxes", "prediction_kind": "boxes"}, np.ones((5, 4), np.float32), np.ones((5, 4)), None),
}


@pytest.mark.parametrize(("said", "prediction", "target", "weight"), CASES.values(), ids=CASES)
def test_as_much_as_the_service_takes_and_not_twice_that(
    said: dict[str, Any], prediction: Any, target: Any, weight: Any
) -> None:
    """For every task, kind and precision, weights and regions."""
    asked = {"task": "binary", "prediction_kind": "probabilities", **said}
    sample = sample_of(Question(**asked, metrics=[Dice()]), prediction, target, weight)
    taken = sum(array.nbytes for array in (sample.prediction, sample.target, sample.weight) if array is not None)
    roles = {"prediction": prediction, "target": target, "weight": weight}
    extents = {role: extent_of(sendable(array, "")) for role, array in roles.items() if array is not None}
    assert taken <= most_bytes(asked, extents) < 2 * taken


def test_a_png_file_is_as_large_as_its_header_says() -> None:
    """Its pixels need not be decoded; what is no PNG file takes nothing, as it will be refused."""
    assert extent_of(PngFile(png.write(MASK.astype(np.uint16)))) == Extent(48, np.dtype(np.uint16))
    assert extent_of(PngFile(png.write(MASK)[:20])).elements == 0
    assert extent_of(PngFile(b"GIF89a")).elements == 0


def test_what_cannot_be_told_is_beyond_all_room() -> None:
    """An array that is over the client's own caps may be of any size."""
    large = extent_of(sendable(CocoRleArray(size=[2**15, 2**15], counts=[2**30]), ""))
    assert most_bytes({"task": "binary"}, {"prediction": large, "target": Extent(4, np.dtype(bool))}) == BEYOND
