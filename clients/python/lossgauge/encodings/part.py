"""Parts of a multipart body, by name: the media type of each says how it is encoded."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from lossgauge.encodings import list as lists
from lossgauge.encodings import npy, packbits, png, raw
from lossgauge.encodings.attachments import attached
from lossgauge.encodings.base import (
    AnyArray,
    ArrayRejected,
    Attachments,
    Bits,
    Buffer,
    Caps,
    Encoded,
    Part,
    array_of,
    over_limit,
)

PARAMETER = re.compile(r";\s*([\w-]+)=(?:\"([^\"]*)\"|([^\s;\"]+))\s*", re.ASCII)
SHAPE = re.compile(r"(?:[0-9]{1,18}(?:,[0-9]{1,18})*)?", re.ASCII)
Parameters = Mapping[str, str]


class PartArray(Encoded):
    """A part of a multipart body; the part's media type says how it is encoded."""

    encoding: Literal["part"] = "part"
    name: str

    def decode(self, attachments: Attachments, caps: Caps) -> AnyArray:
        """Decode the part of this name."""
        return array_of(self.decode_compact(attachments, caps))

    def decode_compact(self, attachments: Attachments, caps: Caps) -> AnyArray | Bits:
        """The same; of packed bits the bits."""
        part = attached(attachments, self.name, Part)
        try:
            return read(part, caps)
        except ArrayRejected as found:
            where = f" (at {found.pointer[5:]})" if found.pointer.startswith("/data/") else ""
            raise ArrayRejected(found.detail + where, code=found.code, pointer="/name", limit=found.limit) from None


@dataclass(frozen=True)
class Reader:
    """How parts of a media type are read, and the parameters which that type needs and may have."""

    read: Callable[[Buffer, Parameters, Caps], AnyArray | Bits]
    needed: frozenset[str] = field(default=frozenset())
    optional: frozenset[str] = field(default=frozenset())


def read(part: Part, caps: Caps) -> AnyArray | Bits:
    """The array of a part, packed bits as they are."""
    media_type, parameters = _parsed(part.media_type)
    if media_type not in READERS:
        raise ArrayRejected(f"a part of media type {media_type[:80]!r}; known are {', '.join(READERS)}")
    reader = READERS[media_type]
    _check_parameters(parameters, media_type, reader)
    return reader.read(part.content, parameters, caps)


def _parsed(media_type: str) -> tuple[str, Parameters]:
    essence, _, rest = media_type.partition(";")
    parameters: dict[str, str] = {}
    position, text = 0, f";{rest}".rstrip("; \t")
    while position < len(text):
        found = PARAMETER.match(text, position)
        if found is None or found[1].lower() in parameters:
            raise ArrayRejected(f"the media type {media_type[:80]!r} cannot be read")
        parameters[found[1].lower()] = found[2] if found[3] is None else found[3]
        position = found.end()
    return essence.strip().lower(), parameters


def _check_parameters(parameters: Parameters, media_type: str, reader: Reader) -> None:
    if missing := reader.needed - parameters.keys():
        raise ArrayRejected(f"a part of media type {media_type} needs the parameter {', '.join(sorted(missing))}")
    if unknown := parameters.keys() - reader.needed - reader.optional:
        raise ArrayRejected(f"a part of media type {media_type} has no parameter {', '.join(sorted(unknown))[:80]!r}")


def _npy(content: Buffer, parameters: Parameters, caps: Caps) -> AnyArray:
    return npy.read(content, caps)


def _png(content: Buffer, parameters: Parameters, caps: Caps) -> AnyArray:
    return png.read(content, caps)


def _raw(content: Buffer, parameters: Parameters, caps: Caps) -> AnyArray:
    return raw.read(content, parameters["dtype"], _shape(parameters["shape"]), caps)


def _packbits(content: Buffer, parameters: Parameters, caps: Caps) -> Bits:
    return packbits.read(content, _shape(parameters["shape"]), caps)


def _list(content: Buffer, parameters: Parameters, caps: Caps) -> AnyArray:
    if parameters.get("charset", "utf-8").lower() != "utf-8":
        raise ArrayRejected(f"JSON is utf-8; found charset {parameters['charset'][:40]!r}")
    data = _document(bytes(content), caps)
    if not isinstance(data, list):
        raise ArrayRejected("the JSON of an array is a list")
    return lists.read(data, caps)


def _document(content: bytes, caps: Caps) -> object:
    """The JSON value. Its elements are one more than its commas: their cap comes before the memory that they take."""
    if content.count(b",") >= caps.list_elements:
        raise over_limit("list_elements", f"a list of more than {caps.list_elements} elements")
    try:
        document: object = json.loads(content.decode("utf-8"), parse_constant=_refuse_constant)
        return document
    except (ValueError, RecursionError) as error:
        raise ArrayRejected(f"not JSON: {error}") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


def _shape(text: str) -> tuple[int, ...]:
    if SHAPE.fullmatch(text) is None:
        raise ArrayRejected(f"a shape is written like 512,512; found {text[:80]!r}")
    return tuple(int(axis) for axis in text.split(",") if axis)


READERS: dict[str, Reader] = {
    "application/x-npy": Reader(_npy),
    "image/png": Reader(_png),
    "application/octet-stream": Reader(_raw, needed=frozenset({"dtype", "shape"})),
    "application/x-packbits": Reader(_packbits, needed=frozenset({"shape"})),
    "application/json": Reader(_list, optional=frozenset({"charset"})),
}
