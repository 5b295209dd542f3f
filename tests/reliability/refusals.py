"""What refused bodies leave behind in the service's memory."""

from tests.contract.serving import Running
from tests.reliability.figure import Figure
from tests.reliability.memory import MIB, resident
from tests.reliability.requests import broken_gzip, chunked, exchanged, score_request, status_of

OVERSIZE = 4 * MIB
"""Of a service whose cap is below it."""


def oversize(service: Running, number: int) -> Figure:
    """Bodies in chunks beyond the cap."""
    found = _growth(service, [chunked(OVERSIZE)] * number, 413)
    return Figure("over-limit chunked requests", "413 each; memory grows < 1 MiB", *_told(found, number, 1))


def malformed(service: Running, number: int) -> Figure:
    """Compressed bodies that are broken."""
    found = _growth(service, [[broken_gzip(seed)] for seed in range(number)], 400)
    return Figure("malformed compressed requests", "400 each; memory grows < 32 MiB", *_told(found, number, 32))


def _growth(service: Running, requests: list[list[bytes]], status: int) -> tuple[int, float]:
    """How many are answered by the status, and the MiB that all of them leave."""
    for request in requests[: len(requests) // 2]:
        exchanged(service.url, *request, hangs_up=True)
    exchanged(service.url, score_request())
    before = resident(service.process.pid)
    answered = sum(status_of(exchanged(service.url, *request, hangs_up=True)) == status for request in requests)
    return answered, (resident(service.process.pid) - before) / MIB


def _told(found: tuple[int, float], number: int, most: int) -> tuple[str, bool]:
    answered, grown = found
    return f"{answered} of {number}; {grown:+.1f} MiB", answered == number and grown < most
