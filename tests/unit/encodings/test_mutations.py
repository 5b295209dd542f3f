"""Bytes changed at random: an array or `ArrayRejected` comes out, never another error."""

import io
import random
import zlib
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from lossgauge.encodings import encode, npy, png, safetensors
from lossgauge.encodings.base import ArrayRejected, Caps, Part
from lossgauge.encodings.part import PartArray

CAPS = Caps(array_elements=2**16, image_pixels=2**16, list_elements=2**16)
PIXELS = np.arange(42, dtype=np.uint8).reshape(6, 7)
MASK = PIXELS % 3 == 0
ROUNDS = 1500


def npy_file() -> bytes:
    """A file of NumPy."""
    file = io.BytesIO()
    np.save(file, PIXELS.astype(np.float32))
    return file.getvalue()


def mutated(body: bytes, rng: random.Random) -> bytes:
    """A few bytes changed, left out, put in, or moved; half of the changes near the start, where headers are."""
    changed = bytearray(body)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(rng.choice([len(changed), 1 + len(changed) // 4]))
        kind = rng.randrange(4)
        if kind == 0:
            changed[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, *b"-09,:()[]{}'\"TFtf", rng.randrange(256)])
        elif kind == 1:
            del changed[at : at + rng.randrange(1, 5)]
        elif kind == 2:
            changed[at:at] = rng.randbytes(rng.randrange(1, 5))
        else:
            changed[at:at] = changed[rng.randrange(len(changed)) :][: rng.randrange(1, 20)]
        changed = changed or bytearray(b"\0")
    return bytes(changed)


def survives(read: Callable[[], object]) -> bool:
    """Whether an array came out; anything but `ArrayRejected` goes on up."""
    try:
        read()
    except ArrayRejected:
        return False
    return True


def part(media_type: str) -> Callable[[bytes], object]:
    """Reads a part of a media type."""
    return lambda body: PartArray(name="p").decode({"p": Part(media_type, body)}, CAPS)


def with_checksums(body: bytes) -> bytes:
    """A PNG file with every checksum made right, as far as its chunks can be told."""
    fixed, start = bytearray(body), 8
    while start + 12 <= len(fixed):
        end = start + 12 + int.from_bytes(fixed[start : start + 4], "big")
        if end > len(fixed):
            break
        fixed[end - 4 : end] = zlib.crc32(fixed[start + 4 : end - 4]).to_bytes(4, "big")
        start = end
    return bytes(fixed)


BODIES: dict[str, tuple[bytes, Callable[[bytes], object]]] = {
    "npy": (npy_file(), lambda body: npy.read(body, CAPS)),
    "png": (png.write(PIXELS), lambda body: png.read(body, CAPS)),
    "png, right checksums": (png.write(PIXELS), lambda body: png.read(with_checksums(body), CAPS)),
    "png of bits, right checksums": (png.write(MASK), lambda body: png.read(with_checksums(body), CAPS)),
    "safetensors": (
        safetensors.write('{"a":1}', {"p": PIXELS, "t": MASK, "w": np.ones(3)}),
        lambda body: safetensors.read(body, CAPS, max_tensors=9),
    ),
    "json part": (str(PIXELS.tolist()).encode(), part("application/json")),
    "npy part": (npy_file(), part("application/x-npy")),
    "packbits part": (np.packbits(MASK).tobytes(), part("application/x-packbits; shape=6,7")),
}


@pytest.mark.parametrize("case", BODIES)
def test_mutated_bodies(case: str) -> None:
    """The body itself is read; most mutants are refused, and none breaks anything."""
    body, read = BODIES[case]
    rng = random.Random(case)
    assert survives(lambda: read(body))
    read_anyway = sum(survives(lambda: read(mutated(body, rng))) for _ in range(ROUNDS))
    assert read_anyway < ROUNDS // 2


@pytest.mark.parametrize(
    ("encoding", "field"), [*((name, "data") for name in ("npy", "raw", "png", "packbits")), ("coco_rle", "counts")]
)
def test_mutated_texts(encoding: str, field: str) -> None:
    """Base64, or a text of runs, with letters changed."""
    document = encode(MASK, encoding)
    rng = random.Random(encoding)
    text = document.model_dump()[field].encode()
    for _ in range(ROUNDS):
        broken = document.model_copy(update={field: mutated(text, rng).decode("latin-1")})
        survives(partial(broken.decode, {}, CAPS))


def test_mutated_media_types() -> None:
    """Media types with letters changed."""
    rng = random.Random(5)
    media_type = b'application/octet-stream; dtype=uint8; shape="6,7"'
    outcomes = {
        survives(lambda: part(mutated(media_type, rng).decode("latin-1"))(PIXELS.tobytes())) for _ in range(ROUNDS)
    }
    assert outcomes == {True, False}
