"""Binary and multilabel: a mask for each label."""

from typing import Any

import numpy as np
from lossgauge.wire import Question
from numpy.typing import NDArray

from lossgauge_service.errors import InvalidDtype, ShapeMismatch
from lossgauge_service.samples.checks import (
    bad_values,
    channel_first,
    check_class_count,
    ignored_in,
    is_soft,
    narrowed,
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


def of_masks(question: Question, prediction: AnyArray, target: AnyArray, weight: AnyArray | None) -> Sample:
    """A checked pair of masks. Raises `InvalidArray` errors."""
    if prediction.shape != target.shape:
        raise ShapeMismatch(two_shapes(prediction, target) + "; they must be equal", pointer="/target")
    whole = _by_class(question, prediction).shape
    classes, shape = whole[0], whole[1:]
    check_class_count(question, classes)
    precision = precision_of(question, prediction)
    case = Case(
        question.task,
        question.prediction_kind,
        classes,
        is_soft(question),
        weight is not None,
        precision,
        sent_dtype(prediction),
        len(shape),
    )
    dtype = np.dtype(precision)
    return Sample(
        case,
        rows_of(_by_class(question, prediction_values(question, prediction, dtype))),
        rows_of(
            _by_class(question, _soft_target(question, target, dtype) if case.soft else _mask_target(question, target))
        ),
        None if weight is None else rows_of(_mask_weight(question, weight, whole, dtype)),
        shape,
        question.channel_axis,
        weight_scale(weight),
        spacing_of(question, len(shape)),
    )


def _by_class(question: Question, array: AnyArray) -> AnyArray:
    """A mask's array with its labels first; binary has one."""
    return channel_first(question, array) if question.task == "multilabel" else array[None]


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
    ignored = ignored_in(question, target)
    ones = target == 1
    bad = ~(ones | (target == 0) | ignored)
    if bad.any():
        raise bad_values("/target", "target", target, bad, f"the labels 0 and 1{or_ignored(question)}")
    marked = ones.view(np.int8)
    if question.ignore_index is not None:
        marked[ignored] = -1
    return np.asarray(marked)


def _soft_target(question: Question, target: AnyArray, dtype: np.dtype[Any]) -> AnyArray:
    if not np.issubdtype(target.dtype, np.number) and target.dtype != bool:
        raise InvalidDtype(
            f"the target has dtype {target.dtype}; allowed are floats, integers and bool", pointer="/target"
        )
    ignored = ignored_in(question, target)
    bad = ~(((target >= 0) & (target <= 1)) | ignored)
    if bad.any():
        raise bad_values("/target", "target", target, bad, f"values in [0, 1]{or_ignored(question)}")
    return np.where(ignored, dtype.type(-1), narrowed(target, dtype))


def _mask_weight(question: Question, weight: AnyArray, shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
    """The weight of each class and pixel; a multilabel weight map may be one for all labels."""
    values = weight_values(weight, dtype)
    if question.task == "multilabel" and weight.ndim == len(shape):
        values = channel_first(question, values)
    else:
        values = values[None]
    if values.shape[1:] != shape[1:] or values.shape[0] not in (1, shape[0]):
        raise ShapeMismatch(
            f"the weight has shape {list(weight.shape)}; the pixels have {list(shape[1:])}", pointer="/weight"
        )
    return np.broadcast_to(values, shape)
