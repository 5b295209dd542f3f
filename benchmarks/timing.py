"""Contenders in turns: the times of one run, of which the ratios count."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.row import Row

Contender = Callable[[], Any]


def timed(case: str, contenders: Mapping[str, Contender], rounds: int, warm: bool = True) -> dict[str, Row]:
    """The times of named contenders, which take turns."""
    times = in_turns([*contenders.values()], rounds, warm)
    return {name: Row.of_seconds(case, name, taken) for name, taken in zip(contenders, times, strict=True)}


def in_turns(contenders: Sequence[Contender], rounds: int, warm: bool = True) -> list[list[float]]:
    """Seconds of each contender, round by round.

    Of each turn's two calls the second counts: what ran before is out of the caches. Without `warm` there is one call a turn.
    """
    times: list[list[float]] = [[] for _ in contenders]
    for _ in range(rounds):
        for contender, taken in zip(contenders, times, strict=True):
            if warm:
                contender()
            taken.append(seconds(contender))
    return times


def seconds(contender: Contender) -> float:
    """The time of one call."""
    start = time.perf_counter()
    contender()
    return time.perf_counter() - start
