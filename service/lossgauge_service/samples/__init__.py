"""Samples: pairs of arrays, checked, in the layout that the engine reads. Nothing is resized, clipped or guessed."""

from collections.abc import Callable, Mapping

import numpy as np
from lossgauge.tasks import Task
from lossgauge.wire import Question

from lossgauge_service.errors import LossgaugeError, ShapeMismatch
from lossgauge_service.samples.boxes import of_boxes
from lossgauge_service.samples.classes import of_classes
from lossgauge_service.samples.instances import of_instances
from lossgauge_service.samples.masks import of_masks
from lossgauge_service.samples.one_vs_rest import case_one_vs_rest as case_one_vs_rest
from lossgauge_service.samples.one_vs_rest import one_vs_rest as one_vs_rest
from lossgauge_service.samples.packed import may_be_packed as may_be_packed
from lossgauge_service.samples.packed import sample_of_bits as sample_of_bits
from lossgauge_service.samples.packed import unpacked as unpacked
from lossgauge_service.samples.ranges import check_range as check_range
from lossgauge_service.samples.regions import of_regions
from lossgauge_service.samples.sample import AnyArray as AnyArray
from lossgauge_service.samples.sample import Case as Case
from lossgauge_service.samples.sample import Sample as Sample

BUILDERS: Mapping[Task, Callable[[Question, AnyArray, AnyArray, AnyArray | None], Sample]] = {
    "binary": of_masks,
    "multilabel": of_masks,
    "multiclass": of_classes,
    "instances": of_instances,
    "boxes": of_boxes,
}


def sample_of(question: Question, prediction: AnyArray, target: AnyArray, weight: AnyArray | None = None) -> Sample:
    """Check one pair and lay it out. Raises `InvalidArray` errors that point to /prediction, /target or /weight."""
    if question.task != "boxes" and (prediction.ndim == 0 or prediction.size == 0):
        raise ShapeMismatch(
            f"the prediction has shape {list(prediction.shape)}: nothing to score", pointer="/prediction"
        )
    build = BUILDERS[question.task] if question.regions is None else of_regions
    return build(question, _without_shared_voids(question, prediction, target), target, weight)


def _without_shared_voids(question: Question, prediction: AnyArray, target: AnyArray) -> AnyArray:
    """Labels with 0 where prediction and target both say ignore: two annotators' masks may share a void."""
    if question.prediction_kind != "labels" or question.ignore_index is None or prediction.shape != target.shape:
        return prediction
    if question.task == "instances" and question.ignore_index >= 0:
        # an id like others, of an object of the prediction's
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
