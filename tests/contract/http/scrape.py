"""What a service exports, read as Prometheus reads it."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
from lossgauge_service.engine import Engine
from lossgauge_service.engine.staging import Staged
from lossgauge_service.outcomes import Outcomes
from lossgauge_service.service import Service
from prometheus_client.parser import text_string_to_metric_families

Labels = str
WITHIN_S = 60


@dataclass(frozen=True)
class Scrape:
    """The samples of one scrape."""

    values: dict[tuple[str, frozenset[tuple[str, str]]], float]

    def __call__(self, name: str, **labels: Labels) -> float:
        """A sample's value; 0 where there is no such series."""
        return self.values.get((f"lossgauge_{name}", frozenset(labels.items())), 0.0)

    @property
    def names(self) -> set[str]:
        """Of all samples."""
        return {name for name, _ in self.values}


async def scraped(client: httpx.AsyncClient) -> Scrape:
    """What the service exports now."""
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    samples = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]
    return Scrape({(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples})


def service_behind(client: httpx.AsyncClient) -> Service:
    """The service that a client in memory talks to."""
    transport = cast(Any, client)._transport
    return cast(Service, transport.app.state.service)


async def until(condition: Callable[[], Any]) -> None:
    """Wait for something that another thread does."""
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)


@dataclass(frozen=True)
class Held(Engine):
    """Launches nothing until it is let; remembers how many samples each launch had."""

    let: threading.Event = field(default_factory=threading.Event)
    launches: list[int] = field(default_factory=list)

    def launch(self, batch: Staged) -> Outcomes:
        self.launches.append(batch.count)
        self.let.wait(WITHIN_S)
        return super().launch(batch)
