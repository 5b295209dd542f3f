"""The frozen contract: requests of the real client, and their answers. What the service says of itself is docs/openapi.json.

`scripts/golden` writes them again, and `git diff` shows how the contract changed.
"""

import json
import math
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from lossgauge import Client, ProblemError
from lossgauge import metrics as m
from lossgauge.bodies import Encoding
from lossgauge.metrics import CATALOGUE

from tests.contract.serving import served

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/contract/golden"
OPENAPI = ROOT / "docs/openapi.json"

Document = dict[str, Any]
Call = Callable[[Client], object]
BOUNDARY = re.compile(r"boundary=(\w+)")
ID = {"X-Request-Id": "frozen"}
DIFFERS_EACH_TIME = ("timing_ms", "engine")
DIGITS = 9

# ------------------------------------------------------------------------------------------------------------ the calls

LOGITS = np.array([[2.5, -1.25, 0.5, -3.0], [1.75, -0.5, -2.0, 4.0], [-0.75, 3.25, 1.0, -1.5]], np.float32)
PROBABILITIES = np.array([[0.9, 0.2, 0.6], [0.7, 0.4, 0.1]], np.float32)
MASK = np.array([[1, 0, 1, 0], [1, 1, 0, 1], [0, 1, 0, 0]], np.uint8)
GUESS = np.array([[1, 1, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0]], np.uint8)
CLASS_LOGITS = np.stack([LOGITS, -LOGITS / 2, LOGITS[::-1] / 4], axis=-1)
LABELS = np.array([[0, 1, 2, 255], [1, 0, 2, 2], [1, 1, 255, 0]], np.uint8)
SOFT = np.array([[0.75, 0.0, 1.0, 0.25], [1.0, 0.5, 0.0, 1.0], [0.0, 1.0, 0.25, 0.0]], np.float64)
WEIGHT = np.array([[1.0, 2.0, 0.5, 1.0], [0.0, 1.5, 1.0, 3.0], [1.0, 1.0, 0.25, 2.0]], np.float32)

BOXES = np.array([[0.0, 0.0, 4.0, 2.0], [1.0, 1.0, 3.0, 5.0]])
TASKS = {name: spec.about.tasks for name, spec in CATALOGUE.items() if name != "combined_loss"}
EVERY_BOX_METRIC = [name for name, tasks in TASKS.items() if "boxes" in tasks]
EVERY_OBJECT_METRIC = [name for name, tasks in TASKS.items() if "instances" in tasks]
EVERY_METRIC = [name for name in TASKS if name not in {*EVERY_BOX_METRIC, *EVERY_OBJECT_METRIC}]
TERMS = [
    m.CombinedTerm(metric=m.FocalLoss(alpha=None), weight=2.0),
    m.CombinedTerm(metric=m.Dice(), transform="complement"),
]


def _every_metric(client: Client) -> object:
    metrics: list[Any] = [*EVERY_METRIC, m.CombinedLoss(terms=TERMS)]
    return client.score(LOGITS, MASK, prediction_kind="logits", metrics=metrics, id="image-7")


def _every_object_metric(client: Client) -> object:
    return client.score(LABELS % 3, GUESS, task="instances", prediction_kind="labels", metrics=EVERY_OBJECT_METRIC)


def _every_box_metric(client: Client) -> object:
    return client.score(BOXES, BOXES[::-1] + 0.5, task="boxes", prediction_kind="boxes", metrics=EVERY_BOX_METRIC)


def _weighted(client: Client) -> object:
    target = np.where(MASK[:2, :3] == LABELS[:2, :3], MASK[:2, :3], 255).astype(np.uint8)
    metrics: list[Any] = [
        m.FocalLoss(gamma=1.5),
        m.CrossEntropy(reduction="sum"),
        "dice_loss",
        m.MeanIou(thresholds=[0.5, 0.65]),
    ]
    return client.score(
        *(PROBABILITIES, target),
        prediction_kind="probabilities",
        weight=WEIGHT[:2, :3],
        ignore_index=255,
        metrics=metrics,
    )


def _classes(client: Client) -> object:
    focal = m.FocalLoss(alpha=[0.5, 1.0, 2.0])
    metrics: list[Any] = ["dice", m.Iou(average="weighted"), "cross_entropy", focal, "confusion", "accuracy"]
    asked: Document = {"task": "multiclass", "prediction_kind": "logits", "channel_axis": -1, "ignore_index": 255}
    return client.score(CLASS_LOGITS, LABELS, metrics=metrics, **asked)


def _labels(client: Client) -> object:
    metrics: list[Any] = [
        *("dice", "iou", "confusion", "accuracy", "precision", "recall", "specificity"),
        m.FBeta(beta=2.0),
    ]
    asked: Document = {"task": "multiclass", "prediction_kind": "labels", "num_classes": 3}
    return client.score(GUESS, np.minimum(LABELS, 2), metrics=metrics, **asked)


def _soft(client: Client) -> object:
    prediction, target = np.stack([LOGITS, -LOGITS]), np.stack([SOFT, 1 - SOFT])
    metrics: list[Any] = [m.Dice(soft=True, soft_target="l1"), "cross_entropy", m.FocalLoss(soft_target_pt="exp")]
    asked: Document = {"task": "multilabel", "prediction_kind": "logits", "target_kind": "probabilities"}
    return client.score(prediction, target, metrics=metrics, precision="float64", **asked)


def _mappings(client: Client) -> object:
    metrics: list[Any] = [
        {"name": "dice", "threshold": 0.25, "key": "dice_25"},
        "dice",
        {"name": "focal_loss", "clip": [0.001, 0.999]},
    ]
    return client.score(PROBABILITIES, MASK[:2, :3], prediction_kind="probabilities", threshold=0.65, metrics=metrics)


def _masks(client: Client) -> object:
    return client.score(GUESS > 0, MASK > 0, prediction_kind="labels", metrics=["dice", "iou", "mean_iou", "fbeta"])


def _runs(client: Client) -> object:
    return client.score(GUESS > 0, MASK, prediction_kind="labels", metrics=["dice", "confusion"])


def _undefined(client: Client) -> object:
    empty = np.zeros((2, 2), np.uint8)
    return client.score(
        empty, empty, prediction_kind="labels", metrics=["dice", "dice_loss", "precision", "specificity"]
    )


def _items(client: Client) -> object:
    items = [
        {"prediction": LOGITS, "target": MASK, "id": "good"},
        {"prediction": LOGITS, "target": MASK[:2], "id": "shape"},
        {"prediction": np.where(LOGITS > 3, np.nan, LOGITS), "target": MASK, "id": "values"},
        {"prediction": LOGITS[:1], "target": MASK[:1], "weight": WEIGHT[:1]},
    ]
    return client.score_batch(items, prediction_kind="logits", metrics=["dice", "focal_loss"])


def _stacked(client: Client) -> object:
    stack = {"prediction": LOGITS, "target": MASK, "ids": ["a", "b", "c"]}
    return client.score_batch(stack, prediction_kind="logits", metrics=["iou", m.Iou(key="of_all", pooling="batch")])


def _wrong_question(client: Client) -> object:
    metrics: list[Any] = ["dicee", {"name": "focal_loss", "gamma": -1, "alhpa": 0.5}]
    return client.score(LOGITS, MASK, prediction_kind="logits", threshold=2.0, metrics=metrics)


def _misfit(client: Client) -> object:
    return client.score(GUESS, MASK, prediction_kind="labels", metrics=["dice", "focal_loss"])


def _wrong_values(client: Client) -> object:
    return client.score(LOGITS, MASK * 255, prediction_kind="logits", metrics="dice")


CALLS: dict[str, tuple[Encoding, Call]] = {
    "score-safetensors-every-metric": ("safetensors", _every_metric),
    "score-safetensors-objects": ("safetensors", _every_object_metric),
    "score-safetensors-boxes": ("safetensors", _every_box_metric),
    "score-multipart-weighted": ("multipart", _weighted),
    "score-npy-classes": ("npy", _classes),
    "score-png-labels": ("png", _labels),
    "score-raw-soft-targets": ("raw", _soft),
    "score-list-mappings": ("list", _mappings),
    "score-packbits-masks": ("packbits", _masks),
    "score-coco-rle-masks": ("coco_rle", _runs),
    "score-undefined": ("npy", _undefined),
    "batch-items": ("multipart", _items),
    "batch-stacked": ("safetensors", _stacked),
    "problem-question": ("list", _wrong_question),
    "problem-misfit": ("packbits", _misfit),
    "problem-values": ("safetensors", _wrong_values),
    "catalogue": ("safetensors", Client.metrics),
    "limits": ("safetensors", Client.limits),
}

# -------------------------------------------------------------------------------------------------------- the exchanges


class Recorder(httpx.BaseTransport):
    """Passes requests on, and keeps the last one with its answer."""

    def __init__(self) -> None:
        self._onward = httpx.HTTPTransport()
        self.exchange: Document = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request on."""
        request.headers.update(ID)
        request.read()
        response = self._onward.handle_request(request)
        response.read()
        self.exchange = {"request": _request(request), "answer": answer_of(request.url.path, response)}
        return response

    def close(self) -> None:
        """Close the connections."""
        self._onward.close()


def exchanged(url: str, name: str) -> Document:
    """What a call of the client sends now, and what it is answered."""
    encoding, call = CALLS[name]
    recorder = Recorder()
    with Client(url, retries=0, encoding=encoding, transport=recorder) as client, suppress(ProblemError):
        call(client)
    return recorder.exchange


def _request(request: httpx.Request) -> Document:
    head: Document = {"method": request.method, "path": request.url.path}
    if request.method == "GET":
        return head
    media_type, body = request.headers["content-type"], request.content.decode("latin-1")
    if media_type == "application/json":
        return {**head, "media_type": media_type, "document": json.loads(body)}
    boundary = BOUNDARY.search(media_type)
    if boundary is not None:
        media_type, body = (text.replace(boundary[1], "frozen") for text in (media_type, body))
    return {**head, "media_type": media_type, "body": body.split("\n")}


def sent_again(caller: httpx.Client, request: Document) -> Document:
    """The answer to a frozen request."""
    headers = ID | ({"Content-Type": request["media_type"]} if "media_type" in request else {})
    content = json.dumps(request["document"]).encode() if "document" in request else _body(request)
    response = caller.request(request["method"], request["path"], content=content, headers=headers)
    return answer_of(request["path"], response)


def _body(request: Document) -> bytes:
    return "\n".join(request.get("body", [])).encode("latin-1")


def answer_of(path: str, response: httpx.Response) -> Document:
    """An answer without what differs from call to call and from machine to machine."""
    document = {name: value for name, value in response.json().items() if name not in DIFFERS_EACH_TIME}
    if path == "/v1/metrics":  # the definitions stand in the OpenAPI document
        document["metrics"] = [{**one, "definitions": ".."} for one in document["metrics"]]
    head = {"status": response.status_code, "media_type": response.headers["content-type"]}
    return {**head, "document": document}


# ---------------------------------------------------------------------------------------------------------- comparisons


def differences(frozen: Any, found: Any, at: str = "") -> Iterator[str]:
    """Where a document is not the frozen one: floats by 1e-6, all else to the letter."""
    if isinstance(frozen, dict) and isinstance(found, dict):
        yield from (f"{at}/{name}: in one of the two only" for name in frozen.keys() ^ found.keys())
        for name in frozen.keys() & found.keys():
            yield from differences(frozen[name], found[name], f"{at}/{name}")
    elif isinstance(frozen, list) and isinstance(found, list) and len(frozen) == len(found):
        for place, pair in enumerate(zip(frozen, found, strict=True)):
            yield from differences(*pair, f"{at}/{place}")
    elif not _same(frozen, found):
        yield f"{at}: {frozen!r} was frozen, found {found!r}"


def _same(frozen: Any, found: Any) -> bool:
    if isinstance(frozen, float) and isinstance(found, float):
        return math.isclose(frozen, found, rel_tol=1e-6, abs_tol=1e-9)
    return type(frozen) is type(found) and bool(frozen == found)


# -------------------------------------------------------------------------------------------------------------- writing


def text_of(document: Any) -> str:
    """A document as it is kept: a line a member, no digits that differ between machines."""
    return json.dumps(document, indent=1, ensure_ascii=True) + "\n"


def rounded(node: Any) -> Any:
    """A document with its floats cut to the digits that every machine gives."""
    if isinstance(node, dict):
        return {name: rounded(child) for name, child in node.items()}
    if isinstance(node, list):
        return [rounded(child) for child in node]
    return float(f"{node:.{DIGITS}g}") if isinstance(node, float) else node


def write(url: str) -> None:
    """Freeze what the service at an address answers."""
    exchanges = {name: exchanged(url, name) for name in CALLS}
    for stale in GOLDEN.glob("*.json"):
        stale.unlink()
    for name, exchange in exchanges.items():
        kept = {**exchange, "answer": rounded(exchange["answer"])}
        (GOLDEN / f"{name}.json").write_text(text_of(kept))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, served(Path(folder) / "service.log", "cpu", "eager") as address:
        write(address)
