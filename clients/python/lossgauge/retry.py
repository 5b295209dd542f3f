"""When a call is sent again, and after how long. Nothing here sleeps."""

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 8.0
LONGEST_RETRY_AFTER_S = 120.0
JITTER = 0.25

PASSING_FAILURES = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError)
"""Failures of the transport that may be over the next time; a wrong URL is not among them."""

Outcome = httpx.Response | httpx.RequestError
"""What came of one attempt."""


@dataclass(frozen=True)
class RetryPolicy:
    """How often and when to try again: on connection errors, 408, 429 and 5xx.

    0.5 s doubling to 8 s, up to a quarter less by chance, so that clients do not come back together. `Retry-After` is
    obeyed up to 120 s; a service that asks for longer is not waited for: the caller gets the error, with `retry_after`.

    >>> RetryPolicy(retries=2, chance=lambda: 0.0).pause(httpx.Response(500), attempt=1)
    1.0
    >>> RetryPolicy(retries=2).pause(httpx.Response(422), attempt=0) is None
    True
    """

    retries: int = 2
    chance: Callable[[], float] = random.random
    now: Callable[[], float] = time.time

    def pause(self, outcome: Outcome, attempt: int) -> float | None:
        """Seconds until the next attempt, or None when this outcome stands. Attempts count from 0."""
        if attempt >= self.retries or not may_pass(outcome):
            return None
        asked = retry_after(outcome, self.now())
        if asked is None:
            return self._backoff(attempt)
        return asked if asked <= LONGEST_RETRY_AFTER_S else None

    def _backoff(self, attempt: int) -> float:
        pause = min(FIRST_PAUSE_S * 2.0 ** min(attempt, 10), LONGEST_PAUSE_S)
        return pause * (1 - JITTER * self.chance())


def may_pass(outcome: Outcome) -> bool:
    """Whether the same request may do better later.

    >>> may_pass(httpx.Response(429)), may_pass(httpx.Response(413))
    (True, False)
    """
    if isinstance(outcome, httpx.Response):
        return outcome.status_code in (408, 429) or outcome.status_code >= 500
    return isinstance(outcome, PASSING_FAILURES)


def retry_after(outcome: Outcome, now: float) -> float | None:
    """The `Retry-After` of an answer in seconds from now, given as seconds or as an HTTP date.

    >>> retry_after(httpx.Response(503, headers={"Retry-After": "3"}), now=0.0)
    3.0
    """
    if not isinstance(outcome, httpx.Response) or "retry-after" not in outcome.headers:
        return None
    text = outcome.headers["retry-after"]
    seconds = _number(text)
    return seconds if seconds is not None else _seconds_until(text, now)


def _number(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _seconds_until(date: str, now: float) -> float | None:
    try:
        return max(parsedate_to_datetime(date).timestamp() - now, 0.0)
    except ValueError:
        return None
