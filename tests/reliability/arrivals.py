"""Four times what the service can do, for as long as it lasts: requests that come at their times, whatever became of those before."""

import asyncio
import contextlib
import itertools
import json
import math
import re
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
from lossgauge import Client, LossgaugeError
from lossgauge.encodings.packbits import PackbitsArray
from lossgauge_service.admission import LONGEST_S, SHORT_S, SHORTEST_S
from numpy.typing import NDArray

from tests.contract.serving import running
from tests.reliability.figure import Figure
from tests.reliability.requests import Document, posted, status_of

PLACES = 8
TIMES = 4
SIDE = 384
METRICS = ["centreline_dice", "hausdorff"]
"""Work enough that the service is busy, not this process, which asks four times as much."""
BOUND_S = 2 * SHORT_S
"""What the p99 of the accepted requests may be above that at capacity: what they stand in line, twice."""
TIMEOUT_S = 60.0
UNTIL_FULL_S = 0.5
"""The callers of the library come once the load is there."""


@dataclass(frozen=True)
class Asked:
    """A request, and what came of it: its status, what it says of when to come back, and the seconds since it was due."""

    status: int | None
    retry_after: str | None
    seconds: float

    @property
    def told_when(self) -> bool:
        """Whether it says when to come back, as the service's own documents have it."""
        told = self.retry_after or ""
        return told.isdecimal() and SHORTEST_S <= int(told) <= LONGEST_S


def run(log: Path, seconds: float) -> list[Figure]:
    """So long at capacity, which is measured so, then at four times of it."""
    with running(log, "--kernel", "eager", pending_pairs=str(PLACES)) as service:
        usual = _at_capacity(service.url, seconds)
        rate = TIMES * len(usual) / seconds
        with _calling(service.url) as calls:
            asked = asyncio.run(_arriving(service.url, rate, seconds))
    return [_offered(asked, len(usual) / seconds, seconds), _accepted(asked, usual), _finished(calls)]


def _offered(asked: Sequence[Asked], capacity: float, seconds: float) -> Figure:
    refused = [one for one in asked if one.status == 429]
    others = [one for one in asked if one.status not in (200, 429)]
    told = sum(one.told_when for one in refused)
    return Figure(
        f"{TIMES} x capacity, {seconds:g} s of arrivals that wait for nobody: refusals",
        f"some; each is 429 with a Retry-After of {SHORTEST_S} to {LONGEST_S} whole seconds; nothing else fails",
        f"capacity {capacity:.1f} a second, offered {len(asked) / seconds:.1f}: {len(asked)} requests, "
        f"{len(asked) - len(refused) - len(others)} accepted, {len(refused)} refused ({len(refused) / len(asked):.0%}), "
        f"{told} of these with Retry-After ({_range(refused)} s); {len(others)} others",
        bool(refused) and told == len(refused) and not others,
    )


def _range(refused: Sequence[Asked]) -> str:
    told = sorted(int(one.retry_after or 0) for one in refused if one.told_when) or [0]
    return f"{told[0]} to {told[-1]}"


def _accepted(asked: Sequence[Asked], usual: Sequence[float]) -> Figure:
    calm, busy = _p99(usual), _p99([one.seconds for one in asked if one.status == 200])
    return Figure(
        f"{TIMES} x capacity: p99 of the accepted",
        f"<= that at capacity + {BOUND_S:g} s",
        f"{busy * 1e3:.0f} ms; at capacity {calm * 1e3:.0f} ms, so the bound is {(calm + BOUND_S) * 1e3:.0f} ms",
        busy <= calm + BOUND_S,
    )


def _finished(calls: Sequence["Call"]) -> Figure:
    done, attempts = sum(call.done for call in calls), sum(call.attempts for call in calls)
    return Figure(
        f"{TIMES} x capacity: calls of the client library, {PLACES} callers meanwhile",
        "100 % are finished",
        f"{done} of {len(calls)}, {attempts / max(1, len(calls)):.2f} attempts each, "
        f"the longest {max((call.seconds for call in calls), default=0):.1f} s",
        bool(calls) and done == len(calls),
    )


def _p99(seconds: Sequence[float]) -> float:
    return float(np.quantile(seconds, 0.99)) if seconds else math.inf


def _document() -> Document:
    prediction, target = (PackbitsArray.of(_mask(seed)).model_dump() for seed in (0, 1))
    return {
        "task": "binary",
        "prediction_kind": "labels",
        "prediction": prediction,
        "target": target,
        "metrics": METRICS,
    }


def _mask(seed: int) -> NDArray[np.uint8]:
    return (np.random.default_rng(seed).random((SIDE, SIDE)) < 0.4).astype(np.uint8)


def _at_capacity(url: str, seconds: float) -> list[float]:
    """As many callers as places, each a request after the other: how long each took."""
    with ThreadPoolExecutor(PLACES) as pool:
        took = pool.map(lambda _: _one_by_one(url, seconds), range(PLACES))
        return list(itertools.chain.from_iterable(took))


def _one_by_one(url: str, seconds: float) -> list[float]:
    body, took, ends = json.dumps(_document()), list[float](), time.monotonic() + seconds
    with httpx.Client(base_url=url, timeout=TIMEOUT_S) as caller:
        while (began := time.monotonic()) < ends:
            caller.post("/v1/score", content=body, headers={"Content-Type": "application/json"}).raise_for_status()
            took.append(time.monotonic() - began)
    return took


async def _arriving(url: str, rate: float, seconds: float) -> list[Asked]:
    """Over sockets: a pool of connections takes longer than the service where there are hundreds."""
    request, began = posted(json.dumps(_document()).encode(), close=False), time.monotonic()
    dues = (began + place / rate for place in range(round(rate * seconds)))
    return await asyncio.gather(*[_asked(url, request, due) for due in dues])


async def _asked(url: str, request: bytes, due: float) -> Asked:
    await asyncio.sleep(max(0.0, due - time.monotonic()))
    async with asyncio.timeout(TIMEOUT_S):
        head = await _head(url, request)
    told = re.search(rb"(?im)^retry-after: *(\S+)", head)
    return Asked(status_of(head), told[1].decode() if told else None, time.monotonic() - due)


async def _head(url: str, request: bytes) -> bytes:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(request)
        return await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()


@dataclass
class Call:
    """A call of the client library, and what came of it."""

    done: bool = False
    attempts: int = 0
    seconds: float = 0.0


@contextlib.contextmanager
def _calling(url: str) -> Iterator[list[Call]]:
    """Callers of the client library, call after call until the block ends; after it their calls are all there."""
    calls, over = list[Call](), threading.Event()
    with ThreadPoolExecutor(PLACES) as pool:
        callers = [pool.submit(_calls, url, over, calls) for _ in range(PLACES)]
        try:
            yield calls
        finally:
            over.set()
    for caller in callers:
        caller.result()


def _calls(url: str, over: threading.Event, calls: list[Call]) -> None:
    mask, transport = _mask(0), Counting()
    over.wait(UNTIL_FULL_S)
    with Client(url, transport=transport, timeout=TIMEOUT_S) as client:
        while not over.is_set():
            call, began, before = Call(), time.monotonic(), transport.attempts
            calls.append(call)
            with contextlib.suppress(LossgaugeError):
                call.done = client.score(mask, mask, metrics=METRICS, prediction_kind="labels")["hausdorff"] == 0
            call.attempts, call.seconds = transport.attempts - before, time.monotonic() - began


class Counting(httpx.HTTPTransport):
    """Counts attempts."""

    def __init__(self) -> None:
        super().__init__()
        self.attempts = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one attempt."""
        self.attempts += request.url.path.startswith("/v1/score")
        return super().handle_request(request)
