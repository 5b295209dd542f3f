"""The presets' data, and how a question takes them."""

from typing import Any, get_args

import pytest
from lossgauge.metrics import CATALOGUE, Dice
from lossgauge.presets import PRESETS, PresetName
from lossgauge.presets.applied import with_presets
from lossgauge.wire import Question

EACH = pytest.mark.parametrize("name", PRESETS)


def test_every_name_has_its_preset() -> None:
    """The names that a request may give are those of the data, in order."""
    assert [*PRESETS] == [preset.name for preset in PRESETS.values()]
    assert sorted(PRESETS) == sorted(get_args(PresetName))


@EACH
def test_every_recipe_is_one_that_its_metric_takes(name: str) -> None:
    """The metric is of the catalogue, has the tasks, and takes the parameters; none is said twice for a task."""
    told = [(recipe.metric, task) for recipe in PRESETS[name].recipes for task in recipe.tasks]
    assert len(told) == len(set(told))
    for recipe in PRESETS[name].recipes:
        spec = CATALOGUE[recipe.metric].model_validate(recipe.parameters)
        assert set(recipe.tasks) <= set(spec.about.tasks)
        assert not {"key", "preset", "name"} & recipe.parameters.keys()


@EACH
def test_every_library_says_what_it_was_compared_with(name: str) -> None:
    """A distribution and one version or more."""
    assert PRESETS[name].distribution
    assert PRESETS[name].versions


def test_a_question_without_presets_is_left_alone() -> None:
    """Not even copied."""
    question = {"task": "binary", "metrics": ["dice", {"name": "iou"}, Dice()]}
    assert with_presets(question, CATALOGUE) is question


@pytest.mark.parametrize(
    "question",
    [None, [], {}, {"metrics": 3, "preset": "monai"}, {"metrics": ["dice"], "preset": "monai", "task": "none"}],
)
def test_what_is_no_question_is_left_to_validation(question: Any) -> None:
    """Whatever is wrong with its form is told elsewhere."""
    assert with_presets(question, CATALOGUE) is question


def test_resolving_twice_is_resolving_once() -> None:
    """A resolved question, asked again, is the same."""
    first = Question.model_validate(
        {"task": "multiclass", "prediction_kind": "logits", "preset": "torchmetrics", "metrics": ["iou", "accuracy"]}
    )
    again = Question.model_validate(first.model_dump(exclude_unset=True))
    assert again == first
    assert again.metrics[0].preset == "torchmetrics"
