"""The summary of items that come and go: what is kept does not grow with their number.

Of each metric its values' exact sum and sum of squares; of all items of one kind their summed statistics, but for measures whose
records grow with the data (rankings, distances between surfaces, boxes, listed pairs): what needs one of these is not pooled.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from lossgauge.spread import Spread
from lossgauge.wire import Score, Summary

from lossgauge_service.outcomes import Group, whole
from lossgauge_service.plan import MIXED, NO_SCORES, Plan, kind_of, summary_of
from lossgauge_service.samples import Case
from lossgauge_service.statistics import Measure, Statistic, Sums

STREAMED = Score(value=None, undefined="streamed")
"""Of what a stream does not pool."""
LATE = Score(value=None, undefined="deadline_exceeded")
"""Of what takes long to pool, where the deadline has passed."""


@dataclass(frozen=True)
class Pool:
    """The summed statistics of all samples of a kind, of which `case` is one; None where there is nothing to add."""

    case: Case
    sums: Sums | None

    def __add__(self, other: "Pool") -> "Pool":
        if self.sums is None or other.sums is None:
            return Pool(self.case, None)
        with np.errstate(over="ignore"):
            return Pool(self.case, self.sums + other.sums)


@dataclass(frozen=True)
class Share:
    """What some items add to the summary: the values of each metric, and their sums, a pool a group."""

    items: int
    values: Mapping[str, Sequence[float]]
    pools: Sequence[Pool]


class Tally:
    """Adds up what the items of a plan share; `unpooled` is what is told of what is not pooled."""

    def __init__(self, plan: Plan, unpooled: Score = STREAMED) -> None:
        self._plan = plan
        self._unpooled = unpooled
        self._items = 0
        self._spreads = {spec.answer_key: Spread() for spec in plan.specs}
        self._pool: Pool | None = None
        self._is_mixed = False

    @property
    def items(self) -> int:
        """How many have been added."""
        return self._items

    def add(self, share: Share) -> None:
        """Some items more. In their order the sums are the same bits each time."""
        self._items += share.items
        for key, values in share.values.items():
            for value in values:
                self._spreads[key].add(value)
        for pool in share.pools:
            self._add(pool)

    def _add(self, pool: Pool) -> None:
        if self._pool is not None and kind_of(self._pool.case) != kind_of(pool.case):
            self._is_mixed = True
        if not self._is_mixed:
            self._pool = pool if self._pool is None else self._pool + pool

    def summary(self) -> dict[str, Summary]:
        """The summary of all items so far."""
        together = self._pooled()
        return {key: self._summary(key, together) for key in self._spreads}

    def _summary(self, key: str, together: Mapping[str, Score]) -> Summary:
        [spec] = [spec for spec in self._plan.specs if spec.answer_key == key]
        spread = self._spreads[key]
        pooled = together.get(key, MIXED if self._is_mixed else NO_SCORES if self._pool is None else self._unpooled)
        return summary_of(spec, spread.mean_and_std, pooled, spread.counted, self._items - spread.counted)

    def _pooled(self) -> dict[str, Score]:
        pool = self._pool
        if self._is_mixed or pool is None or pool.sums is None:
            return {}
        return bounded(self._plan, pool.case).finished(pool.sums, pool.case)[0]


def bounded(plan: Plan, case: Case) -> Plan:
    """The plan of those metrics whose statistics do not grow with the data."""
    pairs = zip(plan.specs, plan.implementations, strict=True)
    return Plan(tuple(spec for spec, part in pairs if not any(map(_grows, part.needs(spec, case)))))


def late_summary(
    plan: Plan, scores: Sequence[Mapping[str, Score] | None], groups: Sequence[Group]
) -> dict[str, Summary]:
    """The summary of items without what takes long to pool."""
    tally = Tally(plan, LATE)
    tally.add(share_of(plan, scores, groups))
    return tally.summary()


def share_of(plan: Plan, scores: Sequence[Mapping[str, Score] | None], groups: Sequence[Group]) -> Share:
    """What items add whose scores and sums these are; an item without scores adds itself alone."""
    scored = [item for item in scores if item is not None]
    values = {spec.answer_key: [item[spec.answer_key].value for item in scored] for spec in plan.specs}
    numbers = {key: [value for value in found if value is not None] for key, found in values.items()}
    return Share(len(scores), numbers, [_pool_of(plan, case, sums) for case, sums in whole(groups)])


def _pool_of(plan: Plan, case: Case, sums: Sums) -> Pool:
    kept = bounded(plan, case)
    if not kept.specs:
        return Pool(case, None)
    with np.errstate(over="ignore"):
        return Pool(case, sums.only(kept.statistics(case)).pooled())


def _grows(statistic: Statistic) -> bool:
    return isinstance(statistic, Measure) and statistic.grows
