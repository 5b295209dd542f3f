"""Multi-class: a class for each pixel."""

from typing import Literal

import numpy as np
from lossgauge.wire import Precision, Question
from numpy.typing import NDArray

from lossgauge_service.errors import InvalidDtype, InvalidParameter, ShapeMismatch
from lossgauge_service.samples.checks import (
    bad_values,
    channel_first,
    check_class_count,
    ignored_in,
    is_soft,
    or_ignored,
    precision_of,
    prediction_values,
    rows_of,
    sent_dtype,
    two_shapes,
    weight_scale,
    weight_values,
)
from lossgauge_service.samples.sample import AnyArray, Case, Sample
from lossgauge_service.samples.spacing import spacing_of


def of_classes(question: Question, prediction: AnyArray, target: AnyArray, weight: AnyArray | None) -> Sample:
    """A checked pair of which each pixel has one class. Raises `InvalidArray` errors."""
    if is_soft(question):
        raise InvalidParameter(
            "target_kind 'probabilities' is for the tasks binary and multilabel; a multiclass target holds labels",
            pointer="/target_kind",
        )
    labels = question.prediction_kind == "labels"
    laid_out = prediction if labels else channel_first(question, prediction)
    classes = question.num_classes if labels and question.num_classes else laid_out.shape[0]
    shape = laid_out.shape if labels else laid_out.shape[1:]
    check_class_count(question, classes)
    if target.shape != shape:
        raise ShapeMismatch(two_shapes(prediction, target) + f"; the target must have {list(shape)}", pointer="/target")
    precision = precision_of(question, prediction)
    case = Case(
        question.task,
        question.prediction_kind,
        classes,
        False,
        weight is not None,
        precision,
        sent_dtype(prediction),
        len(shape),
    )
    guess = (
        _guessed_labels(prediction, classes)
        if labels
        else rows_of(prediction_values(question, laid_out, np.dtype(precision)))
    )
    return Sample(
        case,
        guess,
        _class_target(question, target, classes),
        _pixel_weight(weight, shape, precision),
        shape,
        question.channel_axis,
        weight_scale(weight),
        spacing_of(question, len(shape)),
    )


def _guessed_labels(prediction: AnyArray, classes: int) -> NDArray[np.int32]:
    _check_labels(prediction, "prediction")
    bad = (prediction < 0) | (prediction >= classes)
    if bad.any():
        raise bad_values("/prediction", "prediction", prediction, bad, f"labels from 0 to {classes - 1}")
    return prediction.astype(np.int32).reshape(-1)


def _class_target(question: Question, target: AnyArray, classes: int) -> NDArray[np.int32]:
    _check_labels(target, "target")
    ignored = ignored_in(question, target)
    bad = ((target < 0) | (target >= classes)) & ~ignored
    if bad.any():
        raise bad_values("/target", "target", target, bad, f"labels from 0 to {classes - 1}{or_ignored(question)}")
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
    return weight_values(weight, np.dtype(precision)).reshape(-1)
