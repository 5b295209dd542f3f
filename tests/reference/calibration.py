"""The calibration error, bin by bin."""

from collections.abc import Callable
from functools import reduce
from itertools import pairwise
from operator import add
from typing import Any

import numpy as np
from lossgauge.metrics import CalibrationError
from lossgauge_service.errors import MetricDoesNotFit

from tests.reference.averaging import ByClass, averaged
from tests.reference.case import NO_VALID_PIXELS, NOTHING_TO_SCORE, Case, Expected, Outcome, tally, told
from tests.reference.confidence import Pixels, confident, rated


def calibration_error(spec: CalibrationError, case: Case) -> Expected:
    """The norm of |accuracy - confidence| over bins of the confidence."""
    if case.target_kind == "probabilities":
        raise MetricDoesNotFit("a soft target is neither right nor wrong")
    if case.task == "multiclass" and spec.confidence == "positive":
        raise MetricDoesNotFit("classes have no positive")
    if not case.valid.any():
        return NOTHING_TO_SCORE
    rows = confident(case) if case.task == "multiclass" or spec.confidence == "top" else rated(case)
    outcomes = [_outcome(spec, case, row) for row in rows]
    if case.task != "multilabel":
        diagram = _diagram(spec, case, rows[0])
        return Expected(*outcomes[0], extras=told(**diagram) | tally(diagram["bin_accuracy"]))
    positives = [row.positives for row in rated(case)]
    score = averaged(case, spec.average, ByClass(outcomes, positives, _outcome(spec, case, reduce(add, rows))))
    diagrams = [_diagram(spec, case, row) for row in rows]
    extras = told(**{name: [diagram[name] for diagram in diagrams] for name in diagrams[0]})
    return Expected(score.value, score.undefined, score.per_class, score.extras | extras)


def _outcome(spec: CalibrationError, case: Case, row: Pixels) -> Outcome:
    if row.count == 0:
        return Outcome(None, NO_VALID_PIXELS)
    if row.weight.sum() == 0:
        return Outcome(None, "no_weight")
    gaps, shares = [], []
    for inside in _bins(spec, case, row):
        if inside.any():
            shares.append(row.weight[inside].sum() / row.weight.sum())
            gaps.append(abs(_mean(row, inside, row.positive) - _mean(row, inside, row.value)))
    errors, weights = np.array(gaps), np.array(shares)
    norms = {"l1": np.sum(weights * errors), "l2": np.sqrt(np.sum(weights * errors**2)), "max": errors.max()}
    return Outcome(float(norms[spec.norm]))


def _diagram(spec: CalibrationError, case: Case, row: Pixels) -> dict[str, Any]:
    bins = _bins(spec, case, row)
    return {
        "bin_confidence": [_in_bin(row, inside, row.value) for inside in bins],
        "bin_accuracy": [_in_bin(row, inside, row.positive) for inside in bins],
        "bin_count": [float(row.weight[inside].sum()) for inside in bins],
    }


def _in_bin(row: Pixels, inside: Any, values: Any) -> Outcome:
    return Outcome(_mean(row, inside, values)) if inside.any() else Outcome(None, "empty_bin")


def _mean(row: Pixels, inside: Any, values: Any) -> float:
    return float(np.average(values[inside], weights=row.weight[inside]))


def _bins(spec: CalibrationError, case: Case, row: Pixels) -> list[Any]:
    """Which pixels are in each bin."""
    edges = [-np.inf, *_inner_edges(spec, case, row), np.inf]
    value = row.value
    if spec.closed == "left":
        return [(low <= value) & (value < high) for low, high in pairwise(edges)]
    return [(low < value) & (value <= high) for low, high in pairwise(edges)]


def _inner_edges(spec: CalibrationError, case: Case, row: Pixels) -> list[float]:
    inner = range(1, spec.bins)
    if spec.binning == "uniform":
        edges = np.array([k / spec.bins for k in inner])
        return list(edges.astype(case.prediction.dtype) if case.prediction_kind == "probabilities" else edges)
    if row.value.size == 0:
        return [0.0 for _ in inner]
    ordered, n = np.sort(row.value), row.value.size
    if spec.closed == "left":
        return [ordered[k * n // spec.bins] for k in inner]
    return [ordered[(k * n + spec.bins - 1) // spec.bins - 1] for k in inner]


REFERENCES: dict[str, Callable[[Any, Case], Expected]] = {"calibration_error": calibration_error}
