"""What losses that are sums over pixels have in common: the parts of a loss before its reduction, and what they become."""

from typing import Any, NamedTuple

import numpy as np
from lossgauge.metrics.pixel_loss import PARTS_OF_A_LOSS, PixelLoss
from lossgauge.wire import Score
from lossgauge.words import counted

from lossgauge_service.metrics.implementation import Misfit
from lossgauge_service.metrics.values import Readings, nothing_to_score, ratio, scores_of, scores_of_classes, told
from lossgauge_service.samples import Case
from lossgauge_service.statistics import EntropySums, TotalSums, Values


class Parts(NamedTuple):
    """A loss before its reduction, (samples, classes): the positives' sum, the negatives', and the weights' sum."""

    positive: Values
    negative: Values
    weight: Values


def of_each(factors: tuple[Any, Any], entropy: EntropySums) -> EntropySums:
    """The positives' and the negatives' sums, each times its factor."""
    return EntropySums(scaled(factors[0], entropy.positive), scaled(factors[1], entropy.negative))


def together(loss: EntropySums) -> Values:
    """The positives' and the negatives' losses."""
    return loss.positive + loss.negative


def scaled(factor: Any, sums: Values) -> Values:
    """factor * sums, where a factor of 0 takes out even what is infinite."""
    if isinstance(factor, float):
        return factor * sums if factor != 0 else np.zeros_like(sums)
    factors = np.asarray(factor, np.float64)
    nothing = np.zeros(np.broadcast_shapes(factors.shape, sums.shape))
    product: Values = np.multiply(factors, sums, out=nothing, where=factors != 0)
    return product


def scores_of_parts(
    spec: PixelLoss, parts: Parts, totals: TotalSums, pixels: Values, case: Case, times: float = 1.0
) -> list[Score]:
    """The scores of a loss's parts, divided as the spec says, then `times` so much; not so the classes' own."""
    nothing = nothing_to_score(totals)
    value, *sides = readings_of_parts(spec, parts, totals, pixels, case, times)
    extras = dict(zip(PARTS_OF_A_LOSS, map(told, sides), strict=True))
    if case.task == "binary":
        return scores_of(value, nothing, **extras)
    classes = _class_values(spec, parts, totals, pixels, case)
    return scores_of_classes(value, classes, None, nothing, **extras)


def readings_of_parts(
    spec: PixelLoss, parts: Parts, totals: TotalSums, pixels: Values, case: Case, times: float = 1.0
) -> tuple[Readings, ...]:
    """The value of a loss's parts, divided as the spec says, then `times` so much, and its `PARTS_OF_A_LOSS`."""
    positive, negative = _sides(parts, case)
    scale = scale_of(spec, parts.weight, totals, pixels, case) / times
    sums = (positive + negative, positive, negative)
    return *(ratio(each, scale, "no_weight") for each in sums), _share(positive, positive + negative)


def _sides(parts: Parts, case: Case) -> tuple[Values, Values]:
    """The positives' and the negatives' sums; of classes, class 0 is the negatives."""
    if case.task == "multiclass":
        return parts.positive[:, 1:].sum(-1), parts.positive[:, 0]
    return parts.positive.sum(-1), parts.negative.sum(-1)


def _share(part: Values, whole: Values) -> Readings:
    """part / whole, undefined where there is nothing to share."""
    known = np.isfinite(whole)
    return ratio(np.where(known, part, 0.0), np.where(known, whole, 1.0), "no_loss").unless(~known, "infinite")


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


def wrong_length(name: str, given: list[float], wanted: int) -> Misfit | None:
    """What keeps a list of as many numbers as there are classes from fitting."""
    found = f"{name} has {counted(len(given), 'entry', 'entries')}; {counted(wanted, 'is', 'are')} needed"
    return None if len(given) == wanted else Misfit(found, (name,))


def weighting_misfit(spec: PixelLoss, case: Case) -> Misfit | None:
    """What keeps computed weights from fitting a case."""
    if spec.weight_from is None:
        return None
    if case.task == "multiclass":
        found = "weight_from computes its weights from a mask; it has no meaning for task 'multiclass'"
        return Misfit(found, ("weight_from",))
    taken = Misfit("weight_from takes the place of a weight map; give one of them", ("weight_from",))
    return taken if case.weighted else None
