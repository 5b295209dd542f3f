"""Requests that wait: refused, too late, or left by their callers."""

import http.client
import json
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from lossgauge_service.app import create_app
from lossgauge_service.engine import Engine
from lossgauge_service.engine.staging import Staged
from lossgauge_service.outcomes import Outcomes
from lossgauge_service.server import Server, server_of
from lossgauge_service.settings import Settings

from tests.contract.http.streaming import ITEM, QUESTION, WITHIN_S, Caller, Listening, listening, until
from tests.contract.serving import running

Document = dict[str, Any]


@dataclass(frozen=True)
class Held(Engine):
    """Computes nothing until it is let; remembers how many samples each launch had."""

    let: threading.Event = field(default_factory=threading.Event)
    launches: list[int] = field(default_factory=list)

    def launch(self, batch: Staged) -> Outcomes:
        self.launches.append(batch.count)
        self.let.wait(WITHIN_S)
        return super().launch(batch)


@dataclass(frozen=True)
class Running:
    """A service behind a real socket, its application and its engine."""

    url: str
    app: FastAPI
    engine: Held


@pytest.fixture
def held(engine: Engine) -> Iterator[Running]:
    """A service with room for two pairs, whose engine is held."""
    held = Held(engine.device, engine.kernels, engine.info)
    with listening(held, pending_pairs=2) as service:
        try:
            yield Running(service.url, service.app, held)
        finally:
            held.let.set()


def sent(url: str, document: Document, path: str = "/v1/score", *headers: str) -> socket.socket:
    """A request whose answer is not waited for: all of it at once, so that none of it can be late."""
    body = json.dumps(document).encode()
    lines = ["Host: x", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    head = "\r\n".join([f"POST {path} HTTP/1.1", *lines, "", ""])
    connection = socket.create_connection((httpx.URL(url).host, httpx.URL(url).port or 80), timeout=WITHIN_S)
    connection.sendall(head.encode() + body)
    return connection


def answered(connection: socket.socket) -> tuple[http.client.HTTPResponse, Document]:
    """The answer to a request that was sent, and its document."""
    with connection:
        response = http.client.HTTPResponse(connection, method="POST")
        response.begin()
        return response, json.loads(response.read())


def test_who_hangs_up_before_its_turn_costs_no_launch(held: Running, score_request: Document) -> None:
    """A closed socket is noticed while its request waits: it is never launched, and its room is free again."""
    first = sent(held.url, score_request)
    until(lambda: held.engine.launches == [1])
    second = sent(held.url, score_request)
    until(lambda: held.app.state.service.admission.requests == 2)
    second.close()
    until(lambda: held.app.state.service.admission.requests == 1)
    held.engine.let.set()
    assert b"200 OK" in first.recv(2**16)
    assert httpx.post(f"{held.url}/v1/score", json=score_request, timeout=WITHIN_S).status_code == 200
    assert held.engine.launches == [1, 1]
    first.close()


def test_an_overload_is_told(held: Running, score_request: Document) -> None:
    """Beyond the room, and the line, a request is 429 with `Retry-After`; the service is ready all the same."""
    waiting = [sent(held.url, score_request) for _ in range(2)]
    admission = held.app.state.service.admission
    until(lambda: admission.requests == 2)
    admission._pace.pair_s = 3.0
    answer = httpx.post(f"{held.url}/v1/score", json=score_request, timeout=WITHIN_S)
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (429, "overloaded", "3")
    assert "2 places" in answer.json()["detail"]
    assert httpx.get(f"{held.url}/health/ready", timeout=WITHIN_S).status_code == 200
    for connection in waiting:
        connection.close()


def test_a_deadline_of_the_callers(held: Running, score_request: Document, pair: Document, question: Document) -> None:
    """What is not done in time is 504; of a batch, each item that is late is a problem in its place."""
    soon = "X-Request-Timeout-Ms: 100"
    single, problem = answered(sent(held.url, score_request, "/v1/score", soon))
    assert (single.status, problem["code"]) == (504, "deadline_exceeded")
    steps = [entry.split(";")[0] for entry in single.headers["server-timing"].split(", ")]
    assert steps == ["receive", "decode", "queue", "compute", "encode", "total"]
    batch, found = answered(sent(held.url, {**question, "items": [pair]}, "/v1/score/batch", soon))
    assert batch.status == 200
    assert found["items"][0]["problem"]["code"] == "deadline_exceeded"


def test_a_deadline_in_line(held: Running, score_request: Document) -> None:
    """A call whose deadline passes while it stands in line is 504 then, and stands there no more."""
    waiting = [sent(held.url, score_request) for _ in range(2)]
    admission = held.app.state.service.admission
    until(lambda: admission.requests == 2)
    late, problem = answered(sent(held.url, score_request, "/v1/score", "X-Request-Timeout-Ms: 100"))
    assert (late.status, problem["code"], "in line" in problem["detail"]) == (504, "deadline_exceeded", True)
    assert (admission.requests, admission.in_line) == (2, 0)
    for connection in waiting:
        connection.close()


@pytest.fixture
def stopping(engine: Engine) -> Iterator[tuple[Server, Held]]:
    """A server as the command runs it, ready, and its engine, which is held."""
    held = Held(engine.device, engine.kernels, engine.info)
    settings = Settings(port=0, grace_s=WITHIN_S)
    server = server_of(create_app(settings, held), settings)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started)
        until(lambda: httpx.get(f"{url_of(server)}/health/ready", timeout=WITHIN_S).status_code == 200)
        yield server, held
    finally:
        held.let.set()
        server.should_exit = True
        thread.join()


def url_of(server: Server) -> str:
    """Where a server listens."""
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    return f"http://{host}:{port}"


def test_a_service_that_is_being_stopped(stopping: tuple[Server, Held], score_request: Document) -> None:
    """While accepted work goes on, new connections are told 503; every answer ends its connection, that of the work too."""
    server, held = stopping
    url = url_of(server)
    with sent(url, score_request) as waiting, httpx.Client(base_url=url) as kept:
        until(lambda: held.launches == [1])
        assert "connection" not in kept.get("/health/live").headers
        server.handle_exit(signal.SIGTERM, None)
        told = [
            kept.post("/v1/score", json=score_request),
            *(httpx.get(f"{url}/health/ready", timeout=WITHIN_S) for _ in range(3)),
        ]
        assert [(answer.status_code, answer.headers["connection"]) for answer in told] == [(503, "close")] * 4
        assert told[0].json()["code"] == "draining"
        held.let.set()
        answer = b"".join(iter(lambda: waiting.recv(2**16), b""))
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in answer
    until(lambda: not server.servers[0].sockets)


def test_a_service_without_work_stops_at_once(stopping: tuple[Server, Held]) -> None:
    """Where nothing is in flight a signal ends it without another."""
    server, _ = stopping
    server.handle_exit(signal.SIGTERM, None)
    until(lambda: not server.servers[0].sockets)
    assert not server.force_exit


HALF = (
    b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
    b"Content-Length: 1000\r\n\r\n"
)


def half_sent(url: str) -> socket.socket:
    """A request whose body is asked for and does not end: it is being served."""
    connection = socket.create_connection((httpx.URL(url).host, httpx.URL(url).port or 80), timeout=WITHIN_S)
    connection.sendall(HALF)
    assert connection.recv(2**10).startswith(b"HTTP/1.1 100")
    connection.sendall(b"{")
    return connection


@pytest.mark.parametrize("signals", [1, 2])
def test_what_does_not_end_in_time_is_given_up(
    stopping: tuple[Server, Held], score_request: Document, caplog: pytest.LogCaptureFixture, signals: int
) -> None:
    """After the grace time, or a second signal, what is still coming or computed is told 503, once and for all; nothing is a fault."""
    server, held = stopping
    server._grace_s = 0.0 if signals == 1 else WITHIN_S
    with sent(url_of(server), score_request) as computed, half_sent(url_of(server)) as coming:
        until(lambda: held.launches == [1])
        for _ in range(signals):
            server.handle_exit(signal.SIGTERM, None)
        told = [answered(connection) for connection in (computed, coming)]
    assert [(answer.status, problem["code"]) for answer, problem in told] == [(503, "draining")] * 2
    assert all(answer.headers["x-request-id"] == problem["request_id"] for answer, problem in told)
    assert all(answer.headers["connection"] == "close" for answer, _ in told)
    assert told[0][0].headers["retry-after"]
    assert not any(record.exc_info for record in caplog.records)


def test_the_grace_time_is_one(stopping: tuple[Server, Held]) -> None:
    """What the server waits for connections after the draining is what that has left of the grace time, not all of it again."""
    server, _ = stopping
    with half_sent(url_of(server)) as coming:
        server._grace_s = 1.0
        server.handle_exit(signal.SIGTERM, None)
        answered(coming)
    until(lambda: not server.servers[0].sockets)
    assert server.config.timeout_graceful_shutdown == 1


def test_an_answer_that_does_not_end_in_time(stopping: tuple[Server, Held], caplog: pytest.LogCaptureFixture) -> None:
    """A stream whose items are not computed in time is cut, which its caller can see."""
    server, held = stopping
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    with Caller(Listening(host, port, server._app)) as caller:
        caller.lines(QUESTION, ITEM)
        until(lambda: held.launches == [1])
        assert caller.response.status == 200
        server._grace_s = 0.0
        server.handle_exit(signal.SIGTERM, None)
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            caller.rest()
    assert not any(record.exc_info for record in caplog.records)


def test_a_service_that_is_stopped_while_it_warms_up(tmp_path: Path) -> None:
    """Nobody waits for a warm-up that is of no use any more: the process ends, and with status 0."""
    log = tmp_path / "log"
    with running(log, "--kernel", "eager", module="tests.contract.http.slow_to_warm_up", until="live") as service:
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(WITHIN_S) == 0
    assert "Finished server process" in log.read_text().splitlines()[-1]


@pytest.mark.anyio
@pytest.mark.parametrize("given", ["", "0", "-5", "1.5", "soon", "9" * 10, "9" * 30])
async def test_a_deadline_that_is_none(client: httpx.AsyncClient, score_request: Document, given: str) -> None:
    """It is a whole number of milliseconds; anything else is refused."""
    answer = await client.post("/v1/score", json=score_request, headers={"X-Request-Timeout-Ms": given})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")
    assert "X-Request-Timeout-Ms" in answer.json()["detail"]
    assert "9 digits at most" in answer.json()["detail"]


@pytest.mark.anyio
async def test_a_deadline_that_is_sent_twice(client: httpx.AsyncClient, score_request: Document) -> None:
    """Which of two deadlines is meant nobody knows: it is refused."""
    twice = [("X-Request-Timeout-Ms", "9000")] * 2
    answer = await client.post("/v1/score", json=score_request, headers=twice)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")
    assert "2 times" in answer.json()["detail"]
