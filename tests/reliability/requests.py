"""Requests as bytes, right ones and wrong ones."""

import contextlib
import gzip
import json
import re
import socket
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from lossgauge.encodings.npy import NpyArray

Document = dict[str, Any]
QUIET_S = 0.3
QUESTION: Document = {"task": "binary", "prediction_kind": "probabilities", "metrics": ["dice", "focal_loss", "iou"]}


def document(side: int = 16, seed: int = 0) -> Document:
    """A request of one pair."""
    rng = np.random.default_rng(seed)
    prediction = rng.random((side, side), np.float32)
    target = (rng.random((side, side)) < 0.4).astype(np.uint8)
    return {
        **QUESTION,
        "prediction": NpyArray.of(prediction).model_dump(),
        "target": NpyArray.of(target).model_dump(),
    }


def posted(
    body: bytes, path: str = "/v1/score", *headers: str, close: bool = True, media_type: str = "application/json"
) -> bytes:
    """A request of HTTP/1.1 with a body, of JSON unless another type is named."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: lossgauge",
        f"Content-Type: {media_type}",
        f"Content-Length: {len(body)}",
        *(["Connection: close"] if close else []),
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def score_request(side: int = 16, seed: int = 0) -> bytes:
    """A right one, whole."""
    return posted(json.dumps(document(side, seed)).encode())


def chunked(size: int, chunk: int = 2**16) -> list[bytes]:
    """A chunked body of so many bytes, in pieces, its head first."""
    head = b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    piece = f"{chunk:x}\r\n".encode() + b" " * chunk + b"\r\n"
    return [head, *[piece] * (size // chunk)]


def broken_gzip(seed: int) -> bytes:
    """A compressed body with a byte that is wrong."""
    body = bytearray(gzip.compress(json.dumps(document(64, seed)).encode()))
    body[len(body) // 2] ^= 0xFF
    return posted(bytes(body), "/v1/score", "Content-Encoding: gzip")


def exchanged(url: str, *pieces: bytes, hangs_up: bool = False, timeout: float = 20.0) -> bytes:
    """The answer; where we hang up, all that comes until nothing more does. Raises TimeoutError where the service hangs."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=timeout) as connection:
        with contextlib.suppress(
            BrokenPipeError, ConnectionResetError
        ):  # refused before all was sent: its answer is there
            for piece in pieces:
                connection.sendall(piece)
        if not hangs_up:
            return received(connection)
        connection.settimeout(QUIET_S)
        first = b""
        with contextlib.suppress(TimeoutError):
            first = received(connection)
        connection.settimeout(timeout)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        return first + received(connection)


def received(connection: socket.socket) -> bytes:
    """One whole answer, or what came of it until the service closed."""
    gathered = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while not _is_whole(gathered) and (piece := connection.recv(2**16)):
            gathered += piece
    return bytes(gathered)


def _is_whole(answer: bytearray) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)^content-length: *(\d+)", head, re.MULTILINE)
    return bool(end and length) and len(body) >= int(length[1] if length else 0)


def status_of(answer: bytes) -> int | None:
    """The status of an answer; None where there is none."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else None
