"""No key and no bytes of an array in anything that a running service writes, whatever callers send and whatever fails."""

import base64
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from lossgauge import Client, LossgaugeError
from lossgauge_service.keys import minted

Document = dict[str, Any]

SCORER, SCORER_KEPT = minted("ci", "score")
READER, READER_KEPT = minted("wall", "read")
STRANGER, _ = minted("ci", "score")
PASSWORD = "correct-horse-battery"
VALUE = 7.3219e-21
"""A probability whose digits, however many are told, are no time and no id."""
TOLD = re.compile(r"7\.32\d*e-21")
WITHIN_S = 60.0
LISTENS = re.compile(r"http://127\.0\.0\.1:[1-9]\d*")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> str:
    """All that a service wrote, from its start to its end, while everything was sent to it."""
    path = tmp_path_factory.mktemp("service") / "service.log"
    environment = {
        **os.environ,
        "LOSSGAUGE_API_KEYS": f"{SCORER_KEPT.line} {READER_KEPT.line}",
        "PYTHONUNBUFFERED": "1",
    }
    with path.open("wb") as output:
        command = [sys.executable, "-m", "tests.contract.http.faulty"]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
    try:
        send_everything(_ready(process, path))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(WITHIN_S)
    return path.read_text()


def _ready(process: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + WITHIN_S
    while process.poll() is None and time.monotonic() < deadline:
        listens = LISTENS.search(log.read_text())
        if listens and httpx.get(f"{listens[0]}/health/ready").is_success:
            return listens[0]
        time.sleep(0.1)
    raise RuntimeError(f"the service is not ready; it says:\n{log.read_text()}")


def arrays() -> list[Document]:
    """Arrays that hold our value: good ones, ones that are no arrays, and one of seven pixels."""
    good = np.full((3, 4), VALUE)
    data = base64.b64encode(good.tobytes()).decode()
    raw = {"encoding": "raw", "dtype": "float64", "shape": [3, 4], "data": data}
    return [
        raw,
        {"encoding": "list", "data": good.tolist()},
        {"encoding": "list", "data": [VALUE] * 7},
        {**raw, "shape": [7], "data": base64.b64encode(good.tobytes()[: 7 * 8]).decode()},
        {**raw, "data": data + "!"},
        {**raw, "data": data[:-4]},
        {**raw, "dtype": data},
        {**raw, "encoding": data},
        {"encoding": "list", "data": [VALUE, data]},
        {"encoding": "list", "data": [VALUE, 1e9]},
        {data: VALUE},
    ]


def send_everything(url: str) -> None:
    """Every array with every key, in headers, in queries and in paths; then the client's own bodies."""
    question = {"task": "binary", "prediction_kind": "probabilities", "metrics": ["dice", "focal_loss"]}
    # a connection each: the server hangs up after a fault
    with httpx.Client(base_url=url, timeout=WITHIN_S, headers={"Connection": "close"}) as caller:
        for array in arrays():
            target = {"encoding": "list", "data": np.ones(array.get("shape", [7])).tolist()}
            document = {**question, "prediction": array, "target": target}
            for headers in shown():
                caller.post("/v1/score", json=document, headers=headers, params={"api_key": SCORER, "data": str(array)})
                caller.post("/v1/score/batch", json={**question, "items": [document]}, headers=headers)
        for key in (SCORER, STRANGER, READER):
            caller.get(f"/v1/{key}", headers={"X-API-Key": SCORER, "X-Request-Id": key})
            caller.get(f"/health/{key}", params={"token": PASSWORD, key: key})
    for seven in (np.full((3, 4), VALUE), np.full(7, VALUE)):
        with Client(url, SCORER, retries=0) as client:
            _tried(client, seven)


def _tried(client: Client, array: Any) -> None:
    with suppress(LossgaugeError):
        client.score(array, array > 0, metrics="dice", prediction_kind="probabilities")


def shown() -> list[dict[str, str]]:
    """Keys that are right, wrong and no keys; one of them as the id of its request too."""
    return [
        {"Authorization": f"Bearer {SCORER}", "X-Request-Id": SCORER},
        {"X-API-Key": READER},
        {"X-API-Key": STRANGER, "Cookie": f"key={STRANGER}"},
        {"Authorization": f"Basic {base64.b64encode(PASSWORD.encode()).decode()}"},
        {"Authorization": f"Bearer {PASSWORD}"},
    ]


def test_the_log_is_one(log: str) -> None:
    """The requests and the faults were logged: there was something to leave out."""
    assert log.count("/v1/score") >= 2 * len(arrays())
    assert {"200", "401", "403", "422", "500"} <= {*re.findall(r"\b\d{3}\b", log)}
    assert "ValueError: seven pixels" in log
    assert "in launch" in log


@pytest.mark.parametrize(
    "secret", [SCORER, READER, STRANGER, PASSWORD], ids=["scorer", "reader", "stranger", "password"]
)
def test_no_key_is_logged(log: str, secret: str) -> None:
    """No key, known or not, nor what stood in its place, in whole or in part."""
    parts = [secret, secret[3:23], secret[-12:], base64.b64encode(secret.encode()).decode()[:16]]
    assert [part for part in parts if part in log] == []


def test_no_hash_of_a_key_is_logged(log: str) -> None:
    """Nor what is kept of them."""
    assert [key.name for key in (SCORER_KEPT, READER_KEPT) if key.digest.hex()[:16] in log] == []


def test_no_array_is_logged(log: str) -> None:
    """Neither its bytes nor its values, not even in the complaint of a fault that held them."""
    data = base64.b64encode(np.full(3, VALUE).tobytes()).decode()
    assert all(TOLD.search(repr(array)) for array in (VALUE, np.full(3, VALUE), np.full(3, VALUE, np.float32)))
    assert TOLD.findall(log) == []
    assert [text for text in (data[:12], data[-12:]) if text in log] == []


def test_no_query_is_logged(log: str) -> None:
    """Queries, which may hold anything, are left out whole."""
    assert [text for text in ("?", "api_key", "token=") if text in log] == []
