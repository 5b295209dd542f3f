"""torchvision.ops."""

from lossgauge.presets.preset import ONE_OR_MORE_MASKS, Preset, Recipe

TORCHVISION = Preset(
    name="torchvision",
    library="torchvision",
    distribution="torchvision",
    versions=("0.29.2",),
    checked="formula",
    recipes=(
        Recipe(
            metric="focal_loss",
            function="sigmoid_focal_loss(reduction='mean')",
            tasks=ONE_OR_MORE_MASKS,
            parameters={"alpha": 0.25, "gamma": 2.0, "alpha_mode": "balanced", "pooling": "batch"},
            differs=(
                "Its default reduction is none, a loss per pixel. It ignores no pixel. With a soft target it multiplies the "
                "mixed alpha with the mixed cross-entropy; here each class's share has its own alpha."
            ),
        ),
    ),
)
