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
    reason = why_nothing(case)
    return expected if reason is None else nothing(spec, case, reason)


def why_nothing(case: Case) -> str | None:
    """Why there is nothing to score, if so."""
    if case.task == "boxes" or case.pixel_weight[case.valid].any():
        return None
    return "no_weight" if case.valid.any() else "no_valid_pixels"


def nothing(spec: MetricSpec, case: Case, reason: str) -> Expected:
    """The score of nothing: every extra is null for the same reason."""
    extras = spec.extras_of(case.task)
    reasons = {"undefined_extras": dict.fromkeys(extras, reason)} if extras else {}
    return Expected(value=None, undefined=reason, extras={**dict.fromkeys(extras), **reasons})
