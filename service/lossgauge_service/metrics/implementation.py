"""What a metric consists of: which statistics it needs, and how their sums become its scores."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from lossgauge.metrics import MetricSpec
from lossgauge.metrics.spec import Path
from lossgauge.wire import Score

from lossgauge_service.samples import Case
from lossgauge_service.statistics import Statistic, Sums, Values

Spec = TypeVar("Spec", bound=MetricSpec)


class Misfit(NamedTuple):
    """Why a metric does not fit a case, and the path, in the metric, of the parameter that says so (none: the metric itself)."""

    detail: str
    at: Path = ()


def always_fits(spec: Any, case: Case) -> Misfit | None:
    """A metric without conditions beyond its tasks and kinds."""
    return None


@dataclass(frozen=True)
class Implementation(Generic[Spec]):
    """A metric's spec, its needs, its finish (a score per row of the sums), and what keeps it from fitting a case (None: nothing).

    losses: of what is a sum over pixels, each row's loss before any reduction, (rows, classes); the rows may be the pixels of a
    sample, whose own sums are given beside them.
    """

    spec: type[Spec]
    needs: Callable[[Spec, Case], Iterable[Statistic]]
    finish: Callable[[Spec, Sums, Case], list[Score]]
    misfit: Callable[[Spec, Case], Misfit | None] = always_fits
    losses: Callable[[Spec, Sums, Sums, Case], Values] | None = None
