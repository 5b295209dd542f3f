"""Callers who mean harm: a problem that names what is over a cap or cannot be, never a fault of the service."""

import asyncio
import base64
import io
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.contract.http.conftest import Serving

pytestmark = pytest.mark.anyio
Document = dict[str, Any]
ERRORS: Document = {"maps": [{"kind": "errors"}]}
THRESHOLD: Document = {"sweep": {"thresholds": [0.5]}}
MASK: Document = {"task": "binary", "prediction_kind": "labels"}
LABELS: Document = {
    **{"task": "multiclass", "prediction_kind": "labels", "num_classes": 3},
    "prediction": {"encoding": "list", "data": [[0, 1], [2, 1]]},
    "target": {"encoding": "list", "data": [[0, 1], [1, 1]]},
}
CLASSES: Document = {
    **{"task": "multiclass", "prediction_kind": "probabilities"},
    "prediction": {"encoding": "list", "data": [[[0.5, 0.2]], [[0.3, 0.3]], [[0.2, 0.5]]]},
    "target": {"encoding": "list", "data": [[0, 2]]},
}


@pytest.fixture
def asked(pair: Document) -> Document:
    """A pair of probabilities, to be swept or mapped."""
    return {"task": "binary", "prediction_kind": "probabilities", **pair}


def runs(count: int, height: int, width: int) -> Document:
    """Pixels that are all 1, in a few bytes."""
    return {"encoding": "coco_rle", "size": [height, width], "counts": [0, count]}


def npy(array: Any) -> Document:
    """A .npy file."""
    file = io.BytesIO()
    np.save(file, array)
    return {"encoding": "npy", "data": base64.b64encode(file.getvalue()).decode()}


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        *(
            (accept, 406)
            for accept in ("image/gif", "nothing", "*/*;q=0", "text/html, image/gif;q=0.5", ",,,", ";q=1", "\xe9")
        ),
        *(("application/json" + tail, 200) for tail in (";q=nan", ";q=inf", ";q=-1", ";q=1e999", ";q=", ";q=x", ";;;")),
        ("application/json;q=0.000, text/html", 406),
        ("text/csv" + " " * 60_000 + "x", 406),
        (";q=1" * 10_000, 406),
    ],
)
@pytest.mark.parametrize(("path", "more"), [("/v1/sweep", THRESHOLD), ("/v1/maps", ERRORS)])
async def test_what_is_accepted(
    client: httpx.AsyncClient, asked: Document, path: str, more: Document, accept: str, status: int
) -> None:
    """An Accept that names nothing that there is, is told what there is; a quality that is none counts as 1."""
    answer = await client.post(path, json={**asked, **more}, headers={b"Accept": accept.encode("latin-1")})
    assert answer.status_code == status
    if status == 406:
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.json()["code"], "application/json" in answer.json()["detail"]) == ("not_acceptable", True)


@pytest.mark.parametrize(
    ("accept", "is_csv"), [("text/csv, */*", True), ("text/*", True), ("text/csv;q=0, */*", False)]
)
async def test_the_table_that_is_named(client: httpx.AsyncClient, asked: Document, accept: str, is_csv: bool) -> None:
    """Of media types that are liked alike the one that is named most exactly is sent."""
    answer = await client.post("/v1/sweep", json={**asked, **THRESHOLD}, headers={"Accept": accept})
    assert answer.headers["content-type"].startswith("text/csv" if is_csv else "application/json")


@pytest.mark.parametrize(
    ("sweep", "limit", "pointer"),
    [
        ({"thresholds": [place / 5000 for place in range(5000)]}, "json_members", None),
        ({"thresholds": ["a"] * 4000}, None, "/sweep/thresholds"),
        ({"thresholds": [[[0.5]]]}, None, "/sweep/thresholds/0"),
        ({"focal": {"alpha": [1 / n for n in range(1, 10_001)], "gamma": [1]}}, "json_members", None),
        (
            {"focal": {"alpha": [1 / n for n in range(1, 1001)], "gamma": [n / 10 for n in range(100)]}},
            None,
            "/sweep/focal",
        ),
    ],
)
async def test_a_grid_of_very_many_cells(
    client: httpx.AsyncClient, asked: Document, sweep: Document, limit: str | None, pointer: str | None
) -> None:
    """Lists and tables have a length at most, which is told before anything is computed."""
    problem = (await client.post("/v1/sweep", json={**asked, "sweep": sweep})).json()
    assert (problem["status"], problem.get("limit"), problem.get("pointer")) == (422, limit, pointer)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/v1/sweep", THRESHOLD),
        ("/v1/maps", ERRORS),
        ("/v1/maps", {"maps": [{"kind": "loss", "metric": "focal_loss"}]}),
        ("/v1/maps", {"maps": [{"kind": "gradient", "metric": "dice_loss"}]}),
    ],
)
async def test_a_prediction_that_is_no_number(
    client: httpx.AsyncClient, asked: Document, path: str, more: Document, value: float, dtype: str
) -> None:
    """What is not finite is refused with its place, in every dtype."""
    array = np.array([[0.5, 0.5], [value, 0.5]], dtype)
    problem = (await client.post(path, json={**asked, **more, "prediction": npy(array)})).json()
    assert (problem["status"], problem["code"], problem["pointer"]) == (422, "invalid_values", "/prediction")
    assert "[1, 0]" in problem["detail"]


@pytest.mark.parametrize("dtype", ["bool", "uint64", "<U3", "complex64", "datetime64[s]"])
@pytest.mark.parametrize(("path", "more"), [("/v1/sweep", THRESHOLD), ("/v1/maps", ERRORS)])
async def test_a_dtype_that_is_no_probability(
    client: httpx.AsyncClient, asked: Document, path: str, more: Document, dtype: str
) -> None:
    """A mask, integers that no float64 holds, words, complex numbers and dates are no predictions."""
    array = np.full((2, 2), 2**63) if dtype == "uint64" else np.ones((2, 2)).astype(dtype)
    problem = (await client.post(path, json={**asked, **more, "prediction": npy(array)})).json()
    assert (problem["status"], problem["pointer"].startswith("/prediction")) == (422, True)
    assert problem["code"] in ("invalid_dtype", "invalid_values")


@pytest.mark.parametrize("axes", [4, 5, 8])
async def test_pixels_of_many_axes(client: httpx.AsyncClient, asked: Document, axes: int) -> None:
    """They are swept and mapped as others are, in their own shape."""
    prediction, target = np.full((2,) * axes, 0.7), np.arange(2**axes).reshape((2,) * axes) % 2
    many = {**asked, "prediction": npy(prediction), "target": npy(target)}
    [row] = (await client.post("/v1/sweep", json={**many, **THRESHOLD})).json()["thresholds"]
    assert (row["tp"], row["fp"]) == (2 ** (axes - 1), 2 ** (axes - 1))
    found = await client.post("/v1/maps", json={**many, **ERRORS}, headers={"Accept": "application/x-npy"})
    assert np.array_equal(np.load(io.BytesIO(found.content)), np.where(target == 1, 1, 2))


@pytest.mark.parametrize("path", ["/v1/sweep", "/v1/maps"])
@pytest.mark.parametrize("task", ["instances", "boxes"])
async def test_what_has_no_pixels_of_classes(client: httpx.AsyncClient, path: str, task: str) -> None:
    """Ids are neither swept nor mapped, boxes not swept and neither right nor wrong: the task, or the kind of map, is pointed to."""
    arrays = {role: {"encoding": "list", "data": [[0, 0, 1, 1]]} for role in ("prediction", "target")}
    kinds = (
        {"instances": "labels", "boxes": "boxes"} if path == "/v1/maps" else {"instances": "logits", "boxes": "boxes"}
    )
    more = ERRORS if path == "/v1/maps" else {}
    problem = (await client.post(path, json={"task": task, "prediction_kind": kinds[task], **arrays, **more})).json()
    pointer = "/maps/0/kind" if (path, task) == ("/v1/maps", "boxes") else "/task"
    assert (problem["status"], problem["pointer"]) == (422, pointer)
    assert f"found {task!r}" in problem["detail"]


async def test_regions_are_not_swept(client: httpx.AsyncClient) -> None:
    """Masks of labels have no probability that a focal loss could be of."""
    grid = {"sweep": {"focal": {"alpha": [None], "gamma": [2]}}}
    problem = (await client.post("/v1/sweep", json={**CLASSES, "regions": [[1]], **grid})).json()
    assert (problem["status"], problem["pointer"]) == (422, "/regions")


@pytest.mark.parametrize("axis", [0, 1, 31, -32])
async def test_regions_of_labels_come_first(client: httpx.AsyncClient, axis: int) -> None:
    """A map of labels has no axis of classes: wherever it is said to be, a region's errors are the first axis'."""
    request = {**LABELS, "channel_axis": axis, "regions": [[1, 2], [2]], **ERRORS}
    answer = await client.post("/v1/maps", json=request, headers={"Accept": "application/x-npy"})
    assert np.load(io.BytesIO(answer.content)).tolist() == [[[0, 1], [1, 1]], [[0, 0], [2, 0]]]


async def test_regions_of_very_many_pixels(serving: Serving) -> None:
    """Regions times pixels are no more than an array's elements, alone, in an item and in a stack."""
    one = {role: LABELS[role] for role in ("prediction", "target")}
    stack = {role: {"encoding": "list", "data": [array["data"]] * 2} for role, array in one.items()}
    asked = {**LABELS, "metrics": ["dice"], "regions": [[0], [1], [2]]}
    question = {name: value for name, value in asked.items() if name not in one}
    async with serving(array_elements=11) as client:
        alone = (await client.post("/v1/score", json=asked)).json()
        items = (await client.post("/v1/score/batch", json={**question, "items": [one]})).json()["items"]
        stacked = (await client.post("/v1/score/batch", json={**question, **stack})).json()
    for problem in (alone, items[0]["problem"], stacked):
        assert (problem["status"], problem["limit"]) == (422, "array_elements")
        assert problem["pointer"] == "/regions"
    async with serving(array_elements=12) as client:
        assert (await client.post("/v1/score", json=asked)).status_code == 200


async def test_annotations_are_as_long_as_their_lists_may_be(client: httpx.AsyncClient) -> None:
    """Runs, bytes and corners are an array's data: the cap on members is not theirs."""
    stripes = np.tile([0, 1], (100, 50))
    every = {"encoding": "coco_rle", "size": [100, 100], "counts": [1] * 10_000}
    points = {"encoding": "cvat_rle", "size": [100, 100], "points": [1] * 10_000 + [0, 0, 99, 99]}
    corners = {"encoding": "coco_polygons", "size": [100, 100], "polygons": [[0.0, 0, 100, 0, 100, 100, 0, 100] * 1000]}
    body = np.packbits([int(bit) for bit in f"{10_000:032b}" + "0" * 21 + "10001" * 10_000]).tolist()
    brush = {"encoding": "label_studio_rle", "rle": body, "original_width": 100, "original_height": 100}
    for array, pixels in ((every, 5000), (points, 5000), (brush, 10_000), (corners, None)):
        request = {**MASK, "metrics": ["confusion"], "prediction": array, "target": npy(stripes.astype(np.uint8))}
        answer = await client.post("/v1/score", json=request)
        assert answer.status_code == 200, answer.text
        found = answer.json()["scores"]["confusion"]
        assert pixels is None or found["tp"] + found["fp"] == pixels


async def test_a_batch_of_few_bytes_that_says_very_many_pixels(serving: Serving) -> None:
    """Items decode to no more than a body of packed masks could: those behind are problems in their places."""
    item = {"prediction": runs(10_000, 100, 100), "target": runs(10_000, 100, 100)}
    async with serving(inflated_bytes=5000) as client:
        asked = {**MASK, "metrics": ["dice"], "items": [item] * 4}
        answer = (await client.post("/v1/score/batch", json=asked)).json()["items"]
    assert [one["scores"]["dice"]["value"] for one in answer[:2]] == [1, 1]
    for place, one in enumerate(answer[2:], 2):
        assert (one["problem"]["limit"], one["problem"]["pointer"]) == ("inflated_bytes", f"/items/{place}")


async def test_two_callers_at_once(client: httpx.AsyncClient, asked: Document) -> None:
    """Each of many callers has the answer that it would have alone."""

    def swept(threshold: float) -> Any:
        return client.post("/v1/sweep", json={**asked, "sweep": {"thresholds": [threshold]}})

    def mapped(threshold: float) -> Any:
        request = {**asked, "maps": [{"kind": "errors", "threshold": threshold}]}
        return client.post("/v1/maps", json=request, headers={"Accept": "application/x-npy"})

    thresholds = (0.1, 0.3, 0.5, 0.8)
    alone = [((await swept(th)).json()["thresholds"], (await mapped(th)).content) for th in thresholds]
    both = await asyncio.gather(*(call(th) for _ in range(5) for th in thresholds for call in (swept, mapped)))
    together = [(one.json()["thresholds"], other.content) for one, other in zip(both[::2], both[1::2], strict=True)]
    assert together == alone * 5


async def test_an_image_of_very_many_pixels(client: httpx.AsyncClient) -> None:
    """A PNG of a few bytes is refused by its header where its pixels are over the cap."""
    file = io.BytesIO()
    Image.fromarray(np.zeros((1, 1), np.uint8)).resize((9000, 9000)).save(file, "png")
    image = {"encoding": "png", "data": base64.b64encode(file.getvalue()).decode()}
    problem = (await client.post("/v1/maps", json={**MASK, "prediction": image, "target": image, **ERRORS})).json()
    assert (problem["status"], problem["limit"], problem["pointer"]) == (422, "image_pixels", "/prediction/data")
