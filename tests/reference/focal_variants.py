"""Asymmetric and unified focal loss (Yeung et al., arXiv:2102.04525)."""

from collections.abc import Callable
from typing import Any

import numpy as np
from lossgauge.metrics import AsymmetricFocalLoss, UnifiedFocalLoss
from lossgauge_service.errors import MetricDoesNotFit

from tests.reference.case import NOTHING_TO_SCORE, Case, Expected
from tests.reference.pixel_loss import (
    Sums,
    classes_of,
    labels_of,
    scaled,
    score_of_classes,
    score_of_labels,
    weighted_sum,
)
from tests.reference.probability import soft_membership
from tests.reference.region import Region, regions_of


def asymmetric_focal_loss(spec: AsymmetricFocalLoss, case: Case) -> Expected:
    """-delta log pt of the foreground, -(1 - delta) (1 - pt)^gamma log pt of the background."""
    _refuse_soft(case)
    return _focal(spec, case, 0.0)


def unified_focal_loss(spec: UnifiedFocalLoss, case: Case) -> Expected:
    """weight * focal Tversky + (1 - weight) * focal."""
    _refuse_soft(case)
    if not case.valid.any():
        return NOTHING_TO_SCORE
    symmetric = spec.form == "symmetric"
    of_pixels = AsymmetricFocalLoss(delta=spec.delta, gamma=spec.gamma)
    focal = _focal(of_pixels, case, spec.gamma if symmetric else 0.0)
    regions = regions_of(case, soft_membership(case))
    regions = [regions[0].background, regions[0]] if case.task == "binary" else regions
    exponents = [1 - spec.gamma if c or symmetric else 1.0 for c in range(len(regions))]
    tversky = float(np.mean([_miss(spec, r) ** power for r, power in zip(regions, exponents, strict=True)]))
    terms = {"terms": [tversky, focal.value]}
    if focal.value is None:
        return Expected(None, focal.undefined, extras=terms)
    return Expected(spec.weight * tversky + (1 - spec.weight) * focal.value, extras=terms)


def _miss(spec: UnifiedFocalLoss, r: Region) -> float:
    wrong = spec.delta * r.fn + (1 - spec.delta) * r.fp
    return wrong / (r.tp + wrong + spec.smooth)


def _focal(spec: AsymmetricFocalLoss, case: Case, foreground_gamma: float) -> Expected:
    if case.task == "multiclass":
        classes = []
        for pixels in classes_of(spec, case):
            c, gamma = pixels.index, foreground_gamma if pixels.index else spec.gamma
            loss = pixels.pair.q[c] ** gamma * -pixels.pair.floored(spec.log_floor).log_p[c]
            total, mass = weighted_sum(pixels.v, loss), float(np.sum(pixels.v))
            share = Sums(weight=mass, count=pixels.v.size, mass=mass, elements=pixels.v.size)
            ahead = Sums(positive=scaled(spec.delta, total), positives=mass)
            classes.append(share + (ahead if c else Sums(negative=scaled(1 - spec.delta, total))))
        return score_of_classes(spec, case, classes)
    labels = []
    for label in labels_of(spec, case):
        logs, v, t = label.pair.floored(spec.log_floor), label.v, label.t
        labels.append(
            Sums(
                positive=scaled(spec.delta, weighted_sum(v * t, label.pair.q**foreground_gamma * -logs.log_p)),
                negative=scaled(1 - spec.delta, weighted_sum(v * (1 - t), label.pair.p**spec.gamma * -logs.log_q)),
                weight=float(np.sum(v)),
                count=t.size,
                mass=float(np.sum(v)),
                elements=label.elements,
                positives=float(np.sum(v * t)),
            )
        )
    return score_of_labels(spec, case, labels)


def _refuse_soft(case: Case) -> None:
    if case.target_kind == "probabilities":
        raise MetricDoesNotFit("asymmetric focal losses are of hard targets")


REFERENCES: dict[str, Callable[[Any, Case], Expected]] = {
    "asymmetric_focal_loss": asymmetric_focal_loss,
    "unified_focal_loss": unified_focal_loss,
}
