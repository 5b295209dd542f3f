"""Bytes changed at random: an array or `ArrayRejected` comes out, never another error."""

import io
import random
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from lossgauge.encodings import encode, label_studio_rle, npy, png, safetensors
from lossgauge.encodings.base import ArrayRejected, Caps, Encoded, Part
from lossgauge.encodings.coco_polygons import CocoPolygonsArray
from lossgauge.encodings.coco_rle import CocoRleArray
from lossgauge.encodings.cvat_rle import CvatRleArray
from lossgauge.encodings.label_studio_rle import LabelStudioRleArray
from lossgauge.encodings.part import PartArray

CAPS = Caps(array_elements=2**16, image_pixels=2**16, list_elements=2**16)
PIXELS = np.arange(42, dtype=np.uint8).reshape(6, 7)
MASK = PIXELS % 3 == 0
BRUSH = bytes([0, 0, 0, 16, 57, 27, 252, 127, 241, 128, 79, 254])
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
    "brush": (BRUSH, lambda body: label_studio_rle.read(body, 4)),
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
    """Base64, or a text of runs, with letters changed: most are refused, and what comes out has the shape that is told."""
    document = encode(MASK, encoding)
    rng = random.Random(encoding)
    text = document.model_dump()[field].encode()
    assert np.array_equal(document.decode({}, CAPS), MASK)
    shapes = []
    for _ in range(ROUNDS):
        broken = document.model_copy(update={field: mutated(text, rng).decode("latin-1")})
        shapes += shape_of(broken)
    assert len(shapes) < ROUNDS // 2
    # a .npy and a PNG file tell their shape themselves
    assert encoding in ("npy", "png") or {*shapes} == {MASK.shape}


def shape_of(document: Encoded) -> list[tuple[int, ...]]:
    """The shape of a document's array; none where it is refused. Anything but `ArrayRejected` goes on up."""
    try:
        return [document.decode({}, CAPS).shape]
    except ArrayRejected:
        return []


ANNOTATIONS: dict[str, Encoded] = {
    "coco_rle": CocoRleArray(size=[6, 7], counts=[3, 20, 4, 15]),
    "coco_polygons": CocoPolygonsArray(size=[6, 7], polygons=[[0, 0, 5, 0, 5, 4.5], [1, 1, 2, 3, 9, 9, 1, 1]]),
    "label_studio_rle": LabelStudioRleArray(rle=[*BRUSH], original_height=2, original_width=2),
    "cvat_rle": CvatRleArray(size=[6, 7], points=[3, 9, 1, 2, 3, 5]),
}
NASTY: tuple[Any, ...] = (
    *(0, 1, -1, 2, 7, 255, 256, 0.5, 1e300, -1e300, 2**31, 2**63, -(2**63), 10**400, float("nan"), float("inf")),
    *(None, True, "1", "", [], [1], {}),
)


@pytest.mark.parametrize("encoding", ANNOTATIONS)
def test_mutated_lists(encoding: str) -> None:
    """Runs, bytes and corners with numbers changed, left out, put in or nested: a mask of the image's shape, or a refusal."""
    document = ANNOTATIONS[encoding]
    [field] = [name for name, value in document.model_dump().items() if isinstance(value, list) and name != "size"]
    rng = random.Random(encoding)
    [whole] = shape_of(document)
    shapes = []
    for _ in range(ROUNDS):
        broken = document.model_copy(update={field: spoilt([*document.model_dump()[field]], rng)})
        shapes += shape_of(broken)
    assert 0 < len(shapes) < ROUNDS // 2
    assert {*shapes} == {whole}


def spoilt(numbers: list[Any], rng: random.Random) -> list[Any]:
    """A list with a few members changed; of a list of lists also a member's member."""
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(numbers) or 1)
        kind = rng.randrange(4)
        if kind == 0 and numbers and isinstance(numbers[at], list):
            numbers[at] = spoilt([*numbers[at]], rng)
        elif kind == 1:
            del numbers[at : at + rng.randrange(1, 3)]
        elif kind == 2:
            numbers.insert(at, rng.choice(NASTY))
        else:
            numbers[at : at + 1] = [rng.choice(NASTY)]
    return numbers


def test_mutated_media_types() -> None:
    """Media types with letters changed."""
    rng = random.Random(5)
    media_type = b'application/octet-stream; dtype=uint8; shape="6,7"'
    outcomes = {
        survives(lambda: part(mutated(media_type, rng).decode("latin-1"))(PIXELS.tobytes())) for _ in range(ROUNDS)
    }
    assert outcomes == {True, False}
