"""Sweeps: every cell is what its loss scores alone, whatever the grid's parameters, and nothing is sorted that is not asked for."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pytest
from lossgauge.metrics import BoundaryWeight
from lossgauge.sweeps import SHARED, FocalGrid, Sweep, SweepRequest
from lossgauge.wire import Question
from lossgauge_service.engine.kernels import COMPILED_CLASSES, COMPILED_ROWS
from lossgauge_service.engine.loads import shared_out
from lossgauge_service.engine.passes import Pass
from lossgauge_service.measures.ranking import Ranked
from lossgauge_service.outcomes import Group, Outcomes
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import Case
from lossgauge_service.statistics import (
    Counts,
    CountSums,
    Entropy,
    EntropySums,
    Measure,
    Pairs,
    PairSums,
    Statistic,
    Sums,
    Totals,
    TotalSums,
)
from lossgauge_service.sweeps import sweeping
from pydantic import ValidationError

from tests.scoring import finished

ALPHAS: list[float | None] = [0.25, 0.5]
GAMMAS = [0.0, 1.5, 2.0]
TOGETHER = 3
"""So many parameters are off their defaults at once: a leak needs two, and leaves one to every other."""
OFF: dict[str, Any] = {
    "clip": (0.01, 0.98),
    "log_floor": 1e-3,
    "weight_from": BoundaryWeight(),
    "reduced_threshold": 0.4,
}
"""A value of each parameter that is neither a choice nor a switch."""
CASES = {
    "masks": Case("binary", "logits", 1),
    "soft targets": Case("binary", "probabilities", 1, soft=True),
    "labels": Case("multilabel", "logits", 9),
    "classes": Case("multiclass", "logits", 3),
}
RECORDS: dict[type[Statistic], Any] = {
    Totals: TotalSums,
    Entropy: EntropySums,
    Counts: CountSums,
    Pairs: PairSums,
}


def _choices() -> Iterator[tuple[str, Any]]:
    """Every parameter that the cells share, with each of its values but the default."""
    for name, (annotation, field) in SHARED.items():
        if annotation is bool or get_origin(annotation) is Literal:
            values = (False, True) if annotation is bool else get_args(annotation)
            yield from ((name, value) for value in values if value != field.default)
        else:
            yield name, OFF[name]


def _grids() -> Iterator[FocalGrid]:
    """The grids that there may be with at most `TOGETHER` parameters off their defaults."""
    for count in range(TOGETHER + 1):
        for some in combinations(_choices(), count):
            try:
                yield FocalGrid(alpha=ALPHAS, gamma=GAMMAS, **dict(some))
            except ValidationError:
                continue


def _request(case: Case, grid: FocalGrid, auc: bool = False) -> SweepRequest:
    kinds = {"target_kind": "probabilities" if case.soft else "labels", "num_classes": case.classes}
    no_array = {"encoding": "list", "data": [0]}
    return SweepRequest.model_validate(
        {
            "task": case.task,
            "prediction_kind": case.kind,
            **{name: value for name, value in kinds.items() if name != "num_classes" or case.task == "multiclass"},
            "prediction": no_array,
            "target": no_array,
            "sweep": Sweep(focal=grid, auc=auc).model_dump(mode="json", exclude_none=True),
        }
    )


def _sums(statistics: tuple[Statistic, ...], classes: int) -> Sums:
    """Sums that no two statistics have in common."""
    random = np.random.default_rng(0)
    shapes = {key: (1, classes, classes) if isinstance(key, Pairs) else (1, classes) for key in statistics}
    tables = {
        key: RECORDS[type(key)](*(random.uniform(1, 100, shape) for _ in RECORDS[type(key)]._fields))
        for key, shape in shapes.items()
    }
    return Sums(np.array([1000.0]), tables)


def _numbers(cell: dict[str, Any]) -> tuple[Any, ...]:
    return cell["value"], cell["positive"], cell["negative"], cell["positive_share"]


@pytest.mark.parametrize("name", CASES)
def test_every_cell_is_finished_with_its_own_gamma(name: str) -> None:
    """Whatever lets gamma enter the finish, and not the pass alone: each cell is, to the bit, what its own loss gives."""
    case, checked = CASES[name], 0
    for grid in _grids():
        if case.task == "multiclass" and (grid.balanced or grid.loss(0.25, 0.0).weight_from):
            continue
        request = _request(case, grid)
        sweep = sweeping(request)
        sums = _sums(sweep.plan.statistics(case), case.classes)
        cells = sweep.tables(Outcomes(1, (Group(case, (0,), sums),), {})).cells or []
        losses = [grid.loss(alpha, gamma) for alpha in ALPHAS for gamma in GAMMAS]
        keyed: list[Any] = [loss.model_copy(update={"key": str(place)}) for place, loss in enumerate(losses)]
        [scores] = finished(plan_for(Question(**request.said(), metrics=keyed)), sums, case)
        expected = [
            (score.value, *((score.model_extra or {}).get(part) for part in ("positive", "negative", "positive_share")))
            for score in scores.values()
        ]
        assert [_numbers(cell) for cell in cells] == expected, grid
        checked += 1
    assert checked > 20


@pytest.mark.parametrize(("auc", "soft", "sorted_once"), [(True, False, 1), (False, False, 0), (True, True, 0)])
def test_a_sort_is_made_where_an_area_is_asked_for(auc: bool, soft: bool, sorted_once: int) -> None:
    """The pass of a sweep ranks the pixels once for the AUC, and not at all without one, or where there can be none."""
    case = CASES["soft targets" if soft else "masks"]
    statistics = sweeping(_request(case, FocalGrid(), auc)).plan.statistics(case)
    assert sum(isinstance(key, Ranked) for key in statistics) == sorted_once


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["logits", "probabilities"])
@pytest.mark.parametrize("name", ["masks", "labels", "classes"])
def test_the_default_grid_is_one_launch(name: str, kind: Any, weighted: bool) -> None:
    """Seven gammas and the mask at the request's threshold are what one compiled kernel sums, of whatever has hard targets."""
    case = replace(CASES[name], kind=kind, weighted=weighted)
    grid = FocalGrid.model_validate({"alpha_mode": "constant"})
    statistics = sweeping(_request(case, grid)).plan.statistics(case)
    the_pass = Pass(case, None, tuple(key for key in statistics if not isinstance(key, Measure)))
    shapes = (COMPILED_CLASSES if case.task == "multiclass" else COMPILED_ROWS)[the_pass.variant]
    assert len([*shared_out(the_pass.load, shapes)]) == 1
