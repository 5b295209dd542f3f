"""Every refusal is a problem: code, pointer, status, media type, and words that help."""

import json
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.anyio
Document = dict[str, Any]

FOCAL = {"name": "focal_loss"}
RAW = {"encoding": "raw", "dtype": "float64", "shape": [2, 2]}
DOCUMENT_PROBLEMS: list[tuple[Document, str, str, str]] = [
    ({"metrics": ["focal_los"]}, "unknown_metric", "/metrics/0", "did you mean 'focal_loss'"),
    ({"metrics": ["dice", {"name": "nope"}]}, "unknown_metric", "/metrics/1/name", "allowed: accuracy"),
    ({"metrics": [{"gamma": 1}]}, "invalid_parameter", "/metrics/0/name", "'name' is required"),
    ({"metrics": [5]}, "invalid_parameter", "/metrics/0", "must be an object; found 5"),
    ({"metrics": []}, "invalid_parameter", "/metrics", "must have 1 or more"),
    ({"metrics": ["dice", "dice"]}, "invalid_parameter", "/metrics/1", "two metrics (0 and 1) answer to 'dice'"),
    ({"metrics": [{**FOCAL, "gamma": -1}]}, "invalid_parameter", "/metrics/0/gamma", "0; found -1"),
    ({"metrics": [{**FOCAL, "gama": 1}]}, "invalid_parameter", "/metrics/0/gama", "did you mean 'gamma'"),
    ({"metrics": [{**FOCAL, "alpha": -1}]}, "invalid_parameter", "/metrics/0/alpha", "greater than or equal to 0"),
    ({"metrics": [{**FOCAL, "alpha": [0.5, -1]}]}, "invalid_parameter", "/metrics/0/alpha/1", "found -1"),
    ({"metrics": [{**FOCAL, "clip": [0.1, 2]}]}, "invalid_parameter", "/metrics/0/clip/1", "found 2"),
    ({"metrics": [{**FOCAL, "clip_leak": True}]}, "invalid_parameter", "/metrics/0/clip_leak", "found no clip"),
    ({"metrics": [{"name": "dice", "empty": {"both": "x"}}]}, "invalid_parameter", "/metrics/0/empty/both", "'skip'"),
    (
        {"metrics": [{"name": "combined_loss", "terms": [{"metric": {"name": "dic"}}]}]},
        "unknown_metric",
        "/metrics/0/terms/0/metric/name",
        "did you mean 'dice'",
    ),
    (
        {"metrics": [{"name": "bce_dice", "dice": {"smooth_numerator": -2}}]},
        "invalid_parameter",
        "/metrics/0/dice/smooth_numerator",
        "found -2",
    ),
    (
        {"metrics": [{"name": "combined_loss", "terms": [{"metric": {**FOCAL, "clip": [0.5, 0.5]}}]}]},
        "invalid_parameter",
        "/metrics/0/terms/0/metric/clip",
        "found [0.5, 0.5]",
    ),
    ({"task": "foo"}, "invalid_parameter", "/task", "'multilabel', 'instances' or 'boxes'; found 'foo'"),
    ({"thresold": 0.5}, "invalid_parameter", "/thresold", "did you mean 'threshold'"),
    ({"a/b~c": 1}, "invalid_parameter", "/a~1b~0c", "not known"),
    ({"threshold": None}, "invalid_parameter", "/threshold", "found null"),
    ({"channel_axis": True}, "invalid_parameter", "/channel_axis", "found true"),
    ({"id": "x" * 300}, "invalid_parameter", "/id", "found a string of 300 characters"),
    ({"prediction": {}}, "invalid_parameter", "/prediction/encoding", "allowed: npy, raw"),
    ({"prediction": "AAAA"}, "invalid_parameter", "/prediction", "must be an object"),
    ({"prediction": {"encoding": "npx"}}, "invalid_parameter", "/prediction/encoding", "did you mean 'npy'"),
    ({"prediction": {"encoding": "npy"}}, "invalid_parameter", "/prediction/data", "required and missing"),
    ({"prediction": {**RAW, "data": "%%"}}, "undecodable_array", "/prediction/data", ""),
    ({"prediction": {**RAW, "data": ""}}, "undecodable_array", "/prediction/data", ""),
    ({"prediction": {**RAW, "dtype": "object", "data": ""}}, "invalid_dtype", "/prediction/dtype", "object"),
    ({"prediction": {"encoding": "part", "name": "p"}}, "undecodable_array", "/prediction/name", "has this name"),
    ({"prediction": {"encoding": "tensor", "name": "p"}}, "undecodable_array", "/prediction/name", "has this name"),
    ({"target": {"encoding": "list", "data": [[1, 0]]}}, "shape_mismatch", "/target", "[2, 2]"),
    ({"target": {"encoding": "list", "data": [[1, 0], [1, 2]]}}, "invalid_values", "/target", "2"),
    ({"prediction": {"encoding": "list", "data": [[9.5, 0], [0, 0]]}}, "invalid_values", "/prediction", "9.5"),
    ({"task": "multiclass", "metrics": ["mean_iou"]}, "metric_does_not_fit", "/metrics/0", "mean_iou"),
    ({"prediction_kind": "labels", "metrics": [FOCAL]}, "metric_does_not_fit", "/metrics/0", "focal_loss"),
]


def is_problem(answer: httpx.Response, status: int, code: str) -> bool:
    """Whether an answer is a whole RFC 9457 problem of this status and code."""
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"] == f"urn:lossgauge:problem:{problem['code']}"
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["instance"] == answer.request.url.path
    assert problem["title"] != ""
    return (answer.status_code, problem["status"], problem["code"]) == (status, status, code)


@pytest.mark.parametrize(("change", "code", "pointer", "words"), DOCUMENT_PROBLEMS)
async def test_a_wrong_document(
    client: httpx.AsyncClient, score_request: Document, change: Document, code: str, pointer: str, words: str
) -> None:
    """What is wrong in a document is a 422 that points to it and says what was found and what is allowed."""
    answer = await client.post("/v1/score", json={**score_request, **change})
    assert is_problem(answer, 422, code)
    assert answer.json()["pointer"] == pointer
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(("change", "code", "pointer", "words"), [row for row in DOCUMENT_PROBLEMS if "pred" in row[2]])
async def test_the_same_in_an_item(
    client: httpx.AsyncClient, question: Document, pair: Document, change: Document, code: str, pointer: str, words: str
) -> None:
    """What is wrong in an item of a batch is the same problem, with the item's pointer before it."""
    items = {"items": [pair, {**pair, **change}]}
    answer = await client.post("/v1/score/batch", json={**question, **items})
    problem = answer.json()["items"][1]["problem"]
    assert (problem["code"], problem["pointer"]) == (code, f"/items/1{pointer}")
    assert words in problem["detail"]


async def test_all_errors_at_once(client: httpx.AsyncClient) -> None:
    """Every error of a document is listed, and the first stands at the top."""
    answer = await client.post("/v1/score", json={"task": "x", "metrics": ["dice", "no"]})
    problem = answer.json()
    assert [error["pointer"] for error in problem["errors"]] == [
        "/task",
        "/prediction_kind",
        "/metrics/1",
        "/prediction",
        "/target",
    ]
    assert {key: problem[key] for key in ("pointer", "detail", "code")} == problem["errors"][0]


async def test_array_bytes_are_never_echoed(client: httpx.AsyncClient, score_request: Document) -> None:
    """What an array holds is not in the problem that it causes."""
    secret = "c2VjcmV0" * 20
    for wrong in ({"encoding": "npy", "data": secret}, {"encoding": "npy", "data": [secret]}, secret, [secret]):
        answer = await client.post("/v1/score", json={**score_request, "prediction": wrong})
        assert answer.status_code == 422
        assert "c2VjcmV0" not in answer.text


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"items": [{}], "ids": ["a"]}, "/ids"),
        ({"items": [{}], "target": {"encoding": "list", "data": [[1.0]]}, "ids": ["a"]}, "/target"),
        ({"prediction": {"encoding": "list", "data": [[1.0]]}}, "/target"),
        ({"ids": ["a"]}, "/prediction"),
        ({}, ""),
        ({"items": []}, "/items"),
        ({"items": {}}, "/items"),
    ],
)
async def test_a_batch_is_items_or_a_stack(
    client: httpx.AsyncClient, question: Document, change: Document, pointer: str
) -> None:
    """A batch is given either as items or as both stacked arrays."""
    answer = await client.post("/v1/score/batch", json={**question, **change})
    assert is_problem(answer, 422, "invalid_parameter")
    assert answer.json()["pointer"] == pointer


async def test_ids_of_a_stack_are_counted(client: httpx.AsyncClient, question: Document, pair: Document) -> None:
    """A stack has as many ids as samples."""
    answer = await client.post("/v1/score/batch", json={**question, **pair, "ids": ["a"]})
    assert is_problem(answer, 422, "invalid_parameter")
    assert answer.json()["pointer"] == "/ids"


@pytest.mark.parametrize("path", ["/nothing", "/v1/score/", "/v1/metrics/", "/docs/nothing"])
async def test_not_found(client: httpx.AsyncClient, path: str) -> None:
    """A path that is none is a problem; no slash is redirected away."""
    assert is_problem(await client.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allow"), [("GET", "/v1/score", "POST"), ("DELETE", "/v1/limits", "GET, HEAD")]
)
async def test_method_not_allowed(client: httpx.AsyncClient, method: str, path: str, allow: str) -> None:
    """A method that a path has not is a problem with the header Allow."""
    answer = await client.request(method, path)
    assert is_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == allow


async def test_an_unknown_metric_of_the_catalogue(client: httpx.AsyncClient) -> None:
    """A metric that is none is not found, and the closest is named."""
    answer = await client.get("/v1/metrics/dicee")
    assert is_problem(answer, 404, "not_found")
    assert "did you mean 'dice'?" in answer.json()["detail"]


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/jsonp", "application/octet-stream"])
async def test_another_media_type(client: httpx.AsyncClient, content_type: str | None) -> None:
    """A body of another type is refused, and the types that are taken are named."""
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = await client.post("/v1/score", content=b"{}", headers=headers)
    assert is_problem(answer, 415, "unsupported_media_type")
    assert "application/json, multipart/form-data, application/x-safetensors" in answer.json()["detail"]


@pytest.mark.parametrize("media_type", ["application/json", "application/x-safetensors"])
@pytest.mark.parametrize("charset", ["latin-1", "utf-16", '"ISO-8859-1"'])
async def test_another_charset(client: httpx.AsyncClient, media_type: str, charset: str) -> None:
    """A charset other than utf-8 is refused by its name, not read as what it is not."""
    headers = {"Content-Type": f"{media_type}; charset={charset}"}
    answer = await client.post("/v1/score", content=b"{}", headers=headers)
    assert is_problem(answer, 415, "unsupported_media_type")
    assert charset.strip('"') in answer.json()["detail"]


async def test_another_charset_of_a_form_s_document(client: httpx.AsyncClient, score_request: Document) -> None:
    """The part that holds the JSON is utf-8 too."""
    document = json.dumps(score_request).encode()
    sent = {
        charset: await client.post(
            "/v1/score", files={"request": ("r.json", document, f"application/json; charset={charset}")}
        )
        for charset in ("latin-1", "utf-8")
    }
    assert is_problem(sent["latin-1"], 415, "unsupported_media_type")
    assert sent["utf-8"].status_code == 200


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf-8"'])
async def test_the_charset_of_json(client: httpx.AsyncClient, score_request: Document, charset: str) -> None:
    """The charset that JSON has may be said."""
    headers = {"Content-Type": f"application/json; charset={charset}"}
    answer = await client.post("/v1/score", content=json.dumps(score_request), headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip", "gzip, zstd", "base64"])
async def test_another_content_coding(client: httpx.AsyncClient, coding: str) -> None:
    """A content coding that is not taken, or more than one, is refused."""
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    answer = await client.post("/v1/score", content=b"{}", headers=headers)
    assert is_problem(answer, 415, "unsupported_media_type")
