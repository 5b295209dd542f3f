"""The summary of items that are not kept: that of a batch, from what does not grow."""

import numpy as np
import pytest
from lossgauge import metrics as m
from lossgauge.metrics import MetricSpec
from lossgauge.metrics.spec import PredictionKind
from lossgauge.tasks import Task
from lossgauge.wire import Question, Summary
from lossgauge_service.engine import Engine
from lossgauge_service.outcomes import Outcomes
from lossgauge_service.plan import Plan, plan_for
from lossgauge_service.samples import Sample, sample_of
from lossgauge_service.statistics import Measure
from lossgauge_service.tally import Share, Tally, bounded, share_of

from tests.scoring import fitting, keyed
from tests.specs import VARIANTS

TASKS: tuple[Task, ...] = ("binary", "multiclass", "instances", "boxes")


def samples_of(task: Task, metrics: list[MetricSpec], count: int = 7) -> tuple[Plan, list[Sample]]:
    """The plan of those metrics that fit a task, and samples of several sizes."""
    kind: PredictionKind = "boxes" if task == "boxes" else "labels" if task == "instances" else "logits"
    names = [spec for spec in metrics if task in spec.about.tasks and kind in spec.about.kinds]
    question = Question(task=task, prediction_kind=kind, metrics=keyed(names))
    samples = [_sample(question, np.random.default_rng([seed, TASKS.index(task)])) for seed in range(count)]
    question = question.model_copy(update={"metrics": fitting(question.metrics, question, samples[0].case)})
    return plan_for(question), samples


def _sample(question: Question, rng: np.random.Generator) -> Sample:
    shape = (12, int(rng.integers(9, 14)))
    if question.task == "boxes":
        corners = rng.uniform(0, 4, (2, 5, 4))
        corners[..., 2:] += corners[..., :2]
        return sample_of(question, *corners)
    if question.task == "instances":
        return sample_of(question, rng.integers(0, 4, shape), rng.integers(0, 4, shape))
    classes = () if question.task == "binary" else (3,)
    return sample_of(question, rng.normal(0, 2, (*classes, *shape)), rng.integers(0, 2 + bool(classes), shape))


def tallied(engine: Engine, plan: Plan, samples: list[Sample], size: int) -> Tally:
    """The tally of samples that come so many at a time."""
    tally = Tally(plan)
    for start in range(0, len(samples), size):
        outcomes = engine.run(plan, samples[start : start + size])
        tally.add(_share(plan, outcomes))
    return tally


def _share(plan: Plan, outcomes: Outcomes) -> Share:
    scores = [found if isinstance(found, dict) else None for found in plan.scores(outcomes)]
    return share_of(plan, scores, outcomes.groups)


def summary(engine: Engine, plan: Plan, samples: list[Sample]) -> dict[str, Summary]:
    """The summary of a batch."""
    outcomes = engine.run(plan, samples)
    return plan.summary(
        [found if isinstance(found, dict) else None for found in plan.scores(outcomes)], outcomes.groups
    )


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("task", TASKS)
def test_a_tally_is_the_batch_s_summary(engine: Engine, task: Task, size: int) -> None:
    """Every metric and variant: the same mean, deviation and counts, and the same pooled score unless its statistics grow."""
    plan, samples = samples_of(task, list(VARIANTS))
    kept = {spec.answer_key for spec in bounded(plan, samples[0].case).specs}
    found, whole = tallied(engine, plan, samples, size).summary(), summary(engine, plan, samples)
    assert found.keys() == whole.keys()
    for key, expected in whole.items():
        if key not in kept:
            reason = "streamed" if expected.counted else None
            pooled = {"pooled": None, "pooled_undefined": reason}
            value = {"value": None} if "'batch'" in key else {}
            expected = expected.model_copy(update={**pooled, **value})
        wanted = {
            name: pytest.approx(value, rel=1e-9, abs=1e-12) if isinstance(value, float) else value
            for name, value in expected.model_dump().items()
        }
        assert found[key].model_dump() == wanted, key
    assert len(found) > 5


def test_what_grows_is_what_is_said_to_grow(engine: Engine) -> None:
    """The record of twenty samples is as large as that of one, unless the measure says that it grows; then it does, somewhere."""
    checked, grown = set[str](), set[str]()
    for task in TASKS:
        plan, samples = samples_of(task, list(VARIANTS), count=20)
        sizes = []
        for some in (samples[:1], samples):
            [group] = engine.run(plan, some).groups
            pooled = group.sums.pooled()
            sizes.append({key: _size(pooled.measured(key)) for key in pooled.tables if isinstance(key, Measure)})
        one, many = sizes
        for key, size in one.items():
            checked.add(type(key).__name__)
            grown |= {type(key).__name__} if many[key] > size else set()
            assert key.grows or many[key] == size, key
    assert grown == {"Ranked", "Extension", "Borders", "Surfels", "Corners", "Matching"}
    assert {"Ranked", "Borders", "Surfels", "Corners", "Matching", "Binned", "Bands", "Skeletons"} <= checked


def _size(thing: object) -> int:
    """How many numbers are in a record, however it is made."""
    if isinstance(thing, np.ndarray):
        return sum(map(_size, thing.ravel())) if thing.dtype == object else thing.size
    if isinstance(thing, tuple | list):
        return sum(map(_size, thing))
    if hasattr(thing, "__dataclass_fields__"):
        return sum(_size(getattr(thing, name)) for name in thing.__dataclass_fields__)
    return 0 if thing is None else 1


def test_kinds_that_are_mixed_are_not_pooled(engine: Engine) -> None:
    """Two and three classes have no sum, whichever comes first; the mean there is."""
    question = Question(task="multilabel", prediction_kind="labels", metrics=[m.Dice(pooling="batch")])
    samples = [sample_of(question, np.eye(c, 5, dtype=np.uint8), np.eye(c, 5, dtype=np.uint8)) for c in (2, 3, 2)]
    plan = plan_for(question)
    found = tallied(engine, plan, samples, 1).summary()["dice"]
    assert (found.value, found.pooled, found.pooled_undefined, found.mean) == (None, None, "mixed_kinds", 1.0)


def test_a_tally_of_problems(engine: Engine) -> None:
    """Nothing that was scored: counts, and no number."""
    tally = Tally(plan_for(Question(task="binary", prediction_kind="labels", metrics=[m.Dice()])))
    tally.add(Share(3, {}, []))
    nothing: dict[str, None] = dict.fromkeys(("value", "mean", "std", "pooled"))
    expected = Summary(**nothing, pooled_undefined="no_scores", counted=0, skipped=3)
    assert (tally.items, tally.summary()["dice"]) == (3, expected)
