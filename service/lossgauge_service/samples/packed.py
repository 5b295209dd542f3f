"""Pairs of masks that stay a bit a pixel, as they travelled: counted so, and unpacked for whatever else reads them."""

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
    return Sample(
        case,
        prediction.packed[None],
        target.packed[None],
        None,
        prediction.shape,
        spacing=spacing,
        down_columns=prediction.down_columns,
    )


def unpacked(sample: Sample) -> Sample:
    """The packed sample with a byte a pixel."""
    prediction, target = (_row(sample, bits[0]) for bits in (sample.prediction, sample.target))
    case = replace(sample.case, packed=False)
    return replace(sample, case=case, prediction=prediction, target=target, down_columns=False)


def _row(sample: Sample, packed: AnyArray) -> AnyArray:
    return Bits(packed, sample.shape, sample.down_columns).unpacked().reshape(1, -1).view(np.int8)
