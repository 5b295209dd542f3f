"""From metric specs to the statistics that they need, and from the statistics' sums to scores."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import Any

import numpy as np
from lossgauge.metrics import MetricSpec
from lossgauge.spread import mean_and_std
from lossgauge.wire import Question, Score, Semantics, Summary

from lossgauge_service.errors import LossgaugeError, MetricDoesNotFit, pointer_to
from lossgauge_service.metrics import IMPLEMENTATIONS
from lossgauge_service.metrics.implementation import Implementation, misfit_of_kind
from lossgauge_service.outcomes import Group, Outcomes, whole
from lossgauge_service.refusals import refused
from lossgauge_service.samples import Case
from lossgauge_service.statistics import Measure, Statistic, Sums

REGIONS = "regions are scored as masks of labels: a pixel is in a region where its label, or the argmax, is"
MIXED = Score(value=None, undefined="mixed_kinds")
"""Of items that are not of one kind."""
NO_SCORES = Score(value=None, undefined="no_scores")
"""Of items that are all problems."""
FEW, FEW_NUMBERS = 8, 64
"""Metrics, and numbers that are summed for them, of what is finished at once."""


@dataclass(frozen=True, eq=False)
class Plan:
    """The metrics of a request, their defaults written out. Equal where all is told alike, to the bit."""

    specs: tuple[MetricSpec, ...]

    @cached_property
    def implementations(self) -> tuple[Implementation[Any], ...]:
        """That of each metric."""
        return tuple(IMPLEMENTATIONS[type(spec)] for spec in self.specs)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Plan) and self._told == other._told)

    def __hash__(self) -> int:
        return hash(self._told)

    @cached_property
    def _told(self) -> tuple[Any, ...]:
        # -0.0 is equal to 0.0, and not what it is told as
        return tuple((type(spec), spec.model_dump_json()) for spec in self.specs)

    @cached_property
    def _needs(self) -> dict[Case, tuple[Statistic, ...]]:
        return {}

    def statistics(self, case: Case) -> tuple[Statistic, ...]:
        """The union of what the metrics need, each once. Raises `MetricDoesNotFit`, pointing to /metrics/i or within it."""
        if case not in self._needs:
            self._needs[case] = self._needed(case)
        return self._needs[case]

    def _needed(self, case: Case) -> tuple[Statistic, ...]:
        needed: dict[Statistic, None] = {}
        for place, (spec, part) in enumerate(zip(self.specs, self.implementations, strict=True)):
            misfit = part.misfit(spec, case) or (refused(spec, case.task, "weights") if case.weighted else None)
            if misfit is not None:
                raise _misfit(f"{spec.name}: {misfit.detail}", place, *misfit.at)
            needed |= dict.fromkeys(part.needs(spec, case))
        return tuple(needed)

    def shared_misfit(self, cases: Collection[Case]) -> MetricDoesNotFit | None:
        """Why none of some samples fits, whatever its axes are and whether it has weights; None where one fits, or might."""
        found = [self._misfit(one) for case in cases for one in (case, replace(case, weighted=False, axes=2))]
        shared = {misfit and (misfit.pointer, misfit.detail) for misfit in found}
        return found[0] if len(shared) == 1 else None

    def _misfit(self, case: Case) -> MetricDoesNotFit | None:
        try:
            self.statistics(case)
        except MetricDoesNotFit as misfit:
            return misfit
        return None

    def scores(self, outcomes: Outcomes, hurry: bool = False) -> list[dict[str, Score] | LossgaugeError]:
        """The score of every metric of each sample, by the metric's key, or the sample's error.

        Where the samples shared a run with those of callers who ask the same, found with theirs. Not for the event loop, but
        in a `hurry` where it `is_short`: then nobody is waited for.
        """
        found = outcomes.together(self, self._scores, hurry)
        return self._scores(outcomes) if found is None else found

    def is_short(self, outcomes: Outcomes) -> bool:
        """Whether scores are found in about the time that it takes to have a thread find them: few of one sample, from few numbers."""
        if outcomes.count != 1 or len(self.specs) > FEW:
            return False
        tables = [table for group in outcomes.groups for table in group.sums.tables.items()]
        if any(isinstance(key, Measure) for key, _ in tables):
            return False
        numbers: int = sum(column.size for _, columns in tables for column in columns)
        return numbers <= FEW_NUMBERS

    def _scores(self, outcomes: Outcomes) -> list[dict[str, Score] | LossgaugeError]:
        found: dict[int, dict[str, Score] | LossgaugeError] = dict(outcomes.errors)
        for group in outcomes.groups:
            found |= zip(group.places, self.finished(group.sums, group.case), strict=True)
        return [found[place] for place in range(outcomes.count)]

    def finished(self, sums: Sums, case: Case) -> list[dict[str, Score]]:
        """The score of every metric, for each row of the sums."""
        pairs = zip(self.specs, self.implementations, strict=True)
        with overflowing():
            columns = {spec.answer_key: part.finish(spec, sums, case) for spec, part in pairs}
        return [dict(zip(columns, scores, strict=True)) for scores in zip(*columns.values(), strict=True)]

    @cached_property
    def semantics(self) -> Semantics:
        """Every metric with every default in it, by its key."""
        return {spec.answer_key: spec.model_dump(mode="json") for spec in self.specs}

    def summary(self, scores: Sequence[dict[str, Score] | None], groups: Sequence[Group]) -> dict[str, Summary]:
        """Mean, deviation and pooled score over a batch's items; an item without scores counts as skipped."""
        together = self._pooled(groups)
        return {spec.answer_key: _summarised(spec, scores, together[spec.answer_key]) for spec in self.specs}

    def _pooled(self, groups: Sequence[Group]) -> dict[str, Score]:
        """The scores of the items' summed statistics; undefined where there are no sums, or sums of several kinds."""
        kinds = {kind_of(group.case) for group in groups}
        if len(kinds) != 1:
            return {spec.answer_key: MIXED if kinds else NO_SCORES for spec in self.specs}
        with np.errstate(over="ignore"):
            together = reduce(Sums.__add__, [sums.pooled() for _, sums in whole(groups)])
        return self.finished(together, groups[0].case)[0]


def overflowing() -> np.errstate:
    """Where metrics are finished: what overflows is found where it stands, and named `infinite`."""
    return np.errstate(over="ignore", invalid="ignore")


def kind_of(case: Case) -> tuple[Any, ...]:
    """What cases have in common whose sums add up."""
    return case.task, case.kind, case.classes, case.soft


def _summarised(spec: MetricSpec, scores: Sequence[dict[str, Score] | None], together: Score) -> Summary:
    values = [item[spec.answer_key].value for item in scores if item is not None]
    numbers = [value for value in values if value is not None]
    mean, std = mean_and_std(numbers)
    return summary_of(spec, (mean, std), together, len(numbers), len(scores) - len(numbers))


def summary_of(
    spec: MetricSpec, spread: tuple[float | None, float | None], together: Score, counted: int, skipped: int
) -> Summary:
    """A metric's summary, from the mean and deviation of its values and their pooled score."""
    mean, std = spread
    return Summary(
        value=together.value if spec.pooling == "batch" else mean,
        mean=mean,
        std=std,
        pooled=together.value,
        pooled_undefined=together.undefined if together.value is None else None,
        counted=counted,
        skipped=skipped,
    )


def plan_for(question: Question) -> Plan:
    """The plan of a request. Raises `MetricDoesNotFit` where a metric is not for the request's task or kind of prediction."""
    specs = tuple(spec.with_threshold(question.threshold) for spec in question.metrics)
    for place, spec in enumerate(specs):
        (_check_about if question.regions is None else _check_regions)(spec, question, place)
        _check_preset(spec, question, place)
    if question.regions is not None and question.prediction_kind != "labels":
        specs = tuple(spec.of_masks() for spec in specs)
    return Plan(specs)


def _check_about(spec: MetricSpec, question: Question, place: int) -> None:
    misfit = misfit_of_kind(spec, question.task, question.prediction_kind)
    if misfit is not None:
        raise _misfit(misfit.detail, place)


def _check_preset(spec: MetricSpec, question: Question, place: int) -> None:
    task = question.task if question.regions is None else "multilabel"
    misfit = None if question.ignore_index is None else refused(spec, task, "ignore_index")
    if misfit is not None:
        raise _misfit(f"{spec.name}: {misfit.detail}", place, *misfit.at)


def _check_regions(spec: MetricSpec, question: Question, place: int) -> None:
    """A region is a mask of labels, whatever was sent."""
    _check_masks(spec, spec.name, place)
    for within, part in spec.parts():
        _check_masks(part, f"{spec.name}: {part.name}", place, *within)
    if question.prediction_kind != "labels":
        for at in spec.softened():
            raise _misfit(f"{spec.name}: soft takes probabilities; {REGIONS}", place, *at)


def _check_masks(spec: MetricSpec, name: str, *at: str | int) -> None:
    about = spec.about
    if "multilabel" not in about.tasks:
        raise _misfit(f"{name} is for the {about.told_tasks}; {REGIONS}", *at)
    if "labels" not in about.kinds:
        raise _misfit(f"{name} takes {' or '.join(about.kinds)}; {REGIONS}", *at)


def _misfit(detail: str, *at: str | int) -> MetricDoesNotFit:
    return MetricDoesNotFit(detail, pointer=pointer_to(("metrics", *at)))
