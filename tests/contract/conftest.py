"""One service a device and a run, and the client of it."""

import os
from collections.abc import Iterator

import httpx
import pytest
import torch
from lossgauge import Client

from tests.conftest import Kernel
from tests.contract.serving import served


def devices() -> list[str]:
    """The device that `LOSSGAUGE_DEVICE` names; else the CPU, and the GPU where there is one."""
    named = os.environ.get("LOSSGAUGE_DEVICE")
    if named is not None:
        return [named]
    return ["cpu", "cuda:0"] if torch.cuda.is_available() else ["cpu"]


@pytest.fixture(
    scope="session",
    params=[pytest.param(name, marks=pytest.mark.cuda if name.startswith("cuda") else ()) for name in devices()],
)
def device(request: pytest.FixtureRequest) -> str:
    """What the service computes on."""
    name = str(request.param)
    if name.startswith("cuda") and not torch.cuda.is_available():
        pytest.skip(f"device {name}: torch finds no CUDA device")
    return name


@pytest.fixture(scope="session")
def url(device: str, kernel: Kernel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the service, which must not have failed by the end of the run."""
    log = tmp_path_factory.mktemp("service") / "service.log"
    with served(log, device, kernel) as address:
        yield address
    assert "Finished server process" in log.read_text()
    assert "Traceback" not in log.read_text()


@pytest.fixture(scope="session")
def client(url: str) -> Iterator[Client]:
    """The real client, as it is by default; it never tries twice, so that nothing is hidden."""
    with Client(url, retries=0) as client:
        yield client


@pytest.fixture(scope="session")
def caller(url: str) -> Iterator[httpx.Client]:
    """A caller that writes its own bodies."""
    with httpx.Client(base_url=url, timeout=60) as caller:
        yield caller
