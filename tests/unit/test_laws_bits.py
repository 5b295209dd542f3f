"""The law of the same bits: a sample's score does not depend on what shares its batch, nor on the number of cores."""

import pickle
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from lossgauge.metrics.spec import PredictionKind
from lossgauge.tasks import Task
from lossgauge.wire import Precision, Question, TargetKind
from lossgauge_service.engine import Engine
from lossgauge_service.engine.expressions import ROW_TILE
from lossgauge_service.engine.tiles import CLASS_TILE, DIRECT_TILES
from lossgauge_service.outcomes import Outcomes
from lossgauge_service.plan import Plan, plan_for
from lossgauge_service.samples import Sample, sample_of

from tests.laws import BOXES, SAME_BITS
from tests.reference.case import AnyArray
from tests.scoring import fitting, keyed

SHAPES = (
    (1, 1),
    (7, 3),
    (CLASS_TILE,),
    (ROW_TILE - 1,),
    (64, ROW_TILE // 64),
    (65, 64),
    (DIRECT_TILES, ROW_TILE),
    (DIRECT_TILES, ROW_TILE),
    (11, 67, 53),
    (DIRECT_TILES * ROW_TILE + 1,),
)
"""From one pixel to what is read in place; two of a shape, as neighbours in a stack are."""
CLASSES = 3
LABELS = {"instances": 6}
KINDS: tuple[tuple[Task, TargetKind, bool, Precision, PredictionKind], ...] = (
    ("binary", "labels", False, "float32", "logits"),
    ("binary", "labels", True, "float64", "logits"),
    ("binary", "probabilities", False, "float32", "logits"),
    ("binary", "labels", False, "float32", "labels"),
    ("multilabel", "labels", True, "float32", "logits"),
    ("multiclass", "labels", False, "float32", "logits"),
    ("multiclass", "labels", True, "float32", "logits"),
    ("multiclass", "labels", False, "float32", "labels"),
    ("instances", "labels", False, "float32", "labels"),
)


def question(
    task: Task,
    weighted: bool = False,
    target_kind: TargetKind = "labels",
    precision: Precision = "float32",
    prediction_kind: PredictionKind = "logits",
) -> Question:
    """All the metrics that the law holds for, as far as they fit the task."""
    whole = Question(
        task=task,
        prediction_kind=prediction_kind,
        num_classes=CLASSES if (prediction_kind, task) == ("labels", "multiclass") else None,
        target_kind=target_kind,
        precision=precision,
        ignore_index=255,
        metrics=keyed(SAME_BITS.specs),
    )
    prediction, target = _pair(whole, (1, 1), np.random.default_rng(0))
    case = sample_of(whole, prediction, target, np.ones(target.shape) if weighted else None).case
    return whole.model_copy(update={"metrics": fitting(whole.metrics, whole, case)})


def _pair(asked: Question, shape: tuple[int, ...], rng: np.random.Generator) -> tuple[AnyArray, AnyArray]:
    whole = (CLASSES, *shape) if asked.task in ("multiclass", "multilabel") else shape
    labels, of_labels = (CLASSES, shape) if asked.task == "multiclass" else (LABELS.get(asked.task, 2), whole)
    target = rng.integers(0, labels, of_labels)
    guess = rng.integers(0, labels, of_labels)
    target[rng.random(target.shape) < 0.05] = 255
    return guess if asked.prediction_kind == "labels" else rng.normal(0, 4, whole).astype(np.float32), target


def samples(asked: Question, weighted: bool, seed: int = 5) -> list[Sample]:
    """A sample of every shape."""
    rng = np.random.default_rng(seed)
    pairs = [_pair(asked, shape, rng) for shape in SHAPES]
    weights = [rng.random(target.shape).astype(np.float32) if weighted else None for _, target in pairs]
    return [sample_of(asked, *pair, weight) for pair, weight in zip(pairs, weights, strict=True)]


def bits(plan: Plan, outcomes: Outcomes) -> list[dict[str, Any]]:
    """Every float of each sample's sums and scores, exactly; of a sample without sums its error's code."""
    found: dict[int, dict[str, Any]] = {place: {"error": error.code} for place, error in outcomes.errors.items()}
    for group in outcomes.groups:
        for row, place in enumerate(group.places):
            tables = group.sums.rows([row]).tables.items()
            found[place] = {repr(key): [_exactly(values) for values in table] for key, table in tables}
    for place, scores in enumerate(plan.scores(outcomes)):
        if isinstance(scores, dict):
            found[place] |= {"scores": {key: score.model_dump() for key, score in scores.items()}}
    return [found[place] for place in range(outcomes.count)]


def _exactly(values: AnyArray) -> object:
    """The bytes of numbers, and of objects what they hold."""
    return values.tobytes() if values.dtype != object else [pickle.dumps(one) for one in values.flat]


@pytest.fixture
def thread_count() -> Iterator[int]:
    """The number of threads before a test changes it."""
    count = torch.get_num_threads()
    yield count
    torch.set_num_threads(count)


def test_no_metric_that_the_law_holds_for_is_left_out() -> None:
    """Each is asked in one of the kinds below, or is of boxes, which have a test of their own."""
    kinds = [question(task, weighted, target, precision, kind) for task, target, weighted, precision, kind in KINDS]
    assert {spec.name for asked in kinds for spec in asked.metrics} == SAME_BITS.holds - BOXES


@pytest.mark.parametrize(("task", "target_kind", "weighted", "precision", "prediction_kind"), KINDS)
def test_neighbours_do_not_change_a_bit(
    engine: Engine,
    task: Task,
    target_kind: TargetKind,
    weighted: bool,
    precision: Precision,
    prediction_kind: PredictionKind,
) -> None:
    """Alone, among many in any order, and beside a bad item: the same bits."""
    asked = question(task, weighted, target_kind, precision, prediction_kind)
    plan, pool = plan_for(asked), samples(asked, weighted)
    alone = [bits(plan, engine.run(plan, [sample]))[0] for sample in pool]
    order = np.random.default_rng(6).permutation(np.repeat(np.arange(len(pool)), 2))
    spoiled = [] if prediction_kind == "labels" else [_spoiled(pool[1])]
    together = bits(plan, engine.run(plan, [*(pool[i] for i in order), *spoiled]))
    assert together[len(order) :] == [{"error": "invalid_values"}] * len(spoiled)
    assert [SHAPES[i] for i, found in zip(order, together, strict=False) if found != alone[i]] == []


def _spoiled(sample: Sample) -> Sample:
    prediction = sample.prediction.copy()
    prediction.reshape(-1)[-1] = np.nan
    return replace(sample, prediction=prediction)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_the_number_of_cores_does_not_change_a_bit(engine: Engine, task: Task, thread_count: int) -> None:
    """Whether as many threads as there are cores share the work or three more, the same bits."""
    asked = question(task)
    plan, pool = plan_for(asked), samples(asked, weighted=False)
    found = []
    for threads in (thread_count, thread_count + 3):
        torch.set_num_threads(threads)
        found.append(bits(plan, engine.run(plan, pool)))
    assert found[0] == found[1]


@pytest.mark.parametrize("weighted", [False, True])
def test_a_stack_read_in_place_has_the_bits_of_its_items(engine: Engine, weighted: bool) -> None:
    """Samples that lie one behind the other in memory, and copies of them that do not: the same bits."""
    asked, rng = question("binary", weighted), np.random.default_rng(7)
    shape = (3, DIRECT_TILES, ROW_TILE)
    stack = rng.normal(0, 4, shape).astype(np.float32), rng.integers(0, 2, shape).astype(np.uint8)
    maps = [rng.random(shape).astype(np.float32)] if weighted else []
    plan = plan_for(asked)
    together = [sample_of(asked, *item) for item in zip(*stack, *maps, strict=True)]
    apart = [sample_of(asked, *(array.copy() for array in item)) for item in zip(*stack, *maps, strict=True)]
    of_items = [bits(plan, engine.run(plan, [sample]))[0] for sample in apart]
    assert bits(plan, engine.run(plan, together)) == of_items
