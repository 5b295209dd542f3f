"""Batches of any length are sent in parts that the limits allow, and come back whole."""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, get_args

import httpx
import numpy as np
import pytest
from lossgauge import AsyncClient, BatchResult, Client, InvalidArgumentError, UnreadableAnswer, errors
from lossgauge.bodies import Encoding
from lossgauge.wire import Limits

from tests.unit.client.fake_service import LIMITS, FakeService, batch_answer, read, refusal

OPTIONS: dict[str, Any] = {"metrics": ["dice", {"name": "iou", "pooling": "batch"}], "prediction_kind": "probabilities"}
TARGET = np.ones((8, 8), np.uint8)


def limits(**caps: int) -> Limits:
    """The service's caps with some set."""
    return LIMITS.model_copy(update=caps)


def flat(value: float, dtype: str = "float32") -> np.ndarray[Any, Any]:
    """A prediction whose mean is known."""
    return np.full((8, 8), value, dtype)


def items(*values: float) -> list[dict[str, Any]]:
    """Items whose scores are these."""
    return [{"prediction": flat(value), "target": TARGET, "id": f"n{index}"} for index, value in enumerate(values)]


def run_sync(service: FakeService, batch: Any, encoding: Encoding = "safetensors", **options: Any) -> BatchResult:
    """One batch by the client."""
    with Client(transport=service.transport, encoding=encoding, retries=0) as client:
        return client.score_batch(batch, **(OPTIONS | options))


def run_async(service: FakeService, batch: Any, encoding: Encoding = "safetensors", **options: Any) -> BatchResult:
    """One batch by the asynchronous client."""

    async def run() -> BatchResult:
        async with AsyncClient(transport=service.transport, encoding=encoding, retries=0) as client:
            return await client.score_batch(batch, **(OPTIONS | options))

    return asyncio.run(run())


Run = Callable[..., BatchResult]
both = pytest.mark.parametrize("run", [run_sync, run_async])


def sizes(service: FakeService) -> list[int]:
    """How many items each request held."""
    return [len(batch_answer(*read(request))["items"]) for request in service.posts]


@both
def test_a_short_batch_is_one_request(run: Run) -> None:
    """Its summary is the service's own, pooled values included."""
    service = FakeService()
    result = run(service, items(0.25, 0.5))
    assert (sizes(service), result.requests, result.column("dice")) == ([2], 1, [0.25, 0.5])
    assert (result.summary["dice"].mean, result.summary["dice"].pooled) == (0.375, 0.25)
    assert [item.id for item in result] == ["n0", "n1"]


@both
def test_items_are_cut_by_their_number(run: Run) -> None:
    """No request has more items than the limit; order, index and id are the caller's."""
    service = FakeService(limits(items=3))
    values = [(index + 1) / 8 for index in range(8)]
    result = run(service, items(*values))
    assert (sizes(service), result.requests) == ([3, 3, 2], 3)
    assert result.column("dice") == values
    assert [(item.index, item.id) for item in result] == [(index, f"n{index}") for index in range(8)]


@pytest.mark.parametrize("encoding", ["safetensors", "multipart"])
def test_items_are_cut_by_their_parts(encoding: Encoding) -> None:
    """An item takes as many parts as it has arrays."""
    service = FakeService(limits(parts=5))
    weighted = [item | {"weight": flat(1)} for item in items(0.25, 0.5, 0.75)]
    assert run_sync(service, weighted, encoding).column("dice") == [0.25, 0.5, 0.75]
    assert sizes(service) == [1, 1, 1]


@pytest.mark.parametrize("encoding", sorted({*get_args(Encoding)} - {"png", "packbits", "coco_rle"}))
@pytest.mark.parametrize("body_bytes", [2_000, 3_000, 10_000])
def test_items_are_cut_by_the_body_s_bytes(encoding: Encoding, body_bytes: int) -> None:
    """No body is larger than the limit, in any encoding, and the parts are not needlessly many."""
    service = FakeService(limits(body_bytes=body_bytes))
    values = [(index + 1) / 32 for index in range(32)]
    assert run_sync(service, items(*values), encoding).column("dice") == values
    lengths = [len(request.content) for request in service.posts]
    assert max(lengths) <= body_bytes
    assert len(lengths) <= 3 * sum(lengths) / body_bytes + 1


@pytest.mark.parametrize("encoding", ["safetensors", "multipart"])
def test_items_are_cut_by_the_document_s_bytes(encoding: Encoding) -> None:
    """The JSON beside the arrays has a cap of its own."""
    service = FakeService(limits(document_bytes=2_000))
    values = [(index + 1) / 32 for index in range(32)]
    assert run_sync(service, items(*values), encoding).column("dice") == values
    for request in service.posts:
        document = (
            int.from_bytes(request.content[:8], "little") if encoding == "safetensors" else _request_part(request)
        )
        assert document <= 2_000


def test_items_are_cut_by_the_values_of_the_document() -> None:
    """Lists are many values of JSON."""
    service = FakeService(limits(json_values=300))
    assert run_sync(service, items(0.25, 0.5, 0.75), "list").column("dice") == [0.25, 0.5, 0.75]
    assert sizes(service) == [2, 1]


def test_items_are_taken_one_by_one() -> None:
    """A generator is read no further than one item beyond the request that is sent."""
    service, taken = FakeService(limits(items=2)), []

    def source() -> Iterator[dict[str, Any]]:
        for item in items(0.25, 0.5, 0.75, 1.0, 0.125):
            taken.append(len(service.posts))
            yield item

    assert run_sync(service, source()).column("dice") == [0.25, 0.5, 0.75, 1.0, 0.125]
    assert taken == [0, 0, 0, 1, 1]


@both
def test_a_failed_item_stays_in_its_place(run: Run) -> None:
    """The service's problem with the fifth item is the fifth item's, its pointer into the caller's batch."""
    result = run(FakeService(limits(items=3)), items(0.25, 0.5, 0.75, 0.125, -1, 0.375))
    assert result.column("dice") == [0.25, 0.5, 0.75, 0.125, None, 0.375]
    assert [*result.problems] == [4]
    with pytest.raises(errors.InvalidValuesError) as raised:
        result[4]["dice"]
    assert raised.value.pointer == "/items/4/prediction"


UNSENDABLE: dict[str, Any] = {
    "an object array": {"prediction": np.array([None]), "target": TARGET},
    "no target": {"prediction": TARGET},
    "an unknown key": {"prediction": TARGET, "target": TARGET, "mask": TARGET},
    "no mapping": TARGET,
    "a file that is not there": {"prediction": "nowhere.npy", "target": TARGET},
}


@pytest.mark.parametrize("bad", UNSENDABLE.values(), ids=UNSENDABLE)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_an_item_that_cannot_be_sent_fails_alone(bad: Any, at: int) -> None:
    """Its neighbours get their scores; it is a failed item with the client's own error."""
    good = items(0.25, 0.75)
    service = FakeService()
    result = run_sync(service, [*good[:at], bad, *good[at:]])
    column = [0.25, 0.75]
    column.insert(at, None)  # type: ignore[arg-type]
    assert result.column("dice") == column
    error = result.problems[at]
    assert isinstance(error, InvalidArgumentError)
    assert str(error).startswith(f"/items/{at}")
    assert (result.summary["dice"].counted, result.summary["dice"].skipped) == (2, 1)
    assert result.summary["dice"].pooled == 0.25


def test_an_item_over_the_limit_fails_alone() -> None:
    """One item that no request can hold does not spoil those that fit."""
    huge = {"prediction": np.ones((100, 100), np.float32), "target": TARGET, "id": "huge"}
    result = run_sync(FakeService(limits(body_bytes=10_000)), [*items(0.25), huge, *items(0.75)])
    assert result.column("dice") == [0.25, None, 0.75]
    assert result[1].id == "huge"
    with pytest.raises(InvalidArgumentError, match="the service reads 10000 \\(body_bytes\\)"):
        result[1]["dice"]


@both
def test_a_batch_without_one_item_to_send_raises(run: Run) -> None:
    """Where nothing can be scored there is no result: the first reason is raised."""
    service = FakeService()
    with pytest.raises(InvalidArgumentError, match="at least one item"):
        run(service, [])
    with pytest.raises(InvalidArgumentError, match="/items/0: has no target"):
        run(service, [{"prediction": TARGET}, {"target": TARGET}])
    assert service.posts == []


@both
def test_a_refused_request_raises(run: Run) -> None:
    """What is wrong with the question is wrong for every item."""
    service = FakeService()
    service.script.append(httpx.Response(200, json=service.limits.model_dump()))
    service.script.append(refusal(422, "unknown_metric", pointer="/metrics/0"))
    with pytest.raises(errors.UnknownMetricError):
        run(service, items(0.5))


def test_the_summary_of_a_cut_batch_is_that_of_all_items() -> None:
    """Mean, std, counted and skipped are exact; pooled is None, for its sums stay with the service."""
    values = [0.1, 0.9, -1, 0.0, 0.35, 0.6, 0.2]
    whole = run_sync(FakeService(), items(*values)).summary["dice"]
    parts = run_sync(FakeService(limits(items=2)), items(*values))
    part = parts.summary["dice"]
    assert (part.counted, part.skipped) == (whole.counted, whole.skipped) == (5, 2)
    assert whole.mean is not None
    assert whole.std is not None
    assert part.mean == pytest.approx(whole.mean, rel=1e-12)
    assert part.std == pytest.approx(whole.std, rel=1e-12)
    assert (part.pooled, part.value) == (None, part.mean)


def test_a_pooled_value_is_not_replaced_by_a_mean() -> None:
    """A metric with pooling "batch" has no value when its batch was cut."""
    summary = run_sync(FakeService(limits(items=1)), items(0.25, 0.75)).summary["iou"]
    assert (summary.value, summary.pooled, summary.mean) == (None, None, 0.5)


def test_a_cut_batch_without_values_has_no_mean() -> None:
    """Nothing counted: no mean, no std, no division by zero."""
    summary = run_sync(FakeService(limits(items=1)), items(0.0, -1)).summary["dice"]
    assert (summary.mean, summary.std, summary.counted, summary.skipped) == (None, None, 0, 2)
    assert (summary.pooled, summary.pooled_undefined) == (None, "several_requests")


def test_times_add_up() -> None:
    """The timing of a cut batch is the sum of its requests'."""
    assert run_sync(FakeService(limits(items=1)), items(0.25, 0.5, 0.75)).timing_ms == {"total": 4.5}


def test_every_request_of_a_batch_has_its_own_key() -> None:
    """Two parts are never taken for one another."""
    service = FakeService(limits(items=1))
    run_sync(service, items(0.25, 0.5))
    assert len({request.headers["idempotency-key"] for request in service.posts}) == 2


def test_limits_are_asked_for_once_a_client() -> None:
    """Batches after the first are one request each."""
    service = FakeService()
    client = Client(transport=service.transport)
    for _ in range(3):
        client.score_batch(items(0.5), **OPTIONS)
    assert [request.url.path for request in service.requests].count("/v1/limits") == 1


def test_an_answer_about_other_items_is_not_believed() -> None:
    """Scores are never assigned to items that they were not computed from."""
    service = FakeService()
    right = run_sync(service, items(0.25, 0.5))
    assert right.requests == 1
    wrong = batch_answer(*read(service.posts[0]))
    wrong["items"].reverse()
    service.script = deque([httpx.Response(200, json=service.limits.model_dump()), httpx.Response(200, json=wrong)])
    with pytest.raises(UnreadableAnswer, match="the answer's are others"):
        run_sync(service, items(0.25, 0.5))


# --------------------------------------------------------------------------------------------------------------- stacks


def stack(*values: float) -> dict[str, Any]:
    """Stacked arrays whose scores are these."""
    names = [f"n{index}" for index in range(len(values))]
    predictions = np.stack([flat(value) for value in values])
    return {"prediction": predictions, "target": np.stack([TARGET] * len(values)), "ids": names}


VALUES = [(index + 1) / 32 for index in range(32)]


@both
def test_a_stack_is_one_request_where_it_fits(run: Run) -> None:
    """Stacked arrays travel stacked."""
    service = FakeService()
    result = run(service, stack(*VALUES))
    assert (result.column("dice"), result.requests) == (VALUES, 1)
    assert read(service.posts[0])[0].keys() >= {"prediction", "target", "ids"}


@both
def test_a_stack_is_cut_by_its_samples(run: Run) -> None:
    """Along the first axis; index and id are the caller's."""
    service = FakeService(limits(items=10))
    result = run(service, stack(*VALUES))
    assert (sizes(service), result.column("dice")) == ([10, 10, 10, 2], VALUES)
    assert [(item.index, item.id) for item in result] == [(index, f"n{index}") for index in range(32)]


def test_a_stack_is_cut_by_the_elements_of_an_array() -> None:
    """The stacked array is one array to the service."""
    service = FakeService(limits(array_elements=8 * 8 * 5))
    assert run_sync(service, stack(*VALUES)).column("dice") == VALUES
    assert max(sizes(service)) == 5


def test_a_stack_of_lists_is_cut_by_its_own_cap() -> None:
    """Lists may have fewer elements than other arrays."""
    service = FakeService(limits(list_elements=8 * 8 * 3))
    assert run_sync(service, stack(*VALUES), "list").column("dice") == VALUES
    assert max(sizes(service)) == 3


@pytest.mark.parametrize("encoding", sorted({*get_args(Encoding)} - {"png", "packbits", "coco_rle"}))
@pytest.mark.parametrize("body_bytes", [2_000, 3_000, 10_000])
def test_a_stack_is_cut_by_the_body_s_bytes(encoding: Encoding, body_bytes: int) -> None:
    """No body is larger than the limit, whatever the encoding makes of it."""
    service = FakeService(limits(body_bytes=body_bytes))
    assert run_sync(service, stack(*VALUES), encoding).column("dice") == VALUES
    assert max(len(request.content) for request in service.posts) <= body_bytes


def test_a_stack_s_weights_are_cut_alike() -> None:
    """Each part has the weights of its own samples."""
    service = FakeService(limits(items=20))
    weights = np.stack([flat(value) for value in VALUES])
    run_sync(service, stack(*VALUES) | {"weight": weights})
    sent = [read(request)[1]["weight"] for request in service.posts]
    assert np.array_equal(np.concatenate([tensor.array for tensor in sent if hasattr(tensor, "array")]), weights)


def test_a_failed_sample_of_a_later_part_keeps_its_index() -> None:
    """As for items."""
    result = run_sync(FakeService(limits(items=2)), stack(0.25, 0.5, 0.75, -1))
    assert [*result.problems] == [3]


BAD_STACKS: dict[str, tuple[dict[str, Any], str]] = {
    "different lengths": ({"prediction": np.ones((3, 2)), "target": np.ones((2, 2))}, "prediction 3, target 2"),
    "too few ids": ({"prediction": np.ones((2, 2)), "target": np.ones((2, 2)), "ids": ["a"]}, "ids 1"),
    "no sample": ({"prediction": np.ones((0, 2)), "target": np.ones((0, 2))}, "at least one"),
    "no axis": ({"prediction": np.float32(1), "target": np.float32(1)}, "at least one"),
    "no target": ({"prediction": np.ones((2, 2))}, "has no target"),
    "an item's key": ({"prediction": np.ones((2, 2)), "target": np.ones((2, 2)), "id": "a"}, "has the key 'id'"),
}


@pytest.mark.parametrize(("bad", "message"), BAD_STACKS.values(), ids=BAD_STACKS)
def test_a_stack_that_does_not_hold_together_is_refused(bad: dict[str, Any], message: str) -> None:
    """Before anything is sent."""
    service = FakeService()
    with pytest.raises(InvalidArgumentError, match=message):
        run_sync(service, bad)
    assert service.posts == []


def test_the_mean_is_summed_exactly() -> None:
    """Small values beside a large one lose nothing in a cut batch's mean."""
    service = FakeService(limits(items=1))
    values = [1e8, 0.5, 0.25]
    batch = [{"prediction": flat(value, "float64"), "target": TARGET} for value in values]
    assert run_sync(service, batch).summary["dice"].mean == math.fsum(values) / 3


def _request_part(request: httpx.Request) -> int:
    head, _, rest = request.content.partition(b"\r\n\r\n")
    assert b'name="request"' in head
    return len(rest.partition(b"\r\n--")[0])
