"""Four times as many callers as the service takes, each of whom waits for its answer: none fails, few are refused, all have their turn."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from lossgauge import Client
from lossgauge_service.admission import SHORT_S

from tests.contract.serving import running
from tests.reliability.figure import Figure

CAPACITY = 4
TIMES = 4
SIDE = 128
"""So small that also a slow machine is through the line of all callers within a second: longer ones are refused."""
MOST_ATTEMPTS = 1.3
MOST_OTHERS = 2 * CAPACITY * TIMES
"""Nobody has more than one call: those that came before, each once, and as many who are served at the same time as it."""
SHARE = 0.95
"""A caller whose own thread has to wait for the machine counts those who are served meanwhile too: there are few of these."""
BOUND_S = 2 * SHORT_S
"""What the p99 of the accepted requests may be above that at capacity: what they stand in line, twice."""


@dataclass
class Turns:
    """How many have been served, of all callers together."""

    served: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def took(self, before: int) -> int:
        """One more was served, which came after so many: how many others were served meanwhile."""
        with self.lock:
            self.served += 1
            return self.served - before - 1


class Counting(httpx.HTTPTransport):
    """Counts attempts, notes the time of those that are answered, who was before them, and whether refusals say when to come back."""

    def __init__(self, turns: Turns) -> None:
        super().__init__()
        self.turns = turns
        self.passed = list[int]()
        self.attempts = 0
        self.accepted = list[float]()
        self.refused = list[bool]()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one attempt."""
        started, before = time.monotonic(), self.turns.served
        response = super().handle_request(request)
        response.read()
        if request.url.path.startswith("/v1/score"):
            self.attempts += 1
            if response.status_code == 429:
                self.refused.append("retry-after" in response.headers)
            else:
                self.accepted.append(time.monotonic() - started)
                self.passed.append(self.turns.took(before))
        return response


def run(log: Path, calls: int) -> list[Figure]:
    """So many calls of each caller, at capacity and at four times of it: what comes of the calls, and how long they take."""
    with running(log, "--kernel", "eager", pending_pairs=str(CAPACITY)) as service:
        _, usual = _load(service.url, CAPACITY, calls)
        finished, transports = _load(service.url, CAPACITY * TIMES, calls)
    return [
        _finished(finished, CAPACITY * TIMES * calls, transports),
        _in_turn(transports),
        _in_time(_p99(usual), _p99(transports)),
    ]


def _finished(finished: int, asked: int, transports: Sequence[Counting]) -> Figure:
    attempts = sum(one.attempts for one in transports) / asked
    refused = [told for one in transports for told in one.refused]
    return Figure(
        f"{TIMES} x the callers: calls",
        f"the client library finishes 100 %, at most {MOST_ATTEMPTS} attempts each; what is refused, if any, has Retry-After",
        f"{finished} of {asked}, {attempts:.3f} attempts each; {len(refused)} refused, {sum(refused)} with Retry-After",
        finished == asked and attempts <= MOST_ATTEMPTS and all(refused),
    )


def _in_turn(transports: Sequence[Counting]) -> Figure:
    """What the time rests on, as a count: it says the same on any machine."""
    most = int(np.quantile([others for one in transports for others in one.passed], SHARE, method="higher"))
    return Figure(
        f"{TIMES} x the callers: turns",
        f"at most {MOST_OTHERS} others, twice the callers, are served while one of {SHARE:.0%} of the accepted requests waits",
        f"{most}",
        most <= MOST_OTHERS,
    )


def _in_time(calm: float, busy: float) -> Figure:
    return Figure(
        f"{TIMES} x the callers: p99 of the accepted",
        f"<= that at capacity + {BOUND_S:g} s",
        f"{busy * 1e3:.0f} ms; at capacity {calm * 1e3:.0f} ms",
        busy <= calm + BOUND_S,
    )


def _load(url: str, callers: int, calls: int) -> tuple[int, list[Counting]]:
    turns = Turns()
    transports = [Counting(turns) for _ in range(callers)]
    start = threading.Barrier(callers)
    with ThreadPoolExecutor(callers) as pool:
        finished = pool.map(lambda transport: _calls(url, transport, start, calls), transports)
        return sum(finished), transports


def _calls(url: str, transport: Counting, start: threading.Barrier, calls: int) -> int:
    target = np.zeros((SIDE, SIDE), np.uint8)
    target[: SIDE // 2] = 1
    done = 0
    with Client(url, transport=transport, timeout=60) as client:
        start.wait()
        for _ in range(calls):
            found = client.score(
                target.astype(np.float32), target, metrics=["dice", "roc_auc"], prediction_kind="probabilities"
            )
            done += found["dice"] == 1
    return done


def _p99(transports: Sequence[Counting]) -> float:
    return float(np.quantile([seconds for one in transports for seconds in one.accepted], 0.99))
