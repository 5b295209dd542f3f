"""A socket of the file system, for callers on the same machine."""

import json
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import numpy as np
import pytest
from lossgauge import Client
from lossgauge_service.listening import NotListening, listening

from tests.contract.serving import running


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a service listens, beside its port."""
    folder = tmp_path_factory.mktemp("unix")
    with running(
        folder / "log", "--kernel", "eager", "--device", "cpu", "--unix-socket", str(folder / "socket")
    ) as service:
        assert httpx.get(f"{service.url}/health/live").status_code == 200
        yield folder / "socket"
    assert not (folder / "socket").exists()


@pytest.mark.parametrize("side", [4, 400], ids=["a short body", "a long one"])
def test_a_client_scores_by_it(path: Path, side: int) -> None:
    """The client takes httpx's transport of such a socket, and any body goes through it, again and again."""
    rng = np.random.default_rng(side)
    prediction, target = rng.random((side, side)).astype(np.float32), rng.integers(0, 2, (side, side))
    expected = 2 * np.sum((prediction > 0.5) & (target == 1)) / (np.sum(prediction > 0.5) + target.sum())
    with Client("http://lossgauge", transport=httpx.HTTPTransport(uds=str(path)), retries=0) as client:
        for _ in range(3):
            found = client.score(prediction, target, metrics="dice", prediction_kind="probabilities")["dice"]
            assert found == pytest.approx(expected)


def test_it_is_for_its_owner_alone(path: Path) -> None:
    """Nobody else may connect."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_problem_does_not_tell_where_the_socket_is(path: Path) -> None:
    """Its `instance` is the path that was asked for, also of a caller who names no host."""
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(path))
        caller.sendall(b"GET /nothing HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: caller.recv(65536), b""))
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["instance"] == "/nothing"


def test_a_socket_that_is_listened_at_is_not_taken(path: Path) -> None:
    """A second service says where it cannot listen, and leaves the first one its socket."""
    with pytest.raises(NotListening, match=str(path)), listening("127.0.0.1", 0, path):
        pass
    assert path.is_socket()


def test_what_a_service_left_behind_makes_room(tmp_path: Path) -> None:
    """A socket at which nobody listens any more is taken; a file that is none stays."""
    left = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(left))
    with listening("127.0.0.1", 0, left) as sockets:
        assert [one.family for one in sockets] == [socket.AF_INET, socket.AF_UNIX]
    assert not left.exists()
    left.write_text("mine")
    with pytest.raises(NotListening, match=str(left)), listening("127.0.0.1", 0, left):
        pass
    assert left.read_text() == "mine"


def test_a_service_that_ends_leaves_its_successor_alone(tmp_path: Path) -> None:
    """It takes no socket away that another has made in its place."""
    place = tmp_path / "socket"
    with ExitStack() as second:
        with listening("127.0.0.1", 0, place) as first:
            first[-1].close()
            second.enter_context(listening("127.0.0.1", 0, place))
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(place))
    assert not place.exists()
