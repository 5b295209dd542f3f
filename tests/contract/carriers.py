"""Every way in which arrays may be carried, written without the code that reads them."""

import base64
import gzip
import io
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

AnyArray = NDArray[Any]
Document = dict[str, Any]
BOUNDARY = "edge-of-a-part"

CODINGS: dict[str, Callable[[bytes], bytes]] = {"identity": bytes, "gzip": gzip.compress, "zstd": zstd.compress}


@dataclass(frozen=True)
class Carried:
    """An array on its way: its document, and what travels beside that under its name."""

    document: Document
    media_type: str = ""
    content: bytes = b""
    tensor: AnyArray | None = None


@dataclass(frozen=True)
class Body:
    """What is posted."""

    media_type: str
    content: bytes


Carrier = Callable[[AnyArray, str], Carried]
"""Makes an array ready to go under a name."""

# --------------------------------------------------------------------------------------------------------------- arrays


def npy(array: AnyArray) -> bytes:
    """A .npy file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def png(array: AnyArray) -> bytes:
    """A PNG file of one channel: 1 bit for booleans, 8 or 16 for integers."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, format="PNG")
    return file.getvalue()


def raw(array: AnyArray) -> bytes:
    """The elements, little-endian, in C order."""
    return array.astype(array.dtype.newbyteorder("<")).tobytes(order="C")


def packed(array: AnyArray) -> bytes:
    """A bit a pixel."""
    return np.packbits(array.reshape(-1)).tobytes()


def _inline(encoding: str, content: Callable[[AnyArray], bytes], *beside: str) -> Carrier:
    def carry(array: AnyArray, name: str) -> Carried:
        known = {"dtype": array.dtype.name, "shape": [*array.shape]}
        data = base64.b64encode(content(array)).decode()
        return Carried({"encoding": encoding, "data": data, **{key: known[key] for key in beside}})

    return carry


def _list(array: AnyArray, name: str) -> Carried:
    return Carried({"encoding": "list", "data": array.tolist()})


def _squares(array: AnyArray, name: str) -> Carried:
    """A square for every pixel."""
    corners = [[x, y, x, y + 1, x + 1, y + 1, x + 1, y] for y, x in np.argwhere(array).tolist()]
    return Carried({"encoding": "coco_polygons", "size": [*array.shape], "polygons": corners})


def _runs(flat: AnyArray) -> list[int]:
    """The lengths of the runs of some pixels, of 0 first."""
    counts = [0]
    for value in flat.tolist():
        if value == len(counts) % 2:
            counts.append(0)
        counts[-1] += 1
    return counts


def _coco_list(array: AnyArray, name: str) -> Carried:
    return Carried({"encoding": "coco_rle", "size": [*array.shape], "counts": _runs(array.T.reshape(-1))})


def _coco_text(array: AnyArray, name: str) -> Carried:
    known = mask.encode(np.asfortranarray(array.astype(np.uint8)))
    return Carried({"encoding": "coco_rle", "size": [*array.shape], "counts": known["counts"].decode()})


def _brush(array: AnyArray, name: str) -> Carried:
    """One value of one bit a pixel: its series, which of four lengths, a length of one bit, and the value."""
    bits = f"{array.size:032b}" + "00000" + "0000" * 4
    bits += "".join(f"1000{int(value)}" for value in array.reshape(-1))
    body = np.packbits([bit == "1" for bit in bits]).tolist()
    size = {"original_width": array.shape[1], "original_height": array.shape[0]}
    return Carried({"encoding": "label_studio_rle", "format": "rle", "rle": body, **size})


def _cvat_points(array: AnyArray, name: str) -> Carried:
    height, width = array.shape
    points = [*_runs(array.reshape(-1)), 0, 0, width - 1, height - 1]
    return Carried({"encoding": "cvat_rle", "size": [height, width], "points": points})


def _cvat_text(array: AnyArray, name: str) -> Carried:
    height, width = array.shape
    box = {"left": 0, "top": 0, "width": width, "height": height}
    rle = ", ".join(map(str, _runs(array.reshape(-1))))
    return Carried({"encoding": "cvat_rle", "size": [height, width], "rle": rle, **box})


def _part(media_type: str, content: Callable[[AnyArray], bytes]) -> Carrier:
    def carry(array: AnyArray, name: str) -> Carried:
        about = media_type.format(dtype=array.dtype.name, shape=",".join(map(str, array.shape)))
        return Carried({"encoding": "part", "name": name}, about, content(array))

    return carry


def _tensor(array: AnyArray, name: str) -> Carried:
    return Carried({"encoding": "tensor", "name": name}, tensor=np.ascontiguousarray(array))


INLINE: dict[str, Carrier] = {
    "npy": _inline("npy", npy),
    "npy in Fortran order": _inline("npy", lambda array: npy(np.asfortranarray(array))),
    "npy big-endian": _inline("npy", lambda array: npy(array.astype(array.dtype.newbyteorder(">")))),
    "raw": _inline("raw", raw, "dtype", "shape"),
    "list": _list,
    "png": _inline("png", png),
    "packbits": _inline("packbits", packed, "shape"),
    "coco_rle": _coco_text,
    "coco_rle of a list": _coco_list,
    "coco_polygons": _squares,
    "label_studio_rle": _brush,
    "cvat_rle": _cvat_points,
    "cvat_rle of a text": _cvat_text,
}
OF_IMAGES = ("coco", "label_studio", "cvat")
PARTS: dict[str, Carrier] = {
    "part npy": _part("application/x-npy", npy),
    "part raw": _part("application/octet-stream; dtype={dtype}; shape={shape}", raw),
    "part list": _part("application/json", lambda array: json.dumps(array.tolist()).encode()),
    "part png": _part("image/png", png),
    "part packbits": _part("application/x-packbits; shape={shape}", packed),
}
TENSORS: dict[str, Carrier] = {"tensor": _tensor}
CARRIERS = {**INLINE, **PARTS, **TENSORS}


def can_carry(carrier: str, array: AnyArray) -> bool:
    """Whether an array may travel so, every value as it is."""
    if carrier.endswith("png"):
        return array.ndim == 2 and array.dtype in (np.bool_, np.uint8, np.uint16)
    if carrier.startswith(OF_IMAGES):
        return array.ndim == 2 and array.dtype == np.bool_
    return array.dtype == np.bool_ if carrier.endswith("packbits") else True


# --------------------------------------------------------------------------------------------------------------- bodies


def in_json(document: Document, carried: Mapping[str, Carried]) -> Body:
    """One JSON document."""
    return Body("application/json", json.dumps(document).encode())


def in_multipart(document: Document, carried: Mapping[str, Carried]) -> Body:
    """A form: the part `request`, and the parts that the document names."""
    request = Carried({}, "application/json", json.dumps(document).encode())
    parts = {"request": request, **{name: one for name, one in carried.items() if one.media_type}}
    pieces = [_part_of_a_form(name, part) for name, part in parts.items()]
    return Body(f"multipart/form-data; boundary={BOUNDARY}", b"".join([*pieces, f"--{BOUNDARY}--\r\n".encode()]))


def _part_of_a_form(name: str, part: Carried) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\nContent-Type: {part.media_type}\r\n\r\n'
    return head.encode() + part.content + b"\r\n"


def in_safetensors(document: Document, carried: Mapping[str, Carried]) -> Body:
    """A safetensors file, written by the library of that name."""
    tensors = {name: one.tensor for name, one in carried.items() if one.tensor is not None}
    content = safetensors.numpy.save(tensors, {"request": json.dumps(document)})
    return Body("application/x-safetensors", content)


BODIES = {"json": in_json, "multipart": in_multipart, "safetensors": in_safetensors}
OWN = {"json": INLINE, "multipart": {**INLINE, **PARTS}, "safetensors": {**INLINE, **TENSORS}}
WAYS = [(body, carrier) for body, carriers in OWN.items() for carrier in carriers]
"""Every kind of body with everything that it may carry."""
