"""The calibration error, of bins of the confidence."""

from functools import reduce
from operator import add

import numpy as np
from lossgauge.metrics import CalibrationError
from lossgauge.wire import Score

from lossgauge_service.measures.confidences import Sides, as_probabilities
from lossgauge_service.measures.histogram import Binned, Bins, binned
from lossgauge_service.measures.ranking import Ranked, Ranking
from lossgauge_service.metrics.class_averages import average, counted_by
from lossgauge_service.metrics.implementation import Implementation, Misfit
from lossgauge_service.metrics.values import (
    Extra,
    Readings,
    finite,
    nothing_to_score,
    ratio,
    scored,
    scores_of,
    scores_of_classes,
    told,
)
from lossgauge_service.samples import Case
from lossgauge_service.statistics import Statistic, Sums, Totals, Values


def _misfit(spec: CalibrationError, case: Case) -> Misfit | None:
    if case.soft:
        return Misfit("a soft target is neither right nor wrong")
    if spec.confidence == "positive" and case.task == "multiclass":
        return Misfit("confidence 'positive' is for binary and multilabel; classes have no positive", ("confidence",))
    return None


def _top(spec: CalibrationError, case: Case) -> bool:
    return case.task == "multiclass" or spec.confidence == "top"


def _key(spec: CalibrationError, case: Case) -> Binned | Ranked:
    if spec.binning == "uniform":
        return Binned(spec.bins, spec.closed, _top(spec, case))
    return Ranked(_top(spec, case))


def _needs(spec: CalibrationError, case: Case) -> list[Statistic]:
    return [Totals(), _key(spec, case)]


# ------------------------------------------------------------------------------------------------------------------ bins


def _bins(spec: CalibrationError, sums: Sums, case: Case, together: bool) -> Bins:
    """(samples, classes, bins), or one class of all classes' pixels together."""
    key = _key(spec, case)
    if isinstance(key, Binned):
        bins = sums.measured(key)
        return Bins(*(values.sum(1, keepdims=True) for values in bins)) if together else bins
    rows = [[reduce(add, row)] if together else list(row) for row in sums.measured(key).classes]
    found = [[_quantiles(spec, case, ranking) for ranking in row] for row in rows]
    return Bins(*(np.array([[one[part] for one in row] for row in found]) for part in range(len(Bins._fields))))


def _quantiles(spec: CalibrationError, case: Case, ranking: Ranking) -> Bins:
    """Bins of equally many pixels: an edge is the value of the last pixel of a bin that is closed there, the first of one that is."""
    sides = as_probabilities(case, Sides(ranking.positive, ranking.negative), _top(spec, case))
    values = np.sort(np.concatenate([side.values for side in sides]))
    cuts = np.arange(1, spec.bins) * len(values)
    places = cuts // spec.bins if spec.closed == "left" else -(-cuts // spec.bins) - 1
    edges = values[places] if len(values) else np.zeros(spec.bins - 1)
    return binned(sides, edges, spec.closed)


# ---------------------------------------------------------------------------------------------------------------- finish


def _finish(spec: CalibrationError, sums: Sums, case: Case) -> list[Score]:
    totals = sums.totals()
    nothing, bins = nothing_to_score(totals), _bins(spec, sums, case, False)
    classes = _error(spec, bins)
    if case.task != "multilabel":
        filled = _per_weight(bins, bins.positive)[:, 0]
        return scores_of(classes[:, 0], nothing, filled, **_diagram(bins, single=True))
    classes = scored(classes, totals)
    if spec.average == "micro":
        value = _error(spec, _bins(spec, sums, case, True))[:, 0]
    else:
        value = average(spec.average, classes, totals.positive)
    return scores_of_classes(value, classes, counted_by(spec.average, classes), nothing, **_diagram(bins, single=False))


def _error(spec: CalibrationError, bins: Bins) -> Readings:
    total = bins.weight.sum(-1)
    share = bins.weight / np.where(total == 0, 1, total)[..., None]
    filled = bins.weight > 0
    gap = np.where(filled, abs(bins.positive - bins.confidence), 0) / np.where(filled, bins.weight, 1)
    return finite(_norm(spec, share, gap)).unless(total == 0, "no_weight")


def _norm(spec: CalibrationError, share: Values, gap: Values) -> Values:
    if spec.norm == "max":
        return np.asarray(gap.max(-1))
    if spec.norm == "l2":
        return np.asarray(np.sqrt((share * gap**2).sum(-1)))
    return np.asarray((share * gap).sum(-1))


def _diagram(bins: Bins, single: bool) -> dict[str, Extra]:
    values = {
        "bin_confidence": _per_weight(bins, bins.confidence),
        "bin_accuracy": _per_weight(bins, bins.positive),
        "bin_count": finite(bins.weight),
    }
    return {name: told(each[:, 0] if single else each) for name, each in values.items()}


def _per_weight(bins: Bins, parts: Values) -> Readings:
    return ratio(parts, bins.weight, "empty_bin")


FAMILY = (Implementation(CalibrationError, _needs, _finish, _misfit),)
