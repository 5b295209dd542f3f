"""What a batch's summary says of its items."""

import math
from typing import Any

import numpy as np
import pytest
from lossgauge import metrics as m
from lossgauge.metrics import MetricSpec
from lossgauge.wire import Question, Summary
from lossgauge_service.engine import Engine
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import Sample, sample_of

from tests.laws import TILES_ADD_UP
from tests.scoring import finished, fitting, keyed

TARGETS = ([1, 1, 0, 0], [1, 0, 0, 0, 0, 0], [0, 0])
GUESSES = ([1, 0, 0, 0], [1, 1, 1, 0, 0, 0], [0, 0])
DICES = (2 / 3, 1 / 2)
"""Of the first two; the third has two empty masks."""
POOLED_DICE = 2 * 2 / (4 + 3)


def asked(*specs: MetricSpec, **more: object) -> Question:
    """A question about masks of labels."""
    whole = {"task": "binary", "prediction_kind": "labels", "metrics": list(specs), **more}
    return Question.model_validate(whole)


def summary(engine: Engine, question: Question, samples: list[Sample], missing: int = 0) -> dict[str, Summary]:
    """The summary of a batch in which `missing` items more had no scores."""
    plan = plan_for(question)
    outcomes = engine.run(plan, samples)
    scores = [found if isinstance(found, dict) else None for found in plan.scores(outcomes)]
    return plan.summary([*scores, *[None] * missing], outcomes.groups)


def masks(question: Question) -> list[Sample]:
    """Three pairs of masks of different sizes."""
    return [sample_of(question, np.array(g), np.array(t)) for g, t in zip(GUESSES, TARGETS, strict=True)]


def test_mean_and_deviation_are_of_the_defined_values(engine: Engine) -> None:
    """An undefined score and an item that failed are counted as skipped, never as 0."""
    question = asked(m.Dice())
    found = summary(engine, question, masks(question), missing=2)["dice"]
    mean = sum(DICES) / 2
    assert [found.mean, found.std] == pytest.approx([mean, abs(DICES[0] - DICES[1]) / 2])
    assert (found.counted, found.skipped) == (2, 3)


@pytest.mark.parametrize(("pooling", "value"), [("sample", sum(DICES) / 2), ("batch", POOLED_DICE)])
def test_pooling_says_which_number_is_the_value(engine: Engine, pooling: str, value: float) -> None:
    """The mean of the samples' scores, or the score of the samples' sums; both are told."""
    question = asked(m.Dice.model_validate({"pooling": pooling}))
    found = summary(engine, question, masks(question))["dice"]
    assert [found.value, found.pooled] == pytest.approx([value, POOLED_DICE])


def test_a_batch_without_a_score_has_no_mean(engine: Engine) -> None:
    """Nothing is null, not 0, and says why."""
    question = asked(m.Dice())
    found = summary(engine, question, masks(question)[2:], missing=1)["dice"]
    nothing: dict[str, Any] = {"value": None, "mean": None, "std": None, "pooled": None, "counted": 0, "skipped": 2}
    assert found == Summary(**nothing, pooled_undefined="both_empty")


@pytest.mark.parametrize("pooling", ["sample", "batch"])
@pytest.mark.parametrize(
    ("empty", "pairs", "reason"),
    [
        ({"both": "undefined"}, [([0, 0], [0, 0])] * 2, "both_empty"),
        ({"both": "skip"}, [([0, 0], [0, 0])] * 2, "skipped"),
        ({"no_match": "undefined"}, [([1, 0], [0, 1])] * 2, "no_match"),
    ],
)
def test_a_null_pooled_score_has_its_reason(
    engine: Engine, pooling: str, empty: dict[str, str], pairs: list[tuple[list[int], list[int]]], reason: str
) -> None:
    """Where no item has a value too; whichever of the two is the summary's value."""
    question = asked(m.Dice.model_validate({"pooling": pooling, "empty": empty}))
    found = summary(engine, question, [sample_of(question, *map(np.array, pair)) for pair in pairs])["dice"]
    assert (found.value, found.pooled, found.pooled_undefined, found.counted) == (None, None, reason, 0)


def test_a_batch_of_problems_only(engine: Engine) -> None:
    """No sums at all: still a summary, of nothing."""
    found = summary(engine, asked(m.Dice(pooling="batch")), [], missing=3)["dice"]
    nothing: dict[str, Any] = {"value": None, "mean": None, "std": None, "pooled": None, "counted": 0, "skipped": 3}
    assert found == Summary(**nothing, pooled_undefined="no_scores")


def test_items_of_different_kinds_are_not_pooled(engine: Engine) -> None:
    """Two and three classes have no sum, whether or not an item has a value; the mean there is."""
    question = Question(task="multilabel", prediction_kind="labels", metrics=[m.Dice(pooling="batch")])
    samples = [sample_of(question, np.eye(c, 5, dtype=np.uint8), np.eye(c, 5, dtype=np.uint8)) for c in (2, 3)]
    found = summary(engine, question, samples)["dice"]
    assert (found.value, found.pooled, found.mean, found.counted) == (None, None, 1.0, 2)
    empty = [sample_of(question, *[np.zeros((c, 5), np.uint8)] * 2) for c in (2, 3)]
    for some in (samples, empty):
        assert summary(engine, question, some)["dice"].pooled_undefined == "mixed_kinds"


def test_precisions_and_weights_are_pooled(engine: Engine) -> None:
    """What an item was computed in, or whether it had weights, does not keep its sums from being added."""
    question = Question(task="binary", prediction_kind="logits", metrics=[m.CrossEntropy(pooling="batch")])
    samples = [
        sample_of(question, np.zeros(3, np.float32), np.array([0, 1, 1])),
        sample_of(question, np.zeros(1, np.float64), np.array([1]), np.array([5.0])),
    ]
    assert summary(engine, question, samples)["cross_entropy"].pooled == pytest.approx(math.log(2), rel=1e-6)


def test_pooled_is_the_score_of_all_pixels_together(engine: Engine) -> None:
    """For every metric whose sums add up, pooling two images is scoring them side by side."""
    rng = np.random.default_rng(4)
    prediction, target = rng.normal(0, 2, (5, 60)), rng.integers(0, 2, (5, 60))
    question = Question(task="binary", prediction_kind="logits", metrics=keyed(TILES_ADD_UP.specs))
    whole = sample_of(question, prediction, target)
    question = question.model_copy(update={"metrics": fitting(question.metrics, question, whole.case)})
    parts = [sample_of(question, prediction[:, cut], target[:, cut]) for cut in (slice(0, 13), slice(13, 60))]
    of_whole, of_parts = summary(engine, question, [whole]), summary(engine, question, parts)
    assert len(of_parts) > 40
    assert {key: pytest.approx(one.mean, rel=1e-9) for key, one in of_whole.items() if one.mean is not None} == {
        key: one.pooled for key, one in of_parts.items() if one.pooled is not None
    }


def test_sums_of_one_are_themselves(engine: Engine) -> None:
    """Pooling a single sample changes nothing."""
    question = asked(m.Dice(), m.Confusion())
    sample = masks(question)[0]
    plan = plan_for(question)
    [group] = engine.run(plan, [sample]).groups
    assert finished(plan, group.sums.pooled(), sample.case) == finished(plan, group.sums, sample.case)
