"""Losses that are sums over pixels: focal loss and cross-entropy. Alphas, class weights and leaks enter here, after the pass."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from lossgauge.metrics import CrossEntropy, FocalLoss
from lossgauge.metrics.pixel_loss import PixelLoss
from lossgauge.wire import Score
from numpy.typing import NDArray

from lossgauge_service.measures.entropies import WeightedEntropies
from lossgauge_service.metrics.implementation import Implementation, Misfit
from lossgauge_service.metrics.values import Readings, nothing_to_score, ratio, scores_of, scores_of_classes, told
from lossgauge_service.samples import Case, case_one_vs_rest
from lossgauge_service.statistics import Entropy, EntropySums, Measure, Statistic, Sums, Totals, TotalSums, Values


class Parts(NamedTuple):
    """A loss before its reduction, (samples, classes): the positives' sum, the negatives', and the weights' sum."""

    positive: Values
    negative: Values
    weight: Values


# ----------------------------------------------------------------------------------------------------------------- focal


def _focal_key(spec: FocalLoss, case: Case, bare: bool = False) -> Entropy:
    exp_pt = case.soft and spec.soft_target_pt == "exp"
    return Entropy(
        spec.gamma,
        spec.clip,
        spec.log_floor,
        False,
        case.soft,
        exp_pt,
        spec.reduced_threshold,
        bare,
        spec.weight_from,
        _is_apart(spec, case),
    )


def _is_apart(spec: FocalLoss, case: Case) -> bool:
    """Whether each class is a mask of its own."""
    return case.task == "multiclass" and spec.multiclass_mode == "one_vs_rest"


def _seen(spec: FocalLoss, case: Case) -> Case:
    """The case as the loss sees it."""
    return case_one_vs_rest(case) if _is_apart(spec, case) else case


def _focal_totals(spec: FocalLoss, sums: Sums, case: Case) -> TotalSums:
    return sums.totals(spec.weight_from, _is_apart(spec, case))


def _focal_needs(spec: FocalLoss, case: Case) -> list[Statistic]:
    focus = [_focal_key(spec, case, bare=True)] if spec.normalized else []
    return [Totals(spec.weight_from, _is_apart(spec, case)), _focal_key(spec, case), *focus]


def _focal_finish(spec: FocalLoss, sums: Sums, case: Case) -> list[Score]:
    return _reduced(
        spec, _focal_parts(spec, _alphas(spec), sums, case), _focal_totals(spec, sums, case), sums.pixels, case
    )


def focal_cells(losses: Sequence[FocalLoss], alphas: Sequence[float | None], sums: Sums, case: Case) -> list[Score]:
    """The score of each loss at each alpha, alpha by alpha, of one sample's sums. The losses differ in gamma alone.

    An alpha is a factor of its cells' parts, and gamma enters nothing but the parts: all are reduced together.
    """
    factors = np.array([_factors(alpha, losses[0].alpha_mode) for alpha in alphas])
    each = [_focal_parts(loss, (factors[:, :1], factors[:, 1:]), sums, case) for loss in losses]
    shape = len(alphas), len(losses), case.classes
    parts = (
        np.broadcast_to(np.stack(values, 1), shape).reshape(-1, case.classes) for values in zip(*each, strict=True)
    )
    cells = shape[0] * shape[1]
    totals = TotalSums(*(values.repeat(cells, 0) for values in _focal_totals(losses[0], sums, case)))
    return _reduced(losses[0], Parts(*parts), totals, sums.pixels.repeat(cells), case)


def _reduced(spec: FocalLoss, parts: Parts, totals: TotalSums, pixels: Values, case: Case) -> list[Score]:
    return reduced(spec, parts, totals, pixels, _seen(spec, case), _masks_of_a_pixel(spec, case))


def _focal_parts(spec: FocalLoss, alphas: tuple[Any, Any], sums: Sums, case: Case) -> Parts:
    weight = _focal_weight(spec, sums, _focal_totals(spec, sums, case), case)
    return Parts(*_focal_sums(spec, alphas, sums, case), weight)


def _focal_weight(spec: FocalLoss, sums: Sums, totals: TotalSums, case: Case) -> Values:
    """What the mean divides by: the pixels' weights, or these times the focus."""
    if not spec.normalized:
        return totals.weight
    focus = sums.entropy(_focal_key(spec, case, bare=True))
    # where there is no focus there is no loss either, and nothing over anything is 0
    return np.maximum(focus.positive + focus.negative, np.finfo(float).tiny)


def _focal_sums(spec: FocalLoss, alphas: tuple[Any, Any], sums: Sums, case: Case) -> EntropySums:
    entropy, leak = sums.entropy(_focal_key(spec, case)), _leak(spec, alphas, _focal_totals(spec, sums, case))
    weighed = _of_each(alphas, entropy)
    share = 1.0 if _is_apart(spec, case) else _share_of_elements(spec, case)
    return EntropySums(share * (weighed.positive + leak.positive), share * (weighed.negative + leak.negative))


def _focal_losses(spec: FocalLoss, sums: Sums, whole: Sums, case: Case) -> Values:
    share = _share_of_elements(spec, case) if _is_apart(spec, case) else 1.0
    return share * together(_focal_sums(spec, _alphas(spec), sums, case))


def _masks_of_a_pixel(spec: FocalLoss, case: Case) -> float:
    """What a mean over pixels is of one over the masks' elements."""
    of_elements = spec.normalized or spec.reduction != "mean" or not _is_apart(spec, case)
    return 1.0 if of_elements else case.classes * _share_of_elements(spec, case)


def _share_of_elements(spec: FocalLoss, case: Case) -> float:
    """What a mean over pixels times classes is of one over pixels."""
    of_elements = case.task == "multiclass" and spec.reduction == "mean" and spec.denominator == "elements"
    return 1 / case.classes if of_elements else 1.0


def _alphas(spec: FocalLoss) -> tuple[Any, Any]:
    if not isinstance(spec.alpha, list):
        return _factors(spec.alpha, spec.alpha_mode)
    alphas = np.array(spec.alpha)
    # the softmax has no negatives
    return alphas, 1 - alphas if spec.multiclass_mode == "one_vs_rest" and spec.alpha_mode == "balanced" else alphas


def _factors(alpha: float | None, mode: str) -> tuple[float, float]:
    if alpha is None:
        return 1.0, 1.0
    return alpha, alpha if mode == "constant" else 1 - alpha


def _leak(spec: FocalLoss, alphas: tuple[Any, Any], totals: TotalSums) -> EntropySums:
    """What the clipped stand-ins of the other class's pixels add: a constant for each pixel."""
    if not spec.clip_leak or spec.clip is None:
        return EntropySums(np.zeros(1), np.zeros(1))
    low, high = spec.clip
    of_negative = alphas[0] * (1 - high) ** spec.gamma * _minus_log(high)
    of_positive = alphas[1] * low**spec.gamma * _minus_log(1 - low)
    return EntropySums(of_positive * totals.positive, of_negative * totals.negative)


def _minus_log(p: float) -> float:
    return -math.log(p) if p > 0 else math.inf


def _focal_misfit(spec: FocalLoss, case: Case) -> Misfit | None:
    if isinstance(spec.alpha, list) and case.task != "multiclass":
        return Misfit(f"a list of alphas, one per class, is for task 'multiclass', not {case.task!r}", ("alpha",))
    if isinstance(spec.alpha, list) and len(spec.alpha) != case.classes:
        return _wrong_length("alpha", spec.alpha, case.classes)
    softmax = case.task == "multiclass" and spec.multiclass_mode == "softmax"
    if softmax and isinstance(spec.alpha, float) and spec.alpha_mode == "balanced":
        return Misfit(
            "alpha_mode 'balanced' has no meaning for task 'multiclass'; give alpha null, a list per class, alpha_mode "
            "'constant', or multiclass_mode 'one_vs_rest'",
            spec.given("alpha", "alpha_mode"),
        )
    if softmax and spec.clip_leak:
        return Misfit(
            "clip_leak is of binary code; of task 'multiclass' it has a meaning for multiclass_mode 'one_vs_rest' only",
            ("clip_leak",),
        )
    return weighting_misfit(spec, _seen(spec, case))


# --------------------------------------------------------------------------------------------------------- cross-entropy


def _plain_key(spec: CrossEntropy) -> Entropy:
    return Entropy(0.0, spec.clip, spec.log_floor, weight=spec.weight_from)


def _every_key(spec: CrossEntropy) -> Entropy:
    return Entropy(0.0, spec.clip, spec.log_floor, every=True, weight=spec.weight_from)


def _weighted_key(spec: CrossEntropy, case: Case) -> WeightedEntropies:
    weights = spec.class_weights or [1.0] * case.classes
    return WeightedEntropies(tuple(weights), spec.clip, spec.log_floor)


def _weighs_every_class(spec: CrossEntropy, case: Case) -> bool:
    """Whether the cross-entropies of classes against every class are no plain sum of them."""
    altered = (spec.class_weights, spec.clip, spec.log_floor) != (None, None, None)
    return bool(spec.label_smoothing) and case.task == "multiclass" and altered


def _entropy_needs(spec: CrossEntropy, case: Case) -> list[Statistic]:
    every = _weighted_key(spec, case) if _weighs_every_class(spec, case) else _every_key(spec)
    return [Totals(spec.weight_from), _plain_key(spec), *([every] if spec.label_smoothing else [])]


def _entropy_finish(spec: CrossEntropy, sums: Sums, case: Case) -> list[Score]:
    totals = sums.totals(spec.weight_from)
    factors = _class_factors(spec, totals, case)
    parts = Parts(*_entropy_sums(spec, sums, factors, case), _class_weight(spec, totals, factors))
    return reduced(spec, parts, totals, sums.pixels, case)


def _entropy_sums(spec: CrossEntropy, sums: Sums, factors: tuple[Any, Any], case: Case) -> EntropySums:
    if not spec.label_smoothing:
        return _of_each(factors, sums.entropy(_plain_key(spec)))
    if case.task == "multiclass":
        return _smoothed_classes(spec, sums, factors, case)
    return _smoothed_masks(spec, sums, factors)


def _entropy_losses(spec: CrossEntropy, sums: Sums, whole: Sums, case: Case) -> Values:
    return together(_entropy_sums(spec, sums, _class_factors(spec, whole.totals(spec.weight_from), case), case))


def _entropy_slopes(spec: CrossEntropy, sums: Sums, case: Case) -> Mapping[Measure[Any], NDArray[Any]]:
    """Every class's sum has the same, for its weights are in it."""
    if not _weighs_every_class(spec, case):
        return {}
    totals = sums.totals(spec.weight_from)
    weight = _class_weight(spec, totals, _class_factors(spec, totals, case))
    [scale] = scale_of(spec, weight, totals, sums.pixels, case)
    return {_weighted_key(spec, case): np.full(case.classes, _moved(spec, case) / scale)}


def together(loss: EntropySums) -> Values:
    """The positives' and the negatives' losses."""
    return loss.positive + loss.negative


def _of_each(factors: tuple[Any, Any], entropy: EntropySums) -> EntropySums:
    """The positives' and the negatives' sums, each times its factor."""
    return EntropySums(scaled(factors[0], entropy.positive), scaled(factors[1], entropy.negative))


def _smoothed_classes(spec: CrossEntropy, sums: Sums, factors: tuple[Any, Any], case: Case) -> EntropySums:
    plain, every = scaled(factors[0], sums.entropy(_plain_key(spec)).positive), _every_class(spec, sums, case)
    loss = (1 - spec.label_smoothing) * plain + _moved(spec, case) * every
    return EntropySums(loss, np.zeros_like(loss))


def _every_class(spec: CrossEntropy, sums: Sums, case: Case) -> Values:
    if _weighs_every_class(spec, case):
        return sums.measured(_weighted_key(spec, case)).every
    return sums.entropy(_every_key(spec)).positive


def _moved(spec: CrossEntropy, case: Case) -> float:
    """The share of a smoothed target that each class has."""
    return spec.label_smoothing / case.classes


def _smoothed_masks(spec: CrossEntropy, sums: Sums, factors: tuple[Any, Any]) -> EntropySums:
    """Each pixel's cross-entropy against its own class and against the other, the factor of a term being its class's."""
    plain, every = sums.entropy(_plain_key(spec)), sums.entropy(_every_key(spec))
    other = EntropySums(every.negative - plain.negative, every.positive - plain.positive)
    own, moved = _of_each(factors, plain), _of_each(factors, other)
    share = spec.label_smoothing / 2
    return EntropySums(
        (1 - share) * own.positive + share * moved.negative, (1 - share) * own.negative + share * moved.positive
    )


def _class_weight(spec: CrossEntropy, totals: TotalSums, factors: tuple[Any, Any]) -> Values:
    """The weights that the mean divides by: of the pixels, times their class's."""
    if spec.class_weights is None:
        return totals.weight
    weight: Values = factors[0] * totals.positive + factors[1] * totals.negative
    return weight


def _class_factors(spec: CrossEntropy, totals: TotalSums, case: Case) -> tuple[Any, Any]:
    """The factors of the positives' and the negatives' sums."""
    if spec.class_weights is not None:
        weights = np.array(spec.class_weights)
        return (weights[1], weights[0]) if case.task == "binary" else (weights, weights)
    if spec.pos_weight is not None:
        return np.array(spec.pos_weight), 1.0
    if spec.balance is not None:
        weight = np.maximum(totals.weight, np.finfo(float).tiny)
        return totals.negative / weight, totals.positive / weight
    return (1.0, 1.0) if spec.alpha is None else (spec.alpha, 1 - spec.alpha)


def _entropy_misfit(spec: CrossEntropy, case: Case) -> Misfit | None:
    multiclass = case.task == "multiclass"
    of_masks = [name for name in ("pos_weight", "alpha", "balance") if getattr(spec, name) is not None]
    if multiclass and of_masks:
        found = "pos_weight, alpha and balance weigh positives against negatives; task 'multiclass' takes class_weights"
        return Misfit(found, (of_masks[0],))
    if isinstance(spec.pos_weight, list) and len(spec.pos_weight) != case.classes:
        return _wrong_length("pos_weight", spec.pos_weight, case.classes)
    if spec.class_weights is not None:
        wanted = 2 if case.task == "binary" else case.classes
        return _wrong_length("class_weights", spec.class_weights, wanted) or weighting_misfit(spec, case)
    return weighting_misfit(spec, case)


def _wrong_length(name: str, given: list[float], wanted: int) -> Misfit | None:
    return None if len(given) == wanted else Misfit(f"{name} has {len(given)} entries; {wanted} are needed", (name,))


def weighting_misfit(spec: PixelLoss, case: Case) -> Misfit | None:
    """What keeps computed weights from fitting a case."""
    if spec.weight_from is None:
        return None
    if case.task == "multiclass":
        found = "weight_from computes its weights from a mask; it has no meaning for task 'multiclass'"
        return Misfit(found, ("weight_from",))
    taken = Misfit("weight_from takes the place of a weight map; give one of them", ("weight_from",))
    return taken if case.weighted else None


# ------------------------------------------------------------------------------------------------------------- reduction


def reduced(
    spec: PixelLoss, parts: Parts, totals: TotalSums, pixels: Values, case: Case, times: float = 1.0
) -> list[Score]:
    """The scores of a loss's parts, divided as the spec says, then `times` so much; not so the classes' own."""
    nothing = nothing_to_score(totals)
    positive, negative = _sides(parts, case)
    scale = scale_of(spec, parts.weight, totals, pixels, case) / times
    value = ratio(positive + negative, scale, "no_weight")
    extras = {
        "positive": told(ratio(positive, scale, "no_weight")),
        "negative": told(ratio(negative, scale, "no_weight")),
        "positive_share": told(_share(positive, positive + negative)),
    }
    if case.task == "binary":
        return scores_of(value, nothing, **extras)
    classes = _class_values(spec, parts, totals, pixels, case)
    return scores_of_classes(value, classes, None, nothing, **extras)


def _share(part: Values, whole: Values) -> Readings:
    """part / whole, undefined where there is nothing to share."""
    known = np.isfinite(whole)
    return ratio(np.where(known, part, 0.0), np.where(known, whole, 1.0), "no_loss").unless(~known, "infinite")


def scaled(factor: Any, sums: Values) -> Values:
    """factor * sums, where a factor of 0 takes out even what is infinite."""
    if isinstance(factor, float):
        return factor * sums if factor != 0 else np.zeros_like(sums)
    factors, values = np.broadcast_arrays(np.asarray(factor, np.float64), sums)
    product: Values = np.multiply(factors, values, out=np.zeros(values.shape), where=factors != 0)
    return product


def _sides(parts: Parts, case: Case) -> tuple[Values, Values]:
    """The positives' and the negatives' sums; of classes, class 0 is the negatives."""
    if case.task == "multiclass":
        return parts.positive[:, 1:].sum(-1), parts.positive[:, 0]
    return parts.positive.sum(-1), parts.negative.sum(-1)


def scale_of(spec: PixelLoss, weight: Values, totals: TotalSums, pixels: Values, case: Case) -> Values:
    """What the sum of a loss over all classes is divided by. weight: of each class."""
    elements = pixels * (1 if case.task == "multiclass" else case.classes)
    return _denominator(spec, weight.sum(-1), totals.valid.sum(-1), elements, _positives(totals, case))


def _denominator(spec: PixelLoss, weight: Values, valid: Values, elements: Values, positives: Values) -> Values:
    if spec.reduction == "sum":
        return np.ones_like(weight)
    if spec.reduction == "positives":
        return np.maximum(1.0, positives)
    if spec.ignore_denominator == "all":
        return elements
    return weight if spec.weight_denominator == "weights" else valid


def _positives(totals: TotalSums, case: Case) -> Values:
    """The weight of the positives; of classes, every pixel that is not of class 0."""
    weight: Values = totals.positive[:, 1 if case.task == "multiclass" else 0 :].sum(-1)
    return weight


def _class_values(spec: PixelLoss, parts: Parts, totals: TotalSums, pixels: Values, case: Case) -> Readings:
    """The loss of each label (multilabel), or of the pixels of each class (multiclass)."""
    multiclass = case.task == "multiclass"
    elements = totals.valid if multiclass else np.broadcast_to(pixels[:, None], totals.valid.shape)
    positives = _positives(totals, case)[:, None] if multiclass else totals.positive
    scale = _denominator(spec, parts.weight, totals.valid, elements, positives)
    values = ratio(parts.positive + parts.negative, scale, "no_weight")
    values = values.unless(totals.weight == 0, "no_weight")
    return values.unless(totals.valid == 0, "target_empty" if multiclass else "no_valid_pixels")


FAMILY = (
    Implementation(FocalLoss, _focal_needs, _focal_finish, _focal_misfit, _focal_losses),
    Implementation(
        CrossEntropy, _entropy_needs, _entropy_finish, _entropy_misfit, _entropy_losses, slopes=_entropy_slopes
    ),
)
