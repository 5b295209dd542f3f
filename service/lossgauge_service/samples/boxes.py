"""Boxes: two tables of four numbers a row, paired row by row."""

from typing import Literal

import numpy as np
from lossgauge.wire import Question
from numpy.typing import NDArray

from lossgauge_service.errors import InvalidDtype, InvalidParameter, ShapeMismatch
from lossgauge_service.samples.checks import bad_values, is_soft, sent_dtype, two_shapes
from lossgauge_service.samples.sample import AnyArray, Case, Sample

LARGEST = 1e100
"""Its square, and the sum of two areas, are far from what a float64 cannot hold."""


def of_boxes(question: Question, prediction: AnyArray, target: AnyArray, weight: AnyArray | None) -> Sample:
    """A checked pair of tables (n, 4), as float64. Raises `InvalidArray` errors."""
    if is_soft(question):
        raise InvalidParameter(
            "target_kind 'probabilities' is for the tasks binary and multilabel; boxes have none",
            pointer="/target_kind",
        )
    if question.spacing is not None:
        raise InvalidParameter("spacing is of pixels, and boxes have none", pointer="/spacing")
    if weight is not None:
        raise InvalidParameter("boxes have no weights", pointer="/weight")
    guess, truth = _numbers(prediction, "prediction"), _numbers(target, "target")
    if len(guess) != len(truth):
        raise ShapeMismatch(two_shapes(prediction, target) + "; boxes are paired row by row", pointer="/target")
    case = Case(question.task, question.prediction_kind, 1, precision="float64", sent=sent_dtype(prediction), axes=1)
    return Sample(case, guess, truth, None, guess.shape[:1])


def _numbers(array: AnyArray, role: Literal["prediction", "target"]) -> NDArray[np.float64]:
    if array.dtype == bool or not np.issubdtype(array.dtype, np.number):
        raise InvalidDtype(f"the {role} has dtype {array.dtype}; boxes are floats or integers", pointer=f"/{role}")
    if array.ndim != 2 or array.shape[1] != 4:
        raise ShapeMismatch(
            f"the {role} has shape {list(array.shape)}; boxes are a table of n rows of 4", pointer=f"/{role}"
        )
    numbers = array.astype(np.float64)
    bad = ~(np.abs(numbers) <= LARGEST)
    if bad.any():
        raise bad_values(f"/{role}", role, array, bad, f"finite values of at most {LARGEST:g}")
    return numbers
