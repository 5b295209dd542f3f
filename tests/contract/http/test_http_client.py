"""The real client of a service with caps of its own: batches are cut so that every item has its score."""

from typing import Any

import httpx
import numpy as np
import pytest
from lossgauge import AsyncClient
from lossgauge.bodies import Encoding
from lossgauge.encodings import png

from tests.contract.http.conftest import Serving

pytestmark = pytest.mark.anyio


def sending(caller: httpx.AsyncClient, encoding: Encoding) -> AsyncClient:
    """The client, over another's connection."""

    async def forward(request: httpx.Request) -> httpx.Response:
        found = await caller.send(request)
        return httpx.Response(found.status_code, headers=found.headers, content=found.content)

    return AsyncClient(str(caller.base_url), transport=httpx.MockTransport(forward), encoding=encoding, retries=0)


@pytest.mark.parametrize("encoding", ["safetensors", "multipart", "coco_rle"])
async def test_masks_that_decode_to_more_than_the_service_holds(
    serving: Serving, encoding: Encoding, tmp_path: Any
) -> None:
    """Runs, polygons and images of a few bytes that say many pixels come in several requests, none of which is too much."""
    mask = np.zeros((100, 100), bool)
    mask[:50] = True
    (tmp_path / "mask.png").write_bytes(png.write(mask))
    runs = {"size": [100, 100], "counts": [0, *[50] * 200]}
    square = {"encoding": "coco_polygons", "size": [100, 100], "polygons": [[0, 0, 100, 0, 100, 50, 0, 50]]}
    items = [{"prediction": one, "target": one} for one in (runs, square, str(tmp_path / "mask.png"), mask)] * 4
    async with serving(inflated_bytes=5000, body_bytes=10**6) as caller, sending(caller, encoding) as client:
        found = await client.score_batch(items, metrics="dice", prediction_kind="labels")
    assert found.column("dice") == [1.0] * 16
    assert found.requests == 8


@pytest.mark.parametrize("encoding", ["safetensors", "multipart", "npy"])
async def test_documents_that_are_more_than_the_service_reads(serving: Serving, encoding: Encoding) -> None:
    """Items are sent in as many requests as their documents need; one that no request can hold fails alone."""
    line = {"encoding": "list", "data": [[1, 0] * 40] * 2}
    large = {"encoding": "list", "data": [[1, 0] * 400] * 2}
    items = [{"prediction": line, "target": line}] * 6
    items.insert(3, {"prediction": large, "target": large})
    async with serving(document_bytes=2000, json_values=1500) as caller, sending(caller, encoding) as client:
        found = await client.score_batch(items, metrics="dice", prediction_kind="labels")
    assert [*found.problems] == [3]
    assert found.column("dice") == [1.0] * 3 + [None] + [1.0] * 3
    assert found.requests > 1
