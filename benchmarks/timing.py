"""Contenders in turns: the times of one run, of which the ratios count."""

import time
from collections.abc import Callable, Sequence
from typing import Any

Contender = Callable[[], Any]


def in_turns(contenders: Sequence[Contender], rounds: int) -> list[list[float]]:
    """Seconds of each contender, round by round. Of each turn's two calls the second counts: what ran before is out of the caches."""
    times: list[list[float]] = [[] for _ in contenders]
    for _ in range(rounds):
        for contender, taken in zip(contenders, times, strict=True):
            contender()
            taken.append(_seconds(contender))
    return times


def _seconds(contender: Contender) -> float:
    start = time.perf_counter()
    contender()
    return time.perf_counter() - start
