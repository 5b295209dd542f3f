"""The rules that no peer has: empty masks, averages with gaps, thresholds; and that every metric has its reference."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from lossgauge.metrics import (
    CATALOGUE,
    Accuracy,
    BceLogDice,
    CombinedLoss,
    CombinedTerm,
    Confusion,
    CrossEntropy,
    Dice,
    DiceLoss,
    Empty,
    FocalLoss,
    Iou,
    IouLoss,
    MeanIou,
    MetricSpec,
    Precision,
    Recall,
    Specificity,
)
from lossgauge_service.errors import MetricDoesNotFit

from tests.examples import examples
from tests.reference import REFERENCES, Case, Expected, reference
from tests.reference.case import AnyArray
from tests.strategies import cases

NOTHING, SOMETHING = np.zeros(4, dtype=np.int64), np.array([1, 1, 0, 0])
EVERYTHING = np.ones(4, dtype=np.int64)


def labels(prediction: AnyArray, target: AnyArray) -> Case:
    """A binary case of two masks."""
    return Case(prediction, target, prediction_kind="labels")


def without_required(spec: type[MetricSpec]) -> MetricSpec:
    """The metric with its defaults."""
    return spec(terms=[CombinedTerm(metric=Dice())]) if spec is CombinedLoss else spec()  # type: ignore[call-arg]


def test_every_metric_has_a_reference() -> None:
    """The catalogue and the references name the same metrics."""
    assert sorted(REFERENCES) == sorted(CATALOGUE)


@settings(max_examples=examples(150), deadline=None)
@given(case=cases())
def test_every_reference_answers_or_says_why_not(case: Case) -> None:
    """For any case: a finite value, or null with a reason, or MetricDoesNotFit; as many entries as classes."""
    for spec in CATALOGUE.values():
        try:
            score = reference(without_required(spec), case)
        except MetricDoesNotFit:
            continue
        assert (score.value is None) == (score.undefined is not None)
        assert score.value is None or np.isfinite(score.value)
        assert score.per_class is None or len(score.per_class) == case.classes


@settings(max_examples=examples(50), deadline=None)
@given(case=cases())
def test_no_valid_pixel_is_no_score(case: Case) -> None:
    """With every pixel ignored every metric is null for the same reason."""
    nothing = Case(
        case.prediction,
        np.full_like(case.target, 255),
        case.weight,
        case.task,
        case.prediction_kind,
        ignore_index=255,
        num_classes=case.num_classes,
    )
    specs = [Dice(), DiceLoss(), Confusion(), Accuracy(), Specificity(empty=Empty(both=1.0))]
    assert {reference(spec, nothing).undefined for spec in specs} == {"no_valid_pixels"}


@pytest.mark.parametrize(
    ("prediction", "target", "reason"),
    [
        (NOTHING, NOTHING, "both_empty"),
        (SOMETHING, NOTHING, "target_empty"),
        (NOTHING, SOMETHING, "prediction_empty"),
        (SOMETHING, 1 - SOMETHING, "no_match"),
    ],
)
@pytest.mark.parametrize("spec", [Dice, Iou, DiceLoss, IouLoss, Precision, Recall, Specificity])
def test_each_rule_speaks_for_its_own_case(
    spec: Callable[..., MetricSpec], prediction: AnyArray, target: AnyArray, reason: str
) -> None:
    """A constant, `undefined` and `skip`, each for the case that it is given for."""
    name = reason.removesuffix("_empty")
    case = labels(prediction, target)
    assert reference(spec(empty=Empty.model_validate({name: 0.25})), case) == Expected(0.25)
    assert reference(spec(empty=Empty.model_validate({name: "undefined"})), case) == Expected(None, reason)
    assert reference(spec(empty=Empty.model_validate({name: "skip"})), case) == Expected(None, "skipped")


def test_the_formula_of_an_empty_mask() -> None:
    """With smoothing it has a value; 0/0 is undefined by the case; a/0 is infinite."""
    formula = Empty(both="formula")
    nothing = labels(NOTHING, NOTHING)
    assert reference(Dice(empty=formula, smooth_numerator=1.0, smooth_denominator=2.0), nothing) == Expected(0.5)
    assert reference(Dice(empty=formula), nothing) == Expected(None, "both_empty")
    assert reference(Dice(empty=formula, smooth_numerator=1.0), nothing) == Expected(None, "infinite")


def test_the_default_of_an_empty_mask() -> None:
    """Scores of nothing are undefined and losses 0; a false alarm or a missed object scores 0."""
    assert reference(Dice(), labels(NOTHING, NOTHING)) == Expected(None, "both_empty")
    assert reference(DiceLoss(), labels(NOTHING, NOTHING)) == Expected(0.0)
    assert reference(Dice(), labels(SOMETHING, NOTHING)) == Expected(0.0)
    assert reference(Dice(), labels(NOTHING, SOMETHING)) == Expected(0.0)
    assert reference(Precision(), labels(NOTHING, SOMETHING)) == Expected(None, "prediction_empty")
    assert reference(Recall(), labels(SOMETHING, NOTHING)) == Expected(None, "target_empty")
    assert reference(Specificity(), labels(SOMETHING, EVERYTHING)) == Expected(None, "no_negatives")
    assert reference(Specificity(), labels(NOTHING, NOTHING)) == Expected(1.0)


def test_a_mean_counts_what_it_skips() -> None:
    """Macro and weighted leave undefined classes out and count them; micro takes the sums; none has no value."""
    case = Case(np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1]), None, "multiclass", "labels", num_classes=3)
    per_class = [pytest.approx(4 / 5), pytest.approx(2 / 3), None]
    reasons = {"undefined_classes": {"2": "both_empty"}}
    tally = {"counted": 2, "skipped": 1}
    expected = {
        "macro": (pytest.approx((4 / 5 + 2 / 3) / 2), None, reasons | tally),
        "micro": (pytest.approx(3 / 4), None, reasons),
        "weighted": (pytest.approx((3 * 4 / 5 + 2 / 3) / 4), None, reasons | tally),
        "none": (None, "not_averaged", reasons),
    }
    for average, (value, undefined, extras) in expected.items():
        score = reference(Dice.model_validate({"average": average}), case)
        assert (score.value, score.undefined, score.extras) == (value, undefined, extras)
        assert score.per_class == per_class


def test_a_mean_of_nothing_says_why() -> None:
    """The classes' one reason, or `no_class_defined`; weights of 0 have no mean."""
    one_reason = Case(np.zeros((2, 3), dtype=np.int64), np.zeros((2, 3), dtype=np.int64), None, "multilabel", "labels")
    assert reference(Dice(), one_reason).undefined == "both_empty"
    two = Case(np.array([[0], [1]]), np.array([[0], [0]]), None, "multilabel", "labels")
    assert reference(Dice(empty=Empty(target="skip")), two).undefined == "no_class_defined"
    assert reference(Dice(average="weighted"), two).undefined == "target_empty"


def test_a_label_without_a_valid_pixel_is_no_empty_label() -> None:
    """Whatever the rules, its score is null with its own reason, and the others are averaged."""
    case = Case(
        np.array([[1, 0], [1, 0]]), np.array([[1, 0], [255, 255]]), None, "multilabel", "labels", ignore_index=255
    )
    score = reference(Dice(empty=Empty(both=1.0)), case)
    assert (score.value, score.per_class) == (1.0, [1.0, None])
    assert score.extras == {"undefined_classes": {"1": "no_valid_pixels"}, "counted": 1, "skipped": 1}


def test_thresholds_of_logits_are_exact() -> None:
    """sigmoid(x) > th as x > log(th / (1 - th)); th = 0 takes every finite logit and th = 1 none."""
    x, every = np.array([-1e4, -1.0, 0.0, 1e4]), EVERYTHING
    found = {
        (th, side): reference(Confusion(threshold=th, threshold_side=side), Case(x, every)).extras["tp"]
        for th in (0.0, 0.5, 1.0)
        for side in ("greater", "greater_equal")
    }
    assert found == {
        (0.0, "greater"): 4,
        (0.0, "greater_equal"): 4,
        (0.5, "greater"): 1,
        (0.5, "greater_equal"): 2,
        (1.0, "greater"): 0,
        (1.0, "greater_equal"): 0,
    }


def test_the_metrics_threshold_goes_before_the_requests() -> None:
    """null means the request's."""
    case = Case(np.array([0.4, 0.6]), np.array([1, 1]), prediction_kind="probabilities", threshold=0.3)
    assert [reference(Recall(threshold=th), case).value for th in (None, 0.5)] == [1.0, 0.5]


def test_ties_of_classes_go_to_the_lowest() -> None:
    """argmax takes the first of the greatest."""
    case = Case(np.zeros((3, 1)), np.array([0]), task="multiclass")
    assert reference(Accuracy(), case).value == 1.0


def test_mean_iou_leaves_out_what_is_undefined() -> None:
    """Of nothing in nothing the background alone counts; full in full the foreground alone; wrong everywhere is 0."""
    assert reference(MeanIou(), labels(NOTHING, NOTHING)).value == 1.0
    assert reference(MeanIou(), labels(EVERYTHING, EVERYTHING)).value == 1.0
    assert reference(MeanIou(), labels(EVERYTHING, NOTHING)).value == 0.0
    assert reference(MeanIou(include_background=False), labels(NOTHING, NOTHING)).undefined == "both_empty"


def test_the_background_of_mean_iou_has_empty_cases_of_its_own() -> None:
    """Predicting everything leaves the background's prediction empty; a full target its target."""
    no_background = labels(EVERYTHING, SOMETHING)
    assert reference(MeanIou(empty=Empty(prediction=1.0)), no_background).value == (0.5 + 1.0) / 2
    assert reference(MeanIou(empty=Empty(target=1.0)), labels(SOMETHING, EVERYTHING)).value == (0.5 + 1.0) / 2
    assert reference(MeanIou(empty=Empty(target=1.0)), no_background).value == 0.5 / 2


def test_a_sum_is_undefined_when_a_term_is() -> None:
    """The first such term's reason; minus log of 0 is infinite; the terms' own values are still told."""
    wrong = Case(np.array([1.0, 0.0]), np.array([0, 1]), prediction_kind="probabilities")
    log_dice = CombinedTerm(metric=Dice(), transform="minus_log")
    assert reference(CombinedLoss(terms=[log_dice]), wrong) == Expected(None, "infinite", extras={"terms": [0.0]})
    nothing = labels(NOTHING, NOTHING)
    terms = [CombinedTerm(metric=DiceLoss()), CombinedTerm(metric=Dice(), weight=2.0)]
    extras = {"terms": [0.0, None], "undefined_extras": {"terms": {"1": "both_empty"}}}
    assert reference(CombinedLoss(terms=terms), nothing) == Expected(None, "both_empty", extras=extras)
    complement = CombinedTerm(metric=Iou(), weight=3.0, transform="complement")
    assert reference(CombinedLoss(terms=[complement]), labels(SOMETHING, EVERYTHING)).value == 1.5


def test_zero_weights_leave_nothing_to_divide_by() -> None:
    """Where nothing weighs anything nothing is scored, a sum neither; an infinite loss of weight 0 does not count."""
    zero = Case(np.array([0.0]), np.array([1]), np.zeros(1), prediction_kind="probabilities")
    assert reference(CrossEntropy(), zero).undefined == "no_weight"
    assert reference(FocalLoss(reduction="sum"), zero).undefined == "no_weight"
    beside = Case(np.array([0.0, 1.0]), np.array([1, 1]), np.array([0.0, 1.0]), prediction_kind="probabilities")
    assert reference(FocalLoss(reduction="sum"), beside).value == 0.0


def test_what_does_not_fit_is_refused() -> None:
    """Tasks, kinds, and a background that a binary case has not."""
    classes = Case(np.array([0]), np.array([0]), None, "multiclass", "labels", num_classes=2)
    for spec, case in [
        (MeanIou(), classes),
        (BceLogDice(), labels(SOMETHING, SOMETHING)),
        (Dice(include_background=False), labels(SOMETHING, SOMETHING)),
        (CombinedLoss(terms=[CombinedTerm(metric=CrossEntropy())]), classes),
    ]:
        with pytest.raises(MetricDoesNotFit):
            reference(spec, case)
