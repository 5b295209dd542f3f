"""HTTP/1.1 by httptools, which sets no bound to a request's headers of its own."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lossgauge_service.lines import ABORT

MOST_HEADER_BYTES = 2**16


class BoundedHeaders(HttpToolsProtocol):
    """Refuses a request whose headers go on and on."""

    _in_headers = False
    _header_bytes = 0

    def on_message_begin(self) -> None:
        """A request starts."""
        super().on_message_begin()
        self.scope["extensions"] = {ABORT: {"abort": self.transport.abort}}
        self._in_headers, self._header_bytes = True, 0

    def on_headers_complete(self) -> None:
        """Its headers end."""
        super().on_headers_complete()
        self._in_headers = False

    def data_received(self, data: bytes) -> None:
        """Some bytes came."""
        super().data_received(data)
        self._header_bytes += len(data)
        if self._in_headers and self._header_bytes > MOST_HEADER_BYTES and not self.transport.is_closing():
            self.send_400_response(f"The headers are longer than {MOST_HEADER_BYTES} bytes.")
