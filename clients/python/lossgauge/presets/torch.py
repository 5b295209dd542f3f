"""torch.nn.functional."""

from lossgauge.presets.preset import ONE_OR_MORE_MASKS, Preset, Recipe, Unequalled

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
                "It ignores no pixel. pos_weight is `pos_weight`. multilabel_soft_margin_loss, and soft_margin_loss of targets -1 and 1, "
                "are the same. binary_cross_entropy, of probabilities, stops the log at -100; here a sure, wrong "
                "probability is null with the reason `infinite`."
            ),
        ),
        Recipe(
            metric="cross_entropy",
            function="cross_entropy",
            tasks=("multiclass",),
            parameters={"pooling": "batch"},
            differs=(
                "NaN where every pixel is ignored; here null with the reason `no_valid_pixels`. It takes no weight map. weight is "
                "`class_weights`, label_smoothing `label_smoothing`. nll_loss of log-probabilities is that of their probabilities."
            ),
        ),
        Recipe(
            metric="brier",
            function="mse_loss, of probabilities",
            tasks=ONE_OR_MORE_MASKS,
            parameters={"pooling": "batch"},
            differs="It ignores no pixel.",
        ),
        Recipe(
            metric="brier",
            function="mse_loss, of probabilities and one-hot targets",
            tasks=("multiclass",),
            parameters={"class_reduction": "mean", "pooling": "batch"},
            differs="It ignores no pixel, and means over the classes as well.",
        ),
    ),
    unequalled=(
        Unequalled(
            function="l1_loss, smooth_l1_loss, huber_loss, poisson_nll_loss, gaussian_nll_loss, kl_div",
            why="Of regressions and distributions; kl_div of hard targets adds up to cross_entropy over the classes.",
        ),
        Unequalled(
            function="hinge_embedding_loss, multi_margin_loss, multilabel_margin_loss, margin_ranking_loss, triplet_margin_loss, ctc_loss",
            why="Of margins, embeddings and sequences; lovasz_hinge ranks the errors of a mask.",
        ),
    ),
)
