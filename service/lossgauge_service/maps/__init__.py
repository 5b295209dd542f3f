"""Maps of one sample: what each pixel costs, what would change the score, and what is right and wrong."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from lossgauge.mapping import AnyMap, ErrorMap, GradientMap, LossMap, MapRequest
from lossgauge.metrics import MetricSpec
from lossgauge.wire import Question, Score, Subject

from lossgauge_service.engine import Engine
from lossgauge_service.engine.pieces import Pieces
from lossgauge_service.errors import LossgaugeError, MetricDoesNotFit
from lossgauge_service.maps.layout import as_sent, of_pixels, rounded
from lossgauge_service.maps.mistakes import mistakes
from lossgauge_service.metrics import IMPLEMENTATIONS
from lossgauge_service.plan import Plan, plan_for
from lossgauge_service.samples import AnyArray, Sample
from lossgauge_service.statistics import Sums

NO_DERIVATIVE = "no_derivative"


@dataclass(frozen=True)
class Mapped:
    """A map that was asked: its array in the caller's axes; the metric, and its score or why it has none."""

    asked: AnyMap
    array: AnyArray | None
    undefined: str | None = None
    spec: MetricSpec | None = None
    value: float | None = None


def question_of(request: Subject, *specs: MetricSpec) -> Question:
    """What a request of maps says, as the question that a sample and a plan are made of."""
    return Question.model_construct(**request.said(), metrics=list(specs))


def plans_of(request: MapRequest) -> list[Plan | None]:
    """The plan of each map, of those that have a metric. Raises `MetricDoesNotFit`, pointing to /maps/i/metric."""
    return [_plan(request, place, one) for place, one in enumerate(request.maps)]


def _plan(request: MapRequest, place: int, one: AnyMap) -> Plan | None:
    if isinstance(one, ErrorMap):
        return None
    try:
        plan = plan_for(question_of(request, one.metric))
    except LossgaugeError as error:
        raise _told(error, place) from None
    if isinstance(one, LossMap):
        _check_losses(plan, request, f"/maps/{place}/metric")
    return plan


def _check_losses(plan: Plan, request: MapRequest, pointer: str) -> None:
    [spec], [part] = plan.specs, plan.implementations
    reason = part.losses_misfit(spec)
    if part.losses is not None and reason is None:
        return
    told = f"{spec.name} has no loss map" + ("" if reason is None else f": {reason}")
    allowed = (other for other, part in IMPLEMENTATIONS.items() if part.losses and request.task in other.about.tasks)
    names = sorted(other.model_fields["name"].default for other in allowed)
    raise MetricDoesNotFit(f"{told}; allowed of task {request.task!r}: {', '.join(names)}", pointer=pointer)


def maps_in_pieces(
    engine: Engine, request: MapRequest, plans: Sequence[Plan | None], sample: Sample
) -> Pieces[list[Mapped]]:
    """Every map. Raises what the sample's values or a metric's needs forbid; to be run where the device is owned."""
    found = list[Mapped]()
    for place, (one, plan) in enumerate(zip(request.maps, plans, strict=True)):
        if isinstance(one, ErrorMap):
            found.append(_mistakes(one, request, sample))
        else:
            found.append((yield from _of_metric(engine, one, place, plan, sample)))
        yield
    return found


def _mistakes(one: ErrorMap, request: MapRequest, sample: Sample) -> Mapped:
    threshold = request.threshold if one.threshold is None else one.threshold
    full = one.model_copy(update={"threshold": threshold})
    return Mapped(full, mistakes(sample, threshold, one.threshold_side == "greater_equal"))


def _of_metric(
    engine: Engine, one: LossMap | GradientMap, place: int, plan: Plan | None, sample: Sample
) -> Pieces[Mapped]:
    assert plan is not None
    try:
        if isinstance(one, GradientMap):
            engine.check_gradient(plan, sample)
        return (yield from _computed(engine, one, plan, sample))
    except LossgaugeError as error:
        raise _told(error, place) from None


def _computed(engine: Engine, one: LossMap | GradientMap, plan: Plan, sample: Sample) -> Pieces[Mapped]:
    outcomes = engine.run(plan, [sample])
    yield
    [scores] = plan.scores(outcomes)
    if isinstance(scores, LossgaugeError):
        raise scores
    [score] = scores.values()
    array: AnyArray | None
    if isinstance(one, LossMap):
        array = yield from _loss(engine, plan, sample, outcomes.groups[0].sums)
    else:
        array = yield from _gradient(engine, plan, sample, score)
    reason = NO_DERIVATIVE if array is None and score.value is not None else score.undefined
    return Mapped(one, array, reason, plan.specs[0], None if score.value is None else float(score.value))


def _gradient(engine: Engine, plan: Plan, sample: Sample, score: Score) -> Pieces[AnyArray | None]:
    if score.value is None:
        return None
    found = rounded((yield from engine.gradient_in_pieces(plan, sample)), sample)
    return as_sent(found, sample) if np.isfinite(found).all() else None


def _loss(engine: Engine, plan: Plan, sample: Sample, whole: Sums) -> Pieces[AnyArray]:
    spec, losses = plan.specs[0], plan.implementations[0].losses
    assert losses is not None
    found = np.zeros((sample.case.classes, math.prod(sample.shape)))
    for place, sums in engine.shares(plan, sample):
        with np.errstate(over="ignore", invalid="ignore"):
            found[:, place] = losses(spec, sums, whole, sample.case).T
        yield
    if sample.case.task in ("multiclass", "boxes"):
        return of_pixels(rounded(found.sum(0), sample), sample)
    return as_sent(rounded(found, sample), sample)


def _told(error: LossgaugeError, place: int) -> LossgaugeError:
    """An error of a plan of one metric, with the metric's place among the maps. Errors of arrays stay where they point."""
    pointer = (error.pointer or "").replace("/metrics/0", f"/maps/{place}/metric")
    return type(error)(error.detail, pointer=pointer or None, **error.extras)
