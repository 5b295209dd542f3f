"""The Brier score, from the sums of squares."""

from lossgauge.metrics import Brier
from lossgauge.wire import Score

from lossgauge_service.metrics.implementation import Implementation
from lossgauge_service.metrics.values import nothing_to_score, ratio, scored, scores_of, scores_of_classes
from lossgauge_service.samples import Case
from lossgauge_service.statistics import Squares, Statistic, Sums, Totals, Values


def _needs(spec: Brier, case: Case) -> list[Statistic]:
    return [Totals(), Squares()]


def _finish(spec: Brier, sums: Sums, case: Case) -> list[Score]:
    totals, squares = sums.totals(), sums.squares(Squares()).gap2
    nothing, weight = nothing_to_score(totals), totals.weight if spec.weight_denominator == "weights" else totals.valid
    whole = ratio(squares.sum(-1), weight.sum(-1), "no_weight")
    if case.task == "binary":
        return scores_of(whole, nothing)
    if case.task == "multilabel":
        labels = scored(ratio(squares, weight, "no_weight"), totals)
        return scores_of_classes(whole, labels, None, nothing)
    classes = ratio(squares, weight.sum(-1, keepdims=True), "no_weight")
    share = _share(spec, case)
    return scores_of_classes(whole.mapped(lambda value: share * value), classes, None, nothing)


def _share(spec: Brier, case: Case) -> float:
    """What a class's square counts in the score of classes."""
    return {"sum": 1.0, "half_sum": 0.5, "mean": 1 / case.classes}[spec.class_reduction]


def _losses(spec: Brier, sums: Sums, whole: Sums, case: Case) -> Values:
    share = _share(spec, case) if case.task == "multiclass" else 1.0
    return share * sums.squares(Squares()).gap2


FAMILY = (Implementation(Brier, _needs, _finish, losses=_losses),)
