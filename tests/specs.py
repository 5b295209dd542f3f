"""The metrics as the tests ask for them: every name of the catalogue, each parameter off its default at least once.

A metric that is not among `EXPLICIT` is asked as its defaults are.
"""

from collections.abc import Iterator

from lossgauge import metrics as m
from lossgauge.metrics import CATALOGUE, MetricSpec

SMALL_BOUNDARY = m.BoundaryWeight(window=4, amplitude=3.0, decay=2.0)
KERAS_CLIP = (0.001, 0.999)
NO_RULES = m.Empty(both="formula", target="formula", prediction="formula")
CONSTANTS = m.Empty(both=1.0, target=0.25, prediction="skip")
UNDEFINED = m.Empty(both="skip", target="undefined", prediction="undefined")
DISTANCES = m.DistanceEmpty(both="skip", target=7.5, prediction="skip")
NO_DISTANCE_RULES = m.DistanceEmpty(both="formula", target="formula", prediction="formula")

EXPLICIT: tuple[MetricSpec, ...] = (
    m.FocalLoss(),
    m.FocalLoss(alpha=None),
    m.FocalLoss(alpha=None, gamma=0.0),
    m.FocalLoss(alpha=0.5, gamma=1.5, log_floor=1e-6, reduction="sum"),
    m.FocalLoss(alpha=0.25, gamma=0.75, clip=KERAS_CLIP, reduction="sum"),
    m.FocalLoss(alpha=0.25, gamma=0.75, clip=KERAS_CLIP, clip_leak=True),
    m.FocalLoss(alpha=0.7, alpha_mode="constant", gamma=2.0, soft_target_pt="exp"),
    m.FocalLoss(alpha=[0.5, 1.0, 2.0]),
    m.FocalLoss(reduction="positives"),
    m.FocalLoss(alpha=None, ignore_denominator="all"),
    m.FocalLoss(alpha=None, weight_denominator="count"),
    m.FocalLoss(weight_from=SMALL_BOUNDARY),
    m.CrossEntropy(),
    m.CrossEntropy(reduction="sum", log_floor=1e-3),
    m.CrossEntropy(reduction="positives", clip=(1e-7, 1 - 1e-7)),
    m.CrossEntropy(ignore_denominator="all"),
    m.CrossEntropy(weight_denominator="count"),
    m.CrossEntropy(class_weights=[0.5, 2.0]),
    m.CrossEntropy(class_weights=[0.5, 2.0, 3.0]),
    m.CrossEntropy(pos_weight=3.0),
    m.CrossEntropy(pos_weight=[3.0, 0.5]),
    m.CrossEntropy(alpha=0.3),
    m.CrossEntropy(balance="inverse_frequency"),
    m.CrossEntropy(label_smoothing=0.1),
    m.CrossEntropy(weight_from=SMALL_BOUNDARY),
    m.Dice(),
    m.Dice(soft=True),
    m.Dice(soft=True, squared=True),
    m.Dice(soft=True, soft_target="l1"),
    m.Dice(average="micro", empty=NO_RULES),
    m.Dice(average="weighted", empty=CONSTANTS),
    m.Dice(average="none", empty=UNDEFINED),
    m.Dice(threshold=0.25, threshold_side="greater_equal"),
    m.Dice(include_background=False),
    m.Dice(smooth_numerator=1e-5, smooth_denominator=1e-5),
    m.DiceLoss(),
    m.DiceLoss(smooth_numerator=2.0, smooth_denominator=1.0),
    m.DiceLoss(smooth_numerator=0.0, smooth_denominator=0.0, empty=CONSTANTS),
    m.DiceLoss(soft=False),
    m.DiceLoss(average="micro"),
    m.Iou(),
    m.Iou(soft=True, average="weighted"),
    m.Iou(soft=True, soft_target="l1"),
    m.Iou(average="micro", include_background=False),
    m.IouLoss(),
    m.IouLoss(soft=False, smooth_numerator=0.0, smooth_denominator=0.0),
    m.MeanIou(),
    m.MeanIou(include_background=False, thresholds=[0.25, 0.5], threshold_side="greater_equal"),
    m.MeanIou(average="micro", empty=CONSTANTS),
    m.MeanIou(average="weighted"),
    m.MeanIou(average="none"),
    m.Confusion(),
    m.Confusion(threshold=0.25, threshold_side="greater_equal"),
    m.Accuracy(),
    m.Accuracy(average="macro"),
    m.Accuracy(average="weighted", include_background=False),
    m.Precision(),
    m.Precision(average="micro", empty=CONSTANTS),
    m.Recall(),
    m.Recall(average="weighted", empty=UNDEFINED),
    m.Specificity(),
    m.Specificity(average="micro"),
    m.Specificity(no_negatives=0.0),
    m.Specificity(no_negatives="skip", average="weighted"),
    m.FocalLoss(alpha=None, denominator="elements"),
    m.FBeta(),
    m.FBeta(beta=2.0, average="weighted"),
    m.Mcc(),
    m.Mcc(average="macro", zero_division=0.0, include_background=False),
    m.Mcc(average="weighted", empty=CONSTANTS),
    m.Kappa(),
    m.Kappa(weights="linear", zero_division=1.0),
    m.Kappa(weights="quadratic"),
    m.Kappa(average="macro", empty=UNDEFINED),
    m.BalancedAccuracy(),
    m.BalancedAccuracy(adjusted=True),
    m.BalancedAccuracy(absent="undefined", threshold=0.25, threshold_side="greater_equal"),
    m.BalancedAccuracy(absent=0.0, adjusted=True),
    m.VolumeDifference(),
    m.VolumeDifference(mode="absolute", average="micro"),
    m.VolumeDifference(mode="symmetric", empty=CONSTANTS),
    m.VolumeDifference(mode="symmetric"),
    m.CombinedLoss(
        terms=[m.CombinedTerm(metric=m.FocalLoss(alpha=None), weight=0.5), m.CombinedTerm(metric=m.IouLoss())]
    ),
    m.CombinedLoss(terms=[m.CombinedTerm(metric=m.Dice(), transform="complement")]),
    m.BceDice(),
    m.BceLogDice(),
    m.FocalDice(),
    m.FocalLogDice(focal_weight=2.0),
    m.WeightedBceDice(boundary=SMALL_BOUNDARY),
    m.Hausdorff(),
    m.Hausdorff(percentile=95.0, empty=DISTANCES),
    m.Hausdorff(percentile=50.0, hd_mode="pooled", border="full", average="micro"),
    m.Hausdorff(percentile=95.0, hd_mode="area_weighted", average="weighted"),
    m.Hausdorff(hd_mode="area_weighted", edge_is_border=False, include_background=False),
    m.Hausdorff(directed=True, percentile=0.0, empty=NO_DISTANCE_RULES),
    m.Hausdorff(directed=True, average="micro"),
    m.AverageSurfaceDistance(),
    m.AverageSurfaceDistance(symmetric="masd", edge_is_border=False, empty=DISTANCES),
    m.AverageSurfaceDistance(symmetric="directed", border="full", average="micro", empty=NO_DISTANCE_RULES),
    m.AverageSurfaceDistance(average="micro", empty=DISTANCES),
    m.SurfaceDice(),
    m.SurfaceDice(tolerance=[0.0, 1.5]),
    m.SurfaceDice(tolerance=0.0, nsd_mode="pooled_areas", average="micro"),
    m.SurfaceDice(tolerance=1.5, nsd_mode="mean_of_fractions", border="full", edge_is_border=False),
    m.BoundaryIou(),
    m.BoundaryIou(dilation_ratio=0.4, average="micro", empty=CONSTANTS),
    m.CentrelineDice(),
    m.CentrelineDice(threshold=0.25, threshold_side="greater_equal", average="micro"),
    m.InstanceFBeta(),
    m.InstanceFBeta(beta=2.0, connectivity="faces", average="micro", pairs=3),
    m.InstanceFBeta(iou_threshold=0.1, threshold_side="greater_equal", min_size=2, empty=CONSTANTS),
    m.InstanceFBeta(iou_threshold=0.1, matching="optimal", average="weighted"),
    m.InstancePrecision(),
    m.InstancePrecision(thresholds=[0.0, 0.3], include_background=False, empty=UNDEFINED),
    m.InstancePrecision(matching="optimal", thresholds=[0.2, 0.4], average="micro", pairs=2),
    m.PanopticQuality(),
    m.PanopticQuality(average="none", connectivity="faces", threshold_side="greater_equal", empty=NO_RULES),
    m.PanopticQuality(instance_divisor=100),
    m.PanopticQuality(crowd=[2, 3]),
)


def _by_default() -> Iterator[MetricSpec]:
    """The metrics that nothing is explicit of, as their defaults are; one that needs a parameter has none."""
    known = {spec.name for spec in EXPLICIT}
    for name, spec in CATALOGUE.items():
        if name not in known and not any(field.is_required() for field in spec.model_fields.values()):
            yield spec.model_validate({})


VARIANTS: tuple[MetricSpec, ...] = (*EXPLICIT, *_by_default())
