"""Bodies that are broken, hostile, or both: a named refusal, within the caps."""

import gzip
import json
import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from lossgauge_service.bodies.inflate import inflated
from lossgauge_service.errors import BodyTooLarge, Malformed

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

pytestmark = pytest.mark.anyio
Document = dict[str, Any]
COMPRESS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd.compress}
BOUNDARY = "edge"
PART = b'--edge\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
END = b"--edge--\r\n"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nope",
        b'{"task": NaN}',
        b'{"task": Infinity}',
        b"[]",
        b"5",
        b"null",
        b'"x"',
        b'{"a": "\xff"}',
        b"{} {}",
    ],
)
async def test_not_a_json_object(client: httpx.AsyncClient, body: bytes) -> None:
    """A body that is no JSON object is malformed."""
    answer = await client.post("/v1/score", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")


@pytest.mark.parametrize("depth", [33, 900, 2_000, 100_000])
async def test_json_depth(client: httpx.AsyncClient, depth: int) -> None:
    """A document too deep is refused for its depth, however deep."""
    body = b'{"metrics":' + b"[" * depth + b"]" * depth + b"}"
    answer = await client.post("/v1/score", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["limit"]) == (422, "json_depth")


@pytest.mark.parametrize(
    ("key", "once", "twice"),
    [
        ("task", '{"task": ', '{"task": "multilabel", "task": '),
        ("task", '{"task": ', '{"\\u0074ask": "multilabel", "task" : '),
        ("name", '["dice"]', '[{"name": "dice", "name": "iou"}]'),
        ("id", '{"task": ', '{"id": "a:b", "id": "\\u003a", "task": '),
        ("data", '"data": ', '"data": {"a": {}}, "data": '),
    ],
)
async def test_a_key_that_stands_twice(
    client: httpx.AsyncClient, score_request: Document, key: str, once: str, twice: str
) -> None:
    """A key that an object has twice is malformed, however it is written: one of its values would be ignored."""
    body = json.dumps(score_request).replace(once, twice, 1)
    headers = {"Content-Type": "application/json"}
    answer = await client.post("/v1/score", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")
    assert f"the key {key!r} stands twice" in answer.json()["detail"]


@pytest.mark.parametrize(
    "before", ["A" * 10_000, "A" * 9_999 + "\\\\", "A" * 9_999 + '\\"' + "A" * 10_000, ":" * 10_000]
)
async def test_a_key_that_stands_twice_behind_a_long_string(
    client: httpx.AsyncClient, score_request: Document, before: str
) -> None:
    """Long strings, however they end, hide no key."""
    body = f'{{"id": "{before}", "task": "multilabel", ' + json.dumps(score_request)[1:]
    answer = await client.post("/v1/score", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")
    assert "the key 'task' stands twice" in answer.json()["detail"]


@pytest.mark.parametrize("name", ["a:b", '"a": 1, "a": 2', "\\", ":" * 200])
async def test_colons_in_a_string_are_no_keys(client: httpx.AsyncClient, score_request: Document, name: str) -> None:
    """What looks like keys inside a string is a string."""
    answer = await client.post("/v1/score", json={**score_request, "id": name})
    assert (answer.status_code, answer.json()["id"]) == (200, name)


@pytest.mark.parametrize("coding", COMPRESS)
async def test_an_inflated_body(small: httpx.AsyncClient, score_request: Document, coding: str) -> None:
    """The cap on inflated bytes: just under it the request is answered, over it refused."""
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    for size, status in ((30_000, 200), (30_001, 413)):
        body = COMPRESS[coding](json.dumps(score_request).encode().ljust(size))
        answer = await small.post("/v1/score", content=body, headers=headers)
        assert answer.status_code == status
        assert answer.json().get("limit") == (None if status == 200 else "inflated_bytes")


@pytest.mark.parametrize("coding", COMPRESS)
def test_a_bomb_stops_at_the_cap(coding: str) -> None:
    """What would inflate to 256 MiB is refused at the cap."""
    bomb = bytearray(COMPRESS[coding](bytes(2**28)))
    with pytest.raises(BodyTooLarge):
        inflated(bomb, coding, 2**20, hold=lambda more: None)


@pytest.mark.parametrize("coding", COMPRESS)
@pytest.mark.parametrize("size", [0, 1, 1000, 2**20, 2**20 + 1, 3 * 2**20])
def test_what_was_deflated_is_inflated(coding: str, size: int) -> None:
    """Inflating undoes compressing, at every size around a piece."""
    original = (b"lossgauge" * (size // 9 + 1))[:size]
    assert inflated(bytearray(COMPRESS[coding](original)), coding, size, lambda more: None) == original


@pytest.mark.parametrize("coding", COMPRESS)
@pytest.mark.parametrize("wrong", ["empty", "cut", "garbage after", "twice", "twice far apart", "not compressed"])
def test_a_broken_compressed_body(coding: str, wrong: str) -> None:
    """One whole frame and nothing after it is taken; anything else is malformed."""
    whole = COMPRESS[coding](b"lossgauge" * 1000)
    body = {
        "empty": b"",
        "cut": whole[:-5],
        "garbage after": whole + b"x",
        "twice": whole + whole,
        "twice far apart": whole + bytes(2**17),
        "not compressed": b"{}" * 100,
    }[wrong]
    with pytest.raises(Malformed):
        inflated(bytearray(body), coding, 2**20, hold=lambda more: None)


def test_two_codings_are_not_undone() -> None:
    """A body compressed twice is undone once: what is left is still compressed."""
    twice = gzip.compress(gzip.compress(b"{}"))
    assert inflated(bytearray(twice), "gzip", 2**20, hold=lambda more: None).startswith(b"\x1f\x8b")


def test_a_window_beyond_the_standard() -> None:
    """A zstd frame that asks for a window above 8 MB is refused before memory is taken."""
    options = {int(zstd.CompressionParameter.window_log): 27}
    compressor = zstd.ZstdCompressor(options=options)
    frame = compressor.compress(bytes(2**20), zstd.ZstdCompressor.FLUSH_BLOCK) + compressor.flush()
    with pytest.raises(Malformed):
        inflated(bytearray(frame), "zstd", 2**30, hold=lambda more: None)


REQUEST = PART % (b"request", b"{}")
MULTIPART: list[tuple[str, bytes, str]] = [
    ("multipart/form-data", REQUEST + END, "boundary"),
    ("multipart/form-data; boundary=", REQUEST + END, "boundary"),
    ("multipart/form-data; boundary=" + "x" * 300, REQUEST + END, "oundary"),
    ("multipart/form-data; boundary=edge", b"", "cut off"),
    ("multipart/form-data; boundary=edge", b"nothing of the kind", "broken"),
    ("multipart/form-data; boundary=other", REQUEST + END, "broken"),
    ("multipart/form-data; boundary=edge", REQUEST, "cut off"),
    ("multipart/form-data; boundary=edge", REQUEST + b"--edge", "cut off"),
    ("multipart/form-data; boundary=edge", END, "no part 'request'"),
    ("multipart/form-data; boundary=edge", PART % (b"prediction", b"x") + END, "found 'prediction'"),
    ("multipart/form-data; boundary=edge", REQUEST + REQUEST + END, "two parts are named 'request'"),
    ("multipart/form-data; boundary=edge", b"--edge\r\n\r\n{}\r\n" + END, "must have a name"),
    ("multipart/form-data; boundary=edge", PART % (b"", b"{}") + END, "must have a name"),
    ("multipart/form-data; boundary=edge", PART % (b"\xff", b"{}") + END, "UTF-8"),
    ("multipart/form-data; boundary=edge", PART % (b"request", b"{") + END, "is not JSON"),
    ("multipart/form-data; boundary=edge", b"--edge\r\nA: " + b"x" * 5000 + b"\r\n\r\n\r\n" + END, "header size"),
    ("multipart/form-data; boundary=edge", b"--edge\r\n" + b"A: b\r\n" * 9 + b"\r\n\r\n" + END, "header count"),
    (
        "multipart/form-data; boundary=edge",
        REQUEST.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n") + END,
        "Content-Transfer-Encoding",
    ),
]


@pytest.mark.parametrize(("content_type", "body", "words"), MULTIPART)
async def test_a_broken_form(client: httpx.AsyncClient, content_type: str, body: bytes, words: str) -> None:
    """A multipart body that is not one, or has not what is needed, is malformed."""
    answer = await client.post("/v1/score", content=body, headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")
    assert words in answer.json()["detail"]


async def test_content_that_looks_like_a_boundary(
    client: httpx.AsyncClient, question: Document, pair: Document
) -> None:
    """A part's bytes arrive whole, near-boundaries among them."""
    content = b"\r\n--edg\r\n--edgeX--\r\n-"
    shape = f"; dtype=uint8; shape={len(content)}".encode()
    part = PART.replace(b"\r\n\r\n", b"\r\nContent-Type: application/octet-stream" + shape + b"\r\n\r\n")
    arrays = {"prediction": {"encoding": "part", "name": "p"}, "target": {"encoding": "part", "name": "p"}}
    asked = {"task": "multiclass", "prediction_kind": "labels", "num_classes": 256, "metrics": ["accuracy"]}
    document = json.dumps({**asked, **arrays}).encode()
    body = PART % (b"request", document) + part % (b"p", content) + END
    answer = await client.post(
        "/v1/score", content=body, headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    )
    assert answer.json()["scores"]["accuracy"]["value"] == 1.0


@pytest.mark.parametrize(
    "body",
    [b"", b"\x02\0\0\0\0\0\0\0{}", b"\xff" * 16, b'\x10\0\0\0\0\0\0\0{"__metadata__":5}', b"\x05\0\0\0\0\0\0\0{}"],
)
async def test_a_broken_safetensors_body(client: httpx.AsyncClient, body: bytes) -> None:
    """A safetensors body that is not one, or has no request, is refused."""
    answer = await client.post("/v1/score", content=body, headers={"Content-Type": "application/x-safetensors"})
    assert answer.status_code in (400, 422)
    assert answer.json()["code"] in ("malformed_body", "limit_exceeded")


@pytest.mark.parametrize("length", ["1", "100", "-1", "x", "1_0", ""])
async def test_a_wrong_content_length(client: httpx.AsyncClient, length: str) -> None:
    """A Content-Length that is not the body's is malformed."""
    headers = {"Content-Type": "application/json", "Content-Length": length}
    answer = await client.post("/v1/score", content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")


@pytest.mark.parametrize("length", ["268435457", "9" * 5000])
async def test_an_announced_body_is_refused_unread(client: httpx.AsyncClient, length: str) -> None:
    """A body that is announced too large is refused before it is read."""
    headers = {"Content-Type": "application/json", "Content-Length": length}

    async def unread() -> Any:
        raise AssertionError("the body was read")
        yield b""

    answer = await client.post("/v1/score", content=unread(), headers=headers)
    assert (answer.status_code, answer.json()["limit"]) == (413, "body_bytes")


async def test_a_caller_that_goes_away(client: httpx.AsyncClient) -> None:
    """A caller that disconnects in the middle of its body ends quietly, with a status for the log."""
    transport = client._transport
    assert isinstance(transport, httpx.ASGITransport)
    sent: list[Any] = []
    heard = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(heard)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/score",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    await transport.app(scope, receive, send)
    assert sent[0]["status"] == 499
