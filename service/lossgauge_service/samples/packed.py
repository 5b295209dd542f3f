"""Pairs of masks that stay a bit a pixel, as they travelled: counted so, and unpacked for whatever else reads them."""

import math
from dataclasses import replace

import numpy as np
from lossgauge.encodings.base import Bits
from lossgauge.wire import Question

from lossgauge_service.samples.sample import AnyArray, Case, Sample
from lossgauge_service.samples.spacing import spacing_of


def may_be_packed(question: Question) -> bool:
    """Whether a pair of bits says all that there is: two masks of labels, one class, no pixel ignored."""
    return (
        question.task == "binary"
        and (question.prediction_kind, question.target_kind) == ("labels", "labels")
        and question.ignore_index is None
        and question.regions is None
    )


def sample_of_bits(question: Question, prediction: Bits, target: Bits) -> Sample:
    """The packed sample of two masks of one shape, which is not empty."""
    case = Case(
        question.task,
        question.prediction_kind,
        1,
        precision=question.precision or "float32",
        sent="float64",
        axes=len(prediction.shape),
        packed=True,
    )
    spacing = spacing_of(question, len(prediction.shape))
    return Sample(case, prediction.packed[None], target.packed[None], None, prediction.shape, spacing=spacing)


def unpacked_case(case: Case) -> Case:
    """The case of the same samples, a byte a pixel."""
    return replace(case, packed=False)


def unpacked(sample: Sample) -> Sample:
    """The sample with a byte a pixel."""
    if not sample.case.packed:
        return sample
    masks = [_rows(bits, sample.shape) for bits in (sample.prediction, sample.target)]
    return replace(sample, case=unpacked_case(sample.case), prediction=masks[0], target=masks[1])


def _rows(bits: AnyArray, shape: tuple[int, ...]) -> AnyArray:
    return np.unpackbits(bits, axis=1, count=math.prod(shape)).view(np.int8)
