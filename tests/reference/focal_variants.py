"""Asymmetric and unified focal loss (Yeung et al., arXiv:2102.04525)."""

from collections.abc import Callable
from typing import Any

import numpy as np
from lossgauge.metrics import AsymmetricFocalLoss, UnifiedFocalLoss
from lossgauge_service.errors import MetricDoesNotFit

from tests.reference.case import NOTHING_TO_SCORE, Case, Expected, Floats, Outcome, told
from tests.reference.pixel_loss import (
    Sums,
    classes_of,
    labels_of,
    scaled,
    score_of_classes,
    score_of_labels,
    weighted_sum,
)
from tests.reference.probability import Pair, one_hot, pair_of_sigmoid, pair_of_softmax


def asymmetric_focal_loss(spec: AsymmetricFocalLoss, case: Case) -> Expected:
    """-delta log pt of the foreground, -(1 - delta) (1 - pt)^gamma log pt of the background."""
    _refuse_soft(case)
    return _focal(spec, case)


def unified_focal_loss(spec: UnifiedFocalLoss, case: Case) -> Expected:
    """weight * focal Tversky + (1 - weight) * focal, of one-hot targets y and probabilities p (C, n), as the authors' code."""
    _refuse_soft(case)
    if not case.valid.any():
        return NOTHING_TO_SCORE
    y, pair, v = _two_or_more_classes(case)
    tversky = [
        _tversky(spec, *rows, v) ** _exponent(spec, c) for c, rows in enumerate(zip(y, pair.p, pair.q, strict=True))
    ]
    region = sum(tversky) if spec.class_reduction == "sum" else sum(tversky) / len(tversky)
    focal = _focal_of_one_hot(spec, y, pair, v)
    parts = [scaled(spec.weight, region), scaled(1 - spec.weight, focal)]
    terms = told(terms=[Outcome(region), Outcome(focal) if np.isfinite(focal) else Outcome(None, "infinite")])
    return Expected(sum(parts), extras=terms) if np.isfinite(sum(parts)) else Expected(None, "infinite", extras=terms)


def _two_or_more_classes(case: Case) -> tuple[Floats, Pair, Floats]:
    """One-hot targets, probabilities (the background first) and weights of the valid pixels."""
    pair = pair_of_softmax(case) if case.task == "multiclass" else pair_of_sigmoid(case)
    ok, t = case.valid, case.target[case.valid]
    if case.task == "multiclass":
        return one_hot(t, case.classes), Pair(pair.log_p[:, ok], pair.log_q[:, ok]), case.pixel_weight[ok]
    log_p, log_q = pair.log_p[ok], pair.log_q[ok]
    return one_hot(t, 2), Pair(np.stack([log_q, log_p]), np.stack([log_p, log_q])), case.pixel_weight[ok]


def _tversky(spec: UnifiedFocalLoss, y: Floats, p: Floats, q: Floats, v: Floats) -> float:
    """1 - TI of one class."""
    tp, fn, fp = np.sum(v * y * p), np.sum(v * y * q), np.sum(v * (1 - y) * p)
    wrong = spec.delta * fn + (1 - spec.delta) * fp
    return float(wrong / (tp + wrong + spec.smooth))


def _exponent(spec: UnifiedFocalLoss, c: int) -> float:
    return 1.0 if c == 0 and spec.form == "asymmetric" else 1 - spec.gamma


def _focal_of_one_hot(spec: UnifiedFocalLoss, y: Floats, pair: Pair, v: Floats) -> float:
    """The mean over pixels of the sum over classes of -delta_c y (1 - p)^gamma_c log p."""
    total, log_p = 0.0, pair.floored(spec.log_floor).log_p
    for c in range(len(y)):
        gamma = 0.0 if c > 0 and spec.form == "asymmetric" else spec.gamma
        loss = weighted_sum(v * y[c], -(pair.q[c] ** gamma) * log_p[c])
        total += scaled(spec.delta if c > 0 else 1 - spec.delta, loss)
    return total / float(np.sum(v)) if np.any(v) else 0.0


def _focal(spec: AsymmetricFocalLoss, case: Case) -> Expected:
    if case.task == "multiclass":
        classes = []
        for pixels in classes_of(spec, case):
            c, gamma = pixels.index, 0.0 if pixels.index else spec.gamma
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
                positive=scaled(spec.delta, weighted_sum(v * t, -logs.log_p)),
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
