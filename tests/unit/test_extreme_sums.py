"""Sums at the edges: fractional, huge and missing weights, and what is made of them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lossgauge import metrics as m
from lossgauge.metrics import MetricSpec
from lossgauge.spread import mean_and_std
from lossgauge.wire import Question, Score
from lossgauge_service.engine import Engine
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import sample_of

from tests.reference.case import AnyArray
from tests.scoring import scores_of


def scored(engine: Engine, spec: MetricSpec, *arrays: AnyArray, **asked: object) -> Score:
    """The score of one pair; binary logits unless said otherwise."""
    question = Question.model_validate({"task": "binary", "prediction_kind": "logits", "metrics": [spec], **asked})
    return scores_of(engine, plan_for(question), [sample_of(question, *arrays)])[0][spec.name]


@pytest.mark.parametrize("seed", range(20))
def test_weighted_label_maps_invent_no_true_negatives(engine: Engine, seed: int) -> None:
    """Where every pixel is of class 0, that class has no negatives, however odd the weights."""
    rng = np.random.default_rng(seed)
    guess, weight = rng.integers(0, 3, 50), rng.random(50) * 10.0 ** rng.integers(-6, 6, 50)
    asked = {"task": "multiclass", "prediction_kind": "labels", "num_classes": 3}
    arrays = guess, np.zeros(50, int), weight
    assert scored(engine, m.Specificity(), *arrays, **asked).undefined_classes == {"0": "no_negatives"}
    assert scored(engine, m.Confusion(), *arrays, **asked).model_dump()["tn"][0] == 0


def test_label_maps_without_weight(engine: Engine) -> None:
    """Pixels that count but weigh nothing are not pixels that do not count."""
    labels = np.array([0, 1, 2])
    asked = {"task": "multiclass", "prediction_kind": "labels", "num_classes": 3}
    assert scored(engine, m.Dice(), labels, labels, np.zeros(3), **asked).undefined == "no_weight"


def test_a_small_class_weight_is_not_lost_beside_a_large_one(engine: Engine) -> None:
    """The positives' own weight is summed, not what is left when the negatives' is taken away."""
    spec = m.CrossEntropy(class_weights=[1.0, 0.0])
    score = scored(engine, spec, np.zeros(2), np.array([1, 0]), np.array([1e6, 1e-11]))
    assert score.value == pytest.approx(math.log(2), rel=1e-12)


EVERY_KIND = (
    m.FocalLoss(),
    m.FocalLoss(gamma=3.0),
    m.CrossEntropy(balance="inverse_frequency"),
    m.Dice(),
    m.DiceLoss(squared=True, smooth_numerator=0.0, smooth_denominator=0.0),
    m.MeanIou(),
    m.Accuracy(),
    m.FBeta(),
)


@pytest.mark.parametrize("spec", [*EVERY_KIND, m.Confusion(), m.BceDice()], ids=lambda spec: spec.name)
@pytest.mark.filterwarnings("error")
def test_weights_whose_sum_is_infinite(engine: Engine, spec: MetricSpec) -> None:
    """Infinite is undefined, never 0."""
    score = scored(engine, spec, np.full(4, -1.0), np.array([0, 1, 1, 1]), np.full(4, 1.7e308))
    assert (score.value, score.undefined) == (None, "infinite")


@pytest.mark.parametrize("size", [1e-300, 1e-46, 1e-36, 1e37, 3e38, 1e300])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("spec", EVERY_KIND, ids=lambda spec: spec.name)
def test_the_size_of_all_weights_does_not_matter(engine: Engine, spec: MetricSpec, dtype: type, size: float) -> None:
    """Tiny or huge, as long as all are: the means are those of weights near 1."""
    rng = np.random.default_rng(3)
    prediction: AnyArray = rng.normal(0, 3, 600).astype(dtype)
    target = rng.integers(0, 2, 600)
    weight = rng.uniform(0.5, 1, 600)
    found, expected = (scored(engine, spec, prediction, target, weight * by) for by in (size, 1.0))
    assert found.value == pytest.approx(expected.value, rel=1e-6)


def test_a_sum_has_the_weights_own_size(engine: Engine) -> None:
    """What the weights were divided by on the way comes back."""
    spec, weight = m.Confusion(), np.array([[2e-200, 3e-200, 5e-200]])
    asked = {"prediction_kind": "labels"}
    score = scored(engine, spec, np.array([[1, 0, 1]]), np.array([[1, 1, 0]]), weight, **asked).model_dump()
    assert [score[name] for name in ("value", "tp", "fp", "fn")] == pytest.approx([8e-200, 2e-200, 5e-200, 3e-200])


@pytest.mark.parametrize("dtype", [bool, np.uint8])
def test_ignore_index_holds_for_every_dtype(engine: Engine, dtype: type) -> None:
    """A bool target's ones are ignored where 1 is to be."""
    score = scored(engine, m.Confusion(), np.ones(3), np.array([1, 0, 1], dtype), ignore_index=1).model_dump()
    assert (score["tp"], score["fp"]) == (0, 1)


@pytest.mark.parametrize("spec", [m.DiceLoss(), m.Recall(), m.Accuracy(), m.CrossEntropy(reduction="sum"), m.MeanIou()])
def test_a_label_that_weighs_nothing_is_not_scored(engine: Engine, spec: MetricSpec) -> None:
    """Its value is undefined, and it is in no mean."""
    prediction, target = np.array([[2.0, -1.0], [3.0, 1.0]]), np.array([[1, 0], [0, 1]])
    both = scored(engine, spec, prediction, target, np.array([[1.0, 2.0], [0.0, 0.0]]), task="multilabel")
    alone = scored(engine, spec, prediction[:1], target[:1], np.array([[1.0, 2.0]]), task="multilabel")
    assert both.undefined_classes == {"1": "no_weight"}
    assert (both.value, both.per_class) == (alone.value, [*(alone.per_class or []), None])


@pytest.mark.parametrize("spec", [m.BceDice(), m.BceLogDice(), m.FocalDice(), m.FocalLogDice(), m.WeightedBceDice()])
def test_two_empty_masks_cost_a_mix_nothing(engine: Engine, spec: MetricSpec) -> None:
    """Every mix's loss of an empty prediction of an empty mask is 0."""
    assert scored(engine, spec, np.zeros(9), np.zeros(9, int), prediction_kind="probabilities").value == 0


def test_smoothing_with_a_positive_weight_is_torch_s(engine: Engine) -> None:
    """Each term has its own class's weight, as torch's loss of a smoothed target."""
    rng = np.random.default_rng(0)
    prediction, target = rng.normal(size=20), rng.integers(0, 2, 20)
    smoothed = torch.from_numpy(target * 0.9 + 0.05)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.from_numpy(prediction), smoothed, pos_weight=torch.tensor(3.0)
    )
    found = scored(engine, m.CrossEntropy(pos_weight=3.0, label_smoothing=0.1), prediction, target)
    assert found.value == pytest.approx(expected.item(), rel=1e-12)


def test_two_masks_may_share_a_void(engine: Engine) -> None:
    """A label map with `ignore_index` where the target has it too is scored on the rest."""
    guess, target = np.array([255, 1, 0, 1]), np.array([255, 1, 0, 0])
    asked = {"prediction_kind": "labels", "ignore_index": 255}
    for task in ({"task": "binary"}, {"task": "multiclass", "num_classes": 2}):
        assert (
            scored(engine, m.Confusion(), guess, target, **asked, **task).value
            == scored(engine, m.Confusion(), guess[1:], target[1:], **asked, **task).value
        )


@given(st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_mean_and_deviation(numbers: list[float]) -> None:
    """They are NumPy's."""
    assert mean_and_std(numbers) == pytest.approx((np.mean(numbers), np.std(numbers)), rel=1e-9, abs=1e-6)


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [([], (None, None)), ([1e308, 1e308], (1e308, 0)), ([-1e200, 1e200], (0, 1e200)), ([0.0, 0.0], (0, 0))],
)
def test_mean_and_deviation_do_not_overflow(numbers: list[float], expected: tuple[float | None, float | None]) -> None:
    """Of the largest numbers too."""
    assert mean_and_std(numbers) == expected
