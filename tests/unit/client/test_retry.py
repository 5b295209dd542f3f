"""When calls are sent again."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from email.utils import formatdate

import httpx
import pytest
from lossgauge import APIConnectionError, AsyncClient, Client, errors
from lossgauge.retry import RetryPolicy, may_pass, retry_after
from lossgauge.wire import Limits

from tests.unit.client.fake_service import FakeService, Outcome, refusal

POLICY = RetryPolicy(retries=9, chance=lambda: 0.0, now=lambda: 1_000_000.0)


def unavailable(after: str) -> httpx.Response:
    """A 503 that says when to come back."""
    return refusal(503, "unavailable", headers={"Retry-After": after})


@pytest.mark.parametrize(("attempt", "pause"), [(0, 0.5), (1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 8.0), (8, 8.0)])
def test_pauses_double_up_to_eight_seconds(attempt: int, pause: float) -> None:
    """0.5 s, doubled with each attempt, never above 8 s."""
    assert POLICY.pause(refusal(500, "internal_error"), attempt) == pause


def test_chance_takes_off_up_to_a_quarter() -> None:
    """Jitter shortens a pause and never lengthens it."""
    policy = RetryPolicy(retries=9, chance=lambda: 1.0)
    assert policy.pause(refusal(500, "internal_error"), 1) == 0.75


@pytest.mark.parametrize(
    ("after", "pause"),
    [("3", 3.0), ("0", 0.0), ("-1", 0.0), ("0.25", 0.25), ("120", 120.0), ("soon", 0.5), ("nan", 0.5), ("inf", 0.5)],
)
def test_retry_after_in_seconds_is_obeyed(after: str, pause: float) -> None:
    """The service's word goes before our own pauses, up to 120 s; what is no number of seconds is no word."""
    assert POLICY.pause(unavailable(after), 0) == pause


@pytest.mark.parametrize(("at", "pause"), [(1_000_042.0, 42.0), (999_000.0, 0.0)])
def test_retry_after_as_a_date_is_obeyed(at: float, pause: float) -> None:
    """An HTTP date counts from now; one in the past means now."""
    assert POLICY.pause(unavailable(formatdate(at, usegmt=True)), 0) == pause


@pytest.mark.parametrize("after", ["121", formatdate(1_000_121.0, usegmt=True)])
def test_nobody_waits_longer_than_two_minutes(after: str) -> None:
    """A service that asks for more than 120 s is not asked again; the caller is told."""
    assert POLICY.pause(unavailable(after), 0) is None


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 599])
def test_what_may_pass_is_tried_again(status: int) -> None:
    """408, 429 and 5xx."""
    assert may_pass(refusal(status, "any"))


@pytest.mark.parametrize("status", [200, 301, 400, 401, 404, 409, 413, 415, 422])
def test_what_will_not_pass_is_not(status: int) -> None:
    """An answer, or a refusal that would be the same again."""
    assert not may_pass(refusal(status, "any"))


def test_failures_of_the_connection_may_pass_but_a_wrong_url_will_not() -> None:
    """Connection errors, broken answers and timeouts are tried again."""
    passing = [httpx.ConnectError("x"), httpx.ReadError("x"), httpx.RemoteProtocolError("x"), httpx.ConnectTimeout("x")]
    lasting = [httpx.UnsupportedProtocol("x"), httpx.LocalProtocolError("x")]
    assert [may_pass(failure) for failure in passing + lasting] == [True] * 4 + [False] * 2


def test_an_answer_without_the_header_says_nothing() -> None:
    """No Retry-After, no wait of the service's."""
    assert retry_after(refusal(503, "unavailable"), 0.0) is None


async def score_asynchronously(service: FakeService, retries: int, pauses: list[float]) -> float:
    """One call of the asynchronous client."""

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async with AsyncClient(transport=service.transport, retries=retries, sleep=sleep) as client:
        return (await client.score([0.5], [1], metrics="dice", prediction_kind="probabilities"))["dice"]


def score_sync(service: FakeService, retries: int, pauses: list[float]) -> float:
    """One call of the client."""
    with Client(transport=service.transport, retries=retries, sleep=pauses.append) as client:
        return client.score([0.5], [1], metrics="dice", prediction_kind="probabilities")["dice"]


def score_async(service: FakeService, retries: int, pauses: list[float]) -> float:
    """One call of the asynchronous client, run."""
    return asyncio.run(score_asynchronously(service, retries, pauses))


Score = Callable[[FakeService, int, list[float]], float]
both = pytest.mark.parametrize("score", [score_sync, score_async])


def failing(*outcomes: Outcome) -> FakeService:
    """A service that first does this."""
    return FakeService(script=deque(outcomes))


@both
def test_a_call_succeeds_at_the_last_attempt(score: Score) -> None:
    """Two retries by any mix of failures end in the score, after pauses in the order of the failures."""
    pauses: list[float] = []
    service = failing(httpx.ConnectError("x"), unavailable("3"))
    assert score(service, 2, pauses) == 0.5
    assert len(service.requests) == 3
    assert 0.375 <= pauses[0] <= 0.5
    assert pauses[1:] == [3.0]


@both
def test_a_call_gives_up_after_its_retries(score: Score) -> None:
    """The last failure is raised, without a pause after it."""
    pauses: list[float] = []
    service = failing(*(refusal(500, "internal_error") for _ in range(9)))
    with pytest.raises(errors.ServerError):
        score(service, 2, pauses)
    assert (len(service.requests), len(pauses)) == (3, 2)


@both
def test_a_lost_connection_is_raised_in_the_end(score: Score) -> None:
    """Without an answer at all the error is one of the connection."""
    service = failing(httpx.ConnectError("x"), httpx.ConnectError("x"))
    with pytest.raises(APIConnectionError):
        score(service, 1, [])


@both
def test_a_refusal_is_not_repeated(score: Score) -> None:
    """A 422 is raised at once."""
    pauses: list[float] = []
    service = failing(refusal(422, "invalid_values"))
    with pytest.raises(errors.InvalidValuesError):
        score(service, 2, pauses)
    assert (len(service.requests), pauses) == (1, [])


@both
def test_the_idempotency_key_is_minted_once_a_call(score: Score) -> None:
    """Every attempt of a call has the same key and body; another call has another key."""
    service = failing(refusal(500, "internal_error"), refusal(500, "internal_error"))
    score(service, 2, [])
    score(service, 2, [])
    *attempts, other = [request.headers["idempotency-key"] for request in service.requests]
    assert len(set(attempts)) == 1
    assert attempts[0] != other
    assert len({request.content for request in service.requests[:3]}) == 1


def test_ready_asks_once() -> None:
    """A service that is not ready is not waited for, nor is one that is not there."""
    service = failing(unavailable("3"), httpx.ConnectError("x"))
    client = Client(transport=service.transport, sleep=_must_not_sleep)
    assert [client.ready(), client.ready(), client.ready()] == [False, False, True]
    assert len(service.requests) == 3


def test_limits_are_asked_for_once() -> None:
    """The caps are cached on the client, in both clients."""
    service = FakeService()
    client = Client(transport=service.transport)
    assert client.limits() is client.limits()
    assert asyncio.run(_twice(AsyncClient(transport=service.transport).limits)) == [service.limits] * 2
    assert len(service.requests) == 2


async def _twice(ask: Callable[[], Awaitable[Limits]]) -> list[Limits]:
    return [await ask(), await ask()]


def _must_not_sleep(seconds: float) -> None:
    raise AssertionError(f"slept {seconds} s")
