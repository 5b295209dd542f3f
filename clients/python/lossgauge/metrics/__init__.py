"""Metric specs, a family a file. `CATALOGUE` maps each name to its spec."""

from typing import Any

from lossgauge.metrics.agreement import *
from lossgauge.metrics.boxes import *
from lossgauge.metrics.brier import *
from lossgauge.metrics.calibration import *
from lossgauge.metrics.combined import *
from lossgauge.metrics.counts import *
from lossgauge.metrics.cross_entropy import *
from lossgauge.metrics.focal import *
from lossgauge.metrics.focal_variants import *
from lossgauge.metrics.instances import *
from lossgauge.metrics.overlap import *
from lossgauge.metrics.ranking import *
from lossgauge.metrics.spec import BoundaryWeight as BoundaryWeight
from lossgauge.metrics.spec import Empty as Empty
from lossgauge.metrics.spec import MetricSpec as MetricSpec
from lossgauge.metrics.spec import TargetEmpty as TargetEmpty
from lossgauge.metrics.surface import *
from lossgauge.metrics.tversky import *


def _specs_in(namespace: dict[str, Any]) -> dict[str, type[MetricSpec]]:
    specs = [v for v in namespace.values() if isinstance(v, type) and issubclass(v, MetricSpec) and v is not MetricSpec]
    return {spec.model_fields["name"].default: spec for spec in sorted(specs, key=lambda s: s.__name__)}


CATALOGUE: dict[str, type[MetricSpec]] = _specs_in(globals())
