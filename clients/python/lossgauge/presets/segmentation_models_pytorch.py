"""segmentation_models_pytorch."""

from typing import Any

from lossgauge.presets.preset import ONE_OR_MORE_MASKS, Defect, Preset, Recipe

ABSENT: dict[str, Any] = {"both": 0.0, "target": 0.0}
ONE: dict[str, Any] = {"both": 1.0}
FROM_ONE = {"smooth_numerator": 0.0, "smooth_denominator": 0.0}
NO_TARGET = "It sums over the batch. A class that the target has not costs nothing, whatever is predicted of it."


def _counted(metric: str, function: str, zero_division: dict[str, Any], **more: Any) -> Recipe:
    """A score of counts: macro-imagewise, and 1 where it is 0/0."""
    return Recipe(
        metric=metric,
        function=f"metrics.{function}(reduction='macro-imagewise')",
        tasks=ONE_OR_MORE_MASKS if metric == "accuracy" else ("binary", "multiclass", "multilabel"),
        parameters={"threshold_side": "greater_equal", "average": "macro", "empty": zero_division, **more},
        differs="Its default reduction is none: a value per sample and class. get_stats ignores pixels of classes only.",
    )


SMP = Preset(
    name="segmentation_models_pytorch",
    library="segmentation_models_pytorch",
    distribution="segmentation_models_pytorch",
    versions=("0.6.0",),
    checked="library",
    recipes=(
        Recipe(
            metric="dice_loss",
            function="losses.DiceLoss",
            parameters={**FROM_ONE, "empty": ABSENT, "pooling": "batch"},
            differs=f"{NO_TARGET} A label, or a batch, of which every pixel is ignored costs 0; here it is null.",
        ),
        Recipe(
            metric="iou_loss",
            function="losses.JaccardLoss",
            parameters={**FROM_ONE, "empty": ABSENT, "pooling": "batch"},
            differs=f"{NO_TARGET} A label, or a batch, of which every pixel is ignored costs 0; here it is null.",
        ),
        Recipe(
            metric="focal_loss",
            function="losses.FocalLoss",
            tasks=ONE_OR_MORE_MASKS,
            parameters={"alpha": None, "gamma": 2.0, "soft_target_pt": "exp", "pooling": "batch"},
            differs="mode='multiclass' is one sigmoid a class: ask task multilabel with one-hot targets for it.",
        ),
        Recipe(
            metric="cross_entropy",
            function="losses.SoftBCEWithLogitsLoss",
            tasks=ONE_OR_MORE_MASKS,
            parameters={"ignore_denominator": "all", "pooling": "batch"},
            differs="Ignored pixels count in its denominator; ignore_index is -100 by default.",
        ),
        Recipe(
            metric="cross_entropy",
            function="losses.SoftCrossEntropyLoss(smooth_factor=0.0)",
            tasks=("multiclass",),
            parameters={"ignore_denominator": "all", "pooling": "batch"},
            differs="Ignored pixels count in its denominator. smooth_factor is `label_smoothing`, of valid pixels only.",
        ),
        _counted("iou", "iou_score", ONE),
        _counted("fbeta", "f1_score", ONE, beta=1.0),
        _counted("precision", "precision", {"both": 1.0, "prediction": 1.0}),
        _counted("recall", "recall", {"both": 1.0, "target": 1.0}),
        _counted("specificity", "specificity", {"both": "formula"}, no_negatives=1.0),
        _counted("accuracy", "accuracy", {"both": "formula"}),
    ),
    defects=(
        Defect(
            function="metrics.*(reduction='macro', 'macro-imagewise' or 'weighted-imagewise', class_weights=..)",
            what="The weights are divided by their sum and their products averaged again: C times too small.",
        ),
        Defect(
            function="losses.DiceLoss, losses.JaccardLoss",
            what="False positives of a class that is absent from the batch's targets cost nothing.",
        ),
    ),
)
