"""Asymmetric and unified focal loss."""

from typing import Any

import numpy as np
from lossgauge.metrics import AsymmetricFocalLoss, FocalLoss, UnifiedFocalLoss
from lossgauge.wire import Score

from lossgauge_service.metrics import focal
from lossgauge_service.metrics.implementation import Implementation, Misfit
from lossgauge_service.metrics.pixel_loss import Parts, scaled, scores_of_parts, together, weighting_misfit
from lossgauge_service.metrics.tversky import Overlaps, with_background
from lossgauge_service.metrics.values import Readings, finite, mean, nothing_to_score, ratio, scores_of, stacked, told
from lossgauge_service.samples import Case
from lossgauge_service.statistics import Entropy, EntropySums, Moments, Statistic, Sums, Totals, Values

HARD_ONLY = Misfit("is of hard targets; the target is soft")


def _keys(spec: AsymmetricFocalLoss) -> tuple[Entropy, Entropy]:
    """Cross-entropy without and with the focus."""
    plain_key = Entropy(0.0, spec.clip, spec.log_floor, weight=spec.weight_from)
    return plain_key, Entropy(spec.gamma, spec.clip, spec.log_floor, weight=spec.weight_from)


def _needs(spec: AsymmetricFocalLoss, case: Case) -> list[Statistic]:
    return [Totals(spec.weight_from), *_keys(spec)]


def _finish(spec: AsymmetricFocalLoss, sums: Sums, case: Case) -> list[Score]:
    totals = sums.totals(spec.weight_from)
    return scores_of_parts(spec, Parts(*_sides(spec, sums, case), totals.weight), totals, sums.pixels, case)


def _sides(spec: AsymmetricFocalLoss, sums: Sums, case: Case) -> EntropySums:
    """The foreground's losses, and the background's."""
    entropy, focal = (sums.entropy(key) for key in _keys(spec))
    positive, negative = scaled(spec.delta, entropy.positive), scaled(1 - spec.delta, focal.negative)
    if case.task == "multiclass":
        behind = scaled(1 - spec.delta, focal.positive[:, :1])
        positive, negative = np.concatenate([behind, positive[:, 1:]], 1), np.zeros_like(positive)
    return EntropySums(positive, negative)


def _losses(spec: AsymmetricFocalLoss, sums: Sums, whole: Sums, case: Case) -> Values:
    return together(_sides(spec, sums, case))


def _misfit(spec: AsymmetricFocalLoss, case: Case) -> Misfit | None:
    return HARD_ONLY if case.soft else weighting_misfit(spec, case)


# --------------------------------------------------------------------------------------------------------------- unified


PIXELS: dict[type, Implementation[Any]] = {
    AsymmetricFocalLoss: Implementation(AsymmetricFocalLoss, _needs, _finish, _misfit, _losses),
    **{part.spec: part for part in focal.FAMILY},
}


def _focal_term(spec: UnifiedFocalLoss, case: Case) -> AsymmetricFocalLoss | FocalLoss:
    if spec.form == "asymmetric":
        return AsymmetricFocalLoss(delta=spec.delta, gamma=spec.gamma, log_floor=spec.log_floor)
    each = [1 - spec.delta, *[spec.delta] * (case.classes - 1)]
    alpha = spec.delta if case.task == "binary" else each
    return FocalLoss(alpha=alpha, gamma=spec.gamma, log_floor=spec.log_floor)


def _unified_needs(spec: UnifiedFocalLoss, case: Case) -> list[Statistic]:
    term = _focal_term(spec, case)
    return [*PIXELS[type(term)].needs(term, case), Moments()]


def _unified_finish(spec: UnifiedFocalLoss, sums: Sums, case: Case) -> list[Score]:
    term, tversky = _focal_term(spec, case), _tversky_term(spec, sums, case)
    focal = _readings(PIXELS[type(term)].finish(term, sums, case))
    share = spec.weight
    both = finite(scaled(share, tversky.numbers) + scaled(1 - share, focal.numbers))
    return scores_of(both, nothing_to_score(sums.totals()), terms=told(stacked([tversky, focal])))


def _readings(scores: list[Score]) -> Readings:
    numbers = np.array([np.nan if score.value is None else score.value for score in scores])
    return Readings(numbers, np.array([score.undefined for score in scores], object))


def _tversky_term(spec: UnifiedFocalLoss, sums: Sums, case: Case) -> Readings:
    moments, totals = sums.moments(Moments()), sums.totals()
    parts = Overlaps(moments.pt, moments.missed, moments.extra, moments.p, totals.positive)
    parts = with_background(parts, totals.negative) if case.task == "binary" else parts
    wrong = spec.delta * parts.missed + (1 - spec.delta) * parts.extra
    losses = ratio(wrong, parts.shared + wrong + spec.smooth, "zero_denominator")
    exponents = np.full(parts.shared.shape[-1], 1 - spec.gamma)
    if spec.form == "asymmetric":
        exponents[0] = 1.0
    times = len(exponents) if spec.class_reduction == "sum" else 1
    whole = mean(losses.mapped(lambda loss: loss**exponents)).mapped(lambda loss: times * loss)
    # a class that is infinite must not leave the mean
    return whole.unless(~losses.defined.all(-1), "infinite")


def _unified_misfit(spec: UnifiedFocalLoss, case: Case) -> Misfit | None:
    return HARD_ONLY if case.soft else None


FAMILY = (
    PIXELS[AsymmetricFocalLoss],
    Implementation(UnifiedFocalLoss, _unified_needs, _unified_finish, _unified_misfit),
)
