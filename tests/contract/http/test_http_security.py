"""Keys: who may what, before a byte of a body is read; and what callers try instead of a key."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from hashlib import sha256
from typing import Any

import httpx
import numpy as np
import pytest
from lossgauge import Client
from lossgauge.errors import AuthenticationError, PermissionDeniedError
from lossgauge_service.app import ROUTES, create_app
from lossgauge_service.engine import Engine
from lossgauge_service.guard import Guard
from lossgauge_service.keyring import Keyring
from lossgauge_service.keys import Key, minted
from lossgauge_service.problems import Problems
from lossgauge_service.settings import Settings
from lossgauge_service.statuses import STATUS
from starlette.routing import Route
from starlette.types import Message, Receive

from tests.contract.http.streaming import WITHIN_S, listening
from tests.contract.http.test_http_problems import is_problem
from tests.contract.http.test_http_sockets import HEAD, exchange, send_without_end

pytestmark = pytest.mark.anyio
Document = dict[str, Any]
Address = tuple[str, int]

SCORER, SCORER_KEPT = minted("ci", "score")
READER, READER_KEPT = minted("wall", "read")
STRANGER, _ = minted("ci", "score")
KEYS = f"{SCORER_KEPT.line},{READER_KEPT.line}"

OPEN = ["/", "/health/live", "/health/ready"]
READ = [
    "/v1/metrics",
    "/v1/metrics/dice",
    "/v1/presets",
    "/v1/presets/monai",
    "/v1/limits",
    "/metrics",
    "/docs",
    "/openapi.json",
]
SCORING = ["/v1/score", "/v1/score/batch", "/v1/score/stream", "/v1/sweep", "/v1/maps"]


def bearer(key: str) -> dict[str, str]:
    """The header that the client sends."""
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture(scope="session")
async def guarded(serving: Any, anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service that asks for keys."""
    async with serving(api_keys=KEYS) as client:
        yield client


@pytest.fixture(scope="session")
def guarded_address(engine: Engine) -> Iterator[Address]:
    """Host and port of a service that asks for keys, behind a real socket."""
    with listening(engine, api_keys=KEYS) as service:
        yield service.host, service.port


# --------------------------------------------------------------------------------------------------------- who may what


@pytest.mark.parametrize("path", OPEN)
@pytest.mark.parametrize("headers", [{}, bearer(STRANGER), bearer(READER)], ids=["none", "wrong", "right"])
async def test_what_is_open_to_all(guarded: httpx.AsyncClient, path: str, headers: dict[str, str]) -> None:
    """Whether the service is there and ready is told to everybody, whatever key is shown."""
    for method in ("GET", "HEAD"):
        assert (await guarded.request(method, path, headers=headers)).status_code == 200


@pytest.mark.parametrize("path", READ)
async def test_what_a_key_may_read(guarded: httpx.AsyncClient, path: str) -> None:
    """All that is only told is told to either key, and to nobody else."""
    statuses = [
        (await guarded.get(path, headers=headers)).status_code for headers in (bearer(READER), bearer(SCORER), {})
    ]
    assert statuses == [200, 200, 401]
    assert (await guarded.head(path)).status_code == 401
    assert (await guarded.head(path)).content == b""


@pytest.mark.parametrize("path", SCORING)
async def test_who_may_score(guarded: httpx.AsyncClient, path: str, score_request: Document) -> None:
    """Only a key of scope `score` gets as far as the body; one that may read is told what it lacks."""
    kind = "application/x-ndjson" if path.endswith("stream") else "application/json"
    scored = await guarded.post(path, content=b"{}", headers={**bearer(SCORER), "Content-Type": kind})
    assert is_problem(scored, 422, "invalid_parameter")
    refused = await guarded.post(path, json=score_request, headers=bearer(READER))
    assert is_problem(refused, 403, "forbidden")
    assert "a key of scope score; that of 'wall' is read" in refused.json()["detail"]
    assert refused.headers["www-authenticate"] == 'Bearer realm="lossgauge", error="insufficient_scope", scope="score"'
    assert is_problem(await guarded.post(path, json=score_request), 401, "unauthorized")


def routes() -> list[Route]:
    """Every route of the application, those of the documentation too."""
    own = [route for router in ROUTES for route in router.routes]
    return [route for route in (*create_app(Settings()).routes, *own) if isinstance(route, Route)]


def test_every_route_is_on_one_list() -> None:
    """A route that is new is open, read or scoring by a line of this file."""
    read = {*READ, "/v1/metrics/{name}", "/v1/presets/{name}", "/docs/oauth2-redirect"}
    told = {route.path for route in routes() if {*(route.methods or ())} <= {"GET", "HEAD"}}
    assert told - read == {*OPEN}
    assert {route.path for route in routes()} - told == {*SCORING}


def test_nothing_is_spoken_but_http() -> None:
    """There is no websocket, which the rules of methods would not fit."""
    assert [route for router in ROUTES for route in router.routes if not isinstance(route, Route)] == []


async def test_either_header_shows_a_key(guarded: httpx.AsyncClient, score_request: Document) -> None:
    """`Authorization: Bearer` in any case, or `X-API-Key`; a proxy's own scheme beside the latter is none of ours."""
    for headers in (
        {"Authorization": f"Bearer {SCORER}"},
        {"authorization": f"bEaReR   {SCORER}"},
        {"X-API-Key": SCORER},
        {"x-api-key": SCORER, "Authorization": "Basic dTpw"},
    ):
        assert (await guarded.post("/v1/score", json=score_request, headers=headers)).status_code == 200


async def test_a_refusal_says_how(guarded: httpx.AsyncClient) -> None:
    """A 401 names both headers, and by RFC 6750 says of a wrong key that it is one."""
    none, wrong = await guarded.get("/v1/limits"), await guarded.get("/v1/limits", headers=bearer(STRANGER))
    assert is_problem(none, 401, "unauthorized")
    assert is_problem(wrong, 401, "unauthorized")
    assert "none was sent: `Authorization: Bearer KEY` or `X-API-Key: KEY`" in none.json()["detail"]
    assert none.headers["www-authenticate"] == 'Bearer realm="lossgauge"'
    assert wrong.headers["www-authenticate"] == 'Bearer realm="lossgauge", error="invalid_token"'
    assert STRANGER not in wrong.text


async def test_without_keys_nothing_is_asked_for(client: httpx.AsyncClient, score_request: Document) -> None:
    """On this machine alone keys are off by default; one that is sent all the same does no harm."""
    assert (await client.post("/v1/score", json=score_request)).status_code == 200
    assert (await client.post("/v1/score", json=score_request, headers=bearer(STRANGER))).status_code == 200


# ---------------------------------------------------------------------------------------------------- what callers try


@pytest.mark.parametrize(
    "headers",
    [
        [("Authorization", "")],
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer ")],
        [("Authorization", f"Bearer {SCORER[:-1]}")],
        [("Authorization", f"Bearer {SCORER}A")],
        [("Authorization", f"Bearer {SCORER} ")],
        [("Authorization", f"Bearer {SCORER},{SCORER}")],
        [("Authorization", f"Bearer {SCORER}\t")],
        [("Authorization", f"Bearer\t{SCORER}")],
        [("Authorization", f"Bearer{SCORER}")],
        [("Authorization", f"Bearer {SCORER.lower()}")],
        [("Authorization", f"Basic {SCORER}")],
        [("Authorization", f"Token {SCORER}")],
        [("Authorization", SCORER)],
        [("Authorization", f"Bearer {SCORER_KEPT.digest.hex()}")],
        [("Authorization", f"Bearer {SCORER_KEPT.line}")],
        [("Authorization", "Bearer lg_" + "\u00e9" * 43)],
        [("Authorization", "Bearer " + "\u00ff" * 46)],
        [("Authorization", "Bearer " + "x" * 60_000)],
        [("X-API-Key", "")],
        [("X-API-Key", f"Bearer {SCORER}")],
        [("X-API-Key", "lg_")],
        [("Proxy-Authorization", f"Bearer {SCORER}")],
        [("Cookie", f"api_key={SCORER}; Authorization=Bearer {SCORER}")],
        [("Authorization", f"Bearer {SCORER}"), ("Authorization", f"Bearer {SCORER}")],
        [("Authorization", f"Bearer {SCORER}"), ("Authorization", f"Bearer {STRANGER}")],
        [("Authorization", f"Bearer {STRANGER}"), ("Authorization", f"Bearer {SCORER}")],
        [("Authorization", f"Bearer {SCORER}"), ("X-API-Key", SCORER)],
        [("Authorization", f"Bearer {READER}"), ("X-API-Key", SCORER)],
        [("X-API-Key", SCORER), ("X-API-Key", READER)],
        [("X-API-Key", f"{STRANGER}, {SCORER}")],
    ],
    ids=lambda headers: str([(name, len(value)) for name, value in headers]),
)
async def test_what_is_no_key(
    guarded: httpx.AsyncClient, score_request: Document, headers: list[tuple[str, str]]
) -> None:
    """No key, part of one, two of them, one in another place or its hash: 401, not a fault."""
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    answer = await guarded.post("/v1/score", json=score_request, headers=raw)
    assert is_problem(answer, 401, "unauthorized")


@pytest.mark.parametrize("name", ["api_key", "key", "access_token", "token", "X-API-Key", "Authorization"])
async def test_a_key_in_a_query_is_none(guarded: httpx.AsyncClient, score_request: Document, name: str) -> None:
    """A query string, which others write into logs and histories, shows no key."""
    for value in (SCORER, f"Bearer {SCORER}"):
        answer = await guarded.post("/v1/score", params={name: value}, json=score_request)
        assert is_problem(answer, 401, "unauthorized")
        assert SCORER not in answer.text


async def test_a_key_in_a_body_is_none(guarded: httpx.AsyncClient, score_request: Document) -> None:
    """Nor does a body, which is not read."""
    for body in ({"json": {**score_request, "api_key": SCORER}}, {"data": {"api_key": SCORER}}):
        assert (await guarded.post("/v1/score", **body)).status_code == 401


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "HEAD", "PROPFIND", "post", "get"])
@pytest.mark.parametrize("path", ["/v1/score", "/v1/limits", "/nothing"])
async def test_other_methods(guarded: httpx.AsyncClient, method: str, path: str) -> None:
    """No method comes past the keys; with one that may, the application says what it takes."""
    assert (await guarded.request(method, path)).status_code == 401
    assert (await guarded.request(method, path, headers={"X-HTTP-Method-Override": "GET"})).status_code == 401
    assert (await guarded.request(method, path, headers=bearer(SCORER))).status_code in (200, 404, 405, 415)


PATHS = [
    *("//", "///", "//v1/limits", "/./v1/limits", "/v1/./limits", "/v1//limits", "/%2e/v1/limits", "/%2F"),
    *("/health/../v1/limits", "/health/live/../../v1/limits", "/health/%2e%2e/v1/limits", "/health/..%2fv1/limits"),
    *("/health/live%2f..%2f..%2fv1/limits", "/health//v1/limits", "/health/live;/v1/limits", "/health/live%00"),
    *("/health/live%0a", "/health/live%20", "/health/LIVE", "/HEALTH/live", "/health/live/", "/health", "/health/"),
    *("/%68ealth/live/x", "/v1/limits?/health/live", "/v1/limits%3f/health/live", "/v1/limits%23/health/live"),
    *(
        "/\\v1\\limits",
        "/health\\..\\v1\\limits",
        "/v1/limits/../../health/live",
        "/v1/limits/",
        "/static-offline-docs/../v1/limits",
    ),
]


@pytest.mark.parametrize("path", PATHS)
async def test_paths_that_look_like_open_ones(guarded_address: Address, path: str) -> None:
    """What is open is open as it is written; nothing else comes past the keys by slashes, dots, escapes or case."""
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    assert exchange(guarded_address, request).startswith(b"HTTP/1.1 401")
    post = request.replace(b"GET ", b"POST ").replace(b"limits", b"score")
    assert exchange(guarded_address, post).startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET http://x/v1/limits HTTP/1.1", b"401"),
        (b"GET http://x/health/live HTTP/1.1", b"200"),
        (b"GET /v1/limits HTTP/1.0", b"401"),
        (b"OPTIONS * HTTP/1.1", b"401"),
        (b"GET /%68ealth/liv%65 HTTP/1.1", b"200"),
        (b"GET /health/live?x=/v1/limits HTTP/1.1", b"200"),
    ],
)
async def test_other_ways_to_write_a_request(guarded_address: Address, line: bytes, status: bytes) -> None:
    """Absolute addresses, escapes and older versions are read as the application reads them."""
    answer = exchange(
        guarded_address, line + b"\r\nHost: /health/live\r\nX-Forwarded-Prefix: /health\r\nConnection: close\r\n\r\n"
    )
    assert answer.split(b" ", 2)[1] == status


@pytest.mark.parametrize("name", [b"X-Original-URL", b"X-Rewrite-URL", b"X-Forwarded-Path", b"X-Script-Name"])
async def test_headers_of_proxies_open_nothing(guarded_address: Address, name: bytes) -> None:
    """No header says which path is meant, nor that the caller is near."""
    near = b"X-Forwarded-For: 127.0.0.1\r\nForwarded: for=127.0.0.1\r\n"
    request = (
        b"GET /v1/limits HTTP/1.1\r\nHost: localhost\r\n" + near + name + b": /health/live\r\nConnection: close\r\n\r\n"
    )
    assert exchange(guarded_address, request).startswith(b"HTTP/1.1 401")


async def test_an_upgrade_is_no_way_in(guarded_address: Address) -> None:
    """A websocket is refused as any request without a key."""
    upgrade = (
        b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    assert b"401" in exchange(guarded_address, b"GET /v1/limits HTTP/1.1\r\nHost: x\r\n" + upgrade).split(b"\r\n")[0]


async def test_headers_without_end_of_a_stranger(guarded_address: Address) -> None:
    """A key that goes on and on is refused before it ends."""
    with pytest.raises(ConnectionError):
        send_without_end(guarded_address, b"GET /v1/limits HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ", b"x" * 2**20)
    assert (
        httpx.get(f"http://{guarded_address[0]}:{guarded_address[1]}/health/live", timeout=WITHIN_S).status_code == 200
    )


# ------------------------------------------------------------------------------------------------ bodies of strangers


async def refused(headers: list[tuple[bytes, bytes]], receive: Receive) -> list[Message]:
    """What the guard says to a stranger; the application must not hear of it."""
    sent: list[Message] = []

    async def never(*_: object) -> None:
        raise AssertionError("a stranger was listened to")

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/score", "headers": headers, "query_string": b""}
    await Guard(never, Keyring(KEYS, None), Problems(STATUS))(scope, receive, send)
    return sent


@pytest.mark.parametrize("length", [0, 9, 2**20])
async def test_the_body_of_a_stranger_is_not_read(length: int) -> None:
    """Nothing of it is received; the connection, which a short body does not hold up, stays."""

    async def receive() -> Message:
        raise AssertionError("a stranger was listened to")

    start, body = await refused([(b"content-length", str(length).encode())], receive)
    assert (start["status"], body["type"]) == (401, "http.response.body")
    assert b"connection" not in dict(start["headers"])


@pytest.mark.parametrize(
    "header", [(b"content-length", b"1048577"), (b"transfer-encoding", b"chunked"), (b"content-length", b"x")]
)
async def test_of_a_long_body_little_is_skipped(header: tuple[bytes, bytes]) -> None:
    """The answer is out before anything is received; then a mebibyte is let pass, so that the caller sees it, and no more."""
    received: list[int] = []

    async def receive() -> Message:
        received.append(2**16)
        return {"type": "http.request", "body": b" " * 2**16, "more_body": True}

    start, body, end = await refused([header], receive)
    assert (dict(start["headers"])[b"connection"], body["more_body"]) == (b"close", True)
    assert end == {"type": "http.response.body"}
    assert sum(received) == 2**20


async def test_a_long_body_that_does_not_come_is_not_waited_for() -> None:
    """Nor is more than a second waited for it; nor anything once the caller is gone."""

    async def silence() -> Message:
        await asyncio.sleep(60)
        raise AssertionError

    async def gone() -> Message:
        return {"type": "http.disconnect"}

    async with asyncio.timeout(10):
        for receive in (silence, gone):
            assert len(await refused([(b"transfer-encoding", b"chunked")], receive)) == 3


@pytest.mark.parametrize("announced", [b"Content-Length: 99999999999", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("key", ["", STRANGER, READER], ids=["none", "wrong", "reader"])
async def test_the_connection_of_a_stranger_s_body_is_closed(
    guarded_address: Address, announced: bytes, key: str
) -> None:
    """Who may not score is answered before the body, never told to go on, and hung up on."""
    head = HEAD + f"X-API-Key: {key}\r\n".encode() + b"Expect: 100-continue\r\n" + announced + b"\r\n\r\n"
    answer = exchange(guarded_address, head, hang_up=False)
    assert re.match(rb"HTTP/1\.1 40[13] ", answer)
    assert b"\r\nconnection: close\r\n" in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] in ("unauthorized", "forbidden")


async def test_a_body_without_end_of_a_stranger(guarded_address: Address) -> None:
    """A stranger who goes on sending all the same is cut off long before the end."""
    chunk = b"10000\r\n" + b" " * 2**16 + b"\r\n"
    with pytest.raises(ConnectionError):
        send_without_end(guarded_address, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", chunk)


async def test_a_second_request_rides_on_no_key(guarded_address: Address, score_request: Document) -> None:
    """Each request of a connection shows its own key."""
    body = json.dumps(score_request).encode()
    length = f"Content-Length: {len(body)}\r\n".encode()
    first = HEAD + f"X-API-Key: {SCORER}\r\n".encode() + length + b"\r\n" + body
    second = b"GET /v1/limits HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = exchange(guarded_address, first, second, hang_up=False)
    assert re.findall(rb"HTTP/1\.1 (\d+)", answer) == [b"200", b"401"]


async def test_a_refusal_without_a_body_keeps_the_connection(guarded_address: Address) -> None:
    """Who asked for the catalogue without a key may ask again on the same connection."""
    request = b"GET /v1/limits HTTP/1.1\r\nHost: x\r\n"
    again = request + f"X-API-Key: {READER}\r\nConnection: close\r\n\r\n".encode()
    answer = exchange(guarded_address, request + b"\r\n", again, hang_up=False)
    assert re.findall(rb"HTTP/1\.1 (\d+)", answer) == [b"401", b"200"]


async def test_strangers_take_no_room(guarded_address: Address) -> None:
    """Callers without a key who hold their connections open leave room for those who have one."""
    strangers = [socket.create_connection(guarded_address, timeout=WITHIN_S) for _ in range(64)]
    for stranger in strangers:
        with suppress(OSError):
            stranger.sendall(HEAD + b"Content-Length: 99999999\r\n\r\n" + b" " * 2**16)
    with Client("http://{}:{}".format(*guarded_address), SCORER, retries=0) as client:
        assert client.score([0.9], [1], metrics="dice", prediction_kind="probabilities")["dice"] == 1
    for stranger in strangers:
        stranger.close()


# ------------------------------------------------------------------------------------------------------------ clients


async def test_the_client_shows_its_key(guarded_address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key that is given, or that of LOSSGAUGE_API_KEY; what it may not is an error of its own."""
    url = "http://{}:{}".format(*guarded_address)
    monkeypatch.setenv("LOSSGAUGE_API_KEY", READER)
    with (
        Client(url, SCORER, retries=0) as scorer,
        Client(url, retries=0) as reader,
        Client(url, "", retries=0) as nobody,
    ):
        assert scorer.score([0.9], [1], metrics="dice", prediction_kind="probabilities")["dice"] == 1
        assert reader.limits().items == 1024
        with pytest.raises(PermissionDeniedError):
            reader.score([0.9], [1], metrics="dice", prediction_kind="probabilities")
        with pytest.raises(AuthenticationError):
            nobody.limits()


@pytest.mark.parametrize("kibibytes", [1, 100, 1000, 1500, 4000, 32000])
async def test_a_client_with_a_body_reads_the_refusal(guarded_address: Address, kibibytes: int) -> None:
    """The service hangs up on a body that it does not read; the client tells the reason, not a broken connection."""
    mask = np.zeros(kibibytes * 512, np.uint8)
    for _ in range(5):
        client = Client("http://{}:{}".format(*guarded_address), STRANGER, retries=0)
        with client, pytest.raises(AuthenticationError, match="not one of this service's"):
            client.score(mask, mask, metrics="dice", prediction_kind="labels")


# ---------------------------------------------------------------------------------------------------------- documents


@pytest.mark.parametrize(("keys", "optional"), [(KEYS, False), ("", True)], ids=["keys", "none"])
def test_the_openapi_document_says_what_shows_a_key(keys: str, optional: bool) -> None:
    """Both headers are security schemes of every route but the open ones; without keys they are optional."""
    document = create_app(Settings.model_validate({"api_keys": keys})).openapi()
    schemes = document["components"]["securitySchemes"]
    assert (schemes["bearer"]["scheme"], schemes["header"]["name"]) == ("bearer", "X-API-Key")
    assert document["security"] == [{"bearer": []}, {"header": []}, *([{}] if optional else [])]
    found = {path: operation for path, operations in document["paths"].items() for operation in operations.values()}
    assert {path for path, operation in found.items() if "security" in operation} == {"/health/live", "/health/ready"}
    refusals = {path: {"401", "403"} & {*operation["responses"]} for path, operation in found.items()}
    assert {path for path, told in refusals.items() if told == {"401", "403"}} == {*SCORING}
    assert {path for path, told in refusals.items() if not told} == {*OPEN} - {"/"}


async def test_a_key_of_a_file(serving: Any, tmp_path: Any) -> None:
    """A service reads its keys from a file, and takes them away with it."""
    file = tmp_path / "keys"
    file.write_text(Key("ci", "read", sha256(READER.encode()).digest()).line)
    async with serving(api_keys_file=file) as client:
        assert (await client.get("/v1/limits", headers=bearer(READER))).status_code == 200
        assert (await client.get("/v1/limits", headers=bearer(SCORER))).status_code == 401
