"""Requests that are mutated, over raw sockets: nothing crashes, nothing hangs, and no fault of the service answers."""

import json
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.reliability.figure import Figure
from tests.reliability.requests import Document, document, exchanged, posted, score_request, status_of

METHODS = (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"get", b"", b"\xff")
STREAM, NDJSON = "/v1/score/stream", "application/x-ndjson"
PATHS = (
    "/",
    "/v1/score",
    "/v1/score/batch",
    STREAM,
    "/v1/sweep",
    "/v1/maps",
    "/v1/metrics",
    "/v1/metrics/dice",
    "/v1/presets",
    "/v1/limits",
    "/health/live",
    "/health/ready",
    "/metrics",
    "/docs",
    "/openapi.json",
)
FAULTS = frozenset(range(500, 600)) - {503, 504}
Mutation = Callable[[random.Random, bytes], bytes]


def run(url: str, number: int, seed: int) -> Figure:
    """So many mutated requests."""
    rng = random.Random(seed)
    seen, faults, hangs = Counter[int | None](), list[str](), 0
    for place in range(number):
        request = mutated(rng)
        try:
            status = status_of(exchanged(url, request, hangs_up=True))
        except TimeoutError:
            hangs += 1
            continue
        seen[status] += 1
        if status in FAULTS:
            faults.append(f"{place}: {status}")
    alive = status_of(exchanged(url, score_request())) == 200
    found = f"{number} requests, seed {seed}: {len(faults)} faults, {hangs} hangs, alive: {alive}"
    answers = ", ".join(f"{status or 'closed'} x {times}" for status, times in sorted(seen.items(), key=str))
    return Figure(
        "raw-socket fuzz: routes x methods x mutated lines, headers, bodies",
        "0 crashes, 0 hangs, 0 undeclared 5xx",
        f"{found} ({answers}){' ' + '; '.join(faults[:5]) if faults else ''}",
        alive and not faults and not hangs,
    )


def mutated(rng: random.Random) -> bytes:
    """A request, one to three of its parts wrong."""
    path, asked = rng.choice(PATHS), {**document(8, rng.randrange(4)), **rng.choice(MEMBERS)}
    request = posted(_lines(asked), path, media_type=NDJSON) if path == STREAM else posted(_json(asked), path)
    for _ in range(rng.randint(1, 3)):
        request = rng.choice(MUTATIONS)(rng, request)
    return request


def _json(asked: Document) -> bytes:
    return json.dumps(asked).encode()


def _lines(asked: Document) -> bytes:
    """The question, then its pair twice, each a line."""
    pair = {role: asked[role] for role in ("prediction", "target")}
    question = {name: value for name, value in asked.items() if name not in pair}
    return b"".join(_json(line) + b"\n" for line in (question, pair, pair))


MEMBERS: tuple[dict[str, Any], ...] = (
    {},
    {"items": [document(4)] * 3},
    {"sweep": {"thresholds": [0.5]}},
    {"maps": ["errors"]},
    {"metrics": None},
    {"task": "multiclass", "num_classes": -1},
    {"threshold": 1e308},
    {"prediction": {"encoding": "raw", "dtype": "float64", "shape": [2**31, 2**31], "data": ""}},
    {"id": "x" * 10_000},
)


def _another_method(rng: random.Random, request: bytes) -> bytes:
    return rng.choice(METHODS) + request[request.find(b" ") :]


def _flipped(rng: random.Random, request: bytes) -> bytes:
    changed = bytearray(request)
    for _ in range(rng.randint(1, 8)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def _cut_off(rng: random.Random, request: bytes) -> bytes:
    return request[: rng.randint(1, len(request))]


def _line_gone(rng: random.Random, request: bytes) -> bytes:
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    lines.pop(rng.randrange(len(lines)))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _line_added(rng: random.Random, request: bytes) -> bytes:
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    lines.insert(rng.randint(1, len(lines)), rng.choice(LINES))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


LINES = (
    b"Content-Length: 5",
    b"Content-Length: -1",
    b"Content-Length: 99999999999999999999",
    b"Transfer-Encoding: chunked",
    b"Content-Encoding: gzip",
    b"Content-Encoding: zstd",
    b"Content-Encoding: gzip, gzip",
    b"Content-Type: multipart/form-data; boundary=x",
    b"Content-Type: application/x-safetensors",
    b"Content-Type: " + b"x" * 5000,
    b"X-Request-Timeout-Ms: 1",
    b"X-Request-Timeout-Ms: nan",
    b"X-Request-Id: \xff\xfe",
    b"Idempotency-Key: " + b"k" * 3000,
    b"Accept: application/x-ndjson",
    b"Accept: image/png;q=0",
    b"Expect: 100-continue",
    b"Upgrade: websocket",
    b": no name",
    b"A" * 70_000 + b": long",
)


def _spliced(rng: random.Random, request: bytes) -> bytes:
    at = rng.randrange(len(request))
    return request[:at] + rng.randbytes(rng.randint(1, 200)) + request[at:]


def _twice(rng: random.Random, request: bytes) -> bytes:
    return request + request[rng.randrange(len(request)) :]


MUTATIONS: tuple[Mutation, ...] = (_another_method, _flipped, _cut_off, _line_gone, _line_added, _spliced, _twice)
