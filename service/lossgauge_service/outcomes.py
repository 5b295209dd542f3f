"""What a run gave: the sums of the samples that could be computed, by kind, and why the others have none."""

from collections.abc import Mapping
from dataclasses import dataclass

from lossgauge_service.errors import LossgaugeError
from lossgauge_service.samples import Case
from lossgauge_service.statistics import Sums


@dataclass(frozen=True)
class Group:
    """Samples of one case: their places in the run, and their sums, a row each."""

    case: Case
    places: tuple[int, ...]
    sums: Sums


@dataclass(frozen=True)
class Outcomes:
    """Of `count` samples: the groups of those with sums, and the errors of the rest, by place."""

    count: int
    groups: tuple[Group, ...]
    errors: Mapping[int, LossgaugeError]
