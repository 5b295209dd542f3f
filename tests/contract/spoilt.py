"""A good pair and what is asked of it, for tests that spoil one thing of it."""

import base64
import struct
import zlib
from typing import Any

import httpx
import numpy as np

from tests.contract.carriers import CARRIERS, Body, in_json, png

Document = dict[str, Any]
PREDICTION = np.array([[0.9, 0.2, 0.6], [0.7, 0.4, 0.1]], np.float32)
TARGET = np.array([[1, 0, 1], [1, 1, 0]], np.uint8)
PAIR: Document = {"prediction": PREDICTION, "target": TARGET}
ASKED: Document = {"task": "binary", "prediction_kind": "probabilities", "metrics": ["dice", "focal_loss"]}
CLASSES: Document = {"task": "multiclass", "prediction_kind": "labels", "num_classes": 3, "metrics": ["dice"]}
LABELS: Document = {"prediction": TARGET, "target": TARGET}
GOOD: Document = {role: CARRIERS["npy"](array, role).document for role, array in PAIR.items()}


def score(caller: httpx.Client, body: Body, path: str = "/v1/score") -> httpx.Response:
    """The answer to a body."""
    return caller.post(path, content=body.content, headers={"Content-Type": body.media_type})


def b64(content: bytes) -> str:
    """Base64 of RFC 4648."""
    return base64.b64encode(content).decode()


def in_raw(content: bytes = PREDICTION.tobytes(), **about: Any) -> Document:
    """The prediction's elements, told otherwise."""
    return {"encoding": "raw", "dtype": "float32", "shape": [2, 3], "data": b64(content), **about}


def png_of_size(width: int, height: int) -> bytes:
    """A PNG file whose header declares another size."""
    file = bytearray(png(TARGET))
    file[16:24] = struct.pack(">II", width, height)
    file[29:33] = struct.pack(">I", zlib.crc32(file[12:29]))
    return bytes(file)


def check_refused(
    caller: httpx.Client, role: str, document: Document, code: str, pointer: str, words: list[str]
) -> None:
    """An array that cannot be decoded is refused where it stands, alone and between two items that are scored."""
    wrong = {**GOOD, role: document}
    whole = score(caller, in_json({**ASKED, **wrong}, {}))
    items = score(caller, in_json({**ASKED, "items": [GOOD, wrong, GOOD]}, {}), "/v1/score/batch").json()["items"]
    problem, in_place = whole.json(), items[1]["problem"]
    assert (whole.status_code, problem["code"], problem["pointer"]) == (422, code, f"/{role}{pointer}")
    assert [word for word in words if word not in problem["detail"]] == []
    assert (in_place["code"], in_place["pointer"]) == (code, f"/items/1/{role}{pointer}")
    assert in_place["detail"] == problem["detail"]
    assert items[0]["scores"] == items[2]["scores"] == score(caller, in_json({**ASKED, **GOOD}, {})).json()["scores"]
