"""Paired boxes: the service against the reference, the laws of boxes, and what is refused."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from lossgauge import metrics as m
from lossgauge.metrics import MetricSpec
from lossgauge.wire import Question
from lossgauge_service.engine import Engine
from lossgauge_service.errors import InvalidDtype, InvalidParameter, InvalidValues, LossgaugeError, ShapeMismatch
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import sample_of, samples_of_stack
from pydantic import ValidationError

from tests import laws
from tests.examples import examples
from tests.laws import BOXES
from tests.reference import Case, reference
from tests.reference.case import AnyArray
from tests.scoring import differences, disagreements, keyed, scores
from tests.specs import VARIANTS

SOME = settings(max_examples=examples(60))
SPECS: tuple[MetricSpec, ...] = (
    *(spec for spec in VARIANTS if spec.name in BOXES),
    m.CiouLoss(box_format="xywh", zero_union=1.0),
    m.DiouLoss(box_format="cxcywh", reduction="sum", zero_union=0.25),
    m.EiouLoss(box_format="xywh", reduction="sum"),
    m.FocalEiouLoss(gamma=0.0, zero_union=0.0),
)


def tables(count: int) -> st.SearchStrategy[AnyArray]:
    """Boxes (count, 4) that are boxes in every format: corners in order, sizes of 0 among them."""
    low = hnp.arrays(
        np.float64, (count, 2), elements=st.one_of(st.integers(0, 3).map(float), st.floats(0, 4, width=32))
    )
    size = hnp.arrays(
        np.float64, (count, 2), elements=st.one_of(st.integers(0, 3).map(float), st.floats(0, 4, width=32))
    )
    return st.tuples(low, size).map(lambda both: np.concatenate([both[0], both[0] + both[1]], 1))


@st.composite
def pairs(draw: st.DrawFn) -> Case:
    """Some boxes, or none, and those that they are paired with."""
    count = draw(st.integers(0, 5))
    prediction, target = draw(tables(count)), draw(tables(count))
    same = draw(hnp.arrays(np.bool_, (count, 1)))
    return Case(np.where(same, target, prediction), target, task="boxes", prediction_kind="boxes")


@SOME
@given(case=pairs())
def test_boxes_agree_with_the_reference(engine: Engine, case: Case) -> None:
    """Every value, each pair's too, is the reference's to 1e-9, and undefined for the same reason."""
    asked = keyed(SPECS)
    found = scores(engine, asked, case)
    wrong = {spec.answer_key: differences(reference(spec, case), found[spec.answer_key], 1e-9) for spec in asked}
    assert {key: where for key, where in wrong.items() if where} == {}


@SOME
@given(case=pairs(), shift=st.integers(-8, 8), power=st.integers(-20, 20))
def test_boxes_may_move_and_grow(engine: Engine, case: Case, shift: int, power: int) -> None:
    """Both boxes moved, or both scaled, score the same."""
    corners = keyed([spec for spec in laws.MOVED_BOXES.specs if getattr(spec, "box_format", "") == "xyxy"])
    sizes = np.concatenate([array[:, 2:] - array[:, :2] for array in (case.prediction, case.target)])
    assume(((sizes == 0) | (sizes > 1e-3)).all())
    there = replace(case, prediction=(case.prediction + shift) * 2.0**power, target=(case.target + shift) * 2.0**power)
    assert disagreements(scores(engine, corners, case), scores(engine, corners, there), 1e-9, 1e-9) == {}


@SOME
@given(case=pairs())
def test_paired_boxes_may_change_places(engine: Engine, case: Case) -> None:
    """No value asks which of the two is the target."""
    specs = keyed(laws.SWAPPED_BOXES.specs)
    swapped = replace(case, prediction=case.target, target=case.prediction)
    assert disagreements(scores(engine, specs, case), scores(engine, specs, swapped)) == {}


@SOME
@given(case=pairs())
def test_no_box_is_better_than_the_target_itself(engine: Engine, case: Case) -> None:
    """A perfect box has an IoU of 1 and no loss, and another none that is better."""
    specs = keyed([spec for spec in laws.PERFECT_BOXES.specs if getattr(spec, "box_format", "") == "xyxy"])
    assume(len(case.target))
    area = (case.target[:, 2:] - case.target[:, :2]).prod(1)
    best, other = (scores(engine, specs, one) for one in (replace(case, prediction=case.target), case))
    for spec in specs:
        sign, ideal = (1, 1.0) if spec.about.direction == "higher" else (-1, 0.0)
        of_best, of_other = (found[spec.answer_key].model_dump()["per_box"] for found in (best, other))
        assert {value for value, size in zip(of_best, area, strict=True) if size > 0} <= {ideal}
        assert [value for value in of_other if value is not None and sign * value > sign * ideal] == []


@SOME
@given(several=st.lists(pairs(), min_size=2, max_size=4))
def test_other_tables_do_not_change_a_bit(engine: Engine, several: list[Case]) -> None:
    """A table scores the same bits alone and among others."""
    specs = keyed([spec for spec in laws.SAME_BITS.specs if spec.name in BOXES])
    question = Question(task="boxes", prediction_kind="boxes", metrics=specs)
    plan = plan_for(question)
    samples = [sample_of(question, case.prediction.copy(), case.target.copy()) for case in several]
    alone = [plan.scores(engine.run(plan, [sample]))[0] for sample in samples]
    assert plan.scores(engine.run(plan, samples)) == alone


@SOME
@given(case=pairs())
def test_boxes_of_float32_keep_six_digits(engine: Engine, case: Case) -> None:
    """Boxes asked in float32 score what they do in float64, to 1e-6."""
    specs = keyed([spec for spec in laws.FLOAT32_KEEPS_SIX_DIGITS.specs if spec.name in BOXES])
    narrow = replace(case, prediction=case.prediction.astype(np.float32), target=case.target.astype(np.float32))
    single, double = scores(engine, specs, narrow, "float32"), scores(engine, specs, narrow, "float64")
    assert disagreements(double, single, 1e-6, 1e-30) == {}


def test_no_boxes_and_boxes_without_area_are_undefined(engine: Engine) -> None:
    """Null with a reason; a pair that has no value is counted as skipped, or has the rule's."""
    none = Case(np.zeros((0, 4)), np.zeros((0, 4)), task="boxes", prediction_kind="boxes")
    flat = Case(np.array([[1.0, 1, 1, 1]]), np.array([[1.0, 1, 1, 1]]), task="boxes", prediction_kind="boxes")
    both = Case(np.array([[1.0, 1, 1, 1], [0, 0, 1, 1]]), np.array([[1.0, 1, 1, 1], [0, 0, 1, 1]]))
    both = replace(both, task="boxes", prediction_kind="boxes")
    [of_none] = scores(engine, [m.GiouLoss()], none).values()
    [of_flat] = scores(engine, [m.GiouLoss()], flat).values()
    [of_both] = scores(engine, [m.BoxIou()], both).values()
    [ruled] = scores(engine, [m.BoxIou(zero_union=0.0)], both).values()
    assert (of_none.value, of_none.undefined) == (None, "no_boxes")
    assert (of_flat.value, of_flat.undefined) == (None, "zero_union")
    assert (of_both.value, of_both.counted, of_both.skipped) == (1.0, 1, 1)
    assert (ruled.value, ruled.counted, ruled.skipped) == (0.5, 2, 0)


def test_a_batch_is_pooled_by_joining_boxes(engine: Engine) -> None:
    """The pooled loss of stacked tables is the mean over all their boxes; a table without boxes adds none."""
    rng = np.random.default_rng(0)
    low, size = rng.random((2, 2, 3, 4)) * 3, rng.random((2, 2, 3, 4))
    prediction, target = (
        np.concatenate([a[..., :2], a[..., :2] + b[..., 2:]], -1) for a, b in zip(low, size, strict=True)
    )
    question = Question(task="boxes", prediction_kind="boxes", metrics=[m.CiouLoss()])
    samples = samples_of_stack(question, prediction, target)
    nothing = sample_of(question, np.zeros((0, 4)), np.zeros((0, 4)))
    plan = plan_for(question)
    outcomes = engine.run(plan, [*(s for s in samples if not isinstance(s, LossgaugeError)), nothing])
    items = [found for found in plan.scores(outcomes) if not isinstance(found, LossgaugeError)]
    whole = Case(prediction.reshape(-1, 4), target.reshape(-1, 4), task="boxes", prediction_kind="boxes")
    summary = plan.summary(items, outcomes.groups)["ciou_loss"]
    assert (summary.counted, summary.skipped) == (2, 1)
    assert summary.pooled == pytest.approx(reference(m.CiouLoss(), whole).value)


ONE: Any = np.array([[0.0, 0, 1, 1], [0, 0, 2, 2]])
NAN: Any = np.where(ONE == 2, np.nan, ONE)
REFUSED: dict[str, tuple[Any, Any, type[LossgaugeError], str, str]] = {
    "NaN": (NAN, ONE, InvalidValues, "/prediction", "NaN at [1, 2] (2 such values)"),
    "infinity": (ONE, np.where(ONE == 2, np.inf, ONE), InvalidValues, "/target", "inf at [1, 2]"),
    "beyond all bounds": (ONE * 1e200, ONE, InvalidValues, "/prediction", "1e+200 at [0, 2]"),
    "one box fewer": (ONE[:1], ONE, ShapeMismatch, "/target", "paired row by row"),
    "three numbers": (ONE[:, :3], ONE[:, :3], ShapeMismatch, "/prediction", "n rows of 4"),
    "one box alone": (ONE[0], ONE[0], ShapeMismatch, "/prediction", "n rows of 4"),
    "a number": (ONE[0, 0], ONE, ShapeMismatch, "/prediction", "n rows of 4"),
    "a mask": (ONE > 0, ONE, InvalidDtype, "/prediction", "bool"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_no_table_of_boxes_is_refused(why: str) -> None:
    """The error says what was found, and where."""
    prediction, target, kind, pointer, told = REFUSED[why]
    question = Question(task="boxes", prediction_kind="boxes", metrics=[m.BoxIou()])
    with pytest.raises(kind) as raised:
        sample_of(question, np.asarray(prediction), target)
    assert raised.value.pointer == pointer
    assert told in raised.value.detail


@pytest.mark.parametrize(
    ("box_format", "row", "told"),
    [
        ("xyxy", [2, 0, 1, 1], "1.0 at [0, 2] (1 such values); allowed are x2 >= x1"),
        ("xywh", [0, 0, 1, -1], "-1.0 at [0, 3] (1 such values); allowed are widths"),
        ("cxcywh", [0, 0, -0.5, 1], "-0.5 at [0, 2]"),
    ],
)
def test_a_box_inside_out_is_refused(engine: Engine, box_format: Any, row: list[float], told: str) -> None:
    """A box whose second corner is before its first has no area, and is an error with its place."""
    question = Question(task="boxes", prediction_kind="boxes", metrics=[m.BoxIou(box_format=box_format)])
    plan = plan_for(question)
    [found] = plan.scores(engine.run(plan, [sample_of(question, ONE[:1], np.array([row], float))]))
    assert isinstance(found, InvalidValues)
    assert found.pointer == "/target"
    assert told in found.detail


@pytest.mark.parametrize("field", [{"num_classes": 2}, {"ignore_index": 0}, {"channel_axis": 1}])
def test_what_says_nothing_of_boxes_is_refused(field: dict[str, Any]) -> None:
    """Classes, channels and ignored labels are of pixels."""
    with pytest.raises(ValidationError, match="says nothing of task 'boxes'"):
        Question(task="boxes", prediction_kind="boxes", metrics=[m.BoxIou()], **field)


@pytest.mark.parametrize("field", [{"spacing": [1.0, 1.0]}, {"target_kind": "probabilities"}])
def test_boxes_have_neither_pixels_nor_softness(field: dict[str, Any]) -> None:
    """A spacing and a soft target are errors, and so are weights."""
    question = Question(task="boxes", prediction_kind="boxes", metrics=[m.BoxIou()], **field)
    with pytest.raises(InvalidParameter) as raised:
        sample_of(question, ONE, ONE)
    assert raised.value.pointer == f"/{next(iter(field))}"
    with pytest.raises(InvalidParameter, match="no weights"):
        sample_of(question.model_copy(update={"spacing": None, "target_kind": "labels"}), ONE, ONE, np.ones(2))
