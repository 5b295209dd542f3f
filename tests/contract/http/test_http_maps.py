"""Maps over HTTP: every media type holds the same arrays, and what cannot be is refused in its place."""

import base64
import io
from typing import Any

import httpx
import numpy as np
import pytest
from lossgauge.encodings import safetensors
from lossgauge.encodings.base import Caps
from lossgauge.mapping import MapResponse
from numpy.typing import NDArray
from PIL import Image

pytestmark = pytest.mark.anyio
Document = dict[str, Any]
GRADIENT: Document = {"kind": "gradient", "metric": "bce_dice"}
LOSS: Document = {"kind": "loss", "metric": {"name": "focal_loss", "gamma": 1.5}, "name": "focal"}
CROSS: Document = {"name": "cross_entropy"}
ERRORS: Document = {"kind": "errors"}
NAMES = ["bce_dice.gradient", "focal", "errors"]


@pytest.fixture
def asked(pair: Document) -> Document:
    """A request of every kind of map."""
    return {"task": "binary", "prediction_kind": "probabilities", **pair, "maps": [GRADIENT, LOSS, ERRORS]}


async def posted(client: httpx.AsyncClient, asked: Document, accept: str | None = None) -> httpx.Response:
    """The answer to a request that accepts a media type."""
    return await client.post("/v1/maps", json=asked, headers={} if accept is None else {"Accept": accept})


def from_npy(content: bytes) -> NDArray[Any]:
    """The array of a .npy file."""
    array: NDArray[Any] = np.load(io.BytesIO(content))
    return array


async def arrays_in_json(client: httpx.AsyncClient, asked: Document) -> dict[str, NDArray[Any]]:
    """The arrays of a JSON answer, by name."""
    document = (await posted(client, asked)).json()
    return {one["name"]: from_npy(base64.b64decode(one["array"]["data"])) for one in document["maps"]}


async def test_the_document_says_what_was_asked(client: httpx.AsyncClient, asked: Document) -> None:
    """JSON, which is what anyone gets, has each map with every default of its metric, and its score."""
    answer = await posted(client, {**asked, "id": "a"})
    assert answer.headers["content-type"] == "application/json"
    assert "compute;dur=" in answer.headers["server-timing"]
    document = MapResponse.model_validate_json(answer.content)
    gradient, loss, errors = document.maps
    assert (document.id, [one.name for one in document.maps]) == ("a", NAMES)
    assert loss.metric is not None
    assert (loss.metric["gamma"], loss.metric["alpha"], errors.threshold) == (1.5, 0.25, 0.5)
    question = {name: value for name, value in asked.items() if name != "maps"}
    scored = (await client.post("/v1/score", json={**question, "metrics": ["bce_dice", LOSS["metric"]]})).json()
    assert [gradient.value, loss.value] == [score["value"] for score in scored["scores"].values()]


async def test_every_media_type_holds_the_same_arrays(client: httpx.AsyncClient, asked: Document) -> None:
    """Safetensors hold what JSON holds; a .npy file holds the one map that is asked for."""
    expected = await arrays_in_json(client, asked)
    answer = await posted(client, asked, "application/x-safetensors")
    metadata, tensors = safetensors.read(answer.content, Caps(), 3)
    assert [one.name for one in MapResponse.model_validate_json(metadata["answer"]).maps] == NAMES
    assert {name: array.tolist() for name, array in tensors.items()} == {n: a.tolist() for n, a in expected.items()}
    assert {name: array.dtype.name for name, array in tensors.items()} == dict(
        zip(NAMES, ("float64", "float64", "uint8"), strict=True)
    )
    for one, name in zip(asked["maps"], NAMES, strict=True):
        alone = await posted(client, {**asked, "maps": [one]}, "application/x-npy")
        assert alone.headers["content-type"] == "application/x-npy"
        assert from_npy(alone.content).tolist() == expected[name].tolist()


async def test_a_picture_says_its_scale(client: httpx.AsyncClient, asked: Document) -> None:
    """A PNG has the map's pixels in the legend's colours, and the legend in words."""
    errors = await posted(client, {**asked, "maps": [ERRORS]}, "image/png")
    image = Image.open(io.BytesIO(errors.content))
    assert "false negative: rgb(0, 114, 178)" in image.info["Description"]
    corners = [image.getpixel((x, y)) for x, y in ((5, 5), (475, 5), (5, 475), (475, 475))]
    assert corners == [(0, 158, 115), (45, 45, 45), (0, 158, 115), (0, 114, 178)]
    gradient = await posted(client, {**asked, "maps": [GRADIENT]}, "image/png")
    most = np.abs((await arrays_in_json(client, asked))[NAMES[0]]).max()
    described = Image.open(io.BytesIO(gradient.content)).info["Description"]
    assert described == f"d bce_dice / d probabilities: {-most:.4g} to {most:.4g}"


def picture_of(answer: httpx.Response) -> Image.Image:
    """The picture of an answer."""
    return Image.open(io.BytesIO(answer.content)).convert("RGB")


def gradient_of_classes(classes: int, height: int, width: int) -> Document:
    """A request for the gradient of equal logits: below 0 in every pixel of the target's class, the last, and above 0 elsewhere."""
    return {
        "task": "multiclass",
        "prediction_kind": "logits",
        "prediction": {"encoding": "list", "data": np.zeros((classes, height, width)).tolist()},
        "target": {"encoding": "list", "data": np.full((height, width), classes - 1).tolist()},
        "maps": [{"kind": "gradient", "metric": "cross_entropy"}],
    }


PAPER, LEAST, MOST = (228, 228, 222), (33, 102, 172), (178, 24, 43)
SHEETS = {
    "40 of 10 x 10": (40, 10, 10, 12, 8, (120, 142)),
    "5 of 10 x 10": (5, 10, 10, 32, 3, (320, 342)),
    "3 of 100 x 200": (3, 100, 200, 2, 2, (400, 222)),
    "2 of 512 x 512": (2, 512, 512, 1, 2, (512, 534)),
    "4 of 3 x 200": (4, 3, 200, 4, 1, (800, 34)),
}


@pytest.mark.parametrize("sheet", SHEETS.values(), ids=SHEETS)
async def test_classes_stand_in_rows(client: httpx.AsyncClient, sheet: Any) -> None:
    """Every class is a tile of whole factors of its pixels, in rows of a like height and width, and none is cut."""
    classes, height, width, times, columns, step = sheet
    image = picture_of(await posted(client, gradient_of_classes(classes, height, width), "image/png"))
    colours = np.asarray(image)
    for place in range(classes):
        left, top = place % columns * (step[0] + 4), place // columns * (step[1] + 4)
        tile = colours[top : top + height * times, left : left + width * times]
        wanted = LEAST if place == classes - 1 else tuple(tile[0, 0])
        assert tile.shape == (height * times, width * times, 3)
        assert (tile == wanted).all(), place
        assert tuple(wanted) != PAPER
    assert image.width >= columns * (step[0] + 4) - 4


def inked(colours: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a picture is written on: what is dark, of any colour."""
    return np.asarray((colours < 160).all(2))


@pytest.mark.parametrize(("classes", "height", "width"), [(40, 10, 10), (5, 3, 200), (7, 300, 4), (12, 2, 2)])
async def test_no_word_is_cut(client: httpx.AsyncClient, classes: int, height: int, width: int) -> None:
    """Every class has its number, and none reaches the picture's edge."""
    image = picture_of(await posted(client, gradient_of_classes(classes, height, width), "image/png"))
    written = inked(np.asarray(image))
    assert written.any()
    assert not written[:, -2:].any()
    assert not written[:, :2].any()


async def test_the_numbers_of_narrow_classes_stand_apart(client: httpx.AsyncClient) -> None:
    """A tile that is narrower than its number has the number's room."""
    image = picture_of(await posted(client, gradient_of_classes(7, 300, 4), "image/png"))
    gaps = np.diff(np.flatnonzero(inked(np.asarray(image)[900:922]).any(0))) - 1
    assert (gaps >= 8).sum() == 6


async def test_the_legend_s_words_stand_apart(client: httpx.AsyncClient, asked: Document) -> None:
    """A space of the legend's last line is as wide as it is in the words alone: none has vanished."""
    answer = await posted(client, {**asked, "maps": [GRADIENT]}, "image/png")
    words = Image.open(io.BytesIO(answer.content)).info["Description"]
    columns = np.flatnonzero(inked(np.asarray(picture_of(answer))[-8 - 22 : -8]).any(0))
    gaps = np.diff(columns) - 1
    assert words.count(" ") <= (gaps >= 3).sum()
    assert columns[-1] < 480 - 8


@pytest.mark.parametrize("one", [LOSS, GRADIENT], ids=lambda one: str(one["kind"]))
async def test_what_is_ignored_is_grey(client: httpx.AsyncClient, asked: Document, one: Document) -> None:
    """An ignored pixel is not shown as one that costs nothing; the words say what grey is, where there is any."""
    target = {"encoding": "list", "data": [[1, 9], [1, 1]]}
    plain = await posted(client, {**asked, "maps": [one]}, "image/png")
    assert "ignored" not in Image.open(io.BytesIO(plain.content)).info["Description"]
    answer = await posted(client, {**asked, "target": target, "ignore_index": 9, "maps": [one]}, "image/png")
    image = Image.open(io.BytesIO(answer.content))
    assert image.info["Description"].endswith("; grey: ignored")
    assert image.getpixel((475, 5)) == (190, 190, 190)
    assert image.getpixel((475, 475)) != (190, 190, 190)


INFINITE: Document = {
    "prediction": {"encoding": "list", "data": [[1, 0, 0.3], [0.2, 1, 0.7]]},
    "target": {"encoding": "list", "data": [[0, 0, 1], [1, 1, 1]]},
}
MARKED: dict[str, tuple[Document, str]] = {
    "alone": ({}, "; green: infinite"),
    "beside ignored pixels": (
        {"target": {"encoding": "list", "data": [[0, 0, 1], [1, 1, 9]]}, "ignore_index": 9},
        "; grey: ignored; green: infinite",
    ),
    "below 0": (
        {"maps": [{"kind": "loss", "metric": {"name": "combined_loss", "terms": [{"metric": CROSS, "weight": -1.0}]}}]},
        "; green: infinite",
    ),
}


@pytest.mark.parametrize("case", MARKED.values(), ids=MARKED)
async def test_what_is_infinite_is_green(client: httpx.AsyncClient, asked: Document, case: Any) -> None:
    """An infinite loss has a colour of its own, not the largest finite one's; the words say so."""
    change, words = case
    one = {"kind": "loss", "metric": CROSS}
    answer = await posted(client, {**asked, **INFINITE, "maps": [one], **change}, "image/png")
    image = picture_of(answer)
    assert Image.open(io.BytesIO(answer.content)).info["Description"].endswith(words)
    assert image.getpixel((5, 5)) == (0, 158, 115)
    finite = [image.getpixel((x, y)) for x, y in ((245, 5), (475, 5), (5, 245), (245, 245))]
    assert (0, 158, 115) not in finite


async def test_what_is_no_number_is_yellow(client: httpx.AsyncClient, asked: Document) -> None:
    """Infinite losses that are taken from each other leave no number: not a colour of the scale."""
    smooth = {"name": "cross_entropy", "label_smoothing": 0.1}
    terms = [{"metric": CROSS}, {"metric": smooth, "weight": -1.0}]
    one = {"kind": "loss", "metric": {"name": "combined_loss", "terms": terms}}
    answer = await posted(client, {**asked, **INFINITE, "maps": [one]}, "image/png")
    assert "yellow: no number" in Image.open(io.BytesIO(answer.content)).info["Description"]
    assert picture_of(answer).getpixel((5, 5)) == (240, 228, 66)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("image/*;q=0.1, application/x-safetensors", "application/x-safetensors"),
        ("application/*;q=0.5, application/x-npy;q=0.4", "application/json"),
        ("*/*;q=0.1, IMAGE/PNG", "image/png"),
        ("application/json;q=0, */*", "application/x-safetensors"),
        ("", "application/json"),
    ],
)
async def test_the_best_accepted_media_type_is_sent(
    client: httpx.AsyncClient, asked: Document, accept: str, media_type: str
) -> None:
    """Qualities and wildcards count; of equals the first of JSON, safetensors, npy and PNG."""
    answer = await posted(client, {**asked, "maps": [ERRORS]}, accept)
    assert answer.headers["content-type"] == media_type


REFUSED: dict[str, tuple[list[Document], str | None, int, str, str | None, str]] = {
    "kind": ([{"kind": "heat"}], None, 422, "invalid_parameter", "/maps/0/kind", "loss, gradient, errors"),
    "no kind": ([ERRORS, {"metric": "dice"}], None, 422, "invalid_parameter", "/maps/1/kind", "missing"),
    "metric": ([{"kind": "loss", "metric": "focal"}], None, 422, "unknown_metric", "/maps/0/metric", "focal_loss"),
    "parameter": (
        *([{"kind": "gradient", "metric": {"name": "focal_loss", "gamma": -1}}], None, 422),
        *("invalid_parameter", "/maps/0/metric/gamma", "greater than or equal to 0"),
    ),
    "counts": (
        *([ERRORS, {"kind": "gradient", "metric": "confusion"}], None, 422),
        *("metric_does_not_fit", "/maps/1/metric", "no gradient"),
    ),
    "no sum": (
        *([{"kind": "loss", "metric": "dice_loss"}], None, 422),
        *(
            "metric_does_not_fit",
            "/maps/0/metric",
            "dice_loss has no loss map; allowed of task 'binary': asymmetric_focal",
        ),
    ),
    "same name": ([ERRORS, ERRORS], None, 422, "invalid_parameter", "/maps/1", "two maps (0 and 1)"),
    "reserved": ([{**ERRORS, "name": "__metadata__"}], None, 422, "invalid_parameter", "/maps/0/name", "taken"),
    "none": ([], None, 422, "invalid_parameter", "/maps", "1 or more"),
    "many": ([ERRORS] * 17, None, 422, "invalid_parameter", "/maps", "16"),
    "two in a picture": ([ERRORS, LOSS], "image/png", 406, "not_acceptable", "/maps", "2 are asked for"),
    "two in a file": ([ERRORS, LOSS], "application/x-npy", 406, "not_acceptable", "/maps", "2 are asked for"),
    "text": ([ERRORS], "text/html", 406, "not_acceptable", None, "application/x-safetensors"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
async def test_what_cannot_be_is_refused(client: httpx.AsyncClient, asked: Document, case: Any) -> None:
    """The problem points to the map that is wrong and says what is allowed."""
    maps, accept, status, code, pointer, words = case
    answer = await posted(client, {**asked, "maps": maps}, accept)
    found = answer.json()
    assert (answer.status_code, found["code"], found.get("pointer")) == (status, code, pointer)
    assert words in found["detail"]


@pytest.mark.parametrize("kind", [GRADIENT, LOSS, ERRORS], ids=lambda one: str(one["kind"]))
async def test_bad_values_are_refused_by_every_map(client: httpx.AsyncClient, asked: Document, kind: Document) -> None:
    """A prediction that is none is told as scoring tells it, with its own pointer."""
    wrong = {**asked, "prediction": {"encoding": "list", "data": [[0.9, 0.2], [1.7, 0.4]]}, "maps": [kind]}
    answer = await posted(client, wrong)
    assert (answer.status_code, answer.json()["code"], answer.json()["pointer"]) == (
        422,
        "invalid_values",
        "/prediction",
    )


async def test_a_soft_target_has_no_mistakes(client: httpx.AsyncClient, asked: Document) -> None:
    """Between 0 and 1 nothing is right or wrong."""
    answer = await posted(client, {**asked, "target_kind": "probabilities", "maps": [ERRORS]})
    assert (answer.status_code, answer.json()["pointer"]) == (422, "/target_kind")


async def test_an_undefined_gradient_has_a_reason(client: httpx.AsyncClient, asked: Document) -> None:
    """JSON says why there is no array; what could only hold the array is not acceptable."""
    lost = {**asked, "target": {"encoding": "list", "data": [[9, 9], [9, 9]]}, "ignore_index": 9, "maps": [GRADIENT]}
    [one] = (await posted(client, lost)).json()["maps"]
    assert (one["array"], one["value"], one["undefined"]) == (None, None, "no_valid_pixels")
    for media_type in ("application/x-npy", "image/png"):
        answer = await posted(client, lost, media_type)
        assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")
        assert "no_valid_pixels" in answer.json()["detail"]


async def test_a_volume_is_no_picture(client: httpx.AsyncClient) -> None:
    """Three axes of pixels are refused as a picture."""
    values = {"encoding": "list", "data": [[[0.5, 0.5]]]}
    labels = {"encoding": "list", "data": [[[0, 1]]]}
    asked = {"task": "binary", "prediction_kind": "probabilities", "prediction": values, "target": labels}
    answer = await posted(client, {**asked, "maps": [ERRORS]}, "image/png")
    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")
    assert "two axes; these have 3" in answer.json()["detail"]


BOXES: Document = {
    "task": "boxes",
    "prediction_kind": "boxes",
    "prediction": {"encoding": "list", "data": [[0.0, 0.0, 2.0, 2.0], [1.0, 1.0, 3.0, 4.0]]},
    "target": {"encoding": "list", "data": [[1.0, 0.0, 3.0, 2.0], [1.0, 1.0, 3.0, 4.0]]},
    "maps": [{"kind": "gradient", "metric": "box_iou_loss"}, {"kind": "loss", "metric": "box_iou_loss"}],
}


async def test_boxes_have_gradients_and_losses(client: httpx.AsyncClient) -> None:
    """Four derivatives and a loss a box: a box beside its target has to go to the right, one at its target stays."""
    arrays = await arrays_in_json(client, BOXES)
    gradient, losses = arrays["box_iou_loss.gradient"], arrays["box_iou_loss.loss"]
    assert losses == pytest.approx([2 / 3, 0.0])
    # I = 2 (x2 - 1), U = 2 (x2 - x1) + 4 - I, over two boxes; y at a corner, where up and down cancel
    assert gradient[0] == pytest.approx([-2 * 2 / 36 / 2, 0, -(2 * 6 - 2 * 0) / 36 / 2, 0])
    assert gradient[1] == pytest.approx(0, abs=1e-15)


async def test_mistakes_and_pictures_are_not_of_boxes(client: httpx.AsyncClient) -> None:
    """A map of errors is refused at its kind, a picture because boxes have no pixels."""
    answer = await posted(client, {**BOXES, "maps": [BOXES["maps"][0], ERRORS]})
    found = answer.json()
    assert (answer.status_code, found["code"], found["pointer"]) == (422, "invalid_parameter", "/maps/1/kind")
    assert "binary, multiclass, multilabel; found 'boxes'" in found["detail"]
    answer = await posted(client, {**BOXES, "maps": BOXES["maps"][:1]}, "image/png")
    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")
    assert "boxes have none" in answer.json()["detail"]


async def test_a_lovasz_loss_has_a_gradient_and_an_area_has_none(client: httpx.AsyncClient, asked: Document) -> None:
    """Both are of the order of the pixels; only the first is continuous in them."""
    maps = [{"kind": "gradient", "metric": "lovasz_softmax"}]
    assert (await arrays_in_json(client, {**asked, "maps": maps}))["lovasz_softmax.gradient"].any()
    answer = await posted(client, {**asked, "maps": [*maps, {"kind": "gradient", "metric": "roc_auc"}]})
    assert (answer.status_code, answer.json()["pointer"]) == (422, "/maps/1/metric")
    assert "roc_auc has no gradient" in answer.json()["detail"]
