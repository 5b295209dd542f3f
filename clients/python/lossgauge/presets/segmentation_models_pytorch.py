"""segmentation_models_pytorch."""

from typing import Any

from lossgauge.presets.preset import ONE_OR_MORE_MASKS, Defect, Preset, Recipe, Unequalled

ABSENT: dict[str, Any] = {"both": 0.0, "target": 0.0}
ONE: dict[str, Any] = {"both": 1.0}
SUMMED: dict[str, Any] = {"smooth_numerator": 0.0, "smooth_denominator": 0.0, "soft_target": "l1"}
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
    note="its losses and metrics, loaded from their files: the whole package asks for torchvision",
    recipes=(
        Recipe(
            metric="dice_loss",
            function="losses.DiceLoss",
            parameters={**SUMMED, "empty": ABSENT, "pooling": "batch"},
            differs=f"{NO_TARGET} A label, or a batch, of which every pixel is ignored costs 0; here it is null.",
        ),
        Recipe(
            metric="iou_loss",
            function="losses.JaccardLoss",
            parameters={**SUMMED, "empty": ABSENT, "pooling": "batch"},
            differs=f"{NO_TARGET} A label, or a batch, of which every pixel is ignored costs 0; here it is null.",
        ),
        Recipe(
            metric="focal_loss",
            function="losses.FocalLoss",
            tasks=ONE_OR_MORE_MASKS,
            parameters={"alpha": None, "gamma": 2.0, "soft_target_pt": "exp", "pooling": "batch"},
            differs="alpha weighs positives (balanced); reduced_threshold is `reduced_threshold`. normalized divides by N once more.",
        ),
        Recipe(
            metric="focal_loss",
            function="losses.FocalLoss('multiclass')",
            tasks=("multiclass",),
            parameters={
                "alpha": None,
                "gamma": 2.0,
                "multiclass_mode": "one_vs_rest",
                "denominator": "elements",
                "pooling": "batch",
            },
            differs=(
                "One sigmoid a class, the mean of the classes' losses: of logits; from_logits=False takes the sigmoid of log p. alpha "
                "balances each class's mask, as here."
            ),
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
        Recipe(
            metric="tversky_loss",
            function="losses.TverskyLoss",
            parameters={"fp_weight": 0.5, "fn_weight": 0.5, **SUMMED, "empty": ABSENT, "pooling": "batch"},
            differs=f"{NO_TARGET} Its alpha weighs false positives. log_loss=True is the log of it.",
        ),
        Recipe(
            metric="focal_tversky_loss",
            function="losses.TverskyLoss(gamma=0.75)",
            tasks=("binary",),
            parameters={
                "fp_weight": 0.5,
                "fn_weight": 0.5,
                "gamma": 0.75,
                **SUMMED,
                "empty": ABSENT,
                "pooling": "batch",
            },
            differs="Of classes it raises the mean to gamma, not each class's loss: so of one mask only. gamma is 1 by default.",
        ),
        Recipe(
            metric="lovasz_hinge",
            function="losses.LovaszLoss('binary')",
            tasks=("binary",),
            parameters={"pooling": "batch"},
            differs="per_image=True is pooling `sample`. float32 only. Labels are ranked all together. 0 where all is ignored; here null.",
        ),
        Recipe(
            metric="lovasz_softmax",
            function="losses.LovaszLoss('multiclass')",
            tasks=("multiclass",),
            parameters={"classes": "present", "pooling": "batch"},
            differs="per_image=True is pooling `sample`. float32 only. 0 where all is ignored; here null.",
        ),
        Recipe(
            metric="balanced_accuracy",
            function="metrics.balanced_accuracy(reduction='macro-imagewise')",
            tasks=ONE_OR_MORE_MASKS,
            parameters={"threshold_side": "greater_equal", "absent": "undefined"},
            differs="1 where the target has one class only, see the defects; here null. Of classes it is of each against the rest.",
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
            function="metrics.balanced_accuracy",
            what="Where the target has one class only it is 1 (zero_division), however wrong the prediction is.",
        ),
        Defect(
            function="losses.LovaszLoss('multiclass')",
            what="Classes over one axis, (N, C, L), are taken for a sigmoid's output of one class, and refused.",
        ),
        Defect(
            function="losses.TverskyLoss(gamma=..)",
            what="The mean over classes is raised to gamma; the focal Tversky loss is the mean of each class's power.",
        ),
        Defect(
            function="losses.DiceLoss, losses.JaccardLoss, losses.TverskyLoss",
            what="False positives of a class that is absent from the batch's targets cost nothing.",
        ),
    ),
    unequalled=(
        Unequalled(
            function="metrics.accuracy, metrics.balanced_accuracy, of classes",
            why="Each class against the rest, averaged; accuracy here is of the pixels, or the mean of the recalls.",
        ),
        Unequalled(
            function=(
                "metrics.negative_predictive_value, false_negative_rate, false_positive_rate, false_discovery_rate, "
                "false_omission_rate, positive_likelihood_ratio, negative_likelihood_ratio"
            ),
            why="Ratios of the counts that confusion gives; the rates are 1 less recall, specificity and precision.",
        ),
        Unequalled(function="losses.MCCLoss", why="1 - MCC of probabilities, smoothed; mcc here is of masks."),
        Unequalled(
            function="losses.*(log_loss=True)", why="bce_log_dice and focal_log_dice have the log of dice only."
        ),
    ),
)
