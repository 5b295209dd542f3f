"""Metrics, a family a file. A family is a tuple `FAMILY` of implementations; every file here is looked into."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

from lossgauge.metrics import MetricSpec

from lossgauge_service.metrics.implementation import Implementation


def _families() -> Iterator[Implementation[Any]]:
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        yield from getattr(importlib.import_module(module.name), "FAMILY", ())


IMPLEMENTATIONS: dict[type[MetricSpec], Implementation[Any]] = {part.spec: part for part in _families()}
