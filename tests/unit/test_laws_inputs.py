"""The law of honest errors: what cannot be scored is an error that says what and where, in every metric."""

from typing import Any

import numpy as np
import pytest
from lossgauge import metrics as m
from lossgauge.metrics import CATALOGUE, MetricSpec
from lossgauge.wire import Question, Score
from lossgauge_service.engine import Engine
from lossgauge_service.engine.expressions import ROW_TILE
from lossgauge_service.engine.tiles import CLASS_TILE, DIRECT_TILES
from lossgauge_service.errors import InvalidValues
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import sample_of

from tests.reference.case import AnyArray
from tests.specs import VARIANTS

LONG = DIRECT_TILES * ROW_TILE + 5
"""Read in place, but for a remainder of five."""

BAD = {"NaN": np.nan, "inf": np.inf, "-inf": -np.inf}
PIXELS = {"first": 0, "in a whole tile": 9_999, "last of the whole tiles": LONG - 6, "in the remainder": LONG - 2}


def outcome(
    engine: Engine, prediction: AnyArray, target: AnyArray, metrics: list[MetricSpec] | None = None, **asked: Any
) -> Any:
    """The scores of one pair, or the engine's error."""
    whole = {"task": "binary", "prediction_kind": "logits", "metrics": metrics or [m.Confusion()], **asked}
    question = Question(**whole)
    plan, sample = plan_for(question), sample_of(question, prediction, target)
    [found] = plan.scores(engine.run(plan, [sample]))
    return found


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("where", PIXELS)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_what_is_not_finite_is_found(engine: Engine, bad: str, where: str, precision: str) -> None:
    """NaN and infinity are an error with their place, wherever they are, even if only counts are asked for."""
    prediction = np.zeros(LONG, precision)
    prediction[PIXELS[where]] = BAD[bad]
    error = outcome(engine, prediction, np.zeros(LONG, np.uint8))
    assert isinstance(error, InvalidValues)
    assert error.pointer == "/prediction"
    assert error.detail.startswith(f"the prediction holds {bad} at [{PIXELS[where]}] (1 such values)")


@pytest.mark.parametrize("name", sorted(name for name, spec in CATALOGUE.items() if "logits" in spec.about.kinds))
def test_no_metric_scores_what_is_not_finite(engine: Engine, name: str) -> None:
    """Whatever is asked, a NaN is an error and no score."""
    spec = next(spec for spec in VARIANTS if spec.name == name)
    error = outcome(engine, np.array([[1.0, np.nan, -1.0]]), np.array([[1, 1, 0]]), [spec])
    assert isinstance(error, InvalidValues)


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
def test_an_ignored_pixel_may_not_be_nan_either(engine: Engine, kind: str) -> None:
    """A NaN under a target that is ignored is still a broken prediction."""
    error = outcome(
        engine, np.array([0.5, np.nan], np.float32), np.array([1, 255]), prediction_kind=kind, ignore_index=255
    )
    assert isinstance(error, InvalidValues)


@pytest.mark.parametrize("place", [(2, 0), (0, 2 * CLASS_TILE), (1, CLASS_TILE - 1)])
@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("axis", [0, -1])
def test_what_is_not_finite_is_found_in_any_class(engine: Engine, task: str, axis: int, place: tuple[int, int]) -> None:
    """The place is in the axes that the caller sent."""
    prediction: AnyArray = np.zeros((3, 2 * CLASS_TILE + 1))
    prediction[place] = np.nan
    target: AnyArray = np.zeros(prediction.shape if task == "multilabel" else prediction.shape[1:], np.int64)
    if axis == -1:
        prediction, target, place = prediction.T, target.T, place[::-1]
    error = outcome(engine, prediction, target, task=task, channel_axis=axis)
    assert isinstance(error, InvalidValues)
    assert f"NaN at {list(place)} " in error.detail


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize("outside", [-1e-9, 1.0000002, 2.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_probabilities_lie_between_0_and_1(engine: Engine, task: str, outside: float, dtype: type) -> None:
    """Nothing is clipped: a probability a little outside is an error."""
    prediction: AnyArray = np.full((2, 5), 0.5, dtype)
    prediction[1, 3] = outside
    target = np.zeros((2, 5) if task == "binary" else 5, np.int64)
    error = outcome(engine, prediction, target, task=task, prediction_kind="probabilities")
    assert isinstance(error, InvalidValues)
    assert "at [1, 3] (1 such values); allowed are probabilities in [0, 1]" in error.detail


def test_0_and_1_are_probabilities(engine: Engine) -> None:
    """Both ends are allowed, and what they get right costs nothing."""
    scores = outcome(
        engine, np.array([0.0, 1.0]), np.array([0, 1]), [m.FocalLoss(), m.Dice()], prediction_kind="probabilities"
    )
    assert [score.value for score in scores.values()] == [0.0, 1.0]


def test_what_float32_cannot_hold_is_refused(engine: Engine) -> None:
    """A float64 beyond float32 is an error there, and a number in float64."""
    prediction, target = np.array([1e39, 0.0]), np.array([1, 0])
    error = outcome(engine, prediction, target, [m.CrossEntropy()], precision="float32")
    found = outcome(engine, prediction, target, [m.CrossEntropy()])["cross_entropy"]
    assert isinstance(error, InvalidValues)
    assert "allowed are finite float32 values" in error.detail
    assert isinstance(found, Score)
    assert found.value == pytest.approx(np.log(2) / 2)
