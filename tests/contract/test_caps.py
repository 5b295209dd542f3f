"""The caps of `GET /v1/limits`: each is named in the problem that it causes."""

import httpx
from lossgauge import Client

from tests.contract.carriers import Body, Carried, in_json, in_multipart
from tests.contract.spoilt import ASKED, GOOD, Document, b64, in_raw, png_of_size, score


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
