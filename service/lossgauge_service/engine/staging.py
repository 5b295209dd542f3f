"""Laying samples out for the device: all that can be done while it computes something else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from lossgauge_service.engine.counting import countable
from lossgauge_service.engine.passes import Laid, lay_out, passes_of
from lossgauge_service.errors import LossgaugeError
from lossgauge_service.plan import Plan
from lossgauge_service.samples import Case, Sample, unpacked
from lossgauge_service.statistics import Measure, PixelStatistic, Statistic


@dataclass(frozen=True)
class Part:
    """Samples of one case, by their places: their passes, laid out, and what is measured of them as they are."""

    case: Case
    samples: Mapping[int, Sample]
    passes: Sequence[Laid]
    measures: Sequence[Measure[Any]]


@dataclass(frozen=True)
class Staged:
    """Samples of one plan, ready to be launched; the errors of those that do not fit it, by place."""

    count: int
    parts: Sequence[Part]
    errors: Mapping[int, LossgaugeError]

    @property
    def tiles(self) -> int:
        """How many the kernels read: none of labels, which are counted as they are."""
        return sum(len(tiles) for part in self.parts for laid in part.passes for tiles in laid.tiles)

    @property
    def elements(self) -> int:
        """Of the predictions."""
        return sum(sample.elements for part in self.parts for sample in part.samples.values())


def staged(plan: Plan, samples: Sequence[Sample]) -> Staged:
    """Lay out the samples for what the plan needs."""
    parts, errors = list[Part](), dict[int, LossgaugeError]()
    with torch.no_grad():
        for case, places in _by_case(samples).items():
            try:
                statistics = plan.statistics(case)
            except LossgaugeError as error:
                errors |= dict.fromkeys(places, error)
                continue
            parts.append(_part(case, statistics, {place: samples[place] for place in places}))
    return Staged(len(samples), parts, errors)


def _part(case: Case, statistics: Sequence[Statistic], samples: Mapping[int, Sample]) -> Part:
    if case.packed and not countable(statistics):
        case, samples = replace(case, packed=False), {place: unpacked(sample) for place, sample in samples.items()}
    measures = [key for key in statistics if isinstance(key, Measure)]
    summed: list[PixelStatistic] = [key for key in statistics if not isinstance(key, Measure)]
    laid = [lay_out(the_pass, list(samples.values())) for the_pass in passes_of(case, summed)]
    return Part(case, samples, laid, measures)


def _by_case(samples: Sequence[Sample]) -> dict[Case, list[int]]:
    groups: dict[Case, list[int]] = {}
    for place, sample in enumerate(samples):
        groups.setdefault(sample.case, []).append(place)
    return groups
