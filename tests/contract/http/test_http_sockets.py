"""Raw sockets: callers that stop half way, lie, or never end, and a service that stays."""

import http.client
import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx
import pytest
from lossgauge_service.engine import Engine

from tests.contract.http.streaming import WITHIN_S, listening, until

Address = tuple[str, int]
Document = dict[str, Any]
JSON = {"Content-Type": "application/json"}
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


CHUNK = b"10000\r\n" + b" " * 2**16 + b"\r\n"


@pytest.mark.parametrize(
    "start",
    [
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
        HEAD + b"Content-Length: 99999999999\r\n\r\n",
        HEAD.replace(b"json", b"pdf") + b"Transfer-Encoding: chunked\r\n\r\n",
        HEAD.replace(b"POST /v1/score", b"GET /health/live") + b"Transfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["comes", "announced", "type", "answered"],
)
def test_a_body_that_goes_on_after_the_answer(address: Address, score_request: Document, start: bytes) -> None:
    """Of a body that nobody reads any more little is taken off the network; then the connection is closed."""
    with pytest.raises(ConnectionError):
        send_without_end(address, start, CHUNK)
    assert is_alive(address, score_request)


def test_who_sends_too_much_is_told_so(address: Address) -> None:
    """A caller that is cut off in the middle of its body finds the answer that it was given before."""
    answer = httpx.post(
        f"http://{address[0]}:{address[1]}/v1/score", content=b" " * 2**25, headers=JSON, timeout=WITHIN_S
    )
    assert (answer.status_code, answer.json()["limit"]) == (413, "body_bytes")


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


TRAILERS = b"".join(b"T%d: b\r\n" % number for number in range(2**17))


@pytest.mark.parametrize("trailers", [TRAILERS, b"T: " + b"x" * 2**20], ids=["many", "long"])
@pytest.mark.parametrize("path", [b"/health/live", b"/v1/score"])
def test_trailers_without_end(address: Address, score_request: Document, path: bytes, trailers: bytes) -> None:
    """Trailers that go on and on end the connection, whether their request has been answered or not, and it needs no key."""
    start = b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    with pytest.raises(ConnectionError):
        send_without_end(address, start, trailers)
    assert is_alive(address, score_request)


def test_trailers_are_no_headers(address: Address) -> None:
    """What a trailer says is not taken for what a header says; the request is answered, and the next one."""
    chunked = b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Request-Id: late\r\n\r\n"
    asked = HEAD + b"X-Request-Id: early\r\n" + chunked
    answer = exchange(address, asked, HEAD + b"Connection: close\r\n" + chunked, hang_up=False)
    assert re.findall(rb"HTTP/1\.1 (\d+)", answer) == [b"422", b"422"]
    assert b"x-request-id: early" in answer
    assert b"late" not in answer


MOST = 2**16
FIRST = b"GET /health/live HTTP/1.1\r\nConnection: close\r\nA: "
COUNTED = len("/health/live") + len("Connection: close\r\nA: \r\n")


@pytest.mark.parametrize("size", [100, 2**14, 2**20], ids=str)
@pytest.mark.parametrize(("more", "taken"), [(0, True), (1, False), (5000, False), (40_000, False)])
def test_the_bound_of_headers(address: Address, more: int, taken: bool, size: int) -> None:
    """An address and headers of 64 KiB are taken, one byte more is not, however they are cut on their way."""
    asked = FIRST + b"a" * (MOST - COUNTED + more) + b"\r\n\r\n"
    assert is_answered(address, [asked[start : start + size] for start in range(0, len(asked), size)]) == taken


def is_answered(address: Address, pieces: list[bytes]) -> bool:
    """Whether headers are taken: else they are refused, of which a reset takes the words from who still sends."""
    with suppress(ConnectionError):
        answer = exchange(address, *pieces, hang_up=False)
        assert answer.startswith(b"HTTP/1.1 200") or answer.endswith(b"The headers are longer than 65536 bytes.")
        return answer.startswith(b"HTTP/1.1 200")
    return False


def test_a_request_that_comes_with_the_end_of_a_large_one(address: Address) -> None:
    """What is behind a body, in the same packet, is not counted among its headers."""
    large = HEAD + b"Content-Length: 19000\r\n\r\n" + b" " * 19_000
    start, end = b"GET /health/live HTTP/1.1\r\nHo", b"st: x\r\nConnection: close\r\n\r\n"
    answer = exchange(address, large * 5 + start, end, hang_up=False)
    assert re.findall(rb"HTTP/1\.1 (\d+)", answer) == [b"400"] * 5 + [b"200"]


OFFERS = [
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
    b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket, h2c\r\nExpect: 100-continue\r\n",
]


@pytest.mark.parametrize("size", [1, 100, 2**20], ids=str)
@pytest.mark.parametrize("chunked", [False, True], ids=["whole", "chunked"])
@pytest.mark.parametrize("offer", OFFERS, ids=["h2c", "several"])
def test_an_offer_of_another_protocol(
    address: Address, score_request: Document, offer: bytes, chunked: bool, size: int
) -> None:
    """A caller that offers to go on in another protocol is answered in this one, body and all, and so is what it asks next."""
    body = json.dumps(score_request).encode()
    framed = b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    if chunked:
        framed = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    asked = HEAD + offer + framed + b"GET /health/live HTTP/1.1\r\nHost: x\r\n" + offer + b"\r\n"
    asked += HEAD + b"Connection: close\r\n" + framed
    answer = exchange(address, *(asked[start : start + size] for start in range(0, len(asked), size)), hang_up=False)
    assert re.findall(rb"HTTP/1\.1 (\d+) OK", answer) == [b"200"] * 3
    assert answer.count(b'"value":0.8') == 2


def test_many_offers_at_once(address: Address) -> None:
    """Thousands of them, all there before the first is answered, are answered each."""
    offers = (b"GET /health/live HTTP/1.1\r\n" + OFFERS[0] + b"\r\n") * 2000
    answer = exchange(address, offers + b"GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n", hang_up=False)
    assert answer.count(b"HTTP/1.1 200 OK") == 2001


def test_a_tunnel_is_none(address: Address, score_request: Document) -> None:
    """CONNECT asks for a tunnel, which there is none: it is refused, with whatever would go through it."""
    answer = exchange(address, b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", hang_up=False)
    assert answer.startswith(b"HTTP/1.1 400")
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
