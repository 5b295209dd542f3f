"""Every metric of the catalogue against its slow reference."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lossgauge.metrics import CATALOGUE, MetricSpec
from lossgauge_service.engine import Engine
from lossgauge_service.errors import LossgaugeError
from lossgauge_service.metrics import IMPLEMENTATIONS

from tests.reference import REFERENCES, Case, reference
from tests.scoring import differences, score
from tests.specs import VARIANTS
from tests.strategies import cases


def _named(spec: MetricSpec) -> str:
    given_parameters = spec.model_dump(exclude_unset=True, exclude={"name", "key"})
    return f"{spec.name}-{'-'.join(f'{k}={v}' for k, v in given_parameters.items())}"[:90]


def test_every_metric_has_a_spec_an_implementation_a_reference_and_variants() -> None:
    """A metric is complete: nothing of its three parts is missing, and the tests ask for it."""
    names = set(CATALOGUE)
    assert names == {spec.model_fields["name"].default for spec in IMPLEMENTATIONS}
    assert names == set(REFERENCES)
    assert names == {spec.name for spec in VARIANTS}


def _check(engine: Engine, spec: MetricSpec, case: Case, precision: str, tolerance: float, floor: float) -> None:
    try:
        expected = reference(spec, case)
    except Exception as misfit:  # noqa: BLE001
        assert type(misfit).__name__ == "MetricDoesNotFit", misfit
        with pytest.raises(LossgaugeError) as raised:
            score(engine, spec, case, precision)  # type: ignore[arg-type]
        assert raised.value.code == "metric_does_not_fit"
        return
    found = score(engine, spec, case, precision)  # type: ignore[arg-type]
    assert differences(expected, found, tolerance, floor) == []


@pytest.mark.parametrize("spec", VARIANTS, ids=_named)
@given(data=st.data())
def test_float64_agrees_with_the_reference(engine: Engine, spec: MetricSpec, data: st.DataObject) -> None:
    """Computed in float64 a score is the reference's to 1e-9, undefined where it is and for the same reason."""
    _check(engine, spec, data.draw(cases()), "float64", 1e-9, 1e-12)


@pytest.mark.parametrize("spec", VARIANTS, ids=_named)
@given(data=st.data())
def test_float32_agrees_with_the_reference(engine: Engine, spec: MetricSpec, data: st.DataObject) -> None:
    """Computed in float32 a score is the reference's to 1e-6."""
    _check(engine, spec, data.draw(cases(extremes=False)), "float32", 1e-6, 1e-6)
