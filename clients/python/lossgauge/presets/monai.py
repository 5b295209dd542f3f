"""MONAI."""

from typing import Any

from lossgauge.presets.preset import ONE_OR_MORE_MASKS, Defect, Preset, Recipe

SMOOTH = 1e-5
SKIPPED: dict[str, Any] = {"both": "skip", "target": "skip"}
FORMULA: dict[str, Any] = {"both": "formula"}
BINARISED = "It takes masks, made before it, and ignores no pixel."
MISSED = (
    "ignore_empty=True, its default: false positives on an empty target leave the mean; so they do with this preset."
)


def _confusion(metric: str, name: str, **more: Any) -> Recipe:
    return Recipe(
        metric=metric,
        function=f"metrics.ConfusionMatrixMetric(metric_name='{name}', compute_sample=True)",
        tasks=ONE_OR_MORE_MASKS if metric == "accuracy" else ("binary", "multiclass", "multilabel"),
        parameters={"average": "macro", "empty": FORMULA, **more},
        differs=f"{BINARISED} Without compute_sample it averages the counts over samples and classes first. 0/0 leaves the mean.",
    )


MONAI = Preset(
    name="monai",
    library="MONAI",
    distribution="monai",
    versions=("1.6.1",),
    checked="library",
    recipes=(
        Recipe(
            metric="dice", function="metrics.DiceMetric", parameters={"empty": SKIPPED}, differs=f"{BINARISED} {MISSED}"
        ),
        Recipe(
            metric="iou", function="metrics.MeanIoU", parameters={"empty": SKIPPED}, differs=f"{BINARISED} {MISSED}"
        ),
        Recipe(
            metric="dice_loss",
            function="losses.DiceLoss(sigmoid=True), or softmax=True",
            parameters={"smooth_numerator": SMOOTH, "smooth_denominator": SMOOTH, "empty": FORMULA},
            differs="squared_pred=True is `squared`; include_background=False is `include_background`.",
        ),
        Recipe(
            metric="iou_loss",
            function="losses.DiceLoss(jaccard=True)",
            parameters={"smooth_numerator": SMOOTH / 2, "smooth_denominator": SMOOTH / 2, "empty": FORMULA},
            differs="Its smoothing is added to 2 I and 2 (P + T - I), which is half of it here.",
        ),
        Recipe(
            metric="focal_loss",
            function="losses.FocalLoss",
            tasks=ONE_OR_MORE_MASKS,
            parameters={"alpha": None, "gamma": 2.0, "pooling": "batch"},
            differs="It computes in float32 whatever it is given.",
        ),
        Recipe(
            metric="focal_loss",
            function="losses.FocalLoss(use_softmax=True)",
            tasks=("multiclass",),
            parameters={"alpha": None, "gamma": 2.0, "denominator": "elements", "pooling": "batch"},
            differs="It divides by pixels times classes, and computes in float32 whatever it is given.",
        ),
        Recipe(
            metric="hausdorff",
            function="metrics.HausdorffDistanceMetric(include_background=True)",
            parameters={"border": "faces", "edge_is_border": True, "hd_mode": "max_of_directed"},
            differs=f"{BINARISED} One mask empty: see the defects; the preset keeps our rules. percentile=95 is `percentile`.",
        ),
        Recipe(
            metric="average_surface_distance",
            function="metrics.SurfaceDistanceMetric(include_background=True)",
            parameters={"border": "faces", "edge_is_border": True, "symmetric": "directed"},
            differs=f"{BINARISED} One mask empty is nan or inf; the preset keeps our rules. symmetric=True is `assd`.",
        ),
        Recipe(
            metric="surface_dice",
            function="metrics.SurfaceDiceMetric(class_thresholds=[1.0, ..], include_background=True)",
            parameters={"border": "faces", "edge_is_border": True, "nsd_mode": "pooled_counts", "tolerance": 1.0},
            differs=f"{BINARISED} class_thresholds is `tolerance`, and has no default. One mask empty is 0.",
        ),
        _confusion("precision", "precision"),
        _confusion("recall", "sensitivity"),
        _confusion("specificity", "specificity"),
        _confusion("fbeta", "f1 score", beta=1.0),
        _confusion("accuracy", "accuracy"),
    ),
    defects=(
        Defect(
            function="losses.FocalLoss(use_softmax=True, include_background=False)",
            what="It drops the background's channel before the softmax: the probabilities are others', not the classes' own.",
        ),
        Defect(
            function="metrics.HausdorffDistanceMetric",
            what="With one mask empty it is nan for percentile=95, and leaves the mean: a missed object costs nothing. Without: inf.",
        ),
        Defect(
            function="metrics.DiceMetric, metrics.MeanIoU, with ignore_empty=True",
            what="What is predicted where nothing is leaves the mean, and a batch of nothing else has the score 0.",
        ),
    ),
)
