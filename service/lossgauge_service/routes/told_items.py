"""The items of a batch as they are told: each its scores or its problem, as soon as its sums are there."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from lossgauge.wire import Question, Score

from lossgauge_service.answers import scores_document
from lossgauge_service.decoding import Item
from lossgauge_service.errors import LossgaugeError
from lossgauge_service.events import SUCCESS
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

    def find(self, outcomes: Outcomes) -> list[Result]:
        """The results of the next samples, whose outcomes these are, and of the items around them that have none."""
        results = list(self._results(iter(self.job.plan.scores(outcomes))))
        self.groups += outcomes.groups
        self.scores += [result if isinstance(result, dict) else None for result in results]
        return results

    def _results(self, left: Iterator[Result]) -> Iterator[Result]:
        for item in self.job.items[len(self.scores) :]:
            found = item.outcome if isinstance(item.outcome, LossgaugeError) else next(left, None)
            if found is None:
                return
            yield item.told(found) if isinstance(found, LossgaugeError) else found

    def documents(self, results: Sequence[Result]) -> list[dict[str, Any]]:
        """The documents of what was found last."""
        start = len(self.scores) - len(results)
        return [self._document(place, result) for place, result in enumerate(results, start)]

    def _document(self, place: int, result: Result) -> dict[str, Any]:
        item = self.job.items[place]
        named = {"id": item.id, "index": self.job.first + place}
        if isinstance(result, LossgaugeError):
            return {**named, "problem": self.problems.problem_of(result).model_dump(exclude_none=True)}
        assert isinstance(item.outcome, Sample)
        return {**named, **scores_document(result, item.outcome)}


def outcomes_of(results: Iterable[Result]) -> Iterator[str]:
    """What the account of a request is told of results: of each `SUCCESS`, or the code of its problem."""
    return (result.code if isinstance(result, LossgaugeError) else SUCCESS for result in results)
