"""Every metric of the catalogue in plain, slow float64 NumPy, straight from its formula: the tests' oracle."""

from collections.abc import Callable
from typing import Any

from lossgauge.metrics import MetricSpec

from tests.reference import combined, counts, cross_entropy, focal, overlap
from tests.reference.case import Case as Case
from tests.reference.case import Expected as Expected
from tests.reference.fit import require_fit

REFERENCES: dict[str, Callable[[Any, Case], Expected]] = {
    **focal.REFERENCES,
    **cross_entropy.REFERENCES,
    **overlap.REFERENCES,
    **counts.REFERENCES,
    **combined.REFERENCES,
}


def reference(spec: MetricSpec, case: Case) -> Expected:
    """What a metric's score of a sample must be. Raises `MetricDoesNotFit`."""
    require_fit(spec, case)
    expected = REFERENCES[spec.name](spec, case)
    if case.valid.any() and not case.pixel_weight[case.valid].any():
        return Expected(value=None, undefined="no_weight")
    return expected
