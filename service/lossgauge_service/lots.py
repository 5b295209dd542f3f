"""Callers whose samples shared a run: those who want the same are finished together, by the first of them who asks.

Most of what finishing takes is the same for one sample and for many. What grows with the data (`Measure.grows`) is not: it is
finished by each caller for itself.
"""

from collections.abc import Hashable, Iterator, Sequence
from functools import cached_property, partial
from itertools import accumulate, islice
from threading import Lock
from typing import Any, NamedTuple

from lossgauge_service.outcomes import Finish, Outcomes
from lossgauge_service.statistics import Measure

MOST = 64
"""Samples that are finished together: more gain little by it, and nobody is to wait long for what others want."""


class Member(NamedTuple):
    """A caller: what it wants, equal for those who want the same, and the places of its samples in the run."""

    wants: Hashable
    places: range


class Lot:
    """The members of a run. For any thread; who asks may wait for what others have asked, unless it is in a `hurry`."""

    def __init__(self, run: Outcomes, members: Sequence[Member]) -> None:
        self._run = run
        self._members = members
        self._found: dict[int, list[Any] | None] = {}
        self._lock = Lock()

    def found(self, number: int, wanted: Hashable, finish: Finish, hurry: bool = False) -> list[Any] | None:
        """What a member wants of its samples; None where it is to be found for this member alone."""
        if wanted != self._members[number].wants or not self._lock.acquire(blocking=not hurry):
            return None
        try:
            if number not in self._found:
                self._find(self._company(number), finish)
            return self._found[number]
        finally:
            self._lock.release()

    def _company(self, number: int) -> list[int]:
        """The member, and those who want the same and have not asked yet, as far as there is room."""
        company, room = [number], MOST - len(self._members[number].places)
        for other in self._alike[self._members[number].wants]:
            size = len(self._members[other].places)
            if other != number and other not in self._found and size <= room:
                company.append(other)
                room -= size
        return company

    @cached_property
    def _alike(self) -> dict[Hashable, list[int]]:
        alike: dict[Hashable, list[int]] = {}
        for number, member in enumerate(self._members):
            alike.setdefault(member.wants, []).append(number)
        return alike

    def _find(self, company: Sequence[int], finish: Finish) -> None:
        """Leave a company of one to itself, and one that fails together too: who is to blame has the error then."""
        self._found |= dict.fromkeys(company)
        if len(company) > 1:
            places = [place for number in company for place in self._members[number].places]
            try:
                results = iter(finish(self._run.of(places)))
            except Exception:
                return
            self._found |= {number: list(islice(results, len(self._members[number].places))) for number in company}


def in_lots(run: Outcomes, wants: Sequence[Hashable], sizes: Sequence[int]) -> Iterator[Outcomes]:
    """What the callers get who want these, and had so many samples each in the run."""
    ends = accumulate(sizes)
    members = [Member(want, range(end - size, end)) for want, size, end in zip(wants, sizes, ends, strict=True)]
    lot = None if len(members) == 1 or _grows(run) else Lot(run, members)
    for number, member in enumerate(members):
        own = run.of(member.places)
        yield own if lot is None else own.along(partial(lot.found, number))


def _grows(run: Outcomes) -> bool:
    return any(isinstance(key, Measure) and key.grows for group in run.groups for key in group.sums.tables)
