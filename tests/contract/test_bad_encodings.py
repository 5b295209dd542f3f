"""Bytes that are not what their encoding says: 422 with a JSON pointer, whatever array they should be."""

import json
import pickle
import struct

import httpx
import numpy as np
import pytest

from tests.contract.carriers import Carried, in_json, in_multipart, npy, png
from tests.contract.spoilt import ASKED, GOOD, PREDICTION, Document, b64, check_refused, in_raw, png_of_size, score


def in_npy(header: str, content: bytes = b"", version: int = 1) -> Document:
    """A .npy file with a header of one's own."""
    text = header.encode().ljust(118) + b"\n"
    return {
        "encoding": "npy",
        "data": b64(b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(text)) + text + content),
    }


def declared(dtype: str, shape: str, content: bytes = b"") -> Document:
    """A .npy file that declares a dtype and a shape."""
    return in_npy(f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}", content)


NPY = npy(PREDICTION)
BAD_ENCODINGS: dict[str, tuple[Document, str, str, list[str]]] = {
    "npy: pickled": (
        in_npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", pickle.dumps(1)),
        *("invalid_dtype", "/data"),
        ["O"],
    ),
    "npy: structured": (
        in_npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }"),
        *("invalid_dtype", "/data"),
        [],
    ),
    "npy: complex": (declared("<c8", "(1,)", bytes(8)), "invalid_dtype", "/data", ["c8", "float32"]),
    "npy: a string": (declared("<U1", "(1,)", bytes(4)), "invalid_dtype", "/data", ["U1", "float32"]),
    "npy: a pickle": ({"encoding": "npy", "data": b64(pickle.dumps([1.0]))}, "undecodable_array", "/data", []),
    "npy: a zip": ({"encoding": "npy", "data": b64(b"PK\x03\x04" + bytes(60))}, "undecodable_array", "/data", []),
    "npy: cut": ({"encoding": "npy", "data": b64(NPY[:-1])}, "undecodable_array", "/data", ["23", "24"]),
    "npy: trailing": ({"encoding": "npy", "data": b64(NPY + b"x")}, "undecodable_array", "/data", ["25", "24"]),
    "npy: code": (in_npy("__import__('os').getpid()"), "undecodable_array", "/data", []),
    "npy: terabytes": (declared("<f8", "(1099511627776,)"), "limit_exceeded", "/data", ["[1099511627776]", "67108864"]),
    "npy: overflow": (declared("<f8", "(4294967296, 4294967296, 4294967296)"), "limit_exceeded", "/data", ["67108864"]),
    "npy: negative": (declared("<f8", "(-1,)"), "undecodable_array", "/data", ["negative"]),
    "raw: dtype": (in_raw(dtype="complex64"), "invalid_dtype", "/dtype", ["'complex64'", "bfloat16"]),
    "raw: size": (in_raw(shape=[2, 4]), "undecodable_array", "/data", ["24", "32"]),
    "raw: terabytes": (in_raw(shape=[2**20, 2**20]), "limit_exceeded", "/shape", ["67108864"]),
    "raw: axes": (in_raw(shape=[1] * 9), "limit_exceeded", "/shape", ["9 axes", "8"]),
    "raw: not base64": (in_raw(data="%%%%" * 8), "undecodable_array", "/data", ["base64"]),
    "raw: url-safe base64": (in_raw(data="-_-_" * 8), "undecodable_array", "/data", ["base64"]),
    "raw: a line break": (in_raw(data="AAAA\nAAA" * 4), "undecodable_array", "/data", ["base64"]),
    "list: ragged": (
        {"encoding": "list", "data": [[0.1, 0.2], [0.3]]},
        "undecodable_array",
        "/data/1",
        ["a list of 1"],
    ),
    "list: null": (
        {"encoding": "list", "data": [[0.1, None]]},
        "undecodable_array",
        "/data/0/1",
        ["null among numbers"],
    ),
    "list: a string": ({"encoding": "list", "data": [["0.1"]]}, "undecodable_array", "/data/0/0", ["a string"]),
    "list: huge": ({"encoding": "list", "data": [2**63]}, "undecodable_array", "/data/0", ["int64"]),
    "png: size": ({"encoding": "png", "data": b64(png_of_size(2**20, 2**20))}, "limit_exceeded", "/data", ["67108864"]),
    "png: rows": ({"encoding": "png", "data": b64(png_of_size(3, 9))}, "undecodable_array", "/data", ["rows"]),
    "png: colour": (
        {"encoding": "png", "data": b64(png(np.zeros((2, 3, 3), np.uint8)))},
        "undecodable_array",
        "/data",
        ["RGB"],
    ),
    "png: none": ({"encoding": "png", "data": b64(b"GIF89a")}, "undecodable_array", "/data", ["PNG"]),
    "packbits: size": (
        {"encoding": "packbits", "shape": [3, 3], "data": b64(b"\xff")},
        "undecodable_array",
        "/data",
        ["1", "2"],
    ),
    "packbits: rest": (
        {"encoding": "packbits", "shape": [7], "data": b64(b"\xff")},
        "undecodable_array",
        "/data",
        ["must be 0"],
    ),
    "part: none": ({"encoding": "part", "name": "p"}, "undecodable_array", "/name", ["no part"]),
    "tensor: none": ({"encoding": "tensor", "name": "p"}, "undecodable_array", "/name", ["no tensor"]),
    "unknown": ({"encoding": "pickle", "data": ""}, "invalid_parameter", "/encoding", ["'pickle'", "npy"]),
}


@pytest.mark.parametrize("name", BAD_ENCODINGS)
@pytest.mark.parametrize("role", ["prediction", "target", "weight"])
def test_a_bad_encoding(caller: httpx.Client, name: str, role: str) -> None:
    """Bytes that are not what their encoding says are refused where they stand, whatever array they should be."""
    check_refused(caller, role, *BAD_ENCODINGS[name])


@pytest.mark.parametrize(
    ("media_type", "content", "code", "words"),
    [
        ("application/x-npy", NPY[:-1], "undecodable_array", ["23", "24"]),
        ("application/octet-stream; dtype=float32; shape=2,4", PREDICTION.tobytes(), "undecodable_array", ["24", "32"]),
        ("application/octet-stream; dtype=object; shape=2,3", b"", "invalid_dtype", ["'object'"]),
        ("application/octet-stream", PREDICTION.tobytes(), "undecodable_array", ["dtype", "shape"]),
        ("application/json", b"[[0.5], [NaN]]", "undecodable_array", ["NaN"]),
        ("application/x-pickle", pickle.dumps(1), "undecodable_array", ["application/x-pickle", "image/png"]),
        ("image/png", png_of_size(2**20, 2**20), "limit_exceeded", ["67108864"]),
    ],
)
def test_a_bad_part(caller: httpx.Client, media_type: str, content: bytes, code: str, words: list[str]) -> None:
    """A part that is not what its media type says is refused where the document names it."""
    document = {**ASKED, **GOOD, "prediction": {"encoding": "part", "name": "p"}}
    answer = score(caller, in_multipart(document, {"p": Carried({}, media_type, content)}))
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["pointer"]) == (422, code, "/prediction/name")
    assert [word for word in words if word not in problem["detail"]] == []


def test_an_array_in_a_problem_is_never_shown(caller: httpx.Client) -> None:
    """What an array's data holds is not in the problem that it causes."""
    secret = b64(b"a patient's name" * 4)
    for wrong in ({"encoding": "npy", "data": secret}, {"encoding": "raw", "data": secret}, [secret]):
        answer = score(caller, in_json({**ASKED, **GOOD, "prediction": wrong}, {}))
        assert answer.status_code == 422
        assert secret[:12] not in json.dumps(answer.json())
