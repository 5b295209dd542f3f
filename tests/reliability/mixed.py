"""A mixed load for a long time: right answers, callers that give up, killed connections, bodies that are too large or broken."""

import contextlib
import random
import socket
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import numpy as np
from lossgauge import APIConnectionError, APITimeoutError, Client
from lossgauge.errors import ShapeMismatchError

from tests.contract.serving import Running
from tests.reliability.figure import Figure
from tests.reliability.memory import MIB, resident, slope
from tests.reliability.requests import broken_gzip, chunked, document, exchanged, score_request, status_of

CALLERS = 6
SIDES = (16, 64, 256, 512)
PER = 10_000
Kind = Callable[[str, random.Random], str]


def run(service: Running, seconds: float, seed: int = 0) -> Figure:
    """The load, and what comes of it."""
    ends = time.monotonic() + seconds
    outcomes, counts, bytes = Counter[str](), list[float](), list[float]()
    with ThreadPoolExecutor(CALLERS) as pool:
        callers = [
            pool.submit(_calls, service.url, ends, random.Random(seed + place), outcomes) for place in range(CALLERS)
        ]
        while time.monotonic() < ends:
            time.sleep(seconds / 60)
            counts.append(outcomes.total())
            bytes.append(resident(service.process.pid))
        for caller in callers:
            caller.result()
    alive = status_of(exchanged(service.url, score_request())) == 200
    grown = slope(counts, bytes) * PER / MIB
    return _figure(seconds, outcomes, grown, alive)


def growth(service: Running, number: int) -> float:
    """MiB per 10,000 requests, of so many that are all small and right."""
    counts, bytes, asked = list[float](), list[float](), document()
    with httpx.Client(base_url=service.url) as caller:
        for done in range(number):
            caller.post("/v1/score", json=asked).raise_for_status()
            if done % (number // 30) == 0:
                counts.append(done)
                bytes.append(resident(service.process.pid))
    return slope(counts, bytes) * PER / MIB


def _figure(seconds: float, outcomes: Counter[str], grown: float, alive: bool) -> Figure:
    bad = {name: times for name, times in outcomes.items() if name.startswith("unexpected")}
    told = ", ".join(f"{name} {times}" for name, times in sorted(outcomes.items()))
    return Figure(
        f"{seconds / 60:g} minutes of mixed load with timeouts, killed clients, oversize and broken bodies",
        f"0 unexpected failures, alive after; slope of memory <= 1 MiB per {PER} requests",
        f"{told}; alive: {alive}; {grown:+.2f} MiB per {PER}",
        alive and not bad and grown <= 1,
    )


def _calls(url: str, ends: float, rng: random.Random, outcomes: Counter[str]) -> None:
    while time.monotonic() < ends:
        kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
        try:
            outcomes[kind(url, rng)] += 1
        except Exception as error:
            outcomes[f"unexpected {type(error).__name__} {error}"[:120]] += 1


def _scored(url: str, rng: random.Random) -> str:
    side = rng.choice(SIDES)
    target = np.zeros((side, side), np.uint8)
    target[: side // 2] = 1
    prediction = np.where(target > 0, 0.75, 0.25).astype(np.float32)
    with Client(url) as client:
        found = client.score(prediction, target, metrics=["dice", "brier"], prediction_kind="probabilities")
    assert (found["dice"], round(found["brier"], 6)) == (1, 0.0625), found
    return "right"


def _given_up(url: str, rng: random.Random) -> str:
    try:
        with Client(url, timeout=httpx.Timeout(rng.uniform(0.001, 0.01)), retries=0) as client:
            client.score(
                np.zeros((512, 512), np.float32), np.ones((512, 512)), metrics="dice", prediction_kind="logits"
            )
    except (APITimeoutError, APIConnectionError):
        return "gave up"
    return "right"


def _killed(url: str, rng: random.Random) -> str:
    address, request = urlsplit(url), score_request(256, 0)
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(request[: rng.randrange(len(request))])
    return "killed"


def _too_large(url: str, rng: random.Random) -> str:
    assert status_of(exchanged(url, *chunked(4 * MIB))) == 413
    return "413"


def _broken(url: str, rng: random.Random) -> str:
    assert status_of(exchanged(url, broken_gzip(rng.randrange(100)))) == 400
    return "400"


def _refused(url: str, rng: random.Random) -> str:
    with Client(url) as client, contextlib.suppress(ShapeMismatchError):
        client.score(np.zeros((4, 4)), np.zeros((4, 5)), metrics="dice", prediction_kind="logits")
        raise AssertionError("two shapes were scored")
    return "422"


KINDS: dict[Kind, int] = {_scored: 60, _given_up: 10, _killed: 10, _too_large: 5, _broken: 5, _refused: 10}
