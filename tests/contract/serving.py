"""The real service in a process of its own, as `lossgauge serve` runs it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

LISTENS = re.compile(r"listening at (http://127\.0\.0\.1:\d+)")
BROKEN = "the engine is broken"
READY_WITHIN_S = 900.0
STOPPED_WITHIN_S = 60.0
POLL_S = 0.2


@dataclass(frozen=True)
class Running:
    """A service that is ready, and its process."""

    url: str
    process: "subprocess.Popen[bytes]"


@contextmanager
def served(log: Path, device: str, kernel: str) -> Iterator[str]:
    """The URL of a service that is ready, stopped at the end of the block; what it says goes to `log`."""
    with running(log, "--device", device, "--kernel", kernel) as service:
        yield service.url


@contextmanager
def running(
    log: Path, *arguments: str, module: str = "lossgauge_service", until: str = "ready", **settings: str
) -> Iterator[Running]:
    """A service with these settings, in a process of its own, once it is `ready`, or `live` at least."""
    command = [sys.executable, "-m", module, "serve", "--host", "127.0.0.1", "--port", "0", *arguments]
    environment = os.environ | {f"LOSSGAUGE_{name.upper()}": value for name, value in settings.items()}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, env=environment
        )
    try:
        yield Running(_ready(process, log, until), process)
    finally:
        _stop(process)


def _ready(process: "subprocess.Popen[bytes]", log: Path, until: str) -> str:
    deadline = time.monotonic() + READY_WITHIN_S
    with httpx.Client(trust_env=False) as caller:
        while time.monotonic() < deadline and process.poll() is None:
            listens = LISTENS.search(log.read_text())
            answer = listens and caller.get(f"{listens[1]}/health/{until}")
            if listens and answer and answer.is_success:
                return listens[1]
            if answer and BROKEN in answer.text:
                break
            time.sleep(POLL_S)
    raise RuntimeError(f"the service is not ready; it says:\n{log.read_text()}")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOPPED_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
