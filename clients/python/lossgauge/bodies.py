"""Request bodies: how a document and its arrays become bytes. One class a kind of body."""

import io
import json
import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from lossgauge.arrays import PngFile, decoded
from lossgauge.encodings import BY_NAME, base64, encode, safetensors
from lossgauge.encodings.base import ArrayRejected
from lossgauge.errors import InvalidArgumentError
from lossgauge.packets import Stretch
from lossgauge.wire import Limits

Encoding = Literal["safetensors", "multipart", "npy", "raw", "list", "png", "packbits", "coco_rle"]
Document = dict[str, Any]
Held = NDArray[Any] | PngFile
ENTRY_BYTES = 96
HEAD_BYTES = 192
MOST_ARRAYS = 4


@dataclass(frozen=True)
class Body:
    """What is posted, in pieces; the commas of its JSON, and the bytes of that JSON where it comes beside the arrays."""

    media_type: str
    pieces: Sequence[Stretch]
    commas: int
    document_bytes: int = 0

    @property
    def content(self) -> bytes:
        """All of it, copied."""
        return b"".join(self.pieces)

    @property
    def size(self) -> int:
        """Its bytes."""
        return sum(map(len, self.pieces))

    def over(self, limits: Limits) -> str | None:
        """What of it the service would refuse whole, where there is anything."""
        taken = {"body_bytes": self.size, "document_bytes": self.document_bytes, "json_values": self.commas}
        return next((_over(name, size, limits) for name, size in taken.items() if size > getattr(limits, name)), None)


@dataclass(frozen=True)
class Attachment:
    """An array that travels beside the document: its name in the body, and what it is there."""

    name: str
    content: NDArray[Any] | bytes
    media_type: str = "application/octet-stream"

    @property
    def size(self) -> int:
        """Its bytes."""
        return self.content.nbytes if isinstance(self.content, np.ndarray) else len(self.content)

    @property
    def buffer(self) -> Stretch:
        """Its bytes without a copy."""
        return self.content.data if isinstance(self.content, np.ndarray) else self.content


@dataclass(frozen=True)
class Cost:
    """What a piece of a request takes of the service's limits; never less than the truth."""

    items: int = 0
    parts: int = 0
    document_bytes: int = 0
    body_bytes: int = 0
    json_values: int = 0
    decoded_bytes: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*(mine + its for mine, its in zip(vars(self).values(), vars(other).values(), strict=True)))

    def fits(self, limits: Limits) -> bool:
        """Whether one request may hold it."""
        return all(getattr(self, name) <= getattr(limits, name) for name in vars(self))


@dataclass(frozen=True)
class Packed:
    """An array's place in the document, and its attachment where it has one."""

    document: Document
    attachment: Attachment | None = None


class BodyKind(ABC):
    """A kind of body: how an array is packed, and how all becomes bytes."""

    @abstractmethod
    def cost(self, document: Mapping[str, Any], attachments: Sequence[Attachment]) -> Cost:
        """What a piece of the document and its attachments take."""

    def elements(self, limits: Limits) -> int:
        """The most elements that one array may have."""
        return limits.array_elements

    @abstractmethod
    def pack(self, name: str, held: Held, pointer: str) -> Packed:
        """Pack an array; `InvalidArgumentError` when this kind of body cannot carry it."""

    @abstractmethod
    def body(self, document: Mapping[str, Any], attachments: Iterable[Attachment]) -> Body:
        """The body of a document and the attachments that it names."""


class SafetensorsBody(BodyKind):
    """The document in the header's metadata, arrays as tensors."""

    def cost(self, document: Mapping[str, Any], attachments: Sequence[Attachment]) -> Cost:
        """The document, escaped, and a line for each tensor are in the header; the elements come after it."""
        text = json_bytes(document)
        header = len(json.dumps(text.decode())) + sum(map(_entry_bytes, attachments))
        return Cost(0, len(attachments), header, header + _bytes_of(attachments), _values(text))

    def pack(self, name: str, held: Held, pointer: str) -> Packed:
        """A tensor; a PNG file is decoded first."""
        array = decoded(held, pointer) if isinstance(held, PngFile) else held
        return Packed({"encoding": "tensor", "name": name}, Attachment(name, array))

    def body(self, document: Mapping[str, Any], attachments: Iterable[Attachment]) -> Body:
        """One safetensors file."""
        tensors = {attachment.name: np.asarray(attachment.content) for attachment in attachments}
        text = json_bytes(document)
        header, *stored = safetensors.pieces(text, tensors)
        return Body("application/x-safetensors", (header, *stored), _commas(text), safetensors.header_bytes(header))


class MultipartBody(BodyKind):
    """The document as the part `request`, each array as a part of its own."""

    def cost(self, document: Mapping[str, Any], attachments: Sequence[Attachment]) -> Cost:
        """Each part has a head of its own."""
        heads = sum(HEAD_BYTES + 2 * len(attachment.name) for attachment in attachments)
        text = json_bytes(document)
        return Cost(0, len(attachments), len(text), len(text) + heads + _bytes_of(attachments), _values(text))

    def pack(self, name: str, held: Held, pointer: str) -> Packed:
        """A part: a .npy file, or a PNG file as it is."""
        part = Attachment(name, *_file_of(held))
        return Packed({"encoding": "part", "name": name}, part)

    def body(self, document: Mapping[str, Any], attachments: Iterable[Attachment]) -> Body:
        """One multipart/form-data body."""
        boundary = secrets.token_hex(16)
        text = json_bytes(document)
        request = Attachment("request", text, "application/json")
        pieces = [piece for attachment in (request, *attachments) for piece in _part(boundary, attachment)]
        pieces.append(f"--{boundary}--\r\n".encode())
        return Body(f"multipart/form-data; boundary={boundary}", pieces, _commas(text), len(text))


@dataclass(frozen=True)
class JsonBody(BodyKind):
    """One JSON document with the arrays inside, each in the same encoding."""

    encoding: str

    def cost(self, document: Mapping[str, Any], attachments: Sequence[Attachment]) -> Cost:
        """All is in the document."""
        text = json_bytes(document)
        return Cost(body_bytes=len(text) + 1, json_values=_values(text))

    def elements(self, limits: Limits) -> int:
        """Lists have a cap of their own, and their elements are values of the document."""
        in_lists = min(limits.list_elements, limits.json_values // MOST_ARRAYS)
        return in_lists if self.encoding == "list" else limits.array_elements

    def pack(self, name: str, held: Held, pointer: str) -> Packed:
        """An array in this body's encoding, or a PNG file as it is."""
        if isinstance(held, PngFile):
            return Packed({"encoding": "png", "data": base64.encode(held.content)})
        try:
            return Packed(dict(encode(held, self.encoding)))
        except ArrayRejected as error:
            raise InvalidArgumentError(f"{error.detail} (encoding {self.encoding!r})", pointer=pointer) from error

    def body(self, document: Mapping[str, Any], attachments: Iterable[Attachment]) -> Body:
        """The document."""
        text = json_bytes(document)
        return Body("application/json", (text,), _commas(text))


KINDS: dict[str, BodyKind] = {
    "safetensors": SafetensorsBody(),
    "multipart": MultipartBody(),
    **{name: JsonBody(name) for name, encoding in BY_NAME.items() if "of" in vars(encoding)},
}


def body_kind(encoding: str) -> BodyKind:
    """The kind of body of a name that `Client(encoding=..)` takes.

    >>> type(body_kind("npy")).__name__
    'JsonBody'
    """
    if encoding not in KINDS:
        raise InvalidArgumentError(f"encoding {encoding!r} is unknown; known are {', '.join(KINDS)}")
    return KINDS[encoding]


def json_bytes(document: Mapping[str, Any]) -> bytes:
    """Strict JSON; NumPy numbers and metric specs count as what they hold."""
    try:
        return json.dumps(document, allow_nan=False, separators=(",", ":"), default=_plain).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"not a JSON document: {error}") from None


def _values(text: bytes) -> int:
    """At least the values of a piece of JSON: there is a comma between any two."""
    return _commas(text) + 1


def _commas(text: bytes) -> int:
    return text.count(b",")


def _over(name: str, size: int, limits: Limits) -> str:
    what = {"body_bytes": "a body of {} bytes", "document_bytes": "a document of {} bytes", "json_values": "{} values"}
    return f"takes {what[name].format(size)}; the service reads {getattr(limits, name)} ({name})"


def _bytes_of(attachments: Iterable[Attachment]) -> int:
    return sum(attachment.size for attachment in attachments)


def _entry_bytes(attachment: Attachment) -> int:
    """At most the length of a tensor's line in a safetensors header."""
    return ENTRY_BYTES + len(attachment.name) + len(str(np.shape(attachment.content)))


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"a {type(value).__qualname__} has no JSON")


def _file_of(held: Held) -> tuple[bytes, str]:
    return (held.content, "image/png") if isinstance(held, PngFile) else (_npy(held), "application/x-npy")


def _npy(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _part(boundary: str, attachment: Attachment) -> Iterator[Stretch]:
    filename = "" if attachment.name == "request" else f'; filename="{attachment.name}"'
    yield (
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="{attachment.name}"{filename}\r\n'
        f"Content-Type: {attachment.media_type}\r\n\r\n"
    ).encode()
    yield attachment.buffer
    yield b"\r\n"
