"""Keras 3."""

from lossgauge.presets.preset import ONE_OR_MORE_MASKS, Defect, Preset, Recipe, Unequalled

EPSILON = 1e-7
CLIP = [EPSILON, 1 - EPSILON]

KERAS = Preset(
    name="keras",
    library="Keras",
    distribution="keras",
    versions=("3.15.1",),
    checked="library",
    recipes=(
        Recipe(
            metric="cross_entropy",
            function="losses.binary_crossentropy, of probabilities",
            tasks=ONE_OR_MORE_MASKS,
            parameters={"clip": CLIP, "pooling": "batch"},
            differs="It clips probabilities only, not logits (from_logits=True): give clip null for these.",
        ),
        Recipe(
            metric="focal_loss",
            function="losses.binary_focal_crossentropy, of probabilities",
            tasks=ONE_OR_MORE_MASKS,
            parameters={"alpha": None, "gamma": 2.0, "clip": CLIP, "pooling": "batch"},
            differs=(
                "apply_class_balancing=False is its default, so that its alpha of 0.25 says nothing; with True give alpha 0.25. "
                "It clips probabilities only, not logits."
            ),
        ),
        Recipe(
            metric="dice_loss",
            function="losses.dice",
            parameters={
                "average": "micro",
                "smooth_numerator": 0.0,
                "smooth_denominator": EPSILON,
                "empty": {"both": "formula"},
                "pooling": "batch",
            },
            differs="It sums over the whole batch and all classes together (axis=None); both empty is a loss of 1.",
        ),
        Recipe(
            metric="tversky_loss",
            function="losses.tversky",
            parameters={
                "average": "micro",
                "fp_weight": 0.5,
                "fn_weight": 0.5,
                "smooth_numerator": 0.0,
                "smooth_denominator": EPSILON,
                "empty": {"both": "formula"},
                "pooling": "batch",
            },
            differs="It sums over the whole batch and all classes. Its alpha is `fn_weight` and its beta `fp_weight`: see the defects.",
        ),
        Recipe(
            metric="brier",
            function="losses.mean_squared_error, of probabilities",
            tasks=ONE_OR_MORE_MASKS,
            parameters={"pooling": "batch"},
            differs="Its own reduction is over the batch, as here.",
        ),
    ),
    defects=(
        Defect(
            function="losses.dice",
            what="A correct empty mask has a loss of 1: the smoothing stands below the line only. The preset says the same.",
        ),
        Defect(
            function="losses.tversky",
            what="Target and prediction are swapped within: alpha, documented as the weight of false positives, weighs what was missed.",
        ),
    ),
    unequalled=(
        Unequalled(
            function="metrics.AUC",
            why="200 thresholds and an interpolation of its own, over all batches; ours is exact, or of a histogram with its bound.",
        ),
    ),
)
