"""Tversky, focal Tversky and generalised dice loss."""

from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any

from lossgauge.metrics import FocalTverskyLoss, GeneralizedDiceLoss, TverskyLoss
from lossgauge.metrics.tversky import TverskyIndex

from tests.reference.case import NOTHING_TO_SCORE, Case, Expected, Outcome
from tests.reference.overlap import class_average, complement, threshold_of
from tests.reference.probability import hard_membership, soft_membership
from tests.reference.region import Region, by_rules, ratio, regions_of


def tversky_loss(spec: TverskyLoss, case: Case) -> Expected:
    """1 - (I + a) / (I + fp_weight FP + fn_weight FN + b)."""
    return class_average(spec, case, _regions(spec, case), lambda region: _loss(spec, region))


def focal_tversky_loss(spec: FocalTverskyLoss, case: Case) -> Expected:
    """(1 - TI)^gamma."""

    def formula(region: Region) -> Outcome:
        loss = _loss(spec, region)
        return loss if loss.value is None else Outcome(max(loss.value, 0.0) ** spec.gamma)

    return class_average(spec, case, _regions(spec, case), formula)


def _loss(spec: TverskyIndex, r: Region) -> Outcome:
    shared, fp, fn = (r.tp, r.fp, r.fn) if spec.soft_target == "product" else (r.least, r.over, r.short)
    wrong = spec.fp_weight * fp + spec.fn_weight * fn
    below = shared + wrong + spec.smooth_denominator
    if spec.smooth_numerator == spec.smooth_denominator:
        return ratio(r, wrong, below)
    return complement(ratio(r, shared + spec.smooth_numerator, below))


def generalized_dice_loss(spec: GeneralizedDiceLoss, case: Case) -> Expected:
    """1 - (2 sum w I + a) / (sum w (P + T) + b)."""
    regions = _regions(spec, case)
    if all(region.count == 0 for region in regions):
        return NOTHING_TO_SCORE
    if case.task == "binary":
        regions = [regions[0].background, regions[0]] if spec.include_background else regions
    else:
        regions = regions if spec.include_background else regions[1:]
    weights = _weights(spec, [region.target for region in regions])
    pairs = list(zip(weights, regions, strict=True))
    above = 2 * sum(w * r.tp for w, r in pairs) + spec.smooth_numerator
    below = sum(w * (r.prediction + r.target) for w, r in pairs) + spec.smooth_denominator
    if not regions:
        return Expected(None, "no_class_defined", extras={"class_weights": []})
    whole = reduce(add, regions)
    found = by_rules(spec.empty, whole, complement(ratio(whole, above, below)))
    return Expected(found.value, found.reason, extras={"class_weights": weights})


def _weights(spec: GeneralizedDiceLoss, sizes: list[float]) -> list[float]:
    power = {"square": 2, "simple": 1, "uniform": 0}[spec.weight_type]
    present = [size**-power for size in sizes if size > 0]
    absent = {"max_of_present": max(present, default=1.0), "one": 1.0, "skip": 0.0}[spec.absent]
    return [size**-power if size > 0 else absent for size in sizes]


def _regions(spec: TverskyIndex | GeneralizedDiceLoss, case: Case) -> list[Region]:
    membership = soft_membership(case) if spec.soft else hard_membership(case, *threshold_of(spec, case))
    return regions_of(case, membership)


REFERENCES: dict[str, Callable[[Any, Case], Expected]] = {
    "focal_tversky_loss": focal_tversky_loss,
    "generalized_dice_loss": generalized_dice_loss,
    "tversky_loss": tversky_loss,
}
