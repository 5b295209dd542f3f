"""Classes taken apart: each a mask of its own, against all others."""

from dataclasses import replace

import numpy as np

from lossgauge_service.samples.sample import AnyArray, Case, Sample


def case_one_vs_rest(case: Case) -> Case:
    """The case of a multi-class sample's masks."""
    return replace(case, task="multilabel")


def one_vs_rest(sample: Sample) -> Sample:
    """A multi-class sample as masks: each class's logits or probabilities as they are, the target where it is this class."""
    weight = None if sample.weight is None else np.tile(sample.weight, (sample.case.classes, 1))
    return replace(sample, case=case_one_vs_rest(sample.case), target=_masks(sample), weight=weight)


def _masks(sample: Sample) -> AnyArray:
    """(classes, pixels) of 1, 0 and -1 (ignored)."""
    classes = np.arange(sample.case.classes, dtype=np.int32)[:, None]
    return np.where(sample.target < 0, np.int8(-1), (sample.target == classes).astype(np.int8))
