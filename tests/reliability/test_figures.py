"""The figures that the service is relied on for, each in its quick form; `scripts/soak` has the long ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.serving import Running, running
from tests.reliability import arrivals, clients, fuzz, mixed, overload, refusals, stopping
from tests.reliability.figure import Figure
from tests.reliability.memory import MIB

REQUESTS, MOST_MIB = 600, 8
"""So few requests tell memory per 10,000 of them coarsely: a leak of 1 KiB from none."""
CAPS = {"body_bytes": str(7 * MIB // 2)}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service with a small cap, in a process of its own."""
    with running(tmp_path_factory.mktemp("reliability") / "log", "--kernel", "eager", **CAPS) as service:
        yield service


def check(figure: Figure) -> None:
    """The figure holds."""
    assert figure.holds, figure.row


def test_mutated_requests_do_no_harm(service: Running) -> None:
    """Raw-socket fuzz: 0 crashes, 0 hangs, 0 undeclared 5xx."""
    check(fuzz.run(service.url, 300, seed=1))


def test_oversize_bodies_leave_nothing_behind(service: Running) -> None:
    """100 over-limit chunked requests: refused, and memory grows by less than 1 MiB."""
    check(refusals.oversize(service, 100))


def test_broken_bodies_leave_nothing_behind(service: Running) -> None:
    """100 malformed compressed requests: refused, and memory grows by less than 32 MiB."""
    check(refusals.malformed(service, 100))


def test_clients_leave_nothing_behind(service: Running) -> None:
    """A new client for each request: the process that makes them grows by no more than 1 MB."""
    for figure in clients.run(service.url, 20):
        check(figure)


def test_a_mixed_load(service: Running) -> None:
    """Right answers, timeouts, killed clients, oversize and broken bodies: nothing unexpected, alive after it, and growing no more."""
    figure = mixed.run(service, 6)
    assert "unexpected" not in figure.found, figure.row
    assert "alive: True" in figure.found, figure.row
    assert mixed.growth(service, REQUESTS) < MOST_MIB


def test_a_planted_leak_is_caught(tmp_path: Path) -> None:
    """The measure of memory sees a service that keeps 4 KiB of each request."""
    with running(tmp_path / "log", "--kernel", "eager", module="tests.reliability.leaking", **CAPS) as service:
        assert mixed.growth(service, REQUESTS) > MOST_MIB


def test_nothing_is_lost_when_the_service_stops(tmp_path: Path) -> None:
    """SIGTERM with n in flight: n right answers, exit 0; new requests 503."""
    check(stopping.run(tmp_path / "log", 8))


def test_an_overload_is_refused_and_told_when_to_come_back(tmp_path: Path) -> None:
    """4 x capacity, by arrivals that wait for nobody: some are refused, all of these with Retry-After; the client library finishes all."""
    refusals, _, finished = arrivals.run(tmp_path / "log", 3)
    check(refusals)
    check(finished)


def test_an_overload_delays_and_fails_nobody(tmp_path: Path) -> None:
    """4 x the callers: all calls of the client library are finished, with at most 1.3 attempts each, and each in its turn."""
    calls, turns, _ = overload.run(tmp_path / "log", 6)
    check(calls)
    check(turns)
