"""What a request says, whichever way its arrays travel."""

import json
from collections import deque
from pathlib import Path
from typing import Any, get_args

import httpx
import numpy as np
import pytest
from lossgauge import AsyncClient, Client, InvalidArgumentError
from lossgauge import __version__ as version
from lossgauge import metrics as m
from lossgauge.bodies import KINDS, Encoding, body_kind
from lossgauge.encodings import png
from lossgauge.wire import BatchRequest, ScoreRequest

from tests.unit.client.fake_service import FakeService, array_in, read

MASK = np.random.default_rng(7).integers(0, 2, (9, 7)).astype(np.uint8)
ENCODINGS = get_args(Encoding)
MEDIA_TYPES = {"safetensors": "application/x-safetensors", "multipart": "multipart/form-data"}
encodings = pytest.mark.parametrize("encoding", ENCODINGS)


def posted(encoding: Encoding, **more: Any) -> tuple[Any, Any, FakeService]:
    """The document and attachments of a call, and the service that got it."""
    service = FakeService()
    arguments: dict[str, Any] = {
        "prediction": MASK,
        "target": MASK,
        "metrics": "dice",
        "prediction_kind": "labels",
    } | more
    Client(transport=service.transport, encoding=encoding).score(**arguments)
    return *read(service.requests[0]), service


def test_the_type_names_every_encoding() -> None:
    """What a type checker allows is what there is."""
    assert set(ENCODINGS) == set(KINDS)


@encodings
def test_every_encoding_carries_the_same_arrays(encoding: Encoding) -> None:
    """The service decodes the values that the caller held, for prediction, target and weight."""
    document, attachments, _ = posted(encoding, weight=1 - MASK)
    for role, sent in {"prediction": MASK, "target": MASK, "weight": 1 - MASK}.items():
        assert np.array_equal(array_in(document[role], attachments), sent)


@encodings
def test_every_encoding_has_its_media_type(encoding: Encoding) -> None:
    """safetensors and multipart are bodies of their own, the rest stands in JSON."""
    *_, service = posted(encoding)
    found = service.requests[0].headers["content-type"].partition(";")[0]
    assert found == MEDIA_TYPES.get(encoding, "application/json")


@encodings
def test_the_document_is_the_contract_s(encoding: Encoding) -> None:
    """What is sent validates as a ScoreRequest, and holds each option that was given."""
    options = {"ignore_index": 255, "threshold": 0.25, "precision": "float64", "id": 'é \u2028 "quoted"'}
    document, *_ = posted(encoding, **options)
    request = ScoreRequest.model_validate(document)
    assert {name: getattr(request, name) for name in options} == options
    assert request.prediction.encoding == {"safetensors": "tensor", "multipart": "part"}.get(encoding, encoding)


@pytest.mark.parametrize("value", [np.zeros((0, 4), np.float32), np.float32(0.5), np.zeros((1, 1, 1), np.int64)])
@pytest.mark.parametrize("encoding", ["safetensors", "multipart", "npy", "raw"])
def test_odd_shapes_travel(encoding: Encoding, value: Any) -> None:
    """Empty arrays and scalars keep shape and dtype: the service judges them."""
    kind = body_kind(encoding)
    packed = kind.pack("prediction", np.asarray(value), "/prediction")
    document = {"metrics": ["dice"], "prediction": packed.document}
    body = kind.body(document, [packed.attachment] if packed.attachment else [])

    request = httpx.Request("POST", "http://x", content=body.content, headers={"Content-Type": body.media_type})
    found, attachments = read(request)
    array = array_in(found["prediction"], attachments)
    assert (array.shape, array.dtype) == (np.shape(value), np.asarray(value).dtype)


@encodings
def test_a_cost_is_never_less_than_the_body(encoding: Encoding) -> None:
    """What batches are cut by is an upper bound, close enough to be of use."""
    kind = body_kind(encoding)
    packed = [kind.pack(f"{index}.prediction", MASK, "") for index in range(50)]
    documents = [{"prediction": each.document, "id": '"quoted" é'} for each in packed]
    attachments = [each.attachment for each in packed if each.attachment]
    costs = [
        kind.cost(document, [each.attachment] if each.attachment else [])
        for document, each in zip(documents, packed, strict=True)
    ]
    asked = kind.cost({"items": []}, ())
    size = len(kind.body({"items": documents}, attachments).content)
    total = sum(cost.body_bytes for cost in costs) + asked.body_bytes + 256
    assert size <= total <= 1.6 * size + 256


@pytest.mark.parametrize("encoding", ["multipart", "npy", "raw", "list", "packbits", "png", "coco_rle"])
def test_png_files_travel_as_they_are(tmp_path: Path, encoding: Encoding) -> None:
    """In JSON and multipart a PNG file needs no decoding here."""
    path = tmp_path / "mask.png"
    path.write_bytes(png.write(MASK))
    document, attachments, service = posted(encoding, target=path)
    assert np.array_equal(array_in(document["target"], attachments), MASK)
    assert encoding != "multipart" or path.read_bytes() in service.requests[0].content


def test_png_files_become_tensors(tmp_path: Path) -> None:
    """A safetensors body has the decoded pixels."""
    path = tmp_path / "mask.png"
    path.write_bytes(png.write(MASK))
    document, attachments, _ = posted("safetensors", target=path)
    assert document["target"]["encoding"] == "tensor"
    assert np.array_equal(array_in(document["target"], attachments), MASK)


@pytest.mark.parametrize(
    ("encoding", "prediction", "message"),
    [
        ("png", np.zeros((2, 2), np.float32), "dtype 'float32' is not allowed"),
        ("packbits", np.full((2, 2), 7), "0 and 1 only"),
        ("coco_rle", np.full((2, 2), 7), "0 and 1 only"),
        ("coco_rle", np.ones(4, bool), "an image has two axes"),
        ("list", np.array([np.nan]), "NaN and infinity cannot travel"),
    ],
)
def test_what_an_encoding_cannot_hold_is_refused(encoding: Encoding, prediction: Any, message: str) -> None:
    """Nothing is rounded or cast to fit an encoding; nothing is sent."""
    with pytest.raises(InvalidArgumentError, match=message) as raised:
        posted(encoding, prediction=prediction)
    assert raised.value.pointer == "/prediction"


def test_an_unknown_encoding_is_refused() -> None:
    """The error lists those that there are."""
    with pytest.raises(InvalidArgumentError, match=r"'pickle' is unknown; known are safetensors, multipart"):
        Client(encoding="pickle")  # type: ignore[arg-type]


FOCAL = m.FocalLoss(gamma=3, key="f")
WRITTEN_OUT = FOCAL.model_dump(mode="json")


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("dice", ["dice"]),
        (FOCAL, [WRITTEN_OUT]),
        ({"name": "dice"}, [{"name": "dice"}]),
        (["dice", FOCAL, {"name": "iou", "key": "j"}], ["dice", WRITTEN_OUT, {"name": "iou", "key": "j"}]),
        ([{"name": "focal_loss", "gamma": np.float32(2)}], [{"name": "focal_loss", "gamma": 2.0}]),
        (
            {"name": "combined_loss", "terms": [{"metric": FOCAL}]},
            [{"name": "combined_loss", "terms": [{"metric": WRITTEN_OUT}]}],
        ),
    ],
    ids=["name", "spec", "mapping", "mixed", "numpy parameter", "spec in a mapping"],
)
@pytest.mark.parametrize("encoding", ["safetensors", "raw"])
def test_metrics_are_names_mappings_or_specs(encoding: Encoding, given: Any, sent: list[Any]) -> None:
    """One or many, mixed; a spec travels with every parameter written out."""
    document, *_ = posted(encoding, prediction=MASK / 2, prediction_kind="probabilities", metrics=given)
    assert document["metrics"] == sent


def test_metrics_may_come_from_a_generator() -> None:
    """Any iterable of metrics will do."""
    document, *_ = posted("safetensors", metrics=(name for name in ("dice", "iou")))
    assert document["metrics"] == ["dice", "iou"]


@pytest.mark.parametrize("metrics", [[1], [None], 3.5, [m.Dice]], ids=str)
def test_what_is_no_metric_is_refused(metrics: Any) -> None:
    """A number is no metric, nor is a spec's class."""
    with pytest.raises(InvalidArgumentError, match="a metric is a name, a mapping or a spec"):
        posted("safetensors", metrics=metrics)


@pytest.mark.parametrize("gamma", [float("nan"), object()])
def test_a_parameter_without_json_is_refused(gamma: Any) -> None:
    """NaN is no JSON, nor is an arbitrary object."""
    with pytest.raises(InvalidArgumentError, match="not a JSON document"):
        posted("safetensors", metrics=[{"name": "focal_loss", "gamma": gamma}])


def test_headers_say_who_calls() -> None:
    """User agent and key are in every request, reads too."""
    service = FakeService()
    client = Client(transport=service.transport, api_key="secret")
    client.limits()
    client.score(MASK, MASK, metrics="dice", prediction_kind="labels")
    for request in service.requests:
        assert request.headers["user-agent"] == f"lossgauge-python/{version}"
        assert request.headers["authorization"] == "Bearer secret"


def test_a_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """LOSSGAUGE_API_KEY is the key where none is given; one that is given goes before it, and "" stands for none."""
    monkeypatch.setenv("LOSSGAUGE_API_KEY", "of-the-environment")
    service = FakeService()
    for given in (None, "given", ""):
        Client(transport=service.transport, api_key=given).limits()
    shown = [request.headers.get("authorization") for request in service.requests]
    assert shown == ["Bearer of-the-environment", "Bearer given", None]


@pytest.mark.parametrize("key", ["a key", "key\n", "key\r\nX: y", "k\x00", "schl\u00fcssel"])
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_key_that_no_header_can_hold(kind: type[Client] | type[AsyncClient], key: str) -> None:
    """Spaces, line ends and other alphabets are refused before anything is sent, and the key is not in the error."""
    with pytest.raises(InvalidArgumentError, match="an API key has no spaces") as refused:
        kind(api_key=key)
    assert key not in str(refused.value)


def test_a_client_does_not_show_its_key() -> None:
    """Printing a client shows no key."""
    assert "secret" not in repr(Client(api_key="secret"))


def test_without_a_key_there_is_no_authorization() -> None:
    """No key, no header."""
    *_, service = posted("safetensors")
    assert "authorization" not in service.requests[0].headers


def test_a_path_before_the_api_is_kept() -> None:
    """A service behind a prefix is reached at it."""
    service = FakeService(script=_unready())
    Client("http://host/scores/", transport=service.transport).ready()
    assert str(service.requests[0].url) == "http://host/scores/health/ready"


@encodings
def test_a_batch_is_the_contract_s(encoding: Encoding) -> None:
    """Items and stacks validate as a BatchRequest."""
    service = FakeService()
    client = Client(transport=service.transport, encoding=encoding)
    client.score_batch([{"prediction": MASK, "target": MASK, "id": "a"}], metrics="dice", prediction_kind="labels")
    if encoding not in ("png", "coco_rle"):
        stack = {"prediction": MASK[None], "target": MASK[None], "ids": ["a"]}
        client.score_batch(stack, metrics="dice", prediction_kind="labels")
    for request in service.posts:
        BatchRequest.model_validate(read(request)[0])


def test_json_is_strict() -> None:
    """What stands in a JSON body is JSON to a reader that knows no NaN."""
    *_, service = posted("raw")
    assert json.loads(service.requests[0].content, parse_constant=pytest.fail)["task"] == "binary"


def _unready() -> deque[httpx.Response | Exception]:
    return deque([httpx.Response(200)])
