"""Base64 (RFC 4648, section 4), read strictly: one text for the same bytes, and nothing between its letters."""

import binascii
from collections.abc import Callable

from lossgauge.encodings.base import ArrayRejected, Buffer, over_limit

Decoder = Callable[[str], bytearray]


def encode(body: Buffer) -> str:
    """The base64 text of some bytes."""
    return binascii.b2a_base64(body, newline=False).decode("ascii")


def decoded_size(text: str) -> int:
    """How many bytes a well-formed text holds, without decoding it."""
    return len(text) // 4 * 3 - text[-2:].count("=")


def decode(text: str, at_most: int, limit: str) -> bytearray:
    """The bytes of a text, writable; refused over `at_most` bytes (the cap `limit`) before memory is taken."""
    if decoded_size(text) > at_most:
        raise over_limit(limit, f"{decoded_size(text)} bytes; at most {at_most} are allowed", "/data")
    return decode_strictly(text)


def plain(text: str) -> bytearray:
    """Decode with the standard library."""
    return bytearray(binascii.a2b_base64(text, strict_mode=True))


def _fastest() -> Decoder:
    try:
        import pybase64
    except ImportError:
        return plain
    return lambda text: pybase64.b64decode_as_bytearray(text, validate=True)


FASTEST: Decoder = _fastest()


def decode_strictly(text: str, decoder: Decoder = FASTEST) -> bytearray:
    """The bytes of a text, writable."""
    try:
        body = decoder(text)
    except ValueError as error:
        raise ArrayRejected(f"not base64: {error}", pointer="/data") from None
    if not _is_canonical(text, body):
        raise ArrayRejected("not base64: wrong padding, or bits set after the last byte", pointer="/data")
    return body


def _is_canonical(text: str, body: bytearray) -> bool:
    tail = len(body) - (len(body) - 1) % 3 - 1 if body else 0
    return len(text) == -(-len(body) // 3) * 4 and text.endswith(encode(body[tail:]))
