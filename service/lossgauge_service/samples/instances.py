"""Instances: two maps of ids, 0 where there is no object."""

from typing import Literal

import numpy as np
from lossgauge.wire import Question
from numpy.typing import NDArray

from lossgauge_service.errors import InvalidDtype, InvalidParameter, ShapeMismatch
from lossgauge_service.samples.checks import (
    bad_values,
    ignored_in,
    is_soft,
    or_ignored,
    precision_of,
    sent_dtype,
    two_shapes,
)
from lossgauge_service.samples.sample import AnyArray, Case, Sample
from lossgauge_service.samples.spacing import spacing_of

LARGEST_ID = 2**63 - 1


def of_instances(question: Question, prediction: AnyArray, target: AnyArray, weight: AnyArray | None) -> Sample:
    """A checked pair of maps of ids, as int64, with -1 where the target says ignore. Raises `InvalidArray` errors."""
    if is_soft(question):
        raise InvalidParameter(
            "target_kind 'probabilities' is for the tasks binary and multilabel; ids are labels", pointer="/target_kind"
        )
    if prediction.shape != target.shape:
        raise ShapeMismatch(two_shapes(prediction, target) + "; they must be equal", pointer="/target")
    ignored = ignored_in(question, target)
    ids = _ids(question, target, ignored, "target")
    ids[ignored] = -1
    case = Case(
        question.task,
        question.prediction_kind,
        question.num_classes or 1,
        weighted=weight is not None,
        precision=precision_of(question, prediction),
        sent=sent_dtype(prediction),
        axes=prediction.ndim,
    )
    return Sample(
        case,
        _ids(question, prediction, np.zeros(prediction.shape, bool), "prediction").reshape(-1),
        ids.reshape(-1),
        None,
        prediction.shape,
        spacing=spacing_of(question, prediction.ndim),
    )


def _ids(
    question: Question, array: AnyArray, ignored: NDArray[np.bool_], role: Literal["prediction", "target"]
) -> NDArray[np.int64]:
    if not np.issubdtype(array.dtype, np.integer):
        raise InvalidDtype(f"the {role} has dtype {array.dtype}; ids of instances are integers", pointer=f"/{role}")
    bad = ((array < 0) | (array > LARGEST_ID)) & ~ignored
    if bad.any():
        allowed = f"ids from 0 to {LARGEST_ID}{or_ignored(question) if role == 'target' else ''}"
        raise bad_values(f"/{role}", role, array, bad, allowed)
    return array.astype(np.int64)
