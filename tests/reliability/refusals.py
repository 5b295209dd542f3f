"""What refused bodies leave behind in the service's memory."""

import statistics

from tests.contract.serving import Running
from tests.reliability.figure import Figure
from tests.reliability.memory import MIB, resident
from tests.reliability.requests import broken_gzip, chunked, exchanged, status_of

OVERSIZE = 4 * MIB
"""Of a service whose cap is below it."""

ROUNDS = 3
"""The allocator takes a new arena now and then, whatever is asked of it; the middle of three does not see that."""


def oversize(service: Running, number: int) -> Figure:
    """Bodies in chunks beyond the cap."""
    found = _growth(service, [chunked(OVERSIZE)] * number, 413)
    return Figure(f"{number} over-limit chunked requests", "413 each; memory grows < 1 MiB", *_told(found, number, 1))


def malformed(service: Running, number: int) -> Figure:
    """Compressed bodies that are broken."""
    found = _growth(service, [[broken_gzip(seed)] for seed in range(number)], 400)
    return Figure(
        f"{number} malformed compressed requests", "400 each; memory grows < 32 MiB", *_told(found, number, 32)
    )


def _growth(service: Running, requests: list[list[bytes]], status: int) -> tuple[list[int], list[float]]:
    """How many are answered by the status, and the MiB that all of them leave, `ROUNDS` times."""
    for request in requests:
        exchanged(service.url, *request)
    answered, grown = list[int](), list[float]()
    for _ in range(ROUNDS):
        before = resident(service.process.pid)
        answers = [exchanged(service.url, *request) for request in requests]
        answered.append(sum(status_of(answer) == status for answer in answers))
        grown.append((resident(service.process.pid) - before) / MIB)
    return answered, grown


def _told(found: tuple[list[int], list[float]], number: int, most: int) -> tuple[str, bool]:
    answered, grown = found
    middle = statistics.median(grown)
    told = f"{min(answered)} of {number}; {middle:+.1f} MiB, the middle of {ROUNDS} times"
    return told, min(answered) == number and middle < most
