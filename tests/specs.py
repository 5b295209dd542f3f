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
    m.FocalLoss(alpha=None, reduced_threshold=0.5),
    m.FocalLoss(gamma=1.5, reduced_threshold=0.3, reduction="sum"),
    m.FocalLoss(alpha=None, normalized=True),
    m.FocalLoss(gamma=1.5, normalized=True, reduced_threshold=0.5, clip=KERAS_CLIP),
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
    m.FBeta(),
    m.FBeta(beta=2.0, average="weighted"),
    m.LogCoshDiceLoss(),
    m.LogCoshDiceLoss(smooth_numerator=0.0, smooth_denominator=0.0, squared=True),
    m.TverskyLoss(),
    m.TverskyLoss(fp_weight=0.5, fn_weight=0.5),
    m.TverskyLoss(smooth_numerator=0.0, smooth_denominator=0.0, average="micro", empty=CONSTANTS),
    m.TverskyLoss(soft=False, include_background=False, average="weighted"),
    m.TverskyLoss(smooth_numerator=2.0),
    m.FocalTverskyLoss(),
    m.FocalTverskyLoss(gamma=2.0, fp_weight=1.0, fn_weight=1.0),
    m.FocalTverskyLoss(smooth_numerator=2.0, average="micro"),
    m.GeneralizedDiceLoss(),
    m.GeneralizedDiceLoss(weight_type="simple", absent="one", smooth_numerator=0.0, smooth_denominator=0.0),
    m.GeneralizedDiceLoss(weight_type="uniform", include_background=False, empty=NO_RULES),
    m.GeneralizedDiceLoss(absent="skip", soft=False, empty=UNDEFINED),
    m.AsymmetricFocalLoss(),
    m.AsymmetricFocalLoss(delta=0.6, gamma=0.5, clip=KERAS_CLIP, reduction="positives"),
    m.UnifiedFocalLoss(),
    m.UnifiedFocalLoss(form="asymmetric", gamma=0.25, weight=0.3, delta=0.7, smooth=1.0),
    m.Brier(),
    m.Brier(class_reduction="half_sum"),
    m.Brier(class_reduction="mean"),
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
    m.CombinedLoss(
        terms=[m.CombinedTerm(metric=m.TverskyLoss()), m.CombinedTerm(metric=m.GeneralizedDiceLoss(), weight=0.5)]
    ),
    m.BceDice(),
    m.BceLogDice(),
    m.FocalDice(),
    m.FocalLogDice(focal_weight=2.0),
    m.WeightedBceDice(boundary=SMALL_BOUNDARY),
)


def _by_default() -> Iterator[MetricSpec]:
    """The metrics that nothing is explicit of, as their defaults are; one that needs a parameter has none."""
    known = {spec.name for spec in EXPLICIT}
    for name, spec in CATALOGUE.items():
        if name not in known and not any(field.is_required() for field in spec.model_fields.values()):
            yield spec.model_validate({})


VARIANTS: tuple[MetricSpec, ...] = (*EXPLICIT, *_by_default())
