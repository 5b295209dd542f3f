"""What a run gave: the sums of the samples that could be computed, by kind, and why the others have none."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from lossgauge_service.errors import LossgaugeError
from lossgauge_service.samples import Case
from lossgauge_service.statistics import Sums


@dataclass(frozen=True)
class Group:
    """Samples of one case: their places in the run, and their sums, a row each."""

    case: Case
    places: tuple[int, ...]
    sums: Sums

    def of(self, places: range) -> "Group | None":
        """Those of the samples whose places are among some, counted from the first of these; None where there are none."""
        rows = [row for row, place in enumerate(self.places) if place in places]
        if not rows:
            return None
        if len(rows) == len(self.places) and places.start == 0:
            return self
        return Group(self.case, tuple(self.places[row] - places.start for row in rows), self.sums.rows(rows))

    def moved(self, by: int) -> "Group":
        """The same samples, so many places further on."""
        return Group(self.case, tuple(place + by for place in self.places), self.sums)


@dataclass(frozen=True)
class Outcomes:
    """Of `count` samples: the groups of those with sums, and the errors of the rest, by place."""

    count: int
    groups: tuple[Group, ...]
    errors: Mapping[int, LossgaugeError]

    def split(self, sizes: Sequence[int]) -> "Iterator[Outcomes]":
        """What the callers get who had so many samples each in the run."""
        for size, end in zip(sizes, accumulate(sizes), strict=True):
            yield self._of(range(end - size, end))

    def _of(self, places: range) -> "Outcomes":
        groups = [group.of(places) for group in self.groups]
        errors = {place - places.start: error for place, error in self.errors.items() if place in places}
        return Outcomes(len(places), tuple(group for group in groups if group), errors)


def joined(parts: Sequence[Outcomes]) -> Outcomes:
    """The outcomes of several runs as those of one."""
    if len(parts) == 1:
        return parts[0]
    starts = [0, *accumulate(part.count for part in parts)]
    groups = [group.moved(start) for part, start in zip(parts, starts, strict=False) for group in part.groups]
    errors = {
        place + start: error for part, start in zip(parts, starts, strict=False) for place, error in part.errors.items()
    }
    return Outcomes(starts[-1], tuple(groups), errors)
