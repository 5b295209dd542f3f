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
Target = Callable[[bytes], object]


def run(seconds: int) -> list[Figure]:
    """Each decoder for so long, in a process of its own."""
    return [_figure(name, seconds) for name in NAMES]


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
        "coco_rle": [b"132", b"0`0?Oo"],
        "json": [document],
        "multipart": [part + document + b"\r\n--x--\r\n"],
    }


def _npy(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _targets() -> Mapping[str, Target]:
    from lossgauge.encodings import coco_rle, npy, packbits, png, safetensors
    from lossgauge.encodings.base import Caps
    from lossgauge_service.bodies import json, multipart
    from lossgauge_service.settings import Settings

    caps, limits = Caps(**CAPS), Settings().limits
    return {
        "npy": lambda data: npy.read(data, caps),
        "png": lambda data: png.read(data, caps),
        "packbits": lambda data: packbits.read(data, (data[0] if data else 0, 8), caps),
        "safetensors": lambda data: safetensors.read_each(bytearray(data), caps, 64, 2**12),
        "coco_rle": lambda data: coco_rle.read(data.decode("latin-1"), 2**12),
        "json": lambda data: json.read(bytearray(data), {}, limits),
        "multipart": lambda data: multipart.read(bytearray(data), {"boundary": "x"}, limits),
    }


NAMES = ("npy", "png", "packbits", "safetensors", "coco_rle", "json", "multipart")


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
