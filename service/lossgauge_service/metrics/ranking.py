"""The area under the ROC curve and average precision."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np
from lossgauge.metrics import AveragePrecision, RocAuc
from lossgauge.metrics.ranking import OfRanking
from lossgauge.metrics.spec import EmptyRule
from lossgauge.wire import Score
from numpy.typing import NDArray

from lossgauge_service.measures.histogram import Binned, Bins
from lossgauge_service.measures.ranking import Ranked
from lossgauge_service.metrics.class_averages import average, counted_by
from lossgauge_service.metrics.implementation import Implementation, Misfit
from lossgauge_service.metrics.steps import (
    Point,
    Steps,
    precision_area,
    precision_bound,
    precision_curve,
    roc_area,
    roc_bound,
    roc_curve,
    steps_of_bins,
    steps_of_ranking,
)
from lossgauge_service.metrics.values import (
    Extra,
    Readings,
    by_place,
    finite,
    nothing_to_score,
    ruled,
    scored,
    scores_of,
    scores_of_classes,
    told,
)
from lossgauge_service.samples import Case
from lossgauge_service.statistics import Statistic, Sums, Totals

Table = NDArray[np.object_]
"""`Steps`: (samples, classes)."""


class Lacking(NamedTuple):
    """The rules of a target without positives, and without negatives: None of what needs none."""

    positives: EmptyRule
    negatives: EmptyRule | None

    def mapped(self, change: Callable[[EmptyRule], EmptyRule]) -> "Lacking":
        """Other rules of the same sides."""
        return Lacking(change(self.positives), None if self.negatives is None else change(self.negatives))


@dataclass(frozen=True)
class Area:
    """An area under a curve: of steps, how far that of a histogram may be off, and the curve."""

    of: Callable[[Steps], float]
    bound: Callable[[Steps], float]
    curve: Callable[[Steps, int], Point]
    rules: Callable[[Any], Lacking]
    nulls: Mapping[str, Any] | None = None
    """The reasons of the nulls that a curve has."""


ABOVE_ALL = {"thresholds": {"0": "above_all_values"}}
ROC = Area(roc_area, roc_bound, roc_curve, lambda spec: Lacking(spec.empty.target, spec.no_negatives), ABOVE_ALL)
PRECISION = Area(precision_area, precision_bound, precision_curve, lambda spec: Lacking(spec.empty.target, None))


def _misfit(spec: OfRanking, case: Case) -> Misfit | None:
    return Misfit("it ranks positives against negatives, which soft targets have not") if case.soft else None


def _key(spec: OfRanking) -> Ranked | Binned:
    return Ranked() if spec.method == "exact" else Binned(spec.bins, "left")


def _needs(spec: OfRanking, case: Case) -> list[Statistic]:
    return [Totals(), _key(spec)]


# ----------------------------------------------------------------------------------------------------------------- steps


def _steps(spec: OfRanking, sums: Sums, case: Case, together: bool) -> Table:
    """The steps of each class, or of the pixels of all classes together."""
    key = _key(spec)
    if isinstance(key, Ranked):
        rows = [list(row) for row in sums.measured(key).classes]
        return _table(
            [[steps_of_ranking(case, one) for one in ([reduce(add, row)] if together else row)] for row in rows]
        )
    bins = sums.measured(key)
    if together:
        bins = Bins(*(values.sum(1, keepdims=True) for values in bins))
    rows_of_bins = zip(*bins, strict=True)
    return _table([[steps_of_bins(Bins(*one)) for one in zip(*row, strict=True)] for row in rows_of_bins])


def _table(rows: list[list[Steps]]) -> Table:
    table = np.empty((len(rows), len(rows[0])), object)
    for place, row in enumerate(rows):
        for column, steps in enumerate(row):
            table[place, column] = steps
    return table


# ---------------------------------------------------------------------------------------------------------------- finish


def _certain(rule: EmptyRule) -> EmptyRule:
    """How far a value by a rule may be off: a constant is what it is."""
    return rule if isinstance(rule, str) else 0.0


def _readings(table: Table, rules: Lacking, function: Callable[[Steps], float]) -> Readings:
    """A number of each steps; by the rules where a side that it needs is empty."""
    empty = _where(table, lambda steps: steps.positives == 0)
    full = _where(table, lambda steps: rules.negatives is not None and steps.negatives == 0)
    numbers = np.zeros(table.shape)
    for place in zip(*np.nonzero(~empty & ~full), strict=True):
        numbers[place] = function(table[place])
    found = finite(numbers).unless(full, "no_negatives")
    if rules.negatives is not None:
        found = ruled(found, full, rules.negatives, "no_negatives")
    return ruled(found.unless(empty, "target_empty"), empty, rules.positives, "target_empty")


def _where(table: Table, condition: Callable[[Steps], bool]) -> NDArray[np.bool_]:
    return np.array([[condition(steps) for steps in row] for row in table], bool)


def _finish_with(area: Area) -> Callable[[OfRanking, Sums, Case], list[Score]]:
    def finish(spec: OfRanking, sums: Sums, case: Case) -> list[Score]:
        totals = sums.totals()
        nothing = nothing_to_score(totals)
        tables = [_steps(spec, sums, case, False)]
        if spec.average == "micro" and case.task != "binary":
            tables.append(_steps(spec, sums, case, True))

        def both(function: Callable[[Steps], float], rules: Lacking) -> tuple[Readings, Readings]:
            classes = _readings(tables[0], rules, function)
            if case.task == "binary":
                return classes[:, 0], classes
            classes = scored(classes, totals) if case.task == "multilabel" else classes
            if spec.average == "micro":
                return _readings(tables[1], rules, function)[:, 0], classes
            return average(spec.average, classes, totals.positive), classes

        value, classes = both(area.of, area.rules(spec))
        extras = _extras(spec, area, both, tables[-1], single=case.task == "binary" or spec.average == "micro")
        if case.task == "binary":
            return scores_of(value, nothing, **extras)
        return scores_of_classes(value, classes, counted_by(spec.average, classes), nothing, **extras)

    return finish


def _extras(
    spec: OfRanking,
    area: Area,
    both: Callable[[Callable[[Steps], float], Lacking], tuple[Readings, Readings]],
    table: Table,
    single: bool,
) -> dict[str, Extra]:
    extras: dict[str, Extra] = {}
    rules = area.rules(spec)
    if spec.method == "histogram":
        extras["error_bound"] = told(both(area.bound, rules.mapped(_certain))[0])
    if spec.curve == "points":
        # a rule gives a value, and no curve
        value, classes = both(lambda steps: 0.0, rules.mapped(lambda rule: "undefined"))
        extras["curve"] = _curves(spec, area, table, value[:, None] if single else classes, single)
    return extras


def _curves(spec: OfRanking, area: Area, table: Table, known: Readings, single: bool) -> Extra:
    """The curve of each steps, null where the area is undefined, and for its reason."""
    rows = [[*zip(*row, strict=True)] for row in zip(table.tolist(), known.reasons.tolist(), strict=True)]
    curves = [[area.curve(steps, spec.max_points) if why is None else None for steps, why in row] for row in rows]
    reasons = [[area.nulls if why is None else why for _, why in row] for row in rows]
    if single:
        return Extra([row[0] for row in curves], [row[0] for row in reasons])
    return Extra(curves, [by_place(row) for row in reasons])


FAMILY = (
    Implementation(RocAuc, _needs, _finish_with(ROC), _misfit),
    Implementation(AveragePrecision, _needs, _finish_with(PRECISION), _misfit),
)
