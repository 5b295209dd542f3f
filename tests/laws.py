"""The laws of the catalogue: which metrics each holds for, and why it does not for the others.

A law names every metric, through the families below: `holds` and `not_for` together are the catalogue, and a test says so. A family is
what a file of specs holds, so that a new metric there is held to every law of its family; a new file has to say here which laws hold for
it. `unless` tells which parameters take a metric that is held out of the law.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lossgauge import metrics as m
from lossgauge.metrics import CATALOGUE, MetricSpec
from lossgauge.metrics.combined import Mix
from lossgauge.metrics.spec import Direction

from tests.specs import VARIANTS


def _family(*files: str, direction: Direction | None = None) -> frozenset[str]:
    """The metrics whose specs stand in these files, of one direction where scores and losses share a file."""
    modules = {f"{m.__name__}.{file}" for file in files}
    found = {name: spec.about for name, spec in CATALOGUE.items() if spec.__module__ in modules}
    return frozenset(name for name, about in found.items() if direction in (None, about.direction))


COUNTS = _family("counts", "agreement")
SCORES = _family("overlap", "tversky", direction="higher")
OVERLAP_LOSSES = _family("overlap", "tversky", direction="lower")
PIXEL_LOSSES = _family("brier", "cross_entropy", "focal", "focal_variants")
MIXES = _family("combined")
RANKINGS = _family("ranking", "calibration")
SURFACES = _family("surface")
INSTANCES = _family("instances")
BOXES = _family("boxes")
FAMILIES = (COUNTS, SCORES, OVERLAP_LOSSES, PIXEL_LOSSES, MIXES, RANKINGS, SURFACES, INSTANCES, BOXES)
EVERY = frozenset().union(*FAMILIES)

Condition = Callable[[MetricSpec], bool]


@dataclass(frozen=True)
class Law:
    """A statement about metrics: the ones it holds for, the others with the reason, and the parameters that break it."""

    holds: frozenset[str]
    not_for: Mapping[str, str] = field(default_factory=dict)
    unless: Mapping[str, Condition] = field(default_factory=dict)

    @property
    def specs(self) -> tuple[MetricSpec, ...]:
        """The variants that are held to the law."""
        return tuple(spec for spec in VARIANTS if spec.name in self.holds and not self.exempts(spec))

    def exempts(self, spec: MetricSpec) -> bool:
        """Whether a variant's parameters take it out of the law."""
        return any(condition(spec) for condition in self.unless.values())


def _each(names: frozenset[str], reason: str) -> dict[str, str]:
    return dict.fromkeys(sorted(names), reason)


def _has(name: str, *values: object) -> Condition:
    return lambda spec: getattr(spec, name, None) in values


def _parts(spec: MetricSpec) -> list[MetricSpec]:
    return [term.metric for term in spec.terms_of()] if isinstance(spec, Mix) else [spec]


def _any_part(condition: Condition) -> Condition:
    return lambda spec: any(condition(part) for part in _parts(spec))


def _no_part(condition: Condition) -> Condition:
    return lambda spec: not any(condition(part) for part in _parts(spec))


def _by_boundary(spec: MetricSpec) -> bool:
    return getattr(spec, "weight_from", None) is not None


def _per_class(spec: MetricSpec) -> bool:
    return any(
        isinstance(getattr(spec, name, None), list) for name in ("alpha", "class_weights", "pos_weight", "tolerance")
    )


def _one_sided(spec: MetricSpec) -> bool:
    rules = getattr(spec, "empty", None)
    return rules is not None and hasattr(rules, "prediction") and rules.target != rules.prediction


def _smoothed_unequally(spec: MetricSpec) -> bool:
    return getattr(spec, "smooth_numerator", 0) != getattr(spec, "smooth_denominator", 0)


def _loses_where_both_are_empty(spec: MetricSpec) -> bool:
    rules = getattr(spec, "empty", None)
    rule = getattr(rules, "both", getattr(rules, "target", "undefined"))
    return spec.about.direction != "higher" and rule not in (0.0, "formula", "undefined", "skip")


def _by_diagonal(spec: MetricSpec) -> bool:
    rules = getattr(spec, "empty", None)
    return isinstance(rules, m.DistanceEmpty) and "image_diagonal" in (rules.both, rules.target, rules.prediction)


def _reduced(spec: MetricSpec) -> bool:
    return getattr(spec, "reduced_threshold", None) is not None


def _far_by_formula(spec: MetricSpec) -> bool:
    rules = getattr(spec, "empty", None)
    return isinstance(rules, m.DistanceEmpty) and "formula" in (rules.target, rules.prediction)


def _directed(spec: MetricSpec) -> bool:
    return getattr(spec, "directed", False) or getattr(spec, "symmetric", None) == "directed"


def _weighs_misses(spec: MetricSpec) -> bool:
    return getattr(spec, "fp_weight", None) != getattr(spec, "fn_weight", None)


def _ignored_counts(spec: MetricSpec) -> bool:
    return getattr(spec, "ignore_denominator", None) == "all"


APART = _has("multiclass_mode", "one_vs_rest")
PLACED = SURFACES | INSTANCES
BY_PLACE = "asks where the pixels lie"
NO_PIXELS = "scores boxes, which have laws of their own"
LABELS_ONLY = "takes labels only"
BOUNDED = frozenset({"weighted_bce_dice"})
BOUNDARY = "weights that are computed from where the pixels lie"
TAKES_NO_LABELS = "takes no labels, so that prediction and target cannot change places"
NO_FOCUS = "has no focal term"
ASYMMETRIC = frozenset({"asymmetric_focal_loss", "unified_focal_loss"})
ONE_SIDED = frozenset({"balanced_accuracy", "precision", "recall", "specificity"})
DIFFERENCES = frozenset({"kappa", "mcc", "volume_difference"})

PERMUTED_PIXELS = Law(
    EVERY - BOUNDED - PLACED - BOXES,
    {**_each(BOUNDED, BOUNDARY), **_each(PLACED, BY_PLACE), **_each(BOXES, NO_PIXELS)},
    {BOUNDARY: _by_boundary},
)

PADDED_AND_IGNORED = Law(
    EVERY - BOXES - {"boundary_iou"},
    {**_each(BOXES, NO_PIXELS), "boundary_iou": "its bands are as wide as a share of the image's diagonal"},
    {
        "the mean divides by the ignored pixels too": _ignored_counts,
        "a missed object is as far as the image's diagonal": _by_diagonal,
        "a mask goes on beyond the image's edge": _has("edge_is_border", False),
    },
)

TILES_ADD_UP = Law(
    EVERY - BOUNDED - PLACED - BOXES,
    {**_each(BOUNDED, BOUNDARY), **_each(PLACED, BY_PLACE), **_each(BOXES, NO_PIXELS)},
    {BOUNDARY: _by_boundary},
)

RENAMED_CLASSES = Law(
    EVERY - BOXES - ASYMMETRIC,
    {**_each(BOXES, NO_PIXELS), **_each(ASYMMETRIC, "treats class 0, the background, apart")},
    unless={
        "a parameter for each class, by its place": _per_class,
        "class 0 is the background": _has("include_background", False),
        "how far apart two classes are is told by their places": _has("weights", "linear", "quadratic"),
        "positives are all classes but 0": _has("reduction", "positives"),
        "a term that treats class 0, the background, apart": _any_part(lambda part: part.name in ASYMMETRIC),
        "classes chosen by their names": lambda spec: isinstance(getattr(spec, "classes", None), list),
    },
)

SWAPPED_MASKS = Law(
    (EVERY - PIXEL_LOSSES - MIXES - RANKINGS - BOXES - ONE_SIDED) | {"combined_loss"},
    not_for={
        **_each(PIXEL_LOSSES | (MIXES - {"combined_loss"}) | RANKINGS, TAKES_NO_LABELS),
        **_each(BOXES, NO_PIXELS),
        "balanced_accuracy": "is of the target's classes",
        "precision": "swapped, it is recall",
        "recall": "swapped, it is precision",
        "specificity": "divides by the target's negatives",
    },
    unless={
        "weights by the target's sizes": _has("average", "weighted"),
        "a macro accuracy is the mean of the recalls": lambda spec: spec.name == "accuracy" and spec != m.Accuracy(),
        "recall and precision weigh differently": lambda spec: getattr(spec, "beta", 1.0) != 1.0,
        "another rule for an empty target than for an empty prediction": _one_sided,
        "distances from the prediction to the target only": _directed,
        "divides by the target's size": _has("mode", "relative", "absolute"),
        "weighs classes by the target's sizes": _any_part(_has("weight_type", "square", "simple")),
        "misses weigh more or less than false alarms": _any_part(_weighs_misses),
        "takes no labels": _any_part(lambda part: "labels" not in part.about.kinds),
    },
)

PERFECT_IS_BEST = Law(
    EVERY - BOXES,
    _each(BOXES, NO_PIXELS),
    unless={
        "smoothing punishes certainty": lambda spec: bool(getattr(spec, "label_smoothing", 0)),
        "unequal smoothing, whose loss of an empty mask is below 0": _smoothed_unequally,
        "a loss that a rule gives to two empty masks": _loses_where_both_are_empty,
    },
)

WITHIN_ITS_RANGE = Law(
    EVERY - BOXES,
    _each(BOXES, NO_PIXELS),
    unless={
        "unequal smoothing, of which the range says that it is for a = b": _smoothed_unequally,
        "weights divided by a count, of which the range says that it may be more": lambda spec: (
            spec.name == "brier" and _has("weight_denominator", "count")(spec)
        ),
    },
)

LOGITS_AND_THEIR_PROBABILITIES = Law(
    EVERY - INSTANCES - BOXES - {"lovasz_hinge"},
    {
        **_each(INSTANCES, LABELS_ONLY),
        **_each(BOXES, NO_PIXELS),
        "lovasz_hinge": "a hinge is of margins, and takes no probabilities",
    },
    {
        "classes against the rest have sigmoids, and the law's probabilities are the softmax's": _any_part(APART),
        "a term takes no probabilities": _any_part(lambda part: "probabilities" not in part.about.kinds),
    },
)

CERTAIN_LOGITS_STAY_FINITE = Law(
    EVERY - INSTANCES - BOXES,
    {**_each(INSTANCES, LABELS_ONLY), **_each(BOXES, NO_PIXELS)},
    {"the formula of a distance to an empty mask is infinite": _far_by_formula},
)

SAME_BITS = Law(EVERY)

CARRIED_ALIKE = Law(EVERY)

FLOAT32_KEEPS_SIX_DIGITS = Law(
    EVERY - DIFFERENCES,
    _each(DIFFERENCES, "a difference that has no digits where it is 0"),
    unless={
        "a difference from chance has no digits where it is 0": _has("adjusted", True),
        "a power of 1 - pt over a threshold: as a focal loss of any gamma, off by 4e-7 (1 + gamma s)": _reduced,
        "unequal smoothing: a loss that falls below 0 has no digits where it is 0": _smoothed_unequally,
    },
)


def float32_floor(spec: MetricSpec) -> float:
    """What float32 may be off by where it is not 1e-6 of the score."""
    law = FLOAT32_KEEPS_SIX_DIGITS
    return 1e-6 if spec.name in law.not_for or law.exempts(spec) else 1e-12


FOCAL = frozenset(spec.name for spec in VARIANTS if any(part.name == "focal_loss" for part in _parts(spec)))

FOCAL_IS_CROSS_ENTROPY_AT_0 = Law(
    FOCAL,
    not_for=_each(EVERY - FOCAL, NO_FOCUS),
    unless={
        "the leak is of clipped focal code only": _has("clip_leak", True),
        "a mean over pixels times classes": _has("denominator", "elements"),
        "the cross-entropy of classes is the softmax's": APART,
        "alphas for each class do not enter the mean's denominator, class weights do": _per_class,
        NO_FOCUS: _no_part(lambda part: part.name == "focal_loss"),
    },
)

HALF_ALPHA_IS_HALF = Law(
    frozenset({"focal_loss"}),
    not_for={
        **_each(EVERY - MIXES - {"focal_loss", "cross_entropy"}, "has no alpha"),
        **_each(MIXES, "the other terms are not halved"),
        "cross_entropy": "its alpha is held by the law of gamma 0",
    },
    unless={"the leak needs an alpha": _has("clip_leak", True)},
)

DICE_IS_OF_IOU = Law(
    frozenset({"dice", "dice_loss"}),
    not_for={
        **_each((SCORES | OVERLAP_LOSSES) - {"dice", "dice_loss"}, "another ratio of overlaps"),
        **_each(frozenset({"iou", "iou_loss"}), "the other side of the law"),
        "mean_iou": "a mean over thresholds and both sides",
        **_each(COUNTS, "no overlap; fbeta of 1 is dice by a test of its own"),
        **_each(PIXEL_LOSSES | MIXES | RANKINGS | SURFACES | INSTANCES | BOXES, "no ratio of overlaps alone"),
    },
)

TVERSKY = frozenset({"tversky_loss"})
TVERSKY_IS_DICE_AND_IOU = Law(
    TVERSKY,
    not_for={
        **_each(EVERY - TVERSKY, "weighs no misses against false alarms"),
        **_each(frozenset({"dice_loss", "iou_loss"}), "the other side of the law"),
        "focal_tversky_loss": "a power of the Tversky loss",
    },
)

SCORES_PIXELS = "scores pixels, not boxes"
PERFECT_BOXES = Law(BOXES, _each(EVERY - BOXES, SCORES_PIXELS))
SWAPPED_BOXES = Law(BOXES, _each(EVERY - BOXES, SCORES_PIXELS))
MOVED_BOXES = Law(BOXES, _each(EVERY - BOXES, SCORES_PIXELS))


LAWS: dict[str, Law] = {name: law for name, law in globals().items() if isinstance(law, Law)}
