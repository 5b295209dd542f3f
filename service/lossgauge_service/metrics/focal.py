"""The focal loss. Alphas and leaks enter here, after the pass."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from lossgauge.metrics import FocalLoss
from lossgauge.metrics.pixel_loss import PARTS_OF_A_LOSS
from lossgauge.wire import Score

from lossgauge_service.metrics.implementation import Implementation, Misfit
from lossgauge_service.metrics.pixel_loss import (
    Parts,
    of_each,
    readings_of_parts,
    scores_of_parts,
    together,
    weighting_misfit,
    wrong_length,
)
from lossgauge_service.metrics.values import Readings, nothing_to_score
from lossgauge_service.samples import Case, case_one_vs_rest
from lossgauge_service.statistics import Entropy, EntropySums, Statistic, Sums, Totals, TotalSums, Values


class Factors(NamedTuple):
    """What a pixel's loss is multiplied with, of positives and of negatives, and the power of the focus."""

    positive: Any
    negative: Any
    gamma: Any


def _key(spec: FocalLoss, case: Case, bare: bool = False) -> Entropy:
    return Entropy(
        gamma=spec.gamma,
        clip=spec.clip,
        log_floor=spec.log_floor,
        modulated=case.soft and spec.soft_target_pt != "separate",
        pt="product" if not case.soft or spec.soft_target_pt == "separate" else spec.soft_target_pt,
        reduced=spec.reduced_threshold,
        bare=bare,
        weight=spec.weight_from,
        one_vs_rest=_is_apart(spec, case),
    )


def _is_apart(spec: FocalLoss, case: Case) -> bool:
    """Whether each class is a mask of its own."""
    return case.task == "multiclass" and spec.multiclass_mode == "one_vs_rest"


def _seen(spec: FocalLoss, case: Case) -> Case:
    """The case as the loss sees it."""
    return case_one_vs_rest(case) if _is_apart(spec, case) else case


def _totals(spec: FocalLoss, sums: Sums, case: Case) -> TotalSums:
    return sums.totals(spec.weight_from, _is_apart(spec, case))


def _needs(spec: FocalLoss, case: Case) -> list[Statistic]:
    focus = [_key(spec, case, bare=True)] if spec.normalized else []
    return [Totals(spec.weight_from, _is_apart(spec, case)), _key(spec, case), *focus]


def _finish(spec: FocalLoss, sums: Sums, case: Case) -> list[Score]:
    parts = _parts(spec, _factors_of(spec), sums, case)
    seen = _seen(spec, case), _masks_of_a_pixel(spec, case)
    return scores_of_parts(spec, parts, _totals(spec, sums, case), sums.pixels, *seen)


def focal_cells(
    losses: Sequence[FocalLoss], alphas: Sequence[float | None], sums: Sums, case: Case
) -> dict[str, Readings]:
    """The `value` and `PARTS_OF_A_LOSS` of each loss at each alpha, alpha by alpha, of one sample's sums.

    The losses differ in gamma alone.
    An alpha is a factor of its cells' parts, and gamma enters nothing but the parts: all are reduced together.
    """
    first, shape = losses[0], (len(alphas), len(losses), case.classes)
    of_alphas = np.array([_factors(alpha, first.alpha_mode) for alpha in alphas])[:, :, None, None]
    gammas = np.array([[loss.gamma] for loss in losses])
    each = _parts(first, Factors(of_alphas[:, 0], of_alphas[:, 1], gammas), _a_row_each(losses, sums, case), case)
    parts = Parts(*(np.broadcast_to(values, shape).reshape(-1, case.classes) for values in each))
    cells = shape[0] * shape[1]
    totals = TotalSums(*(values.repeat(cells, 0) for values in _totals(first, sums, case)))
    nothing = nothing_to_score(totals)
    seen = _seen(first, case), _masks_of_a_pixel(first, case)
    columns = readings_of_parts(first, parts, totals, sums.pixels.repeat(cells), *seen)
    lost = nothing.astype(bool)
    return dict(zip(("value", *PARTS_OF_A_LOSS), (each.unless(lost, nothing) for each in columns), strict=True))


def _a_row_each(losses: Sequence[FocalLoss], sums: Sums, case: Case) -> Sums:
    """The sums of one sample, a row for each loss, as if they were the first one's of so many samples."""
    first, rows = losses[0], len(losses)
    totals = TotalSums(*(values.repeat(rows, 0) for values in _totals(first, sums, case)))
    tables: dict[Statistic, Any] = {Totals(first.weight_from, _is_apart(first, case)): totals}
    for bare in (False, True) if first.normalized else (False,):
        each = [sums.entropy(_key(loss, case, bare)) for loss in losses]
        tables[_key(first, case, bare)] = EntropySums(*map(np.concatenate, zip(*each, strict=True)))
    return Sums(sums.pixels.repeat(rows), tables)


def _parts(spec: FocalLoss, factors: Factors, sums: Sums, case: Case) -> Parts:
    """The softmax's parts have their share of the elements; that of masks apart is of their mean alone, not of each class's."""
    loss, weight = _sums(spec, factors, sums, case), _weight(spec, sums, _totals(spec, sums, case), case)
    share = 1.0 if _is_apart(spec, case) else _share_of_elements(spec, case)
    return Parts(share * loss.positive, share * loss.negative, weight)


def _weight(spec: FocalLoss, sums: Sums, totals: TotalSums, case: Case) -> Values:
    """What the mean divides by: the pixels' weights, or these times the focus."""
    if not spec.normalized:
        return totals.weight
    focus = sums.entropy(_key(spec, case, bare=True))
    # where there is no focus there is no loss either, and nothing over anything is 0
    return np.maximum(focus.positive + focus.negative, np.finfo(float).tiny)


def _sums(spec: FocalLoss, factors: Factors, sums: Sums, case: Case) -> EntropySums:
    entropy, leak = sums.entropy(_key(spec, case)), _leak(spec, factors, _totals(spec, sums, case))
    weighed = of_each(factors[:2], entropy)
    return EntropySums(weighed.positive + leak.positive, weighed.negative + leak.negative)


def _losses(spec: FocalLoss, sums: Sums, whole: Sums, case: Case) -> Values:
    return _share_of_elements(spec, case) * together(_sums(spec, _factors_of(spec), sums, case))


def _masks_of_a_pixel(spec: FocalLoss, case: Case) -> float:
    """What a mean over pixels is of one over the masks' elements."""
    of_pixels = _is_apart(spec, case) and spec.reduction == "mean" and not spec.normalized
    return case.classes * _share_of_elements(spec, case) if of_pixels else 1.0


def _share_of_elements(spec: FocalLoss, case: Case) -> float:
    """What a mean over pixels times classes is of one over pixels."""
    of_elements = case.task == "multiclass" and spec.reduction == "mean" and spec.denominator == "elements"
    return 1 / case.classes if of_elements else 1.0


def _factors_of(spec: FocalLoss) -> Factors:
    return Factors(*_alphas(spec), spec.gamma)


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


def _leak(spec: FocalLoss, factors: Factors, totals: TotalSums) -> EntropySums:
    """What the clipped stand-ins of the other class's pixels add: a constant for each pixel."""
    if not spec.clip_leak or spec.clip is None:
        return EntropySums(np.zeros(1), np.zeros(1))
    low, high = spec.clip
    of_negative = factors.positive * (1 - high) ** factors.gamma * _minus_log(high)
    of_positive = factors.negative * low**factors.gamma * _minus_log(1 - low)
    return EntropySums(of_positive * totals.positive, of_negative * totals.negative)


def _minus_log(p: float) -> float:
    return -math.log(p) if p > 0 else math.inf


def _misfit(spec: FocalLoss, case: Case) -> Misfit | None:
    if isinstance(spec.alpha, list) and case.task != "multiclass":
        return Misfit(f"a list of alphas, one per class, is for task 'multiclass', not {case.task!r}", ("alpha",))
    if isinstance(spec.alpha, list) and len(spec.alpha) != case.classes:
        return wrong_length("alpha", spec.alpha, case.classes)
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


FAMILY = (Implementation(FocalLoss, _needs, _finish, _misfit, _losses),)
