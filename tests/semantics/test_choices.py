"""The choices that change a number: each is a parameter, and each of its values gives what it says."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from lossgauge import metrics as m
from lossgauge.metrics import MetricSpec
from lossgauge.wire import Score
from lossgauge_service.engine import Engine
from lossgauge_service.errors import LossgaugeError
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import sample_of
from numpy.typing import NDArray

from tests.reference import Case
from tests.scoring import question_of, score, scores_of
from tests.semantics import listings as told

RNG = np.random.default_rng(23)
NONE, SOME = np.zeros((3, 3), np.int64), np.eye(3, dtype=np.int64)
XC = RNG.normal(0, 2, (4, 12, 10))
TC = RNG.integers(0, 3, (12, 10))
CLASSES = Case(XC, TC, task="multiclass")
"""Four classes of which the target has three."""


def _masks(prediction: NDArray[np.int64], target: NDArray[np.int64]) -> Case:
    return Case(prediction, target, prediction_kind="labels")


def _rules(spec: type[MetricSpec]) -> type[Any] | None:
    """What kind of rules for empty masks a metric has."""
    return type(spec.model_fields["empty"].default) if "empty" in spec.model_fields else None


# ----------------------------------------------------------------------------------------------------------- empty masks


@pytest.mark.parametrize(
    ("prediction", "target", "value", "reason"),
    [
        (NONE, NONE, None, "both_empty"),
        (SOME, NONE, 0.0, None),
        (NONE, SOME, 0.0, None),
        (SOME, 1 - SOME, 0.0, None),
    ],
    ids=["both", "target", "prediction", "no match"],
)
def test_empty_masks_by_default(
    engine: Engine, prediction: NDArray[np.int64], target: NDArray[np.int64], value: float | None, reason: str | None
) -> None:
    """Both empty is undefined for a score and 0 for a loss; a missed object is 0 and never dropped."""
    for spec in (m.Dice(), m.Iou()):
        found = score(engine, spec, _masks(prediction, target))
        assert (value, reason) == (found.value, found.undefined)
    nothing = m.DiceLoss(smooth_numerator=0.0, smooth_denominator=0.0)
    assert score(engine, nothing, _masks(prediction, target)).value == (0.0 if value is None else 1.0)


@pytest.mark.parametrize(
    ("rule", "value", "reason"),
    [
        (1.0, 1.0, None),
        (-1.0, -1.0, None),
        ("undefined", None, "both_empty"),
        ("skip", None, "skipped"),
        ("formula", None, "both_empty"),
    ],
)
def test_empty_masks_by_rule(engine: Engine, rule: float | str, value: float | None, reason: str | None) -> None:
    """A constant, `undefined`, `skip`, or what the formula gives."""
    spec = m.Dice.model_validate({"empty": {"both": rule}})
    found = score(engine, spec, _masks(NONE, NONE))
    assert (value, reason) == (found.value, found.undefined)


CASES = {
    "both": (NONE, NONE),
    "target": (SOME, NONE),
    "prediction": (NONE, SOME),
    "no_match": (SOME, np.fliplr(SOME) * (1 - SOME)),
}
MASK_METRICS = [
    spec
    for spec in m.CATALOGUE.values()
    if "labels" in spec.about.kinds and "binary" in spec.about.tasks and _rules(spec) is m.Empty
]
"""All that have a rule for each case of empty masks, and are of masks."""
WITH_BACKGROUND = {"generalized_dice_loss", "mean_iou"}
"""Of two sides by default, of which the background is not empty."""


@pytest.mark.parametrize("metric", MASK_METRICS, ids=lambda metric: metric.model_fields["name"].default)
@pytest.mark.parametrize("empty", CASES)
def test_each_case_of_empty_masks_has_a_rule_of_its_own(engine: Engine, metric: type[MetricSpec], empty: str) -> None:
    """A constant, `skip` or `undefined` for both, target or prediction empty, or no match, touches that case alone."""
    case = _masks(*CASES[empty])
    name = metric.model_fields["name"].default
    asked = {"include_background": False} if name in WITH_BACKGROUND else {}
    plain = score(engine, metric.model_validate(asked), case)
    for ruled in CASES:
        reason = ruled if ruled == "no_match" else f"{ruled}_empty"
        for rule, *ours in ((0.25, 0.25, None), ("skip", None, "skipped"), ("undefined", None, reason)):
            found = score(engine, metric.model_validate({**asked, "empty": {ruled: rule}}), case)
            assert [found.value, found.undefined] == (ours if ruled == empty else [plain.value, plain.undefined])


BY_FORMULA = {"accuracy", "specificity"}
"""Of two empty masks they have a number: every pixel is right."""


@pytest.mark.parametrize("name", [name for name, spec in m.CATALOGUE.items() if _rules(spec) is m.Empty])
def test_the_default_rules_are_those_of_scores_and_of_losses(name: str) -> None:
    """Both empty is undefined for a score and 0 for a loss; a missed or invented object is what the formula gives."""
    spec = m.CATALOGUE[name]
    both = 0.0 if spec.about.direction == "lower" else "formula" if name in BY_FORMULA else "undefined"
    assert spec.model_fields["empty"].default == m.Empty.model_validate({"both": both})


@pytest.mark.parametrize(("rule", "mean", "counted"), [(0.5, 2.5 / 4, 4), ("skip", 2 / 3, 3), ("undefined", 2 / 3, 3)])
def test_an_absent_class_is_in_a_mean_as_its_rule_says(
    engine: Engine, rule: float | str, mean: float, counted: int
) -> None:
    """A class of neither mask has its constant in the mean, or is left out of it and counted as skipped."""
    labels = Case(
        np.array([[0, 1, 2]]), np.array([[0, 1, 1]]), task="multiclass", prediction_kind="labels", num_classes=4
    )
    found = score(engine, m.Recall.model_validate({"empty": {"both": rule, "target": 0.5}}), labels)
    assert found.per_class is not None
    assert found.per_class[:3] == [1.0, 0.5, 0.5]
    assert found.value == pytest.approx(mean)
    assert (found.counted, found.skipped) == (counted, 4 - counted)


@pytest.mark.parametrize("rule", [7.5, "image_diagonal", "skip", "undefined"])
@pytest.mark.parametrize("ruled", ["both", "target", "prediction"])
def test_a_distance_has_the_diagonal_as_a_rule_too(engine: Engine, ruled: str, rule: float | str) -> None:
    """For distances a constant, `image_diagonal`, `skip` or `undefined` for each case."""
    found = score(engine, m.Hausdorff.model_validate({"empty": {ruled: rule}}), _masks(*CASES[ruled]))
    number = float(np.hypot(3, 3)) if rule == "image_diagonal" else rule
    reason = {"skip": "skipped", "undefined": f"{ruled}_empty"}.get(str(rule))
    assert (found.value, found.undefined) == (None if reason else pytest.approx(number), reason)


def test_a_mean_says_what_it_counted_and_what_it_skipped(engine: Engine) -> None:
    """A class in neither mask leaves the mean and is counted as skipped; a missed class stays in it as 0."""
    labels = Case(
        np.array([[0, 0, 1]]), np.array([[0, 2, 1]]), task="multiclass", prediction_kind="labels", num_classes=4
    )
    found = score(engine, m.Dice(), labels)
    assert [2 / 3, 1.0, 0.0, None] == pytest.approx(found.per_class)
    assert (found.counted, found.skipped, found.undefined_classes) == (3, 1, {"3": "both_empty"})
    assert found.value == pytest.approx((2 / 3 + 1) / 3)


# ------------------------------------------------------------------------------------------------------------- averaging


def test_averaging_over_classes(engine: Engine) -> None:
    """micro sums first, macro is the mean of classes, weighted weighs them by the target, none gives no value."""
    guess = XC.argmax(0)
    hits = np.array([np.sum((guess == c) & (TC == c)) for c in range(4)])
    sizes = np.array([[np.sum(guess == c), np.sum(TC == c)] for c in range(4)])
    each = 2 * hits / sizes.sum(1)
    expected = {
        "micro": 2 * hits.sum() / sizes.sum(),
        "macro": each.mean(),
        "weighted": (each * sizes[:, 1]).sum() / sizes[:, 1].sum(),
        "none": None,
    }
    found = {average: score(engine, m.Dice.model_validate({"average": average}), CLASSES) for average in expected}
    assert expected == pytest.approx({average: one.value for average, one in found.items()})
    assert all(each == pytest.approx(one.per_class) for one in found.values())


def test_the_background_is_dropped_after_the_softmax(engine: Engine) -> None:
    """include_background false leaves class 0 out of the mean; the others' probabilities are still those of all classes."""
    p, hot = told.softmax(XC), np.arange(4).reshape(4, 1, 1) == TC
    after = np.mean([1 - told.dice(p[c], hot[c], 1, 1) for c in (1, 2, 3)])
    before = np.mean([1 - told.dice(q, hot[c + 1], 1, 1) for c, q in enumerate(told.softmax(XC[1:]))])
    found = score(engine, m.DiceLoss(include_background=False), CLASSES).value
    assert found == pytest.approx(after, rel=1e-9)
    assert found != pytest.approx(before, rel=1e-2)


def test_averaging_over_samples(engine: Engine) -> None:
    """The mean of the samples, or the score of their sums: over the request."""
    cases = [_masks(SOME, np.ones_like(SOME)), _masks(np.ones_like(SOME), np.ones_like(SOME)), _masks(NONE, NONE)]
    question = question_of(cases[0], [m.Dice(), m.Dice(key="pooled", pooling="batch")])
    plan = plan_for(question)
    samples = [sample_of(question, case.prediction, case.target) for case in cases]
    outcomes = engine.run(plan, samples)
    summary = plan.summary(scores_of(engine, plan, samples), outcomes.groups)
    assert (summary["dice"].value, summary["dice"].counted, summary["dice"].skipped) == (0.75, 2, 1)
    assert summary["pooled"].value == pytest.approx(2 * 12 / (12 + 18))


def test_averages_are_over_the_request_and_not_over_who_shares_the_device(engine: Engine) -> None:
    """A caller's samples that share a launch with another's, or follow them, have the caller's own averages."""
    shapes = [(3, 3), (60, 70), (3, 5)]
    ours = [Case(RNG.normal(size=shape), RNG.integers(0, 2, shape)) for shape in shapes]
    question = question_of(ours[0], [m.DiceLoss(), m.DiceLoss(key="pooled", pooling="batch")])
    plan = plan_for(question)
    samples = [sample_of(question, case.prediction.copy(), case.target.copy()) for case in ours]
    probabilities = [1 / (1 + np.exp(-case.prediction)) for case in ours]
    each = [1 - told.dice(own, case.target, 1, 1) for own, case in zip(probabilities, ours, strict=True)]
    p, t = (np.concatenate([a.ravel() for a in arrays]) for arrays in (probabilities, [case.target for case in ours]))
    expected = {"dice_loss": np.mean(each), "pooled": 1 - told.dice(p, t, 1, 1)}
    strangers = [sample_of(question, np.full((9, 9), 3.0), np.ones((9, 9))) for _ in range(2)]
    engine.run(plan, strangers)
    alone = engine.run(plan, samples)
    shared = engine.run(plan, [strangers[0], *samples, strangers[1]]).of(range(1, 4))
    for outcomes in (alone, shared):
        scores = [found for found in plan.scores(outcomes) if not isinstance(found, LossgaugeError)]
        summary = plan.summary(scores, outcomes.groups)
        assert {key: one.value for key, one in summary.items()} == pytest.approx(expected, rel=1e-9)
        assert {one.counted for one in summary.values()} == {3}


# ---------------------------------------------------------------------------------------------------------- ignored pixels


def test_ignored_pixels_divide_out_or_count(engine: Engine) -> None:
    """`valid` divides by what counts, `all` by everything: half the value when half is ignored."""
    x, t = RNG.normal(size=(4, 6)), RNG.integers(0, 2, (4, 6))
    case = Case(x, np.where(np.arange(6) < 3, t, 255), ignore_index=255)
    half = Case(x[:, :3].copy(), t[:, :3].copy())
    for loss in (m.CrossEntropy, m.FocalLoss):
        valid, every = (score(engine, loss(ignore_denominator=how), case).value for how in ("valid", "all"))
        whole = score(engine, loss(), half).value
        assert whole is not None
        assert [valid, every] == pytest.approx([whole, whole / 2], rel=1e-12)


def test_a_predicted_ignore_index_is_just_wrong(engine: Engine) -> None:
    """Pixels are ignored by the target's label alone."""
    guess, truth = np.array([[1, 1, 0, 0]]), np.array([[1, 0, 0, 1]])
    case = Case(guess, truth, prediction_kind="labels", task="multiclass", num_classes=2, ignore_index=1)
    found = score(engine, m.Confusion(), case).model_dump()
    assert [[1.0, 1.0], [0.0, 0.0]] == found["matrix"]


# ------------------------------------------------------------------------------------------------------------ thresholding


@pytest.mark.parametrize(("side", "tp"), [("greater", 1), ("greater_equal", 2)])
def test_the_side_of_the_threshold(engine: Engine, side: str, tp: int) -> None:
    """p > threshold, or p >= threshold."""
    case = Case(np.array([0.5, 0.75, 0.25]), np.array([1, 1, 1]), prediction_kind="probabilities")
    found = score(engine, m.Confusion.model_validate({"threshold_side": side}), case)
    assert tp == found.model_dump()["tp"]


def test_thresholds_are_those_that_are_written() -> None:
    """linspace(0.5, 0.95, 10) rounded to two digits, never arange's 0.8500000000000003."""
    assert m.MeanIou().thresholds == [round(value, 2) for value in np.linspace(0.5, 0.95, 10)]


# ------------------------------------------------------------------------------------------------------------ soft targets


def test_soft_targets_by_products_or_l1(engine: Engine) -> None:
    """The product of a soft mask with itself is below 1; the l1 form's dice(t, t) is 1."""
    t = RNG.random((5, 5))
    case = Case(t, t, prediction_kind="probabilities", target_kind="probabilities")
    product, l1 = (score(engine, m.Dice(soft=True, soft_target=how), case).value for how in ("product", "l1"))
    assert [product, l1] == pytest.approx([np.sum(t * t) / t.sum(), 1.0])


def test_pt_of_a_soft_target(engine: Engine) -> None:
    """p t + (1 - p)(1 - t), exp(-BCE), of the logit, or of each share: equal for hard targets, different for soft ones."""
    p, t = RNG.uniform(0.05, 0.95, 40), RNG.random(40)
    soft = Case(p, t, prediction_kind="probabilities", target_kind="probabilities")
    bce = -t * np.log(p) - (1 - t) * np.log(1 - p)
    expected = {
        "product": np.mean((1 - (p * t + (1 - p) * (1 - t))) ** 2 * bce),
        "exp": np.mean((1 - np.exp(-bce)) ** 2 * bce),
        "logit": np.mean((1 + (p / (1 - p)) ** (2 * t - 1)) ** -2.0 * bce),
        "separate": np.mean(-t * (1 - p) ** 2 * np.log(p) - (1 - t) * p**2 * np.log(1 - p)),
    }
    specs: dict[str, MetricSpec] = {
        how: m.FocalLoss.model_validate({"alpha": None, "soft_target_pt": how}) for how in expected
    }
    assert expected == pytest.approx({how: score(engine, spec, soft).value for how, spec in specs.items()}, rel=1e-9)
    hard = replace(soft, target=(t > 0.5).astype(np.float64))
    one, *others = (score(engine, spec, hard).value for spec in specs.values())
    assert others == pytest.approx([one] * 3, rel=1e-12)


# ------------------------------------------------------------------------------------------------- names and defaults

NAMED: dict[str, dict[str, Any]] = {
    "dice": {
        "empty": m.Empty(both="undefined", target="formula", prediction="formula"),
        "average": "macro",
        "include_background": True,
        "pooling": "sample",
        "threshold_side": "greater",
        "soft_target": "product",
        "smooth_numerator": 0.0,
        "smooth_denominator": 0.0,
        "squared": False,
    },
    "dice_loss": {
        "empty": m.Empty(both=0.0, target="formula", prediction="formula"),
        "smooth_numerator": 1.0,
        "smooth_denominator": 1.0,
    },
    "mean_iou": {"thresholds": [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95], "include_background": True},
    "tversky_loss": {"fp_weight": 0.3, "fn_weight": 0.7},
    "lovasz_softmax": {"classes": "present", "pooling": "sample"},
    "hausdorff": {
        "empty": m.DistanceEmpty(both="undefined", target="image_diagonal", prediction="image_diagonal"),
        "percentile": None,
        "hd_mode": "max_of_directed",
        "border": "faces",
        "edge_is_border": True,
    },
    "surface_dice": {"nsd_mode": "pooled_counts", "tolerance": 1.0, "border": "faces", "edge_is_border": True},
    "boundary_iou": {"dilation_ratio": 0.02},
    "instance_fbeta": {
        "beta": 1.0,
        "iou_threshold": 0.5,
        "threshold_side": "greater",
        "matching": "greedy",
        "crowd": [],
    },
    "instance_precision": {"thresholds": [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]},
    "panoptic_quality": {"iou_threshold": 0.5, "threshold_side": "greater", "matching": "greedy", "crowd": []},
    "calibration_error": {"bins": 15, "closed": "right", "binning": "uniform", "norm": "l1"},
}
"""The parameters that the choices name, and their stated defaults; those of losses of pixels stand in `test_published`."""


@pytest.mark.parametrize("name", NAMED)
def test_the_choices_have_their_names_and_defaults(name: str) -> None:
    """Every choice is a parameter of a standard name, with a stated default and a line in the catalogue."""
    fields = m.CATALOGUE[name].model_fields
    assert {parameter: fields[parameter].default for parameter in NAMED[name]} == NAMED[name]
    assert [parameter for parameter in NAMED[name] if not fields[parameter].description] == []


# ------------------------------------------------------------------------------------------------------------- determinism


def test_a_score_is_the_same_bits_whatever_shares_its_batch(engine: Engine) -> None:
    """Alone, twice, and in any company."""
    specs: Sequence[MetricSpec] = (m.FocalLoss(), m.DiceLoss(), m.Confusion(), m.CrossEntropy())
    question = question_of(Case(XC[0], TC), specs, "float32")
    plan = plan_for(question)
    samples = [
        sample_of(question, RNG.normal(size=shape), RNG.integers(0, 2, shape)) for shape in ((7, 9), (64, 80), (1, 5))
    ]
    together: list[dict[str, Score]] = scores_of(engine, plan, samples)
    assert together == [scores_of(engine, plan, [sample])[0] for sample in samples]
    assert together[::-1] == scores_of(engine, plan, samples[::-1])
