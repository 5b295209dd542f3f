"""Cross-entropy. Class weights, alphas and smoothing enter here, after the pass."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from lossgauge.metrics import CrossEntropy
from lossgauge.wire import Score
from numpy.typing import NDArray

from lossgauge_service.measures.entropies import WeightedEntropies
from lossgauge_service.metrics.implementation import Implementation, Misfit
from lossgauge_service.metrics.pixel_loss import (
    Parts,
    of_each,
    scale_of,
    scaled,
    scores_of_parts,
    together,
    weighting_misfit,
    wrong_length,
)
from lossgauge_service.samples import Case
from lossgauge_service.statistics import Entropy, EntropySums, Measure, Statistic, Sums, Totals, TotalSums, Values


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


def _needs(spec: CrossEntropy, case: Case) -> list[Statistic]:
    every = _weighted_key(spec, case) if _weighs_every_class(spec, case) else _every_key(spec)
    return [Totals(spec.weight_from), _plain_key(spec), *([every] if spec.label_smoothing else [])]


def _finish(spec: CrossEntropy, sums: Sums, case: Case) -> list[Score]:
    totals = sums.totals(spec.weight_from)
    factors = _class_factors(spec, totals, case)
    parts = Parts(*_sums(spec, sums, factors, case), _class_weight(spec, totals, factors))
    return scores_of_parts(spec, parts, totals, sums.pixels, case)


def _sums(spec: CrossEntropy, sums: Sums, factors: tuple[Any, Any], case: Case) -> EntropySums:
    if not spec.label_smoothing:
        return of_each(factors, sums.entropy(_plain_key(spec)))
    if case.task == "multiclass":
        return _smoothed_classes(spec, sums, factors, case)
    return _smoothed_masks(spec, sums, factors)


def _losses(spec: CrossEntropy, sums: Sums, whole: Sums, case: Case) -> Values:
    return together(_sums(spec, sums, _class_factors(spec, whole.totals(spec.weight_from), case), case))


def _slopes(spec: CrossEntropy, sums: Sums, case: Case) -> Mapping[Measure[Any], NDArray[Any]]:
    """Every class's sum has the same, for its weights are in it."""
    if not _weighs_every_class(spec, case):
        return {}
    totals = sums.totals(spec.weight_from)
    weight = _class_weight(spec, totals, _class_factors(spec, totals, case))
    [scale] = scale_of(spec, weight, totals, sums.pixels, case)
    return {_weighted_key(spec, case): np.full(case.classes, _moved(spec, case) / scale)}


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
    own, moved = of_each(factors, plain), of_each(factors, other)
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


def _misfit(spec: CrossEntropy, case: Case) -> Misfit | None:
    multiclass = case.task == "multiclass"
    of_masks = [name for name in ("pos_weight", "alpha", "balance") if getattr(spec, name) is not None]
    if multiclass and of_masks:
        found = "pos_weight, alpha and balance weigh positives against negatives; task 'multiclass' takes class_weights"
        return Misfit(found, (of_masks[0],))
    if isinstance(spec.pos_weight, list) and len(spec.pos_weight) != case.classes:
        return wrong_length("pos_weight", spec.pos_weight, case.classes)
    if spec.class_weights is not None:
        wanted = 2 if case.task == "binary" else case.classes
        return wrong_length("class_weights", spec.class_weights, wanted) or weighting_misfit(spec, case)
    return weighting_misfit(spec, case)


FAMILY = (Implementation(CrossEntropy, _needs, _finish, _misfit, _losses, slopes=_slopes),)
