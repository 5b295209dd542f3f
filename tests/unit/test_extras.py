"""Extras: whatever the sample, every one that a metric declares is there, and every null in it has its reason."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from lossgauge import metrics as m
from lossgauge.metrics import MetricSpec
from lossgauge.metrics.spec import ALL_KINDS, PredictionKind
from lossgauge.tasks import TASKS_OF_PIXELS, Task
from lossgauge.wire import Score
from lossgauge_service.engine import Engine

from tests.examples import examples
from tests.laws import PIXEL_LOSSES
from tests.reference import Case
from tests.scoring import asked, score
from tests.specs import VARIANTS
from tests.strategies import cases

NOTHING, LEFT = np.zeros((4, 4), np.int64), np.tile(np.array([1, 1, 0, 0]), (4, 1))
PAIRS: dict[str, tuple[Any, Any]] = {
    "an ordinary one": (np.roll(LEFT, 1, 1), LEFT),
    "both empty": (NOTHING, NOTHING),
    "the target empty": (LEFT, NOTHING),
    "the prediction empty": (NOTHING, LEFT),
    "both full": (1 - NOTHING, 1 - NOTHING),
    "no match": (LEFT, 1 - LEFT),
    "a perfect one": (LEFT, LEFT),
}
"""A prediction and a target of two classes."""
IGNORED = 255
BOXES = np.array([[0.0, 0, 2, 2], [1, 1, 3, 3]])


def _samples(task: Task, kind: PredictionKind) -> Iterator[tuple[str, Case]]:
    for name, (guess, truth) in PAIRS.items():
        case = _case(task, kind, guess, truth)
        yield name, case
        yield f"{name}, weightless", replace(case, weight=np.zeros(truth.shape))
        yield f"{name}, ignored", replace(case, target=np.full_like(case.target, IGNORED), ignore_index=IGNORED)
        if task == "multilabel":
            first = np.where(np.arange(3).reshape(3, 1, 1) == 0, IGNORED, case.target)
            yield f"{name}, a label ignored", replace(case, target=first, ignore_index=IGNORED)


def _case(task: Task, kind: PredictionKind, guess: Any, truth: Any) -> Case:
    """The pair as a task has it. Of three classes or labels the last is absent."""
    hot = {
        "binary": guess,
        "multiclass": (np.arange(3).reshape(3, 1, 1) == guess) * 1,
        "multilabel": np.stack([guess, 1 - guess, NOTHING]),
    }[task]
    target = np.stack([truth, 1 - truth, NOTHING]) if task == "multilabel" else truth
    sure = {"labels": hot, "probabilities": hot * 1.0, "logits": 100.0 * (2 * hot - 1)}[kind]
    prediction = guess if (task, kind) == ("multiclass", "labels") else sure
    classes = None if task == "binary" else 3
    return Case(prediction, target, task=task, prediction_kind=kind, num_classes=classes)


def _others() -> Iterator[tuple[str, Case]]:
    """What is no pixels of classes."""
    for name, (guess, truth) in PAIRS.items():
        case = Case(guess, truth, task="instances", prediction_kind="labels")
        yield f"ids, {name}", case
        yield f"ids, {name}, ignored", replace(case, target=np.full_like(truth, -1), ignore_index=-1)
        yield f"ids of classes, {name}", replace(case, prediction=guess * 101, target=truth * 1, num_classes=2)
    for name, rows in {"no boxes": BOXES[:0], "flat boxes": BOXES * 0, "a flat box": BOXES * [[0], [1]]}.items():
        yield name, Case(rows, rows, task="boxes", prediction_kind="boxes")


DEGENERATE: dict[str, Case] = {
    **{f"{t}, {k}, {name}": case for t in TASKS_OF_PIXELS for k in ALL_KINDS for name, case in _samples(t, k)},
    **dict(_others()),
}


def _wrong(spec: MetricSpec, case: Case, score: Score) -> list[str]:
    """What a score leaves out, and the nulls and the reasons that stand alone."""
    extras = dict(score.model_extra or {})
    declared, reasons = {*spec.extras_of(case.task)}, score.undefined_extras or {}
    return [
        *(f"{name}: declared, or there, but not both" for name in declared ^ extras.keys()),
        *_unexplained(score.value, score.undefined, "value"),
        *_unexplained(score.per_class or [], score.undefined_classes, "per_class"),
        *_unexplained(extras, reasons, "extras"),
        *([] if (score.counted is None) == (score.skipped is None) else ["counted without skipped"]),
        *(
            ["a mean that does not say what it counted"]
            if _is_of_classes(spec, score) and score.counted is None
            else []
        ),
        *(["a count of no mean"] if _is_of_none(spec, score) and score.counted is not None else []),
        *([] if score.undefined_extras != {} and score.undefined_classes != {} else ["reasons of nothing"]),
    ]


def _is_of_classes(spec: MetricSpec, score: Score) -> bool:
    """Whether it is the mean of its classes."""
    return score.per_class is not None and getattr(spec, "average", None) in ("macro", "weighted")


def _is_of_none(spec: MetricSpec, score: Score) -> bool:
    """Whether it is a value of all pixels together, or none."""
    return score.per_class is not None and (
        getattr(spec, "average", None) in ("micro", "none") or spec.name in PIXEL_LOSSES
    )


def _unexplained(value: Any, why: Any, at: str) -> Iterator[str]:
    """The places of nulls without a reason, and of reasons without a null."""
    if isinstance(value, list):
        value = {str(place): one for place, one in enumerate(value)}
    if value is None:
        yield from () if isinstance(why, str) else [f"{at}: null without a reason"]
    elif isinstance(value, Mapping) and isinstance(why, Mapping | None):
        yield from (f"{at}/{name}: a reason of nothing" for name in (why or {}).keys() - value.keys())
        for name, one in value.items():
            yield from _unexplained(one, (why or {}).get(name), f"{at}/{name}")
    elif why is not None:
        yield f"{at}: a reason, {why}, of a value"


def _found(engine: Engine, case: Case) -> dict[str, tuple[MetricSpec, Score]]:
    found = asked(engine, VARIANTS, case)
    return {key: (VARIANTS[int(key.split()[0])], one) for key, one in found.items()}


@pytest.mark.parametrize("name", DEGENERATE)
def test_every_extra_is_there_and_every_null_has_its_reason(engine: Engine, name: str) -> None:
    """Of empty, full, ignored and weightless samples, and classes that are absent."""
    case = DEGENERATE[name]
    wrong = {key: found for key, pair in _found(engine, case).items() if (found := _wrong(pair[0], case, pair[1]))}
    assert wrong == {}


def test_every_metric_is_asked(engine: Engine) -> None:
    """No metric of the catalogue is left out of the samples."""
    names = {spec.name for name, case in DEGENERATE.items() if "ignored" not in name for spec in _fitting(engine, case)}
    assert names == {spec.name for spec in VARIANTS}


def _fitting(engine: Engine, case: Case) -> list[MetricSpec]:
    return [spec for spec, _ in _found(engine, case).values()]


@settings(max_examples=examples(30))
@given(case=cases())
def test_so_it_is_of_any_sample(engine: Engine, case: Case) -> None:
    """The same of samples that nobody thought of: infinite losses, soft targets, any weights."""
    wrong = {key: found for key, pair in _found(engine, case).items() if (found := _wrong(pair[0], case, pair[1]))}
    assert wrong == {}


@pytest.mark.parametrize("task", TASKS_OF_PIXELS)
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_score_has_the_same_members_of_every_sample(engine: Engine, task: Task, kind: PredictionKind) -> None:
    """Extras, the classes' values, and what a mean counted: what one sample has, all have, and a list as many entries."""
    ordinary = asked(engine, VARIANTS, DEGENERATE[f"{task}, {kind}, an ordinary one"])
    for name in PAIRS:
        for how in ("", ", ignored"):
            other = asked(engine, VARIANTS, DEGENERATE[f"{task}, {kind}, {name}{how}"])
            assert {key: _members(one) for key, one in other.items()} == {
                key: _members(ordinary[key]) for key in other
            }, name


def _members(score: Score) -> tuple[Any, ...]:
    counted = None if score.counted is None else score.counted + (score.skipped or 0)
    return {*(score.model_extra or {})}, None if score.per_class is None else len(score.per_class), counted


# ------------------------------------------------------------------------------------------------------- by their reasons


def _extras(engine: Engine, spec: MetricSpec, name: str) -> dict[str, Any]:
    found = score(engine, spec, DEGENERATE[name])
    return {**(found.model_extra or {}), "why": found.undefined_extras, "of": (found.counted, found.skipped)}


def test_only_means_of_classes_count_them(engine: Engine) -> None:
    """One value of all pixels counts no classes; the mean IoU of labels counts the IoUs that it is of, and those that left it."""
    name = "multilabel, probabilities, an ordinary one"
    for spec in (m.Dice(average="micro"), m.Dice(average="none"), m.RocAuc(average="micro"), m.Brier(), m.FocalLoss()):
        assert _extras(engine, spec, name)["of"] == (None, None)
    assert sum(_extras(engine, m.Dice(), name)["of"]) == 3
    found = _extras(engine, m.MeanIou(thresholds=[0.5, 0.9]), name)
    sides = np.array([found["foreground"], found["background"]], float)
    assert sides.shape == (2, 3, 2)
    assert found["of"] == (np.isfinite(sides).sum(), np.isnan(sides).sum())
    assert found["of"][1]


def test_qualities_of_objects_say_why_they_are_none(engine: Engine) -> None:
    """SQ is the mean of no IoU where nothing is matched; RQ is 0 then, and undefined only where there is no object at all."""
    apart = _extras(engine, m.PanopticQuality(), "binary, labels, no match")
    assert (apart["sq"], apart["rq"], apart["why"]) == (None, 0.0, {"sq": "no_match", "sq_mean": "no_match"})
    nothing = _extras(engine, m.PanopticQuality(), "binary, labels, both empty")
    assert (nothing["sq"], nothing["rq"], nothing["why"]) == (
        None,
        None,
        dict.fromkeys(("sq", "rq", "sq_mean", "rq_mean"), "both_empty"),
    )
    missed = _extras(engine, m.InstanceFBeta(), "binary, labels, the prediction empty")
    assert (missed["precision"], missed["recall"], missed["why"]) == (None, 0.0, {"precision": "prediction_empty"})
    classes = _extras(engine, m.PanopticQuality(), "multiclass, labels, no match")
    assert (classes["sq"], classes["why"]["sq"]) == ([None] * 3, {"0": "no_match", "1": "no_match", "2": "both_empty"})


def test_a_side_without_an_iou_is_seen_to_leave_the_mean(engine: Engine) -> None:
    """The mean of the thresholds counts its IoUs, and says which is missing and why."""
    nothing = _extras(engine, m.MeanIou(thresholds=[0.95]), "binary, labels, both empty")
    assert (nothing["foreground"], nothing["background"], nothing["per_threshold"]) == ([None], [1.0], [1.0])
    assert (nothing["why"], nothing["of"]) == ({"foreground": {"0": "both_empty"}}, (1, 1))
    alone = _extras(engine, m.MeanIou(include_background=False, thresholds=[0.5, 0.9]), "binary, labels, both empty")
    assert alone["why"]["per_threshold"] == {"0": "both_empty", "1": "both_empty"}
    assert alone["of"] == (0, 2)


def test_a_class_without_a_recall_is_seen_to_leave_the_mean(engine: Engine) -> None:
    """Balanced accuracy names the side that the target lacks."""
    nothing = _extras(engine, m.BalancedAccuracy(), "binary, labels, the target empty")
    assert (nothing["recall"], nothing["specificity"]) == (None, 0.5)
    assert (nothing["why"], nothing["of"]) == ({"recall": "target_empty"}, (1, 1))


def test_an_empty_bin_is_called_so(engine: Engine) -> None:
    """A diagram's nulls are bins without pixels, and the error counts the others."""
    sure = _extras(engine, m.CalibrationError(bins=3), "binary, probabilities, a perfect one")
    assert (sure["bin_accuracy"], sure["bin_count"]) == ([0.0, None, 1.0], [8.0, 0.0, 8.0])
    assert sure["why"] == {"bin_confidence": {"1": "empty_bin"}, "bin_accuracy": {"1": "empty_bin"}}
    assert sure["of"] == (2, 1)


def test_a_loss_of_nothing_has_no_share(engine: Engine) -> None:
    """The positives' share of a loss of 0 is undefined; where nothing counts all of it is, for one reason."""
    perfect = _extras(engine, m.FocalLoss(), "binary, probabilities, a perfect one")
    assert (perfect["positive_share"], perfect["why"]) == (None, {"positive_share": "no_loss"})
    ignored = _extras(engine, m.FocalLoss(), "binary, probabilities, both empty, ignored")
    assert ignored["why"] == dict.fromkeys(("positive", "negative", "positive_share"), "no_valid_pixels")


def test_a_curve_s_nulls_have_reasons_too(engine: Engine) -> None:
    """The first point of a ROC curve has no threshold; a class without a curve says why."""
    spec = m.RocAuc(curve="points")
    curve = _extras(engine, spec, "binary, probabilities, an ordinary one")
    assert curve["curve"]["thresholds"][0] is None
    assert curve["why"] == {"curve": {"thresholds": {"0": "above_all_values"}}}
    labels = _extras(engine, spec, "multilabel, probabilities, an ordinary one")
    assert labels["why"]["curve"]["2"] == "target_empty"
