"""Atheris on the decoders: whatever the bytes, an array or `ArrayRejected`, in bounded memory."""

import contextlib
import io
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from PIL import Image

from tests.reliability.figure import Figure

CAPS = {"array_elements": 2**16, "list_elements": 2**12, "image_pixels": 2**16, "header_bytes": 2**12, "dimensions": 6}
SIZE = [8, 8]
BRUSH = f"{64:032b}" + "00000" + "0111" + "0000" * 3 + "1" + "00" + f"{63:08b}" + "1"
"""64 values of a bit, lengths of 8 bits and of one; a series of 64 that are the same: 1."""
Target = Callable[[bytes], object]


def run(seconds: int) -> list[Figure]:
    """Each decoder for so long, in a process of its own."""
    return [_figure(name, seconds) for name in names()]


def _figure(name: str, seconds: int) -> Figure:
    with tempfile.TemporaryDirectory() as corpus:
        for place, seed in enumerate(_seeds()[name]):
            Path(corpus, str(place)).write_bytes(seed)
        command = [sys.executable, "-m", "tests.reliability.decoders", name, corpus, f"-max_total_time={seconds}"]
        done = subprocess.run([*command, "-rss_limit_mb=1500"], capture_output=True, text=True)
    runs, edges = re.findall(r"Done (\d+) runs", done.stderr), re.findall(r"DONE +cov: (\d+)", done.stderr)
    found = f"{runs[0]} inputs, {edges[0]} edges in {seconds} s" if runs and edges else _end(done.stderr)
    return Figure(f"atheris on {name}", "no other error than its own", found, done.returncode == 0)


def _end(text: str) -> str:
    return " ".join(text[-300:].split())


def _seeds() -> Mapping[str, list[bytes]]:
    """Right ones, from which the fuzzer starts."""
    mask = np.eye(8, dtype=np.uint8)
    image = io.BytesIO()
    Image.fromarray(mask).save(image, "png")
    document = b'{"task": "binary", "metrics": ["dice", {"name": "iou"}], "prediction": {"encoding": "list", "data": [[0.5, 1]]}}'
    part = b'--x\r\nContent-Disposition: form-data; name="request"\r\nContent-Type: application/json\r\n\r\n'
    return {
        "npy": [_npy(mask), _npy(np.zeros((2, 3), np.float32))],
        "png": [image.getvalue()],
        "packbits": [bytes([8]) + np.packbits(mask).tobytes()],
        "safetensors": [safetensors.numpy.save({"a": mask, "b": mask.astype(np.float16)}, {"request": "{}"})],
        "raw": [bytes([0, 2]) + bytes(4), bytes([11, 3]) + bytes(48)],
        "coco_rle": [b"132", b"0`0?Oo"],
        "coco_polygons": [np.array([1, 1, 1, 6, 6, 6] * 2, np.float64).tobytes(), np.full(12, -2.5).tobytes()],
        "label_studio_rle": [np.packbits([int(bit) for bit in BRUSH]).tobytes()],
        "cvat_rle": [b"1, 2, 1, 60", b"0,64"],
        "json": [document],
        "multipart": [part + document + b"\r\n--x--\r\n"],
    }


def _npy(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _targets() -> Mapping[str, Target]:
    from lossgauge.encodings import (
        coco_polygons,
        coco_rle,
        cvat_rle,
        label_studio_rle,
        npy,
        packbits,
        png,
        raw,
        safetensors,
    )
    from lossgauge.encodings.base import Caps
    from lossgauge.encodings.dtypes import NAMES
    from lossgauge_service.bodies import json, multipart
    from lossgauge_service.settings import Settings

    caps, limits, dtypes = Caps(**CAPS), Settings().limits, (*NAMES, raw.BFLOAT16)

    def outlines(data: bytes) -> coco_polygons.CocoPolygonsArray:
        return coco_polygons.CocoPolygonsArray(size=SIZE, polygons=_polygons(data))

    def runs(data: bytes) -> cvat_rle.CvatRleArray:
        return cvat_rle.CvatRleArray(size=SIZE, rle=data.decode("latin-1"), left=0, top=0, width=8, height=8)

    return {
        "npy": lambda data: npy.read(data, caps),
        "png": lambda data: png.read(data, caps),
        "packbits": lambda data: packbits.read(data[1:], (data[0] if data else 0, 8), caps),
        "safetensors": lambda data: safetensors.read_each(bytearray(data), caps, 64, 2**12),
        "raw": lambda data: raw.read(data[2:], dtypes[data[0] % len(dtypes)], (data[1], 2), caps) if data[1:] else None,
        "coco_rle": lambda data: coco_rle.read(data.decode("latin-1"), 2**12),
        "coco_polygons": lambda data: outlines(data).decode({}, caps),
        "label_studio_rle": lambda data: label_studio_rle.read(data, 64),
        "cvat_rle": lambda data: runs(data).decode({}, caps),
        "json": lambda data: json.read(bytearray(data), {}, limits),
        "multipart": lambda data: multipart.read(bytearray(data), {"boundary": "x"}, limits),
    }


def _polygons(data: bytes) -> list[list[float]]:
    """Two polygons of the numbers that some bytes are."""
    numbers = np.frombuffer(data[: len(data) // 8 * 8], np.float64).tolist()
    return [numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :]]


def names() -> list[str]:
    """The decoders that are fuzzed."""
    return [*_seeds()]


def main(name: str) -> None:
    """Fuzz one decoder; libFuzzer's arguments follow its name."""
    import atheris

    with atheris.instrument_imports(include=["lossgauge", "lossgauge_service"]):
        target = _targets()[name]
    from lossgauge.encodings.base import ArrayRejected
    from lossgauge_service.errors import LossgaugeError

    def one(data: bytes) -> None:
        with contextlib.suppress(ArrayRejected, LossgaugeError):
            target(data)

    atheris.Setup([sys.argv[0], *sys.argv[2:]], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1])
