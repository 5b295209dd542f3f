"""Where the service listens: taken before anything else is loaded, so that an address that cannot be had is told at once."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

BACKLOG = 2048


class NotListening(OSError):
    """The address cannot be had."""


@contextmanager
def listening(host: str, port: int) -> Iterator[list[socket.socket]]:
    """A socket for each address that the host stands for; callers wait in it until they are served. Raises `NotListening`."""
    with ExitStack() as opened:
        try:
            sockets = [opened.enter_context(_bound(*address)) for address in _addresses(host, port)]
        except OSError as error:
            raise NotListening(f"cannot listen on {_written(host, port)}: {error.strerror}") from None
        yield sockets


def addresses_of(sockets: Sequence[socket.socket]) -> list[str]:
    """The URLs that lead to them."""
    return [f"http://{_written(*one.getsockname()[:2])}" for one in sockets]


Address = tuple[int, tuple[str, int] | tuple[str, int, int, int]]


def _addresses(host: str, port: int) -> list[Address]:
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((int(family), address) for family, *_, address in found))  # type: ignore[misc]


def _bound(family: int, address: tuple[str | int, ...]) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
        bound.listen(BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound


def _written(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
