"""HTTP/1.1 by httptools, which sets no bound to a request's headers of its own, and reads no body behind an `Upgrade`."""

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lossgauge_service.guard import SKIPPED_BYTES
from lossgauge_service.lines import ABORT

MOST_HEADER_BYTES = 2**16
"""Of the address, the headers and the trailers of a request, however they are cut on their way."""
AROUND_A_HEADER = len(": \r\n")


class TooLong(ValueError):
    """The headers go on and on."""


class BoundedHeaders(HttpToolsProtocol):
    """Refuses a request whose headers, or trailers, go on and on. What trailers say is not kept.

    An offer to go on in another protocol is not taken (RFC 9110, 7.8): the request is read again without it, and its body with it.
    """

    _in_headers = False
    _in_body = False
    _header_bytes = 0
    _unfinished_bytes = 0
    """Of a header whose end has not come: the parser keeps them."""
    _skipped_bytes = 0
    """Of a body whose request has been answered."""
    _heard = False
    """Whether the parser has told of anything since it was fed."""

    def on_message_begin(self) -> None:
        """A request starts."""
        super().on_message_begin()
        self.scope["extensions"] = {ABORT: {"abort": self.transport.abort}}
        self._in_headers, self._in_body, self._heard = True, False, True
        self._header_bytes = self._skipped_bytes = 0

    def on_url(self, url: bytes) -> None:
        """A piece of its address."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer."""
        self._count(len(name) + len(value) + AROUND_A_HEADER)
        if self._in_headers:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Its headers end."""
        self._in_headers, self._in_body, self._heard = False, True, True
        if not self._is_offered:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of its body; of one that nobody reads any more only little is taken."""
        self._heard = True
        super().on_body(body)
        if self.cycle.response_complete:
            self._skip(len(body))

    def on_chunk_header(self) -> None:
        """A chunk of its body starts; after the last one trailers may."""
        self._heard = True

    def on_message_complete(self) -> None:
        """It ends."""
        self._in_body, self._heard = False, True
        if not self._is_offered:
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Some bytes came."""
        self._unset_keepalive_if_required()
        self._heard = False
        try:
            self._feed(memoryview(data))
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
            return
        self._unfinished_bytes = 0 if self._heard else self._unfinished_bytes + len(data)
        if self._header_bytes + self._unfinished_bytes > MOST_HEADER_BYTES and not self.transport.is_closing():
            self.send_400_response("")

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, or has too long a head, and close; only close where another answer would be torn by that."""
        is_long = self._header_bytes + self._unfinished_bytes > MOST_HEADER_BYTES
        if self._is_answered:
            self.transport.close()
        else:
            super().send_400_response(f"The headers are longer than {MOST_HEADER_BYTES} bytes." if is_long else msg)
        if self.cycle is not None:
            self.cycle.disconnected = True  # nobody hears what is being served, and the transport takes no more

    @property
    def _is_answered(self) -> bool:
        """Whether an answer is on its way, or the request whose body is coming has its own already."""
        cycle = self.cycle
        return cycle is not None and cycle.response_started and (self._in_body or not cycle.response_complete)

    @property
    def _is_offered(self) -> bool:
        """Whether the parser would read no further than the headers, though a request of HTTP/1.1 follows."""
        return bool(self.parser.should_upgrade()) and self.parser.get_method() != b"CONNECT"

    def _feed(self, data: memoryview) -> None:
        """Have the parser read what came, however many offers stand in it."""
        while data:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as offer:
                [behind] = offer.args
                self._read_without_offer()
                data = data[behind:]

    def _read_without_offer(self) -> None:
        if not self._is_offered:
            raise httptools.HttpParserError("there are no tunnels")
        head = self._head_without_offer()
        self.parser = self._new_parser()
        self.parser.feed_data(head)

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as the parser before it
        return parser

    def _head_without_offer(self) -> bytes:
        version = self.parser.get_http_version().encode()
        lines = [b"%b: %b" % (name, value) for name, value in self.headers if name != b"upgrade"]
        return b"\r\n".join([b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version), *lines, b"", b""])

    def _skip(self, size: int) -> None:
        self._skipped_bytes += size
        if self._skipped_bytes > SKIPPED_BYTES:
            self.transport.close()

    def _count(self, size: int) -> None:
        self._heard = True
        self._header_bytes += size
        if self._header_bytes > MOST_HEADER_BYTES:
            raise TooLong
