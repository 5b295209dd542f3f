"""MONAI."""

from typing import Any

from lossgauge.presets.preset import ONE_OR_MORE_MASKS, Defect, Preset, Recipe, Refusal, Unequalled
from lossgauge.tasks import Task

SMOOTH = 1e-5
SKIPPED: dict[str, Any] = {"both": "skip", "target": "skip"}
FORMULA: dict[str, Any] = {"both": "formula"}
OF_CHANNELS = (
    Refusal(
        given="ignore_index",
        why="it is a channel's number, or every pixel without a label is ignored",
        tasks=("multilabel",),
    ),
)
BINARISED = "It takes masks, made before it; its ignore_index is not compared."
MISSED = (
    "ignore_empty=True, its default: false positives on an empty target leave the mean; so they do with this preset."
)

GENERALIZED: dict[str, Any] = {
    "weight_type": "square",
    "smooth_numerator": SMOOTH,
    "smooth_denominator": SMOOTH,
    "empty": FORMULA,
}


def _confusion(metric: str, name: str, **more: Any) -> Recipe:
    return Recipe(
        metric=metric,
        function=f"metrics.ConfusionMatrixMetric(metric_name='{name}', compute_sample=True)",
        tasks=ONE_OR_MORE_MASKS if metric == "accuracy" else ("binary", "multiclass", "multilabel"),
        parameters={"average": "macro", "empty": FORMULA, **more},
        differs=(
            f"{BINARISED} Without compute_sample it averages the counts over samples and classes first. 0/0 leaves the mean."
            + (
                " FBetaScore, which always does, is `beta`, `average` micro and pooling `batch`."
                if metric == "fbeta"
                else ""
            )
        ),
    )


def _squares(tasks: tuple[Task, ...], **more: Any) -> Recipe:
    return Recipe(
        metric="brier",
        function="metrics.MSEMetric, of probabilities",
        tasks=tasks,
        parameters=more,
        differs="Of classes it takes one-hot targets, and means over them. RMSEMetric is the root of each sample's.",
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
            differs=(
                "squared_pred=True is `squared`; include_background=False is `include_background`; batch=True is pooling `batch`. "
                "DiceFocalLoss is the `combined_loss` of it and focal_loss, whose sigmoids it keeps with softmax=True."
            ),
            refuses=OF_CHANNELS,
        ),
        Recipe(
            metric="iou_loss",
            function="losses.DiceLoss(jaccard=True)",
            parameters={"smooth_numerator": SMOOTH / 2, "smooth_denominator": SMOOTH / 2, "empty": FORMULA},
            differs="Its smoothing is added to 2 I and 2 (P + T - I), which is half of it here.",
            refuses=OF_CHANNELS,
        ),
        Recipe(
            metric="focal_loss",
            function="losses.FocalLoss",
            tasks=ONE_OR_MORE_MASKS,
            parameters={"alpha": None, "gamma": 2.0, "soft_target_pt": "logit", "pooling": "batch"},
            differs="It computes in float32 whatever it is given.",
            refuses=OF_CHANNELS,
        ),
        Recipe(
            metric="focal_loss",
            function="losses.FocalLoss, of classes",
            tasks=("multiclass",),
            parameters={
                "alpha": None,
                "gamma": 2.0,
                "multiclass_mode": "one_vs_rest",
                "denominator": "elements",
                "pooling": "batch",
            },
            differs=(
                "use_softmax=False, its default, is one sigmoid a class; use_softmax=True is `multiclass_mode` softmax. Both divide by "
                "pixels times classes, and compute in float32 whatever they are given. A number for alpha is with the softmax "
                "[1 - alpha, alpha, alpha ..] here."
            ),
            refuses=(
                Refusal(
                    given="ignore_index",
                    why="it divides by the valid pixels alone, and is as many times as large as there are classes",
                    unless={"denominator": "pixels"},
                ),
            ),
        ),
        Recipe(
            metric="cross_entropy",
            function="torch.nn.BCEWithLogitsLoss, of losses.DiceCELoss",
            tasks=("binary",),
            parameters={"weight_denominator": "count", "pooling": "batch"},
            differs=(
                "DiceCELoss's weight is `pos_weight`; a weight map is the weight of BCEWithLogitsLoss alone. DiceCELoss is the "
                "`combined_loss` of cross_entropy and dice_loss."
            ),
        ),
        Recipe(
            metric="cross_entropy",
            function="torch.nn.CrossEntropyLoss, of losses.DiceCELoss",
            tasks=("multiclass",),
            parameters={"pooling": "batch"},
            differs=(
                "weight is `class_weights`, and with a one-hot target `weight_denominator` count too; its dice is weighed by them as well, "
                "which has no equal here. label_smoothing is `label_smoothing`. "
                "DiceCELoss(softmax=True) is the `combined_loss` of cross_entropy and dice_loss."
            ),
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
        Recipe(
            metric="tversky_loss",
            function="losses.TverskyLoss",
            parameters={
                "fp_weight": 0.5,
                "fn_weight": 0.5,
                "smooth_numerator": SMOOTH,
                "smooth_denominator": SMOOTH,
                "empty": FORMULA,
            },
            differs="Its alpha is `fp_weight`, its beta `fn_weight`.",
            refuses=OF_CHANNELS,
        ),
        Recipe(
            metric="generalized_dice_loss",
            function="losses.GeneralizedDiceLoss",
            tasks=("binary",),
            parameters={**GENERALIZED, "absent": "skip", "include_background": False},
            differs="It has the foreground alone, of which an empty target costs nothing: see the defects. float32 weights.",
        ),
        Recipe(
            metric="generalized_dice_loss",
            function="losses.GeneralizedDiceLoss",
            tasks=("multiclass", "multilabel"),
            parameters={**GENERALIZED, "absent": "max_of_present"},
            differs=(
                "Labels of which the target has none cost nothing together; here they weigh 1. float32 weights. w_type is `weight_type`. "
                "GeneralizedDiceFocalLoss is the `combined_loss` of it and focal_loss. GeneralizedDiceScore is 1 less ours of masks: "
                "`soft` false, no smoothing, `empty` {both: 0}."
            ),
        ),
        Recipe(
            metric="mcc",
            function="metrics.ConfusionMatrixMetric(metric_name='matthews correlation coefficient', compute_sample=True)",
            parameters={"average": "macro", "empty": FORMULA},
            differs=f"{BINARISED} Of classes it is of each against the rest. 0/0 leaves the mean.",
        ),
        Recipe(
            metric="balanced_accuracy",
            function="metrics.ConfusionMatrixMetric(metric_name='balanced accuracy', compute_sample=True)",
            tasks=ONE_OR_MORE_MASKS,
            parameters={"absent": "undefined"},
            differs=f"{BINARISED} Of classes it is of each against the rest, which has no equal here. 0/0 leaves the mean.",
        ),
        Recipe(
            metric="roc_auc",
            function="metrics.ROCAUCMetric",
            parameters={"average": "macro", "pooling": "batch"},
            differs="It takes rows of pixels, (n, C). One class only in the target is NaN, the mean too; here it leaves the mean.",
        ),
        Recipe(
            metric="average_precision",
            function="metrics.AveragePrecisionMetric",
            parameters={"average": "macro", "pooling": "batch"},
            differs="It takes rows of pixels, (n, C). NaN, the mean too, where all or none are positive; here 1, and null out of the mean.",
        ),
        Recipe(
            metric="calibration_error",
            function="metrics.CalibrationErrorMetric(num_bins=20)",
            tasks=ONE_OR_MORE_MASKS,
            parameters={"bins": 20, "closed": "right", "norm": "l1", "average": "macro"},
            differs="num_bins is `bins`; 'maximum' is norm max. Of classes each has bins of its own; ours are the predicted one's.",
        ),
        Recipe(
            metric="panoptic_quality",
            function="metrics.compute_panoptic_quality",
            tasks=("instances",),
            parameters={"empty": {"both": 0.0}},
            differs="It has no void and no crowd, and adds 1e-6 to what it divides by: two empty maps are 0.",
        ),
        Recipe(
            metric="box_iou",
            function="data.box_utils.box_iou, its diagonal",
            tasks=("boxes",),
            parameters={"zero_union": 0.0, "pooling": "batch"},
            differs="float32, with 1.2e-7 added to the union.",
        ),
        Recipe(
            metric="giou_loss",
            function="losses.BoxGIoULoss",
            tasks=("boxes",),
            parameters={"zero_union": 0.0, "pooling": "batch"},
            differs="float32, with 1.2e-7 added to what it divides by.",
        ),
        _squares(ONE_OR_MORE_MASKS),
        _squares(("multiclass",), class_reduction="mean"),
        _confusion("precision", "precision"),
        _confusion("recall", "sensitivity"),
        _confusion("specificity", "specificity"),
        _confusion("fbeta", "f1 score", beta=1.0),
        _confusion("accuracy", "accuracy"),
    ),
    defects=(
        Defect(
            function="losses.FocalLoss(ignore_index=..), of classes",
            what="It divides by the valid pixels, and without ignore_index by pixels times classes: C times as large.",
        ),
        Defect(
            function="losses.DiceLoss, TverskyLoss, FocalLoss (ignore_index=..), of labels",
            what="Where it is no channel's number every pixel without a label is ignored, whatever it is; where it is one, that channel's.",
        ),
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
        Defect(
            function="losses.GeneralizedDiceLoss",
            what="Where the target has none of the classes, or of the one mask, every weight is 0: whatever is predicted costs nothing.",
        ),
        Defect(
            function="metrics.CalibrationErrorMetric, metrics.calibration_binning",
            what="Its edges are a little too high: a probability on one is in the bin below it, whatever `right` is documented to do.",
        ),
        Defect(
            function="losses.AsymmetricUnifiedFocalLoss",
            what="Documented to take logits; it applies no sigmoid, and takes probabilities.",
        ),
    ),
    unequalled=(
        Unequalled(
            function="losses.DiceCELoss, of several labels (sigmoid=True)",
            why="Its cross-entropy stays a softmax over the channels, with the labels as its probabilities: that of no task here.",
        ),
        Unequalled(
            function="losses.MCCLoss",
            why="1 - MCC of probabilities, smoothed; mcc here is of masks.",
        ),
        Unequalled(
            function="losses.BoundaryLoss, losses.GeneralizedWassersteinDiceLoss, losses.NACLLoss, losses.AUCMLoss",
            why="Of distance maps, distances between classes, neighbours and margins, which no loss here has.",
        ),
        Unequalled(
            function="metrics.ConfusionMatrixMetric: fall out, miss rate, predictive values, informedness ..; metrics.compute_froc_score",
            why="What follows from the counts that confusion gives, under no name of its own here; a score of ranked detections.",
        ),
        Unequalled(
            function="losses.SoftclDiceLoss, losses.SoftDiceclDiceLoss",
            why="Of soft skeletons, by repeated pooling; centreline_dice is of hard ones.",
        ),
        Unequalled(
            function="metrics.compute_absolute_volume_difference",
            why="A number of pixels; volume_difference is relative to the target's size.",
        ),
        Unequalled(
            function="losses.AsymmetricUnifiedFocalLoss",
            why="It means over both channels, half of unified_focal_loss's sum in the focal term, and weighs the terms the other way.",
        ),
        Unequalled(
            function="losses.HausdorffDTLoss, losses.LogHausdorffDTLoss",
            why="A loss of distance maps, not a distance.",
        ),
    ),
)
