"""Just under a cap and just over it, for everything that carries an array, in every body, compressed or not."""

from collections.abc import AsyncIterator, Mapping

import httpx
import numpy as np
import pytest
from lossgauge_service.settings import Settings

from tests.contract.carriers import BODIES, CARRIERS, CODINGS, WAYS, AnyArray, Body
from tests.contract.http.conftest import SMALL_CAPS, Serving

Clients = Mapping[str, httpx.AsyncClient]

pytestmark = pytest.mark.anyio
ASKED = {"task": "binary", "prediction_kind": "labels", "metrics": ["dice"]}
UNDER, OVER = (8, 8), (5, 13)
CAPS = SMALL_CAPS | {"document_bytes": 10_000, "json_values": 2_000, "list_elements": 1_000}
"""Room for what an annotation of these is in numbers."""
LISTS = CAPS | {"list_elements": 64}
OTHERS = {"list": "list_elements", "png": "image_pixels"}


@pytest.fixture(scope="module")
async def clients(serving: Serving, anyio_backend: str) -> AsyncIterator[Clients]:
    """Of two services, which differ in what a list may have."""
    async with serving(**LISTS) as lists, serving(**CAPS) as others:
        yield {"lists": lists, "others": others}


def body(kind: str, carrier: str, array: AnyArray) -> Body:
    """A request whose arrays travel so."""
    carried = {role: CARRIERS[carrier](array, role) for role in ("prediction", "target")}
    return BODIES[kind](ASKED | {role: one.document for role, one in carried.items()}, carried)


async def posted(client: httpx.AsyncClient, sent: Body, coding: str) -> httpx.Response:
    """The answer to a body in its coding."""
    headers = {"Content-Type": sent.media_type, "Content-Encoding": coding}
    return await client.post("/v1/score", content=CODINGS[coding](sent.content), headers=headers)


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize(("kind", "carrier"), WAYS, ids=lambda word: word.replace(" ", "_"))
async def test_an_array(clients: Clients, kind: str, carrier: str, coding: str) -> None:
    """As many elements as are allowed are scored; one more is a 422 that names the cap."""
    encoding = carrier.removeprefix("part ")
    client = clients["lists" if encoding == "list" else "others"]
    taken = await posted(client, body(kind, carrier, np.ones(UNDER, bool)), coding)
    refused = await posted(client, body(kind, carrier, np.ones(OVER, bool)), coding)
    assert (taken.status_code, taken.json().get("scores")) == (200, {"dice": {"value": 1.0}}), taken.text
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (422, "limit_exceeded"), refused.text
    assert problem["limit"] == OTHERS.get(encoding, "array_elements")


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("kind", BODIES)
async def test_a_body(serving: Serving, kind: str, coding: str) -> None:
    """A body of as many bytes as are allowed, as sent and as inflated, is scored; one of a byte more is a 413 with the cap's name."""
    sent = body(kind, {"json": "raw", "multipart": "part npy", "safetensors": "tensor"}[kind], np.ones(UNDER, bool))
    short, long = len(CODINGS[coding](sent.content)), len(sent.content)
    cap = "body_bytes" if coding == "identity" else "inflated_bytes"
    exact = {"body_bytes": short} | ({} if coding == "identity" else {"inflated_bytes": long})
    async with serving(**exact) as client:
        taken = await posted(client, sent, coding)
    async with serving(**exact | {cap: exact[cap] - 1}) as client:
        refused = await posted(client, sent, coding)
    async with serving(**exact | {"body_bytes": short - 1}) as client:
        longer = await posted(client, sent, coding)
    assert taken.status_code == 200, taken.text
    assert [(answer.status_code, answer.json()["limit"]) for answer in (refused, longer)] == [
        (413, cap),
        (413, "body_bytes"),
    ]


def test_the_caps_are_small() -> None:
    """Every cap that the table is about is one of the settings, and less than by default."""
    defaults = Settings()
    assert all(value < getattr(defaults, name) for name, value in CAPS.items())
