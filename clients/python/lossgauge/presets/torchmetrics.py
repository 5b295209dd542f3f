"""TorchMetrics."""

from typing import Any

from lossgauge.presets.preset import ONE_OR_MORE_MASKS, Defect, Preset, Recipe, Unequalled
from lossgauge.tasks import Task

ZERO: dict[str, Any] = {"both": 0.0, "target": 0.0, "prediction": 0.0}
ABSENT: dict[str, Any] = {"both": "skip", "target": 0.0, "prediction": 0.0}
GLOBAL = "the whole batch together (multidim_average='global')"
NOTHING_LEFT = (
    "An ignore_index that is a class takes the class out of a macro mean. 0 where every pixel is ignored; here null with "
    "the reason `no_valid_pixels`."
)

ALL_IGNORED = "0 where every pixel is ignored too; here null with the reason `no_valid_pixels`."
BINNED = "thresholds=n is method `histogram` with n - 1 bins."
MEAN_IOU = " functional.segmentation.mean_iou is `empty` {both: skip} and `pooling` sample."
GENERALIZED: dict[str, Any] = {
    "soft": False,
    "weight_type": "square",
    "smooth_numerator": 0.0,
    "smooth_denominator": 0.0,
}
SCORE = "It is the score, 1 less our loss, of masks. weight_type 'linear' is `uniform`."


def _classification(metric: str, name: str, also: str = "", **more: Any) -> tuple[Recipe, ...]:
    """The three functions of a name: of one mask, of classes, of labels."""
    empties: dict[Task, dict[str, Any]] = {"binary": ZERO, "multiclass": ABSENT, "multilabel": ZERO}
    return tuple(
        Recipe(
            metric=metric,
            function=f"functional.classification.{task}_{name}",
            tasks=(task,),
            parameters={"average": "macro", "empty": empty, "pooling": "batch", **more},
            differs=f"It counts {GLOBAL}. {NOTHING_LEFT}{also}",
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


def _box_loss(metric: str, name: str) -> Recipe:
    return Recipe(
        metric=metric,
        function=f"1 - functional.detection.{name}_intersection_over_union",
        tasks=("boxes",),
        parameters={"zero_union": "undefined", "pooling": "batch"},
        differs="It is the score, 1 less our loss. iou_threshold puts the lesser ones to 0. Boxes without an area are NaN.",
        formula_of=f"torchvision.ops.{name}_box_iou, which it calls",
    )


def _squares(tasks: tuple[Task, ...], **more: Any) -> Recipe:
    return Recipe(
        metric="brier",
        function="functional.regression.mean_squared_error, of probabilities",
        tasks=tasks,
        parameters={**more, "pooling": "batch"},
        differs="It ignores no pixel. Of classes it takes one-hot targets. squared=False is the root of it.",
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
        *_classification("iou", "jaccard_index", also=MEAN_IOU),
        *_classification("precision", "precision"),
        *_classification("recall", "recall"),
        *_classification("fbeta", "f1_score", beta=1.0),
        _accuracy("binary", "macro", {"both": "formula"}),
        _accuracy("multiclass", "macro", ABSENT),
        _accuracy("multilabel", "macro", {"both": "formula"}),
        Recipe(
            metric="hausdorff",
            function="functional.segmentation.hausdorff_distance(include_background=True)",
            parameters={"border": "faces", "edge_is_border": True, "hd_mode": "max_of_directed"},
            differs="Square images only, see the defects. It ignores no pixel. One mask empty is inf; the preset keeps our rules.",
        ),
        Recipe(
            metric="mcc",
            function="functional.classification.<task>_matthews_corrcoef",
            parameters={"average": "micro", "empty": {"both": "formula"}, "zero_division": 0.0, "pooling": "batch"},
            differs="Labels are counted together. 0/0 is 0 of classes; of one mask, and of labels, see the defects.",
        ),
        Recipe(
            metric="kappa",
            function="functional.classification.<task>_cohen_kappa",
            tasks=("binary", "multiclass"),
            parameters={"average": "micro", "empty": {"both": "formula"}, "pooling": "batch"},
            differs="0/0 is NaN; here null.",
        ),
        Recipe(
            metric="roc_auc",
            function="functional.classification.<task>_auroc",
            parameters={"average": "macro", "empty": {"target": 0.0}, "no_negatives": 0.0, "pooling": "batch"},
            differs=(
                f"0 where the target has one class only, in a mean too. {ALL_IGNORED} thresholds=n is method `histogram` with "
                "n - 1 bins, but for what p = 1 adds: see the defects."
            ),
        ),
        Recipe(
            metric="average_precision",
            function="functional.classification.<task>_average_precision",
            tasks=ONE_OR_MORE_MASKS,
            parameters={"average": "macro", "empty": {"target": 0.0}, "pooling": "batch"},
            differs=f"0 where the target has no positive, in a mean too. {ALL_IGNORED} {BINNED}",
        ),
        Recipe(
            metric="average_precision",
            function="functional.classification.multiclass_average_precision",
            tasks=("multiclass",),
            parameters={"average": "macro", "pooling": "batch"},
            differs=(
                "A class that the target has not is NaN and leaves the mean, as here without; where the target has one class only, and "
                f"with thresholds=n, it is 0 and stays: `empty` {{target: 0}}. {BINNED}"
            ),
        ),
        Recipe(
            metric="calibration_error",
            function="functional.classification.<task>_calibration_error",
            tasks=("binary", "multiclass"),
            parameters={"bins": 15, "closed": "left", "norm": "l1", "pooling": "batch"},
            differs="norm and n_bins are `norm` and `bins`. A confidence of 1 has a bin of its own there. Classes in float32.",
        ),
        Recipe(
            metric="generalized_dice_loss",
            function="1 - functional.segmentation.generalized_dice_score",
            tasks=("binary",),
            parameters={**GENERALIZED, "include_background": False, "empty": {"both": 1.0, "target": 1.0}},
            differs=f"{SCORE} 0 where the target is empty, a correct empty mask too.",
        ),
        Recipe(
            metric="generalized_dice_loss",
            function="1 - functional.segmentation.generalized_dice_score",
            tasks=("multiclass", "multilabel"),
            parameters={**GENERALIZED, "absent": "skip", "empty": {"both": 1.0, "target": 1.0}},
            differs=f"{SCORE} A class that the target has not weighs nothing, in a batch of one; in others see the defects.",
        ),
        Recipe(
            metric="panoptic_quality",
            function="functional.detection.panoptic_quality(things, stuffs, allow_unknown_preds_category=True)",
            tasks=("instances",),
            parameters={"empty": {"both": "skip"}, "pooling": "batch"},
            differs=(
                "It takes (category, instance) pairs: an id here is category * `instance_divisor` + instance. Unknown categories of the "
                "target are void: ask with ignore_index. Unknown ones of the prediction see the defects."
            ),
        ),
        Recipe(
            metric="box_iou",
            function="functional.detection.intersection_over_union",
            tasks=("boxes",),
            parameters={"zero_union": "undefined", "pooling": "batch"},
            differs="iou_threshold puts the lesser ones to 0.",
            formula_of="torchvision.ops.box_iou, which it calls",
        ),
        _box_loss("giou_loss", "generalized"),
        _box_loss("diou_loss", "distance"),
        _box_loss("ciou_loss", "complete"),
        _squares(ONE_OR_MORE_MASKS),
        _squares(("multiclass",), class_reduction="mean"),
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
            function="functional.classification.<task>_matthews_corrcoef",
            what="Where MCC is 0/0 for one mask it is neither 0 nor undefined: 3 true and 1 false positive alone are 0.577.",
        ),
        Defect(
            function="functional.segmentation.generalized_dice_score",
            what="In a batch a class that a target has not takes the weight of another sample and class: scores depend on the batch.",
        ),
        Defect(
            function="functional.detection.panoptic_quality",
            what="Where the prediction has no category a target is not missed and leaves the union: objects left out cost nothing.",
        ),
        Defect(
            function="functional.classification.*, of predictions in general",
            what="Whether they are logits is guessed from the values: logits that all lie in [0, 1] are taken for probabilities.",
        ),
        Defect(
            function="functional.classification.*_auroc(thresholds=n)",
            what="The curve does not begin at (0, 0) where a pixel has p = 1: the area lacks what lies before.",
        ),
        Defect(
            function="functional.classification.*",
            what="0 where every pixel is ignored, as if all were wrong.",
        ),
    ),
    unequalled=(
        Unequalled(
            function="functional.classification.*_hamming_distance, *_negative_predictive_value, *_stat_scores",
            why="1 - accuracy, and what follows from the counts that confusion gives: no names of their own here.",
        ),
        Unequalled(
            function="functional.classification.multilabel_exact_match, multiclass_accuracy(top_k=2), multilabel_ranking_*",
            why="Of a pixel's labels or classes together; scores here are of each, and of the likeliest class.",
        ),
        Unequalled(
            function="functional.classification.*_at_fixed_*, *_eer, *_logauc",
            why="Points and parts of a curve; the `curve` of roc_auc and average_precision, and a sweep, have the points.",
        ),
        Unequalled(
            function="functional.classification.*_hinge_loss",
            why="The mean margin of each pixel; lovasz_hinge ranks the errors of a mask.",
        ),
        Unequalled(
            function="functional.detection.modified_panoptic_quality",
            why="Stuff is counted without matching; panoptic_quality matches all.",
        ),
        Unequalled(
            function="detection.MeanAveragePrecision",
            why="It ranks detections by a score, over images. Of objects without scores there are instance_fbeta and instance_precision.",
        ),
    ),
)
