"""The items of a batch as they are told: each its scores or its problem, as soon as its sums are there."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lossgauge.wire import Question, Score

from lossgauge_service.answers import scores_document
from lossgauge_service.decoding import Item
from lossgauge_service.errors import LossgaugeError
from lossgauge_service.outcomes import Group, Outcomes
from lossgauge_service.plan import Plan
from lossgauge_service.problems import Problems
from lossgauge_service.samples import Sample

Result = dict[str, Score] | LossgaugeError


@dataclass(frozen=True)
class Job:
    """A batch, decoded; `first` is the index of its first item."""

    asked: Question
    plan: Plan
    items: list[Item]
    first: int = 0

    @property
    def samples(self) -> list[Sample]:
        """The items that can be scored."""
        return [item.outcome for item in self.items if isinstance(item.outcome, Sample)]


@dataclass
class Told:
    """What has been told of a job's items, in their order: the scores of each, None where it has a problem, and all sums."""

    job: Job
    problems: Problems
    scores: list[dict[str, Score] | None] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)

    def leading(self) -> list[dict[str, Any]]:
        """The items before the first that can be scored."""
        return self.take(Outcomes(0, (), {}))

    def take(self, outcomes: Outcomes) -> list[dict[str, Any]]:
        """The documents of the next samples, whose outcomes these are, and of the items around them that have none."""
        self.groups += outcomes.groups
        results = iter(self.job.plan.scores(outcomes))
        return list(self._documents(results))

    def _documents(self, results: Iterator[Result]) -> Iterator[dict[str, Any]]:
        for item in self.job.items[len(self.scores) :]:
            found = item.outcome if isinstance(item.outcome, LossgaugeError) else next(results, None)
            if found is None:
                return
            yield self._document(item, item.told(found) if isinstance(found, LossgaugeError) else found)

    def _document(self, item: Item, result: Result) -> dict[str, Any]:
        place = {"id": item.id, "index": self.job.first + len(self.scores)}
        if isinstance(result, LossgaugeError):
            self.scores.append(None)
            return {**place, "problem": self.problems.problem_of(result).model_dump(exclude_none=True)}
        self.scores.append(result)
        assert isinstance(item.outcome, Sample)
        return {**place, **scores_document(result, item.outcome)}
