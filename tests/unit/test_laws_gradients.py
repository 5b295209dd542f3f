"""A gradient is the derivative of the very score, of every metric that has one, in every kind of case."""

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
from tests.scoring import scores_of
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

    def question(self, spec: MetricSpec) -> Question:
        """The question of one metric."""
        return Question(
            task=self.task,
            prediction_kind=self.kind,
            target_kind=self.target_kind,
            ignore_index=9,
            precision="float64",
            metrics=[spec],
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


def failure(engine: Engine, spec: MetricSpec, scene: Scene) -> str | None:
    """What is wrong with a metric's gradient along a direction; `MetricDoesNotFit` where it has none."""
    plan, (x, target, weight) = plan_for(scene.question(spec)), scene.arrays()

    def sample(prediction: NDArray[Any]) -> Sample:
        return sample_of(scene.question(spec), prediction, target, weight)

    def value(prediction: NDArray[Any]) -> float | None:
        return value_of(scores_of(engine, plan, [sample(prediction)])[0][spec.answer_key])

    engine.check_gradient(plan, sample(x))
    if value(x) is None:
        return None
    direction = np.random.default_rng(5).normal(size=x.shape)
    if scene.kind == "probabilities":
        direction *= x * (1 - x)
    gradient = as_sent(finished(engine.gradient_in_pieces(plan, sample(x))), sample(x))
    moved = [factor * (value(x + times * STEP * direction) or 0.0) for times, factor in DIFFERENCE.items()]
    expected, found = sum(moved) / STEP, (gradient * direction).sum()
    scale = np.abs(gradient * direction).sum()
    return None if abs(expected - found) <= TOLERANCE * scale + 1e-9 else f"{spec!r}: {expected} {found}"


@pytest.mark.parametrize("scene", SCENES, ids=described)
def test_a_gradient_is_the_derivative_of_the_score(engine: Engine, scene: Scene) -> None:
    """Along a direction the score changes as its gradient says, for every variant of every metric that has a gradient."""
    found: dict[str, str | None] = {}
    for place, spec in enumerate(VARIANTS):
        try:
            found[f"{place} {spec.name}"] = failure(engine, spec, scene)
        except MetricDoesNotFit:
            continue
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
        assert failure(engine, spec, scene) is None


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
    assert failure(engine, spec, Scene("multiclass", kind, weighted=True)) is None


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
