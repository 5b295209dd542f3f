"""What a run gave: the sums of the samples that could be computed, by kind, and why the others have none."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate
from typing import Any, Protocol

from lossgauge_service.errors import LossgaugeError
from lossgauge_service.samples import Case
from lossgauge_service.statistics import Sums

Finish = Callable[["Outcomes"], list[Any]]
"""What outcomes become, a result a sample."""


class Together(Protocol):
    """Finds the results that are wanted with those of others, by what makes them; None where they are to be made alone.

    hurry: does not wait for others.
    """

    def __call__(self, wanted: Hashable, finish: Finish, hurry: bool = False) -> list[Any] | None: ...


def alone(wanted: Hashable, finish: Finish, hurry: bool = False) -> None:
    """With nobody."""


@dataclass(frozen=True)
class Group:
    """Samples of one case: their places in the run, and their sums, a row each. share: the part of the request that they are of."""

    case: Case
    places: tuple[int, ...]
    sums: Sums
    share: int = 0

    def of(self, places: Sequence[int]) -> "Group | None":
        """Those of the samples that have one of the places, by where it stands among these; None where there are none."""
        rows = {new: self._rows[place] for new, place in enumerate(places) if place in self._rows}
        if not rows:
            return None
        if tuple(rows.values()) == tuple(range(len(self.places))):
            return Group(self.case, tuple(rows), self.sums)
        return Group(self.case, tuple(rows), self.sums.rows(list(rows.values())))

    @cached_property
    def _rows(self) -> Mapping[int, int]:
        return {place: row for row, place in enumerate(self.places)}

    def moved(self, by: int) -> "Group":
        """The same samples, so many places further on."""
        return replace(self, places=tuple(place + by for place in self.places))


@dataclass(frozen=True)
class Outcomes:
    """Of `count` samples: the groups of those with sums, and the errors of the rest, by place.

    together: finds what is wanted of them along with what others want of the same run.
    """

    count: int
    groups: tuple[Group, ...]
    errors: Mapping[int, LossgaugeError]
    together: Together = field(default=alone, compare=False, repr=False)

    def of(self, places: Sequence[int]) -> "Outcomes":
        """Those of the samples that have these places, in their order."""
        groups = [group.of(places) for group in self.groups]
        errors = {new: self.errors[place] for new, place in enumerate(places) if place in self.errors}
        return Outcomes(len(places), tuple(group for group in groups if group), errors)

    def of_share(self, share: int) -> "Outcomes":
        """The same, of a part of a request."""
        return replace(self, groups=tuple(replace(group, share=share) for group in self.groups))

    def along(self, together: Together) -> "Outcomes":
        """The same, of a caller who has others beside it."""
        return replace(self, together=together)


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


def whole(groups: Sequence[Group]) -> list[tuple[Case, Sums]]:
    """The sums of each case of each share, in their order: to the bit the same, however a share was divided among runs."""
    together = dict[tuple[int, Case], list[Sums]]()
    for group in groups:
        together.setdefault((group.share, group.case), []).append(group.sums)
    return [(case, Sums.of_all(parts)) for (_, case), parts in together.items()]
