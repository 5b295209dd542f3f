"""Regions: unions of classes, each scored as a mask of its own."""

from dataclasses import replace

import numpy as np
from lossgauge.wire import Question
from numpy.typing import NDArray

from lossgauge_service.errors import InvalidParameter
from lossgauge_service.samples.classes import of_classes
from lossgauge_service.samples.ranges import check_extremes
from lossgauge_service.samples.sample import AnyArray, Sample

Regions = list[list[int]]


def of_regions(question: Question, prediction: AnyArray, target: AnyArray, weight: AnyArray | None) -> Sample:
    """A checked multi-class pair as masks of labels, one a region: where the class is one of the region's.

    The predicted class is the label, or the argmax. Raises `InvalidArray` errors, and `InvalidParameter` for a class that
    there is not.
    """
    whole = of_classes(question, prediction, target, weight)
    regions = question.regions or []
    _check_classes(regions, whole.case.classes)
    guess = _guess(whole)
    inside = _membership(regions, whole.case.classes)
    masks = inside[:, guess].astype(np.int8)
    targets = np.where(whole.target < 0, np.int8(-1), inside[:, whole.target].astype(np.int8))
    weights = None if whole.weight is None else np.tile(whole.weight, (len(regions), 1))
    case = replace(whole.case, task="multilabel", kind="labels", classes=len(regions))
    # a map of labels has no axis of classes: its regions come first
    axis = 0 if whole.case.kind == "labels" else whole.channel_axis
    return replace(whole, case=case, prediction=masks, target=targets, weight=weights, channel_axis=axis)


def _guess(whole: Sample) -> AnyArray:
    if whole.case.kind == "labels":
        return whole.prediction
    check_extremes(whole)
    return np.asarray(whole.prediction.argmax(0))


def _membership(regions: Regions, classes: int) -> NDArray[np.bool_]:
    """(regions, classes): whether a class is of a region."""
    return np.array([[c in region for c in range(classes)] for region in regions])


def _check_classes(regions: Regions, classes: int) -> None:
    for place, region in enumerate(regions):
        for index, label in enumerate(region):
            if label >= classes:
                detail = f"region {place} has the class {label}; there are the classes 0 to {classes - 1}"
                raise InvalidParameter(detail, pointer=f"/regions/{place}/{index}")
            if label in region[:index]:
                detail = f"region {place} has the class {label} twice, at {region.index(label)} and {index}"
                raise InvalidParameter(detail, pointer=f"/regions/{place}/{index}")
