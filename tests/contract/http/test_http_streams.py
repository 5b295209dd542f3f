"""Answers of lines and uploads of lines: the same numbers as a batch, and whatever is wrong in its place."""

import gzip
import json
import random
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any

import httpx
import pytest

from tests.contract.http.conftest import Serving
from tests.contract.http.streaming import ITEM, NDJSON, QUESTION, Document

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

pytestmark = pytest.mark.anyio

METRICS: list[Any] = ["dice", {"name": "focal_loss", "pooling": "batch"}, "hausdorff", "roc_auc", "confusion"]
ASKED = {**QUESTION, "metrics": METRICS}
OTHER: Document = {
    "id": "other",
    "prediction": {"encoding": "list", "data": [[0.1, 0.6, 0.7], [0.2, 0.9, 0.4]]},
    "target": {"encoding": "raw", "dtype": "uint8", "shape": [2, 3], "data": "AAEBAAAA"},
}
EMPTY: Document = {**ITEM, "target": {"encoding": "list", "data": [[0, 0], [0, 0]]}}
BAD: Document = {**ITEM, "id": "bad", "target": {"encoding": "list", "data": [[1, 0, 1]]}}
ITEMS = [ITEM, OTHER, BAD, {**EMPTY, "spacing": [2.0, 1.0]}, OTHER, {"id": "nothing"}]
CODINGS: dict[str, Callable[[bytes], bytes]] = {"identity": bytes, "gzip": gzip.compress, "zstd": zstd.compress}
GROW = ("hausdorff", "roc_auc")


def ndjson(*documents: Any, end: bytes = b"\n") -> bytes:
    """Documents or bytes, a line each."""
    return end.join(one if isinstance(one, bytes) else json.dumps(one).encode() for one in documents) + end


def form(*parts: tuple[str, Any], media_type: str = "application/json") -> bytes:
    """A multipart body of JSON parts."""
    head = '--edge\r\nContent-Disposition: form-data; name="{}"\r\nContent-Type: {}\r\n\r\n{}\r\n'
    return "".join(head.format(name, media_type, json.dumps(one)) for name, one in parts).encode() + b"--edge--\r\n"


FORM = "multipart/form-data; boundary=edge"


def as_parts(items: Iterable[Document]) -> Iterable[tuple[str, Any]]:
    """Items whose lists are parts, each before its item."""
    for item in items:
        arrays = {role: item[role] for role in ("prediction", "target") if role in item}
        for role, array in arrays.items():
            if array["encoding"] == "list":
                yield role, array["data"]
        named = {
            role: {"encoding": "part", "name": role} if array["encoding"] == "list" else array
            for role, array in arrays.items()
        }
        yield "item", {**item, **named}


async def lines_of(
    client: httpx.AsyncClient, body: bytes | AsyncIterator[bytes], content_type: str = NDJSON, **headers: str
) -> list[Document]:
    """The lines that a stream is answered with."""
    given = {"Content-Type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
    answer = await client.post("/v1/score/stream", content=body, headers=given)
    assert (answer.status_code, answer.headers["content-type"]) == (200, NDJSON), answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


async def batch_of(client: httpx.AsyncClient, items: Sequence[Document], **asked: Any) -> Document:
    """What the batch is answered with."""
    answer = await client.post("/v1/score/batch", json={**ASKED, **asked, "items": items})
    assert answer.status_code == 200, answer.text
    document: Document = answer.json()
    return document


async def in_pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    """A body that comes bit by bit."""
    for start in range(0, len(body), size):
        yield body[start : start + size]


def without_times(document: Document) -> Document:
    """All of an answer but what differs each time."""
    return {name: value for name, value in document.items() if name not in ("timing_ms", "end", "items")}


# ------------------------------------------------------------------------------------------------------ a batch as lines


@pytest.mark.parametrize("stacked", [False, True])
async def test_a_batch_as_lines_says_the_same(client: httpx.AsyncClient, stacked: bool) -> None:
    """The lines are the elements of `items`, the last one is the rest of the answer, to the last bit."""
    stack = {
        "prediction": {"encoding": "list", "data": [[0.9, 0.2], [0.7, 0.4]]},
        "target": {"encoding": "list", "data": [[1, 0], [1, 2]]},
        "ids": ["first", "second"],
    }
    asked = {**QUESTION, "metrics": ["dice", "focal_loss"], **stack} if stacked else {**ASKED, "items": ITEMS}
    whole = (await client.post("/v1/score/batch", json=asked)).json()
    answer = await client.post("/v1/score/batch", json=asked, headers={"Accept": NDJSON})
    *items, last = (json.loads(line) for line in answer.text.splitlines())
    assert (answer.status_code, answer.headers["content-type"]) == (200, NDJSON)
    assert "decode;dur=" in answer.headers["server-timing"]
    assert items == whole["items"]
    assert (last["end"], without_times(last)) == ("summary", without_times(whole))
    assert last["timing_ms"].keys() == whole["timing_ms"].keys()


@pytest.mark.parametrize(
    ("path", "accept", "found"),
    [
        ("batch", "*/*", "application/json"),
        ("batch", "application/json, application/x-ndjson;q=0.5", "application/json"),
        ("batch", "application/json;q=0.5, application/x-ndjson", NDJSON),
        ("batch", "application/x-ndjson;q=0", None),
        ("batch", "text/csv", None),
        ("stream", "*/*", NDJSON),
        ("stream", "application/*", NDJSON),
        ("stream", NDJSON, NDJSON),
        ("stream", "application/json", None),
    ],
)
async def test_lines_are_negotiated(client: httpx.AsyncClient, path: str, accept: str, found: str | None) -> None:
    """A batch is lines where they are liked better than a document; a stream is always lines; 406 for what is neither."""
    batch = path == "batch"
    body = json.dumps({**QUESTION, "items": [ITEM]}).encode() if batch else ndjson(QUESTION, ITEM)
    headers = {"Accept": accept, "Content-Type": "application/json" if batch else NDJSON}
    answer = await client.post(f"/v1/score/{path}", content=body, headers=headers)
    if found is None:
        assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")
    else:
        assert (answer.status_code, answer.headers["content-type"]) == (200, found)


async def test_a_bad_batch_as_lines_is_a_problem_with_its_status(client: httpx.AsyncClient) -> None:
    """What is wrong before the first line is an answer of its own."""
    headers = {"Accept": NDJSON}
    answer = await client.post("/v1/score/batch", json={**QUESTION, "items": []}, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


# ------------------------------------------------------------------------------------------------------------- a stream


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("size", [1, 7, 1000, 10**6])
@pytest.mark.parametrize("content_type", [NDJSON, FORM])
async def test_a_stream_says_what_a_batch_says(
    client: httpx.AsyncClient, content_type: str, coding: str, size: int
) -> None:
    """However it is sent and however it is cut, the items are those of the batch; so is the summary, but for what grows."""
    body = ndjson(ASKED, *ITEMS) if content_type == NDJSON else form(("request", ASKED), *as_parts(ITEMS))
    *items, last = await lines_of(client, in_pieces(CODINGS[coding](body), size), content_type, Content_Encoding=coding)
    whole = await batch_of(client, ITEMS)
    assert _without_errors(items) == _without_errors(whole["items"])
    assert last["end"] == "summary"
    for key, expected in whole["summary"].items():
        streamed = {"pooled": None, "pooled_undefined": "streamed"} if key in GROW else {}
        assert last["summary"][key] == _nearly({**expected, **streamed})
    names = ("asked", "semantics", "engine")
    assert [last[name] for name in names] == [whole[name] for name in names]


def _nearly(summary: Document) -> Document:
    return {
        name: pytest.approx(value, rel=1e-12) if isinstance(value, float) else value for name, value in summary.items()
    }


def _without_errors(items: Sequence[Document]) -> list[Document]:
    return [{**item, "problem": item["problem"]["code"]} if "problem" in item else item for item in items]


async def test_the_mean_is_the_value_of_what_is_not_pooled(client: httpx.AsyncClient) -> None:
    """Where a metric's value would be the pooled one, and a stream cannot pool it, it is null with its reason."""
    asked = {**QUESTION, "metrics": [{"name": "roc_auc", "pooling": "batch"}, "dice"]}
    *_, last = await lines_of(client, ndjson(asked, ITEM, OTHER))
    found = last["summary"]["roc_auc"]
    assert (found["value"], found["pooled"], found["pooled_undefined"]) == (None, None, "streamed")
    assert (found["counted"], found["mean"] is None) == (2, False)
    assert last["summary"]["dice"]["pooled"] is not None


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n \n"])
async def test_lines_may_end_as_they_like(client: httpx.AsyncClient, end: bytes) -> None:
    """CRLF and empty lines are no items, nor need the last line end."""
    body = ndjson(ASKED, ITEM, OTHER, end=end).rstrip()
    lines = await lines_of(client, body)
    assert [line.get("index") for line in lines] == [0, 1, None]


GARBAGE: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"{nope", "malformed_body"),
    "no object": (b"[1, 2]", "malformed_body"),
    "not UTF-8": (b'{"id": "\xff"}', "malformed_body"),
    "bytes": (bytes(range(128, 256)), "malformed_body"),
    "a key twice": (b'{"id": "a", "id": "b"}', "malformed_body"),
    "too deep": (b'{"id": ' + b"[" * 40 + b"]" * 40 + b"}", "limit_exceeded"),
    "an unknown field": (json.dumps({**ITEM, "mask": 1}).encode(), "invalid_parameter"),
    "a part that is not there": (
        json.dumps({**ITEM, "target": {"encoding": "part", "name": "t"}}).encode(),
        "undecodable_array",
    ),
}


@pytest.mark.parametrize(("line", "code"), GARBAGE.values(), ids=GARBAGE)
async def test_garbage_is_a_problem_in_its_place(client: httpx.AsyncClient, line: bytes, code: str) -> None:
    """A line that is no item is a problem there, its pointer in the item; the stream goes on."""
    first, bad, after, last = await lines_of(client, ndjson(QUESTION, ITEM, line, ITEM))
    assert (first["scores"], bad["problem"]["code"]) == (after["scores"], code)
    assert (bad["index"], bad["problem"]["pointer"].startswith("/items/1")) == (1, True)
    assert (last["summary"]["dice"]["counted"], last["summary"]["dice"]["skipped"]) == (2, 1)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "malformed_body"),
        (b"\n\n", 400, "malformed_body"),
        (b"nope\n", 400, "malformed_body"),
        (ndjson(ITEM, ITEM), 422, "invalid_parameter"),
        (ndjson({**QUESTION, "items": [ITEM]}), 422, "invalid_parameter"),
        (ndjson({**QUESTION, "metrics": ["dise"]}), 422, "unknown_metric"),
        (ndjson({**QUESTION, "metrics": ["panoptic_quality", "box_iou"]}), 422, "metric_does_not_fit"),
        (b'{"task": "binary", "task": "binary"}\n', 400, "malformed_body"),
    ],
)
async def test_a_bad_question_is_an_answer_of_its_own(
    client: httpx.AsyncClient, body: bytes, status: int, code: str
) -> None:
    """Before the first line an error has its status, as for any request."""
    answer = await client.post("/v1/score/stream", content=body, headers={"Content-Type": NDJSON})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_question_has_the_cap_of_a_document(small: httpx.AsyncClient) -> None:
    """It stands beside its arrays, as in any other body."""
    asked = {**QUESTION, "metrics": [{"name": "dice", "key": "k" * 3000}]}
    answer = await small.post("/v1/score/stream", content=ndjson(asked, ITEM), headers={"Content-Type": NDJSON})
    assert (answer.status_code, answer.json()["limit"]) == (413, "document_bytes")


@pytest.mark.parametrize("content_type", ["", "application/json", "application/x-safetensors", "multipart/form-data"])
async def test_other_bodies_are_not_streams(client: httpx.AsyncClient, content_type: str) -> None:
    """What cannot be read while it comes is refused by its type."""
    answer = await client.post("/v1/score/stream", content=b"{}", headers={"Content-Type": content_type})
    assert answer.status_code == (400 if content_type.startswith("multipart") else 415)


@pytest.mark.parametrize("body", [ndjson(QUESTION), form(("request", QUESTION))])
async def test_a_stream_without_items(client: httpx.AsyncClient, body: bytes) -> None:
    """A data set of nothing is a mistake, as for a batch: the last line says so."""
    [last] = await lines_of(client, body, FORM if body.startswith(b"--") else NDJSON)
    assert (last["end"], last["problem"]["code"]) == ("problem", "malformed_body")
    assert last["problem"]["instance"] == "/v1/score/stream"
    assert last["problem"]["request_id"]


# ----------------------------------------------------------------------------------------------------------------- caps


async def test_caps_are_an_item_s(small: httpx.AsyncClient) -> None:
    """A stream of more bytes, items and parts than a body may have is scored; each item has the caps of a body."""
    some = [{**ITEM, "id": f"{index}" + "x" * 100} for index in range(200)]
    body = ndjson(QUESTION, *some)
    assert len(body) > 40_000
    lines = await lines_of(small, body)
    assert [line["scores"]["dice"]["value"] for line in lines[:-1]] == [0.8] * 200
    lines = await lines_of(small, form(("request", QUESTION), *as_parts(some)), FORM)
    assert [line["scores"]["dice"]["value"] for line in lines[:-1]] == [0.8] * 200


@pytest.mark.parametrize(
    ("coding", "cap"), [("identity", "body_bytes"), ("gzip", "inflated_bytes"), ("zstd", "inflated_bytes")]
)
@pytest.mark.parametrize("content_type", [NDJSON, FORM])
async def test_an_item_over_the_cap(small: httpx.AsyncClient, content_type: str, coding: str, cap: str) -> None:
    """An item of too many bytes is a problem in its place, and nothing is kept of it; its neighbours are scored."""
    large = {**ITEM, "id": "x" * 40_000}
    items = [ITEM, large, ITEM]
    body = ndjson(QUESTION, *items) if content_type == NDJSON else form(("request", QUESTION), *as_parts(items))
    lines = await lines_of(small, CODINGS[coding](body), content_type, Content_Encoding=coding)
    first, bad, after, last = lines
    assert first["scores"] == after["scores"]
    assert (bad["problem"]["code"], bad["problem"]["limit"], bad["index"]) == ("body_too_large", cap, 1)
    assert last["summary"]["dice"]["skipped"] == 1


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_a_bomb_in_a_line(small: httpx.AsyncClient, coding: str) -> None:
    """A line that inflates without end is a problem in its place."""
    blank = random.Random(0).choices(b" \t", k=300_000)
    body = ndjson(QUESTION, ITEM, bytes(blank) + b"x", ITEM)
    lines = await lines_of(small, CODINGS[coding](body), Content_Encoding=coding)
    assert [line.get("problem", {}).get("limit") for line in lines] == [None, "inflated_bytes", None, None]


async def test_a_bomb_of_nothing(small: httpx.AsyncClient) -> None:
    """What inflates to thousands of times its size ends the stream, even where it is only empty lines."""
    body = ndjson(QUESTION, ITEM, b"\n" * 40_000_000)
    item, last = await lines_of(small, zstd.compress(body), Content_Encoding="zstd")
    assert (item["index"], last["end"]) == (0, "problem")
    assert (last["problem"]["code"], last["problem"]["limit"]) == ("body_too_large", "inflated_bytes")


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_compression_that_breaks(client: httpx.AsyncClient, coding: str) -> None:
    """A coding that is cut off, goes on after its end or turns to garbage ends the stream, behind the items before it."""
    whole = CODINGS[coding](ndjson(QUESTION, ITEM))
    for body in (whole[:-3], whole + whole, whole + b"x"):
        answer = await client.post(
            "/v1/score/stream", content=body, headers={"Content-Type": NDJSON, "Content-Encoding": coding}
        )
        last = json.loads(answer.text.splitlines()[-1])
        problem = last["problem"] if answer.status_code == 200 else last
        assert (problem["code"], problem["status"]) == ("malformed_body", 400)


# ---------------------------------------------------------------------------------------------------------------- parts


PAIR = [("p", [[0.9, 0.2]]), ("t", [[1, 0]])]
NAMED = {"prediction": {"encoding": "part", "name": "p"}, "target": {"encoding": "part", "name": "t"}}
GOOD: list[tuple[str, Any]] = [*PAIR, ("item", NAMED)]


async def test_parts_are_the_next_item_s(client: httpx.AsyncClient) -> None:
    """A part serves the item that follows it, and no other: names come again in each."""
    parts = [("request", QUESTION), *GOOD, ("item", NAMED), *GOOD]
    first, bad, after, _ = await lines_of(client, form(*parts), FORM)
    assert first["scores"] == after["scores"]
    assert (bad["problem"]["code"], bad["problem"]["pointer"]) == ("undecodable_array", "/items/1/prediction/name")


@pytest.mark.parametrize(
    ("parts", "limit"),
    [([*PAIR, ("p", [[1]]), ("item", NAMED)], None), ([*PAIR, ("a", 1), ("b", 2), ("item", NAMED)], "parts")],
)
async def test_parts_that_are_too_many(
    small: httpx.AsyncClient, parts: list[tuple[str, Any]], limit: str | None
) -> None:
    """Two parts of one name, or more than a body may have, are the item's problem."""
    first, bad, after, _ = await lines_of(small, form(("request", QUESTION), *GOOD, *parts, *GOOD), FORM)
    assert first["scores"] == after["scores"]
    assert (bad["index"], bad["problem"].get("limit")) == (1, limit)


WHOLE = form(("request", QUESTION), *GOOD)
OPEN = WHOLE[: -len(b"--edge--\r\n")]
BROKEN: dict[str, tuple[bytes, str]] = {
    "parts of no item": (form(("request", QUESTION), *GOOD, *PAIR), "no part 'item'"),
    "cut off": (OPEN + b"--edge\r\n", "cut off"),
    "a second question": (form(("request", QUESTION), *GOOD, ("request", QUESTION), *GOOD), "the first part"),
    "no headers": (OPEN + b"--edge\r\nnonsense\r\n\r\n" + WHOLE, "broken"),
    "no name": (OPEN + b"--edge\r\nA: b\r\n\r\n" + WHOLE, "must have a name"),
}


@pytest.mark.parametrize(("body", "why"), BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("size", [10, 10**6])
async def test_a_broken_form_ends_the_stream(client: httpx.AsyncClient, body: bytes, why: str, size: int) -> None:
    """Where nothing after it can be read, the items before it are told, and the last line says what is wrong."""
    *items, last = await lines_of(client, in_pieces(body, size), FORM)
    assert [item["index"] for item in items] == [0]
    assert (last["end"], last["problem"]["code"]) == ("problem", "malformed_body")
    assert why in last["problem"]["detail"]


async def test_the_question_is_the_first_part(client: httpx.AsyncClient) -> None:
    """What comes before it could not be read."""
    answer = await client.post(
        "/v1/score/stream", content=form(*GOOD, ("request", QUESTION)), headers={"Content-Type": FORM}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")


async def test_nothing_is_held_afterwards(serving: Serving) -> None:
    """Whatever a stream was, all that it held is let go."""
    bodies = [ndjson(ASKED, *ITEMS), ndjson(QUESTION), ndjson(QUESTION, b"{nope"), b"", ndjson(QUESTION, ITEM)[:-5]]
    async with serving() as client:
        for body in bodies:
            await client.post("/v1/score/stream", content=body, headers={"Content-Type": NDJSON})
        transport = client._transport
        assert isinstance(transport, httpx.ASGITransport)
        admission = transport.app.state.service.admission  # type: ignore[attr-defined]
        assert (admission.requests, admission.held.bytes, admission.held.pairs) == (0, 0, 0)
