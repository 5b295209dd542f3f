"""The snippets of the documentation run against the service and do what their page says."""

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from lossgauge import Client

from tests.contract.carriers import npy, png

ROOT = Path(__file__).parents[2]
DEFAULT_URL = "http://127.0.0.1:8000"
PREDICTION = np.array([[0.9, 0.8, 0.3], [0.6, 0.2, 0.1]])
TARGET = np.array([[1, 1, 0], [1, 1, 0]], np.uint8)


def snippets(page: str, language: str) -> list[str]:
    """The snippets of a language on a page."""
    text = (ROOT / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands(page: str) -> list[str]:
    """The curl commands of a page."""
    return [
        found
        for snippet in snippets(page, "sh")
        for found in re.findall(r"^curl .*", snippet, re.DOTALL | re.MULTILINE)
    ]


def ran(command: str, url: str, folder: Path) -> dict[str, Any]:
    """The document that a curl command prints, run in a folder against the service."""
    document: dict[str, Any] = json.loads(printed(command, url, folder))
    return document


def printed(command: str, url: str, folder: Path | None = None) -> bytes:
    """What a curl command prints, run in a folder against the service."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    assert DEFAULT_URL in command
    shell = ["bash", "-c", command.replace(DEFAULT_URL, url)]
    return subprocess.run(shell, capture_output=True, cwd=folder, timeout=60, check=True).stdout


def test_the_curl_of_the_readme(url: str, client: Client, tmp_path: Path) -> None:
    """The first screen's curl waits until the service is ready, and scores what its client snippet scores."""
    start, command = snippets("README.md", "sh")[0].split("\n", 1)
    assert start.startswith("scripts/serve &")
    assert f"until curl -sf -o /dev/null {DEFAULT_URL}/health/ready" in command
    document = ran(command, url, tmp_path)
    expected = client.score(
        PREDICTION.astype(np.float32), TARGET, metrics=["dice", "focal_loss"], prediction_kind="probabilities"
    )
    assert {key: score["value"] for key, score in document["scores"].items()} == dict(expected)


def test_the_client_snippets_of_the_readme(url: str, client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    """The first screen's client snippet prints its two scores."""
    [snippet] = snippets("README.md", "python")
    assert DEFAULT_URL in snippet
    exec(compile(snippet.replace(DEFAULT_URL, url), "README.md", "exec"), {})
    expected = client.score(PREDICTION, TARGET, metrics=["dice", "focal_loss"], prediction_kind="probabilities")
    assert capsys.readouterr().out.split() == [str(expected["dice"]), str(expected["focal_loss"])]


def test_the_snippets_of_the_page_on_sweeps(url: str, client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    """The client's snippet prints the best rows and a line of CSV; the curl's CSV is the table that the client writes."""
    [snippet] = snippets("docs/sweep.md", "python")
    exec(compile(snippet.replace(DEFAULT_URL, url), "docs/sweep.md", "exec"), {})
    focal = {"alpha": [0.25, 0.5], "gamma": [1, 2, 3]}
    asked: dict[str, Any] = {"focal": focal, "prediction_kind": "probabilities"}
    result = client.sweep(PREDICTION, TARGET, thresholds=[0.15, 0.5, 0.85], **asked)
    best = result.best
    assert best.threshold is not None
    assert best.cell is not None
    shown = f"{best.threshold.threshold} {best.cell.alpha} {best.cell.gamma}"
    assert capsys.readouterr().out.splitlines() == [shown, result.to_csv(name="thresholds").splitlines()[1]]
    [command] = commands("docs/sweep.md")
    assert printed(command, url) == client.sweep(PREDICTION, TARGET, **asked).to_csv().encode()


def test_the_curls_of_the_page_on_streams(url: str, tmp_path: Path) -> None:
    """A batch, lines and a form, each answered by lines: the scores, the problems in their places, and a last line."""
    (tmp_path / "prediction.npy").write_bytes(npy(PREDICTION))
    (tmp_path / "target.png").write_bytes(png(TARGET))
    answers = [
        [json.loads(line) for line in printed(command, url, tmp_path).splitlines()]
        for command in commands("docs/streaming.md")
    ]
    assert [["scores" in line for line in lines[:-1]] for lines in answers] == [
        [True, False],
        [True, False, True],
        [True, True],
    ]
    assert [lines[-1]["end"] for lines in answers] == ["summary"] * 3
    assert [lines[-1]["summary"]["dice"]["counted"] for lines in answers] == [1, 2, 2]


def test_the_client_snippet_of_the_page_on_streams(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A generator goes in, and the mean of all its items comes out."""
    [snippet] = snippets("docs/streaming.md", "python")
    exec(compile(snippet.replace(DEFAULT_URL, url), "docs/streaming.md", "exec"), {})
    assert capsys.readouterr().out == "200 0.8\n"


def test_the_curl_of_the_page_on_encodings(url: str, client: Client, tmp_path: Path) -> None:
    """A form with a .npy and a .png file scores as the arrays in them."""
    (tmp_path / "prediction.npy").write_bytes(npy(PREDICTION))
    (tmp_path / "target.png").write_bytes(png(TARGET))
    [command] = commands("docs/encodings.md")
    document = ran(command, url, tmp_path)
    assert (
        document["scores"]["dice"]["value"]
        == client.score(*(PREDICTION, TARGET), metrics="dice", prediction_kind="probabilities")["dice"]
    )


def test_the_client_of_the_page_on_encodings(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What pycocotools and a polygon hold is scored: 19 pixels in both of 21."""
    [snippet] = snippets("docs/encodings.md", "python")
    exec(compile(snippet.replace(DEFAULT_URL, url), "docs/encodings.md", "exec"), {})
    assert capsys.readouterr().out.split() == [str(19 / 21)]


def test_the_problem_of_the_page_on_errors(caller: httpx.Client) -> None:
    """The problem that docs/errors.md shows is what the service answers."""
    [snippet] = snippets("docs/errors.md", "json")
    shown = json.loads(snippet)
    pair = {"prediction": [[0.9, 0.2], [0.7, 0.4]], "target": [[1, 0, 1]]}
    arrays = {role: {"encoding": "list", "data": data} for role, data in pair.items()}
    asked = {"task": "binary", "prediction_kind": "probabilities", "metrics": ["dice"]}
    answer = caller.post("/v1/score", json={**asked, **arrays}, headers={"X-Request-Id": shown["request_id"]})
    assert answer.json() == shown


def test_the_requests_of_the_readme_are_requests(caller: httpx.Client) -> None:
    """The requests that the README shows are answered once their arrays are filled in."""
    classes, presets = map(json.loads, snippets("README.md", "json"))
    assert answered(caller, classes, np.ones((3, 2, 2)), np.full((2, 2), 255)) == ["dice", "focal_15"]
    assert answered(caller, presets, np.full((2, 2), 0.75), np.eye(2)) == ["monai", "torchmetrics"]


def answered(caller: httpx.Client, request: dict[str, Any], *arrays: np.ndarray[Any, Any]) -> list[str]:
    """The keys of the scores of a request, its arrays filled in."""
    filled = dict(zip(("prediction", "target"), map(npy_document, arrays), strict=True))
    assert {role: request[role]["data"] for role in filled} == {"prediction": "..", "target": ".."}
    answer = caller.post("/v1/score", json={**request, **filled})
    assert answer.status_code == 200, answer.text
    return [*answer.json()["scores"]]


def npy_document(array: np.ndarray[Any, Any]) -> dict[str, str]:
    """An array as the README sends it."""
    return {"encoding": "npy", "data": base64.b64encode(npy(array)).decode()}
