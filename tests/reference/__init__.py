"""Every metric of the catalogue in plain, slow float64 NumPy, straight from its formula: the tests' oracle."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

from lossgauge.metrics import MetricSpec

from tests.reference.case import Case as Case
from tests.reference.case import Expected as Expected
from tests.reference.fit import require_fit

Reference = Callable[[Any, Case], Expected]


def _references() -> Iterator[tuple[str, Reference]]:
    """Those of every file here that has a table `REFERENCES`."""
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        yield from getattr(importlib.import_module(module.name), "REFERENCES", {}).items()


REFERENCES: dict[str, Reference] = dict(_references())


def reference(spec: MetricSpec, case: Case) -> Expected:
    """What a metric's score of a sample must be. Raises `MetricDoesNotFit`."""
    require_fit(spec, case)
    expected = REFERENCES[spec.name](spec, case)
    if case.valid.any() and not case.pixel_weight[case.valid].any():
        return Expected(value=None, undefined="no_weight")
    return expected
