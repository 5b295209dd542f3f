"""A gradient is the derivative of the very score, of every metric that has one, in every kind of case."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pytest
from lossgauge import metrics as m
from lossgauge.metrics import MetricSpec
from lossgauge.metrics.spec import PredictionKind
from lossgauge.tasks import Task
from lossgauge.wire import Question, Score, TargetKind
from lossgauge_service.engine import Engine
from lossgauge_service.engine.pieces import finished
from lossgauge_service.errors import MetricDoesNotFit
from lossgauge_service.maps.layout import as_sent
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import Sample, sample_of
from numpy.typing import NDArray

from tests.laws import BOXES
from tests.scoring import keyed, scores_of
from tests.specs import VARIANTS

STEP = 1e-4
DIFFERENCE = {1: 2 / 3, -1: -2 / 3, 2: -1 / 12, -2: 1 / 12}
TOLERANCE = 1e-6
LEAST_WITH_GRADIENTS = 20


@dataclass(frozen=True)
class Scene:
    """What a metric is asked of."""

    task: Task
    kind: PredictionKind
    target_kind: TargetKind = "labels"
    weighted: bool = False

    def question(self, *specs: MetricSpec) -> Question:
        """The question of some metrics."""
        return Question(
            task=self.task,
            prediction_kind=self.kind,
            target_kind=self.target_kind,
            ignore_index=9,
            precision="float64",
            metrics=list(specs),
        )

    def arrays(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
        """Prediction, target with ignored pixels, and weight."""
        random = np.random.default_rng(3)
        shape = (6, 7) if self.task == "binary" else (3 if self.task == "multiclass" else 2, 6, 7)
        logits = 2 * random.normal(size=shape)
        pixels = shape if self.task != "multiclass" else shape[1:]
        target = random.integers(0, 3 if self.task == "multiclass" else 2, pixels).astype(np.float64)
        target = np.clip(0.6 * target + 0.3 * random.random(pixels), 0, 1) if self.target_kind != "labels" else target
        target[..., 1, :3] = 9
        weight = random.random(pixels) + 0.1 if self.weighted else None
        return self._as_kind(logits), target if self.target_kind != "labels" else target.astype(int), weight

    def sample(self, spec: MetricSpec) -> Sample:
        """The arrays as the question lays them out."""
        return sample_of(self.question(spec), *self.arrays())

    def _as_kind(self, logits: NDArray[Any]) -> NDArray[Any]:
        if self.kind == "logits":
            return logits
        raised = np.exp(logits)
        return np.asarray(raised / raised.sum(0) if self.task == "multiclass" else raised / (1 + raised))


SCENES = [
    Scene(task, kind, target_kind, weighted)
    for task in ("binary", "multilabel", "multiclass")
    for kind in ("logits", "probabilities")
    for target_kind in ("labels", "probabilities")
    for weighted in (False, True)
    if not (task == "multiclass" and target_kind == "probabilities")
]


def described(scene: Scene) -> str:
    """The scene in words."""
    return f"{scene.task} {scene.kind} {scene.target_kind} {'weighted' if scene.weighted else 'plain'}"


def value_of(score: Score) -> float | None:
    """The score's value."""
    return cast("float | None", score.value)


def failures(engine: Engine, specs: Sequence[MetricSpec], scene: Scene) -> dict[str, str | None]:
    """What is wrong with the gradient of each metric that has one, along a direction; scored together, differentiated one by one."""
    specs = [spec for spec in keyed(specs) if _has_gradient(engine, spec, scene)]
    whole = scene.question(*specs)
    plan, (x, target, weight) = plan_for(whole), scene.arrays()

    def sample(prediction: NDArray[Any]) -> Sample:
        return sample_of(whole, prediction, target, weight)

    def values(prediction: NDArray[Any]) -> dict[str, float | None]:
        found = scores_of(engine, plan, [sample(prediction)])[0]
        return {spec.answer_key: value_of(found[spec.answer_key]) for spec in specs}

    direction = np.random.default_rng(5).normal(size=x.shape)
    if scene.kind == "probabilities":
        direction *= x * (1 - x)
    here = values(x)
    moved = [(factor, values(x + times * STEP * direction)) for times, factor in DIFFERENCE.items()]

    def failure(spec: MetricSpec) -> str | None:
        if here[spec.answer_key] is None:
            return None
        gradient = as_sent(finished(engine.gradient_in_pieces(plan_for(scene.question(spec)), sample(x))), sample(x))
        expected = sum(factor * (there[spec.answer_key] or 0.0) for factor, there in moved) / STEP
        found, scale = (gradient * direction).sum(), np.abs(gradient * direction).sum()
        return None if abs(expected - found) <= TOLERANCE * scale + 1e-9 else f"{expected} {found}"

    return {spec.answer_key: failure(spec) for spec in specs}


def _has_gradient(engine: Engine, spec: MetricSpec, scene: Scene) -> bool:
    try:
        engine.check_gradient(plan_for(scene.question(spec)), scene.sample(spec))
    except MetricDoesNotFit:
        return False
    return True


@pytest.mark.parametrize("scene", SCENES, ids=described)
def test_a_gradient_is_the_derivative_of_the_score(engine: Engine, scene: Scene) -> None:
    """Along a direction the score changes as its gradient says, for every variant of every metric that has a gradient."""
    found = failures(engine, VARIANTS, scene)
    assert {key: wrong for key, wrong in found.items() if wrong} == {}
    assert len(found) >= LEAST_WITH_GRADIENTS


@pytest.mark.parametrize("name", ["lovasz_hinge", "lovasz_softmax"])
@pytest.mark.parametrize("task", ["binary", "multilabel", "multiclass"])
def test_a_lovasz_loss_is_not_left_out(engine: Engine, name: str, task: Task) -> None:
    """Wherever it may be asked, its gradient is held to the law above."""
    scene = Scene(task, "logits")
    for spec in (spec for spec in VARIANTS if spec.name == name and task in spec.about.tasks):
        try:
            plan_for(scene.question(spec)).statistics(scene.sample(spec).case)
        except MetricDoesNotFit:
            continue
        assert [*failures(engine, [spec], scene).values()] == [None]


SMOOTHED = m.CrossEntropy(label_smoothing=0.1, class_weights=[0.5, 0.0, 3.0])


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
@pytest.mark.parametrize(
    "spec",
    [
        SMOOTHED,
        m.CrossEntropy(label_smoothing=0.1, clip=(0.05, 0.9)),
        m.BceDice(bce=SMOOTHED),
        m.CombinedLoss(terms=[m.CombinedTerm(metric=SMOOTHED, weight=0.5), m.CombinedTerm(metric=m.CrossEntropy())]),
    ],
    ids=["weighted", "clipped", "named mix", "mix"],
)
def test_a_smoothed_loss_of_classes_is_not_left_out(engine: Engine, spec: MetricSpec, kind: PredictionKind) -> None:
    """What is measured of it has a gradient as its sums have, alone and in mixes."""
    assert [*failures(engine, [spec], Scene("multiclass", kind, weighted=True)).values()] == [None]


@pytest.mark.parametrize("spec", [spec for spec in VARIANTS if spec.name in BOXES], ids=repr)
def test_a_gradient_of_boxes_is_the_derivative_of_the_score(engine: Engine, spec: MetricSpec) -> None:
    """Every number of a predicted box moves the score as the gradient says."""
    random, box_format = np.random.default_rng(11), getattr(spec, "box_format", "xyxy")
    first, size = 4 * random.random((2, 12, 2)), 0.5 + 3 * random.random((2, 12, 2))
    boxes = np.concatenate([first, first + size if box_format == "xyxy" else size], 2)
    question = Question(task="boxes", prediction_kind="boxes", metrics=[spec])
    plan, target = plan_for(question), boxes[1]

    def value(prediction: NDArray[Any]) -> float:
        sample = sample_of(question, prediction, target)
        return value_of(scores_of(engine, plan, [sample])[0][spec.answer_key]) or 0.0

    found = finished(engine.gradient_in_pieces(plan, sample_of(question, boxes[0], target)))
    for place in np.ndindex(boxes[0].shape):
        step = np.zeros(boxes[0].shape)
        step[place] = STEP
        expected = sum(factor * value(boxes[0] + times * step) for times, factor in DIFFERENCE.items()) / STEP
        assert found[place] == pytest.approx(expected, abs=1e-8), place
