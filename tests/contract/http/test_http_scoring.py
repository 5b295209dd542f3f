"""Scoring over HTTP: the answer is right, whatever carries the request."""

import asyncio
import gzip
import io
import json
import sys
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from lossgauge.encodings import safetensors
from lossgauge.wire import BatchResponse, ScoreResponse

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

pytestmark = pytest.mark.anyio
Document = dict[str, Any]
COMPRESS: dict[str, Callable[[bytes], bytes]] = {"identity": bytes, "gzip": gzip.compress, "zstd": zstd.compress}
PREDICTION = np.array([[0.9, 0.2], [0.7, 0.4]])
TARGET = np.array([[1, 0], [1, 1]], np.uint8)


def npy(array: np.ndarray[Any, Any]) -> bytes:
    """The bytes of a .npy file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


async def test_a_pair_is_scored(client: httpx.AsyncClient, score_request: Document) -> None:
    """A score answers with its value, the id, every default, the times and the engine."""
    answer = await client.post("/v1/score", json={**score_request, "id": "image-7"})
    document = answer.json()
    assert answer.status_code == 200
    assert document["scores"] == {"dice": {"value": 0.8}}
    assert document["id"] == "image-7"
    assert document["semantics"]["dice"]["threshold"] == 0.5
    assert document["engine"]["device"] == "cpu"
    assert list(document["timing_ms"]) == ["receive", "decode", "queue", "compute", "encode", "total"]


async def test_answers_are_messages_of_the_contract(
    client: httpx.AsyncClient, score_request: Document, question: Document, pair: Document
) -> None:
    """Both answers validate as the models that the OpenAPI document promises."""
    one = await client.post("/v1/score", json=score_request)
    many = await client.post("/v1/score/batch", json={**question, "items": [pair, {}]})
    assert ScoreResponse.model_validate(one.json()).scores["dice"].value == 0.8
    assert BatchResponse.model_validate(many.json()).summary["dice"].skipped == 1


async def test_an_answer_echoes_the_question(client: httpx.AsyncClient, pair: Document) -> None:
    """All that was asked of the arrays is in the answer, defaults written out, with the precision of each sample."""
    asked = {"task": "multilabel", "prediction_kind": "probabilities", "channel_axis": -1, "threshold": 0.25}
    defaults = dict.fromkeys(("num_classes", "ignore_index", "spacing", "regions", "preset")) | {
        "target_kind": "labels"
    }
    narrow = {
        **pair,
        "prediction": {"encoding": "raw", "dtype": "float32", "shape": [2, 2], "data": "AAAA" * 5 + "AA=="},
    }
    one = await client.post("/v1/score", json={**asked, **pair, "metrics": ["dice"]})
    many = await client.post("/v1/score/batch", json={**asked, "metrics": ["dice"], "items": [pair, {}, narrow]})
    assert one.json()["asked"] == many.json()["asked"] == asked | defaults
    assert one.json()["precision"] == "float64"
    assert [item.get("precision") for item in many.json()["items"]] == ["float64", None, "float32"]


async def test_items_of_two_kinds_say_why_they_are_not_pooled(client: httpx.AsyncClient) -> None:
    """A null has its reason: two and three labels have a mean and no sum."""
    arrays = [{"encoding": "list", "data": [[1, 0]] * labels} for labels in (2, 3)]
    items = [{"prediction": array, "target": array} for array in arrays]
    asked = {"task": "multilabel", "prediction_kind": "labels", "metrics": ["dice"]}
    summaries = [
        (await client.post("/v1/score/batch", json={**asked, "items": some})).json()["summary"]["dice"]
        for some in (items, items[:1])
    ]
    assert [(one["mean"], one["pooled"], one["pooled_undefined"]) for one in summaries] == [
        (1.0, None, "mixed_kinds"),
        (1.0, 1.0, None),
    ]


async def test_server_timing_tells_every_step(client: httpx.AsyncClient, score_request: Document) -> None:
    """The header Server-Timing names the steps of the body's timing_ms."""
    answer = await client.post("/v1/score", json=score_request)
    steps = [entry.split(";")[0] for entry in answer.headers["server-timing"].split(", ")]
    assert steps == list(answer.json()["timing_ms"])


@pytest.mark.parametrize(
    ("path", "accept", "asked"),
    [
        ("/v1/score", "application/json", {"metrics": ["dice"]}),
        ("/v1/sweep", "application/json", {}),
        ("/v1/sweep", "text/csv", {"sweep": {"thresholds": [0.5]}}),
        ("/v1/maps", "application/json", {"maps": [{"kind": "errors"}]}),
        ("/v1/maps", "application/x-safetensors", {"maps": [{"kind": "errors"}]}),
        ("/v1/maps", "application/x-npy", {"maps": [{"kind": "errors"}]}),
        ("/v1/maps", "image/png", {"maps": [{"kind": "errors"}]}),
    ],
)
async def test_every_step_is_timed(
    client: httpx.AsyncClient, question: Document, pair: Document, path: str, accept: str, asked: Document
) -> None:
    """Whatever an answer is written as, its own encoding is one of the steps, and together they are no longer than all of it."""
    body = {**{name: value for name, value in question.items() if name != "metrics"}, **pair, **asked}
    answer = await client.post(path, json=body, headers={"Accept": accept})
    assert answer.headers["content-type"].startswith(accept)
    entries = [entry.split(";dur=") for entry in answer.headers["server-timing"].split(", ")]
    *steps, (last, total) = [(name, float(ms)) for name, ms in entries]
    assert [name for name, _ in steps] == ["receive", "decode", "queue", "compute", "encode"]
    assert all(ms > 0 for _, ms in steps)
    assert last == "total"
    assert sum(ms for _, ms in steps) <= total + 0.01


async def test_multipart(client: httpx.AsyncClient, question: Document) -> None:
    """Arrays as parts of a form give the same score."""
    parts = {"prediction": {"encoding": "part", "name": "p"}, "target": {"encoding": "part", "name": "t"}}
    document = json.dumps({**question, **parts}).encode()
    files: dict[str, tuple[str, bytes, str]] = {
        "request": ("request.json", document, "application/json"),
        "p": ("p.npy", npy(PREDICTION), "application/x-npy"),
        "t": ("t.npy", npy(TARGET), "application/x-npy"),
    }
    answer = await client.post("/v1/score", files=files)
    assert answer.json()["scores"] == {"dice": {"value": 0.8}}


@pytest.mark.parametrize("coding", ["identity", "gzip", "zstd"])
async def test_safetensors(client: httpx.AsyncClient, question: Document, coding: str) -> None:
    """Arrays as tensors give the same score, compressed or not."""
    tensors = {"prediction": {"encoding": "tensor", "name": "p"}, "target": {"encoding": "tensor", "name": "t"}}
    body = safetensors.write(json.dumps({**question, **tensors}), {"p": PREDICTION, "t": TARGET})
    compress = COMPRESS[coding]
    headers = {"Content-Type": "application/x-safetensors", "Content-Encoding": coding}
    answer = await client.post("/v1/score", content=compress(body), headers=headers)
    assert answer.json()["scores"] == {"dice": {"value": 0.8}}


async def test_a_bad_item_spares_its_neighbours(client: httpx.AsyncClient, question: Document, pair: Document) -> None:
    """Each item answers in its place: a score, or its own problem with a pointer into the request."""
    wrong_shape = {**pair, "id": "bad", "target": {"encoding": "list", "data": [[1, 0, 1]]}}
    items = [{**pair, "id": "a"}, wrong_shape, 5, {**pair, "wait": 1}, pair]
    answer = (await client.post("/v1/score/batch", json={**question, "items": items})).json()
    assert [item.get("scores") for item in answer["items"]] == [
        {"dice": {"value": 0.8}},
        None,
        None,
        None,
        {"dice": {"value": 0.8}},
    ]
    problems = [item["problem"] for item in answer["items"] if "problem" in item]
    assert [problem["pointer"] for problem in problems] == ["/items/1/target", "/items/2", "/items/3/wait"]
    assert [problem["code"] for problem in problems] == ["shape_mismatch", "invalid_parameter", "invalid_parameter"]
    assert [item["id"] for item in answer["items"]] == ["a", "bad", None, None, None]
    assert [item["index"] for item in answer["items"]] == [0, 1, 2, 3, 4]
    assert answer["summary"]["dice"]["counted"] == 2
    assert answer["summary"]["dice"]["skipped"] == 3


async def test_an_item_that_only_the_engine_refuses(
    client: httpx.AsyncClient, question: Document, pair: Document
) -> None:
    """Values out of range, found in the pass itself, are a problem of their item too."""
    beyond = {**pair, "prediction": {"encoding": "list", "data": [[0.9, 0.2], [0.7, 1.5]]}}
    answer = (await client.post("/v1/score/batch", json={**question, "items": [beyond, pair]})).json()
    assert answer["items"][0]["problem"]["pointer"] == "/items/0/prediction"
    assert answer["items"][0]["problem"]["code"] == "invalid_values"
    assert answer["items"][1]["scores"] == {"dice": {"value": 0.8}}


async def test_a_batch_of_nothing_but_problems(client: httpx.AsyncClient, question: Document) -> None:
    """A batch whose every item failed is still answered: 200, a problem for each, no summary value."""
    answer = await client.post("/v1/score/batch", json={**question, "items": [{}, {"id": "b"}]})
    document = answer.json()
    assert answer.status_code == 200
    assert [item["problem"]["status"] for item in document["items"]] == [422, 422]
    assert document["summary"]["dice"] == {
        "value": None,
        "mean": None,
        "std": None,
        "pooled": None,
        "pooled_undefined": "no_scores",
        "counted": 0,
        "skipped": 2,
    }


async def test_a_stack(client: httpx.AsyncClient, question: Document, pair: Document) -> None:
    """Stacked arrays are scored sample by sample, with the ids that came."""
    answer = (await client.post("/v1/score/batch", json={**question, **pair, "ids": ["a", "b"]})).json()
    assert [item["id"] for item in answer["items"]] == ["a", "b"]
    assert [item["scores"]["dice"]["value"] for item in answer["items"]] == [1.0, 2 / 3]


async def test_a_bad_sample_of_a_stack(client: httpx.AsyncClient, question: Document, pair: Document) -> None:
    """A bad sample's problem points to the stacked array and says which sample it is."""
    target = {"encoding": "list", "data": [[1, 0], [1, 7]]}
    answer = (await client.post("/v1/score/batch", json={**question, **pair, "target": target})).json()
    problem = answer["items"][1]["problem"]
    assert problem["pointer"] == "/target"
    assert problem["detail"].startswith("sample 1: ")
    assert answer["items"][0]["scores"] == {"dice": {"value": 1.0}}


async def test_callers_at_once(client: httpx.AsyncClient, score_request: Document) -> None:
    """Callers at the same time each get their own answer."""
    calls = [client.post("/v1/score", json={**score_request, "id": str(number)}) for number in range(8)]
    answers = await asyncio.gather(*calls)
    assert [answer.json()["id"] for answer in answers] == [str(number) for number in range(8)]
    assert {answer.json()["scores"]["dice"]["value"] for answer in answers} == {0.8}


@pytest.mark.parametrize("sent", ["caller-7", "A.b_c-9", "x" * 128])
async def test_a_request_id_is_sent_back(client: httpx.AsyncClient, sent: str) -> None:
    """An acceptable request id is echoed."""
    answer = await client.get("/v1/limits", headers={"X-Request-Id": sent})
    assert answer.headers["x-request-id"] == sent


@pytest.mark.parametrize("sent", ["", "x" * 129, "a b", "a\tb", "é", "<script>"])
async def test_a_request_id_is_minted(client: httpx.AsyncClient, sent: str) -> None:
    """Without an acceptable request id one is minted, and a problem names it."""
    answer = await client.get("/nothing", headers=[(b"X-Request-Id", sent.encode())])
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["x-request-id"] != sent
    assert len(answer.headers["x-request-id"]) == 32
