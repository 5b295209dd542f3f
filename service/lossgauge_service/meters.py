"""What is counted, timed and read of the service, for Prometheus; and how fast the device works.

Every service has a registry of its own. docs/observability.md has a line for each metric.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector

from lossgauge_service.errors import Draining, Overloaded, Unavailable, WarmingUp
from lossgauge_service.events import STEPS, SUCCESS, Answered, Ran

SHARE = 0.2
"""Of a new measurement in the mean of all."""

PREFIX = "lossgauge_"
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
"""Bounds of durations: from a small mask to the longest that a request may take."""
COUNTS = tuple(float(2**power) for power in range(0, 13))
"""Bounds of pairs, and of requests."""
SIZES = tuple(float(4**power) for power in range(0, 15))
"""Bounds of tiles, and of elements."""

REJECTIONS = tuple(kind.code for kind in (Overloaded, Draining, WarmingUp, Unavailable))
"""Requests that were not taken, by the code of their problem."""


@dataclass
class Pace:
    """Cost per second of the device, a mean in which the latest counts most."""

    cost_per_s: float | None = None

    def add(self, cost: float, seconds: float) -> None:
        """So much was done in so long."""
        if cost > 0 and seconds > 0:
            found = cost / seconds
            self.cost_per_s = found if self.cost_per_s is None else self.cost_per_s + SHARE * (found - self.cost_per_s)

    def seconds_of(self, cost: float) -> float:
        """How long so much takes; 0 while nothing has been measured."""
        return cost / self.cost_per_s if self.cost_per_s else 0.0


class Meters:
    """Counts what a service does; for any thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = self._counter("requests", "Requests that were answered.", "route", "outcome", "reason")
        self._pairs = self._counter("pairs", "Pairs of those requests.", "route", "outcome", "reason")
        self._rejected = self._counter("rejected", "Requests that were not taken.", "reason")
        self._bytes = self._counter("received_bytes", "Bytes of bodies, as they arrived.", "route")
        self._total = self._timer(
            "request_duration_seconds", "From a request's first byte to its answer's last.", "route"
        )
        self._steps = {
            step: self._timer(f"{step}_duration_seconds", f"What {step} took of a request.", "route") for step in STEPS
        }
        self._executions = self._counter("executions", "Batches that the device ran.", "kind")
        self._failures = self._counter("execution_failures", "Those of them that failed.", "kind")
        self._execution = self._timer("execution_duration_seconds", "How long the device ran one.", "kind")
        self._batch = {
            "requests": self._histogram("batch_requests", "Requests that shared a launch.", COUNTS),
            "items": self._histogram("batch_items", "Pairs of a launch.", COUNTS),
            "tiles": self._histogram("batch_tiles", "Tiles of a launch.", SIZES),
            "elements": self._histogram("batch_elements", "Elements of a launch.", SIZES),
        }
        self._cost = self._counter("executed_cost", "Elements times statistics that the device has summed.")
        self._dropped = self._counter("dropped", "Parts of requests that were not run.", "reason")
        self._splits = self._counter("out_of_memory_splits", "Blocks that were halved: the device had no memory.")
        self._fallbacks = self._counter("out_of_memory_fallbacks", "What was computed on the CPU in its place.")
        self._engine = Info(f"{PREFIX}engine", "What computes.", registry=self.registry)
        self._begin()

    def _begin(self) -> None:
        """What can be counted is 0 before it has happened, so that its first time is an increase."""
        for reason in REJECTIONS:
            self._rejected.labels(reason)
        for reason in ("late", "gone"):
            self._dropped.labels(reason)
        for kind in ("scores", "work"):
            self._executions.labels(kind)
            self._failures.labels(kind)

    def engine(self, about: Mapping[str, str]) -> None:
        """What computes: its version, device and kernel."""
        self._engine.info(dict(about))

    def reads(self, name: str, about: str, read: Callable[[], float]) -> None:
        """Have a value read whenever somebody asks."""
        Gauge(f"{PREFIX}{name}", about, registry=self.registry).set_function(read)

    def answered(self, request: Answered) -> None:
        """A request was answered, or ended without an answer."""
        self._requests.labels(request.route, *_outcome(request.outcome)).inc()
        self._total.labels(request.route).observe(request.total_s)
        self._bytes.labels(request.route).inc(request.bytes_in)
        for step, seconds in request.steps.items():
            self._steps[step].labels(request.route).observe(seconds)
        for reason, count in request.pairs.items():
            self._pairs.labels(request.route, *_outcome(reason)).inc(count)
        if request.outcome in REJECTIONS:
            self._rejected.labels(request.outcome).inc()

    def ran(self, batch: Ran) -> None:
        """A batch was run on the device. Only what is scored has items and tiles."""
        self._executions.labels(batch.kind).inc()
        self._execution.labels(batch.kind).observe(batch.seconds)
        if batch.error is not None:
            self._failures.labels(batch.kind).inc()
        elif batch.kind == "scores":
            self._cost.inc(batch.cost)
            for what, histogram in self._batch.items():
                histogram.observe(getattr(batch, what))

    def dropped(self, late: int, gone: int) -> None:
        """Jobs that were not run: too late, or with nobody left to take the result."""
        self._dropped.labels("late").inc(late)
        self._dropped.labels("gone").inc(gone)

    def out_of_memory(self, remedy: str) -> None:
        """The device had no memory: a block was halved ("split"), or computed on the CPU ("cpu")."""
        (self._splits if remedy == "split" else self._fallbacks).inc()

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}{name}", about, labels, registry=self.registry)

    def _timer(self, name: str, about: str, *labels: str) -> Histogram:
        return self._histogram(name, about, SECONDS, *labels)

    def _histogram(self, name: str, about: str, bounds: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"{PREFIX}{name}", about, labels, buckets=bounds, registry=self.registry)


def _outcome(reason: str) -> tuple[str, str]:
    return ("success" if reason == SUCCESS else "failure"), reason
