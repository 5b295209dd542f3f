"""Lovasz losses: the extensions of the Jaccard loss of each class, and their mean."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from lossgauge.metrics import LovaszHinge, LovaszSoftmax
from lossgauge.wire import Score
from numpy.typing import NDArray

from lossgauge_service.measures.confidences import are_logits
from lossgauge_service.measures.extensions import Extension
from lossgauge_service.metrics.implementation import Implementation, Misfit
from lossgauge_service.metrics.values import (
    Readings,
    finite,
    mean,
    nothing_to_score,
    ruled,
    scored,
    scores_of,
    scores_of_classes,
)
from lossgauge_service.samples import Case
from lossgauge_service.statistics import Measure, Statistic, Sums, Totals, Values


def _key(spec: LovaszHinge | LovaszSoftmax, case: Case) -> Extension:
    if isinstance(spec, LovaszHinge):
        return Extension("hinge")
    return Extension("sigmoid" if are_logits(case) else "probability")


def _needs(spec: Any, case: Case) -> list[Statistic]:
    return [Totals(), _key(spec, case)]


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


# ---------------------------------------------------------------------------------------------------------------- scores


def _by_class(spec: Any, sums: Sums, case: Case) -> Readings:
    extensions = sums.measured(_key(spec, case)).classes
    values = finite(np.array([[one.loss for one in row] for row in extensions]).reshape(extensions.shape))
    classes = scored(values, sums.totals()) if case.task == "multilabel" else values
    absent = _absent(sums) & classes.defined
    if _leaves_out(spec, case):
        return classes.unless(absent, "target_empty")
    return ruled(classes, absent, spec.empty.target, "target_empty")


def _absent(sums: Sums) -> NDArray[np.bool_]:
    return np.asarray(sums.totals().positive == 0)


def _leaves_out(spec: LovaszHinge | LovaszSoftmax, case: Case) -> bool:
    """Whether an absent class is no part of the mean. A mask, and a label, is scored whatever the target has."""
    return isinstance(spec, LovaszSoftmax) and spec.classes == "present" and case.task == "multiclass"


def _chosen(spec: Any, case: Case) -> list[int]:
    """The classes of the mean, as far as they have a value."""
    listed = isinstance(spec, LovaszSoftmax) and isinstance(spec.classes, list)
    return spec.classes if listed else list(range(case.classes))


def _finish(spec: Any, sums: Sums, case: Case) -> list[Score]:
    classes, nothing = _by_class(spec, sums, case), nothing_to_score(sums.totals())
    if case.task == "binary":
        return scores_of(classes[:, 0], nothing)
    chosen = classes[:, _chosen(spec, case)]
    return scores_of_classes(mean(chosen), classes, chosen, nothing)


def _slopes(spec: Any, sums: Sums, case: Case) -> Mapping[Measure[Any], NDArray[Any]]:
    """Of each class its share of the mean; a constant has none, and is counted."""
    [defined] = np.broadcast_to(_by_class(spec, sums, case).defined, (1, case.classes))
    [absent] = np.broadcast_to(_absent(sums), (1, case.classes))
    times: Values = np.bincount(_chosen(spec, case), minlength=case.classes) * defined
    slopes = times / times.sum()
    return {_key(spec, case): slopes if spec.empty.target == "formula" else np.where(absent, 0.0, slopes)}


FAMILY = (
    Implementation(LovaszHinge, _needs, _finish, _misfit, slopes=_slopes),
    Implementation(LovaszSoftmax, _needs, _finish, _softmax_misfit, slopes=_slopes),
)
