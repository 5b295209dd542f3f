"""Many clients, each made, used once and closed: what they leave in the memory of the process that makes them."""

import asyncio
import gc
import os
import subprocess
import sys
from collections.abc import Callable

from lossgauge import AsyncClient, Client

from tests.reliability.figure import Figure
from tests.reliability.memory import resident

MB = 10**6
PREDICTION, TARGET = [[0.9, 0.2]], [[1, 0]]
FIRST = 30
"""Clients until caches are filled, at least; a quarter as many as are counted, until the allocator has its pools."""


def run(url: str, number: int) -> list[Figure]:
    """Of the sync and of the async client, each in a process of its own."""
    return [_figure(url, number, kind) for kind in KINDS]


def _figure(url: str, number: int, kind: str) -> Figure:
    command = [sys.executable, "-m", "tests.reliability.clients", kind, url, str(number)]
    grown = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    test = f"{number} requests, a new {kind} client each"
    return Figure(test, "client grows <= 1 MB", f"{grown:+.2f} MB", grown <= 1)


def _sync(url: str, number: int) -> None:
    for _ in range(number):
        with Client(url) as client:
            assert client.score(PREDICTION, TARGET, metrics="dice", prediction_kind="probabilities")["dice"] == 1


def _async(url: str, number: int) -> None:
    asyncio.run(_calls(url, number))


async def _calls(url: str, number: int) -> None:
    for _ in range(number):
        async with AsyncClient(url) as client:
            found = await client.score(PREDICTION, TARGET, metrics="dice", prediction_kind="probabilities")
            assert found["dice"] == 1


KINDS: dict[str, Callable[[str, int], None]] = {"sync": _sync, "async": _async}


def main(kind: str, url: str, number: int) -> None:
    """Print how many MB this process grows."""
    KINDS[kind](url, max(FIRST, number // 4))
    gc.collect()
    before = resident(os.getpid())
    KINDS[kind](url, number)
    gc.collect()
    print((resident(os.getpid()) - before) / MB)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
