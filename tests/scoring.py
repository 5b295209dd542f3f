"""Scoring a reference's case with the service's own core, without HTTP."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from lossgauge.metrics import MetricSpec
from lossgauge.wire import Question, Score
from lossgauge_service.engine import Engine
from lossgauge_service.errors import LossgaugeError, MetricDoesNotFit
from lossgauge_service.outcomes import Group, Outcomes
from lossgauge_service.plan import Plan, plan_for
from lossgauge_service.samples import Case as SampleCase
from lossgauge_service.samples import Sample, sample_of
from lossgauge_service.statistics import Sums
from numpy.typing import NDArray

from tests.reference import Case, Expected

Precision = Literal["float32", "float64"]


def question_of(case: Case, metrics: Sequence[MetricSpec], precision: Precision = "float64") -> Question:
    """The request that asks for a case."""
    return Question(
        task=case.task,
        prediction_kind=case.prediction_kind,
        target_kind=case.target_kind,
        num_classes=case.num_classes,
        ignore_index=case.ignore_index,
        threshold=case.threshold,
        precision=precision,
        spacing=None if case.spacing is None else list(case.spacing),
        metrics=list(metrics),
    )


def score(engine: Engine, spec: MetricSpec, case: Case, precision: Precision = "float64") -> Score:
    """The score of one metric. Raises the case's error."""
    return scores(engine, [spec], case, precision)[spec.answer_key]


def scores(
    engine: Engine, specs: Sequence[MetricSpec], case: Case, precision: Precision = "float64"
) -> dict[str, Score]:
    """The scores of several metrics from one pass. Raises the case's error."""
    question = question_of(case, specs, precision)
    plan = plan_for(question)
    sample = sample_of(question, _sent(case.prediction), _sent(case.target), _sent(case.weight))
    return scores_of(engine, plan, [sample])[0]


def scores_of(engine: Engine, plan: Plan, samples: Sequence[Sample]) -> list[dict[str, Score]]:
    """The scores of every sample. Raises the first one's error."""
    return [_scores_or_raise(found) for found in plan.scores(engine.run(plan, samples))]


def _scores_or_raise(found: dict[str, Score] | LossgaugeError) -> dict[str, Score]:
    if isinstance(found, LossgaugeError):
        raise found
    return found


def finished(plan: Plan, sums: Sums, case: SampleCase) -> list[dict[str, Score]]:
    """The scores of each row of sums."""
    whole = Group(case, tuple(range(len(sums))), sums)
    return [_scores_or_raise(found) for found in plan.scores(Outcomes(len(sums), (whole,), {}))]


def keyed(specs: Sequence[MetricSpec]) -> list[MetricSpec]:
    """The metrics, each under a key of its own that tells its parameters."""
    return [spec.model_copy(update={"key": f"{place} {spec!r}"}) for place, spec in enumerate(specs)]


def fitting(specs: Sequence[MetricSpec], question: Question, case: SampleCase) -> list[MetricSpec]:
    """Those of the metrics that fit a case."""
    return [spec for spec in specs if _fits(question.model_copy(update={"metrics": [spec]}), case)]


def _fits(question: Question, case: SampleCase) -> bool:
    try:
        plan_for(question).statistics(case)
    except MetricDoesNotFit:
        return False
    return True


def asked(
    engine: Engine, specs: Sequence[MetricSpec], case: Case, precision: Precision = "float64"
) -> dict[str, Score]:
    """The scores of those of the metrics that fit a case, by keys of their own. Raises the case's error."""
    question = question_of(case, keyed(specs), precision)
    sample = sample_of(question, _sent(case.prediction), _sent(case.target), _sent(case.weight))
    fit = fitting(question.metrics, question, sample.case)
    return scores(engine, fit, case, precision) if fit else {}


def disagreements(
    expected: Mapping[str, Score], found: Mapping[str, Score], tolerance: float = 1e-9, floor: float = 1e-12
) -> dict[str, list[str]]:
    """Where two rounds of scores of the same metrics differ, in any member, by metric."""
    assert list(expected) == list(found)
    every = {key: differences(_as_expected(score), found[key], tolerance, floor) for key, score in expected.items()}
    return {key: where for key, where in every.items() if where}


def _as_expected(score: Score) -> Expected:
    members = score.model_dump()
    return Expected(members.pop("value"), members.pop("undefined"), members.pop("per_class"), members)


def _sent(array: NDArray[Any] | None) -> Any:
    return None if array is None else np.array(array)


NOTHING = ("no_valid_pixels", "no_weight")
"""Of nothing the references tell the value only; a law tells what each class is then."""


def differences(expected: Expected, found: Score, tolerance: float, floor: float = 1e-12) -> list[str]:
    """Where a score is not what the reference says, member by member."""
    wanted = {
        "value": expected.value,
        "undefined": expected.undefined,
        **(
            {} if expected.undefined in NOTHING else {"per_class": expected.per_class, "counted": None, "skipped": None}
        ),
        "undefined_extras": None,
        **expected.extras,
    }
    had = found.model_dump()
    return [
        f"{name}: expected {want}, found {had.get(name)}"
        for name, want in wanted.items()
        if not _close(want, had.get(name), tolerance, floor)
    ]


def _close(want: Any, had: Any, tolerance: float, floor: float) -> bool:
    if isinstance(want, list | tuple):
        return len(want) == len(had or []) and all(
            _close(a, b, tolerance, floor) for a, b in zip(want, had, strict=True)
        )
    if isinstance(want, dict):
        return (had or {}).keys() == want.keys() and all(_close(v, had[k], tolerance, floor) for k, v in want.items())
    if want is None or had is None or isinstance(want, str):
        return bool(want == had)
    return bool(abs(want - had) <= max(tolerance * abs(want), floor))
