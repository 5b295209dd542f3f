"""PNG images of one channel (ISO/IEC 15948): the values as they are stored, no gamma, no palette applied."""

import io
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from lossgauge.encodings import base64
from lossgauge.encodings.base import (
    AnyArray,
    ArrayRejected,
    Attachments,
    Buffer,
    Caps,
    Encoded,
    check_shape,
    over_limit,
)
from lossgauge.encodings.dtypes import invalid_dtype

if TYPE_CHECKING:
    from PIL.PngImagePlugin import PngImageFile

SIGNATURE = b"\x89PNG\r\n\x1a\n"
WRITTEN_BITS = {"bool": 1, "uint8": 8, "uint16": 16}
GREY, PALETTE = 0, 3
COLOURS = {0: "greyscale", 2: "RGB", 3: "palette", 4: "greyscale with alpha", 6: "RGB with alpha"}
READ_BITS = {GREY: (1, 8, 16), PALETTE: (1, 2, 4, 8)}
DTYPES = {bits: np.dtype(np.uint16 if bits == 16 else np.uint8) for bits in (1, 2, 4, 8, 16)}
SEQUENCES = {GREY: re.compile(rb"(?:IDAT )+IEND"), PALETTE: re.compile(rb"PLTE (?:IDAT )+IEND")}
ANCILLARY = 0x20
MOST_CHUNKS = 2**16
PIECE_BYTES = 2**12
DECODED = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
MOST_BYTES_PER_PIXEL = 4


class PngArray(Encoded):
    """A greyscale PNG image (1, 8, 16 bits), or a palette one (its indices), in base64; values taken as they are."""

    encoding: Literal["png"] = "png"
    data: str

    @classmethod
    def of(cls, array: AnyArray) -> Self:
        """Encode a two-dimensional bool (1 bit), uint8 or uint16 array."""
        return cls(data=base64.encode(write(array)))

    def decode(self, attachments: Attachments, caps: Caps) -> AnyArray:
        """Decode to a bool (1 bit), uint8 or uint16 array of (height, width)."""
        at_most = caps.image_pixels * MOST_BYTES_PER_PIXEL + caps.header_bytes
        return read(base64.decode(self.data, at_most, "image_pixels"), caps)


@dataclass(frozen=True)
class Chunk:
    """A chunk whose checksum is right."""

    kind: bytes
    content: memoryview
    whole: memoryview


@dataclass(frozen=True)
class Header:
    """What the first chunk declares."""

    width: int
    height: int
    bits: int
    colour: int
    compression: int
    filtering: int
    interlace: int


def write(array: AnyArray) -> bytes:
    """A PNG file of a two-dimensional bool, uint8 or uint16 array."""
    if array.dtype.name not in WRITTEN_BITS:
        raise invalid_dtype(array.dtype.name, "", tuple(WRITTEN_BITS))
    if array.ndim != 2 or array.size == 0:
        raise ArrayRejected(f"an image has two axes and at least one pixel; found shape {[*array.shape]}")
    height, width = array.shape
    header = struct.pack(">IIBBBBB", width, height, WRITTEN_BITS[array.dtype.name], 0, 0, 0, 0)
    rows = zlib.compress(_unfiltered_rows(array))
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def read(body: Buffer, caps: Caps) -> AnyArray:
    """The array of a PNG file. Its size and kind are checked before anything is inflated."""
    first, *others = _chunks(memoryview(body), caps)
    header = _header(first)
    _check_sequence([chunk.kind for chunk in others], header)
    _check_rows([chunk.content for chunk in others if chunk.kind == b"IDAT"], header)
    needed = [chunk.whole for chunk in (first, *others) if chunk.kind in DECODED]
    return _pixels(io.BytesIO(b"".join([SIGNATURE, *needed])), header)


def declared(body: Buffer) -> tuple[int, np.dtype[Any]]:
    """How many pixels a PNG file says that it has, and of which dtype: by its header alone."""
    view = memoryview(body)
    if view[: len(SIGNATURE)] != SIGNATURE:
        raise _malformed(f"it starts with {bytes(view[:8])!r}")
    header = _header(_chunk_at(view, len(SIGNATURE)))
    _check_kind(header)
    return header.width * header.height, DTYPES[header.bits]


def _unfiltered_rows(array: AnyArray) -> bytes:
    """Every row after a byte 0: no filter."""
    packed = np.packbits(array, axis=1) if array.dtype.kind == "b" else array.astype(array.dtype.newbyteorder(">"))
    stored = np.ascontiguousarray(packed).view(np.uint8)
    return np.pad(stored, ((0, 0), (1, 0))).tobytes()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))


def _chunks(body: memoryview, caps: Caps) -> list[Chunk]:
    """The chunks of a file from IHDR, which must declare what is taken, to IEND, with which it must end."""
    if body[: len(SIGNATURE)] != SIGNATURE:
        raise _malformed(f"it starts with {bytes(body[:8])!r}")
    chunks = [_chunk_at(body, len(SIGNATURE))]
    _check_header(_header(chunks[0]), caps)
    start = len(SIGNATURE) + len(chunks[0].whole)
    while chunks[-1].kind != b"IEND":
        chunks.append(_chunk_at(body, start))
        start += len(chunks[-1].whole)
        if len(chunks) > MOST_CHUNKS:
            raise _malformed(f"it has more than {MOST_CHUNKS} chunks")
    if start != len(body):
        raise _malformed(f"{len(body) - start} bytes follow its end")
    return chunks


def _chunk_at(body: memoryview, start: int) -> Chunk:
    end = start + 12 + int.from_bytes(body[start : start + 4], "big")
    if start + 12 > len(body) or end > len(body):
        raise _malformed("it is truncated")
    kind = bytes(body[start + 4 : start + 8])
    if zlib.crc32(body[start + 4 : end - 4]) != int.from_bytes(body[end - 4 : end], "big"):
        raise _malformed(f"the checksum of its chunk {kind!r} is wrong")
    return Chunk(kind, body[start + 8 : end - 4], body[start:end])


def _header(chunk: Chunk) -> Header:
    if chunk.kind != b"IHDR" or len(chunk.content) != 13:
        raise _malformed("its first chunk is no IHDR")
    return Header(*struct.unpack(">IIBBBBB", chunk.content))


def _check_header(header: Header, caps: Caps) -> None:
    _check_kind(header)
    _check_pixels(header, caps)


def _check_kind(header: Header) -> None:
    if header.colour not in READ_BITS:
        raise _refused(f"found {COLOURS.get(header.colour, 'an unknown colour type')}")
    if header.bits not in READ_BITS[header.colour]:
        raise _refused(f"found {COLOURS[header.colour]} of {header.bits} bits")
    if header.interlace:
        raise _refused("found an interlaced image")
    if header.compression or header.filtering:
        raise _malformed("its compression or filter method is unknown")


def _check_pixels(header: Header, caps: Caps) -> None:
    if not header.width or not header.height:
        raise _malformed("its width or height is 0")
    if header.width * header.height > caps.image_pixels:
        size = f"{header.width} x {header.height} pixels"
        raise over_limit("image_pixels", f"an image of {size}; at most {caps.image_pixels} are allowed", "/data")
    check_shape((header.height, header.width), DTYPES[header.bits], caps, "/data")


def _check_sequence(kinds: list[bytes], header: Header) -> None:
    if animated := {b"acTL", b"fcTL", b"fdAT"}.intersection(kinds):
        raise _refused(f"found an animation ({min(animated).decode()})")
    critical = b" ".join(kind for kind in kinds if not kind[0] & ANCILLARY)
    if SEQUENCES[header.colour].fullmatch(critical) is None:
        raise _malformed(f"its critical chunks are {critical[:60]!r}")


def _check_rows(contents: list[memoryview], header: Header) -> None:
    """Refuse a stream of other than the declared rows: Pillow fills up what is missing with zeros.

    It is inflated a little at a time, so that a bomb takes no memory.
    """
    needed = header.height * (1 + -(-header.width * header.bits // 8))
    inflater, found = zlib.decompressobj(), 0
    for piece in _pieces(contents):
        found += len(_inflated(inflater, piece))
        if found > needed or inflater.unused_data:
            raise _malformed("its compressed stream goes on after its last row")
    if found < needed or not inflater.eof:
        raise _malformed(f"its rows have {found} bytes; its size needs {needed}, and an end of their stream")


def _pieces(contents: list[memoryview]) -> Iterator[memoryview]:
    for content in contents:
        for start in range(0, len(content), PIECE_BYTES):
            yield content[start : start + PIECE_BYTES]


def _inflated(inflater: "zlib._Decompress", piece: memoryview) -> bytes:
    try:
        return inflater.decompress(piece)
    except zlib.error as error:
        raise _malformed(str(error)) from None


def _pixels(file: io.BytesIO, header: Header) -> AnyArray:
    stored = np.array(_decoded(file)).view(DTYPES[header.bits])
    return stored != 0 if header.bits == 1 and header.colour == GREY else stored


def _decoded(file: io.BytesIO) -> "PngImageFile":
    """Pillow's image. `Image.open` would add its own pixel limit, a global, to the cap that was checked."""
    image_file = _pillow()
    try:
        image = image_file(file)
        image.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise _malformed(str(error)) from None
    return image


def _pillow() -> "type[PngImageFile]":
    try:
        from PIL.PngImagePlugin import PngImageFile
    except ImportError:
        raise ModuleNotFoundError("Pillow is needed to decode PNG images: pip install 'lossgauge[service]'") from None
    return PngImageFile


def _malformed(detail: str) -> ArrayRejected:
    return ArrayRejected(f"not a PNG file: {detail}", pointer="/data")


def _refused(detail: str) -> ArrayRejected:
    return ArrayRejected(f"only greyscale (1, 8, 16 bits) and palette images are taken: {detail}", pointer="/data")
