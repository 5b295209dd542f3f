"""Matched objects of instance maps: the service against the reference, what is refused, and sums over samples."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from lossgauge import metrics as m
from lossgauge.metrics import MetricSpec
from lossgauge.wire import Question, Score
from lossgauge_service.engine import Engine
from lossgauge_service.errors import (
    InvalidDtype,
    InvalidParameter,
    InvalidValues,
    LossgaugeError,
    MetricDoesNotFit,
    ShapeMismatch,
)
from lossgauge_service.measures import objects
from lossgauge_service.measures.objects import components
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import sample_of
from scipy import ndimage

from tests.examples import examples
from tests.reference import Case, reference
from tests.scoring import differences, keyed, score, scores
from tests.specs import CONSTANTS, UNDEFINED

SOME = settings(max_examples=examples(60))
HUGE = 2**63 - 1
NAMES = (0, 1, 2, 3, 7, HUGE)
ONE_CLASS: tuple[MetricSpec, ...] = (
    m.InstanceFBeta(pairs=4),
    m.InstanceFBeta(beta=2.0, iou_threshold=0.0, matching="optimal", crowd=[2]),
    m.InstanceFBeta(iou_threshold=0.25, threshold_side="greater_equal", min_size=2, pairs=9),
    m.InstanceFBeta(iou_threshold=0.0, matching="ranked", ranking=[7, 2, HUGE], pairs=9),
    m.InstancePrecision(thresholds=[0.0, 0.1, 0.3], matching="ranked", ranking=[3, 1]),
    m.InstancePrecision(empty=CONSTANTS),
    m.InstancePrecision(thresholds=[0.0, 0.1, 0.3], matching="optimal", empty=UNDEFINED),
    m.PanopticQuality(),
    m.PanopticQuality(crowd=[1, HUGE], threshold_side="greater_equal"),
)
WITH_CLASSES: tuple[MetricSpec, ...] = (
    m.PanopticQuality(instance_divisor=3),
    m.PanopticQuality(instance_divisor=3, average="micro", include_background=False, crowd=[4, 7]),
    m.InstanceFBeta(instance_divisor=3, average="weighted", iou_threshold=0.1, pairs=2),
    m.InstancePrecision(instance_divisor=3, average="none"),
)


@st.composite
def maps(draw: st.DrawFn, names: tuple[int, ...] = NAMES, classes: int | None = None) -> Case:
    """Two maps of ids, with ignored pixels sometimes."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=6))
    ids = hnp.arrays(np.int64, shape, elements=st.sampled_from(names), fill=st.sampled_from(names))
    target, prediction = draw(ids), draw(ids)
    if draw(st.booleans()):
        prediction = np.where(draw(hnp.arrays(np.bool_, shape)), prediction, target)
    ignore = draw(st.sampled_from((None, -1, 0, 2)))
    if ignore == -1:
        target = np.where(draw(hnp.arrays(np.bool_, shape)), -1, target)
    return Case(
        prediction, target, task="instances", prediction_kind="labels", ignore_index=ignore, num_classes=classes
    )


def _agree(engine: Engine, specs: tuple[MetricSpec, ...], case: Case) -> None:
    asked = keyed(specs)
    found = scores(engine, asked, case)
    wrong = {spec.answer_key: differences(reference(spec, case), found[spec.answer_key], 1e-9) for spec in asked}
    assert {key: where for key, where in wrong.items() if where} == {}


@SOME
@given(case=maps())
def test_maps_of_ids_agree_with_the_reference(engine: Engine, case: Case) -> None:
    """Every score, count and pair is the reference's, with void, crowd, and ids of any size."""
    _agree(engine, ONE_CLASS, case)


@SOME
@given(case=maps(names=(0, 1, 2, 3, 4, 5, 6, 7, 8), classes=3))
def test_classes_of_ids_agree_with_the_reference(engine: Engine, case: Case) -> None:
    """With a divisor only objects of one class are matched, and each class has its value."""
    _agree(engine, WITH_CLASSES, case)


@SOME
@given(case=maps(), seed=st.integers(0, 2**32 - 1))
def test_the_names_of_objects_do_not_matter(engine: Engine, case: Case, seed: int) -> None:
    """Ids that change places leave every value, also where IoUs are equal and below one half."""
    assume(case.ignore_index != 2)
    rng = np.random.default_rng(seed)
    other = replace(case, prediction=_renamed(case.prediction, rng), target=_renamed(case.target, rng))
    for spec in (m.InstanceFBeta(iou_threshold=0.1), m.PanopticQuality(), m.InstancePrecision(thresholds=[0.0, 0.3])):
        before, after = score(engine, spec, case), score(engine, spec, other)
        assert before.undefined == after.undefined
        assert [*members(after)] == [*members(before)]
        assert [*members(after).values()] == [pytest.approx(value) for value in members(before).values()]


def members(found: Score) -> dict[str, Any]:
    """The value of a score, its counts and its parts."""
    return found.model_dump(include={"value", *(found.model_extra or {})})


def _renamed(ids: Any, rng: np.random.Generator) -> Any:
    names = rng.permutation(len(NAMES)) + 1
    return np.select([ids == i for i in NAMES[1:]], names[1:].tolist(), ids)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("shape", [(50,), (1, 50), (50, 1), (17, 23), (1, 1, 40), (7, 9, 8), (3, 4, 5, 4)])
def test_components_are_those_of_scipy(shape: tuple[int, ...], full: bool) -> None:
    """The same components in any number of axes, images of one row too: each number of one is one number of the other."""
    rng = np.random.default_rng(0)
    for density in (0.0, 0.3, 0.5, 1.0):
        mask = rng.random(shape) < density
        expected, count = ndimage.label(mask, ndimage.generate_binary_structure(len(shape), len(shape) if full else 1))
        found = components(mask, full)
        assert np.array_equal(found > 0, mask)
        numbers = {*zip(expected[mask].tolist(), found[mask].tolist(), strict=True)}
        assert [len({*one}) for one in zip(*numbers, strict=True)] == ([count, count] if mask.any() else [])
        assert len(numbers) == count


def test_of_equal_pairs_the_first_in_the_image_is_matched(engine: Engine) -> None:
    """Where two pairs of one object have the same IoU, the one whose first pixel comes first wins, wherever its last is."""
    case = Case(np.array([5, 7, 7, 5]), np.array([1, 1, 1, 1]), task="instances", prediction_kind="labels")
    for names in ((5, 7), (7, 5)):
        guess = np.where(case.prediction == 5, *names)
        [pair] = members(score(engine, m.InstanceFBeta(iou_threshold=0.25, pairs=2), replace(case, prediction=guess)))[
            "pairs"
        ]
        assert pair == [1, names[0], 0.5]


def test_optimal_matches_as_many_as_there_can_be(engine: Engine) -> None:
    """Three pairs that hardly overlap are more than two that nearly are the same; greedy takes the two."""
    target, guess = np.repeat([1, 2, 3], [10, 10, 1]), np.repeat([4, 5, 6], [1, 10, 10])
    case = Case(guess, target, task="instances", prediction_kind="labels")
    optimal = m.InstanceFBeta(iou_threshold=0.0, matching="optimal", pairs=9)
    most, greedy = (members(score(engine, spec, case)) for spec in (optimal, m.InstanceFBeta(iou_threshold=0.0)))
    assert ([pair[:2] for pair in most["pairs"]], greedy["tp"]) == ([[1, 4], [2, 5], [3, 6]], 2)


def test_components_are_numbered_by_their_first_pixels(engine: Engine) -> None:
    """The component that comes first is 1, in both maps, though the other ends before it."""
    mask = np.array([[0, 0, 1], [1, 0, 1], [0, 0, 1]])
    case = Case(mask, mask, task="binary", prediction_kind="labels")
    asked = m.InstanceFBeta(pairs=2, connectivity="faces", min_size=1)
    assert members(score(engine, asked, case))["pairs"] == [[1, 1, 1.0], [2, 2, 1.0]]
    other = replace(case, prediction=np.array([[0, 0, 0], [1, 0, 1], [0, 0, 1]]))
    assert members(score(engine, asked, other))["pairs"] == [[1, 2, pytest.approx(2 / 3)], [2, 1, 1.0]]


@pytest.mark.parametrize(
    ("average", "sq", "rq"),
    [("macro", 0.75, 1 / 2), ("weighted", 0.75, 1 / 3), ("micro", 0.75, 2 / 5), ("none", None, None)],
)
def test_the_qualities_of_classes_have_means(engine: Engine, average: Any, sq: float | None, rq: float | None) -> None:
    """As the score: SQ of the classes in which a pair is matched, RQ of those that are there; micro of all objects together."""
    target, guess = np.zeros((3, 1, 16), np.uint8), np.zeros((3, 1, 16), np.uint8)
    target[0, 0, :4] = guess[0, 0, :3] = 1
    target[1, 0, [1, 5]] = 1
    guess[1, 0, 12] = 1
    case = Case(guess, target, task="multilabel", prediction_kind="labels")
    found = score(engine, m.PanopticQuality(average=average), case)
    extras = found.model_extra or {}
    assert extras["sq"] == [0.75, None, None]
    assert extras["rq"] == [1.0, 0.0, None]
    assert (extras["sq_mean"], extras["rq_mean"]) == (sq, None if rq is None else pytest.approx(rq))
    reasons = found.undefined_extras or {}
    assert reasons.get("rq_mean") == ("not_averaged" if average == "none" else None)


def test_a_batch_is_pooled_by_adding_counts(engine: Engine) -> None:
    """The pooled quality of two images is that of both side by side."""
    question = Question(
        task="instances", prediction_kind="labels", metrics=[m.PanopticQuality(pairs=3), m.InstancePrecision()]
    )
    target, guess = np.array([[1, 1, 0, 2], [3, 3, 3, 0]]), np.array([[1, 1, 0, 0], [3, 3, 0, 4]])
    plan = plan_for(question)
    outcomes = engine.run(plan, [sample_of(question, g, t) for g, t in zip(guess, target, strict=True)])
    items = [dict(found) for found in plan.scores(outcomes) if not isinstance(found, LossgaugeError)]
    summary = plan.summary(items, outcomes.groups)
    whole = Case(guess, target, task="instances", prediction_kind="labels")
    for spec in (m.PanopticQuality(), m.InstancePrecision()):
        assert summary[spec.name].pooled == pytest.approx(score(engine, spec, whole).value)


def test_metrics_of_the_same_objects_share_them(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the thresholds, a map's components are found once for each way that pixels touch, and each score is its own."""
    rng = np.random.default_rng(0)
    case = Case(rng.random((20, 30)) < 0.4, rng.random((20, 30)) < 0.4, None, "binary", "labels")
    specs = keyed(
        (
            m.InstanceFBeta(),
            m.InstancePrecision(),
            m.PanopticQuality(iou_threshold=0.1),
            m.InstanceFBeta(connectivity="faces"),
        )
    )
    alone = {spec.answer_key: score(engine, spec, case) for spec in specs}
    found = list[bool]()

    def counted(mask: Any, full: bool) -> Any:
        found.append(full)
        return components(mask, full)

    monkeypatch.setattr(objects, "components", counted)
    assert scores(engine, specs, case) == alone
    assert sorted(found) == [False, False, True, True]


IDS = np.array([[0, 1], [2, 2]])
MASK = np.array([[0, 1], [1, 1]])
REFUSED: dict[str, tuple[Callable[[], Any], type[LossgaugeError], str, str]] = {
    "floats are no ids": (lambda: (IDS * 1.0, IDS), InvalidDtype, "/prediction", "float64"),
    "neither in the target": (lambda: (IDS, IDS * 1.0), InvalidDtype, "/target", "float64"),
    "a mask is no map of ids": (lambda: (IDS > 0, IDS), InvalidDtype, "/prediction", "bool"),
    "an id below 0": (lambda: (IDS - 1, IDS), InvalidValues, "/prediction", "-1 at [0, 0]"),
    "an id below 0 that is not ignored": (lambda: (IDS, -IDS), InvalidValues, "/target", "-1 at [0, 1]"),
    "an id that no int64 holds": (
        lambda: (np.where(IDS > 1, np.uint64(2**63), np.uint64(0)), IDS),
        InvalidValues,
        "/prediction",
        f"{2**63} at [1, 0]",
    ),
    "other shapes": (lambda: (IDS[:1], IDS), ShapeMismatch, "/target", "must be equal"),
    "nothing": (lambda: (IDS[:0], IDS[:0]), ShapeMismatch, "/prediction", "nothing to score"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_no_map_of_ids_is_refused(why: str) -> None:
    """The error says what was found, and where."""
    arrays, kind, pointer, told = REFUSED[why]
    question = Question(task="instances", prediction_kind="labels", metrics=[m.PanopticQuality()])
    with pytest.raises(kind) as raised:
        sample_of(question, *arrays())
    assert raised.value.pointer == pointer
    assert told in raised.value.detail


@pytest.mark.parametrize(
    ("spec", "asked", "at"),
    [
        (m.PanopticQuality(), {"num_classes": 2}, ""),
        (m.PanopticQuality(include_background=False), {}, "/include_background"),
        (m.PanopticQuality(crowd=[1]), {"task": "binary"}, "/crowd"),
        (m.InstanceFBeta(instance_divisor=10), {"task": "binary"}, "/instance_divisor"),
        (m.InstancePrecision(include_background=False), {"task": "binary"}, "/include_background"),
        (m.InstancePrecision(), {"task": "binary", "target_kind": "probabilities"}, ""),
    ],
)
def test_a_parameter_without_meaning_is_refused(
    engine: Engine, spec: MetricSpec, asked: dict[str, Any], at: str
) -> None:
    """What a task cannot mean is an error that points to the parameter, or to the metric where no parameter is at fault."""
    question = Question(**{"task": "instances", "prediction_kind": "labels", "metrics": [spec], **asked})
    array = MASK if question.task == "binary" else IDS
    plan = plan_for(question)
    [found] = plan.scores(engine.run(plan, [sample_of(question, array, array)]))
    assert isinstance(found, MetricDoesNotFit)
    assert found.pointer == f"/metrics/0{at}"


def test_more_rivals_than_can_be_matched_in_time_are_refused(engine: Engine) -> None:
    """Optimal matching of very many overlapping objects is an error that says so; greedy has a score."""
    target, prediction = np.arange(1, 30_001).reshape(100, 300), np.arange(3, 30_003).reshape(100, 300) // 3
    case = Case(prediction, target, task="instances", prediction_kind="labels")
    with pytest.raises(InvalidValues, match="at most 10000 pairs"):
        score(engine, m.InstanceFBeta(iou_threshold=0.0, matching="optimal"), case)
    assert score(engine, m.InstanceFBeta(iou_threshold=0.0), case).value == pytest.approx(0.5)


def test_an_object_may_have_the_name_of_the_void(engine: Engine) -> None:
    """A predicted object is one whatever the target calls its void; a void below 0 that both share is background."""
    named = Case(np.array([2, 2, 2, 2]), np.array([2, 2, 2, 0]), None, "instances", "labels", ignore_index=2)
    shared = Case(np.array([-1, -1, 5, 5]), np.array([-1, -1, 3, 3]), None, "instances", "labels", ignore_index=-1)
    assert score(engine, m.InstanceFBeta(), named).undefined == "both_empty"
    assert score(engine, m.InstanceFBeta(), shared).value == 1


def test_masks_of_very_many_axes_are_refused(engine: Engine) -> None:
    """A pixel of 16 axes has 3^16 neighbours: an error, before any of them is made; ids have as many axes as they like."""
    axes = np.ones((1,) * 16, np.int64)
    with pytest.raises(MetricDoesNotFit, match="at most 6 axes; the pixels have 16"):
        score(engine, m.InstanceFBeta(), Case(axes, axes, None, "binary", "labels"))
    assert score(engine, m.InstanceFBeta(), Case(axes, axes, None, "instances", "labels")).value == 1


@pytest.mark.parametrize("task", ["binary", "multilabel", "multiclass", "instances"])
def test_a_map_of_probabilities_is_refused(task: Any) -> None:
    """Objects are found in labels; nobody guesses a threshold."""
    with pytest.raises(MetricDoesNotFit) as raised:
        plan_for(Question(task=task, prediction_kind="probabilities", metrics=[m.InstanceFBeta()]))
    assert raised.value.pointer == "/metrics/0"


def test_pixel_metrics_do_not_take_ids() -> None:
    """Dice of ids has no meaning."""
    with pytest.raises(MetricDoesNotFit, match="not 'instances'"):
        plan_for(Question(task="instances", prediction_kind="labels", metrics=[m.Dice()]))


def test_weights_and_soft_targets_are_refused(engine: Engine) -> None:
    """A weight map is refused by the metric, and a soft target by the sample."""
    question = Question(task="instances", prediction_kind="labels", metrics=[m.PanopticQuality()])
    plan = plan_for(question)
    [found] = plan.scores(engine.run(plan, [sample_of(question, IDS, IDS, np.ones(IDS.shape))]))
    assert isinstance(found, MetricDoesNotFit)
    with pytest.raises(InvalidParameter, match="ids are labels"):
        sample_of(question.model_copy(update={"target_kind": "probabilities"}), IDS, IDS * 0.5)


def test_a_class_that_there_is_not_is_refused(engine: Engine) -> None:
    """An id beyond the last class is an error with its place."""
    question = Question(
        task="instances", prediction_kind="labels", num_classes=2, metrics=[m.PanopticQuality(instance_divisor=1)]
    )
    plan = plan_for(question)
    [found] = plan.scores(engine.run(plan, [sample_of(question, IDS, IDS)]))
    assert isinstance(found, InvalidValues)
    assert found.pointer == "/prediction"
    assert "2 at [1, 0]" in found.detail
