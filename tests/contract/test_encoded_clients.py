"""The real clients, given arrays that are encoded already: the score is that of the mask sent as an array."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import httpx
import numpy as np
import pytest
from lossgauge import AsyncClient, Client, ScoreResult, errors
from lossgauge.bodies import Encoding
from pycocotools import mask as pycocotools

from tests.contract.carriers import INLINE

Result = TypeVar("Result")
RNG = np.random.default_rng(5)
TRUTH = np.zeros((24, 33), bool)
TRUTH[4:17, 6:25] = True
GUESS = TRUTH ^ (RNG.random(TRUTH.shape) < 0.1)
LOGITS = np.where(GUESS, 1.5, -1.5).astype(np.float32)
BODIES: tuple[Encoding, ...] = ("safetensors", "multipart", "npy")
METRICS = ["dice", "iou", "confusion"]
GIVEN: dict[str, Callable[[Any], Any]] = {
    **{name: lambda mask, carry=carry: carry(mask, "").document for name, carry in INLINE.items()},  # type: ignore[misc]
    "pycocotools": lambda mask: pycocotools.encode(np.asfortranarray(mask.astype(np.uint8))),
}
"""What else may stand for a mask."""
PACKED = INLINE["packbits"](TRUTH, "").document


@pytest.fixture(scope="module", params=BODIES)
def sender(request: pytest.FixtureRequest, url: str) -> Iterator[Client]:
    """A client of each kind of body."""
    with Client(url, retries=0, encoding=request.param) as client:
        yield client


def awaited(url: str, encoding: Encoding, call: Callable[[AsyncClient], Awaitable[Result]]) -> Result:
    """What a call of the asynchronous client gives."""

    async def run() -> Result:
        async with AsyncClient(url, retries=0, encoding=encoding) as client:
            return await call(client)

    return asyncio.run(run())


def scores(answer: ScoreResult) -> dict[str, Any]:
    """The scores, member by member."""
    return {key: score.model_dump() for key, score in answer.scores.items()}


@pytest.mark.parametrize("held", GIVEN)
def test_an_encoded_mask_scores_as_the_array_that_it_is(sender: Client, held: str) -> None:
    """Prediction, target and both, in every kind of body."""
    expected = scores(sender.score(GUESS, TRUTH, metrics=METRICS, prediction_kind="labels"))
    guess, truth = GIVEN[held](GUESS), GIVEN[held](TRUTH)
    for pair in ((guess, TRUTH), (GUESS, truth), (guess, truth)):
        assert scores(sender.score(*pair, metrics=METRICS, prediction_kind="labels")) == expected


@pytest.mark.parametrize("encoding", BODIES)
@pytest.mark.parametrize("held", GIVEN)
def test_sync_and_async_send_encoded_masks_alike(client: Client, url: str, held: str, encoding: Encoding) -> None:
    """Awaited, the scores are the same; in a batch they are in their places, whatever stands beside them."""
    guess, truth = GIVEN[held](GUESS), GIVEN[held](TRUTH)
    asked: dict[str, Any] = {"metrics": METRICS, "prediction_kind": "labels"}
    expected = scores(client.score(GUESS, TRUTH, **asked))
    assert scores(awaited(url, encoding, lambda client: client.score(guess, truth, **asked))) == expected
    items = [
        {"prediction": guess, "target": TRUTH},
        {"prediction": {**PACKED, "shape": [9, 9]}, "target": TRUTH},
        {"prediction": GUESS, "target": truth, "id": "c"},
    ]
    with Client(url, retries=0, encoding=encoding) as sender:
        here = sender.score_batch(items, **asked)
    there = awaited(url, encoding, lambda client: client.score_batch(items, **asked))
    for answer in (here, there):
        assert [*answer.problems] == [1]
        assert isinstance(answer.problems[1], errors.InvalidArgumentError)
        assert [{key: score.model_dump() for key, score in answer[at].scores.items()} for at in (0, 2)] == [
            expected
        ] * 2


@pytest.mark.parametrize("held", GIVEN)
def test_sweeps_and_maps_take_encoded_targets(sender: Client, url: str, held: str) -> None:
    """A mask that logits are held against may be encoded too, and so may a weight of 0 and 1."""
    truth, weight = GIVEN[held](TRUTH), GIVEN[held](GUESS)
    swept = sender.sweep(LOGITS, TRUTH, prediction_kind="logits", weight=GUESS)
    assert sender.sweep(LOGITS, truth, prediction_kind="logits", weight=weight).thresholds == swept.thresholds
    mapped = sender.maps(LOGITS, TRUTH, maps=["errors"], prediction_kind="logits")["errors"]
    for encoding in BODIES:
        there = awaited(
            url,
            encoding,
            lambda client: client.maps(LOGITS, truth, maps=["errors"], prediction_kind="logits"),
        )
        assert np.array_equal(there["errors"], mapped)


def test_what_is_over_a_cap_of_the_service_is_its_error(client: Client) -> None:
    """It has the cap's name, and the place; in a batch its neighbours have their scores."""
    limit = client.limits().list_elements
    many = {"encoding": "coco_rle", "size": [*TRUTH.shape], "counts": [0] * (limit + 1)}
    with pytest.raises(errors.LimitExceededError) as raised:
        client.score(many, TRUTH, metrics="dice", prediction_kind="labels")
    assert (raised.value.pointer, raised.value.problem.limit) == ("/prediction/counts", "list_elements")
    items = [{"prediction": one, "target": TRUTH} for one in (GUESS, many, GUESS)]
    found = client.score_batch(items, metrics="dice", prediction_kind="labels")
    assert [*found.problems] == [1]


def test_a_body_of_documents_alone_is_of_its_kind(url: str) -> None:
    """Without an array beside it a body is still what `encoding` says."""
    seen = list[str]()

    def note(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["content-type"].partition(";")[0])
        return httpx.post(f"{url}{request.url.path}", content=request.content, headers=request.headers)

    for encoding in BODIES:
        with Client(transport=httpx.MockTransport(note), encoding=encoding, retries=0) as client:
            assert client.score(PACKED, PACKED, metrics="dice", prediction_kind="labels")["dice"] == 1
    assert seen == ["application/x-safetensors", "multipart/form-data", "application/json"]
