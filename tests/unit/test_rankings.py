"""Rankings and calibration at their edges: batches, ties, bins, and what is refused."""

from typing import Any

import numpy as np
import pytest
import torch
from lossgauge import metrics as m
from lossgauge.wire import Question
from lossgauge_service.engine import Engine
from lossgauge_service.errors import LossgaugeError, MetricDoesNotFit
from lossgauge_service.measures.confidences import Column
from lossgauge_service.measures.ranking import Ranked, sorted_on
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import Case as SampleCase
from lossgauge_service.samples import sample_of
from lossgauge_service.statistics import Derived, Measure
from numpy.typing import NDArray
from pydantic import ValidationError

from tests.reference import Case
from tests.scoring import score

EVERY = (
    m.LovaszHinge(pooling="batch"),
    m.LovaszSoftmax(pooling="batch"),
    m.RocAuc(pooling="batch"),
    m.AveragePrecision(pooling="batch", method="histogram", bins=20),
    m.CalibrationError(pooling="batch", binning="quantile"),
)


@pytest.mark.parametrize("spec", EVERY, ids=lambda spec: spec.name)
def test_a_batch_that_is_pooled_is_one_image(engine: Engine, spec: m.MetricSpec) -> None:
    """The score of a batch's sums is that of its images side by side."""
    rng = np.random.default_rng(2)
    x, t = rng.integers(-3, 4, (5, 8, 8)).astype(np.float32), rng.integers(0, 2, (5, 8, 8))
    question = Question(task="binary", prediction_kind="logits", metrics=[spec])
    plan = plan_for(question)
    outcomes = engine.run(plan, [sample_of(question, *pair) for pair in zip(x, t, strict=True)])
    scores = [found for found in plan.scores(outcomes) if isinstance(found, dict)]
    pooled = plan.summary(scores, outcomes.groups)[spec.name].value
    assert pooled == pytest.approx(score(engine, spec, Case(x, t), "float32").value, rel=1e-12)


@pytest.mark.parametrize(("x", "loss"), [([-5.0, -2.0], 0.0), ([-5.0, 3.0], 4.0)])
def test_lovasz_hinge_without_positives_is_the_greatest_error(engine: Engine, x: list[float], loss: float) -> None:
    """As the published code has it."""
    assert score(engine, m.LovaszHinge(), Case(np.array(x), np.zeros(2, int))).value == loss


def test_one_channel_of_lovasz_softmax_is_the_foreground(engine: Engine) -> None:
    """Without positives it is the greatest probability, whichever classes are asked for: what is seen in an empty mask costs."""
    case = Case(np.array([0.25, 0.75]), np.zeros(2, int), prediction_kind="probabilities")
    present, every = score(engine, m.LovaszSoftmax(), case), score(engine, m.LovaszSoftmax(classes="all"), case)
    assert (present.value, every.value) == (0.75, 0.75)


RULES = (("formula", 0.75, None), (0.0, 0.0, None), ("undefined", None, "target_empty"), ("skip", None, "skipped"))


@pytest.mark.parametrize(("rule", "value", "reason"), RULES)
@pytest.mark.parametrize("spec", [m.LovaszSoftmax, m.LovaszHinge], ids=lambda spec: spec.__name__)
def test_a_lovasz_loss_of_an_empty_target_is_by_its_rule(
    engine: Engine, spec: Any, rule: Any, value: float | None, reason: str | None
) -> None:
    """A mask, and a label; the published code's 0 among the rules. A label that is left out leaves the mean."""
    hinge = spec is m.LovaszHinge
    logits = np.array([-3.0, -0.25]) if hinge else np.log([1 / 3, 3.0])
    asked, absent = spec(empty=m.TargetEmpty(target=rule)), np.zeros(2, int)
    found = score(engine, asked, Case(logits, absent))
    assert (found.value, found.undefined) == (None if value is None else pytest.approx(value), reason)
    labels = score(engine, asked, Case(np.stack([logits, logits]), np.array([[0, 1], absent]), task="multilabel"))
    alone = score(engine, asked, Case(logits, np.array([0, 1]))).value
    assert labels.value == pytest.approx(np.mean([alone, *([] if value is None else [value])]))
    assert (labels.counted, labels.skipped) == ((1, 1) if value is None else (2, 0))


@pytest.mark.parametrize(
    ("classes", "rule", "value"), [("present", 0.5, 0.25), ("all", 0.5, 1 / 3), ([0, 2], "skip", 0.25)]
)
def test_present_classes_are_those_that_the_target_has(engine: Engine, classes: Any, rule: Any, value: float) -> None:
    """Of classes `present` leaves an absent one out, whatever the rule; where it counts, the rule says what it is."""
    p = np.array([[0.75, 0.25], [0.25, 0.75], [0.0, 0.0]])
    case = Case(p, np.array([0, 1]), task="multiclass", prediction_kind="probabilities")
    found = score(engine, m.LovaszSoftmax(classes=classes, empty=m.TargetEmpty(target=rule)), case)
    assert found.value == pytest.approx(value)
    assert found.undefined_classes == (
        {"2": "target_empty"} if classes == "present" else {"2": "skipped"} if rule == "skip" else None
    )


@pytest.mark.parametrize("spec", [m.RocAuc(), m.RocAuc(method="histogram"), m.AveragePrecision()])
def test_one_value_ranks_nothing(engine: Engine, spec: m.MetricSpec) -> None:
    """Where all is tied, the area is 1/2 and the precision the share of the positives: the same by chance here."""
    assert score(engine, spec, Case(np.zeros(10), np.arange(10) % 2)).value == 0.5


AREAS = (m.RocAuc, m.AveragePrecision)


@pytest.mark.parametrize("spec", AREAS, ids=lambda spec: spec.__name__)
def test_an_absent_label_is_by_its_rule(engine: Engine, spec: Any) -> None:
    """By default it leaves the mean, as `formula`, which is 0/0, does; a constant stays in it. So it is alone."""
    case = Case(np.array([[1.0, 0.0], [2.0, -1.0]]), np.array([[1, 0], [0, 0]]), task="multilabel")
    rules: list[tuple[Any, float, str]] = [
        ("undefined", 1.0, "target_empty"),
        ("formula", 1.0, "target_empty"),
        ("skip", 1.0, "skipped"),
    ]
    for rule, mean, reason in rules:
        found = score(engine, spec(empty=m.TargetEmpty(target=rule)), case)
        assert (found.value, found.skipped, found.undefined_classes) == (mean, 1, {"1": reason})
    ruled = spec(empty=m.TargetEmpty(target=0.0))
    found = score(engine, ruled, case)
    assert (found.value, found.per_class, found.counted) == (0.5, [1.0, 0.0], 2)
    alone = Case(case.prediction[1], case.target[1])
    assert (score(engine, ruled, alone).value, score(engine, spec(), alone).undefined) == (0.0, "target_empty")


def test_a_full_target_is_by_its_own_rule(engine: Engine) -> None:
    """An area needs negatives: without them it has a rule, as specificity; the precision without them is 1."""
    full = Case(np.array([1.0, 0.0]), np.ones(2, int))
    assert score(engine, m.RocAuc(empty=m.TargetEmpty(target=0.0)), full).undefined == "no_negatives"
    assert score(engine, m.RocAuc(no_negatives="formula"), full).undefined == "no_negatives"
    assert score(engine, m.RocAuc(no_negatives=0.25), full).value == 0.25
    assert score(engine, m.AveragePrecision(empty=m.TargetEmpty(target=0.0)), full).value == 1.0


@pytest.mark.parametrize("spec", AREAS, ids=lambda spec: spec.__name__)
def test_a_ruled_area_is_certain_and_has_no_curve(engine: Engine, spec: Any) -> None:
    """A constant has no error; of no positives there is no curve, whatever the value."""
    asked = spec(method="histogram", curve="points", empty=m.TargetEmpty(target=0.5))
    found = score(engine, asked, Case(np.array([1.0, 0.0]), np.zeros(2, int)))
    assert (found.value, found.model_extra) == (0.5, {"error_bound": 0.0, "curve": None})
    assert found.undefined_extras == {"curve": "target_empty"}


@pytest.mark.parametrize("closed", ["left", "right"])
@pytest.mark.parametrize("binning", ["uniform", "quantile"])
def test_every_pixel_is_in_one_bin(engine: Engine, closed: Any, binning: Any) -> None:
    """0, 1 and every edge between."""
    p: NDArray[np.float64] = np.arange(11) / 10
    spec = m.CalibrationError(bins=10, closed=closed, binning=binning)
    found = score(engine, spec, Case(p, np.ones(11, int), prediction_kind="probabilities")).model_dump()
    assert sum(found["bin_count"]) == 11
    twice = {"left": 9, "right": 0}[closed]
    if binning == "uniform":
        assert found["bin_count"] == [2.0 if place == twice else 1.0 for place in range(10)]


@pytest.mark.parametrize(
    ("bins", "closed", "counts"),
    [
        *((4, closed, [3, 3, 3, 3]) for closed in ("left", "right")),
        (5, "left", [2, 2, 3, 2, 3]),
        (5, "right", [3, 2, 3, 2, 2]),
    ],
)
def test_quantiles_hold_equally_many_pixels(engine: Engine, bins: int, closed: Any, counts: list[int]) -> None:
    """Twelve pixels that all differ are three to each of four bins; an edge belongs to the bin that is closed there."""
    case = Case(np.linspace(0.1, 0.9, 12), np.ones(12, int), prediction_kind="probabilities")
    spec = m.CalibrationError(bins=bins, closed=closed, binning="quantile")
    assert score(engine, spec, case).model_dump()["bin_count"] == counts


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_an_edge_is_one_in_the_dtype_that_was_sent(engine: Engine, dtype: type) -> None:
    """0.7 is in [0.7, 0.8), though it is below 0.7 as a float32."""
    case = Case(np.array([0.7], dtype), np.ones(1, int), prediction_kind="probabilities")
    found = score(engine, m.CalibrationError(bins=10, closed="left"), case, "float32").model_dump()
    assert found["bin_count"].index(1.0) == 7


@pytest.mark.parametrize("scale", [1e-200, 1e200])
@pytest.mark.parametrize("spec", [m.RocAuc(), m.AveragePrecision(), m.CalibrationError()])
def test_weights_of_any_size_weigh_the_same(engine: Engine, spec: m.MetricSpec, scale: float) -> None:
    """A score is of shares of the weight."""
    rng = np.random.default_rng(4)
    x, t, w = rng.normal(0, 2, 50), rng.integers(0, 2, 50), rng.random(50)
    found = score(engine, spec, Case(x, t, w * scale)).value
    assert found == pytest.approx(score(engine, spec, Case(x, t, w)).value, rel=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_device_sorts_as_numpy_does(weighted: bool) -> None:
    """Ties and all: values ascend, and every weight stays with its own."""
    rng = np.random.default_rng(6)
    values, weights = rng.integers(0, 9, 100).astype(np.float32), rng.random(100)
    found = sorted_on(torch.device("cpu"), Column(values, weights if weighted else None))
    order = np.argsort(values, kind="stable")
    assert found.values.tolist() == values[order].tolist()
    assert (None if found.weights is None else found.weights.tolist()) == (
        weights[order].tolist() if weighted else None
    )


@pytest.mark.parametrize("spec", EVERY[2:], ids=lambda spec: spec.name)
def test_weights_beyond_a_float64_are_infinite(engine: Engine, spec: m.MetricSpec) -> None:
    """No number is made of a sum that a float64 cannot hold."""
    found = score(engine, spec, Case(np.arange(4.0), np.array([0, 1, 0, 1]), np.full(4, 1.5e308)))
    assert (found.value, found.undefined) == (None, "infinite")


def _refused(engine: Engine, spec: m.MetricSpec, case: Case) -> LossgaugeError:
    with pytest.raises(MetricDoesNotFit) as raised:
        score(engine, spec, case)
    return raised.value


X, T = np.zeros(4), np.array([0, 1, 0, 1])
CLASSES = Case(np.zeros((3, 4)), T, task="multiclass", num_classes=3)


@pytest.mark.parametrize(
    ("spec", "case", "at", "reason"),
    [
        (m.LovaszHinge(), Case(X, T, np.ones(4)), "", "takes no weights"),
        (m.LovaszHinge(), Case(X, T, prediction_kind="probabilities"), "", "takes logits"),
        (m.LovaszSoftmax(), Case(X, T, target_kind="probabilities"), "", "takes no soft targets"),
        (m.LovaszSoftmax(classes=[3]), CLASSES, "/classes/0", "classes are from 0 to 2; found 3"),
        (m.LovaszSoftmax(classes=[0]), Case(X, T), "/classes", "task 'binary' has one"),
        (m.RocAuc(), Case(X, T, target_kind="probabilities"), "", "soft targets"),
        (m.CalibrationError(confidence="positive"), CLASSES, "/confidence", "classes have no positive"),
    ],
)
def test_what_has_no_meaning_is_refused(engine: Engine, spec: m.MetricSpec, case: Case, at: str, reason: str) -> None:
    """An error that points to the metric, or to the parameter that has no meaning, with the reason."""
    found = _refused(engine, spec, case)
    assert found.pointer == f"/metrics/0{at}"
    assert reason in found.detail


@pytest.mark.parametrize("make", [lambda: m.RocAuc(bins=10_001), lambda: m.CalibrationError(bins=0)])
def test_bins_are_bounded(make: Any) -> None:
    """Nobody asks for more bins or points than an answer can hold."""
    with pytest.raises(ValidationError):
        make()


def test_losses_and_areas_of_an_order_sort_once() -> None:
    """Both Lovasz losses, the area and the average precision start from one order of the pixels."""
    asked = [m.LovaszHinge(), m.LovaszSoftmax(), m.RocAuc(), m.AveragePrecision()]
    statistics = plan_for(Question(task="binary", prediction_kind="logits", metrics=asked)).statistics(
        SampleCase("binary", "logits", 1)
    )
    measures = [key for key in statistics if isinstance(key, Measure)]
    assert {key.basis if isinstance(key, Derived) else key for key in measures} == {Ranked()}
    assert len(measures) > 1
