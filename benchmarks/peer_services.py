"""The peers' services, each in a process of its own, with the Python of an environment of theirs."""

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

READY_WITHIN_S = 180.0
STOPPED_WITHIN_S = 20.0
POLL_S = 0.2

COMMANDS: Mapping[str, str] = {
    "LitServe": "benchmarks.peers.litserve_service {port}",
    "BentoML": "bentoml serve benchmarks.peers.bentoml_service:Scorer --host 127.0.0.1 --port {port}",
}
HEALTH: Mapping[str, str] = {"LitServe": "/health", "BentoML": "/readyz"}
PACKAGES: Mapping[str, str] = {"LitServe": "litserve", "BentoML": "bentoml"}


@contextmanager
def peer_service(python: Path, name: str, log: Path) -> Iterator[str]:
    """The URL of a peer that is ready; its processes are ended with the block."""
    port = _free_port()
    command = [str(python), "-m", *COMMANDS[name].format(port=port).split()]
    environment = os.environ | {"PYTHONPATH": str(Path.cwd()), "BENTOML_DO_NOT_TRACK": "true"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, env=environment
        )
    try:
        _await(process, f"http://127.0.0.1:{port}{HEALTH[name]}", log)
        yield f"http://127.0.0.1:{port}/predict"
    finally:
        _stop(process)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _await(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        if _answers(url):
            return
        time.sleep(POLL_S)
    raise RuntimeError(f"the service is not ready; it says:\n{log.read_text()}")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End the process, and then what it has left of its session."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOPPED_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
