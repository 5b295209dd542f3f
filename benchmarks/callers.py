"""Callers of a service in a process of their own, which imports little; each keeps its connection.

    python -m benchmarks.callers URL MEDIA_TYPE FILE CALLERS SECONDS

Each posts the file again and again until the seconds are over, and waits for the answer in between. Prints the seconds of each call,
and those from the first call's start to the last one's end, as JSON. One call goes ahead of them.
"""

import json
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

RECEIVED = 2**16
END_OF_HEAD = b"\r\n\r\n"
PATIENCE_S = 600.0


class Refused(RuntimeError):
    """An answer other than 200."""


class Connection:
    """A connection that posts one body, any number of times."""

    def __init__(self, url: str, media_type: str, content: bytes) -> None:
        address = urlsplit(url)
        self._socket = socket.create_connection((address.hostname, address.port), timeout=PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = (
            f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: {media_type}\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        ).encode()
        self._content = content

    def post(self) -> bytes:
        """The body of the answer."""
        self._socket.sendmsg([self._head])
        self._socket.sendall(self._content)
        head, _, body = self._received_until_head().partition(END_OF_HEAD)
        length = _length(head)
        while len(body) < length:
            body += self._received()
        if not head.startswith(b"HTTP/1.1 200"):
            raise Refused(f"{head.decode()}\n{body[:400].decode()}")
        return body

    def _received_until_head(self) -> bytes:
        received = b""
        while END_OF_HEAD not in received:
            received += self._received()
        return received

    def _received(self) -> bytes:
        received = self._socket.recv(RECEIVED)
        if not received:
            raise ConnectionError("closed before the end of the answer")
        return received

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._socket.close()


def _length(head: bytes) -> int:
    """The length of the body that a head announces."""
    lines = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
    return next(int(value) for name, _, value in lines if name.lower() == b"content-length")


def calls(url: str, media_type: str, content: bytes, callers: int, seconds: float) -> dict[str, object]:
    """All callers' times."""
    with Connection(url, media_type, content) as first:
        first.post()
    taken: list[float] = []
    start = threading.Barrier(callers + 1)
    threads = [
        threading.Thread(target=_caller, args=(url, media_type, content, start, seconds, taken)) for _ in range(callers)
    ]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    return {"latencies": taken, "seconds": time.perf_counter() - began}


def _caller(
    url: str, media_type: str, content: bytes, start: threading.Barrier, seconds: float, taken: list[float]
) -> None:
    with Connection(url, media_type, content) as connection:
        start.wait()
        ends = time.perf_counter() + seconds
        while (asked := time.perf_counter()) < ends:
            connection.post()
            taken.append(time.perf_counter() - asked)


if __name__ == "__main__":
    url, media_type, file, callers, seconds = sys.argv[1:]
    print(json.dumps(calls(url, media_type, Path(file).read_bytes(), int(callers), float(seconds))))
