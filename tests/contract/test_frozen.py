"""The contract is the frozen one. Where it changes on purpose: `scripts/golden`, and the diff is part of the change."""

import json
from typing import Any

import httpx
import pytest
from lossgauge.bodies import KINDS
from lossgauge.metrics import CATALOGUE

from tests.contract.frozen import CALLS, GOLDEN, OPENAPI, differences, exchanged, sent_again


def frozen(name: str) -> dict[str, Any]:
    """A frozen exchange."""
    exchange: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text())
    return exchange


@pytest.mark.parametrize("name", CALLS)
def test_a_frozen_request_has_its_frozen_answer(caller: httpx.Client, name: str) -> None:
    """What was sent once is answered as it was then, whatever computes."""
    exchange = frozen(name)
    assert [*differences(exchange["answer"], sent_again(caller, exchange["request"]))] == []


@pytest.mark.parametrize("name", CALLS)
def test_the_client_sends_the_frozen_request(url: str, name: str) -> None:
    """The client's bodies are those that it sent when they were frozen."""
    assert exchanged(url, name)["request"] == frozen(name)["request"]


def test_the_openapi_document_is_the_frozen_one(caller: httpx.Client) -> None:
    """The service describes itself as docs/openapi.json does."""
    assert caller.get("/openapi.json").json() == json.loads(OPENAPI.read_text())


def test_what_is_frozen_is_whole() -> None:
    """A file for each call and no other; every encoding of the client, every metric and every route is among them."""
    files = {file.stem: frozen(file.stem) for file in GOLDEN.glob("*.json")}
    routes = {(exchange["request"]["method"].lower(), exchange["request"]["path"]) for exchange in files.values()}
    whole = ("score-safetensors-every-metric", "score-safetensors-objects", "score-safetensors-boxes")
    scores = {key for name in whole for key in files[name]["answer"]["document"]["scores"]}
    assert files.keys() == CALLS.keys()
    assert {encoding for encoding, _ in CALLS.values()} == KINDS.keys()
    assert scores == CATALOGUE.keys()
    assert routes == {("post", "/v1/score"), ("post", "/v1/score/batch"), ("get", "/v1/metrics"), ("get", "/v1/limits")}


def test_a_difference_is_told() -> None:
    """The comparison sees a number, a word, a type, and what is missing; it does not see the last digits of a float."""
    one = {"a": 1.0, "b": [1, "x"], "c": {"d": None}}
    assert [*differences(one, {**one, "a": 1.0 + 1e-8})] == []
    assert [*differences(one, {**one, "a": 1.0 + 1e-5})] == ["/a: 1.0 was frozen, found 1.00001"]
    assert [*differences(one, {**one, "b": [1.0, "y"]})] == [
        "/b/0: 1 was frozen, found 1.0",
        "/b/1: 'x' was frozen, found 'y'",
    ]
    assert [*differences(one, {**one, "b": [1]})] == ["/b: [1, 'x'] was frozen, found [1]"]
    assert [*differences(one, {**one, "c": {}})] == ["/c/d: in one of the two only"]
    assert [*differences(one, {**one, "c": {"d": False}})] == ["/c/d: None was frozen, found False"]
