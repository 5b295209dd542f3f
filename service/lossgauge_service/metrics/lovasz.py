"""Lovasz losses, of both sorted sides of a ranking.

With P positives, the Jaccard loss after i positives and j negatives is 1 - (P - i) / (P + j). A positive adds 1 / (P + j) to it, a
negative (P - i) / ((P + j) (P + j + 1)): no more is needed of the common order than how many of the other side come before.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from lossgauge.metrics import LovaszHinge, LovaszSoftmax
from lossgauge.wire import Score

from lossgauge_service.measures.confidences import probabilities
from lossgauge_service.measures.ranking import Ranked, Ranking
from lossgauge_service.metrics.implementation import Implementation, Misfit
from lossgauge_service.metrics.values import (
    Readings,
    finite,
    mean,
    nothing_to_score,
    scored,
    scores_of,
    scores_of_classes,
)
from lossgauge_service.samples import AnyArray, Case
from lossgauge_service.statistics import Statistic, Sums, Totals, Values

KEY = Ranked()


def _needs(spec: Any, case: Case) -> list[Statistic]:
    return [Totals(), KEY]


def _misfit(spec: Any, case: Case) -> Misfit | None:
    if case.weighted:
        return Misfit("the Jaccard loss that it extends counts pixels: it takes no weights")
    if case.soft:
        return Misfit("its positives and negatives are labels: it takes no soft targets")
    return None


def _softmax_misfit(spec: LovaszSoftmax, case: Case) -> Misfit | None:
    return (_listed_misfit(spec.classes, case) if isinstance(spec.classes, list) else None) or _misfit(spec, case)


def _listed_misfit(classes: list[int], case: Case) -> Misfit | None:
    if case.task == "binary":
        found = "classes lists classes, and task 'binary' has one: found a list; allowed are 'present' and 'all'"
        return Misfit(found, ("classes",))
    beyond = next((place for place, label in enumerate(classes) if label >= case.classes), None)
    if beyond is None:
        return None
    return Misfit(f"classes are from 0 to {case.classes - 1}; found {classes[beyond]}", ("classes", beyond))


# ------------------------------------------------------------------------------------------------------------- extension


def _extension(positive: Values, negative: Values, before: AnyArray, after: AnyArray, size: int) -> float:
    """The sum, of errors in descending order.

    before: how many negatives come before each positive; after: how many positives before each negative. size: P.
    """
    if size == 0:
        return float(negative[0]) if len(negative) else 0.0
    union = size + np.arange(len(negative), dtype=np.float64)
    missed = size - after.astype(np.float64)
    return float((positive / (size + before)).sum() + (negative * missed / (union * (union + 1))).sum())


def _hinge(case: Case, ranking: Ranking) -> float:
    """Positives in ascending order have descending errors 1 - x, negatives in descending order 1 + x; only errors above 0 count."""
    ascending, descending = ranking.positive.values, ranking.negative.values[::-1]
    below = ascending[: np.searchsorted(ascending, 1)]
    above = descending[: len(descending) - np.searchsorted(descending[::-1], -1, side="right")]
    # 1 - x < 1 + x' where -x < x': compared without a rounding
    before, after = _places(-below, above)
    return _extension(1 - below.astype(np.float64), 1 + above.astype(np.float64), before, after, len(ascending))


def _softmax(case: Case, ranking: Ranking) -> float:
    wrong = 1 - probabilities(case, ranking.positive.values)
    guessed = probabilities(case, ranking.negative.values)[::-1]
    return _extension(wrong, guessed, *_places(wrong, guessed), len(wrong))


def _places(positive: AnyArray, negative: AnyArray) -> tuple[AnyArray, AnyArray]:
    """How many negatives stand before each positive, and positives before each negative; of a tie the positive is first."""
    p, n = positive[::-1], negative[::-1]
    before = len(n) - np.searchsorted(n, p, side="right")[::-1]
    after = len(p) - np.searchsorted(p, n, side="left")[::-1]
    return before, after


# ---------------------------------------------------------------------------------------------------------------- scores


def _by_class(sums: Sums, case: Case, loss: Callable[[Case, Ranking], float]) -> Readings:
    rankings = sums.measured(KEY).classes
    values = finite(np.array([[loss(case, ranking) for ranking in row] for row in rankings]).reshape(rankings.shape))
    return scored(values, sums.totals()) if case.task == "multilabel" else values


def _hinge_finish(spec: LovaszHinge, sums: Sums, case: Case) -> list[Score]:
    classes = _by_class(sums, case, _hinge)
    return _averaged(classes, classes, sums, case)


def _softmax_finish(spec: LovaszSoftmax, sums: Sums, case: Case) -> list[Score]:
    classes, positive = _by_class(sums, case, _softmax), sums.totals().positive
    if spec.classes == "present":
        absent = (positive == 0) & classes.defined
        classes = classes.unless(absent, "target_empty")
    chosen = classes[:, spec.classes] if isinstance(spec.classes, list) else classes
    return _averaged(classes, chosen, sums, case)


def _averaged(classes: Readings, chosen: Readings, sums: Sums, case: Case) -> list[Score]:
    nothing = nothing_to_score(sums.totals())
    if case.task == "binary":
        return scores_of(classes[:, 0], nothing)
    return scores_of_classes(mean(chosen), classes, chosen, nothing)


FAMILY = (
    Implementation(LovaszHinge, _needs, _hinge_finish, _misfit),
    Implementation(LovaszSoftmax, _needs, _softmax_finish, _softmax_misfit),
)
