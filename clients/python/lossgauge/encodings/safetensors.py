"""Safetensors bodies: a JSON header and the tensors behind it, end to end (format 0.4, huggingface/safetensors)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lossgauge.encodings.base import AnyArray, ArrayRejected, Buffer, Caps, check_shape, over_limit
from lossgauge.encodings.dtypes import LITTLE_ENDIAN, invalid_dtype, little_endian, name_of
from lossgauge.encodings.elements import array_over, check_size
from lossgauge.encodings.raw import BFLOAT16_BITS, widened

METADATA = "__metadata__"
REQUEST, ANSWER = "request", "answer"
ALIGNMENT = 64
LENGTH_BYTES = 8
MOST_HEADER_BYTES = 2**24
BF16 = "BF16"
CODES = {
    "bool": "BOOL",
    **{f"{kind}{bits}": f"{code}{bits}" for kind, code in (("int", "I"), ("uint", "U")) for bits in (8, 16, 32, 64)},
    **{f"float{bits}": f"F{bits}" for bits in (16, 32, 64)},
}
STORED: dict[str, np.dtype[Any]] = {code: LITTLE_ENDIAN[name] for name, code in CODES.items()} | {BF16: BFLOAT16_BITS}


@dataclass(frozen=True)
class Entry:
    """A tensor of the header: where its bytes begin and end behind it."""

    name: str
    code: str
    shape: tuple[int, ...]
    begin: int
    end: int


def write(document: bytes | str, tensors: Mapping[str, AnyArray], key: str = REQUEST) -> bytes:
    """A body of a JSON document (under a key of the metadata, `request`) and tensors: its `pieces` as one."""
    return b"".join(pieces(document, tensors, key))


def pieces(
    document: bytes | str, tensors: Mapping[str, AnyArray], key: str = REQUEST
) -> tuple[bytes, *tuple[memoryview, ...]]:
    """The header of a body and the bytes of its tensors, which are views of arrays that lie in one piece.

    The tensors start at a multiple of 64 bytes, the widest items first, so that each is aligned for its dtype.
    """
    if METADATA in tensors:
        raise ValueError(f"a tensor cannot be named {METADATA!r}")
    widest_first = sorted(tensors, key=lambda name: -tensors[name].dtype.itemsize)
    stored = {name: little_endian(tensors[name]) for name in widest_first}
    text = document if isinstance(document, str) else document.decode("utf-8")
    return _header_of(text, stored, key), *map(_bytes_of, stored.values())


def header_bytes(body: Buffer) -> int:
    """The bytes of a body's header, as the body says."""
    return int.from_bytes(memoryview(body)[:LENGTH_BYTES], "little")


def read(
    body: Buffer, caps: Caps, max_tensors: int, max_header_bytes: int = MOST_HEADER_BYTES
) -> tuple[dict[str, str], dict[str, AnyArray]]:
    """As `read_each`, of a body whose every tensor must be good: the first that is not is raised."""
    metadata, tensors = read_each(body, caps, max_tensors, max_header_bytes)
    return metadata, {name: _good(tensor) for name, tensor in tensors.items()}


def read_each(
    body: Buffer, caps: Caps, max_tensors: int, max_header_bytes: int = MOST_HEADER_BYTES
) -> tuple[dict[str, str], dict[str, AnyArray | ArrayRejected]]:
    """The metadata of a body and its tensors by name: views of the body where it is aligned; BF16 becomes float32.

    The format's every rule is checked. A header that is none, or tensors that do not cover the data without gap or
    overlap, spoil the body. A dtype that is not allowed, a size that is not that of shape and dtype, or a bool that is
    none is the error of its tensor alone. The cap on elements is left to whoever uses a tensor.
    """
    view = memoryview(body)
    header, start = _header(view, max_header_bytes)
    metadata = _metadata(header.pop(METADATA, {}))
    if len(header) > max_tensors:
        raise over_limit("parts", f"{len(header)} tensors; at most {max_tensors} are allowed")
    entries = [_entry(name, value) for name, value in header.items()]
    _check_coverage(entries, len(view) - start)
    return metadata, {entry.name: _array(entry, view[start:], caps) for entry in entries}


def _good(tensor: AnyArray | ArrayRejected) -> AnyArray:
    if isinstance(tensor, ArrayRejected):
        raise tensor
    return tensor


def _bytes_of(array: AnyArray) -> memoryview:
    return np.ravel(array).view(np.uint8).data


def _header_of(text: str, stored: Mapping[str, AnyArray], key: str) -> bytes:
    header: dict[str, Any] = {METADATA: {key: text}}
    begin = 0
    for name, array in stored.items():
        offsets = [begin, begin + array.nbytes]
        header[name] = {"dtype": CODES[name_of(array)], "shape": [*array.shape], "data_offsets": offsets}
        begin += array.nbytes
    packed = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    padded = packed + b" " * (-(len(packed) + LENGTH_BYTES) % ALIGNMENT)
    return len(padded).to_bytes(LENGTH_BYTES, "little") + padded


def _header(view: memoryview, max_header_bytes: int) -> tuple[dict[str, Any], int]:
    """The header's document, and where the data starts."""
    length = header_bytes(view)
    if length > max_header_bytes:
        raise over_limit("header_bytes", f"a header of {length} bytes; at most {max_header_bytes} are allowed")
    start = LENGTH_BYTES + length
    if len(view) < start:
        raise _malformed("it ends within its header")
    if bytes(view[LENGTH_BYTES : LENGTH_BYTES + 1]) != b"{":
        raise _malformed("its header does not start with '{'")
    return _document(bytes(view[LENGTH_BYTES:start])), start


def _document(header: bytes) -> dict[str, Any]:
    try:
        document = json.loads(header.decode("utf-8"), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise _malformed(f"its header is not JSON: {error}") from None
    return dict(document)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return document


def _metadata(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise _malformed(f"its {METADATA} is not an object of strings")
    return value


def _entry(name: str, value: object) -> Entry:
    shown = repr(name[:100])
    if not isinstance(value, dict) or value.keys() != {"dtype", "shape", "data_offsets"}:
        raise _malformed(f"tensor {shown} has other keys than dtype, shape and data_offsets")
    if not _is_whole(value["shape"]) or not _is_whole(value["data_offsets"]) or len(value["data_offsets"]) != 2:
        raise _malformed(f"shape or data_offsets of tensor {shown} are not whole numbers")
    code = value["dtype"] if isinstance(value["dtype"], str) else type(value["dtype"]).__name__
    return Entry(name, code, tuple(value["shape"]), *value["data_offsets"])


def _is_whole(value: object) -> bool:
    return isinstance(value, list) and all(type(number) is int and 0 <= number < 2**63 for number in value)


def _check_coverage(entries: list[Entry], size: int) -> None:
    expected = 0
    for entry in sorted(entries, key=lambda entry: (entry.begin, entry.end)):
        if entry.begin != expected or entry.end < entry.begin:
            raise _malformed(
                f"tensor {entry.name[:100]!r} lies at {entry.begin} to {entry.end}; the one before ends at {expected}"
            )
        expected = entry.end
    if expected != size:
        raise _malformed(f"its tensors end at {expected}; its data has {size} bytes")


def _array(entry: Entry, data: memoryview, caps: Caps) -> AnyArray | ArrayRejected:
    try:
        return _checked_array(entry, data[entry.begin : entry.end], caps)
    except ArrayRejected as found:
        detail = f"tensor {entry.name[:100]!r}: {found.detail}"
        return ArrayRejected(detail, code=found.code, limit=found.limit)


def _checked_array(entry: Entry, data: memoryview, caps: Caps) -> AnyArray:
    if entry.code not in STORED:
        raise invalid_dtype(entry.code, "", tuple(STORED))
    dtype = STORED[entry.code]
    check_size(len(data), check_shape(entry.shape, dtype, _of_any_size(caps, len(data))), "")
    array = array_over(data, dtype, entry.shape)
    return widened(array) if entry.code == BF16 else array


def _of_any_size(caps: Caps, size: int) -> Caps:
    return replace(caps, array_elements=max(caps.array_elements, size))


def _malformed(detail: str) -> ArrayRejected:
    return ArrayRejected(f"not a safetensors body: {detail}")
