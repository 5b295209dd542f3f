"""A service behind a real socket, and a caller that writes and reads its streams as it likes."""

import base64
import contextlib
import http.client
import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import uvicorn
from fastapi import FastAPI
from lossgauge_service.app import create_app
from lossgauge_service.bodies_protocol import BodiesInPlace
from lossgauge_service.engine import Engine
from lossgauge_service.engine.staging import Staged
from lossgauge_service.outcomes import Outcomes
from lossgauge_service.service import Service
from lossgauge_service.settings import Settings

Document = dict[str, Any]
NDJSON = "application/x-ndjson"
QUESTION: Document = {"task": "binary", "prediction_kind": "probabilities", "metrics": ["dice"]}
ITEM: Document = {
    "prediction": {"encoding": "list", "data": [[0.9, 0.2], [0.7, 0.4]]},
    "target": {"encoding": "list", "data": [[1, 0], [1, 1]]},
}
"""Its dice is 0.8."""
WITHIN_S = 60
LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True)
class Gated(Engine):
    """Launches as often as it is let; remembers how many samples each launch had."""

    let: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    launches: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, engine: Engine) -> "Gated":
        """An engine that computes as another does."""
        return cls(engine.device, engine.kernels, engine.info)

    def launch(self, batch: Staged) -> Outcomes:
        self.launches.append(batch.count)
        self.let.acquire(timeout=WITHIN_S)
        return super().launch(batch)


@dataclass(frozen=True)
class Listening:
    """A service that listens."""

    host: str
    port: int
    app: FastAPI

    @property
    def service(self) -> Service:
        """The running parts."""
        found: Service = self.app.state.service
        return found

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{self.host}:{self.port}"

    @property
    def is_idle(self) -> bool:
        """Whether no request is being served, and nothing is held."""
        admission = self.service.admission
        return (admission.requests, admission.held.bytes, admission.held.pairs) == (0, 0, 0)


@contextmanager
def listening(engine: Engine, **settings: Any) -> Iterator[Listening]:
    """A service behind a real socket, in a thread."""
    app = create_app(Settings.model_validate(settings), engine)
    server = uvicorn.Server(uvicorn.Config(app, port=0, http=BodiesInPlace, ws="none", log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started)
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        found = Listening(host, port, app)
        until(lambda: httpx.get(f"{found.url}/health/ready", timeout=WITHIN_S).status_code == 200)
        yield found
    finally:
        server.should_exit = True
        thread.join()


def until(condition: Any, within_s: float = WITHIN_S) -> None:
    """Wait for something that another thread does."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Caller:
    """One request of lines over a socket of its own: what is written and what is read is up to the test.

    Its head leaves with the first that is written: however slow the machine is, the service finds both at once.
    """

    def __init__(
        self, service: Listening, *headers: str, path: str = "/v1/score/stream", buffer: int | None = None
    ) -> None:
        self.socket = socket.socket()
        if buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.connect((service.host, service.port))
        self.socket.settimeout(WITHIN_S)
        given = [f"Host: {service.host}", f"Accept: {NDJSON}", "Transfer-Encoding: chunked", *headers]
        if not any(header.startswith("Content-Type") for header in headers):
            given.append(f"Content-Type: {NDJSON}")
        self._unsent = "\r\n".join([f"POST {path} HTTP/1.1", *given, "", ""]).encode()
        self._response: http.client.HTTPResponse | None = None

    def write(self, content: bytes, end: bool = False) -> None:
        """Send some bytes, as a chunk; end: that they are all."""
        self._send(b"%x\r\n%b\r\n" % (len(content), content) + (LAST_CHUNK if end else b""))

    def lines(self, *documents: Document, end: bool = False) -> None:
        """Send documents, a line each; end: that they are all."""
        self.write(b"".join(json.dumps(document).encode() + b"\n" for document in documents), end)

    def end(self) -> None:
        """Send that it is all."""
        self._send(LAST_CHUNK)

    def _send(self, content: bytes) -> None:
        unsent, self._unsent = self._unsent, b""
        self.socket.sendall(unsent + content)

    @property
    def response(self) -> http.client.HTTPResponse:
        """The answer, once its headers are there."""
        if self._response is None:
            self._send(b"")
            self._response = http.client.HTTPResponse(self.socket, method="POST")
            self._response.begin()
        return self._response

    def read(self) -> Document:
        """The next line of the answer."""
        document: Document = json.loads(self.response.readline())
        return document

    def rest(self) -> list[Document]:
        """All lines that are left, the last one included."""
        return [json.loads(line) for line in self.response.read().splitlines()]

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def __enter__(self) -> "Caller":
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


def npy_item(side: int) -> Document:
    """An item of so many kilobytes: float32 probabilities and a mask."""
    rng = np.random.default_rng(side)
    arrays = rng.random((side, side), np.float32), rng.integers(0, 2, (side, side), np.uint8)
    return dict(zip(("prediction", "target"), map(_npy, arrays), strict=True))


def _npy(array: np.ndarray[Any, Any]) -> Document:
    file = io.BytesIO()
    np.save(file, array)
    return {"encoding": "npy", "data": base64.b64encode(file.getvalue()).decode()}


def resident_bytes() -> int:
    """Memory of this process, in which the service runs."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
