"""Undoing a Content-Encoding, never beyond the cap."""

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

from lossgauge_service.bodies.read import Hold
from lossgauge_service.errors import BodyTooLarge, Malformed

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SLICE = 2**16
PIECE = 2**20
ZSTD_WINDOW_LOG = 23  # RFC 9659: no content coding asks for a window above 8 MB


class Decompressor(Protocol):
    """One frame of compressed data, undone piece by piece."""

    @property
    def eof(self) -> bool:
        """Whether the frame has ended."""

    @property
    def unused_data(self) -> bytes:
        """What followed the frame."""

    def pieces(self, compressed: memoryview) -> Iterator[bytes]:
        """What comes out of this much, in pieces of at most `PIECE` bytes."""


class Gzip:
    """gzip (RFC 1952), one member."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        """Whether the member has ended."""
        return self._inflate.eof

    @property
    def unused_data(self) -> bytes:
        """What followed the member."""
        return self._inflate.unused_data

    def pieces(self, compressed: memoryview) -> Iterator[bytes]:
        """What comes out of this much."""
        piece = self._inflate.decompress(compressed, PIECE)
        while piece:
            yield piece
            piece = self._inflate.decompress(self._inflate.unconsumed_tail, PIECE)


class Zstd:
    """zstd (RFC 8878), one frame."""

    def __init__(self) -> None:
        self._inflate = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG})

    @property
    def eof(self) -> bool:
        """Whether the frame has ended."""
        return self._inflate.eof

    @property
    def unused_data(self) -> bytes:
        """What followed the frame."""
        return self._inflate.unused_data

    def pieces(self, compressed: memoryview) -> Iterator[bytes]:
        """What comes out of this much."""
        yield self._inflate.decompress(compressed, PIECE)
        while not (self._inflate.needs_input or self._inflate.eof):
            yield self._inflate.decompress(b"", PIECE)


CODINGS: dict[str, Callable[[], Decompressor]] = {"gzip": Gzip, "x-gzip": Gzip, "zstd": Zstd}


def inflated(body: bytearray, coding: str, cap: int, hold: Hold) -> bytearray:
    """The body without its content coding: one whole frame of at most `cap` bytes, and nothing after it."""
    inflating, out = Inflating(coding), bytearray()
    for piece in inflating.pieces(body):
        hold(len(piece))
        out += piece
        if len(out) > cap:
            raise BodyTooLarge(f"the body inflates to more than {cap} bytes", limit="inflated_bytes")
    inflating.end()
    return out


class Inflating:
    """The undoing of a body's content coding, as far as the body has come."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._frame = CODINGS[coding]()

    def pieces(self, compressed: bytes | bytearray) -> Iterator[bytes]:
        """What comes out of the next bytes, in pieces of at most `PIECE`. Raises `Malformed`."""
        view = memoryview(compressed)
        try:
            for start in range(0, len(view), SLICE):
                if self._frame.eof:
                    raise self._incomplete("goes on after its end; one frame is allowed")
                yield from self._frame.pieces(view[start : start + SLICE])
        except (zlib.error, zstd.ZstdError) as broken:
            raise Malformed(f"the body is not valid {self._coding}: {broken}") from None

    def end(self) -> None:
        """No more bytes come. Raises `Malformed` unless one frame has ended with them."""
        if not self._frame.eof:
            raise self._incomplete("is cut off")
        if self._frame.unused_data:
            raise self._incomplete("goes on after its end; one frame is allowed")

    def _incomplete(self, found: str) -> Malformed:
        return Malformed(f"the {self._coding} body {found}")
