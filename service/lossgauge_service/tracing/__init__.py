"""Traces: of each request, and of each batch that the device ran for some of them. Off unless it is asked for.

OpenTelemetry is an extra; only `otel` imports it, and only once it is asked for.
"""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Literal

from lossgauge_service.events import Answered, Ran

Wanted = Literal["auto", "on", "off"]
ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
EXTRA = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


class NotInstalled(RuntimeError):
    """Traces were asked for, and there is no library for them."""


class Trace:
    """A request's, where nothing is traced. No two requests have the same."""

    @property
    def id(self) -> str | None:
        """The trace's id in hexadecimal, where there is one."""
        return None

    def answered(self, request: Answered) -> None:
        """The request is over."""


class Tracing:
    """Traces nothing."""

    def request(self, headers: Mapping[str, str], began_ns: int) -> Trace:
        """The trace of a request that began then."""
        return Trace()

    def ran(self, batch: Ran, traces: Sequence[Trace]) -> None:
        """A batch was run for the requests of these traces; it ended just now."""

    def close(self) -> None:
        """Send what has not been sent."""


def tracing_of(wanted: Wanted, environment: Mapping[str, str]) -> Tracing:
    """What traces, as the setting and the standard variables say. Raises `NotInstalled` where it is `on` without the extra."""
    if wanted == "off" or (wanted == "auto" and not (_asked(environment) and _installed())):
        return Tracing()
    if not _installed():
        raise NotInstalled("LOSSGAUGE_OTEL is on, and OpenTelemetry is not installed: pip install 'lossgauge[otel]'")
    from lossgauge_service.tracing.otel import exporting

    return exporting()


def _asked(environment: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry's own variables ask for traces over OTLP."""
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    disabled = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    named = any(environment.get(name) for name in ENDPOINTS)
    return not disabled and exporter in ("", "otlp") and (named or exporter == "otlp")


def _installed() -> bool:
    try:
        return all(find_spec(name) for name in EXTRA)
    except ModuleNotFoundError:
        return False
