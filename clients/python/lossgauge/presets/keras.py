"""Keras 3."""

from lossgauge.presets.preset import ONE_OR_MORE_MASKS, Defect, Preset, Recipe

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
    ),
    defects=(
        Defect(
            function="losses.dice",
            what="A correct empty mask has a loss of 1: the smoothing stands below the line only. The preset says the same.",
        ),
    ),
)
