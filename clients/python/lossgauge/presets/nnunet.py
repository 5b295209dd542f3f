"""nnU-Net."""

from typing import Any

from lossgauge.presets.preset import Defect, Preset, Recipe, Unequalled
from lossgauge.tasks import Task

CLASSES: tuple[Task, ...] = ("multiclass",)
REGIONS: tuple[Task, ...] = ("multilabel",)
SMOOTH = {"smooth_numerator": 1e-5, "smooth_denominator": 1e-5}
MINUS = (
    "Its value is minus the dice, 1 less than ours, and so is the sum in which it stands. The trainer has smooth=1e-5, where the "
    "class's own default is 1. batch_dice=True (2-D, and a full resolution beside a low one) is pooling `batch`."
)
OF_OUTPUT = "Of the one output: deep supervision weighs the losses of several resolutions."


def _evaluated(metric: str, tasks: tuple[Task, ...], **more: Any) -> Recipe:
    """A score of the validation's summary.json."""
    return Recipe(
        metric=metric,
        function="evaluation.evaluate_predictions.compute_metrics",
        tasks=tasks,
        parameters={**more, "empty": {"both": "skip"}},
        differs="It means each class over the cases before it means the classes. Regions (labels of tuples) have no background.",
    )


NNUNET = Preset(
    name="nnunet",
    library="nnU-Net",
    distribution="nnunetv2",
    versions=("2.8.1",),
    checked="formula",
    recipes=(
        Recipe(
            metric="dice_loss",
            function="training.loss.dice.MemoryEfficientSoftDiceLoss(do_bg=False, smooth=1e-5), the dice of DC_and_CE_loss",
            tasks=CLASSES,
            parameters={"include_background": False, **SMOOTH, "empty": {"both": "formula"}},
            differs=MINUS,
        ),
        Recipe(
            metric="dice_loss",
            function="training.loss.dice.MemoryEfficientSoftDiceLoss(do_bg=True, smooth=1e-5), the dice of DC_and_BCE_loss",
            tasks=REGIONS,
            parameters={**SMOOTH, "empty": {"both": "formula"}},
            differs=f"A region is a label. {MINUS}",
        ),
        Recipe(
            metric="cross_entropy",
            function="training.loss.robust_ce_loss.RobustCrossEntropyLoss, of DC_and_CE_loss",
            tasks=CLASSES,
            parameters={"pooling": "batch"},
            differs=f"torch's cross_entropy. Where every pixel is ignored DC_and_CE_loss takes 0; here null. {OF_OUTPUT}",
        ),
        Recipe(
            metric="cross_entropy",
            function="torch.nn.BCEWithLogitsLoss, of DC_and_BCE_loss",
            tasks=REGIONS,
            parameters={"weight_denominator": "count", "pooling": "batch"},
            differs=f"With an ignore label see the defects. {OF_OUTPUT}",
        ),
        *(
            recipe
            for metric in ("dice", "iou")
            for recipe in (
                _evaluated(metric, CLASSES, include_background=False),
                _evaluated(metric, REGIONS),
            )
        ),
    ),
    defects=(
        Defect(
            function="training.loss.compound_losses.DC_and_BCE_loss(use_ignore_label=True)",
            what="Its cross-entropy is summed over the regions and divided by the pixels: as many times as large as there are regions.",
        ),
    ),
    unequalled=(
        Unequalled(
            function="training.loss.compound_losses.DC_and_topk_loss, training.loss.robust_ce_loss.TopKLoss",
            why="The mean of the tenth of the pixels that cost most.",
        ),
    ),
)
