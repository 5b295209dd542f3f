"""Where the service listens: taken before anything else is loaded, so that an address that cannot be had is told at once."""

import errno
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

BACKLOG = 2048


class NotListening(OSError):
    """The address cannot be had."""


@contextmanager
def listening(host: str, port: int, path: Path | None = None) -> Iterator[list[socket.socket]]:
    """A socket for each address that the host stands for, and one of the file system; callers wait in them until they are served.

    Raises `NotListening`.
    """
    with ExitStack() as opened:
        with _refusing(_written(host, port)):
            sockets = [opened.enter_context(_bound(*address)) for address in _addresses(host, port)]
        if path is not None:
            with _refusing(str(path)):
                sockets.append(opened.enter_context(_of_file(path)))
        yield sockets


@contextmanager
def _refusing(address: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NotListening(f"cannot listen on {address}: {error.strerror or error}") from None


def addresses_of(sockets: Sequence[socket.socket]) -> list[str]:
    """The URLs that lead to them; of a socket of the file system, which has none, there is none."""
    return [f"http://{_written(*one.getsockname()[:2])}" for one in sockets if one.family != socket.AF_UNIX]


def paths_of(sockets: Sequence[socket.socket]) -> list[str]:
    """Where those of the file system are."""
    return [one.getsockname() for one in sockets if one.family == socket.AF_UNIX]


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


@contextmanager
def _of_file(path: Path) -> Iterator[socket.socket]:
    """A socket that is a file, for its owner alone. One that a service left behind, at which nobody listens, makes room."""
    if _is_left_behind(path):
        path.unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as bound:
        before = os.umask(0o177)
        try:
            bound.bind(str(path))
        finally:
            os.umask(before)
        ours = _file_at(path)
        try:
            bound.listen(BACKLOG)
            yield bound
        finally:
            # another service may have taken the place while this one finished what it had
            if _file_at(path) == ours:
                path.unlink()


def _file_at(path: Path) -> tuple[int, ...] | None:
    """Which file is there; a number alone may be given to the next one."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino, found.st_ctime_ns


def _is_left_behind(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        return path.is_socket() and caller.connect_ex(str(path)) == errno.ECONNREFUSED


def _written(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
