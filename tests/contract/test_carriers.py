"""The same data gives the same bits, whatever carries it."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import pytest
from lossgauge import Client
from lossgauge.bodies import KINDS, Encoding
from lossgauge.encodings import BY_NAME
from lossgauge.encodings.part import READERS
from lossgauge.metrics import MetricSpec
from lossgauge.wire import Question, Score
from lossgauge_service.samples import sample_of
from PIL import Image

from tests import laws
from tests.contract.carriers import (
    BODIES,
    CARRIERS,
    CODINGS,
    PARTS,
    WAYS,
    AnyArray,
    Body,
    Carried,
    Carrier,
    can_carry,
    in_json,
)
from tests.scoring import fitting, keyed

Document = dict[str, Any]
Arrays = Mapping[str, Any]
Scores = list[Document]
SAMPLES = 3
SQUARE = np.eye(3, dtype=bool)
RNG = np.random.default_rng(2)


@dataclass(frozen=True)
class Stack:
    """Samples stacked along the first axis, and what is asked of them."""

    arrays: Arrays
    asked: Document = field(default_factory=dict)

    def sample(self, index: int) -> Arrays:
        """One of them."""
        return {role: array[index] for role, array in self.arrays.items()}


def _masks(*shape: int) -> AnyArray:
    return RNG.random((SAMPLES, *shape)) < 0.4


def _normal(*shape: int) -> AnyArray:
    return RNG.normal(0, 2, (SAMPLES, *shape)).astype(np.float32)


def _labels(*shape: int) -> AnyArray:
    return RNG.integers(0, 4, (SAMPLES, *shape), dtype=np.uint8)


def _boxes(*shape: int) -> AnyArray:
    corners = RNG.random((SAMPLES, *shape, 2, 2))
    return np.concatenate([corners.min(-1), corners.max(-1)], -1)


LOSSES = ["focal_loss", "dice_loss"]
COUNTS = ["dice", "confusion"]
BINARY: Document = {"task": "binary", "metrics": [*COUNTS, "mean_iou"]}
LOGITS: Document = {"task": "multiclass", "prediction_kind": "logits", "metrics": ["cross_entropy", *COUNTS]}
LABELS: Document = {"task": "multiclass", "prediction_kind": "labels", "metrics": COUNTS, "num_classes": 4}
MULTILABEL: Document = {"task": "multilabel", "prediction_kind": "probabilities", "metrics": [*LOSSES, *COUNTS]}

STACKS: dict[str, Stack] = {
    "masks": Stack({"prediction": _masks(9, 7), "target": _masks(9, 7)}, {**BINARY, "prediction_kind": "labels"}),
    "float logits": Stack(
        {"prediction": _normal(9, 7), "target": _masks(9, 7), "weight": np.abs(_normal(9, 7))},
        {"task": "binary", "prediction_kind": "logits", "metrics": [*COUNTS, *LOSSES], "precision": "float32"},
    ),
    "float64 logits": Stack(
        {"prediction": _normal(300).astype(np.float64), "target": _masks(300)},
        {"task": "binary", "prediction_kind": "logits", "metrics": [*LOSSES, *COUNTS]},
    ),
    "labels": Stack({"prediction": _labels(9, 7), "target": _labels(9, 7)}, LABELS),
    "class logits": Stack(
        {"prediction": _normal(4, 9, 7), "target": _labels(9, 7).astype(np.uint16)},
        {**LOGITS, "ignore_index": 3, "precision": "float64"},
    ),
    "label probabilities": Stack(
        {"prediction": 1 / (1 + np.exp(-_normal(2, 9, 7))), "target": _masks(2, 9, 7)},
        {**MULTILABEL, "precision": "float32"},
    ),
}


@pytest.fixture(scope="session")
def expected(client: Client) -> dict[str, Scores]:
    """The scores of every sample of every stack, as the client gets them one by one."""
    return {name: [_scores_of(client, stack, index) for index in range(SAMPLES)] for name, stack in STACKS.items()}


def _scores_of(client: Client, stack: Stack, index: int) -> Document:
    return _told(client.score(**stack.sample(index), **stack.asked).scores)


def _told(scores: Mapping[str, Score]) -> Document:
    """Scores as a caller without the client reads them."""
    return {key: score.model_dump(exclude_unset=True) for key, score in scores.items()}


# -------------------------------------------------------------------------------------------------------- by hand


def _carried(carrier: str, arrays: Arrays, prefix: str = "") -> tuple[Document, dict[str, Carried]]:
    """The documents of the arrays by role, and what is carried under which name."""
    carried = {prefix + role: _fitting(carrier, array)(array, prefix + role) for role, array in arrays.items()}
    return {role: carried[prefix + role].document for role in arrays}, carried


def _fitting(carrier: str, array: AnyArray) -> Carrier:
    """The carrier; for an array that cannot travel so, a weight in a PNG, a .npy file in its place."""
    plain = "part npy" if carrier.startswith("part") else "npy"
    return CARRIERS[carrier if can_carry(carrier, array) else plain]


def _one(body: str, carrier: str, stack: Stack) -> Body:
    document, carried = _carried(carrier, stack.sample(0))
    return BODIES[body](document | stack.asked, carried)


def _items(body: str, carrier: str, stack: Stack) -> Body:
    packed = [_carried(carrier, stack.sample(index), f"{index}.") for index in range(SAMPLES)]
    items = [document for document, _ in packed]
    return BODIES[body](
        {**stack.asked, "items": items}, {name: one for _, some in packed for name, one in some.items()}
    )


def _stacked(body: str, carrier: str, stack: Stack) -> Body:
    document, carried = _carried(carrier, stack.arrays)
    return BODIES[body](document | stack.asked, carried)


MAKERS = {"one": ("/v1/score", _one), "items": ("/v1/score/batch", _items), "stacked": ("/v1/score/batch", _stacked)}


def _forms(carrier: str, stack: Stack) -> list[str]:
    """The forms of a request in which the carrier carries something."""
    alone, together = stack.sample(0).values(), stack.arrays.values()
    forms = ["one", "items"] if any(can_carry(carrier, array) for array in alone) else []
    return [*forms, "stacked"] if any(can_carry(carrier, array) for array in together) else forms


BY_HAND = [(name, *way) for name, stack in STACKS.items() for way in WAYS if _forms(way[1], stack)]


def _posted(caller: httpx.Client, path: str, body: Body, coding: str) -> Scores:
    headers = {"Content-Type": body.media_type, "Content-Encoding": coding}
    answer = caller.post(path, content=CODINGS[coding](body.content), headers=headers)
    assert answer.status_code == 200, answer.text
    document = answer.json()
    return [item["scores"] for item in document.get("items", [document])]


@pytest.mark.parametrize(("name", "body", "carrier"), BY_HAND, ids=lambda word: word.replace(" ", "_"))
def test_every_carrier_gives_the_same_bits(
    caller: httpx.Client, expected: dict[str, Scores], name: str, body: str, carrier: str
) -> None:
    """An encoding in a body, compressed or not, as a pair, as items and stacked, scores as the client's own request."""
    stack, all_of_them = STACKS[name], expected[name]
    forms = _forms(carrier, stack)
    bodies = {form: (MAKERS[form][0], MAKERS[form][1](body, carrier, stack)) for form in forms}
    found = {form: _posted(caller, *bodies[form], "identity") for form in forms}
    assert found == {form: all_of_them[:1] if form == "one" else all_of_them for form in forms}
    assert {coding: _posted(caller, *bodies[forms[0]], coding) for coding in CODINGS} == dict.fromkeys(
        CODINGS, found[forms[0]]
    )


EVERYTHING: dict[str, Stack] = {
    "masks": Stack(
        {"prediction": _masks(9, 7), "target": _masks(9, 7)}, {"task": "binary", "prediction_kind": "labels"}
    ),
    "logits": Stack(
        {"prediction": _normal(9, 7), "target": _masks(9, 7)},
        {"task": "binary", "prediction_kind": "logits", "precision": "float32"},
    ),
    "class logits": Stack(
        {"prediction": _normal(4, 9, 7), "target": _labels(9, 7)},
        {"task": "multiclass", "prediction_kind": "logits", "precision": "float32"},
    ),
    "instances": Stack(
        {"prediction": _labels(9, 7), "target": _labels(9, 7)}, {"task": "instances", "prediction_kind": "labels"}
    ),
    "boxes": Stack({"prediction": _boxes(5), "target": _boxes(5)}, {"task": "boxes", "prediction_kind": "boxes"}),
}
"""A pair of each kind, of which every metric of the catalogue that takes it is asked once."""


def _taken(stack: Stack) -> list[MetricSpec]:
    asked = Question(**stack.asked, metrics=keyed([spec for spec in laws.CARRIED_ALIKE.specs if _takes(spec, stack)]))
    fit = fitting(asked.metrics, asked, sample_of(asked, *stack.sample(0).values()).case)
    each = {spec.name: spec for spec in reversed(fit)}
    return [spec.model_copy(update={"key": None}) for spec in each.values()]


def _takes(spec: MetricSpec, stack: Stack) -> bool:
    return stack.asked["task"] in spec.about.tasks and stack.asked["prediction_kind"] in spec.about.kinds


def test_no_metric_is_carried_by_nothing() -> None:
    """Every metric that the law holds for, which are all, is asked below."""
    assert {spec.name for stack in EVERYTHING.values() for spec in _taken(stack)} == laws.CARRIED_ALIKE.holds


@pytest.mark.parametrize("name", EVERYTHING)
def test_every_metric_has_the_same_bits_by_every_carrier(caller: httpx.Client, client: Client, name: str) -> None:
    """Whatever a metric sums, ranks or measures: the whole catalogue, carried in every way, scores as the client's request."""
    stack = EVERYTHING[name]
    whole = Stack(stack.arrays, {**stack.asked, "metrics": [spec.model_dump(mode="json") for spec in _taken(stack)]})
    expected = _scores_of(client, whole, 0)
    ways = [way for way in WAYS if "one" in _forms(way[1], whole)]
    assert [way for way in ways if _posted(caller, "/v1/score", _one(*way, whole), "identity") != [expected]] == []


def test_everything_is_carried_by_hand() -> None:
    """No encoding and no kind of body is left out of the test above."""
    assert {carrier for _, _, carrier in BY_HAND} == set(CARRIERS)
    assert {CARRIERS[carrier](SQUARE, "a").document["encoding"] for carrier in CARRIERS} == set(BY_NAME)
    assert {part(SQUARE, "a").media_type.partition(";")[0] for part in PARTS.values()} == set(READERS)


# ---------------------------------------------------------------------------------------------------- by the client


BY_CLIENT = [
    (name, encoding)
    for name, stack in STACKS.items()
    for encoding in KINDS
    if all(can_carry(encoding, array) for array in stack.sample(0).values())
]


@pytest.mark.parametrize(("name", "encoding"), BY_CLIENT)
def test_every_encoding_of_the_client_gives_the_same_bits(
    url: str, expected: dict[str, Scores], name: str, encoding: Encoding
) -> None:
    """A batch of `Client(encoding=..)`, as items and stacked, scores as pairs of the default encoding do."""
    stack = STACKS[name]
    items = [stack.sample(index) for index in range(SAMPLES)]
    given: list[Any] = (
        [items, stack.arrays] if all(can_carry(encoding, array) for array in stack.arrays.values()) else [items]
    )
    with Client(url, retries=0, encoding=encoding) as client:
        answers = [client.score_batch(batch, **stack.asked) for batch in given]
    assert [[_told(item.scores) for item in answer] for answer in answers] == [expected[name]] * len(given)


# --------------------------------------------------------------------------------------------------- channels, dtypes


@pytest.mark.parametrize("name", ["class logits", "label probabilities"])
@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_the_channels_may_stand_anywhere(client: Client, expected: dict[str, Scores], name: str, axis: int) -> None:
    """Channel first, last or between gives the same bits."""
    sample, whole = STACKS[name].sample(0), STACKS[name].arrays["prediction"].ndim - 1
    moved = {role: np.moveaxis(array, 0, axis) if array.ndim == whole else array for role, array in sample.items()}
    answer = client.score(**moved, **STACKS[name].asked, channel_axis=axis)
    assert _told(answer.scores) == expected[name][0]


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "uint16", "int32", "uint64", "int64", "float32", "float64"])
def test_a_mask_may_have_any_dtype(client: Client, expected: dict[str, Scores], dtype: str) -> None:
    """A mask of 0 and 1 is the same mask in every dtype."""
    sample = {role: array.astype(dtype) for role, array in STACKS["masks"].sample(0).items()}
    assert _told(client.score(**sample, **STACKS["masks"].asked).scores) == expected["masks"][0]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "int32", "uint32", "int64", "uint64"])
@pytest.mark.parametrize("name", ["labels", "class logits"])
def test_labels_may_have_any_integer_dtype(client: Client, expected: dict[str, Scores], name: str, dtype: str) -> None:
    """Class labels, ignored ones too, are the same in every integer dtype."""
    sample = {role: array.astype(dtype) if array.dtype.kind == "u" else array for role, array in _first(name).items()}
    assert _told(client.score(**sample, **STACKS[name].asked).scores) == expected[name][0]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_narrow_float_is_computed_in_float32(caller: httpx.Client, client: Client, dtype: str) -> None:
    """A float16 or bfloat16 prediction scores as the float32 of the same values."""
    logits = _first("float logits")["prediction"]
    bits = logits.astype(np.float16) if dtype == "float16" else (logits.view(np.uint32) >> 16).astype(np.uint16)
    same = bits.astype(np.float32) if dtype == "float16" else (bits.astype(np.uint32) << 16).view(np.float32)
    asked: Document = {"task": "binary", "prediction_kind": "logits", "metrics": LOSSES}
    target = _first("float logits")["target"]
    narrow = {
        "encoding": "raw",
        "dtype": dtype,
        "shape": [*bits.shape],
        "data": base64.b64encode(bits.tobytes()).decode(),
    }
    document = {**asked, "prediction": narrow, "target": CARRIERS["npy"](target, "").document}
    found = _posted(caller, "/v1/score", in_json(document, {}), "identity")
    assert found == [_told(client.score(same, target, **asked).scores)]


def _first(name: str) -> Arrays:
    return STACKS[name].sample(0)


@pytest.mark.parametrize("encoding", KINDS)
def test_a_one_bit_image_is_a_mask(url: str, encoding: Encoding) -> None:
    """A 1-bit PIL image, whose array holds the byte 255 for true, is sent as the mask that it shows."""
    mask = np.eye(8, dtype=bool)
    image = Image.fromarray(mask)
    assert np.asarray(image).view(np.uint8).max() == 255
    with Client(url, retries=0, encoding=encoding) as client:
        answer = client.score(image, mask, prediction_kind="labels", metrics=["confusion"])
        turned = client.score(mask, image, prediction_kind="labels", metrics=["confusion"])
    assert [answer["confusion"], turned["confusion"]] == [0, 0]
