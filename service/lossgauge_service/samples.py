"""A sample: a prediction and its target, checked, in the layout that the engine reads. Nothing is resized, clipped or guessed."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from lossgauge.metrics.spec import PredictionKind, Task
from lossgauge.wire import Precision, Question
from numpy.typing import NDArray

from lossgauge_service.errors import InvalidDtype, InvalidParameter, InvalidValues, LossgaugeError, ShapeMismatch

AnyArray = NDArray[Any]
EXACT_INTEGERS = 2**53
USUAL_WEIGHT = 2.0**30


@dataclass(frozen=True)
class Case:
    """What kind of sample this is: everything that decides which kernel reads it and which metrics fit it."""

    task: Task
    kind: PredictionKind
    classes: int
    soft: bool = False
    weighted: bool = False
    precision: Precision = "float32"
    sent: Literal["float16", "float32", "float64"] = "float32"


@dataclass(frozen=True)
class Sample:
    """One checked pair.

    Masks (binary, multilabel): prediction and target (classes, pixels); target int8 of 1, 0 and -1 (ignored), or, where soft,
    floats with -1. Classes (multiclass): prediction (classes, pixels), or int32 labels (pixels,); target int32 (pixels,), -1 ignored.
    weight: (classes, pixels) for masks, (pixels,) for classes. shape: the spatial axes. channel_axis: where the caller had
    the classes, to speak of places as the caller does. weight_scale: what the weights were divided by.
    """

    case: Case
    prediction: AnyArray
    target: AnyArray
    weight: AnyArray | None
    shape: tuple[int, ...]
    channel_axis: int = 0
    weight_scale: float = 1.0

    @property
    def elements(self) -> int:
        """Elements of the prediction: what a pass over the sample costs."""
        return int(self.prediction.size)


def sample_of(question: Question, prediction: AnyArray, target: AnyArray, weight: AnyArray | None = None) -> Sample:
    """Check one pair and lay it out. Raises `InvalidArray` errors that point to /prediction, /target or /weight."""
    if prediction.ndim == 0 or prediction.size == 0:
        raise ShapeMismatch(
            f"the prediction has shape {list(prediction.shape)}: nothing to score", pointer="/prediction"
        )
    build = _of_classes if question.task == "multiclass" else _of_masks
    return build(question, _without_shared_voids(question, prediction, target), target, weight)


def _without_shared_voids(question: Question, prediction: AnyArray, target: AnyArray) -> AnyArray:
    """Labels with 0 where prediction and target both say ignore: two annotators' masks may share a void."""
    if question.prediction_kind != "labels" or question.ignore_index is None or prediction.shape != target.shape:
        return prediction
    void = (prediction == question.ignore_index) & (target == question.ignore_index)
    return np.where(void, prediction.dtype.type(0), prediction) if void.any() else prediction


def samples_of_stack(
    question: Question, prediction: AnyArray, target: AnyArray, weight: AnyArray | None = None
) -> list[Sample | LossgaugeError]:
    """Check pairs stacked along the first axis; each is a sample or the error that it has."""
    for name, array in (("target", target), ("weight", weight)):
        if array is not None and (array.ndim == 0 or prediction.ndim == 0 or len(array) != len(prediction)):
            raise ShapeMismatch(
                f"the stacked {name} has shape {list(array.shape)} and the prediction {list(prediction.shape)}: the first axes differ",
                pointer=f"/{name}",
            )
    weights = [None] * len(prediction) if weight is None else weight
    return [_sample_or_error(question, *pair) for pair in zip(prediction, target, weights, strict=True)]


def _sample_or_error(
    question: Question, prediction: AnyArray, target: AnyArray, weight: AnyArray | None
) -> Sample | LossgaugeError:
    try:
        return sample_of(question, prediction, target, weight)
    except LossgaugeError as error:
        return error


# ----------------------------------------------------------------------------------------------------------------- masks


def _of_masks(question: Question, prediction: AnyArray, target: AnyArray, weight: AnyArray | None) -> Sample:
    if prediction.shape != target.shape:
        raise ShapeMismatch(_two_shapes(prediction, target) + "; they must be equal", pointer="/target")
    whole = _by_class(question, prediction).shape
    classes, shape = whole[0], whole[1:]
    _check_classes(question, classes)
    precision = _precision(question, prediction)
    case = Case(
        question.task,
        question.prediction_kind,
        classes,
        _is_soft(question),
        weight is not None,
        precision,
        _sent(prediction),
    )
    dtype = np.dtype(precision)
    return Sample(
        case,
        _rows(_by_class(question, _prediction(question, prediction, dtype))),
        _rows(
            _by_class(question, _soft_target(question, target, dtype) if case.soft else _mask_target(question, target))
        ),
        None if weight is None else _rows(_mask_weight(question, weight, whole, dtype)),
        shape,
        question.channel_axis,
        _weight_scale(weight),
    )


def _by_class(question: Question, array: AnyArray) -> AnyArray:
    """A mask's array with its labels first; binary has one."""
    return _channel_first(question, array) if question.task == "multilabel" else array[None]


def _is_soft(question: Question) -> bool:
    return question.target_kind == "probabilities"


def _rows(array: AnyArray) -> AnyArray:
    return np.ascontiguousarray(array.reshape(array.shape[0], -1))


def _mask_target(question: Question, target: AnyArray) -> NDArray[np.int8]:
    if target.dtype == bool and question.ignore_index is None:
        return np.asarray(target.view(np.int8))
    if target.dtype != bool and not np.issubdtype(target.dtype, np.number):
        raise InvalidDtype(
            f"the target has dtype {target.dtype}; allowed are bool, integers and floats", pointer="/target"
        )
    if target.dtype == np.uint8 and question.ignore_index is None and target.max() <= 1:
        return np.asarray(target.view(np.int8))
    return _marked(question, target)


def _marked(question: Question, target: AnyArray) -> NDArray[np.int8]:
    ignored = _ignored(question, target)
    ones = target == 1
    bad = ~(ones | (target == 0) | ignored)
    if bad.any():
        raise _bad_values("/target", "target", target, bad, f"the labels 0 and 1{_or_ignored(question)}")
    marked = ones.view(np.int8)
    if question.ignore_index is not None:
        marked[ignored] = -1
    return np.asarray(marked)


def _ignored(question: Question, target: AnyArray) -> NDArray[np.bool_]:
    if question.ignore_index is None:
        return np.zeros(target.shape, bool)
    return np.asarray(target == question.ignore_index)


def _or_ignored(question: Question) -> str:
    return "" if question.ignore_index is None else f" (and ignore_index {question.ignore_index})"


def _soft_target(question: Question, target: AnyArray, dtype: np.dtype[Any]) -> AnyArray:
    if not np.issubdtype(target.dtype, np.number) and target.dtype != bool:
        raise InvalidDtype(
            f"the target has dtype {target.dtype}; allowed are floats, integers and bool", pointer="/target"
        )
    ignored = _ignored(question, target)
    bad = ~(((target >= 0) & (target <= 1)) | ignored)
    if bad.any():
        raise _bad_values("/target", "target", target, bad, f"values in [0, 1]{_or_ignored(question)}")
    return np.where(ignored, dtype.type(-1), _narrowed(target, dtype))


def _mask_weight(question: Question, weight: AnyArray, shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
    """The weight of each class and pixel; a multilabel weight map may be one for all labels."""
    values = _weight_values(weight, dtype)
    if question.task == "multilabel" and weight.ndim == len(shape):
        values = _channel_first(question, values)
    else:
        values = values[None]
    if values.shape[1:] != shape[1:] or values.shape[0] not in (1, shape[0]):
        raise ShapeMismatch(
            f"the weight has shape {list(weight.shape)}; the pixels have {list(shape[1:])}", pointer="/weight"
        )
    return np.broadcast_to(values, shape)


def _weight_scale(weight: AnyArray | None) -> float:
    """1, or, where the largest weight is far from 1, a power of two near it: what is divided by it can be squared and summed."""
    top = 1.0 if weight is None or not weight.size else float(np.max(weight))
    if not 0 < top < math.inf or 1 / USUAL_WEIGHT <= top <= USUAL_WEIGHT:
        return 1.0
    return math.ldexp(1.0, math.frexp(top)[1] - 1)


def _weight_values(weight: AnyArray, dtype: np.dtype[Any]) -> AnyArray:
    if not np.issubdtype(weight.dtype, np.number) and weight.dtype != bool:
        raise InvalidDtype(
            f"the weight has dtype {weight.dtype}; allowed are floats, integers and bool", pointer="/weight"
        )
    scale = _weight_scale(weight)
    values = _narrowed(weight if scale == 1 else weight / scale, dtype)
    bad = ~(np.isfinite(values) & (values >= 0))
    if bad.any():
        raise _bad_values("/weight", "weight", weight, bad, f"finite {dtype} values >= 0")
    return values


# --------------------------------------------------------------------------------------------------------------- classes


def _of_classes(question: Question, prediction: AnyArray, target: AnyArray, weight: AnyArray | None) -> Sample:
    if _is_soft(question):
        raise InvalidParameter(
            "target_kind 'probabilities' is for the tasks binary and multilabel; a multiclass target holds labels",
            pointer="/target_kind",
        )
    labels = question.prediction_kind == "labels"
    laid_out = prediction if labels else _channel_first(question, prediction)
    classes = question.num_classes if labels and question.num_classes else laid_out.shape[0]
    shape = laid_out.shape if labels else laid_out.shape[1:]
    _check_classes(question, classes)
    if target.shape != shape:
        raise ShapeMismatch(
            _two_shapes(prediction, target) + f"; the target must have {list(shape)}", pointer="/target"
        )
    precision = _precision(question, prediction)
    case = Case(
        question.task, question.prediction_kind, classes, False, weight is not None, precision, _sent(prediction)
    )
    guess = (
        _guessed_labels(prediction, classes) if labels else _rows(_prediction(question, laid_out, np.dtype(precision)))
    )
    return Sample(
        case,
        guess,
        _class_target(question, target, classes),
        _pixel_weight(weight, shape, precision),
        shape,
        question.channel_axis,
        _weight_scale(weight),
    )


def _guessed_labels(prediction: AnyArray, classes: int) -> NDArray[np.int32]:
    _check_labels(prediction, "prediction")
    bad = (prediction < 0) | (prediction >= classes)
    if bad.any():
        raise _bad_values("/prediction", "prediction", prediction, bad, f"labels from 0 to {classes - 1}")
    return prediction.astype(np.int32).reshape(-1)


def _class_target(question: Question, target: AnyArray, classes: int) -> NDArray[np.int32]:
    _check_labels(target, "target")
    ignored = _ignored(question, target)
    bad = ((target < 0) | (target >= classes)) & ~ignored
    if bad.any():
        raise _bad_values("/target", "target", target, bad, f"labels from 0 to {classes - 1}{_or_ignored(question)}")
    labels = target.astype(np.int32)
    labels[ignored] = -1
    return labels.reshape(-1)


def _check_labels(array: AnyArray, role: Literal["prediction", "target"]) -> None:
    if not np.issubdtype(array.dtype, np.integer):
        raise InvalidDtype(f"the {role} has dtype {array.dtype}; class labels are integers", pointer=f"/{role}")


def _pixel_weight(weight: AnyArray | None, shape: tuple[int, ...], precision: Precision) -> AnyArray | None:
    if weight is None:
        return None
    if weight.shape != shape:
        raise ShapeMismatch(
            f"the weight has shape {list(weight.shape)}; the pixels have {list(shape)}", pointer="/weight"
        )
    return _weight_values(weight, np.dtype(precision)).reshape(-1)


# ---------------------------------------------------------------------------------------------------------------- shared


def _prediction(question: Question, prediction: AnyArray, dtype: np.dtype[Any]) -> AnyArray:
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
    return _narrowed(prediction, dtype)


def _narrowed(array: AnyArray, dtype: np.dtype[Any]) -> AnyArray:
    """The array in the dtype of the pass, itself where it has it. What the dtype cannot hold becomes infinite, and is refused."""
    with np.errstate(over="ignore"):
        return array.astype(dtype, copy=False)


def _mask_labels(prediction: AnyArray) -> NDArray[np.int8]:
    if prediction.dtype == bool:
        return np.asarray(prediction.view(np.int8))
    ones = prediction == 1
    bad = ~(ones | (prediction == 0))
    if bad.any():
        raise _bad_values("/prediction", "prediction", prediction, bad, "the labels 0 and 1")
    return np.asarray(ones.view(np.int8))


def _precision(question: Question, prediction: AnyArray) -> Precision:
    if question.precision is not None:
        return question.precision
    wide = prediction.dtype == np.float64 or (
        np.issubdtype(prediction.dtype, np.integer) and prediction.dtype.itemsize > 2
    )
    return "float64" if wide and question.prediction_kind != "labels" else "float32"


def _sent(prediction: AnyArray) -> Literal["float16", "float32", "float64"]:
    """The dtype in which thresholds are compared."""
    if prediction.dtype == np.float16:
        return "float16"
    return "float32" if prediction.dtype == np.float32 else "float64"


def _channel_first(question: Question, array: AnyArray) -> AnyArray:
    axis = question.channel_axis
    if array.ndim < 2 or not -array.ndim <= axis < array.ndim:
        raise ShapeMismatch(
            f"shape {list(array.shape)} has no channel axis {axis} beside its pixels", pointer="/channel_axis"
        )
    return np.moveaxis(array, axis, 0)


def _check_classes(question: Question, classes: int) -> None:
    if question.num_classes is not None and question.task != "binary" and question.num_classes != classes:
        raise ShapeMismatch(
            f"num_classes is {question.num_classes}, and axis {question.channel_axis} of the prediction has {classes}",
            pointer="/num_classes",
        )
    if question.task == "multiclass" and classes < 2:
        raise ShapeMismatch("multiclass needs at least 2 classes; one class is task 'binary'", pointer="/prediction")


def _two_shapes(prediction: AnyArray, target: AnyArray) -> str:
    return f"the prediction has shape {list(prediction.shape)} and the target {list(target.shape)}"


def _bad_values(pointer: str, role: str, array: AnyArray, bad: NDArray[np.bool_], allowed: str) -> InvalidValues:
    first = np.unravel_index(int(np.argmax(bad)), bad.shape)
    return InvalidValues(
        f"the {role} holds {_spoken(array[first])} at {[int(i) for i in first]} ({int(bad.sum())} such values); allowed are {allowed}",
        pointer=pointer,
    )


def _spoken(value: Any) -> str:
    number = value.item()
    return "NaN" if number != number else str(number)


def check_range(sample: Sample, low: float, high: float) -> None:
    """Refuse what the pass found: NaN, infinity, and probabilities outside of [0, 1]. Raises `InvalidValues`."""
    if sample.case.kind == "labels":
        return
    if not (np.isfinite(low) and np.isfinite(high)):
        infinite = ~np.isfinite(sample.prediction)
        raise _bad_values(
            "/prediction", "prediction", *_as_sent(sample, infinite), f"finite {sample.case.precision} values"
        )
    if sample.case.kind == "probabilities" and not (low >= 0 and high <= 1):
        outside = (sample.prediction < 0) | (sample.prediction > 1)
        raise _bad_values("/prediction", "prediction", *_as_sent(sample, outside), "probabilities in [0, 1]")


def _as_sent(sample: Sample, bad: NDArray[np.bool_]) -> tuple[AnyArray, NDArray[np.bool_]]:
    """The prediction and its bad places, in the caller's axes."""
    if sample.case.task == "binary":
        return sample.prediction.reshape(sample.shape), bad.reshape(sample.shape)
    whole = (sample.case.classes, *sample.shape)
    return (
        np.moveaxis(sample.prediction.reshape(whole), 0, sample.channel_axis),
        np.moveaxis(bad.reshape(whole), 0, sample.channel_axis),
    )
