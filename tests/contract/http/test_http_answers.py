"""Large answers over real sockets: their bytes are counted until they are taken, and a caller who takes none is closed."""

import json
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from lossgauge_service.engine import Engine

from tests.contract.http.streaming import ITEM, QUESTION, WITHIN_S, Document, Listening, listening, npy_item, until

BUFFER = 2**14
ANSWER_BYTES = 8_000_000
"""What a large answer has at least: more than sockets and the server let wait."""


def question(side: int) -> Document:
    """What is asked for some maps of a pair."""
    maps = [{"kind": "errors", "name": f"map{number}"} for number in range(8)]
    return {name: value for name, value in {**QUESTION, **npy_item(side), "maps": maps}.items() if name != "metrics"}


LARGE = question(900)


@contextmanager
def unread(service: Listening, document: Document) -> Iterator[socket.socket]:
    """A caller that asks for a large answer, and reads nothing of it."""
    body = json.dumps(document).encode()
    head = f"POST /v1/maps HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        caller.settimeout(WITHIN_S)
        caller.connect((service.host, service.port))
        caller.sendall(head.encode() + body)
        yield caller


def holds_answers(service: Listening, count: int) -> bool:
    """Whether so many large answers are held, and no pairs any more."""
    admission = service.service.admission
    return (admission.requests, admission.held.pairs) == (count, 0) and admission.held.bytes > count * ANSWER_BYTES


def read(caller: socket.socket) -> bytes:
    """All that comes until the connection is closed."""
    return b"".join(iter(lambda: caller.recv(2**20), b""))


def test_what_is_not_read_is_counted(engine: Engine) -> None:
    """An answer holds its bytes, and no pairs, until its caller has it; it comes whole, however late it is read."""
    with listening(engine) as service:
        expected = httpx.post(f"{service.url}/v1/maps", json=LARGE, timeout=WITHIN_S).json()["maps"]
        with unread(service, LARGE) as one, unread(service, LARGE) as two:
            until(lambda: holds_answers(service, 2))
            for caller in (one, two):
                answer = _answer(caller)
                assert answer["maps"] == expected
            until(lambda: service.is_idle)


def _answer(caller: socket.socket) -> Document:
    with caller.makefile("rb") as stream:
        lines = list(iter(stream.readline, b"\r\n"))
        length = next(int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length"))
        document: Document = json.loads(stream.read(length))
        return document


def test_who_does_not_read_leaves_no_room_to_others(engine: Engine) -> None:
    """Where unread answers are all that there may be, others are told to come back; a caller who hangs up gives his room back."""
    with listening(engine, pending_bytes=ANSWER_BYTES) as service:
        with unread(service, LARGE):
            until(lambda: holds_answers(service, 1))
            refused = httpx.post(f"{service.url}/v1/score", json={**QUESTION, **ITEM}, timeout=WITHIN_S)
            assert (refused.status_code, refused.json()["code"]) == (429, "overloaded")
        until(lambda: service.is_idle)
        assert httpx.post(f"{service.url}/v1/score", json={**QUESTION, **ITEM}, timeout=WITHIN_S).status_code == 200


def test_a_caller_that_never_reads_is_closed(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """After `idle_s` in which nothing is taken the connection is closed, with most of the answer unsent and nothing held."""
    caplog.set_level(logging.INFO, "lossgauge.requests")
    with listening(engine, idle_s=0.5) as service, unread(service, LARGE) as caller:
        until(lambda: holds_answers(service, 1))
        until(lambda: service.is_idle)
        assert len(read(caller)) < ANSWER_BYTES
    [told] = [record for record in caplog.records if getattr(record, "route", "") == "/v1/maps"]
    assert getattr(told, "outcome", None) == "client_gone"
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("side", [2, 60, 70, 80, 300])
def test_an_answer_of_any_size_comes_whole(engine: Engine, side: int) -> None:
    """Small answers go as they are, larger ones in chunks: what arrives is what was announced, and the connection stays."""
    with listening(engine) as service, httpx.Client(base_url=service.url) as client:
        for _ in range(2):
            answer = client.post("/v1/maps", json=question(side))
            assert len(answer.content) == int(answer.headers["content-length"])
            assert [one["name"] for one in answer.json()["maps"]] == [f"map{number}" for number in range(8)]
        until(lambda: service.is_idle)
