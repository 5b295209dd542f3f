"""Checking one pair, and laying it out: nothing is resized, clipped, cast or guessed."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lossgauge import metrics as m
from lossgauge.wire import Question
from lossgauge_service.engine import Engine
from lossgauge_service.errors import (
    InvalidArray,
    InvalidDtype,
    InvalidParameter,
    InvalidValues,
    LossgaugeError,
    ShapeMismatch,
)
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import Sample, sample_of, samples_of_stack

from tests.examples import examples
from tests.reference import Case
from tests.reference.case import AnyArray
from tests.scoring import asked, disagreements, fitting, keyed, question_of, scores_of
from tests.specs import VARIANTS
from tests.strategies import cases

Raised = type[LossgaugeError]


def question(**asked: Any) -> Question:
    """A question about a binary mask of logits, unless it says otherwise."""
    whole = {"task": "binary", "prediction_kind": "logits", "metrics": [m.Confusion()], **asked}
    return Question(**whole)


def complaint(about: Question, prediction: Any, target: Any, weight: Any = None) -> tuple[Raised, str | None, str]:
    """The kind of error, its pointer and its words."""
    arrays = [None if array is None else np.asarray(array) for array in (prediction, target, weight)]
    with pytest.raises(LossgaugeError) as raised:
        sample_of(about, *arrays)  # type: ignore[arg-type]
    return type(raised.value), raised.value.pointer, raised.value.detail


BINARY, LABELS = question(), question(prediction_kind="labels")
CLASSES = question(task="multiclass")
CLASS_LABELS = question(task="multiclass", prediction_kind="labels", num_classes=3)
MULTI = question(task="multilabel")
IGNORING = question(ignore_index=255)
SOFT = question(target_kind="probabilities")

# ---------------------------------------------------------------------------------------------------------------- shapes


@pytest.mark.parametrize(
    ("about", "prediction", "target", "weight", "pointer"),
    [
        (BINARY, (2, 3), (3, 2), None, "/target"),
        (BINARY, (2, 3), (6,), None, "/target"),
        (BINARY, (), (), None, "/prediction"),
        (BINARY, (0, 3), (0, 3), None, "/prediction"),
        (BINARY, (2, 3), (2, 3), (3, 2), "/weight"),
        (BINARY, (2, 3), (2, 3), (3,), "/weight"),
        (CLASSES, (3, 2, 2), (3, 2, 2), None, "/target"),
        (CLASSES, (1, 2, 2), (2, 2), None, "/prediction"),
        (CLASSES, (3,), (), None, "/channel_axis"),
        (CLASSES, (3, 2, 2), (2, 2), (3, 2, 2), "/weight"),
        (question(task="multiclass", num_classes=4), (3, 2), (2,), None, "/num_classes"),
        (question(task="multiclass", channel_axis=3), (3, 2, 2), (2, 2), None, "/channel_axis"),
        (CLASS_LABELS, (3, 2), (2,), None, "/target"),
        (MULTI, (3, 2, 2), (2, 2), None, "/target"),
        (MULTI, (3, 2, 2), (3, 2, 2), (2, 2, 2), "/weight"),
        (MULTI, (3, 2, 2), (3, 2, 2), (2,), "/weight"),
    ],
)
def test_shapes_that_do_not_go_together(
    about: Question, prediction: tuple[int, ...], target: tuple[int, ...], weight: Any, pointer: str
) -> None:
    """A wrong shape is named where it is: nothing is broadcast or squeezed."""
    ones = None if weight is None else np.ones(weight)
    kind, at, _ = complaint(about, np.zeros(prediction, np.int64), np.zeros(target, np.int64), ones)
    assert (ShapeMismatch, pointer) == (kind, at)


def test_both_shapes_are_told() -> None:
    """The words give what was found on both sides."""
    assert "[2, 3]" in complaint(BINARY, np.zeros((2, 3)), np.zeros((3, 2)))[2]
    assert "[3, 2]" in complaint(BINARY, np.zeros((2, 3)), np.zeros((3, 2)))[2]


# ---------------------------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("about", "prediction", "target", "weight", "pointer", "found"),
    [
        (BINARY, [[0.0, 0.0]], [[0, 2]], None, "/target", "2 at [0, 1] (1 such values)"),
        (BINARY, [0.0, 0.0], [-1, -1], None, "/target", "-1 at [0] (2 such values)"),
        (BINARY, [0.0, 0.0], [0.0, 0.5], None, "/target", "0.5 at [1]"),
        (BINARY, [0.0, 0.0], [0.0, np.nan], None, "/target", "NaN at [1]"),
        (IGNORING, [0.0, 0.0], [255, 254], None, "/target", "254 at [1]"),
        (SOFT, [0.0, 0.0], [0.5, 1.0001], None, "/target", "1.0001 at [1]"),
        (SOFT, [0.0, 0.0], [np.nan, 1.0], None, "/target", "NaN at [0]"),
        (LABELS, [0, 2], [0, 1], None, "/prediction", "2 at [1]"),
        (LABELS, [0.0, np.nan], [0, 1], None, "/prediction", "NaN at [1]"),
        (CLASSES, np.zeros((3, 1, 2)), [[0, 3]], None, "/target", "3 at [0, 1]"),
        (CLASSES, np.zeros((3, 1, 2)), [[-1, 2]], None, "/target", "-1 at [0, 0]"),
        (CLASS_LABELS, [[0, 3]], [[0, 2]], None, "/prediction", "3 at [0, 1]"),
        (CLASS_LABELS, [[0, -1]], [[0, 2]], None, "/prediction", "-1 at [0, 1]"),
        (MULTI, np.zeros((2, 2)), [[0, 1], [0, 3]], None, "/target", "3 at [1, 1]"),
        (BINARY, [0.0, 0.0], [0, 1], [1.0, -0.5], "/weight", "-0.5 at [1]"),
        (BINARY, [0.0, 0.0], [0, 1], [np.nan, 1.0], "/weight", "NaN at [0]"),
        (CLASSES, np.zeros((3, 2)), [0, 1], [np.inf, 1.0], "/weight", "inf at [0]"),
        (BINARY, np.array([2**60, 0]), [0, 1], None, "/prediction", "a float64 cannot hold"),
    ],
)
def test_values_that_are_not_allowed(
    about: Question, prediction: Any, target: Any, weight: Any, pointer: str, found: str
) -> None:
    """What was found is told with its place."""
    kind, at, detail = complaint(about, prediction, target, weight)
    assert (InvalidValues, pointer) == (kind, at)
    assert found in detail


@pytest.mark.parametrize("kind", ["logits", "labels"])
@pytest.mark.parametrize("target_kind", ["labels", "probabilities"])
def test_a_place_is_in_the_callers_axes(kind: str, target_kind: str) -> None:
    """With the classes last, the class is the last number of a place."""
    about = question(task="multilabel", prediction_kind=kind, target_kind=target_kind, channel_axis=-1)
    target = np.zeros((4, 5, 3), np.int64)
    target[1, 4, 2] = 7
    assert "7 at [1, 4, 2]" in complaint(about, np.zeros((4, 5, 3), np.int64), target)[2]


@pytest.mark.parametrize(
    ("about", "prediction", "target", "weight", "pointer"),
    [
        (BINARY, np.zeros(2, bool), [0, 1], None, "/prediction"),
        (CLASSES, np.zeros((3, 2)), [0.0, 1.0], None, "/target"),
        (CLASSES, np.zeros((3, 2)), [True, False], None, "/target"),
        (CLASS_LABELS, [0.0, 1.0], [0, 1], None, "/prediction"),
        (BINARY, [0.0, 0.0], np.array(["a", "b"]), None, "/target"),
        (SOFT, [0.0, 0.0], np.array(["a", "b"]), None, "/target"),
        (BINARY, [0.0, 0.0], [0, 1], np.array(["a", "b"]), "/weight"),
    ],
)
def test_dtypes_that_a_role_does_not_take(
    about: Question, prediction: Any, target: Any, weight: Any, pointer: str
) -> None:
    """A dtype that would have to be guessed at is refused."""
    assert (InvalidDtype, pointer) == complaint(about, prediction, target, weight)[:2]


def test_classes_have_no_soft_target() -> None:
    """A multi-class target holds labels."""
    about = question(task="multiclass", target_kind="probabilities")
    assert (InvalidParameter, "/target_kind") == complaint(about, np.zeros((2, 3)), np.zeros(3))[:2]


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int64, np.uint64])
def test_any_whole_number_is_a_label(dtype: type) -> None:
    """Ignored labels are told from classes whatever the dtype, and nothing wraps."""
    labels: AnyArray = np.array([0, 1, 2, 100]).astype(dtype)
    about = question(task="multiclass", ignore_index=100)
    assert sample_of(about, np.zeros((3, 4)), labels).target.tolist() == [0, 1, 2, -1]


def test_the_caller_keeps_his_arrays() -> None:
    """Nothing is written into what was sent."""
    arrays = [np.array([0.5, 0.5]), np.array([255.0, 1.0]), np.array([1.0, 2.0])]
    kept = [array.copy() for array in arrays]
    sample_of(question(ignore_index=255, target_kind="probabilities"), *arrays)
    assert all(np.array_equal(a, b) for a, b in zip(arrays, kept, strict=True))


# ---------------------------------------------------------------------------------------------------------------- layout


def scored(engine: Engine, about: Question, *arrays: AnyArray | None) -> dict[str, Any]:
    """The scores of those of the question's metrics that fit."""
    sample = sample_of(about, *arrays)  # type: ignore[arg-type]
    fit = fitting(about.metrics, about, sample.case)
    plan = plan_for(about.model_copy(update={"metrics": fit}))
    return dict(scores_of(engine, plan, [sample])[0])


def moved(array: AnyArray, to: int) -> AnyArray:
    """The first axis put elsewhere."""
    return np.moveaxis(array, 0, to)


@settings(max_examples=examples(20))
@given(case=cases(tasks=("multiclass", "multilabel")), where=st.integers(0, 9))
def test_the_classes_may_be_on_any_axis(engine: Engine, case: Case, where: int) -> None:
    """Classes first, last or between: the same scores, to the bit."""
    classes_in = [case.prediction.ndim > case.target.ndim or case.task == "multilabel", case.task == "multilabel"]
    axis = where % case.prediction.ndim - case.prediction.ndim * (where % 2)
    about = question_of(case, keyed(VARIANTS))
    there = about.model_copy(update={"channel_axis": axis})
    weight = case.weight
    if weight is not None and case.task == "multilabel" and weight.ndim == case.target.ndim:
        weight = moved(weight, axis)
    arrays = [moved(a, axis) if has else a for a, has in zip((case.prediction, case.target), classes_in, strict=True)]
    first = scored(engine, about, case.prediction, case.target, case.weight)
    assert first == scored(engine, there, *arrays, weight)


@settings(max_examples=examples(8))
@given(case=cases(tasks=("multilabel",)), seed=st.integers(0, 2**32 - 1))
def test_one_weight_map_serves_all_labels(engine: Engine, case: Case, seed: int) -> None:
    """A multilabel weight of the pixels is the same weight for every label."""
    about = question_of(case, keyed(VARIANTS))
    weight = np.random.default_rng(seed).random(case.target.shape[1:])
    each = np.broadcast_to(weight, case.target.shape)
    one = scored(engine, about, case.prediction, case.target, weight)
    assert one == scored(engine, about, case.prediction, case.target, each)


def test_each_label_may_have_a_weight_map_of_its_own(engine: Engine) -> None:
    """A weight of 0 takes a pixel out of one label, and of no other."""
    prediction, target = np.array([[1.0, 1.0], [1.0, 1.0]]), np.array([[1, 0], [1, 0]])
    weight = np.array([[1.0, 0.0], [1.0, 1.0]])
    found = scored(engine, question(task="multilabel", metrics=[m.Dice()]), prediction, target, weight)
    assert [1.0, pytest.approx(2 / 3)] == found["dice"].per_class


@settings(max_examples=examples(15))
@given(case=cases(weights=False, ignored=False), seed=st.integers(0, 2**32 - 1))
def test_a_weight_is_a_number_of_pixels(engine: Engine, case: Case, seed: int) -> None:
    """Whole weights score as pixels repeated so often, but where a mean divides by the count of pixels, or a bin holds a number of them."""
    counted = ("weight_denominator", "count"), ("ignore_denominator", "all"), ("binning", "quantile")
    specs = [spec for spec in VARIANTS if not any(getattr(spec, name, None) == value for name, value in counted)]
    pixels = case.target.shape[1:] if case.task == "multilabel" else case.target.shape
    times = np.random.default_rng(seed).integers(1, 4, pixels)

    def flat(array: AnyArray) -> AnyArray:
        return array.reshape(*array.shape[: array.ndim - len(pixels)], -1)

    def repeated(array: AnyArray) -> AnyArray:
        return np.repeat(flat(array), times.reshape(-1), -1)

    base = {
        name: getattr(case, name) for name in ("task", "prediction_kind", "target_kind", "threshold", "num_classes")
    }
    weighted = asked(engine, specs, Case(flat(case.prediction), flat(case.target), flat(times), **base))
    plain = asked(engine, specs, Case(repeated(case.prediction), repeated(case.target), **base))
    assert disagreements(weighted, {key: plain[key] for key in weighted}) == {}


@settings(max_examples=examples(10))
@given(case=cases(), seed=st.integers(0, 2**32 - 1))
def test_a_stack_is_its_items(engine: Engine, case: Case, seed: int) -> None:
    """Stacked arrays are scored as their items are, to the bit."""
    about = question_of(case, keyed(VARIANTS))
    orders = [np.random.default_rng(seed + i).permutation(case.target.shape[-1]) for i in range(3)]
    items = [
        [None if array is None else array[..., order] for array in (case.prediction, case.target, case.weight)]
        for order in orders
    ]
    stack = [None if column[0] is None else np.stack(column) for column in zip(*items, strict=True)]
    alone = [sample_of(about, *item) for item in items]  # type: ignore[arg-type]
    together = samples_of_stack(about, *stack)  # type: ignore[arg-type]
    fit = fitting(about.metrics, about, alone[0].case)
    plan = plan_for(about.model_copy(update={"metrics": fit}))
    samples = [sample for sample in together if isinstance(sample, Sample)]
    assert scores_of(engine, plan, alone) == scores_of(engine, plan, samples)


def test_a_bad_item_of_a_stack_is_an_error_in_its_place() -> None:
    """Its neighbours are samples."""
    target = np.array([[0, 1], [0, 2], [1, 1]])
    found = samples_of_stack(BINARY, np.zeros((3, 2)), target)
    assert [Sample, InvalidValues, Sample] == [type(one) for one in found]


@pytest.mark.parametrize(("target", "weight", "pointer"), [((2, 4), None, "/target"), ((3, 4), (2, 4), "/weight")])
def test_stacks_have_one_length(target: tuple[int, ...], weight: Any, pointer: str) -> None:
    """A stack of another length has no items to pair."""
    with pytest.raises(InvalidArray) as raised:
        samples_of_stack(BINARY, np.zeros((3, 4)), np.zeros(target), None if weight is None else np.ones(weight))
    assert pointer == raised.value.pointer
