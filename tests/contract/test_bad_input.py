"""Bad input over HTTP: 422 with a JSON pointer, what was found and what is allowed; its neighbours are scored."""

import base64
import json
import pickle
import re
import struct
import zlib
from typing import Any

import httpx
import numpy as np
import pytest
from lossgauge import Client, FailedItem, ScoredItem, errors
from lossgauge import metrics as m
from lossgauge.metrics.spec import Task

from tests.contract.carriers import CARRIERS, Body, Carried, in_json, in_multipart, npy, png

Document = dict[str, Any]
PREDICTION = np.array([[0.9, 0.2, 0.6], [0.7, 0.4, 0.1]], np.float32)
TARGET = np.array([[1, 0, 1], [1, 1, 0]], np.uint8)
PAIR: Document = {"prediction": PREDICTION, "target": TARGET}
ASKED: Document = {"task": "binary", "prediction_kind": "probabilities", "metrics": ["dice", "focal_loss"]}
CLASSES: Document = {"task": "multiclass", "prediction_kind": "labels", "num_classes": 3, "metrics": ["dice"]}
LABELS: Document = {"prediction": TARGET, "target": TARGET}


def at(value: float, array: Any = PREDICTION) -> Any:
    """The array with one wrong value, at [1, 2]."""
    changed = np.array(array, np.result_type(array, type(value)))
    changed[1, 2, ...] = value
    return changed


# -------------------------------------------------------------------------------------------------------- in the arrays

BAD_ARRAYS: list[tuple[str, Document, Document, type[errors.ProblemError], str, list[str]]] = [
    ("shapes", {"target": TARGET[:, :2]}, {}, errors.ShapeMismatchError, "/target", ["[2, 3]", "[2, 2]", "equal"]),
    ("axes", {"prediction": PREDICTION[None]}, {}, errors.ShapeMismatchError, "/target", ["[1, 2, 3]", "[2, 3]"]),
    ("empty", {"prediction": PREDICTION[:0]}, {}, errors.ShapeMismatchError, "/prediction", ["[0, 3]"]),
    ("weight", {"weight": PREDICTION[0]}, {}, errors.ShapeMismatchError, "/weight", ["[3]", "[2, 3]"]),
    ("NaN", {"prediction": at(np.nan)}, {}, errors.InvalidValuesError, "/prediction", ["NaN at [1, 2]", "finite"]),
    ("infinity", {"prediction": at(np.inf)}, {}, errors.InvalidValuesError, "/prediction", ["inf at [1, 2]", "finite"]),
    ("above 1", {"prediction": at(1.5)}, {}, errors.InvalidValuesError, "/prediction", ["1.5 at [1, 2]", "[0, 1]"]),
    ("below 0", {"prediction": at(-0.5)}, {}, errors.InvalidValuesError, "/prediction", ["-0.5 at [1, 2]", "[0, 1]"]),
    ("not binary", {"target": at(2, TARGET)}, {}, errors.InvalidValuesError, "/target", ["2 at [1, 2]", "0 and 1"]),
    ("a grey", {"target": at(0.5, TARGET)}, {}, errors.InvalidValuesError, "/target", ["0.5 at [1, 2]", "0 and 1"]),
    ("255", {"target": TARGET * 255}, {}, errors.InvalidValuesError, "/target", ["255 at [0, 0]", "4 such values"]),
    ("target NaN", {"target": at(np.nan, TARGET)}, {}, errors.InvalidValuesError, "/target", ["NaN at [1, 2]"]),
    (
        *("ignored", {"target": at(7, TARGET)}, {"ignore_index": 9}, errors.InvalidValuesError, "/target"),
        ["7 at [1, 2]", "ignore_index 9"],
    ),
    (
        *("soft target", {"target": at(1.5, TARGET)}, {"target_kind": "probabilities"}, errors.InvalidValuesError),
        *("/target", ["1.5 at [1, 2]", "[0, 1]"]),
    ),
    ("mask", {"prediction": TARGET.astype(bool)}, {}, errors.InvalidDtypeError, "/prediction", ["bool", "floats"]),
    ("weight < 0", {"weight": at(-1.0)}, {}, errors.InvalidValuesError, "/weight", ["-1.0 at [1, 2]", ">= 0"]),
    ("weight NaN", {"weight": at(np.nan)}, {}, errors.InvalidValuesError, "/weight", ["NaN at [1, 2]", "finite"]),
    ("label", {**LABELS, "target": at(3, TARGET)}, CLASSES, errors.InvalidValuesError, "/target", ["3 at", "0 to 2"]),
    (
        *("predicted", {**LABELS, "prediction": at(5, TARGET)}, CLASSES, errors.InvalidValuesError, "/prediction"),
        ["5 at [1, 2]", "0 to 2"],
    ),
    ("negative", {**LABELS, "target": at(-1, TARGET)}, CLASSES, errors.InvalidValuesError, "/target", ["-1 at"]),
    ("floats", {**LABELS, "target": PREDICTION}, CLASSES, errors.InvalidDtypeError, "/target", ["float32", "integers"]),
]


@pytest.mark.parametrize(
    ("change", "asked", "error", "pointer", "words"),
    [row[1:] for row in BAD_ARRAYS],
    ids=[row[0] for row in BAD_ARRAYS],
)
def test_a_bad_array(
    client: Client, change: Document, asked: Document, error: type[errors.ProblemError], pointer: str, words: list[str]
) -> None:
    """What is wrong with an array is told of a pair, and of an item in its place between two that are scored."""
    asked = ASKED | asked
    good = LABELS if asked["prediction_kind"] == "labels" else PAIR
    with pytest.raises(error) as raised:
        client.score(**(good | change), **asked)
    assert (raised.value.status, raised.value.pointer) == (422, pointer)
    assert [word for word in words if word not in raised.value.detail] == []

    first, bad, last = client.score_batch([good, good | change, good], **asked)
    assert isinstance(bad, FailedItem)
    assert type(bad.error) is error
    assert bad.problem is not None
    assert (bad.problem.status, bad.problem.pointer) == (422, f"/items/1{pointer}")
    assert bad.problem.detail == raised.value.detail
    alone = client.score(**good, **asked).scores
    assert (first.scores, last.scores) == (alone, alone)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_a_bad_value_is_told_where_the_caller_has_it(client: Client, task: Task, axis: int) -> None:
    """The index and the shape in a refusal are those of the array as it was sent, wherever its channels stand."""
    logits = np.zeros((2, 3, 4), np.float32)
    sent = np.moveaxis(at(np.nan, logits), 0, axis)
    target = np.zeros(sent.shape if task == "multilabel" else (3, 4), np.uint8)
    asked: Document = {"task": task, "prediction_kind": "logits", "metrics": "dice", "channel_axis": axis}
    with pytest.raises(errors.InvalidValuesError, match=re.escape(f"NaN at {np.argwhere(np.isnan(sent))[0].tolist()}")):
        client.score(sent, target, **asked)
    with pytest.raises(errors.ShapeMismatchError, match=re.escape(f"prediction has shape {[*sent.shape]}")):
        client.score(sent, target[..., :1], **asked)


# ---------------------------------------------------------------------------------------------------- in the question

BAD_QUESTIONS: list[tuple[str, Document, type[errors.ProblemError], str, list[str]]] = [
    (
        "unknown",
        {"metrics": ["dicee"]},
        errors.UnknownMetricError,
        "/metrics/0",
        ["'dicee'", "did you mean 'dice'", "iou"],
    ),
    (
        "unnamed",
        {"metrics": [{"gamma": 2}]},
        errors.InvalidParameterError,
        "/metrics/0/name",
        ["missing", "focal_loss"],
    ),
    (
        *("bound", {"metrics": ["dice", {"name": "focal_loss", "gamma": -1}]}, errors.InvalidParameterError),
        *("/metrics/1/gamma", ["-1", "greater than or equal to 0"]),
    ),
    (
        *("upper", {"metrics": [{"name": "fbeta", "beta": 1001}]}, errors.InvalidParameterError),
        *("/metrics/0/beta", ["1001", "1000"]),
    ),
    (
        *("choice", {"metrics": [{"name": "dice", "average": "mean"}]}, errors.InvalidParameterError),
        *("/metrics/0/average", ["'mean'", "'macro'", "'micro'"]),
    ),
    (
        *("type", {"metrics": [{"name": "dice", "soft": "yes"}]}, errors.InvalidParameterError),
        *("/metrics/0/soft", ["'yes'", "boolean"]),
    ),
    (
        *("unknown parameter", {"metrics": [{"name": "focal_loss", "gama": 2}]}, errors.InvalidParameterError),
        *("/metrics/0/gama", ["did you mean 'gamma'"]),
    ),
    (
        *("together", {"metrics": [{"name": "focal_loss", "clip": [0.9, 0.1]}]}, errors.InvalidParameterError),
        *("/metrics/0/clip", ["low < high", "found [0.9, 0.1]"]),
    ),
    (
        *("twice", {"metrics": ["dice", "iou", m.Dice(soft=True)]}, errors.InvalidParameterError),
        *("/metrics/2", ["(0 and 2)", "'dice'", "key"]),
    ),
    (
        *("a key twice", {"metrics": ["dice", {"name": "iou", "key": "dice"}]}, errors.InvalidParameterError),
        *("/metrics/1/key", ["(0 and 1)", "'dice'"]),
    ),
    (
        *("alpha", {"metrics": [{"name": "focal_loss", "alpha": 1.5}]}, errors.InvalidParameterError),
        *("/metrics/0/alpha", ["[0, 1]", "found 1.5"]),
    ),
    (
        *("weightings", {"metrics": [m.CrossEntropy(alpha=0.5).model_dump() | {"pos_weight": 2.0}]}),
        *(errors.InvalidParameterError, "/metrics/0/alpha", ["found pos_weight and alpha"]),
    ),
    (
        *("squares", {"metrics": ["dice", {"name": "iou", "squared": True, "soft_target": "l1"}]}),
        *(errors.InvalidParameterError, "/metrics/1/squared", ["exclude each other"]),
    ),
    ("classes of a mask", {"num_classes": 2}, errors.InvalidParameterError, "/num_classes", ["'binary'", "found 2"]),
    ("axis of a mask", {"channel_axis": -1}, errors.InvalidParameterError, "/channel_axis", ["'binary'", "found -1"]),
    ("none", {"metrics": []}, errors.InvalidParameterError, "/metrics", ["1 or more"]),
    (
        "task",
        {"task": "regression"},
        errors.InvalidParameterError,
        "/task",
        ["'regression'", "'binary'", "'multilabel'"],
    ),
    ("kind", {"prediction_kind": "scores"}, errors.InvalidParameterError, "/prediction_kind", ["'scores'", "'logits'"]),
    ("threshold", {"threshold": 1.5}, errors.InvalidParameterError, "/threshold", ["1.5", "less than or equal to 1"]),
    (
        *("classes", {"task": "multiclass", "prediction_kind": "labels"}, errors.InvalidParameterError),
        *("/num_classes", ["num_classes is needed"]),
    ),
    (
        *("axis", {"task": "multilabel", "channel_axis": 2}, errors.ShapeMismatchError),
        *("/channel_axis", ["[2, 3]", "channel axis 2"]),
    ),
    (
        "task fit",
        {"task": "multiclass", "metrics": ["mean_iou"]},
        errors.MetricDoesNotFitError,
        "/metrics/0",
        ["binary"],
    ),
    (
        *("kind fit", {"prediction_kind": "labels", "metrics": ["dice", "focal_loss"]}, errors.MetricDoesNotFitError),
        *("/metrics/1", ["'labels'", "logits or probabilities"]),
    ),
    (
        *("length fit", {"metrics": [m.CrossEntropy(class_weights=[1, 2, 3])]}, errors.MetricDoesNotFitError),
        *("/metrics/0", ["3 entries", "2 are needed"]),
    ),
]


@pytest.mark.parametrize(
    ("change", "error", "pointer", "words"), [row[1:] for row in BAD_QUESTIONS], ids=[row[0] for row in BAD_QUESTIONS]
)
def test_a_bad_question(
    client: Client, change: Document, error: type[errors.ProblemError], pointer: str, words: list[str]
) -> None:
    """What cannot be asked is refused with the place in the document, what was found and what is allowed."""
    with pytest.raises(error) as raised:
        client.score(**PAIR, **(ASKED | change))
    assert (raised.value.status, raised.value.pointer) == (422, pointer)
    assert [word for word in words if word not in raised.value.detail] == []


# ------------------------------------------------------------------------------------------------------ in the encodings


def b64(content: bytes) -> str:
    """Base64 of RFC 4648."""
    return base64.b64encode(content).decode()


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


def in_raw(content: bytes = PREDICTION.tobytes(), **about: Any) -> Document:
    """The prediction's elements, told otherwise."""
    return {"encoding": "raw", "dtype": "float32", "shape": [2, 3], "data": b64(content), **about}


def png_of_size(width: int, height: int) -> bytes:
    """A PNG file whose header declares another size."""
    file = bytearray(png(TARGET))
    file[16:24] = struct.pack(">II", width, height)
    file[29:33] = struct.pack(">I", zlib.crc32(file[12:29]))
    return bytes(file)


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
    "coco_rle: pixels": (
        {"encoding": "coco_rle", "size": [2, 3], "counts": [1, 3]},
        "undecodable_array",
        "/counts",
        ["4", "6"],
    ),
    "coco_rle: terabytes": (
        {"encoding": "coco_rle", "size": [2**20, 2**20], "counts": [2**40]},
        "limit_exceeded",
        "/size",
        ["67108864"],
    ),
    "coco_rle: cut": ({"encoding": "coco_rle", "size": [2, 3], "counts": "13R"}, "undecodable_array", "/counts", []),
    "coco_polygons: two points": (
        {"encoding": "coco_polygons", "size": [2, 3], "polygons": [[0, 0, 1, 1]]},
        "undecodable_array",
        "/polygons/0",
        ["4 numbers"],
    ),
    "label_studio_rle: cut": (
        {"encoding": "label_studio_rle", "rle": [0, 0, 0], "original_width": 3, "original_height": 2},
        "undecodable_array",
        "/rle",
        ["3 bytes"],
    ),
    "cvat_rle: box": (
        {"encoding": "cvat_rle", "size": [2, 3], "points": [8, 0, 0, 3, 1]},
        "undecodable_array",
        "/points",
        ["width 4", "[2, 3]"],
    ),
    "part: none": ({"encoding": "part", "name": "p"}, "undecodable_array", "/name", ["no part"]),
    "tensor: none": ({"encoding": "tensor", "name": "p"}, "undecodable_array", "/name", ["no tensor"]),
    "unknown": ({"encoding": "pickle", "data": ""}, "invalid_parameter", "/encoding", ["'pickle'", "npy"]),
}


def score(caller: httpx.Client, body: Body, path: str = "/v1/score") -> httpx.Response:
    """The answer to a body."""
    return caller.post(path, content=body.content, headers={"Content-Type": body.media_type})


GOOD: Document = {role: CARRIERS["npy"](array, role).document for role, array in PAIR.items()}


@pytest.mark.parametrize("name", BAD_ENCODINGS)
@pytest.mark.parametrize("role", ["prediction", "target", "weight"])
def test_a_bad_encoding(caller: httpx.Client, name: str, role: str) -> None:
    """Bytes that are not what their encoding says are refused where they stand, whatever array they should be."""
    document, code, pointer, words = BAD_ENCODINGS[name]
    wrong = {**GOOD, role: document}
    whole = score(caller, in_json({**ASKED, **wrong}, {}))
    items = score(caller, in_json({**ASKED, "items": [GOOD, wrong, GOOD]}, {}), "/v1/score/batch").json()["items"]
    problem, in_place = whole.json(), items[1]["problem"]
    assert (whole.status_code, problem["code"], problem["pointer"]) == (422, code, f"/{role}{pointer}")
    assert [word for word in words if word not in problem["detail"]] == []
    assert (in_place["code"], in_place["pointer"]) == (code, f"/items/1/{role}{pointer}")
    assert in_place["detail"] == problem["detail"]
    assert items[0]["scores"] == items[2]["scores"] == score(caller, in_json({**ASKED, **GOOD}, {})).json()["scores"]


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


# ------------------------------------------------------------------------------------------------------------- the caps


def test_the_caps_are_named_in_their_errors(client: Client, caller: httpx.Client) -> None:
    """What is over a cap of `GET /v1/limits` is refused with the cap's name and its number."""
    limits = client.limits()
    labels = {"task": "multiclass", "prediction_kind": "labels"}
    over: dict[str, tuple[Document, str]] = {
        "array_elements": ({"prediction": in_raw(shape=[limits.array_elements + 1])}, "/prediction/shape"),
        "dimensions": ({"prediction": in_raw(shape=[1] * (limits.dimensions + 1))}, "/prediction/shape"),
        "image_pixels": (
            {"target": {"encoding": "png", "data": b64(png_of_size(limits.image_pixels + 1, 1))}},
            "/target/data",
        ),
        "list_elements": (
            {"prediction": {"encoding": "list", "data": [0] * (limits.list_elements + 1)}},
            "/prediction/data",
        ),
        "metrics": ({"metrics": [{"name": "dice", "key": str(i)} for i in range(limits.metrics + 1)]}, "/metrics"),
        "classes": ({**labels, "num_classes": limits.classes + 1}, "/num_classes"),
    }
    answers = {name: score(caller, in_json({**ASKED, **GOOD, **change}, {})) for name, (change, _) in over.items()}
    problems = {name: answer.json() for name, answer in answers.items()}
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(over, 422)
    assert {name: (problem["limit"], problem["pointer"]) for name, problem in problems.items()} == {
        name: (name, pointer) for name, (_, pointer) in over.items()
    }
    silent = {name for name, problem in problems.items() if str(getattr(limits, name)) not in problem["detail"]}
    assert silent == set()


def test_the_caps_of_a_whole_body_are_named(client: Client, caller: httpx.Client) -> None:
    """So is a batch of too many items, a document too deep or too long, a form of too many parts."""
    limits = client.limits()
    deep = b'{"metrics":' + b"[" * limits.json_depth + b"]" * limits.json_depth + b"}"
    parts = {f"{place}": Carried({}, "image/png") for place in range(limits.parts)}
    over = {
        "items": in_json({**ASKED, "items": [{}] * (limits.items + 1)}, {}),
        "json_depth": Body("application/json", deep),
        "json_values": Body("application/json", b"[" + b"0," * (limits.json_values + 1) + b"0]"),
        "json_members": in_json(dict.fromkeys(map(str, range(limits.json_members + 1))), {}),
        "parts": in_multipart({**ASKED, **GOOD}, parts),
    }
    answers = {name: score(caller, body, "/v1/score/batch") for name, body in over.items()}
    assert {name: (answer.status_code, answer.json().get("limit")) for name, answer in answers.items()} == {
        name: (422, name) for name in over
    }


def test_an_array_in_a_problem_is_never_shown(caller: httpx.Client) -> None:
    """What an array's data holds is not in the problem that it causes."""
    secret = b64(b"a patient's name" * 4)
    for wrong in ({"encoding": "npy", "data": secret}, {"encoding": "raw", "data": secret}, [secret]):
        answer = score(caller, in_json({**ASKED, **GOOD, "prediction": wrong}, {}))
        assert answer.status_code == 422
        assert secret[:12] not in json.dumps(answer.json())


def test_a_failed_item_is_never_a_number(client: Client) -> None:
    """A bad item raises where it is read, is none in a column, and leaves the mean."""
    answer = client.score_batch([PAIR, {**PAIR, "target": TARGET * 255}, PAIR], **ASKED)
    assert isinstance(answer[0], ScoredItem)
    assert answer.column("dice") == [answer[0]["dice"], None, answer[0]["dice"]]
    assert (answer.summary["dice"].mean, answer.summary["dice"].skipped) == (answer[0]["dice"], 1)
    with pytest.raises(errors.InvalidValuesError):
        answer[1]["dice"]
