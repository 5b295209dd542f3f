"""Callers who share a run and want the same are finished together, and no score tells."""

from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from threading import Barrier, Event
from typing import Any

import numpy as np
import pytest
from lossgauge import metrics as m
from lossgauge.metrics import MetricSpec
from lossgauge.tasks import Task
from lossgauge.wire import Question
from lossgauge_service.engine import Engine
from lossgauge_service.errors import LossgaugeError
from lossgauge_service.lots import MOST, in_lots
from lossgauge_service.outcomes import Outcomes
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import Sample, sample_of

PANEL: list[MetricSpec] = [m.FocalLoss(), m.CrossEntropy(), m.Dice(soft=True), m.Iou(), m.Confusion()]
CLASSES: list[MetricSpec] = [m.FocalLoss(alpha=[0.1, 0.2, 0.7]), m.CrossEntropy(), m.Dice(soft=True), m.Iou()]
TASKS: dict[Task, list[MetricSpec]] = {"binary": PANEL, "multilabel": PANEL, "multiclass": CLASSES}


@dataclass
class Finishing:
    """Finishes, and remembers how many samples at a time; of some numbers it cannot."""

    numbers: list[int] = field(default_factory=list)
    poison: Sequence[int] = ()

    def __call__(self, outcomes: Outcomes) -> list[Any]:
        self.numbers.append(outcomes.count)
        if outcomes.count in self.poison:
            raise ZeroDivisionError
        return [group.sums.pixels[0] for place in range(outcomes.count) for group in [outcomes.of([place]).groups[0]]]


def question(metrics: list[MetricSpec], task: Task = "binary") -> Question:
    """What is asked of logits."""
    return Question(task=task, prediction_kind="logits", metrics=metrics)


def sample(asked: Question, seed: int) -> Sample:
    """A pair of a side of its own; of each third all is background, and of each fifth the prediction is not a number."""
    rng, side = np.random.default_rng(seed), 5 + seed % 7
    masks = (side, side) if asked.task == "binary" else (3, side, side)
    prediction = rng.normal(size=masks).astype(np.float32)
    target = rng.integers(
        0, 3 if asked.task == "multiclass" else 2, masks[-2:] if asked.task == "multiclass" else masks
    )
    if seed % 5 == 4:
        prediction.reshape(-1)[-1] = np.nan
    return sample_of(asked, prediction, target * (seed % 3 > 0))


def told(scores: Sequence[Any]) -> list[Any]:
    """Scores and errors, to the last bit."""
    return [(found.code, found.detail) if isinstance(found, LossgaugeError) else repr(found) for found in scores]


def finished(outcomes: Outcomes, wanted: Hashable, finishing: Finishing) -> list[Any]:
    """What a caller does: ask for it together, and find it alone where that is not to be had."""
    found = outcomes.together(wanted, finishing)
    return finishing(outcomes) if found is None else found


def run_of(engine: Engine, count: int) -> Outcomes:
    """The outcomes of samples whose numbers of pixels are 1, 2, 3.."""
    asked = question([m.Dice()])
    pairs = [np.ones((2, 1, place + 1), np.float32) for place in range(count)]
    return engine.run(plan_for(asked), [sample_of(asked, *pair) for pair in pairs])


def test_who_is_in_a_hurry_waits_for_nobody(engine: Engine) -> None:
    """While others of a run are finished, who is in a hurry is to find its own; once they are, it has what was found with theirs."""
    shared, begun, going_on = [*in_lots(run_of(engine, 2), "aa", (1, 1))], Event(), Event()

    def slowly(outcomes: Outcomes) -> list[Any]:
        begun.set()
        going_on.wait(60)
        return Finishing()(outcomes)

    with ThreadPoolExecutor(1) as others:
        found = others.submit(shared[0].together, "a", slowly)
        begun.wait(60)
        hurried = shared[1].together("a", slowly, hurry=True)
        going_on.set()
        assert (found.result(), hurried) == ([1], None)
    assert shared[1].together("a", slowly, hurry=True) == [2]


SHORT: list[MetricSpec] = [
    m.FocalLoss(),
    m.CrossEntropy(),
    m.Dice(soft=True),
    m.Iou(),
    m.MeanIou(thresholds=[0.5, 0.6, 0.7]),
]
LONG: list[tuple[list[MetricSpec], Task, int]] = [
    (SHORT, "binary", 2),
    ([m.Dice(threshold=place / 20, key=f"at_{place}") for place in range(1, 10)], "binary", 1),
    ([m.MeanIou(thresholds=[place / 100 for place in range(1, 100)])], "binary", 1),
    ([m.Hausdorff()], "binary", 1),
    ([m.Confusion()], "multiclass", 1),
]


def test_few_metrics_of_a_sample_are_short(engine: Engine) -> None:
    """Their scores may be found on the event loop."""
    plan = plan_for(question(SHORT))
    assert plan.is_short(engine.run(plan, [sample(question(SHORT), 1)]))


@pytest.mark.parametrize(("metrics", "task", "samples"), LONG)
def test_what_grows_is_not_short(engine: Engine, metrics: list[MetricSpec], task: Task, samples: int) -> None:
    """Several samples, many metrics, thresholds or classes, and what is measured are found by a thread."""
    asked = question(metrics, task)
    plan = plan_for(asked)
    outcomes = engine.run(plan, [wide(asked) if task == "multiclass" else sample(asked, 1) for _ in range(samples)])
    assert not outcomes.errors
    assert not plan.is_short(outcomes)


def wide(asked: Question) -> Sample:
    """A sample of many classes."""
    return sample_of(asked, np.zeros((20, 4, 4), np.float32), np.zeros((4, 4), np.uint8))


@pytest.mark.parametrize("task", TASKS)
def test_each_has_its_own_bits_and_errors(engine: Engine, task: Task) -> None:
    """Callers with a sample or some, good and bad, that want the same of one run: what each gets is what it gets alone."""
    asked = question(TASKS[task], task)
    sizes = (1, 3, 1, 2, 1, 1, 7, 1)
    samples = [sample(asked, seed) for seed in range(sum(sizes))]
    plans = [plan_for(question(TASKS[task], task)) for _ in sizes]
    shared = in_lots(engine.run(plans[0], samples), plans, sizes)
    found = [told(plan.scores(outcomes)) for plan, outcomes in zip(plans, shared, strict=True)]
    left = iter(samples)
    alone = [told(plans[0].scores(engine.run(plans[0], [next(left) for _ in range(size)]))) for size in sizes]
    assert found == alone
    assert any(isinstance(one, tuple) for each in found for one in each)


def test_plans_that_tell_the_same_are_equal() -> None:
    """Whatever objects they are; a parameter that is another number, or another zero, makes another plan."""
    plans = [plan_for(question([m.FocalLoss(alpha=alpha), m.Dice()])) for alpha in (0.0, 0.0, -0.0, 0.25)]
    assert (plans[0] == plans[1], hash(plans[0]) == hash(plans[1])) == (True, True)
    assert len({*plans}) == 3
    assert plans[0] != plan_for(question([m.FocalLoss(alpha=0.0), m.Dice(key="other")]))


def test_plans_of_the_same_sums_have_their_own_scores(engine: Engine) -> None:
    """Callers whose plans differ in what no launch knows: each is finished by its own."""
    asked = question([m.FocalLoss()])
    plans = [plan_for(question([m.FocalLoss(alpha=alpha)])) for alpha in (0.25, 0.5, 0.25, 0.5, 0.75)]
    samples = [sample(asked, seed) for seed in (1, 2, 5, 7, 8)]
    shared = in_lots(engine.run(plans[0], samples), plans, [1] * 5)
    found = [told(plan.scores(outcomes)) for plan, outcomes in zip(plans, shared, strict=True)]
    assert found == [told(plan.scores(engine.run(plan, [one]))) for plan, one in zip(plans, samples, strict=True)]


def test_the_first_who_asks_finishes_for_all(engine: Engine) -> None:
    """Those who want the same are finished at once, whoever asks first; those who want something else are not."""
    shared, finishing = [*in_lots(run_of(engine, 6), "abaab", (1, 1, 2, 1, 1))], Finishing()
    order = (3, 1, 0, 2, 4, 3)
    assert [finished(shared[one], "abaab"[one], finishing) for one in order] == [[5], [2], [1], [3, 4], [6], [5]]
    assert finishing.numbers == [4, 2]


def test_no_company_is_larger_than_its_bound(engine: Engine) -> None:
    """More samples than that are several companies; a caller who has more is alone, and one who fits in still joins."""
    sizes = (MOST - 1, 2, 1, MOST + 1, MOST - 2)
    shared, finishing = [*in_lots(run_of(engine, sum(sizes)), "aaaaa", sizes)], Finishing()
    assert [len(finished(one, "a", finishing)) for one in shared] == [*sizes]
    assert finishing.numbers == [MOST, MOST, MOST + 1]


def test_an_error_of_a_company_is_of_who_is_to_blame(engine: Engine) -> None:
    """What fails together is found for each alone, and fails for nobody else."""
    shared, finishing = [*in_lots(run_of(engine, 4), "aaa", (1, 2, 1))], Finishing(poison=(4, 2))
    assert finished(shared[0], "a", finishing) == [1]
    with pytest.raises(ZeroDivisionError):
        finished(shared[1], "a", finishing)
    assert finished(shared[2], "a", finishing) == [4]
    assert finishing.numbers == [4, 1, 2, 1]


def test_who_asks_for_something_else_is_alone(engine: Engine) -> None:
    """Outcomes that are finished by another plan than they were run for do not get what that one's company gets."""
    [one, _] = in_lots(run_of(engine, 2), "aa", (1, 1))
    assert one.together("b", Finishing()) is None


def test_what_grows_with_the_data_is_finished_by_each(engine: Engine) -> None:
    """A ranking takes as long as it is large: nobody waits for those of others."""
    plan = plan_for(question([m.RocAuc()]))
    samples = [sample(question([m.RocAuc()]), seed) for seed in (1, 2)]
    assert [one.together(plan, Finishing()) for one in in_lots(engine.run(plan, samples), [plan] * 2, [1, 1])] == [
        None
    ] * 2


def test_who_is_alone_in_its_run_has_no_company(engine: Engine) -> None:
    """One caller, however many samples: it is finished as it is."""
    [one] = in_lots(run_of(engine, 3), "a", [3])
    assert one.together("a", Finishing()) is None


def test_callers_in_threads_get_their_own(engine: Engine) -> None:
    """All at the same moment: one finishes, the others wait for it, and each has its own."""
    callers = 16
    shared, finishing, together = (
        [*in_lots(run_of(engine, callers), "a" * callers, [1] * callers)],
        Finishing(),
        Barrier(callers),
    )

    def ask(outcomes: Outcomes) -> list[Any]:
        together.wait(30)
        return finished(outcomes, "a", finishing)

    with ThreadPoolExecutor(callers) as threads:
        assert [*threads.map(ask, shared)] == [[place + 1] for place in range(callers)]
    assert finishing.numbers == [callers]


def test_part_of_a_run_stands_in_the_order_that_was_asked(engine: Engine) -> None:
    """Samples by their places, errors at theirs, groups in their own order."""
    run = run_of(engine, 4)
    spoilt = replace(run, count=5, errors={4: LossgaugeError("no")})
    part = spoilt.of([4, 3, 1])
    assert (part.count, part.errors) == (3, {0: spoilt.errors[4]})
    assert [(group.places, group.sums.pixels.tolist()) for group in part.groups] == [((1, 2), [4.0, 2.0])]
