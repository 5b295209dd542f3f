"""Every metric of the catalogue against its slow reference."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from lossgauge.metrics import CATALOGUE, MetricSpec
from lossgauge_service.engine import Engine
from lossgauge_service.errors import MetricDoesNotFit
from lossgauge_service.metrics import IMPLEMENTATIONS

from tests.laws import float32_floor
from tests.reference import REFERENCES, Case, Expected, reference
from tests.scoring import Precision, differences, scores
from tests.specs import VARIANTS
from tests.strategies import cases

Floor = Callable[[MetricSpec], float]
"""What a score may be off by where that is more than its tolerance."""


def test_every_metric_has_a_spec_an_implementation_a_reference_and_variants() -> None:
    """A metric is complete: nothing of its three parts is missing, and the tests ask for it."""
    names = set(CATALOGUE)
    assert names == {spec.model_fields["name"].default for spec in IMPLEMENTATIONS}
    assert names == set(REFERENCES)
    assert names == {spec.name for spec in VARIANTS}


def _keyed(specs: tuple[MetricSpec, ...]) -> list[MetricSpec]:
    return [spec.model_copy(update={"key": f"{place} {spec!r}"}) for place, spec in enumerate(specs)]


def _fitting(case: Case) -> dict[str, tuple[MetricSpec, Expected]]:
    """The variants that fit a case, by their key, with what is expected of them."""
    fitting = {}
    for spec in _keyed(VARIANTS):
        with suppress(MetricDoesNotFit):
            fitting[spec.answer_key] = spec, reference(spec, case)
    return fitting


def _check(engine: Engine, case: Case, precision: Precision, tolerance: float, floor: Floor) -> None:
    fitting = _fitting(case)
    found = scores(engine, [spec for spec, _ in fitting.values()], case, precision)
    wrong = {
        key: differences(expected, found[key], tolerance, floor(spec)) for key, (spec, expected) in fitting.items()
    }
    assert {key: where for key, where in wrong.items() if where} == {}


@given(case=cases())
def test_float64_agrees_with_the_reference(engine: Engine, case: Case) -> None:
    """Computed in float64, in one pass, every score is the reference's to 1e-9, and undefined for the same reason."""
    _check(engine, case, "float64", 1e-9, lambda spec: 1e-12)


@given(case=cases(extremes=False))
def test_float32_agrees_with_the_reference(engine: Engine, case: Case) -> None:
    """Computed in float32, in one pass, every score is the reference's to 1e-6."""
    _check(engine, _in_float32(case), "float32", 1e-6, float32_floor)


def _in_float32(case: Case) -> Case:
    if case.prediction_kind == "labels":
        return case
    return replace(case, prediction=case.prediction.astype(np.float32))


@given(case=cases())
def test_what_does_not_fit_is_refused(engine: Engine, case: Case) -> None:
    """A metric that has no meaning for a case is an error that points to it, never a number."""
    fitting = _fitting(case)
    for spec in _keyed(VARIANTS):
        if spec.answer_key not in fitting:
            with pytest.raises(MetricDoesNotFit) as raised:
                scores(engine, [spec], case)
            assert f"{raised.value.pointer}/".startswith("/metrics/0/")
