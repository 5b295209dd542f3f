"""Laws of precision: float32 agrees with float64, whatever the image."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from lossgauge import metrics as m
from lossgauge.metrics.spec import MetricSpec, PredictionKind
from lossgauge.wire import Precision, Question, Score
from lossgauge_service.engine import Engine
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import sample_of

from tests.examples import examples
from tests.laws import FLOAT32_KEEPS_SIX_DIGITS
from tests.reference import Case
from tests.reference.case import AnyArray
from tests.scoring import asked, disagreements, scores_of
from tests.specs import VARIANTS
from tests.strategies import cases

SIDE = 256
PRECISIONS: tuple[Precision | None, ...] = (None, "float64", "float32")
LOGITS = (0.1, -1 / 3, 2.7, -5.3, 13.37)
PROBABILITIES = (0.1, 0.3, 0.7, 0.99, 1e-3)


def off_by(engine: Engine, case: Case) -> dict[str, list[str]]:
    """Where float32 is more than 1e-6 off float64: of the number, or, where the law exempts it, of a loss of 1."""
    single, double = asked(engine, VARIANTS, case, "float32"), asked(engine, VARIANTS, case, "float64")
    strict = {key for key in single if not FLOAT32_KEEPS_SIX_DIGITS.exempts(VARIANTS[int(key.split()[0])])}
    relative = disagreements(_only(double, strict), _only(single, strict), 1e-6, 1e-30)
    return relative | disagreements(
        _only(double, set(double) - strict), _only(single, set(double) - strict), 1e-6, 1e-6
    )


def _only(scores: Mapping[str, Score], keys: set[str]) -> dict[str, Score]:
    return {key: score for key, score in scores.items() if key in keys}


def half(side: int = SIDE) -> AnyArray:
    """A mask whose left half is positive."""
    target = np.zeros((side, side), np.uint8)
    target[:, : side // 2] = 1
    return target


@pytest.mark.parametrize(
    ("kind", "constant"), [*(("logits", x) for x in LOGITS), *(("probabilities", p) for p in PROBABILITIES)]
)
def test_a_constant_image_does_not_drift(engine: Engine, kind: PredictionKind, constant: float) -> None:
    """65,536 times the same rounding error does not add up: float32 agrees with float64 to 1e-6."""
    prediction = np.full((SIDE, SIDE), constant, np.float32)
    assert off_by(engine, Case(prediction, half(), prediction_kind=kind)) == {}


@pytest.mark.parametrize("constant", [0.1, -3.3])
def test_a_constant_image_of_classes_does_not_drift(engine: Engine, constant: float) -> None:
    """The same for classes: two constant ones and a third."""
    prediction = np.stack([np.full((SIDE, SIDE), x, np.float32) for x in (constant, 2 * constant, 1 / 3)])
    assert off_by(engine, Case(prediction, half(), task="multiclass", num_classes=3)) == {}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["logits", "probabilities"])
def test_a_nearly_perfect_prediction_keeps_its_digits(engine: Engine, kind: PredictionKind, weighted: bool) -> None:
    """Tiny losses, and the few pixels that are wrong among many, agree to 1e-6 of themselves."""
    rng, target = np.random.default_rng(1), half(200)
    x = ((2.0 * target - 1) * rng.normal(9, 1.5, target.shape)).astype(np.float32)
    x[3, 5] *= -1
    x[150, 190] *= -1
    prediction = x if kind == "logits" else (1 / (1 + np.exp(-np.float64(x)))).astype(np.float32)
    weight = rng.uniform(0.1, 2, target.shape).astype(np.float32) if weighted else None
    assert off_by(engine, Case(prediction, target, weight, prediction_kind=kind)) == {}


@pytest.mark.parametrize("weighted", [False, True])
def test_a_nearly_perfect_prediction_of_classes_keeps_its_digits(engine: Engine, weighted: bool) -> None:
    """The same for classes."""
    rng = np.random.default_rng(2)
    target = rng.choice(3, (150, 150), p=(0.9, 0.09, 0.01))
    x = rng.normal(0, 1, (3, 150, 150)) + 12.0 * (np.arange(3)[:, None, None] == target)
    x[:, 7, 7] = x[::-1, 7, 7]
    weight = rng.uniform(0.1, 2, target.shape).astype(np.float32) if weighted else None
    assert off_by(engine, Case(x.astype(np.float32), target, weight, task="multiclass", num_classes=3)) == {}


@pytest.mark.parametrize("weighted", [False, True])
def test_a_very_unbalanced_target_keeps_its_digits(engine: Engine, weighted: bool) -> None:
    """10 positives among 100,000 agree to 1e-6, and so does what is made of them alone."""
    rng = np.random.default_rng(3)
    target = np.zeros(100_000, np.uint8)
    target[rng.choice(target.size, 10, replace=False)] = 1
    x = (rng.normal(-4, 2, target.shape) + 5 * target).astype(np.float32)
    weight = rng.uniform(0.1, 2, target.shape).astype(np.float32) if weighted else None
    assert off_by(engine, Case(x, target, weight)) == {}


@settings(max_examples=examples(25))
@given(case=cases(extremes=False))
def test_float32_agrees_with_float64(engine: Engine, case: Case) -> None:
    """Any small case agrees to 1e-6, or to 1e-6 of 1. What lies at the edge of a bin may be in the next one when it is rounded."""
    single, double = asked(engine, VARIANTS, case, "float32"), asked(engine, VARIANTS, case, "float64")
    found = disagreements(double, single, 1e-6, 1e-6)
    assert {key: where for key, where in found.items() if not _is_at_an_edge(VARIANTS[int(key.split()[0])], case)} == {}


def _is_at_an_edge(spec: MetricSpec, case: Case) -> bool:
    if not isinstance(spec, m.CalibrationError) or case.prediction_kind != "probabilities":
        return False
    places = np.asarray(case.prediction, np.float64) * spec.bins
    return bool((np.abs(places - np.rint(places)) < 1e-5).any())


@pytest.mark.parametrize("gamma", [0.5, 1.5, 3.0, 5.0])
@pytest.mark.parametrize("logit", [-2.0, 0.3, 2.5, 7.7, 11.0])
def test_the_error_of_another_gamma_is_bounded(engine: Engine, gamma: float, logit: float) -> None:
    """A focal loss of float32 is within 4e-7 (1 + gamma s) of float64's, s = -log(1 - pt), as the page on semantics says."""
    case = Case(np.full(600, logit, np.float32), np.ones(600, int))
    question = Question(task="binary", prediction_kind="logits", metrics=[m.FocalLoss(alpha=None, gamma=gamma)])
    single, double = (
        scores_of(engine, plan_for(asked), [sample_of(asked, case.prediction, case.target)])[0]["focal_loss"].value
        for asked in (question, question.model_copy(update={"precision": "float64"}))
    )
    s = float(np.logaddexp(0, case.prediction[0], dtype=np.float64))
    assert single == pytest.approx(double, rel=4e-7 * (1 + gamma * s), abs=0)


# ---------------------------------------------------------------------------------------------------- what is computed in


def scored(engine: Engine, prediction: AnyArray, target: AnyArray, precision: Precision | None = None) -> Score:
    """Cross-entropy of logits, in the precision that a request of this dtype gets."""
    question = Question(task="binary", prediction_kind="logits", precision=precision, metrics=[m.CrossEntropy()])
    plan, sample = plan_for(question), sample_of(question, prediction, target)
    return scores_of(engine, plan, [sample])[0]["cross_entropy"]


def spread(dtype: type) -> AnyArray:
    """Logits that float16 holds."""
    return np.random.default_rng(4).normal(0, 3, 5000).astype(np.float16).astype(dtype)


def test_float16_is_computed_in_float32(engine: Engine) -> None:
    """A float16 prediction scores the bits of the same numbers in float32."""
    target = np.arange(5000) % 2
    assert scored(engine, spread(np.float32), target) == scored(engine, spread(np.float16), target)


def test_float64_is_computed_in_float64_by_default(engine: Engine) -> None:
    """A float64 prediction keeps digits that float32 has not; asked in float32 it does not."""
    target = np.ones(1, np.uint8)
    losses = [scored(engine, np.array([30.0]), target, precision).value for precision in PRECISIONS]
    exact = float(np.log1p(np.exp(-30.0)))
    fine = [scored(engine, np.array([1 + 1e-12]), target, p).value for p in PRECISIONS]
    assert [exact, exact] == losses[:2]
    assert fine[0] == fine[1] != fine[2] == pytest.approx(fine[0], rel=1e-6)


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.uint16, np.uint64])
def test_whole_numbers_are_logits_too(engine: Engine, dtype: type) -> None:
    """Integers score as the floats that they are."""
    x: AnyArray = np.arange(6).astype(dtype)
    target = np.arange(6) % 2
    expected = scored(engine, x.astype(np.float64), target).value
    assert expected == pytest.approx(scored(engine, x, target).value, rel=1e-6)
