"""DeepMind's surface-distance."""

from lossgauge.presets.preset import Defect, Preset, Recipe, Unequalled

SURFELS = (
    "It takes masks, made before it, one class at a time, with spacing_mm, which is `spacing`, and ignores no pixel."
)

DEEPMIND = Preset(
    name="deepmind-surface-distance",
    library="DeepMind surface-distance",
    distribution="surface-distance-based-measures",
    versions=("0.1",),
    checked="library",
    note="with np.Inf given back to it, which NumPy 2 has no more",
    recipes=(
        Recipe(
            metric="hausdorff",
            function="compute_robust_hausdorff(.., percent=95)",
            parameters={
                "hd_mode": "area_weighted",
                "percentile": 95.0,
                "edge_is_border": True,
                "empty": {"both": "undefined", "target": "formula", "prediction": "formula"},
            },
            differs=f"{SURFELS} One mask empty, or both, is inf; here null. percent has no default.",
        ),
        Recipe(
            metric="surface_dice",
            function="compute_surface_dice_at_tolerance(.., tolerance_mm=1)",
            parameters={"nsd_mode": "pooled_areas", "tolerance": 1.0, "edge_is_border": True},
            differs=f"{SURFELS} One mask empty is 0, both are NaN; here null. tolerance_mm has no default.",
        ),
        Recipe(
            metric="dice",
            function="compute_dice_coefficient",
            differs="One class at a time. Two empty masks are NaN; here null.",
        ),
    ),
    defects=(
        Defect(
            function="*, release 0.1 on NumPy 2",
            what="An empty mask raises AttributeError: np.Inf and np.NaN are no more.",
        ),
    ),
    unequalled=(
        Unequalled(
            function="compute_average_surface_distance",
            why="It weighs the distances by the area of surfels, and gives both directions; ours is of border pixels.",
        ),
        Unequalled(
            function="compute_surface_overlap_at_tolerance",
            why="It gives both directions' shares of the area; ours puts them together, or (mean_of_fractions) counts border pixels.",
        ),
    ),
)
