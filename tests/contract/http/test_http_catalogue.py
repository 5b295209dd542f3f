"""The catalogue, the OpenAPI document and the documentation page."""

import json
from typing import Any

import httpx
import pytest
from lossgauge.metrics import CATALOGUE
from lossgauge.wire import Catalogue
from lossgauge_service.app import create_app
from lossgauge_service.openapi import OF_SOME, PARENTS
from lossgauge_service.settings import Settings
from lossgauge_service.statuses import Kind, every_kind, status_of
from lossgauge_service.visits import IDEMPOTENCY_KEY, TIMEOUT

from tests.contract.http.declared import is_declared

pytestmark = pytest.mark.anyio
Document = dict[str, Any]
SCORING = {"/v1/score": "ScoreRequest", "/v1/score/batch": "BatchRequest"}


async def test_every_metric_is_described(client: httpx.AsyncClient) -> None:
    """The catalogue has every metric, with a summary, a formula and every parameter but the name."""
    catalogue = Catalogue.model_validate((await client.get("/v1/metrics")).json())
    assert [metric.name for metric in catalogue.metrics] == list(CATALOGUE)
    for metric in catalogue.metrics:
        assert metric.summary != ""
        assert metric.parameters.keys() == CATALOGUE[metric.name].model_fields.keys() - {"name"}


async def test_one_metric(client: httpx.AsyncClient) -> None:
    """One metric answers as in the whole catalogue, with bounds and defaults."""
    metric = (await client.get("/v1/metrics/focal_loss")).json()
    assert metric in (await client.get("/v1/metrics")).json()["metrics"]
    assert metric["parameters"]["gamma"]["default"] == 2.0
    assert metric["parameters"]["gamma"]["maximum"] == 20


def _references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*map(_references, node.values()))
    return set().union(*map(_references, node)) if isinstance(node, list) else set()


async def test_the_openapi_document_is_whole(client: httpx.AsyncClient) -> None:
    """Every reference of the OpenAPI document leads to a part of its own."""
    document = (await client.get("/openapi.json")).json()
    known = {f"#/components/{kind}/{name}" for kind, named in document["components"].items() for name in named}
    assert _references(document) <= known


@pytest.mark.parametrize(("path", "model"), SCORING.items())
async def test_bodies_are_documented(client: httpx.AsyncClient, path: str, model: str) -> None:
    """A scoring route documents its three media types and its problems."""
    operation = (await client.get("/openapi.json")).json()["paths"][path]["post"]
    content = operation["requestBody"]["content"]
    assert list(content) == ["application/json", "multipart/form-data", "application/x-safetensors"]
    assert content["application/json"]["schema"] == {"$ref": f"#/components/schemas/{model}"}
    problems = {
        status for status, answer in operation["responses"].items() if "application/problem+json" in answer["content"]
    }
    negotiated = {"406"} if path.endswith("batch") else set()
    assert problems == {"400", "401", "403", "408", "413", "415", "422", "429", "500", "503", "504"} | negotiated
    read = [parameter["$ref"].rpartition("/")[2] for parameter in operation["parameters"]]
    assert read == ["X-Request-Id", TIMEOUT, IDEMPOTENCY_KEY]


async def test_every_status_is_named(client: httpx.AsyncClient) -> None:
    """No operation has a response for whatever else there may be; each has a fault's, and what sends a caller away says how long."""
    document = (await client.get("/openapi.json")).json()
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert [operation for operation in operations if "default" in operation["responses"]] == []
    assert all("500" in operation["responses"] for operation in operations)
    answers = [answer for operation in operations for answer in operation["responses"].items()]
    assert {status for status, answer in answers if "Retry-After" in answer["headers"]} == {"429", "503"}
    assert all("Retry-After" in answer["headers"] for status, answer in answers if status in ("429", "503"))
    assert all("X-Request-Id" in answer["headers"] for _, answer in answers)


@pytest.fixture(scope="module")
def paths() -> Document:
    """Those of the OpenAPI document, which takes its time to make."""
    found: Document = create_app(Settings()).openapi()["paths"]
    return found


@pytest.mark.parametrize("kind", [kind for kind in every_kind() if kind not in PARENTS])
def test_every_error_is_told_where_it_is_answered(paths: Document, kind: Kind) -> None:
    """An error stands under its status, with its code, at every route that scores, unless it is said to be of some: then at these."""
    told = {
        path
        for path, methods in paths.items()
        for operation in methods.values()
        if f"`{kind.code}`:" in operation["responses"].get(str(int(status_of(kind))), {}).get("description", "")
    }
    if kind in OF_SOME:
        assert told != set()
    else:
        assert told == {"/v1/score", "/v1/score/batch", "/v1/score/stream", "/v1/sweep", "/v1/maps"}


def test_an_answer_that_is_not_declared_is_seen() -> None:
    """The hook of the clients of these tests knows a route's statuses from others."""
    assert is_declared("POST", "/v1/score", 429)
    assert is_declared("GET", "/v1/metrics/nothing", 404)
    assert not is_declared("HEAD", "/v1/metrics", 404)
    assert not is_declared("POST", "/v1/score", 418)


async def test_streams_are_documented(client: httpx.AsyncClient) -> None:
    """The two routes that answer lines document them; what a stream takes is documented with an example that can be sent."""
    paths = (await client.get("/openapi.json")).json()["paths"]
    batch, stream = (paths[f"/v1/score/{name}"]["post"] for name in ("batch", "stream"))
    lines = stream["responses"]["200"]["content"]
    assert list(lines) == ["application/x-ndjson"]
    assert batch["responses"]["200"]["content"]["application/x-ndjson"] == lines["application/x-ndjson"]
    taken = stream["requestBody"]["content"]
    assert list(taken) == ["application/x-ndjson", "multipart/form-data"]
    example = taken["application/x-ndjson"]["example"]
    answer = await client.post("/v1/score/stream", content=example, headers={"Content-Type": "application/x-ndjson"})
    assert [json.loads(line)["scores"]["dice"]["value"] for line in answer.text.splitlines()[:-1]] == [0.8, 0.8]
    assert {"406", "408"} <= stream["responses"].keys()


@pytest.mark.parametrize("path", SCORING)
async def test_examples_can_be_sent(client: httpx.AsyncClient, path: str) -> None:
    """Every example of the documentation is answered."""
    operation = (await client.get("/openapi.json")).json()["paths"][path]["post"]
    examples = operation["requestBody"]["content"]["application/json"]["examples"]
    answers = [await client.post(path, json=example["value"]) for example in examples.values()]
    assert [answer.status_code for answer in answers] == [200] * len(examples)


async def test_the_documentation_needs_no_network(client: httpx.AsyncClient) -> None:
    """The page /docs loads everything from the service itself."""
    page = (await client.get("/docs")).text
    assert "https://" not in page
    assert (await client.get("/static-offline-docs/swagger-ui-bundle.js")).status_code == 200


async def test_the_root_says_where_to_read_on(client: httpx.AsyncClient) -> None:
    """GET / names the service and its documentation."""
    assert (await client.get("/")).json()["docs"] == "/docs"
