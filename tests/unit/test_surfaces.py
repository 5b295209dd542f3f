"""Surfaces on masks larger than the catalogue's cases: spacing, edges, what is pooled, what is refused."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from lossgauge import metrics as m
from lossgauge.metrics import MetricSpec
from lossgauge.tasks import Task
from lossgauge.wire import Question
from lossgauge_service.engine import Engine
from lossgauge_service.errors import MetricDoesNotFit
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import sample_of

from tests.laws import SURFACES
from tests.reference import Case, reference
from tests.reference.case import AnyArray
from tests.scoring import differences, fitting, keyed, question_of, score, scores
from tests.specs import VARIANTS

SPECS = [spec for spec in VARIANTS if spec.name in SURFACES]
SPACINGS: list[tuple[float, ...]] = [(1.0, 1.0, 1.0), (0.1, 0.1, 0.1), (0.7, 2.5, 1.3), (5.0, 0.001, 3.0)]


def blobs(shape: tuple[int, ...], seed: int, classes: int = 2) -> AnyArray:
    """Labels in patches of a few pixels, some of them on the edge."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, classes, [side // 2 + 1 for side in shape])
    for axis in range(len(shape)):
        coarse = np.repeat(coarse, 2, axis)
    return np.asarray(coarse[tuple(slice(1, side + 1) for side in shape)])


def disagreements(engine: Engine, case: Case, tolerance: float) -> dict[str, list[str]]:
    """Where a variant that fits differs from its reference."""
    question = question_of(case, keyed(SPECS))
    sample = sample_of(question, case.prediction, case.target)
    fit = fitting(question.metrics, question, sample.case)
    found = scores(engine, fit, case)
    wrong = {spec.answer_key: differences(reference(spec, case), found[spec.answer_key], tolerance) for spec in fit}
    assert len(fit) > len(SPECS) / 2
    return {key: where for key, where in wrong.items() if where}


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("shape", [(13, 9), (5, 6, 7), (1, 8, 5)])
@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_distances_agree_with_the_reference(
    engine: Engine, task: Task, shape: tuple[int, ...], spacing: tuple[float, ...]
) -> None:
    """On masks of many pixels, of any spacing, every distance is the reference's: to 1e-9 where pixels are square, or to 1e-6."""
    scale = spacing[-len(shape) :]
    classes = None if task == "binary" else 2
    case = Case(
        blobs(shape, 1), blobs(shape, 2), task=task, prediction_kind="labels", num_classes=classes, spacing=scale
    )
    assert disagreements(engine, case, 1e-9 if len(set(scale)) == 1 else 1e-6) == {}


def ends(left: int, right: int) -> AnyArray:
    """A line of ten pixels in the middle of three, set from one place to before another."""
    mask = np.zeros((3, 10), int)
    mask[1, left:right] = 1
    return mask


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        (m.Hausdorff(), 4.0),
        (m.Hausdorff(directed=True), 0.0),
        (m.Hausdorff(percentile=50.0, hd_mode="pooled"), 0.0),
        (m.Hausdorff(percentile=75.0), 2.0),
        (m.AverageSurfaceDistance(), 6.0 / 8),
        (m.AverageSurfaceDistance(symmetric="masd"), (6.0 / 5) / 2),
        (m.AverageSurfaceDistance(symmetric="directed"), 0.0),
        (m.SurfaceDice(tolerance=2.0), 7 / 8),
        (m.SurfaceDice(tolerance=0.0, nsd_mode="mean_of_fractions"), (1 + 3 / 5) / 2),
        (m.BoundaryIou(), 3 / 5),
        (m.CentrelineDice(), 2 * 3 / 8),
    ],
    ids=repr,
)
def test_a_line_that_is_too_short_by_hand(engine: Engine, spec: MetricSpec, value: float) -> None:
    """Five pixels 2 apart of which three are found: the missing ones are 2 and 4 from what is there."""
    case = Case(ends(0, 3), ends(0, 5), prediction_kind="labels", spacing=(1.0, 2.0))
    assert score(engine, spec, case).value == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("empty", "value"),
    [
        (m.DistanceEmpty(), float(np.hypot(3, 20))),
        (m.DistanceEmpty(prediction=374.0), 374.0),
        (m.DistanceEmpty(prediction="formula"), None),
        (m.DistanceEmpty(prediction="skip"), None),
    ],
    ids=repr,
)
@pytest.mark.parametrize("directed", [False, True])
def test_a_missed_object_has_the_distance_of_its_rule(
    engine: Engine, empty: m.DistanceEmpty, value: float | None, directed: bool
) -> None:
    """The image's diagonal by default; infinite, which is no number, by the formula."""
    case = Case(ends(0, 0), ends(0, 5), prediction_kind="labels", spacing=(1.0, 2.0))
    assert score(engine, m.Hausdorff(empty=empty, directed=directed), case).value == value


def pooled(engine: Engine, spec: MetricSpec, pairs: list[tuple[AnyArray, AnyArray]]) -> float | None:
    """The score of several samples' surfaces together."""
    question = Question(task="binary", prediction_kind="labels", metrics=[spec])
    plan = plan_for(question)
    outcomes = engine.run(plan, [sample_of(question, *pair) for pair in pairs])
    found = [scores for scores in plan.scores(outcomes) if isinstance(scores, dict)]
    return plan.summary(found, outcomes.groups)[spec.answer_key].pooled


def test_pooled_is_of_all_distances(engine: Engine) -> None:
    """Samples pooled have the mean of all their distances, in which a missed object counts as its rule says."""
    pairs = [(ends(0, 3), ends(0, 5)), (ends(0, 0), ends(0, 4))]
    by_diagonal = pooled(engine, m.AverageSurfaceDistance(), pairs)
    infinite = pooled(engine, m.AverageSurfaceDistance(empty=m.DistanceEmpty(prediction="undefined")), pairs)
    left_out = pooled(engine, m.AverageSurfaceDistance(empty=m.DistanceEmpty(prediction="skip")), pairs)
    assert by_diagonal == pytest.approx((3 + 4 * np.hypot(3, 10)) / 12, rel=1e-12)
    assert infinite is None
    assert left_out == pytest.approx(3 / 8, rel=1e-12)


@pytest.mark.parametrize("metric", [m.Hausdorff, m.AverageSurfaceDistance])
def test_two_empty_masks_have_the_diagonal_where_their_rule_says_so(engine: Engine, metric: type[MetricSpec]) -> None:
    """Of the image, with its spacing; of the largest image where samples are pooled; a sample with surfaces has its own."""
    spec = metric.model_validate({"empty": {"both": "image_diagonal"}})
    case = Case(ends(0, 0), ends(0, 0), prediction_kind="labels", spacing=(1.0, 2.0))
    assert score(engine, spec, case).value == pytest.approx(np.hypot(3, 20), rel=1e-12)
    small, large = np.zeros((3, 4), int), np.zeros((6, 8), int)
    assert pooled(engine, spec, [(small, small), (large, large), (small, small)]) == pytest.approx(10.0, rel=1e-12)
    found = pooled(engine, spec, [(large, large), (ends(0, 4), ends(0, 5))])
    assert found == pytest.approx(1.0 if metric is m.Hausdorff else 1 / 9, rel=1e-12)


@pytest.mark.parametrize("name", sorted(SURFACES))
@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"prediction": np.ones(5, int), "target": np.ones(5, int)}, "found 1"),
        ({"prediction": np.ones((1, 2, 1, 2), int), "target": np.ones((1, 2, 1, 2), int)}, "found 4"),
        ({"weight": np.ones((3, 10))}, "found a weight map"),
        ({"target": np.full((3, 10), 0.5), "target_kind": "probabilities"}, "found a target of probabilities"),
    ],
)
def test_what_has_no_surface_is_refused(engine: Engine, name: str, change: dict[str, Any], found: str) -> None:
    """Lines, four axes, weights and soft targets are errors that say what was found."""
    case = replace(Case(ends(0, 3), ends(0, 5), prediction_kind="labels"), **change)
    with pytest.raises(MetricDoesNotFit, match=found):
        score(engine, m.CATALOGUE[name].model_validate({}), case)


def test_a_tolerance_for_each_class(engine: Engine) -> None:
    """Each class is held to its own tolerance; another number of them than of classes is an error."""
    case = Case(ends(0, 3), ends(0, 5), task="multiclass", prediction_kind="labels", num_classes=2)
    two = score(engine, m.SurfaceDice(tolerance=[0.0, 2.0]), case).per_class
    assert two is not None
    assert two[1] == 1.0
    with pytest.raises(MetricDoesNotFit, match="tolerance has 3 entries; the classes are 2"):
        score(engine, m.SurfaceDice(tolerance=[0.0, 1.0, 2.0]), case)


def test_ignored_pixels_are_in_neither_mask(engine: Engine) -> None:
    """What is ignored is as if it were not there."""
    target = ends(0, 5)
    target[1, 3:5] = 9
    case = Case(ends(0, 5), target, prediction_kind="labels", ignore_index=9)
    assert score(engine, m.Hausdorff(), case).value == 0.0
