"""Which metrics go with which tasks and kinds: what the catalogue says of each."""

from lossgauge.metrics import MetricSpec
from lossgauge_service.errors import MetricDoesNotFit

from tests.reference.case import Case


def require_fit(spec: MetricSpec, case: Case) -> None:
    """Raise `MetricDoesNotFit` for a task or a kind of prediction that the metric does not take."""
    if case.task not in spec.about.tasks:
        raise MetricDoesNotFit(f"{spec.name} is for {spec.about.tasks}, not {case.task}")
    if case.prediction_kind not in spec.about.kinds:
        raise MetricDoesNotFit(f"{spec.name} takes {spec.about.kinds}, not {case.prediction_kind}")
