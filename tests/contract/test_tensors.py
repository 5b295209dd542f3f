"""A safetensors body with one bad tensor: a problem where it is used, and scores beside it."""

import json
from typing import Any

import httpx
import numpy as np
import pytest
from lossgauge.encodings import safetensors

Document = dict[str, Any]
ASKED: Document = {"task": "binary", "prediction_kind": "probabilities", "metrics": ["dice"]}
HEADERS = {"Content-Type": "application/x-safetensors"}
GOOD = np.array([0.9, 0.2, 0.7, 0.4], np.float32).tobytes()
MASK = bytes([1, 0, 1, 1])

BAD: dict[str, tuple[str, list[int], bytes, str, str]] = {
    "a bool of 2": ("BOOL", [4], bytes([1, 0, 2, 1]), "undecodable_array", "the byte 0 or 1; found 2"),
    "float8": ("F8_E4M3", [4], MASK, "invalid_dtype", "'F8_E4M3'"),
    "complex": ("C64", [1], bytes(8), "invalid_dtype", "'C64'"),
    "size": ("U8", [5], MASK, "undecodable_array", "need 5 bytes; found 4"),
    "axes": ("U8", [1] * 8 + [4], MASK, "limit_exceeded", "9 axes; at most 8"),
    "elements": ("U8", [2**40], MASK, "limit_exceeded", "[1099511627776]"),
    "no elements of many": ("U8", [0, 2**62], b"", "limit_exceeded", "67108864"),
}


def body_of(document: Document, tensors: dict[str, tuple[str, list[int], bytes]]) -> bytes:
    """A safetensors body of any header."""
    header: Document = {"__metadata__": {"request": json.dumps(document)}}
    data = b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def tensor(name: str) -> Document:
    """The document of a tensor."""
    return {"encoding": "tensor", "name": name}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("role", ["prediction", "target"])
def test_a_bad_tensor_is_its_item_s_problem(caller: httpx.Client, case: str, role: str) -> None:
    """The item has a problem that points to its array; its neighbours are scored; alone, the pair is refused so."""
    dtype, shape, content, code, words = BAD[case]
    tensors = {"p": ("F32", [4], GOOD), "t": ("U8", [4], MASK), "bad": (dtype, shape, content)}
    pair = {"prediction": tensor("p"), "target": tensor("t")}
    wrong = {**pair, role: tensor("bad")}
    items = body_of({**ASKED, "items": [pair, wrong, pair]}, tensors)
    answer = caller.post("/v1/score/batch", content=items, headers=HEADERS)
    first, bad, last = answer.json()["items"]
    assert (first["scores"], last["scores"]) == ({"dice": {"value": 0.8}},) * 2
    assert {key: bad["problem"][key] for key in ("status", "code", "pointer")} == {
        **{"status": 422, "code": code},
        "pointer": f"/items/1/{role}",
    }
    assert words in bad["problem"]["detail"]
    alone = caller.post("/v1/score", content=body_of({**ASKED, **wrong}, tensors), headers=HEADERS)
    assert (alone.status_code, alone.json()["code"], alone.json()["pointer"]) == (422, code, f"/{role}")
    unused = caller.post("/v1/score", content=body_of({**ASKED, **pair}, tensors), headers=HEADERS)
    assert unused.json()["scores"] == {"dice": {"value": 0.8}}


def test_broken_offsets_spoil_the_body(caller: httpx.Client) -> None:
    """Where tensors overlap or leave a gap, nothing in the body can be trusted: 400."""
    whole = safetensors.write(json.dumps(ASKED), {"p": np.zeros(2, np.float32)})
    answer = caller.post("/v1/score", content=whole + b"x", headers=HEADERS)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")
