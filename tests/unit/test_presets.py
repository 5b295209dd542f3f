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
def test_labels_have_no_background(name: str) -> None:
    """What a preset says of labels holds for regions, of which none is the background."""
    specs = [
        CATALOGUE[one.metric].model_validate(one.parameters)
        for one in PRESETS[name].recipes
        if "multilabel" in one.tasks
    ]
    assert [at for spec in specs for at in spec.without_class_0()] == []


@EACH
def test_every_library_says_what_it_was_compared_with(name: str) -> None:
    """A distribution and one version or more."""
    assert PRESETS[name].distribution
    assert PRESETS[name].versions


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("kornia", "lovasz_softmax_loss"),
        ("kornia", "tversky_loss"),
        ("torchmetrics", "hausdorff_distance"),
        ("monai", "HausdorffDistanceMetric"),
        ("monai", "FocalLoss(use_softmax=True, include_background=False)"),
        ("segmentation_models_pytorch", "class_weights"),
    ],
)
def test_what_is_no_oracle_is_named(name: str, function: str) -> None:
    """What is known to be wrong in a library is told in its preset."""
    assert [defect for defect in PRESETS[name].defects if function in defect.function]


@pytest.mark.parametrize("task", ["instances", "boxes"])
def test_a_preset_holds_for_objects_and_boxes(task: str) -> None:
    """Their tasks take presets as the others do."""
    metric = {"instances": "panoptic_quality", "boxes": "box_iou"}[task]
    question = {"task": task, "preset": "coco", "metrics": [metric]}
    recipe = PRESETS["coco"].recipe(metric, task)
    assert recipe is not None
    assert with_presets(question, CATALOGUE)["metrics"] == [{"name": metric, "preset": "coco", **recipe.parameters}]


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
