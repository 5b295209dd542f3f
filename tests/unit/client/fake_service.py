"""A service that answers by the contract without computing: every score is the mean of the prediction."""

import json
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from typing import Any

import httpx
import numpy as np
from lossgauge.encodings import safetensors
from lossgauge.encodings.base import AnyArray, Attachments, Caps, Encoded, Part, Tensor
from lossgauge.wire import BatchItem, BatchRequest, Limits, ScoreRequest

Document = dict[str, Any]
Outcome = httpx.Response | Exception

ENGINE = {"version": "0.1.0", "device": "cpu", "kernel": "eager"}
LIMITS = Limits(
    body_bytes=2**20,
    inflated_bytes=2**20,
    document_bytes=2**20,
    array_elements=2**20,
    map_elements=2**20,
    list_elements=2**16,
    image_pixels=2**20,
    dimensions=8,
    header_bytes=2**16,
    items=100,
    parts=1000,
    classes=16,
    metrics=8,
    json_depth=32,
    json_values=2**20,
    json_members=2**12,
)
DICE = {
    "name": "dice",
    "summary": "Dice coefficient",
    "description": "Twice the overlap over the sum of the sizes.",
    "formula": "2 I / (P + T)",
    "direction": "higher",
    "range": "[0, 1]",
    "source": "Dice, 1945",
    "tasks": ["binary"],
    "prediction_kinds": ["labels"],
    "parameters": {},
}


@dataclass
class FakeService:
    """Answers from `script` first, then by the contract; remembers what it was asked."""

    limits: Limits = LIMITS
    script: deque[Outcome] = field(default_factory=deque)
    requests: list[httpx.Request] = field(default_factory=list)

    @property
    def transport(self) -> httpx.MockTransport:
        """The transport of a client that talks to this service."""
        return httpx.MockTransport(self.answer)

    @property
    def posts(self) -> list[httpx.Request]:
        """The requests that had a body."""
        return [request for request in self.requests if request.method == "POST"]

    def answer(self, request: httpx.Request) -> httpx.Response:
        """The next scripted outcome, or what the contract has at this path."""
        self.requests.append(request)
        if self.script:
            return _outcome(self.script.popleft())
        return self._by_contract(request)

    def _by_contract(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            answered = score_answer if request.url.path == "/v1/score" else batch_answer
            return httpx.Response(200, json=answered(*read(request)))
        answers = {"/v1/limits": self.limits.model_dump(), "/v1/metrics": {"metrics": [DICE]}, "/health/ready": {}}
        return httpx.Response(200, json=answers[request.url.path])


def problem(status: int, code: str, **more: Any) -> Document:
    """A problem document."""
    return {
        "type": f"urn:lossgauge:problem:{code}",
        "title": code,
        "status": status,
        "detail": "so it is",
        "code": code,
        **more,
    }


def refusal(status: int, code: str, headers: Mapping[str, str] | None = None, **more: Any) -> httpx.Response:
    """A problem as an answer."""
    return httpx.Response(status, json=problem(status, code, **more), headers=headers)


def read(request: httpx.Request) -> tuple[Document, Attachments]:
    """The document and the attachments of any kind of body."""
    media_type = request.headers["content-type"].partition(";")[0]
    readers = {
        "application/json": _read_json,
        "application/x-safetensors": _read_safetensors,
        "multipart/form-data": _read_parts,
    }
    return readers[media_type](request)


def array_in(document: Document, attachments: Attachments) -> AnyArray:
    """The array of a document, decoded as the service does."""
    model = BatchItem.model_validate({"prediction": document, "target": document})
    encoded: Encoded = model.prediction
    return encoded.decode(attachments, Caps())


def score_answer(document: Document, attachments: Attachments) -> Document:
    """The answer to one pair."""
    asked = ScoreRequest.model_validate(document)
    return {
        "id": asked.id,
        "scores": _scores(document, document["prediction"], attachments),
        "semantics": _semantics(document),
        "timing_ms": {"total": 1.5},
        "engine": ENGINE,
    }


def batch_answer(document: Document, attachments: Attachments) -> Document:
    """The answer to a batch: an item whose mean is negative is a problem, one whose mean is zero has no value."""
    BatchRequest.model_validate(document)
    items = [_item(document, index, *pair) for index, pair in enumerate(_pairs(document, attachments))]
    return {
        "items": items,
        "summary": _summary(items, document),
        "semantics": _semantics(document),
        "timing_ms": {"total": 1.5},
        "engine": ENGINE,
    }


def _outcome(outcome: Outcome) -> httpx.Response:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _read_json(request: httpx.Request) -> tuple[Document, Attachments]:
    return json.loads(request.content), {}


def _read_safetensors(request: httpx.Request) -> tuple[Document, Attachments]:
    metadata, tensors = safetensors.read(request.content, Caps(), 10_000)
    return json.loads(metadata["request"]), {name: Tensor(array) for name, array in tensors.items()}


def _read_parts(request: httpx.Request) -> tuple[Document, Attachments]:
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    parts = {_name(part): _content(part) for part in _payloads(BytesParser().parsebytes(head + request.content))}
    return json.loads(bytes(parts.pop("request").content)), parts


def _payloads(message: Message) -> Iterable[Message]:
    return [part for part in message.walk() if not part.is_multipart()]


def _name(part: Message) -> str:
    return str(part.get_param("name", header="content-disposition"))


def _content(part: Message) -> Part:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return Part(part.get_content_type(), content)


def _pairs(document: Document, attachments: Attachments) -> list[tuple[str | None, AnyArray]]:
    if "items" in document:
        return [(item.get("id"), array_in(item["prediction"], attachments)) for item in document["items"]]
    stack = array_in(document["prediction"], attachments)
    return list(zip(document.get("ids", [None] * len(stack)), stack, strict=True))


def _item(document: Document, index: int, name: str | None, prediction: AnyArray) -> Document:
    mean = float(np.mean(prediction))
    if mean < 0:
        found = problem(422, "invalid_values", pointer=f"/items/{index}/prediction")
        return {"id": name, "index": index, "problem": found}
    return {"id": name, "index": index, "scores": {key: _score(mean) for key in _semantics(document)}}


def _score(mean: float) -> Document:
    return {"value": mean} if mean else {"value": None, "undefined": "both_empty"}


def _scores(document: Document, prediction: Document, attachments: Attachments) -> Document:
    mean = float(np.mean(array_in(prediction, attachments)))
    return {key: _score(mean) for key in _semantics(document)}


def _semantics(document: Document) -> Document:
    metrics = [{"name": metric} if isinstance(metric, str) else metric for metric in document["metrics"]]
    return {metric.get("key") or metric["name"]: {"pooling": "sample", **metric} for metric in metrics}


def _summary(items: list[Document], document: Document) -> Document:
    values = [item["scores"][key]["value"] for item in items if "scores" in item for key in [*_semantics(document)][:1]]
    found = [value for value in values if value is not None]
    mean, std = (float(np.mean(found)), float(np.std(found))) if found else (None, None)
    counts = {"counted": len(found), "skipped": len(items) - len(found)}
    return {key: {"value": mean, "mean": mean, "std": std, "pooled": 0.25, **counts} for key in _semantics(document)}
