"""torchvision.ops."""

from lossgauge.presets.preset import ONE_OR_MORE_MASKS, Preset, Recipe


def _box_loss(metric: str, function: str) -> Recipe:
    return Recipe(
        metric=metric,
        function=f"ops.{function}(reduction='mean')",
        tasks=("boxes",),
        parameters={"zero_union": 0.0, "pooling": "batch"},
        differs="Its default reduction is none. It adds 1e-7 to what it divides by.",
    )


TORCHVISION = Preset(
    name="torchvision",
    library="torchvision",
    distribution="torchvision",
    versions=("0.29.2",),
    checked="formula",
    note="no build for the CPU installs from the package index",
    recipes=(
        Recipe(
            metric="focal_loss",
            function="sigmoid_focal_loss(reduction='mean')",
            tasks=ONE_OR_MORE_MASKS,
            parameters={"alpha": 0.25, "gamma": 2.0, "alpha_mode": "balanced", "pooling": "batch"},
            differs="Its default reduction is none, a loss per pixel. It ignores no pixel.",
        ),
        Recipe(
            metric="box_iou",
            function="ops.box_iou, its diagonal",
            tasks=("boxes",),
            parameters={"zero_union": "undefined", "pooling": "batch"},
            differs="It gives every pair of boxes. Two boxes without an area are NaN; here they leave the mean.",
        ),
        _box_loss("giou_loss", "generalized_box_iou_loss"),
        _box_loss("diou_loss", "distance_box_iou_loss"),
        _box_loss("ciou_loss", "complete_box_iou_loss"),
    ),
)
