"""Kornia."""

from lossgauge.presets.preset import ONE_OR_MORE_MASKS, Defect, Preset, Recipe, Unequalled

KORNIA = Preset(
    name="kornia",
    library="Kornia",
    distribution="kornia",
    versions=("0.9.0",),
    checked="library",
    recipes=(
        Recipe(
            metric="dice_loss",
            function="losses.dice_loss",
            tasks=("multiclass",),
            parameters={
                "average": "micro",
                "smooth_numerator": 0.0,
                "smooth_denominator": 1e-8,
                "empty": {"both": "formula"},
            },
            differs="Two axes only. Its average='macro' leaves out the classes that the target has not. 1 where every pixel is ignored.",
        ),
        Recipe(
            metric="focal_loss",
            function="losses.binary_focal_loss_with_logits(alpha=0.25, reduction='mean')",
            tasks=ONE_OR_MORE_MASKS,
            parameters={
                "alpha": 0.25,
                "gamma": 2.0,
                "soft_target_pt": "separate",
                "ignore_denominator": "all",
                "pooling": "batch",
            },
            differs="Ignored pixels count in its denominator. Its alpha has no default.",
        ),
        Recipe(
            metric="focal_loss",
            function="losses.focal_loss(alpha=None, reduction='mean')",
            tasks=("multiclass",),
            parameters={
                "alpha": None,
                "gamma": 2.0,
                "ignore_denominator": "all",
                "denominator": "elements",
                "pooling": "batch",
            },
            differs="It divides by pixels times classes, ignored ones too. A number for its alpha is [1 - alpha, alpha, alpha ..] here.",
        ),
        Recipe(
            metric="iou",
            function="metrics.mean_iou",
            tasks=("multiclass",),
            parameters={"smooth_numerator": 1e-6, "smooth_denominator": 1e-6, "empty": {"both": "formula"}},
            differs="It gives each class's value without a mean, `per_class` here; a class in neither mask is 1. It ignores no pixel.",
        ),
        Recipe(
            metric="confusion",
            function="metrics.confusion_matrix",
            tasks=("multiclass",),
            parameters={"pooling": "batch"},
            differs="A matrix a sample, each our `matrix`; the value is ours, of their sum. It ignores no pixel.",
        ),
        Recipe(
            metric="accuracy",
            function="metrics.accuracy / 100",
            tasks=("multiclass",),
            parameters={"average": "micro", "pooling": "batch"},
            differs="It is in percent, 100 times ours, of rows (n, C). topk beyond the first has no equal here. It ignores no pixel.",
        ),
        Recipe(
            metric="box_iou",
            function="metrics.mean_iou_bbox, its diagonal",
            tasks=("boxes",),
            parameters={"pooling": "batch"},
            differs="It gives every pair of boxes, without a mean. A box without an area is an error.",
        ),
        Recipe(
            metric="tversky_loss",
            function="losses.tversky_loss(alpha=0.3, beta=0.7)",
            tasks=("multiclass",),
            parameters={
                "fp_weight": 0.3,
                "fn_weight": 0.7,
                "smooth_numerator": 0.0,
                "smooth_denominator": 1e-8,
                "empty": {"both": "skip", "target": "skip"},
            },
            differs="Two axes only. alpha, beta have no default. A class that the target has not leaves the mean; 1 where all is ignored.",
        ),
        Recipe(
            metric="lovasz_hinge",
            function="losses.lovasz_hinge_loss",
            tasks=("binary",),
            differs="Two axes only. It ignores no pixel.",
        ),
        Recipe(
            metric="lovasz_softmax",
            function="losses.lovasz_softmax_loss",
            tasks=("multiclass",),
            parameters={"classes": "all"},
            differs="Two axes only. It ignores no pixel. Before 0.9 it was another thing: see the defects.",
        ),
    ),
    defects=(
        Defect(
            function="losses.lovasz_softmax_loss, before 0.9",
            what="It sorted raw label ids in place of each class's indicator; 0.9.0 does not.",
        ),
        Defect(
            function="losses.tversky_loss, before 0.9",
            what="Only the sum of its alpha and beta mattered; in 0.9.0 alpha weighs false positives and beta false negatives.",
        ),
    ),
    unequalled=(
        Unequalled(
            function="losses.HausdorffERLoss, losses.HausdorffERLoss3D",
            why="A loss by repeated erosion, not a distance.",
        ),
        Unequalled(
            function="metrics.mean_average_precision",
            why="It ranks detections by a score, over images. Of objects without scores there are instance_fbeta and instance_precision.",
        ),
        Unequalled(
            function="losses.ssim_loss, psnr_loss, total_variation, js_div_loss_2d, kl_div_loss_2d, charbonnier_loss, welsch_loss",
            why="Of images, heat maps and regressions, not of masks.",
        ),
    ),
)
