"""Streams of the client: any number of items in, as many out, and never many of them at a time."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from lossgauge import AsyncClient, AsyncScoreStream, Client, InvalidArgumentError, ProblemError, ScoreStream, errors
from lossgauge.results import Item
from lossgauge.streams import IN_FLIGHT, MOST_ITEMS, Progress

from tests.unit.client.fake_service import LIMITS, FakeService, batch_answer, read, refusal

OPTIONS: dict[str, Any] = {"metrics": ["dice", {"name": "iou", "pooling": "batch"}], "prediction_kind": "probabilities"}
TARGET = np.ones((8, 8), np.uint8)


def item(value: float, index: int = 0) -> dict[str, Any]:
    """An item whose score is this."""
    return {"prediction": np.full((8, 8), value, np.float32), "target": TARGET, "id": f"n{index}"}


def items(count: int) -> Iterator[dict[str, Any]]:
    """Items whose scores rise, one by one."""
    return (item((index + 1) / 1024, index) for index in range(count))


def run_sync(service: FakeService, given: Iterable[Any], **more: Any) -> tuple[list[Item], Progress]:
    """A stream by the client, to its end."""
    with Client(transport=service.transport, retries=0, **more) as client:
        stream = client.score_stream(given, **OPTIONS)
        return list(stream), stream


def run_async(service: FakeService, given: Iterable[Any], **more: Any) -> tuple[list[Item], Progress]:
    """The same by the asynchronous client."""

    async def run() -> tuple[list[Item], Progress]:
        async with AsyncClient(transport=service.transport, retries=0, **more) as client:
            stream = client.score_stream(given, **OPTIONS)
            return [one async for one in stream], stream

    return asyncio.run(run())


async def asynchronous(given: Iterable[Any]) -> AsyncIterator[Any]:
    """Items that come asynchronously."""
    for one in given:
        await asyncio.sleep(0)
        yield one


def run_asynchronous_items(service: FakeService, given: Iterable[Any], **more: Any) -> tuple[list[Item], Progress]:
    """The same, of items that come asynchronously."""
    return run_async(service, asynchronous(given), **more)  # type: ignore[arg-type]


Run = Callable[..., tuple[list[Item], Progress]]
every = pytest.mark.parametrize("run", [run_sync, run_async, run_asynchronous_items])


def sizes(service: FakeService) -> list[int]:
    """How many items each request held, the smallest first: two are sent at a time."""
    return sorted(len(batch_answer(*read(request))["items"]) for request in service.posts)


@every
def test_items_come_back_in_their_order(run: Run) -> None:
    """Whatever number of requests it takes, each of no more than it may hold; index and id are the caller's."""
    service = FakeService()
    found, stream = run(service, items(200))
    assert [(one.index, one.id, one["dice"]) for one in found] == [
        (index, f"n{index}", (index + 1) / 1024) for index in range(200)
    ]
    assert (sizes(service), stream.requests, stream.count) == ([8, 64, 64, 64], 4, 200)
    assert stream.semantics.keys() == {"dice", "iou"}
    assert stream.timing_ms == {"total": 6.0}


@every
def test_arrays_may_be_filled_anew(run: Run) -> None:
    """Once the next request has begun, an item's array may hold another's: a ring of a request's arrays and one more will do."""
    ring = [item(0.0) for _ in range(MOST_ITEMS + 1)]
    count = 6 * MOST_ITEMS

    def source() -> Iterator[dict[str, Any]]:
        for index in range(count):
            one = ring[index % len(ring)]
            one["prediction"][:] = (index + 1) / 1024
            yield one

    found, _ = run(FakeService(), source())
    assert [one["dice"] for one in found] == [(index + 1) / 1024 for index in range(count)]


@every
def test_the_summary_is_of_all_items(run: Run) -> None:
    """Mean, deviation and counts over all requests; sums do not travel, so nothing is pooled over several."""
    _, stream = run(FakeService(), items(100))
    values = [(index + 1) / 1024 for index in range(100)]
    dice, iou = stream.summary["dice"], stream.summary["iou"]
    assert [dice.mean, dice.std] == pytest.approx([np.mean(values), np.std(values)])
    assert (dice.value, dice.counted, dice.skipped) == (dice.mean, 100, 0)
    assert (iou.value, iou.pooled, iou.pooled_undefined) == (None, None, "several_requests")


@every
def test_one_request_is_pooled(run: Run) -> None:
    """Where one request held all, the pooled score is the service's."""
    _, stream = run(FakeService(), items(5))
    assert (stream.summary["iou"].value, stream.summary["iou"].pooled, stream.requests) == (0.25, 0.25, 1)


@every
def test_failed_items_stand_in_their_places(run: Run) -> None:
    """Those that the service refuses and those that the client refuses, at the start, in the middle and at the end."""
    given = [{"prediction": TARGET}, item(0.5), item(-1), "nothing", item(0.25), item(0.0), {"a": 1}]
    found, stream = run(FakeService(), given)
    assert [one.index for one in found] == [*range(7)]
    assert [one.ok for one in found] == [False, True, False, False, True, True, False]
    assert isinstance(found[2].error, errors.InvalidValuesError)  # type: ignore[union-attr]
    assert found[2].error.pointer == "/items/2/prediction"  # type: ignore[union-attr]
    assert (stream.summary["dice"].counted, stream.summary["dice"].skipped) == (2, 5)


@every
def test_items_that_are_all_refused_come_back_too(run: Run) -> None:
    """No request is sent for them, and they do not pile up."""
    service = FakeService()
    found, stream = run(service, ({"a": index} for index in range(1000)))
    assert ([one.index for one in found], service.posts, stream.count) == ([*range(1000)], [], 1000)


@every
def test_a_stream_has_an_item(run: Run) -> None:
    """As a batch has."""
    with pytest.raises(InvalidArgumentError, match="at least one item"):
        run(FakeService(), [])


@every
def test_an_error_of_a_request_ends_the_stream(run: Run) -> None:
    """What refuses a whole request is raised where its items would come; the items before it have come."""
    limits = httpx.Response(200, json=LIMITS.model_dump())
    service = FakeService(script=deque([limits, refusal(422, "unknown_metric")]))
    with pytest.raises(ProblemError) as raised:
        run(service, items(3))
    assert raised.value.code == "unknown_metric"


@pytest.mark.parametrize("seen", [1, 64, 65, 300])
def test_items_are_read_no_further_than_is_in_flight(seen: int) -> None:
    """The caller's items are taken as the answers are read: never more than the requests in flight and one that is made."""
    taken = 0

    def source() -> Iterator[dict[str, Any]]:
        nonlocal taken
        for one in items(100_000):
            taken += 1
            yield one

    with Client(transport=FakeService().transport, retries=0) as client:
        with client.score_stream(source(), **OPTIONS) as stream:
            for _ in range(seen):
                next(stream)
            assert taken <= seen + (IN_FLIGHT + 1) * MOST_ITEMS
        assert isinstance(stream, ScoreStream)
        with pytest.raises(StopIteration):
            next(stream)


def test_refused_items_do_not_pile_up() -> None:
    """Where item after item is refused they come back soon, not at the end."""
    taken = 0

    def source() -> Iterator[Any]:
        nonlocal taken
        for index in range(100_000):
            taken += 1
            yield {"a": index}

    with (
        Client(transport=FakeService().transport, retries=0) as client,
        client.score_stream(source(), **OPTIONS) as stream,
    ):
        assert next(stream).index == 0
        assert taken <= (IN_FLIGHT + 1) * MOST_ITEMS


def test_an_asynchronous_stream_can_be_left() -> None:
    """What is in flight is given up, and no more is sent."""
    service = FakeService()

    async def run() -> None:
        async with AsyncClient(transport=service.transport, retries=0) as client:
            async with client.score_stream(asynchronous(items(100_000)), **OPTIONS) as stream:
                assert isinstance(stream, AsyncScoreStream)
                assert (await anext(stream)).index == 0
                assert stream.summary["dice"].counted == 1
            with pytest.raises(StopAsyncIteration):
                await anext(stream)

    asyncio.run(run())
    assert len(service.posts) <= IN_FLIGHT


@every
def test_an_item_larger_than_a_request_should_be_goes_alone(run: Run) -> None:
    """What one item may take is the service's to say: it is sent, alone."""
    service = FakeService(LIMITS.model_copy(update={"body_bytes": 2**26, "array_elements": 2**24}))
    large = {"prediction": np.full((2100, 2100), 0.5, np.float32), "target": np.ones((2100, 2100), np.uint8)}
    found, _ = run(service, [item(0.25), large, item(0.75)])
    assert [one["dice"] for one in found] == [0.25, 0.5, 0.75]
    assert sizes(service) == [1, 1, 1]


def test_requests_are_tried_again() -> None:
    """Each request of a stream is sent again as any call is."""
    limits = httpx.Response(200, json=LIMITS.model_dump())
    service = FakeService(script=deque([limits, refusal(503, "unavailable", {"Retry-After": "0"})]))
    with Client(transport=service.transport, sleep=lambda _: None) as client:
        assert [one["dice"] for one in client.score_stream([item(0.5)], **OPTIONS)] == [0.5]
    assert len(service.posts) == 2
