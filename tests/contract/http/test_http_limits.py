"""Every cap: just under it a request is answered, just over it the problem names the cap."""

import base64
import io
import json
from typing import Any

import httpx
import numpy as np
import pytest
from lossgauge.encodings import safetensors
from lossgauge_service.settings import Settings
from PIL import Image

from tests.contract.http.conftest import SMALL_CAPS, Serving

pytestmark = pytest.mark.anyio
Document = dict[str, Any]
MASK = {"task": "binary", "prediction_kind": "labels", "metrics": ["dice"]}
JSON = {"Content-Type": "application/json"}


def lists(shape: tuple[int, ...]) -> Document:
    """A mask in nested lists."""
    return {"encoding": "list", "data": np.ones(shape, int).tolist()}


def raw(shape: tuple[int, ...]) -> Document:
    """A mask in base64."""
    data = base64.b64encode(bytes(np.ones(shape, np.uint8))).decode()
    return {"encoding": "raw", "dtype": "uint8", "shape": list(shape), "data": data}


def png(shape: tuple[int, int]) -> Document:
    """A mask as an image."""
    file = io.BytesIO()
    Image.fromarray(np.ones(shape, np.uint8)).save(file, "png")
    return {"encoding": "png", "data": base64.b64encode(file.getvalue()).decode()}


def npy(padding: int) -> Document:
    """A mask in an npy file whose header is padded to so many bytes."""
    head = b"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2), }"
    header = head + b" " * (padding - len(head) - 1) + b"\n"
    file = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\x01\x01\x01\x01"
    return {"encoding": "npy", "data": base64.b64encode(file).decode()}


def pair(array: Document) -> Document:
    """A request whose prediction and target are the same."""
    return {**MASK, "prediction": array, "target": array}


def classes(count: int) -> Document:
    """A multi-class request of logits."""
    prediction, target = np.zeros((count, 2)).tolist(), [0, 0]
    arrays = {"prediction": {"encoding": "list", "data": prediction}, "target": {"encoding": "list", "data": target}}
    return {"task": "multiclass", "prediction_kind": "logits", "metrics": ["cross_entropy"], **arrays}


def metrics(count: int) -> Document:
    """A request of so many metrics."""
    return {**pair(raw((2, 2))), "metrics": [{"name": "dice", "key": str(n)} for n in range(count)]}


def nested(depth: int) -> Document:
    """A request whose document is so deep."""
    data: Any = 1
    for _ in range(depth - 2):
        data = [data]
    return {**pair(raw((2, 2))), "prediction": {"encoding": "list", "data": data}, "target": raw((1,) * (depth - 2))}


def members(count: int) -> Document:
    """A request with a list of so many members."""
    focal = {"name": "cross_entropy", "class_weights": [1.0] * count}
    return {**MASK, "prediction_kind": "logits", "prediction": lists((2,)), "target": lists((2,)), "metrics": [focal]}


SCORED = [
    ("array_elements", pair(raw((8, 8))), pair(raw((5, 13)))),
    ("list_elements", pair(lists((4, 8))), pair(lists((3, 11)))),
    ("image_pixels", pair(png((8, 8))), pair(png((5, 13)))),
    ("dimensions", pair(raw((2, 2, 2))), pair(raw((2, 2, 2, 1)))),
    ("header_bytes", pair(npy(200)), pair(npy(201))),
    ("classes", classes(4), classes(5)),
    ("classes", {**classes(4), "num_classes": 4}, {**classes(4), "num_classes": 5}),
    ("metrics", metrics(3), metrics(4)),
]


@pytest.mark.parametrize(("limit", "under", "over"), SCORED)
async def test_a_cap_of_a_document(small: httpx.AsyncClient, limit: str, under: Document, over: Document) -> None:
    """Caps of arrays and documents."""
    assert (await small.post("/v1/score", json=under)).status_code == 200
    await assert_over(small, over, limit)


async def assert_over(small: httpx.AsyncClient, over: Document, limit: str) -> None:
    """A request is refused for a cap."""
    answer = await small.post("/v1/score", json=over)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["limit"]) == (422, "limit_exceeded", limit)


async def test_the_cap_on_depth(serving: Serving) -> None:
    """A document as deep as is allowed is scored, one a level deeper is not read."""
    async with serving(**SMALL_CAPS | {"json_depth": 5}) as client:
        assert (await client.post("/v1/score", json=nested(5))).status_code == 200
        await assert_over(client, nested(6), "json_depth")


async def test_the_cap_on_values(serving: Serving) -> None:
    """A document of as many values as are allowed is scored, where one fewer is allowed it is not read."""
    document = pair(lists((4, 8)))
    values = json.dumps(document).count(",")
    async with serving(**SMALL_CAPS | {"json_values": values}) as client:
        assert (await client.post("/v1/score", json=document)).status_code == 200
    async with serving(**SMALL_CAPS | {"json_values": values - 1}) as client:
        await assert_over(client, document, "json_values")


async def test_the_cap_on_members(small: httpx.AsyncClient) -> None:
    """A long list under the cap is read, and judged by its metric; one over it is not read."""
    answer = await small.post("/v1/score", json=members(40))
    assert answer.json()["code"] == "metric_does_not_fit"
    await assert_over(small, members(41), "json_members")


async def test_map_elements(small: httpx.AsyncClient) -> None:
    """The cap is on the elements of a prediction times its maps: two maps of 64 are under it, three are told with both numbers."""
    asked = {name: value for name, value in pair(raw((8, 8))).items() if name != "metrics"}
    maps = [{"kind": "errors", "name": str(n)} for n in range(3)]
    assert (await small.post("/v1/maps", json={**asked, "maps": maps[:2]})).status_code == 200
    answer = await small.post("/v1/maps", json={**asked, "maps": maps})
    problem = answer.json()
    assert (answer.status_code, problem["limit"], problem["pointer"]) == (422, "map_elements", "/maps")
    assert "3 maps of 64 elements are 192; at most 128 are allowed" in problem["detail"]


async def test_items(small: httpx.AsyncClient) -> None:
    """The cap on items, as items and as a stack."""
    item = {"prediction": raw((2, 2)), "target": raw((2, 2))}
    unders: list[Document] = [{"items": [item] * 3}, {"prediction": raw((3, 2)), "target": raw((3, 2))}]
    for under in unders:
        assert (await small.post("/v1/score/batch", json={**MASK, **under})).status_code == 200
    over: Document = {
        "/items": {"items": [item] * 4},
        "/prediction": {"prediction": raw((4, 2)), "target": raw((4, 2))},
    }
    for pointer, batch in over.items():
        problem = (await small.post("/v1/score/batch", json={**MASK, **batch})).json()
        assert (problem["code"], problem["limit"], problem["pointer"]) == ("limit_exceeded", "items", pointer)


async def test_a_cap_inside_an_item(small: httpx.AsyncClient) -> None:
    """An item over a cap is a problem in its place."""
    items = [{"prediction": raw(shape), "target": raw(shape)} for shape in ((5, 13), (2, 2))]
    answer = (await small.post("/v1/score/batch", json={**MASK, "items": items})).json()
    assert answer["items"][0]["problem"]["limit"] == "array_elements"
    assert answer["items"][0]["problem"]["pointer"].startswith("/items/0/")
    assert answer["items"][1]["scores"] == {"dice": {"value": 1.0}}


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("size", "status"), [(20_000, 200), (20_001, 413)])
async def test_body_bytes(small: httpx.AsyncClient, size: int, status: int, chunked: bool) -> None:
    """The cap on a body, announced or not."""
    content = json.dumps(pair(raw((2, 2)))).encode().ljust(size)

    async def chunks() -> Any:
        for start in range(0, size, 1000):
            yield content[start : start + 1000]

    answer = await small.post("/v1/score", content=chunks() if chunked else content, headers=JSON)
    assert answer.status_code == status
    assert answer.json().get("limit") == (None if status == 200 else "body_bytes")


@pytest.mark.parametrize(("count", "limit"), [(3, None), (4, "parts")])
async def test_parts(small: httpx.AsyncClient, count: int, limit: str | None) -> None:
    """The cap on parts of a multipart body, and on tensors of a safetensors body."""
    request = json.dumps(pair({"encoding": "tensor", "name": "0"}))
    body = safetensors.write(request, {str(n): np.ones((2, 2), np.uint8) for n in range(count)})
    one = await small.post("/v1/score", content=body, headers={"Content-Type": "application/x-safetensors"})
    files = {"request": (None, json.dumps(pair(raw((2, 2)))))} | {str(n): (None, "x") for n in range(count - 1)}
    other = await small.post("/v1/score", files=files)
    assert [one.json().get("limit"), other.json().get("limit")] == [limit, limit]


@pytest.mark.parametrize(("size", "limit"), [(2_000, None), (2_001, "document_bytes")])
async def test_document_bytes(small: httpx.AsyncClient, size: int, limit: str | None) -> None:
    """The cap on a document that stands beside its arrays: a part, or the header of a safetensors body."""
    header = json.dumps({"__metadata__": {"request": json.dumps(pair(raw((2, 2))))}}).ljust(size).encode()
    body = len(header).to_bytes(8, "little") + header
    one = await small.post("/v1/score", content=body, headers={"Content-Type": "application/x-safetensors"})
    other = await small.post("/v1/score", files={"request": (None, json.dumps(pair(raw((2, 2)))).ljust(size))})
    assert [one.json().get("limit"), other.json().get("limit")] == [limit, limit]


async def test_every_cap_is_told(client: httpx.AsyncClient) -> None:
    """`GET /v1/limits` tells every cap of the settings."""
    told = (await client.get("/v1/limits")).json()
    assert told == {name: getattr(Settings(), name) for name in told}
    others = {"items", "parts", "json_members", "json_depth", "json_values", "document_bytes", "map_elements"}
    assert {limit for limit, _, _ in SCORED} | others <= told.keys()
