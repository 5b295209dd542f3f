"""What is checked of any pair: shapes, dtypes and values. Nothing is resized, clipped or guessed."""

import math
from typing import Any, Literal

import numpy as np
from lossgauge.wire import Precision, Question
from numpy.typing import NDArray

from lossgauge_service.errors import InvalidDtype, InvalidValues, ShapeMismatch
from lossgauge_service.samples.sample import AnyArray

EXACT_INTEGERS = 2**53
USUAL_WEIGHT = 2.0**30


def is_soft(question: Question) -> bool:
    """Whether the target may lie between 0 and 1."""
    return question.target_kind == "probabilities"


def rows_of(array: AnyArray) -> AnyArray:
    """A row of pixels for each class."""
    return np.ascontiguousarray(array.reshape(array.shape[0], -1))


def ignored_in(question: Question, target: AnyArray) -> NDArray[np.bool_]:
    """Where the target says ignore."""
    if question.ignore_index is None:
        return np.zeros(target.shape, bool)
    return np.asarray(target == question.ignore_index)


def or_ignored(question: Question) -> str:
    """How an error names the label that is ignored, among those that are allowed."""
    return "" if question.ignore_index is None else f" (and ignore_index {question.ignore_index})"


def weight_scale(weight: AnyArray | None) -> float:
    """1, or, where the largest weight is far from 1, a power of two near it: what is divided by it can be squared and summed."""
    top = 1.0 if weight is None or not weight.size else float(np.max(weight))
    if not 0 < top < math.inf or 1 / USUAL_WEIGHT <= top <= USUAL_WEIGHT:
        return 1.0
    return math.ldexp(1.0, math.frexp(top)[1] - 1)


def weight_values(weight: AnyArray, dtype: np.dtype[Any]) -> AnyArray:
    """The weights over their scale, in the dtype of the pass. Raises `InvalidArray` errors."""
    if not np.issubdtype(weight.dtype, np.number) and weight.dtype != bool:
        raise InvalidDtype(
            f"the weight has dtype {weight.dtype}; allowed are floats, integers and bool", pointer="/weight"
        )
    scale = weight_scale(weight)
    values = narrowed(weight if scale == 1 else weight / scale, dtype)
    bad = ~(np.isfinite(values) & (values >= 0))
    if bad.any():
        raise bad_values("/weight", "weight", weight, bad, f"finite {dtype} values >= 0")
    return values


def prediction_values(question: Question, prediction: AnyArray, dtype: np.dtype[Any]) -> AnyArray:
    """The prediction in the dtype of the pass; labels as bytes. Raises `InvalidArray` errors."""
    if question.prediction_kind == "labels":
        return _mask_labels(prediction)
    if prediction.dtype == bool or not np.issubdtype(prediction.dtype, np.number):
        raise InvalidDtype(
            f"the prediction has dtype {prediction.dtype}; {question.prediction_kind} are floats or integers"
            " (a mask of 0 and 1 is prediction_kind 'labels')",
            pointer="/prediction",
        )
    if np.issubdtype(prediction.dtype, np.integer) and (np.abs(prediction.astype(np.float64)) > EXACT_INTEGERS).any():
        raise InvalidValues("the prediction holds integers that a float64 cannot hold", pointer="/prediction")
    return narrowed(prediction, dtype)


def narrowed(array: AnyArray, dtype: np.dtype[Any]) -> AnyArray:
    """The array in the dtype of the pass, itself where it has it. What the dtype cannot hold becomes infinite, and is refused."""
    with np.errstate(over="ignore"):
        return array.astype(dtype, copy=False)


def _mask_labels(prediction: AnyArray) -> NDArray[np.int8]:
    if prediction.dtype == bool:
        return np.asarray(prediction.view(np.int8))
    ones = prediction == 1
    bad = ~(ones | (prediction == 0))
    if bad.any():
        raise bad_values("/prediction", "prediction", prediction, bad, "the labels 0 and 1")
    return np.asarray(ones.view(np.int8))


def precision_of(question: Question, prediction: AnyArray) -> Precision:
    """What the pass computes in."""
    if question.precision is not None:
        return question.precision
    wide = prediction.dtype == np.float64 or (
        np.issubdtype(prediction.dtype, np.integer) and prediction.dtype.itemsize > 2
    )
    return "float64" if wide and question.prediction_kind != "labels" else "float32"


def sent_dtype(prediction: AnyArray) -> Literal["float16", "float32", "float64"]:
    """The dtype in which thresholds are compared."""
    if prediction.dtype == np.float16:
        return "float16"
    return "float32" if prediction.dtype == np.float32 else "float64"


def channel_first(question: Question, array: AnyArray) -> AnyArray:
    """The array with its classes first. Raises `ShapeMismatch`."""
    axis = question.channel_axis
    if array.ndim < 2 or not -array.ndim <= axis < array.ndim:
        raise ShapeMismatch(
            f"shape {list(array.shape)} has no channel axis {axis} beside its pixels", pointer="/channel_axis"
        )
    return np.moveaxis(array, axis, 0)


def check_class_count(question: Question, classes: int) -> None:
    """Raises `ShapeMismatch` where `num_classes` is not what the array has, or is too few."""
    if question.num_classes is not None and question.task != "binary" and question.num_classes != classes:
        raise ShapeMismatch(
            f"num_classes is {question.num_classes}, and axis {question.channel_axis} of the prediction has {classes}",
            pointer="/num_classes",
        )
    if question.task == "multiclass" and classes < 2:
        raise ShapeMismatch("multiclass needs at least 2 classes; one class is task 'binary'", pointer="/prediction")


def two_shapes(prediction: AnyArray, target: AnyArray) -> str:
    """Both shapes, as an error tells them."""
    return f"the prediction has shape {list(prediction.shape)} and the target {list(target.shape)}"


def bad_values(pointer: str, role: str, array: AnyArray, bad: NDArray[np.bool_], allowed: str) -> InvalidValues:
    """The error of values that are not allowed: the first of them, where it is, and how many there are."""
    first = np.unravel_index(int(np.argmax(bad)), bad.shape)
    return InvalidValues(
        f"the {role} holds {_spoken(array[first])} at {[int(i) for i in first]} ({int(bad.sum())} such values); allowed are {allowed}",
        pointer=pointer,
    )


def _spoken(value: Any) -> str:
    number = value.item()
    return "NaN" if number != number else str(number)
