"""Every recipe of every preset equals its library, on samples of all kinds, nasty ones among them."""

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from lossgauge.presets import PRESETS, Preset, Recipe
from lossgauge.tasks import TASKS_OF_PIXELS, Task
from lossgauge.wire import Question, Score
from lossgauge_service.engine import Engine
from lossgauge_service.outcomes import Outcomes
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import sample_of

from tests.peers.batch import Batch
from tests.peers.objects import boxes, id_maps, some_boxes, some_ids
from tests.peers.peer import Peer
from tests.reference import Case
from tests.strategies import cases

pytestmark = pytest.mark.filterwarnings("ignore")
RECIPES = [
    pytest.param(preset, recipe, task, id=f"{preset.name}-{recipe.metric}-{task}")
    for preset in PRESETS.values()
    for recipe in preset.recipes
    for task in recipe.tasks
]
IS_REQUIRED = os.environ.get("LOSSGAUGE_PEERS") == "required"
EXAMPLES = 40 if IS_REQUIRED else 5
SPACING = (2.5, 1.0, 0.5)
NO_MORE: Mapping[str, Any] = MappingProxyType({})
each_recipe = pytest.mark.parametrize(("preset", "recipe", "task"), RECIPES)
each_preset = pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)


def peers_of(preset: Preset) -> dict[tuple[str, str], Peer]:
    """What stands beside a preset; skips where its library is not installed, or fails where that is required."""
    if preset.checked == "library":
        _installed(preset)
    found: dict[tuple[str, str], Peer] = import_module(_module(preset)).PEERS
    return found


def _module(preset: Preset) -> str:
    return f"tests.peers.{preset.name.replace('-', '_')}"


def _installed(preset: Preset) -> str:
    try:
        return version(preset.distribution)
    except PackageNotFoundError:
        missing = f"{preset.distribution} is not installed"
        (pytest.fail if IS_REQUIRED else pytest.skip)(missing)


def ours(
    engine: Engine,
    preset: Preset,
    metric: str,
    batch: Batch,
    parameters: Mapping[str, Any] = NO_MORE,
    regions: list[list[int]] | None = None,
) -> float | None:
    """Our value of a batch, asked with the preset and what parameters or regions are given; None where it is undefined."""
    first = batch.first
    question = Question.model_validate(
        {
            "task": first.task,
            "prediction_kind": first.prediction_kind,
            "target_kind": first.target_kind,
            "num_classes": first.num_classes,
            "ignore_index": first.ignore_index,
            "threshold": first.threshold,
            "precision": "float64",
            "spacing": None if first.spacing is None else list(first.spacing),
            "regions": regions,
            "preset": preset.name,
            "metrics": [{"name": metric, **parameters}],
        }
    )
    plan = plan_for(question)
    samples = [sample_of(question, case.prediction, case.target, case.weight) for case in batch.cases]
    outcomes: Outcomes = engine.run(plan, samples)
    scores = [found for found in plan.scores(outcomes) if isinstance(found, dict)]
    assert len(scores) == len(samples)
    found = plan.summary(scores, outcomes.groups)[metric].value
    return None if _is_nothing(scores, metric) else found


def _is_nothing(scores: Sequence[dict[str, Score]], metric: str) -> bool:
    return all(score[metric].value is None for score in scores)


def agree(expected: float, found: float | None, tolerance: float) -> bool:
    """The same number, or none on both sides."""
    if found is None:
        return math.isnan(expected)
    return found == pytest.approx(expected, rel=tolerance, abs=tolerance)


@each_recipe
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_a_sample_s_score_is_the_library_s(
    engine: Engine, preset: Preset, recipe: Recipe, task: Task, data: st.DataObject
) -> None:
    """One sample: 1 x n to four axes, empty and full masks, absent classes, certain logits, soft and ignored where taken."""
    peer = peers_of(preset)[recipe.metric, task]
    case = data.draw(_often_fitting(task, peer) if peer.rarely else _samples(task, peer))
    fits = (case.pixel_weight * case.valid).any() and peer.takes(case)
    if peer.rarely and not fits:
        return
    assume(fits)
    batch = Batch([case])
    expected = peer.run(batch)
    found = ours(engine, preset, recipe.metric, batch)
    assert agree(expected, found, peer.tolerance), f"{preset.name} has {expected}, ours is {found}"


@st.composite
def _often_fitting(draw: st.DrawFn, task: Task, peer: Peer) -> Case:
    found = [draw(_samples(task, peer)) for _ in range(4)]
    return next(filter(peer.takes, found), found[0])


def _samples(task: Task, peer: Peer) -> st.SearchStrategy[Case]:
    if task == "boxes":
        return boxes()
    if task == "instances":
        return id_maps(peer)
    return cases(
        tasks=(task,),
        kinds=peer.kinds,
        soft_targets=peer.soft,
        weights=peer.weights,
        ignored=peer.ignored,
        label_weights=False,
    )


def batches(task: Task, peer: Peer, num_classes: int | None = None) -> Iterator[Batch]:
    """Four random samples of one shape, by kind of prediction: of two axes, square ones too, and of three.

    As they are, and, where the library takes these, with soft targets, with ignored pixels and with weight maps.
    """
    rng = np.random.default_rng(11)
    for kind in peer.kinds:
        for shape in ((6, 9), (7, 7), (3, 4, 5)):
            drawn = [_drawn(rng, task, kind, shape, peer, num_classes) for _ in range(4)]
            for form in _forms(task, peer):
                formed = [form(rng, case) for case in drawn]
                if all(peer.takes(case) for case in formed):
                    yield Batch(formed)


Form = Callable[[np.random.Generator, Case], Case]


def _forms(task: Task, peer: Peer) -> list[Form]:
    of_pixels = task in TASKS_OF_PIXELS
    asked = ((peer.soft and task != "multiclass", _softened), (peer.ignored and of_pixels, _ignoring))
    forms = [form for is_taken, form in (*asked, (peer.weights and of_pixels, _weighed)) if is_taken]
    return [lambda rng, case: case, *forms]


def _softened(rng: np.random.Generator, case: Case) -> Case:
    return replace(case, target=rng.random(case.target.shape), target_kind="probabilities")


def _ignoring(rng: np.random.Generator, case: Case) -> Case:
    return replace(case, target=np.where(rng.random(case.target.shape) < 0.2, 255, case.target), ignore_index=255)


def _weighed(rng: np.random.Generator, case: Case) -> Case:
    shape = case.target.shape[case.task == "multilabel" :]
    return replace(case, weight=rng.uniform(0.25, 3, shape))


def _drawn(
    rng: np.random.Generator, task: Task, kind: str, shape: tuple[int, ...], peer: Peer, num_classes: int | None
) -> Case:
    if task == "boxes":
        return some_boxes(rng)
    if task == "instances":
        return some_ids(rng, shape, peer, num_classes)
    classes = 1 if task == "binary" else 3
    whole = shape if task == "binary" else (classes, *shape)
    x = rng.normal(0, 2, whole)
    target = rng.integers(0, classes, shape) if task == "multiclass" else rng.integers(0, 2, whole)
    e = np.exp(x)
    p = e / e.sum(0) if task == "multiclass" else e / (1 + e)
    labels = x.argmax(0) if task == "multiclass" else (x > 0).astype(np.int64)
    prediction = {"logits": x, "probabilities": p, "labels": labels}[kind]
    return Case(
        prediction=prediction,
        target=target,
        task=task,
        prediction_kind=kind,  # type: ignore[arg-type]  # one of the peer's kinds
        num_classes=None if task == "binary" else classes,
        spacing=SPACING[: len(shape)] if peer.spaced else None,
    )


@each_recipe
def test_a_batch_s_score_is_the_library_s(engine: Engine, preset: Preset, recipe: Recipe, task: Task) -> None:
    """Four samples together: the mean of samples, or the score of them all, as the library has it."""
    peer = peers_of(preset)[recipe.metric, task]
    checked = [(peer.run(batch), ours(engine, preset, recipe.metric, batch)) for batch in batches(task, peer)]
    assert checked
    assert [pair for pair in checked if not agree(*pair, peer.tolerance)] == []


@each_preset
def test_what_a_recipe_says_of_more_parameters_is_so(engine: Engine, preset: Preset) -> None:
    """The library's other arguments are the parameters that the recipe names: the same batches, asked with these."""
    peers_of(preset)
    module = import_module(_module(preset))
    wrong = []
    for metric, task, parameters, peer in getattr(module, "MORE", ()):
        classes = 3 if "instance_divisor" in parameters else None
        checked = [
            (peer.run(batch), ours(engine, preset, metric, batch, parameters)) for batch in batches(task, peer, classes)
        ]
        assert checked, f"{metric} {task} {parameters} has no batch"
        wrong += [(metric, task, parameters, *pair) for pair in checked if not agree(*pair, peer.tolerance)]
    assert wrong == []


@each_preset
def test_what_a_preset_says_of_labels_holds_for_regions(engine: Engine, preset: Preset) -> None:
    """A region is a mask, none of them the background: all are in the library's mean, the first one too."""
    peers_of(preset)
    module = import_module(_module(preset))
    for metric, regions, peer in getattr(module, "REGIONS", ()):
        checked = [
            (peer.run(batch), ours(engine, preset, metric, batch, regions=regions))
            for batch in batches("multiclass", peer)
        ]
        assert checked
        assert [(metric, regions, *pair) for pair in checked if not agree(*pair, peer.tolerance)] == []


@each_preset
def test_every_peer_has_its_recipe(preset: Preset) -> None:
    """Nothing is compared that the preset does not say."""
    if preset.recipes:
        told = {(recipe.metric, task) for recipe in preset.recipes for task in recipe.tasks}
        assert set(peers_of(preset)) == told


@each_preset
def test_the_version_is_one_that_the_preset_names(preset: Preset) -> None:
    """What runs here is what the preset says that it was compared with."""
    if preset.checked == "library":
        assert _installed(preset).partition("+")[0] in preset.versions
