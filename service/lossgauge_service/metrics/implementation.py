"""What a metric consists of: which statistics it needs, and how their sums become its scores."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from lossgauge.metrics import MetricSpec
from lossgauge.metrics.spec import Place, PredictionKind
from lossgauge.tasks import Task
from lossgauge.wire import Score
from numpy.typing import NDArray

from lossgauge_service.samples import Case
from lossgauge_service.statistics import Measure, Statistic, Sums, Values

Spec = TypeVar("Spec", bound=MetricSpec)


class Misfit(NamedTuple):
    """Why a metric does not fit a case, and the path, in the metric, of the parameter that says so (none: the metric itself)."""

    detail: str
    at: Place = ()


def misfit_of_kind(spec: MetricSpec, task: Task, kind: PredictionKind) -> Misfit | None:
    """What keeps a metric from fitting a task or a kind of prediction."""
    if task not in spec.about.tasks:
        return Misfit(f"{spec.name} is for the {spec.about.told_tasks}, not {task!r}")
    if kind not in spec.about.kinds:
        return Misfit(f"{spec.name} takes {' or '.join(spec.about.kinds)}, not {kind!r}")
    return None


def always_fits(spec: Any, case: Case) -> Misfit | None:
    """A metric without conditions beyond its tasks and kinds."""
    return None


def with_losses(spec: Any) -> str | None:
    """A metric whose losses, where it has any, do not depend on its parameters."""
    return None


@dataclass(frozen=True)
class Implementation(Generic[Spec]):
    """A metric's spec, its needs, its finish (a score per row of the sums), and what keeps it from fitting a case (None: nothing).

    losses: of what is a sum over pixels, each row's loss before any reduction, (rows, classes); the rows may be the pixels of a
    sample, whose own sums are given beside them. Of boxes, those of the pairs of the one row. losses_misfit: why there are none with
    these parameters (None: there are). slopes: of what is measured, d score / d record of a sample's sums, as each measure's
    `derivative` reads it.
    """

    spec: type[Spec]
    needs: Callable[[Spec, Case], Iterable[Statistic]]
    finish: Callable[[Spec, Sums, Case], list[Score]]
    misfit: Callable[[Spec, Case], Misfit | None] = always_fits
    losses: Callable[[Spec, Sums, Sums, Case], Values] | None = None
    losses_misfit: Callable[[Spec], str | None] = with_losses
    slopes: Callable[[Spec, Sums, Case], Mapping[Measure[Any], NDArray[Any]]] | None = None
