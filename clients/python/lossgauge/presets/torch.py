"""torch.nn.functional."""

from lossgauge.presets.preset import ONE_OR_MORE_MASKS, Preset, Recipe

TORCH = Preset(
    name="torch",
    library="PyTorch (torch.nn.functional)",
    distribution="torch",
    versions=("2.13.0",),
    checked="library",
    recipes=(
        Recipe(
            metric="cross_entropy",
            function="binary_cross_entropy_with_logits",
            tasks=ONE_OR_MORE_MASKS,
            parameters={"pooling": "batch", "weight_denominator": "count"},
            differs=(
                "It ignores no pixel. binary_cross_entropy, of probabilities, stops the log at -100; here a sure, wrong "
                "probability is null with the reason `infinite`."
            ),
        ),
        Recipe(
            metric="cross_entropy",
            function="cross_entropy",
            tasks=("multiclass",),
            parameters={"pooling": "batch"},
            differs="NaN where every pixel is ignored; here null with the reason `no_valid_pixels`. It takes no weight map.",
        ),
        Recipe(
            metric="brier",
            function="mse_loss, of probabilities",
            tasks=ONE_OR_MORE_MASKS,
            parameters={"pooling": "batch"},
            differs="It ignores no pixel, and takes no weight map.",
        ),
    ),
)
