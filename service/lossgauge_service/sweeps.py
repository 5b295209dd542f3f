"""Sweeps: one pass over a pair, then a table with a row for each threshold, or for each alpha and gamma.

A row's numbers are those that `/v1/score` gives for its parameters. Thresholds are finished by the same implementations, with rows
of a table in the place of samples; the cells of a grid by the focal loss's own parts, as arrays of alphas (`focal_cells`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from typing import Any

import numpy as np
from lossgauge.metrics import (
    CATALOGUE,
    Accuracy,
    BalancedAccuracy,
    Confusion,
    Dice,
    FBeta,
    FocalLoss,
    Iou,
    Mcc,
    MetricSpec,
    Precision,
    Recall,
    RocAuc,
    Specificity,
    VolumeDifference,
)
from lossgauge.metrics.spec import Direction, Thresholded, badness
from lossgauge.sweeps import (
    COUNTS,
    LOSS_COLUMNS,
    MASK_METRICS,
    Best,
    BestCell,
    BestThreshold,
    Sweep,
    SweepRequest,
    SweptAverage,
    ThresholdSide,
)
from lossgauge.wire import Question, Score

from lossgauge_service.errors import LossgaugeError, MetricDoesNotFit
from lossgauge_service.metrics import IMPLEMENTATIONS
from lossgauge_service.metrics.focal import focal_cells
from lossgauge_service.metrics.values import Readings, plain
from lossgauge_service.outcomes import Group, Outcomes
from lossgauge_service.plan import Plan, overflowing, plan_for
from lossgauge_service.samples import Case
from lossgauge_service.statistics import Sums

OF_MASKS = (Accuracy, Precision, Recall, Specificity, Dice, Iou, Mcc, VolumeDifference)
Numbers = dict[str, Any]


@dataclass(frozen=True)
class Tables:
    """What a sweep gives; a row holds the columns of its table, and in `undefined` the reasons of its nulls."""

    thresholds: list[Numbers] | None
    cells: list[Numbers] | None
    auc: Score | None
    best: Best


@dataclass(frozen=True)
class Sweeping:
    """A sweep: its question with the metrics of the columns, and the plan of its one pass."""

    swept: Sweep
    question: Question
    columns: Plan

    @cached_property
    def plan(self) -> Plan:
        """The columns at the request's threshold; the counts at each threshold, and the loss at each gamma, once."""
        return Plan((*self.columns.specs, *self._masks, *self._losses))

    @property
    def _masks(self) -> list[Thresholded]:
        counts = Confusion(threshold_side=self.swept.threshold_side)
        return [counts.with_threshold(threshold) for threshold in self.swept.thresholds or []]

    @cached_property
    def _losses(self) -> list[FocalLoss]:
        grid = self.swept.focal
        if grid is None:
            return []
        # gammas have been checked, and nothing else differs
        first = grid.loss(grid.alpha[0], grid.gamma[0])
        return [first.model_copy(update={"gamma": gamma}) for gamma in grid.gamma]

    def check_losses(self) -> None:
        """Raises `MetricDoesNotFit`, pointing into the grid, where its loss is not for the request; all cells' are alike."""
        try:
            plan_for(self.question.model_copy(update={"metrics": self._losses[:1]}))
        except MetricDoesNotFit as misfit:
            raise _of_the_grid(misfit) from None

    def tables(self, outcomes: Outcomes) -> Tables:
        """The tables, of the one sample's sums. Raises the sample's error, which is the grid's where the loss is not for it."""
        for error in outcomes.errors.values():
            raise _of_the_grid(error) if isinstance(error, MetricDoesNotFit) else error
        [group] = outcomes.groups
        [columns] = _finished(self.columns, group.sums, group.case)
        auc = self._auc(columns)
        thresholds = self._threshold_rows(group.sums, group.case, auc) if self._masks else None
        cells = self._cells(group.sums, group.case, _mask_numbers(columns, auc)) if self._losses else None
        return Tables(thresholds, cells, auc, _best(self.swept, thresholds or [], cells or []))

    def _auc(self, columns: dict[str, Score]) -> Score | None:
        return columns.get("roc_auc", Score(value=None, undefined="soft_target")) if self.swept.auc else None

    def _threshold_rows(self, sums: Sums, case: Case, auc: Score | None) -> list[Numbers]:
        masks = self._masks
        columns = [spec for spec in self.columns.specs if isinstance(spec, Thresholded)]
        first = Plan(tuple(spec.model_copy(update={"threshold": masks[0].threshold}) for spec in columns))
        scores = _finished(first, _rows_of(masks, sums, case), case)
        pairs = zip(self.swept.thresholds or [], scores, strict=True)
        return [{"threshold": threshold, **_mask_numbers(row, auc)} for threshold, row in pairs]

    def _cells(self, sums: Sums, case: Case, beside: Numbers) -> list[Numbers]:
        grid = self.swept.focal
        assert grid is not None
        with overflowing():
            columns = focal_cells(self._losses, grid.alpha, sums, case)
        places = product(grid.alpha, grid.gamma)
        return [
            {**beside, "alpha": alpha, "gamma": gamma, **numbers, "undefined": {**reasons, **beside["undefined"]}}
            for (alpha, gamma), (numbers, reasons) in zip(places, _loss_numbers(columns), strict=True)
        ]


def sweeping(request: SweepRequest) -> Sweeping:
    """The sweep that a request asks for."""
    swept = request.swept
    # a soft target has no positives to rank
    ranked = swept.auc and request.target_kind == "labels"
    columns = _columns(swept.threshold_side, swept.average, swept.beta, ranked)
    question = Question(**request.said(), metrics=list(columns))
    found = Sweeping(swept, question, plan_for(question))
    found.check_losses()
    return found


@lru_cache(maxsize=64)
def _columns(side: ThresholdSide, how: SweptAverage, beta: float, ranked: bool) -> tuple[MetricSpec, ...]:
    """The metrics of the columns."""
    return (
        Confusion(threshold_side=side),
        *(kind(threshold_side=side, average=how) for kind in OF_MASKS),
        FBeta(beta=beta, threshold_side=side, average=how),
        BalancedAccuracy(threshold_side=side),
        *([RocAuc(average=how)] if ranked else []),
    )


# ----------------------------------------------------------------------------------------------------------------- rows


def _of_the_grid(error: MetricDoesNotFit) -> MetricDoesNotFit:
    """What keeps a cell's loss from fitting, as the grid's: its parameters are the same in every cell."""
    _, _, _, *parameter = (error.pointer or "").split("/")
    return MetricDoesNotFit(error.detail, pointer="/".join(["/sweep/focal", *parameter]))


def _rows_of(specs: Sequence[MetricSpec], sums: Sums, case: Case) -> Sums:
    """A row for each spec: what each needs, under what the first one needs."""
    needs = [list(IMPLEMENTATIONS[type(spec)].needs(spec, case)) for spec in specs]
    tables = {
        key: _stacked([sums.tables[own] for own in each])
        for key, each in zip(needs[0], zip(*needs, strict=True), strict=True)
    }
    return Sums(np.repeat(sums.pixels, len(specs)), tables)


def _stacked(tables: Sequence[Any]) -> Any:
    return type(tables[0])(*(np.concatenate(values) for values in zip(*tables, strict=True)))


def _finished(plan: Plan, rows: Sums, case: Case) -> list[dict[str, Score]]:
    group = Group(case, tuple(range(len(rows))), rows)
    return [
        scores for scores in plan.scores(Outcomes(len(rows), (group,), {})) if not isinstance(scores, LossgaugeError)
    ]


# -------------------------------------------------------------------------------------------------------------- columns


def _mask_numbers(scores: dict[str, Score], auc: Score | None) -> Numbers:
    """The columns of a mask and the area, which is the same in every row, and why some of them are null."""
    counts = scores["confusion"]
    numbers: Numbers = {name: _total((counts.model_extra or {}).get(name)) for name in COUNTS}
    reasons = {name: counts.undefined or "infinite" for name in COUNTS if numbers[name] is None}
    numbers |= {name: scores[name].value for name in MASK_METRICS}
    reasons |= {name: reason for name in MASK_METRICS if (reason := scores[name].undefined) is not None}
    reason = "not_asked" if auc is None else auc.undefined
    reasons |= {} if reason is None else {"auc": reason}
    return {**numbers, "auc": auc and auc.value, "undefined": reasons}


def _total(counts: Any) -> float | None:
    """The counts of all classes or labels; None where one is not known."""
    each = counts if isinstance(counts, list) else [counts]
    return None if None in each else sum(each)


def _loss_numbers(columns: Mapping[str, Readings]) -> Iterator[tuple[Numbers, dict[str, str]]]:
    """Each row's numbers, and the reason of each that is null."""
    numbers = zip(*(plain(columns[name].numbers) for name in LOSS_COLUMNS), strict=True)
    reasons = zip(*(columns[name].reasons.tolist() for name in LOSS_COLUMNS), strict=True)
    for row, why in zip(numbers, reasons, strict=True):
        given = dict(zip(LOSS_COLUMNS, why, strict=True))
        yield dict(zip(LOSS_COLUMNS, row, strict=True)), {name: reason for name, reason in given.items() if reason}


# ----------------------------------------------------------------------------------------------------------------- best


def _best(swept: Sweep, thresholds: Sequence[Numbers], cells: Sequence[Numbers]) -> Best:
    share = swept.best_cell_by == "positive_share"
    row = _first(thresholds, swept.best_by, CATALOGUE[swept.best_by].about.direction)
    cell = _first(cells, swept.best_cell_by, "higher" if share else "lower")
    return Best(
        threshold=None if row is None else BestThreshold(**_chosen(row, swept.best_by, "threshold")),
        cell=None if cell is None else BestCell(**_chosen(cell, swept.best_cell_by, "alpha", "gamma")),
    )


def _chosen(row: Numbers, column: str, *names: str) -> Numbers:
    """A row's place and its number."""
    return {"by": column, **{name: row[name] for name in names}, "value": row[column]}


def _first(rows: Sequence[Numbers], column: str, direction: Direction) -> Numbers | None:
    """The first of the rows with the best number; None where there is none."""
    defined = [row for row in rows if row[column] is not None]
    return min(defined, key=lambda row: badness(direction, row[column]), default=None)
