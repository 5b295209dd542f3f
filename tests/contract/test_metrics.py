"""Every metric through the real client is its reference's."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from lossgauge import Client
from lossgauge.metrics import CATALOGUE, MetricSpec
from lossgauge.wire import Score

from tests.contract.cases import CASES, OBJECTS, arguments, fitting, in_float32, name_of, shared_out
from tests.laws import float32_floor
from tests.reference import Case
from tests.scoring import Precision, differences

Floor = Callable[[MetricSpec], float]
"""What a score may be off by where that is more than its tolerance."""


def scored(client: Client, specs: Sequence[MetricSpec], **asked: Any) -> dict[str, Score]:
    """The scores of more metrics than one request may ask for."""
    answers = [client.score(**asked, metrics=some) for some in shared_out(specs)]
    return {key: score for answer in answers for key, score in answer.scores.items()}


def check(client: Client, case: Case, precision: Precision, tolerance: float, floor: Floor) -> None:
    """Every variant that fits the case is the reference's."""
    expected = fitting(case)
    found = scored(client, [spec for spec, _ in expected.values()], **arguments(case, precision=precision))
    wrong = {key: differences(want, found[key], tolerance, floor(spec)) for key, (spec, want) in expected.items()}
    assert {key: where for key, where in wrong.items() if where} == {}


@pytest.mark.parametrize("case", [*CASES, *OBJECTS], ids=name_of)
def test_float64_is_the_reference_s(client: Client, case: Case) -> None:
    """In float64 every score of every variant is the reference's to 1e-9, and undefined for the same reason."""
    check(client, case, "float64", 1e-9, lambda spec: 1e-12)


@pytest.mark.parametrize("case", [*CASES, *OBJECTS], ids=name_of)
def test_float32_is_the_reference_s(client: Client, case: Case) -> None:
    """In float32 every score of every variant is the reference's to 1e-6."""
    check(client, in_float32(case), "float32", 1e-6, float32_floor)


def test_every_metric_of_the_catalogue_is_asked_for() -> None:
    """No metric is left out of the two tests above."""
    asked = {spec.name for case in (*CASES, *OBJECTS) for spec, _ in fitting(case).values()}
    assert asked == set(CATALOGUE)


PLAIN = [case for case in CASES if case.prediction_kind != "labels" and case.weight is None]


@pytest.mark.parametrize("case", PLAIN, ids=name_of)
def test_the_precision_is_the_prediction_s(client: Client, case: Case) -> None:
    """Unless asked otherwise, a float64 prediction is computed in float64 and a float32 one in float32."""
    specs = [spec for spec, _ in fitting(case).values()][::3]
    wide, narrow = arguments(case), arguments(in_float32(case))
    in_float64, in_single = scored(client, specs, **wide), scored(client, specs, **narrow)
    assert scored(client, specs, **wide, precision="float64") == in_float64
    assert scored(client, specs, **narrow, precision="float64") == in_float64
    assert scored(client, specs, **narrow, precision="float32") == in_single
    assert scored(client, specs, **wide, precision="float32") == in_single
    assert in_float64 != in_single
