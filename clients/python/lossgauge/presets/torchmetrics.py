"""TorchMetrics."""

from typing import Any

from lossgauge.presets.preset import Defect, Preset, Recipe, Task

ZERO: dict[str, Any] = {"both": 0.0, "target": 0.0, "prediction": 0.0}
ABSENT: dict[str, Any] = {"both": "skip", "target": 0.0, "prediction": 0.0}
GLOBAL = "the whole batch together (multidim_average='global')"
NOTHING_LEFT = (
    "An ignore_index that is a class takes the class out of a macro mean. 0 where every pixel is ignored; here null with "
    "the reason `no_valid_pixels`."
)


def _classification(metric: str, name: str, **more: Any) -> tuple[Recipe, ...]:
    """The three functions of a name: of one mask, of classes, of labels."""
    empties: dict[Task, dict[str, Any]] = {"binary": ZERO, "multiclass": ABSENT, "multilabel": ZERO}
    return tuple(
        Recipe(
            metric=metric,
            function=f"functional.classification.{task}_{name}",
            tasks=(task,),
            parameters={"average": "macro", "empty": empty, "pooling": "batch", **more},
            differs=f"It counts {GLOBAL}. {NOTHING_LEFT}",
        )
        for task, empty in empties.items()
    )


def _accuracy(task: Task, average: str, empty: dict[str, Any]) -> Recipe:
    return Recipe(
        metric="accuracy",
        function=f"functional.classification.{task}_accuracy",
        tasks=(task,),
        parameters={"average": average, "empty": empty, "pooling": "batch"},
        differs=f"Its default of classes is macro, the mean of the recalls. It counts {GLOBAL}. {NOTHING_LEFT}",
    )


def _specificity(task: Task, empty: dict[str, Any]) -> Recipe:
    return Recipe(
        metric="specificity",
        function=f"functional.classification.{task}_specificity",
        tasks=(task,),
        parameters={"average": "macro", "empty": empty, "no_negatives": 0.0, "pooling": "batch"},
        differs=f"It counts {GLOBAL}. {NOTHING_LEFT}",
    )


TORCHMETRICS = Preset(
    name="torchmetrics",
    library="TorchMetrics",
    distribution="torchmetrics",
    versions=("1.9.0",),
    checked="library",
    recipes=(
        Recipe(
            metric="dice",
            function="functional.segmentation.dice_score",
            parameters={"average": "macro", "empty": {"both": "skip"}},
            differs=(
                "It ignores no pixel. Its class form DiceScore has average='micro' and include_background=True; the function "
                "macro. A class in neither mask leaves the mean, as here."
            ),
        ),
        *_classification("iou", "jaccard_index"),
        *_classification("precision", "precision"),
        *_classification("recall", "recall"),
        *_classification("fbeta", "f1_score", beta=1.0),
        _accuracy("binary", "macro", {"both": "formula"}),
        _accuracy("multiclass", "macro", ABSENT),
        _accuracy("multilabel", "macro", {"both": "formula"}),
        _specificity("binary", {"both": "formula"}),
        _specificity("multiclass", {"both": "skip"}),
        _specificity("multilabel", {"both": "formula"}),
        Recipe(
            metric="confusion",
            function="functional.classification.<task>_confusion_matrix",
            parameters={"pooling": "batch"},
            differs="Its matrix is `matrix` (classes) or tn, fp, fn, tn; the value is ours.",
        ),
    ),
    defects=(
        Defect(
            function="functional.segmentation.hausdorff_distance",
            what="Wrong where height and width differ: one pixel at (1, 1) and one at (5, 7) of 8 x 16 have the distance 3, not 7.2.",
        ),
        Defect(
            function="functional.classification.*",
            what="0 where every pixel is ignored, as if all were wrong.",
        ),
    ),
)
