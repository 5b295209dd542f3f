"""Broken and hostile PNG files, and images that are not of one channel."""

import io
import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from lossgauge.encodings import png
from lossgauge.encodings.base import AnyArray, ArrayRejected, Caps
from lossgauge.encodings.png import PngArray
from PIL import Image

CAPS = Caps()
PIXELS = np.arange(12, dtype=np.uint8).reshape(3, 4)


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    """A chunk whose checksum is right."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def header(width: int = 4, height: int = 3, bits: int = 8, colour: int = 0, rest: bytes = b"\0\0\0") -> bytes:
    """An IHDR chunk with one thing changed."""
    return chunk(b"IHDR", struct.pack(">IIBB", width, height, bits, colour) + rest)


ROWS = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + bytes(row) for row in PIXELS)))
END = chunk(b"IEND")


def file_of(*chunks: bytes) -> bytes:
    """A file of any chunks."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def saved(mode: str, **options: object) -> bytes:
    """What Pillow writes for an image of a mode."""
    file = io.BytesIO()
    Image.new(mode, (4, 3)).save(file, "png", **options)
    return file.getvalue()


def test_a_plain_file_is_read() -> None:
    """The helpers above write valid files, so what the other tests change is what is refused."""
    assert np.array_equal(png.read(file_of(header(), ROWS, END), CAPS), PIXELS)


@pytest.mark.parametrize("filter_type", range(5))
def test_every_filter_is_undone(filter_type: int) -> None:
    """A file of any row filter is read as Pillow reads it."""
    noise = np.random.default_rng(filter_type).integers(0, 256, (3, 4), dtype=np.uint8)
    rows = zlib.compress(b"".join(bytes([filter_type]) + bytes(row) for row in noise))
    body = file_of(header(), chunk(b"IDAT", rows), END)
    assert np.array_equal(png.read(body, CAPS), np.asarray(Image.open(io.BytesIO(body))))


def test_rows_may_be_cut_into_chunks() -> None:
    """The compressed stream goes on over chunk borders, empty chunks too."""
    stream = ROWS[8:-4]
    pieces = [chunk(b"IDAT", stream[i : i + 1]) for i in range(len(stream))]
    assert np.array_equal(png.read(file_of(header(), *pieces, chunk(b"IDAT"), END), CAPS), PIXELS)


OTHER_KINDS: dict[str, tuple[bytes, str]] = {
    "RGB": (saved("RGB"), "found RGB"),
    "RGBA": (saved("RGBA"), "found RGB with alpha"),
    "LA": (saved("LA"), "found greyscale with alpha"),
    "2 bits": (file_of(header(bits=2), ROWS, END), "found greyscale of 2 bits"),
    "3 bits": (file_of(header(bits=3), ROWS, END), "found greyscale of 3 bits"),
    "palette of 16 bits": (file_of(header(bits=16, colour=3), ROWS, END), "found palette of 16 bits"),
    "colour type 1": (file_of(header(colour=1), ROWS, END), "unknown colour type"),
    "interlaced": (file_of(header(rest=b"\0\0\1"), ROWS, END), "interlaced"),
    "animated": (saved("L", save_all=True, append_images=[Image.new("L", (4, 3), 9)]), "an animation"),
}


@pytest.mark.parametrize("case", OTHER_KINDS)
def test_images_of_another_kind_are_refused(case: str) -> None:
    """What was found is said."""
    body, detail = OTHER_KINDS[case]
    with pytest.raises(ArrayRejected, match=detail) as found:
        png.read(body, CAPS)
    assert (found.value.code, found.value.pointer) == ("undecodable_array", "/data")


MALFORMED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "it starts with"),
    "jpeg": (b"\xff\xd8\xff\xe0" + bytes(60), "it starts with"),
    "signature only": (file_of(), "truncated"),
    "no header": (file_of(ROWS, END), "no IHDR"),
    "short header": (file_of(chunk(b"IHDR", bytes(12)), ROWS, END), "no IHDR"),
    "width 0": (file_of(header(width=0), ROWS, END), "width or height is 0"),
    "compression": (file_of(header(rest=b"\1\0\0"), ROWS, END), "method is unknown"),
    "filter": (file_of(header(rest=b"\0\1\0"), ROWS, END), "method is unknown"),
    "no rows": (file_of(header(), END), "critical chunks"),
    "no end": (file_of(header(), ROWS), "truncated"),
    "two headers": (file_of(header(), header(), ROWS, END), "critical chunks"),
    "unknown critical": (file_of(header(), chunk(b"ABCD"), ROWS, END), "critical chunks"),
    "palette missing": (file_of(header(colour=3), ROWS, END), "critical chunks"),
    "palette of grey": (file_of(header(), chunk(b"PLTE", bytes(3)), ROWS, END), "critical chunks"),
    "trailing bytes": (file_of(header(), ROWS, END, b"x"), "1 bytes follow its end"),
    "second image": (file_of(header(), ROWS, END) * 2, "follow its end"),
    "endless chunk": (file_of(header(), b"\xff\xff\xff\xffIDAT"), "truncated"),
    "not zlib": (file_of(header(), chunk(b"IDAT", b"junk" * 9), END), "not a PNG file"),
    "too few rows": (file_of(header(height=4), ROWS, END), "its rows have 15 bytes; its size needs 20"),
    "stream cut": (file_of(header(), chunk(b"IDAT", ROWS[8:-5]), END), "an end of their stream"),
    "no stream": (file_of(header(), chunk(b"IDAT"), END), "not a PNG file"),
    "too many rows": (file_of(header(height=2), ROWS, END), "goes on after its last row"),
    "bytes after the stream": (file_of(header(), ROWS, chunk(b"IDAT", b"x"), END), "goes on after its last row"),
    "filter 9": (file_of(header(), chunk(b"IDAT", zlib.compress(b"\x09abcd" * 3)), END), "not a PNG file"),
    "swarm of chunks": (file_of(header(), *[chunk(b"tEXt")] * 2**16, ROWS, END), "more than 65536 chunks"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_files_are_refused(case: str) -> None:
    """What is wrong is said."""
    body, detail = MALFORMED[case]
    with pytest.raises(ArrayRejected, match=detail) as found:
        png.read(body, CAPS)
    assert (found.value.code, found.value.pointer) == ("undecodable_array", "/data")


def test_any_flipped_bit_is_refused() -> None:
    """The checksums cover the whole file."""
    body = png.write(PIXELS)
    for position in range(len(body)):
        broken = bytearray(body)
        broken[position] ^= 1
        with pytest.raises(ArrayRejected):
            png.read(broken, CAPS)


@pytest.mark.parametrize("array", [PIXELS, PIXELS > 5, PIXELS.astype(np.uint16)])
def test_every_truncation_is_refused(array: AnyArray) -> None:
    """A file cut at any byte is refused."""
    body = png.write(array)
    for length in range(len(body)):
        with pytest.raises(ArrayRejected):
            png.read(body[:length], CAPS)


@pytest.mark.parametrize("caps", [Caps(image_pixels=12), Caps(array_elements=12)])
def test_pixels_have_a_cap(caps: Caps) -> None:
    """An image at the cap is read; one pixel over is refused by the cap's name."""
    assert png.read(png.write(PIXELS), caps).size == 12
    with pytest.raises(ArrayRejected) as found:
        png.read(png.write(np.zeros((1, 13), np.uint8)), caps)
    assert found.value.code == "limit_exceeded"
    assert getattr(caps, str(found.value.limit)) == 12


@pytest.mark.parametrize("size", [60_000, 2**31 - 1, 2**32 - 1])
def test_a_claim_over_the_cap_takes_no_memory(size: int) -> None:
    """60,000 x 60,000 pixels in a few bytes are refused from the header."""
    body = file_of(header(size, size), ROWS, END)
    tracemalloc.start()
    with pytest.raises(ArrayRejected, match=f"{size} x {size}") as found:
        png.read(body, CAPS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.value.limit == "image_pixels"
    assert peak < 1_000_000


def test_the_pixel_cap_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow's own limit, a global of its module, does not come in."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4)
    assert np.array_equal(png.read(png.write(PIXELS), CAPS), PIXELS)


def bomb(size: int) -> bytes:
    """A compressed stream of zeros."""
    compressor = zlib.compressobj(9)
    return b"".join(compressor.compress(bytes(2**20)) for _ in range(size // 2**20)) + compressor.flush()


HIDDEN: dict[str, Callable[[], bytes]] = {
    "in a text": lambda: file_of(header(), chunk(b"zTXt", b"a\0\0" + bomb(2**26)), ROWS, END),
    "in a profile": lambda: file_of(header(), chunk(b"iCCP", b"a\0\0" + bomb(2**26)), ROWS, END),
}


@pytest.mark.parametrize("case", HIDDEN)
def test_a_zlib_bomb_is_not_inflated(case: str) -> None:
    """What is no part of the pixels is not looked into."""
    body = HIDDEN[case]()
    tracemalloc.start()
    array = png.read(body, CAPS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.array_equal(array, PIXELS)
    assert peak < 2_000_000


def test_a_zlib_bomb_of_rows_is_refused() -> None:
    """64 MiB in the rows of a small image are not inflated."""
    body = file_of(header(), chunk(b"IDAT", bomb(2**26)), END)
    tracemalloc.start()
    with pytest.raises(ArrayRejected, match="goes on after its last row"):
        png.read(body, CAPS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


def test_a_long_text_is_refused_before_it_is_decoded() -> None:
    """Base64 over what any allowed image needs is refused by its length."""
    with pytest.raises(ArrayRejected) as found:
        PngArray(data="A" * 4_000_000).decode({}, Caps(image_pixels=1000))
    assert found.value.limit == "image_pixels"


def test_without_pillow_images_are_written_and_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The light client writes them; reading says what is missing."""
    monkeypatch.setitem(sys.modules, "PIL.PngImagePlugin", None)
    body = png.write(PIXELS)
    with pytest.raises(ModuleNotFoundError, match="Pillow is needed to decode PNG images"):
        png.read(body, CAPS)


def test_pillow_is_imported_only_to_decode() -> None:
    """A fresh interpreter writes an image without it, and has it after reading one."""
    program = (
        "import sys, numpy as np\n"
        "from lossgauge.encodings import encode\n"
        "from lossgauge.encodings.base import Caps\n"
        "document = encode(np.ones((2, 2), bool), 'png')\n"
        "print('PIL' in sys.modules)\n"
        "document.decode({}, Caps())\n"
        "print('PIL' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
