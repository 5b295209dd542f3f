"""Laws that every metric of the catalogue is held to, or is excused from by name."""

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from lossgauge import metrics as m
from lossgauge.metrics import CATALOGUE, MetricSpec
from lossgauge.metrics.spec import badness
from lossgauge.wire import Score
from lossgauge_service.engine import Engine
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import sample_of

from tests import laws
from tests.laws import LAWS
from tests.reference import Case
from tests.reference.case import AnyArray
from tests.scoring import Precision, asked, disagreements, finished, fitting, keyed, question_of
from tests.specs import VARIANTS
from tests.strategies import CERTAIN_LOGITS, cases

SEEDS = st.integers(0, 2**32 - 1)
NEW_FILE = "a new file of specs is a family: tests/laws.py has to name it, and to say which laws hold for it"

# ------------------------------------------------------------------------------------------------------------- catalogue


@pytest.mark.parametrize("name", LAWS)
def test_a_law_names_every_metric_once(name: str) -> None:
    """A metric is held to a law or excused from it: a new one cannot dodge."""
    law = LAWS[name]
    assert set(CATALOGUE) == law.holds | set(law.not_for), NEW_FILE
    assert set() == law.holds & set(law.not_for)


def test_every_metric_is_held_to_a_law() -> None:
    """No metric is excused from all of them."""
    assert set(CATALOGUE) == frozenset().union(*(law.holds for law in LAWS.values()))


def test_a_metric_is_of_one_family() -> None:
    """The families that the laws speak of divide the catalogue."""
    assert set(CATALOGUE) - laws.EVERY == set(), NEW_FILE
    assert sorted(CATALOGUE) == sorted(name for family in laws.FAMILIES for name in family)


@pytest.mark.parametrize("name", LAWS)
def test_every_metric_that_a_law_holds_for_is_asked(name: str) -> None:
    """No excuse takes out all variants of a metric, and none is idle."""
    law = LAWS[name]
    held = [spec for spec in VARIANTS if spec.name in law.holds]
    idle = [reason for reason, condition in law.unless.items() if not any(map(condition, held))]
    assert law.holds == {spec.name for spec in law.specs}
    assert idle == []


# ---------------------------------------------------------------------------------------------------------------- pixels


def pixel_axes(case: Case) -> tuple[int, ...]:
    """How many pixels there are along each axis."""
    return case.target.shape[1:] if case.task == "multilabel" else case.target.shape


def each_array(case: Case, change: Any) -> Case:
    """The case with its prediction, target and weight changed."""
    weight = None if case.weight is None else change(case.weight)
    return replace(case, prediction=change(case.prediction), target=change(case.target), weight=weight)


@given(case=cases(), seed=SEEDS)
def test_the_order_of_pixels_does_not_matter(engine: Engine, case: Case, seed: int) -> None:
    """An image with its pixels permuted has the same scores."""
    axes = pixel_axes(case)
    order = np.random.default_rng(seed).permutation(int(np.prod(axes)))

    def permuted(array: AnyArray) -> AnyArray:
        leading = array.shape[: array.ndim - len(axes)]
        return array.reshape(*leading, -1)[..., order].reshape(array.shape)

    specs = laws.PERMUTED_PIXELS.specs
    assert disagreements(asked(engine, specs, case), asked(engine, specs, each_array(case, permuted))) == {}


@given(case=cases(), widths=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=4, max_size=4))
def test_ignored_padding_does_not_matter(engine: Engine, case: Case, widths: list[tuple[int, int]]) -> None:
    """An image in a frame of ignored pixels has the same scores."""
    label = 255 if case.ignore_index is None else case.ignore_index
    frame = widths[: len(pixel_axes(case))]

    def padded(array: AnyArray, **how: Any) -> AnyArray:
        return np.pad(array, [(0, 0)] * (array.ndim - len(frame)) + frame, **how)

    whole = replace(case, ignore_index=label)
    framed = each_array(whole, lambda array: padded(array, mode="edge"))
    framed = replace(framed, target=padded(case.target, constant_values=label))
    specs = laws.PADDED_AND_IGNORED.specs
    assert disagreements(asked(engine, specs, whole), asked(engine, specs, framed)) == {}


@given(case=cases(), data=st.data())
def test_tiles_add_up(engine: Engine, case: Case, data: st.DataObject) -> None:
    """The sums of an image's two parts, wherever it is cut, are added up to the scores of the whole."""
    length = pixel_axes(case)[-1]
    assume(length > 1)
    cut = data.draw(st.integers(1, length - 1))
    parts = [each_array(case, lambda a: a[..., :cut]), each_array(case, lambda a: a[..., cut:])]
    whole, added = _whole_and_added(engine, case, parts)
    assert disagreements(whole, added) == {}


def _whole_and_added(engine: Engine, case: Case, parts: list[Case]) -> tuple[Mapping[str, Score], Mapping[str, Score]]:
    question = question_of(case, keyed(laws.TILES_ADD_UP.specs))
    samples = [sample_of(question, part.prediction, part.target, part.weight) for part in (case, *parts)]
    kind = samples[0].case
    plan = plan_for(question.model_copy(update={"metrics": fitting(question.metrics, question, kind)}))
    [group] = engine.run(plan, samples).groups
    added = group.sums.rows([1]) + group.sums.rows([2])
    return finished(plan, group.sums, kind)[0], finished(plan, added, kind)[0]


# --------------------------------------------------------------------------------------------------------------- classes


@given(case=cases(tasks=("multiclass", "multilabel")), seed=SEEDS)
def test_renaming_classes_permutes_their_values(engine: Engine, case: Case, seed: int) -> None:
    """Under new names for its classes a score has the same value, and the classes' values change places."""
    assume(_without_ties(case))
    order = np.random.default_rng(seed).permutation(case.classes)
    specs = laws.RENAMED_CLASSES.specs
    before, after = (asked(engine, specs, one) for one in (case, _renamed(case, order)))
    expected = {key: _in_order(score, order) for key, score in before.items()}
    assert (
        disagreements(expected, {key: _in_order(score, np.arange(case.classes)) for key, score in after.items()}) == {}
    )


def _without_ties(case: Case) -> bool:
    """Whether no pixel has two greatest values: of these the first class is taken, and a name decides."""
    if case.task != "multiclass" or case.prediction_kind == "labels":
        return True
    return bool(np.all(np.sum(case.prediction == case.prediction.max(0), 0) == 1))


def _renamed(case: Case, order: AnyArray) -> Case:
    """Class order[i] becomes class i."""
    if case.task == "multilabel":
        return each_array(case, lambda a: a[order] if a.ndim == case.target.ndim else a)
    names = np.argsort(order)
    target = np.where(case.valid, names[np.clip(case.target, 0, case.classes - 1)], 255)
    prediction = names[case.prediction] if case.prediction_kind == "labels" else case.prediction[order]
    return replace(case, prediction=prediction, target=target, ignore_index=255)


def _in_order(score: Score, order: AnyArray) -> Score:
    """What a score says of its value and of each class, the classes in a new order."""
    lists = {name: score.model_dump().get(name) for name in ("per_class", "tp", "fp", "fn", "tn")}
    moved = {name: [values[c] for c in order] for name, values in lists.items() if values is not None}
    return Score.model_validate({"value": score.value, "undefined": score.undefined, **moved})


# ---------------------------------------------------------------------------------------------------------- both together


@given(case=cases(kinds=("labels",), soft_targets=False, ignored=False))
def test_symmetric_scores_do_not_ask_which_is_the_target(engine: Engine, case: Case) -> None:
    """Two masks that change places have the same score."""
    specs = laws.SWAPPED_MASKS.specs
    swapped = replace(case, prediction=case.target, target=case.prediction)
    there, back = (_values(asked(engine, specs, one)) for one in (case, swapped))
    assert disagreements(there, back) == {}


def _values(scores: Mapping[str, Score]) -> dict[str, Score]:
    return {key: Score(value=score.value) for key, score in scores.items()}


@given(case=cases(kinds=("labels",), soft_targets=False, ignored=False))
def test_precision_of_swapped_masks_is_recall(engine: Engine, case: Case) -> None:
    """What the one divides by the other's mask, the other divides by the one's."""
    swapped = replace(case, prediction=case.target, target=case.prediction)
    [there] = asked(engine, [m.Precision()], case).values()
    [back] = asked(engine, [m.Recall()], swapped).values()
    assert (there.value, there.per_class) == (back.value, back.per_class)


@given(case=cases(weights=False, soft_targets=False, ignored=False))
def test_a_perfect_prediction_is_best(engine: Engine, case: Case) -> None:
    """No prediction scores better than the target itself, in the direction that the catalogue tells."""
    specs = laws.PERFECT_IS_BEST.specs
    best, other = (asked(engine, specs, one) for one in (_perfect(case), case))
    assert [key for key in best if _is_beaten(specs[int(key.split()[0])], best[key], other[key])] == []


def _perfect(case: Case) -> Case:
    """The case with its target as the prediction, as certain as the kind can be."""
    if case.prediction_kind == "labels":
        return replace(case, prediction=case.target)
    hot = (
        case.target
        if case.task != "multiclass"
        else np.arange(case.classes).reshape(-1, *[1] * case.target.ndim) == case.target
    )
    sure = np.asarray(hot, np.float64)
    return replace(case, prediction=1e4 * (2 * sure - 1) if case.prediction_kind == "logits" else sure)


def _is_beaten(spec: MetricSpec, best: Score, other: Score) -> bool:
    """Whether the other value is better; where there is none, whether any class's is."""
    both_valued = best.value is not None and other.value is not None
    pairs = (
        [(best.value, other.value)] if both_valued else zip(best.per_class or [], other.per_class or [], strict=True)
    )
    return any(a is not None and b is not None and _is_worse(spec, a, b) for a, b in pairs)


def _is_worse(spec: MetricSpec, value: float, other: float) -> bool:
    return badness(spec.about.direction, value) > badness(spec.about.direction, other) + 1e-12


# ---------------------------------------------------------------------------------------------------------------- values


@given(case=cases(), precision=st.sampled_from(("float64", "float32")))
def test_scores_lie_in_their_range(engine: Engine, case: Case, precision: Precision) -> None:
    """Every value, and every class's, is in the interval that the catalogue tells."""
    specs = laws.WITHIN_ITS_RANGE.specs
    slack = {"float64": 1e-12, "float32": 1e-6}[precision]
    found = asked(engine, specs, case, precision)
    outside = {key: score for key, score in found.items() if not _is_within(specs[int(key.split()[0])], score, slack)}
    assert outside == {}


NAMED = {"log(cosh(1))": math.log(math.cosh(1))}
"""The ends of a range that are told by their formula."""


def _is_within(spec: MetricSpec, score: Score, slack: float) -> bool:
    interval = re.match(r"[\[(](\S+), (\S+)[\])]", spec.about.range)
    assert interval is not None
    low, high = (NAMED.get(end) or float(end) for end in interval.groups())
    numbers = [number for number in (score.value, *(score.per_class or [])) if number is not None]
    return all(low - slack <= number <= high + slack for number in numbers)


@given(case=cases(kinds=("logits",), extremes=False))
def test_logits_agree_with_their_probabilities(engine: Engine, case: Case) -> None:
    """Logits score as the sigmoid or softmax of them does."""
    # a multiple of 2**-10: what differs as a logit differs as a probability
    logits = np.round(case.prediction * 1024) / 1024
    specs = laws.LOGITS_AND_THEIR_PROBABILITIES.specs
    of_logits = asked(engine, specs, replace(case, prediction=logits))
    of_probabilities = asked(
        engine, specs, replace(case, prediction=_probability(case, logits), prediction_kind="probabilities")
    )
    assert disagreements(of_logits, of_probabilities, 1e-9, 1e-11) == {}


def _probability(case: Case, x: AnyArray) -> AnyArray:
    if case.task != "multiclass":
        return np.asarray(1 / (1 + np.exp(-x)))
    e = np.exp(x - x.max(0))
    return np.asarray(e / e.sum(0))


@given(case=cases(kinds=("logits",)), precision=st.sampled_from(("float64", "float32")), data=st.data())
def test_certain_logits_stay_finite(engine: Engine, case: Case, precision: Precision, data: st.DataObject) -> None:
    """Logits of +-1e4, right or wrong, never make a score infinite."""
    seed = data.draw(SEEDS)
    certain = np.random.default_rng(seed).choice(CERTAIN_LOGITS, case.prediction.shape)
    found = asked(engine, laws.CERTAIN_LOGITS_STAY_FINITE.specs, replace(case, prediction=certain), precision)
    assert {key: score for key, score in found.items() if "infinite" in _reasons(score)} == {}


def _reasons(score: Score) -> set[str | None]:
    return {score.undefined, *(score.undefined_classes or {}).values()}
