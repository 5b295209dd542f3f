"""Long bodies whose length is told, which the socket writes where they lie: cut anywhere, given up, glued to the next request."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from lossgauge import metrics as m
from lossgauge.bodies import body_kind
from lossgauge.calls import question, score_call
from lossgauge_service.bodies.read import LONG
from lossgauge_service.engine import Engine
from lossgauge_service.guard import SKIPPED_BYTES

from tests.contract.http.streaming import WITHIN_S, Listening, listening, until

SIDE = 384
RNG = np.random.default_rng(3)
PREDICTION = RNG.normal(size=(SIDE, SIDE)).astype(np.float32)
TARGET = RNG.integers(0, 2, (SIDE, SIDE), np.uint8)
CALL = score_call(
    body_kind("safetensors"),
    question([m.Dice()], task="binary", prediction_kind="logits"),
    {"prediction": PREDICTION, "target": TARGET},
)
BODY = CALL.content or b""
DICE = 2 * np.sum((PREDICTION > 0) & (TARGET == 1)) / (np.sum(PREDICTION > 0) + np.sum(TARGET == 1))
PROBE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"


def head(length: int, *more: str) -> bytes:
    """The head of a request with a body of so many bytes."""
    lines = [f"Content-Type: {CALL.headers['Content-Type']}"]
    return "\r\n".join(
        ["POST /v1/score HTTP/1.1", "Host: x", f"Content-Length: {length}", *lines, *more, "", ""]
    ).encode()


class Connection:
    """A connection to a service, whose answers may come glued to each other."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.sendall = connected.sendall
        self._file = connected.makefile("rb")

    def answer(self) -> tuple[int, Any]:
        """The status and the document of the next answer."""
        status = int(self._file.readline().split()[1])
        lines = [line.decode().lower().split(":") for line in iter(self._file.readline, b"\r\n")]
        return status, json.loads(self._file.read(int(dict(line[:2] for line in lines)["content-length"])))


@contextmanager
def connected(service: Listening) -> Iterator[Connection]:
    """A connection to a service."""
    with socket.create_connection((service.host, service.port), timeout=WITHIN_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield Connection(connection)


def dice(found: tuple[int, Any]) -> float:
    """The score of an answer."""
    status, document = found
    assert status == 200, document
    return float(document["scores"]["dice"]["value"])


@pytest.fixture(scope="module")
def service(engine: Engine) -> Iterator[Listening]:
    """A service whose caller has half a second to go on."""
    with listening(engine, idle_s=0.5) as service:
        yield service


CUTS = {
    "in one piece": [],
    "behind the head": [0],
    "after a byte": [1],
    "before the last byte": [len(BODY) - 1],
    "in pieces of odd lengths": [*range(7, len(BODY), 99_991)],
}


@pytest.mark.parametrize("where", CUTS)
def test_a_body_may_be_cut_anywhere(service: Listening, where: str) -> None:
    """Whatever has been read before the buffer is there, the score is the same, and the connection serves again."""
    whole, first = head(len(BODY)) + BODY, len(head(len(BODY)))
    ends = [first + cut for cut in CUTS[where]]
    with connected(service) as connection:
        for _ in range(2):
            for start, end in zip([0, *ends], [*ends, len(whole)], strict=True):
                connection.sendall(whole[start:end])
            assert dice(connection.answer()) == pytest.approx(DICE, rel=1e-6)


def test_requests_glued_to_each_other(service: Listening) -> None:
    """What comes behind a body, before it is answered, is the next request: each is answered in its turn."""
    with connected(service) as connection:
        connection.sendall((head(len(BODY)) + BODY + PROBE) * 3)
        for _ in range(3):
            assert dice(connection.answer()) == pytest.approx(DICE, rel=1e-6)
            assert connection.answer()[0] == 200


def test_a_body_that_is_waited_for(service: Listening) -> None:
    """`Expect: 100-continue` is answered before the body comes."""
    with connected(service) as connection:
        connection.sendall(head(len(BODY), "Expect: 100-continue"))
        assert connection.socket.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(BODY)
        assert dice(connection.answer()) == pytest.approx(DICE, rel=1e-6)


@pytest.mark.parametrize("came", [0, 1, LONG, len(BODY) - 1])
def test_a_body_that_stops(service: Listening, came: int) -> None:
    """Nothing for the idle time is 408; nothing of it is held any more."""
    with connected(service) as connection:
        connection.sendall(head(len(BODY)) + BODY[:came])
        status, problem = connection.answer()
        assert (status, problem["code"]) == (408, "stalled")
    until(lambda: service.is_idle)


def test_a_slow_body_is_waited_for(service: Listening) -> None:
    """Who sends something in every idle time has as long as the deadline, and is scored."""
    with connected(service) as connection:
        connection.sendall(head(len(BODY)))
        for start in range(0, len(BODY), len(BODY) // 4 + 1):
            connection.socket.settimeout(0.3)
            with pytest.raises(TimeoutError):
                connection.socket.recv(1)
            connection.socket.settimeout(WITHIN_S)
            connection.sendall(BODY[start : start + len(BODY) // 4 + 1])
        assert dice(connection.answer()) == pytest.approx(DICE, rel=1e-6)


@pytest.mark.parametrize("came", [0, 1, LONG, len(BODY) - 1])
def test_a_caller_that_hangs_up_in_its_body(service: Listening, came: int) -> None:
    """What it announced is held no longer, and the service goes on."""
    with connected(service) as connection:
        connection.sendall(head(len(BODY)) + BODY[:came])
        until(lambda: not service.is_idle)
    until(lambda: service.is_idle)


def test_what_comes_after_a_deadline_is_skipped(service: Listening) -> None:
    """The rest of a body that is late is no request: the connection serves the next one."""
    with connected(service) as connection:
        connection.sendall(head(len(BODY), "X-Request-Timeout-Ms: 100") + BODY[: len(BODY) // 2])
        assert connection.answer()[0] == 504
        connection.sendall(BODY[len(BODY) // 2 :] + head(len(BODY)) + BODY)
        assert dice(connection.answer()) == pytest.approx(DICE, rel=1e-6)


def test_of_a_long_rest_only_little_is_skipped(service: Listening) -> None:
    """Who goes on for ever after the answer is hung up on."""
    length = len(BODY) + 20 * SKIPPED_BYTES
    with connected(service) as connection:
        connection.sendall(head(length, "X-Request-Timeout-Ms: 100") + BODY)
        assert connection.answer()[0] == 504
        with pytest.raises(ConnectionError):
            connection.sendall(bytes(length - len(BODY)))
    until(lambda: service.is_idle)


def test_the_bytes_of_a_body_are_counted(service: Listening) -> None:
    """The counter of bytes grows by what came, of a body that is whole and of one that is not."""

    def counted() -> float:
        with connected(service) as connection:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            text = b"".join(iter(lambda: connection.socket.recv(65536), b"")).decode()
        return sum(
            float(line.split()[-1]) for line in text.splitlines() if line.startswith("lossgauge_received_bytes_total")
        )

    before = counted()
    with connected(service) as connection:
        connection.sendall(head(len(BODY)) + BODY)
        connection.answer()
        connection.sendall(head(len(BODY)) + BODY[: LONG + 5])
        connection.answer()
    assert counted() - before == len(BODY) + LONG + 5
