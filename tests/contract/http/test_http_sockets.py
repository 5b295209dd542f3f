"""Raw sockets: callers that stop half way, lie, or never end, and a service that stays."""

import http.client
import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from lossgauge_service.engine import Engine

from tests.contract.http.streaming import WITHIN_S, listening, until

Address = tuple[str, int]
Document = dict[str, Any]
HEAD = b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def exchange(address: Address, *pieces: bytes, hang_up: bool = True) -> bytes:
    """What the service sends back until it closes; we hang up half way, or let it close."""
    with socket.create_connection(address, timeout=WITHIN_S) as connection:
        for piece in pieces:
            connection.sendall(piece)
        if hang_up:
            connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def send_without_end(address: Address, start: bytes, piece: bytes) -> None:
    """Send until the service hangs up, 64 MiB at most."""
    with socket.create_connection(address, timeout=WITHIN_S) as connection:
        connection.sendall(start)
        for _ in range(2**26 // len(piece)):
            connection.sendall(piece)


def is_alive(address: Address, score_request: Document) -> bool:
    """Whether the service still scores."""
    answer = httpx.post(f"http://{address[0]}:{address[1]}/v1/score", json=score_request, timeout=WITHIN_S)
    return bool(answer.json()["scores"]["dice"]["value"] == 0.8)


@pytest.mark.parametrize(
    "pieces",
    [
        [b"POST /v1/sc"],
        [HEAD],
        [HEAD + b"Content-Length: 100\r\n\r\n", b'{"task"'],
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"5\r\n{"],
        [HEAD + b"Content-Length: 2\r\nContent-Length: 5\r\n\r\n{}"],
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"zz\r\n{}\r\n0\r\n\r\n"],
        [b"\x00\x01\x02\r\n\r\n"],
        [b"GET / HTTP/9.9\r\n\r\n"],
    ],
)
def test_a_caller_that_stops_half_way(address: Address, score_request: Document, pieces: list[bytes]) -> None:
    """A request that is cut off or broken leaves the service alive."""
    exchange(address, *pieces)
    assert is_alive(address, score_request)


@pytest.mark.parametrize("path", ["/v1/score", "/v1/score/batch", "/v1/sweep", "/v1/maps"])
@pytest.mark.parametrize("begun", [b"", b'{"task"'])
def test_a_body_that_stops_coming(engine: Engine, path: str, begun: bytes) -> None:
    """A body of which nothing came for the idle time is 408 long before the deadline, and what it announced is not held any more."""
    head = HEAD.replace(b"/v1/score", path.encode()) + b"Content-Length: 5000\r\n\r\n"
    with listening(engine, idle_s=0.3) as service, socket.create_connection((service.host, service.port)) as connection:
        connection.settimeout(WITHIN_S)
        connection.sendall(head + begun)
        answer = http.client.HTTPResponse(connection, method="POST")
        answer.begin()
        assert (answer.status, json.loads(answer.read())["code"]) == (408, "stalled")
        until(lambda: service.is_idle)


def test_an_oversize_body_in_chunks(address: Address, score_request: Document) -> None:
    """A chunked body beyond the cap is refused while it comes."""
    chunk = b"3e8\r\n" + b" " * 1000 + b"\r\n"
    answer = exchange(address, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", chunk * 30)
    assert answer.startswith(b"HTTP/1.1 413")
    assert json.loads(answer.split(b"\r\n\r\n")[1])["limit"] == "body_bytes"
    assert is_alive(address, score_request)


def test_an_announced_oversize_body(address: Address) -> None:
    """A body that is announced beyond the cap is refused without a byte of it, even to who asks first."""
    answer = exchange(address, HEAD + b"Expect: 100-continue\r\nContent-Length: 20001\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "headers",
    [b"A: " + b"x" * 2**20, b"".join(b"A%d: b\r\n" % number for number in range(2**17))],
)
def test_headers_without_end(address: Address, score_request: Document, headers: bytes) -> None:
    """Headers that go on and on are refused before they end."""
    with pytest.raises(ConnectionError):
        send_without_end(address, b"GET / HTTP/1.1\r\nHost: x\r\n", headers)
    assert is_alive(address, score_request)


def test_callers_at_once(address: Address, score_request: Document) -> None:
    """Many callers at the same time are all answered."""
    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(lambda _: is_alive(address, score_request), range(16)))
    assert answers == [True] * 16


def test_a_connection_serves_again_after_a_refusal(address: Address, score_request: Document) -> None:
    """After a refused body the same connection takes the next request."""
    body = json.dumps(score_request).encode()
    refused = HEAD + b"Content-Length: 20001\r\n\r\n" + b" " * 20001
    again = HEAD + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body
    answer = exchange(address, refused, again, hang_up=False)
    assert re.findall(rb"HTTP/1\.1 (\d+)", answer) == [b"413", b"200"]
