"""A multipart/form-data body: a part `request` with the JSON, and a part for each array. No copies, no files."""

from dataclasses import dataclass, field

from lossgauge.encodings.base import Part
from lossgauge.wire import Limits
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, MultipartState, parse_options_header

from lossgauge_service.bodies.envelope import UTF_8, Envelope, Parameters, check_charset
from lossgauge_service.bodies.json import small_document_of
from lossgauge_service.errors import LimitExceeded, Malformed

DOCUMENT = "request"
WIDEST_ITEM = 8


def read(body: bytearray, parameters: Parameters, limits: Limits) -> Envelope:
    """The document and the parts; a part's name is that of its Content-Disposition."""
    parts = _parts_of(body, parameters, limits)
    document = parts.pop(DOCUMENT, None)
    if document is None:
        raise Malformed(f"the body has no part {DOCUMENT!r}, which holds the JSON; found {_names(parts)}")
    check_charset(charset_of(document.media_type))
    return Envelope(small_document_of(bytes(document.content), limits, f"the part {DOCUMENT!r}"), parts)


def charset_of(media_type: str) -> str:
    """The charset that a part's media type names, or that of JSON."""
    _, options = parse_options_header(media_type)
    return options.get(b"charset", UTF_8.encode()).decode("latin-1")


def _names(parts: dict[str, Part]) -> str:
    return ", ".join(repr(name[:40]) for name in list(parts)[:10]) or "no part at all"


def _parts_of(body: bytearray, parameters: Parameters, limits: Limits) -> dict[str, Part]:
    collector = _Collector(body, limits.parts)
    try:
        parser = MultipartParser(boundary_of(parameters), collector.callbacks())  # type: ignore[arg-type]
        parser.write(body)  # type: ignore[arg-type]  # it only slices and searches
    except FormParserError as broken:
        raise Malformed(f"the multipart body is broken: {broken}") from None
    if parser.state != MultipartState.END:
        raise Malformed("the multipart body is cut off: its closing boundary is missing")
    return collector.parts


def boundary_of(parameters: Parameters) -> str:
    """What stands between the parts. Raises `Malformed` where it is not said."""
    boundary = parameters.get("boundary")
    if not boundary:
        raise Malformed("Content-Type must give the boundary of a multipart body")
    return boundary


@dataclass
class _Collector:
    """Gathers parts from the parser's callbacks: offsets into the body, which is given to it whole."""

    body: bytearray
    most: int
    parts: dict[str, Part] = field(default_factory=dict)
    headers: dict[str, bytes] = field(default_factory=dict)
    name: str = ""
    value: bytes = b""
    start: int | None = None
    end: int = 0

    def callbacks(self) -> dict[str, object]:
        """What the parser calls."""
        names = ("part_begin", "part_data", "part_end", "header_begin", "header_field", "header_value", "header_end")
        return {f"on_{name}": getattr(self, name) for name in names}

    def part_begin(self) -> None:
        """A part starts."""
        if len(self.parts) >= self.most:
            raise LimitExceeded(f"the body has more than {self.most} parts", limit="parts")
        self.headers, self.start, self.end = {}, None, 0

    def header_begin(self) -> None:
        """A header starts."""
        self.name, self.value = "", b""

    def header_field(self, data: bytes, start: int, end: int) -> None:
        """A header's name."""
        self.name = bytes(data[start:end]).decode("latin-1").lower()

    def header_value(self, data: bytes, start: int, end: int) -> None:
        """A header's value."""
        self.value = bytes(data[start:end])

    def header_end(self) -> None:
        """A header ends."""
        self.headers[self.name] = self.value

    def part_data(self, data: bytes, start: int, end: int) -> None:
        """Some of the part's content: it adjoins what came before."""
        self.start = start if self.start is None else self.start
        self.end = end

    def part_end(self) -> None:
        """A part ends."""
        name = name_of(self.headers)
        if name in self.parts:
            raise Malformed(f"two parts are named {name[:40]!r}")
        self.parts[name] = Part(media_type_of(self.headers), _aligned(self.body, self.start or 0, self.end))


def _aligned(body: bytearray, start: int, end: int) -> memoryview:
    """A part's content, moved over the end of the part's own headers, which are read, to where any dtype may lie."""
    view, shift = memoryview(body), start % WIDEST_ITEM
    if shift:
        view[start - shift : end - shift] = view[start:end]
    return view[start - shift : end - shift]


def name_of(headers: dict[str, bytes]) -> str:
    """A part's name. Raises `Malformed` where its headers do not give it."""
    disposition, options = parse_options_header(headers.get("content-disposition"))
    if disposition != b"form-data" or not options.get(b"name"):
        raise Malformed('a part must have a name: Content-Disposition: form-data; name="..."')
    if headers.get("content-transfer-encoding", b"binary").lower() not in (b"binary", b"8bit", b"7bit"):
        raise Malformed("a part's Content-Transfer-Encoding must be binary")
    try:
        return options[b"name"].decode()
    except UnicodeDecodeError:
        raise Malformed("a part's name must be UTF-8") from None


def media_type_of(headers: dict[str, bytes]) -> str:
    """A part's media type, with its parameters."""
    return headers.get("content-type", b"text/plain").decode("latin-1")
