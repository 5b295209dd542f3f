"""SIGTERM while requests are in flight."""

import json
import signal
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.contract.serving import running
from tests.reliability.figure import Figure
from tests.reliability.requests import document, exchanged, posted, received, score_request, status_of

GRACE_S = 60
REST = 10
"""Bytes of each body that are sent after the signal."""


def run(log: Path, number: int) -> Figure:
    """So many requests in flight when the signal comes: all are answered, later ones are refused, and the exit is clean."""
    with running(log, "--kernel", "eager", grace_s=str(GRACE_S)) as service:
        expected = _value(exchanged(service.url, score_request()))
        calls = [_begun(service.url) for _ in range(number)]
        service.process.send_signal(signal.SIGTERM)
        refused = _refused(service.url)
        answers = [_ended(call) for call in calls]
        code = service.process.wait(GRACE_S)
    right = sum(_value(answer) == expected for answer in answers)
    found = f"{right} of {number} right, exit {code}; new request: {refused}"
    wanted = "n right answers, exit 0 inside the grace time; new requests 503"
    holds = (right, code, refused) == (number, 0, "503 draining")
    return Figure(f"SIGTERM with {number} in flight", wanted, found, holds)


def _request() -> bytes:
    return posted(json.dumps(document()).encode(), "/v1/score", "Expect: 100-continue")


def _begun(url: str) -> socket.socket:
    """A request whose body is asked for: it is being served. All but its end is sent."""
    address = urlsplit(url)
    connection = socket.create_connection((address.hostname, address.port), timeout=GRACE_S)
    head, _, body = _request().partition(b"\r\n\r\n")
    connection.sendall(head + b"\r\n\r\n")
    assert connection.recv(2**10).startswith(b"HTTP/1.1 100")
    connection.sendall(body[:-REST])
    return connection


def _ended(connection: socket.socket) -> bytes:
    with connection:
        connection.sendall(_request()[-REST:])
        return received(connection)


def _refused(url: str) -> str:
    """The answer to a new request, once the signal has been seen."""
    ends = time.monotonic() + GRACE_S
    while time.monotonic() < ends:
        answer = exchanged(url, score_request())
        if status_of(answer) != 200:
            return f"{status_of(answer)} {_body(answer).get('code')}"
    return "scored"


def _value(answer: bytes) -> float | None:
    value: float | None = _body(answer).get("scores", {}).get("focal_loss", {}).get("value")
    return value


def _body(answer: bytes) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2] or b"{}")
    return document
