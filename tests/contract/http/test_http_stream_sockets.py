"""Streams over real sockets: lines leave early, callers are slow, greedy, silent or gone, and memory stays where it is."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from lossgauge_service.batching import Batcher
from lossgauge_service.engine import Engine

from tests.contract.http.streaming import (
    ITEM,
    QUESTION,
    WITHIN_S,
    Caller,
    Document,
    Gated,
    Listening,
    listening,
    npy_item,
    resident_bytes,
    until,
)
from tests.contract.http.test_http_lifecycle import Faulty

BATCH = "/v1/score/batch"
JSON = "Content-Type: application/json"


@pytest.fixture(scope="module")
def service(engine: Engine) -> Iterator[Listening]:
    """A service with the default caps."""
    with listening(engine) as service:
        yield service


@pytest.fixture
def gated(engine: Engine) -> Iterator[Gated]:
    """An engine that waits to be let; let for good at the end."""
    gated = Gated.of(engine)
    yield gated
    gated.let.release(10_000)


def with_budget(service: Listening, engine: Engine, budget: float) -> Batcher:
    """Have the service share requests out by another budget."""
    batcher = Batcher(engine, budget=budget)
    service.app.state.service = replace(service.service, batcher=batcher)
    return batcher


def test_the_first_line_of_a_batch_leaves_before_the_last_item_is_computed(gated: Gated) -> None:
    """A batch as lines: with the engine held after the first launch, the first line is there already."""
    with listening(gated) as service:
        batcher = with_budget(service, gated, budget=1.0)
        with Caller(service, JSON, path=BATCH) as caller:
            caller.write(json.dumps({**QUESTION, "items": [ITEM, {}, ITEM, ITEM]}).encode())
            caller.end()
            gated.let.release()
            first, bad = caller.read(), caller.read()
            assert (first["index"], first["scores"]["dice"]["value"], bad["index"]) == (0, 0.8, 1)
            assert len(gated.launches) <= 2
            gated.let.release(2)
            *items, last = caller.rest()
        assert [item["index"] for item in items] == [2, 3]
        assert (last["end"], last["summary"]["dice"]["counted"], last["summary"]["dice"]["skipped"]) == (
            "summary",
            3,
            1,
        )
        batcher.close()


def test_a_line_of_a_stream_leaves_before_the_next_item_comes(service: Listening) -> None:
    """Question and answer can alternate on one connection: each line is there before the next item is sent."""
    with Caller(service) as caller:
        caller.lines(QUESTION)
        for index in range(5):
            caller.lines({**ITEM, "id": f"n{index}"})
            line = caller.read()
            assert (line["index"], line["id"], line["scores"]["dice"]["value"]) == (index, f"n{index}", 0.8)
        caller.end()
        [last] = caller.rest()
    assert (last["end"], last["summary"]["dice"]["counted"]) == ("summary", 5)
    until(lambda: service.is_idle)


@pytest.mark.parametrize(
    ("path", "ended"), [("/v1/score/batch", True), ("/v1/score/stream", False), ("/v1/score/stream", True)]
)
def test_a_caller_that_hangs_up_stops_the_rest(gated: Gated, path: str, ended: bool) -> None:
    """What has not begun when the caller leaves is never launched, whether all had come or not; nothing is held for it."""
    with listening(gated) as service:
        batcher = with_budget(service, gated, budget=1.0)
        caller = Caller(service, *([JSON] if path.endswith("batch") else []), path=path)
        if path.endswith("batch"):
            caller.lines({**QUESTION, "items": [ITEM] * 10}, end=ended)
        else:
            caller.lines(QUESTION, *[ITEM] * 10, end=ended)
        gated.let.release()
        assert caller.read()["index"] == 0 if path.endswith("batch") else caller.response.status == 200
        until(lambda: len(gated.launches) == 2)
        caller.close()
        until(lambda: service.is_idle)
        gated.let.release(100)
        # whose turn is after all that came before
        assert httpx.post(f"{service.url}/v1/score", json={**QUESTION, **ITEM}, timeout=WITHIN_S).status_code == 200
        assert gated.launches == [1] * 3
        batcher.close()


def test_no_more_is_read_than_may_be_in_flight(gated: Gated) -> None:
    """While nothing is computed the service takes some items and no more: the caller's writing comes to a halt."""
    with listening(gated) as service, Caller(service) as caller:
        caller.lines(QUESTION)
        line, sent = json.dumps(npy_item(256)).encode() + b"\n", list[int]()
        writing = threading.Thread(target=_write_while_it_is_read, args=(caller, line, sent))
        writing.start()
        until(lambda: service.service.admission.held.pairs > 64)
        until(lambda: len(sent) >= 64)
        assert _where_it_stops(sent) < 200
        held = service.service.admission.held
        assert held.pairs <= 64 + 16 + 1
        assert held.bytes < 2**27
        caller.close()
        gated.let.release(1000)
        writing.join()


def _write_while_it_is_read(caller: Caller, line: bytes, sent: list[int]) -> None:
    with contextlib.suppress(OSError):
        for number in range(1000):
            caller.write(line)
            sent.append(number)


def _where_it_stops(sent: list[int]) -> int:
    """How many there are once there are no more for a while."""
    before = -1
    while len(sent) > before:
        before = len(sent)
        time.sleep(0.5)
    return before


MANY = [{"name": "confusion", "key": f"{place:03}" * 30} for place in range(63)]
"""Metrics whose lines are long."""


def test_a_caller_that_sends_all_before_it_reads(service: Listening) -> None:
    """100 MB are taken from a caller who reads nothing before the end, also where its lines are more than sockets hold."""
    padded = json.dumps(ITEM).encode() + b" " * 50_000 + b"\n"
    with Caller(service, buffer=2**14) as caller:
        caller.lines({**QUESTION, "metrics": MANY})
        for _ in range(200):
            caller.write(padded * 10)
        caller.end()
        answer = caller.response.read()
    *items, last = map(json.loads, answer.splitlines())
    assert len(answer) > 15_000_000
    assert [item["index"] for item in items] == [*range(2000)]
    assert last["summary"][MANY[0]["key"]]["counted"] == 2000
    until(lambda: service.is_idle)


def test_a_caller_that_never_reads(engine: Engine) -> None:
    """Once the backlog is full nothing moves any more: the connection is closed, and nothing stays held."""
    with listening(engine, idle_s=1.0) as service, Caller(service, buffer=2**14) as caller:
        caller.lines({**QUESTION, "metrics": MANY})
        with pytest.raises(ConnectionError):
            _write_without_end(caller)
        until(lambda: service.is_idle)


def _write_without_end(caller: Caller) -> None:
    some = (json.dumps(ITEM).encode() + b" " * 2000 + b"\n") * 10
    for _ in range(10_000):
        caller.write(some)


def test_a_caller_that_sends_nothing(engine: Engine) -> None:
    """Before the question it is a 408; after it the last line, behind the items that came."""
    with listening(engine, idle_s=0.5) as service:
        with Caller(service) as caller:
            assert (caller.response.status, json.loads(caller.response.read())["code"]) == (408, "stalled")
        with Caller(service) as caller:
            caller.lines(QUESTION, ITEM)
            item, last = caller.rest()
            assert (item["index"], last["end"], last["problem"]["code"]) == (0, "problem", "stalled")
            assert last["problem"]["status"] == 408


def test_a_caller_that_waits_for_its_lines_is_not_silent(gated: Gated) -> None:
    """While the service owes a line the caller need not send anything."""
    with listening(gated, idle_s=0.3) as service, Caller(service) as caller:
        caller.lines(QUESTION, ITEM)
        time.sleep(1.2)
        caller.lines(ITEM, end=True)
        gated.let.release(2)
        assert caller.rest()[-1]["summary"]["dice"]["counted"] == 2


def test_an_item_that_drips(service: Listening) -> None:
    """An item has no longer to come than a result may take; a caller that sends a byte now and then is stopped."""
    with Caller(service, "X-Request-Timeout-Ms: 600") as caller:
        caller.lines(QUESTION, ITEM)
        threading.Thread(target=_drip, args=(caller,), daemon=True).start()
        item, last = caller.rest()
    assert (item["index"], last["problem"]["code"]) == (0, "stalled")


def _drip(caller: Caller) -> None:
    try:
        for _ in range(100):
            caller.write(b" {")
            time.sleep(0.05)
    except OSError:
        return


def test_late_items_are_problems_in_their_places(gated: Gated) -> None:
    """A deadline is an item's: what is not computed in time is a problem, and what comes later is scored."""
    with listening(gated) as service, Caller(service, "X-Request-Timeout-Ms: 400") as caller:
        caller.lines(QUESTION, ITEM, ITEM)
        late = [caller.read(), caller.read()]
        assert [(line["index"], line["problem"]["code"]) for line in late] == [
            (0, "deadline_exceeded"),
            (1, "deadline_exceeded"),
        ]
        gated.let.release(100)
        number = _sent_until_it_is_scored(caller)
        caller.end()
        found = caller.rest()[-1]["summary"]["dice"]
        assert (found["counted"], found["skipped"]) == (1, len(late) + number - 1)


def _sent_until_it_is_scored(caller: Caller) -> int:
    """How often an item was sent until it was not late: on a slow machine the first may be."""
    for number in range(1, 100):
        caller.lines(ITEM)
        if "scores" in (line := caller.read()):
            assert line["scores"]["dice"]["value"] == 0.8
            return number
    raise AssertionError("every item is late")


def test_late_items_of_a_batch_are_problems_in_their_places(gated: Gated) -> None:
    """A batch as lines has one deadline: what is late is a problem in its place, and the summary counts it as skipped."""
    with listening(gated) as service:
        with Caller(service, JSON, "X-Request-Timeout-Ms: 400", path=BATCH) as caller:
            caller.lines({**QUESTION, "items": [ITEM] * 2}, end=True)
            *items, last = caller.rest()
        assert [item["problem"]["code"] for item in items] == ["deadline_exceeded"] * 2
        assert last["summary"]["dice"]["skipped"] == 2
        gated.let.release(2)


@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson"])
def test_what_takes_long_to_pool_is_not_pooled_after_the_deadline(gated: Gated, accept: str) -> None:
    """The summary of a batch whose deadline has passed has all but the pooled distances, and says why."""
    with listening(gated) as service:
        with_budget(service, gated, budget=1.0)
        summary = _summary_of_one_in_time(service, gated, accept)
        gated.let.release(10)
    assert [summary[key]["counted"] for key in ("dice", "hausdorff")] == [1, 1]
    assert [summary[key]["pooled"] for key in ("dice", "hausdorff")] == [0.8, None]
    assert summary["hausdorff"]["pooled_undefined"] == "deadline_exceeded"


def _summary_of_one_in_time(service: Listening, gated: Gated, accept: str) -> Document:
    """Of a batch of two whose second is held until it is late; with more time, where on a slow machine the first is late too."""
    question = {**QUESTION, "metrics": ["dice", "hausdorff"], "items": [ITEM] * 2}
    for ms in (400, 4000, 20_000):
        gated.let.release()
        headers = {"Accept": accept, "X-Request-Timeout-Ms": str(ms)}
        answer = httpx.post(f"{service.url}{BATCH}", json=question, headers=headers, timeout=60)
        summary: Document = json.loads(answer.content.splitlines()[-1])["summary"]
        if summary["dice"]["counted"] == 1:
            return summary
        gated.let.release(2)
        until(lambda: service.service.batcher.pending_cost == 0)
        while gated.let.acquire(blocking=False):
            continue
    raise AssertionError("every item is late")


def test_a_stream_while_the_service_drains(gated: Gated) -> None:
    """Draining, the service reads no further: what it has read is scored and told, and the last line says so."""
    with listening(gated) as service, Caller(service) as caller:
        caller.lines(QUESTION, ITEM, ITEM)
        until(lambda: service.service.admission.held.pairs == 1 + 2)
        service.service.admission.drain()
        time.sleep(0.4)
        gated.let.release(10)
        *items, last = caller.rest()
        assert [item["scores"]["dice"]["value"] for item in items] == [0.8, 0.8]
        assert (last["end"], last["problem"]["code"], last["problem"]["status"]) == ("problem", "draining", 503)
        assert last["problem"]["retry_after"] > 0
        with Caller(service) as another:
            another.lines(QUESTION)
            assert another.response.status == 503


def test_a_chunk_that_is_none(service: Listening) -> None:
    """What is no chunk, once an answer has begun, ends the connection: no second answer stands inside of the first."""
    with Caller(service) as caller:
        caller.lines(QUESTION, ITEM)
        assert caller.read()["scores"]["dice"]["value"] == 0.8
        caller.socket.sendall(b"ZZZ\r\n")
        rest = b"".join(iter(lambda: caller.socket.recv(2**16), b""))
    assert b"HTTP/1.1" not in rest
    until(lambda: service.is_idle)


def test_two_streams_at_once(service: Listening) -> None:
    """Each of several streams has its own lines in its own order."""
    found: dict[int, list[Document]] = {}

    def call(number: int) -> None:
        with Caller(service) as caller:
            caller.lines(QUESTION, *[{**ITEM, "id": f"{number}.{index}"} for index in range(200)])
            caller.end()
            found[number] = caller.rest()

    threads = [threading.Thread(target=call, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, lines in found.items():
        assert [line["id"] for line in lines[:-1]] == [f"{number}.{index}" for index in range(200)]
        assert lines[-1]["summary"]["dice"]["mean"] == 0.8
    assert len(found) == 4
    until(lambda: service.is_idle)


def test_streams_that_wait_for_each_other_s_room(engine: Engine) -> None:
    """Where others hold all there may be, a stream waits and then goes on: no item is refused."""
    item = npy_item(64)
    with listening(engine, pending_bytes=120_000, pending_pairs=40) as service:
        callers = [Caller(service) for _ in range(3)]
        for caller in callers:
            caller.lines(QUESTION)
            assert caller.response.status == 200
        threads = [threading.Thread(target=_send, args=(caller, item, 30)) for caller in callers]
        for thread in threads:
            thread.start()
        for caller in callers:
            assert caller.rest()[-1]["summary"]["dice"]["counted"] == 30
            caller.close()
        for thread in threads:
            thread.join()
        until(lambda: service.is_idle)


def _send(caller: Caller, item: Document, count: int) -> None:
    for _ in range(count):
        caller.lines(item)
    caller.end()


@pytest.mark.parametrize("path", ["/v1/score/batch", "/v1/score/stream"])
def test_a_fault_after_the_headers(engine: Engine, path: str) -> None:
    """A fault of the service is the last line, with the request's id and nothing of its internals."""
    with listening(Faulty(engine.device, engine.kernels, engine.info)) as service:
        batch = path.endswith("batch")
        with Caller(service, "X-Request-Id: it-7", *([JSON] if batch else []), path=path) as caller:
            caller.lines(*([{**QUESTION, "items": [ITEM]}] if batch else [QUESTION, ITEM]))
            caller.end()
            [last] = caller.rest()
        problem = last["problem"]
        assert (last["end"], problem["code"], problem["request_id"]) == ("problem", "internal_error", "it-7")
        assert "secret" not in json.dumps(last)
        until(lambda: service.is_idle)


def test_a_line_of_a_gigabyte(engine: Engine) -> None:
    """A line without end is a problem in its place; none of it is kept, and the stream goes on after it."""
    with listening(engine, body_bytes=2**20) as service, Caller(service) as caller:
        caller.lines(QUESTION, ITEM)
        before = resident_bytes()
        piece = b"x" * 2**20
        for _ in range(2**10):
            caller.write(piece)
        grown = resident_bytes() - before
        caller.write(b"\n")
        caller.lines(ITEM)
        caller.end()
        first, bad, after, last = caller.rest()
        print(f"a line of 1 GiB: memory grew by {grown / 2**20:.1f} MiB")
        assert grown < 2**26
        assert (bad["problem"]["limit"], bad["problem"]["pointer"]) == ("body_bytes", "/items/1")
        assert first["scores"] == after["scores"]
        assert last["summary"]["dice"]["counted"] == 2
        until(lambda: service.is_idle)


def test_memory_over_many_small_items(service: Listening) -> None:
    """10,000 items take no more memory than 1,000 do."""
    _stream_of(service, 1000)
    before = resident_bytes()
    _stream_of(service, 10_000)
    grown = resident_bytes() - before
    print(f"10,000 small items: memory grew by {grown / 2**20:.1f} MiB, to {resident_bytes() / 2**20:.0f} MiB")
    assert grown < 2**25


def _stream_of(service: Listening, count: int) -> None:
    with Caller(service) as caller:
        caller.lines({**QUESTION, "metrics": ["dice", "roc_auc"]})
        writing = threading.Thread(target=_write_many, args=(caller, count))
        writing.start()
        lines = 0
        while "end" not in (line := caller.read()):
            lines += 1
        writing.join()
        assert lines == count == line["summary"]["dice"]["counted"]


def _write_many(caller: Caller, count: int) -> None:
    some = json.dumps(ITEM).encode() + b"\n"
    for _ in range(count // 100):
        caller.write(some * 100)
    caller.end()
