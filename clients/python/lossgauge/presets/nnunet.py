"""nnU-Net."""

from lossgauge.presets.preset import Preset, Recipe

NNUNET = Preset(
    name="nnunet",
    library="nnU-Net",
    distribution="nnunetv2",
    versions=("2.8.1",),
    checked="formula",
    recipes=(
        Recipe(
            metric="dice_loss",
            function="training.loss.dice.MemoryEfficientSoftDiceLoss(do_bg=False, smooth=1)",
            tasks=("multiclass",),
            parameters={"include_background": False, "empty": {"both": "formula"}},
            differs="Its value is minus the dice, 1 less than ours. batch_dice=True is pooling `batch`.",
        ),
        Recipe(
            metric="dice",
            function="evaluation.evaluate_predictions.compute_metrics",
            tasks=("multiclass",),
            parameters={"include_background": False, "empty": {"both": "skip"}},
            differs="It means each class over the cases before it means the classes.",
        ),
        Recipe(
            metric="iou",
            function="evaluation.evaluate_predictions.compute_metrics",
            tasks=("multiclass",),
            parameters={"include_background": False, "empty": {"both": "skip"}},
            differs="It means each class over the cases before it means the classes.",
        ),
    ),
)
