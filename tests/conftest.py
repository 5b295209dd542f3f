"""What all tests share: one engine a run, with the kernel that `LOSSGAUGE_KERNEL` names."""

import os
from typing import Literal, cast

import pytest
from hypothesis import HealthCheck, settings
from lossgauge_service.engine import Engine
from lossgauge_service.settings import Settings

from tests.examples import examples

settings.register_profile(
    "house",
    deadline=None,
    max_examples=examples(25),
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
)
settings.load_profile("house")

Kernel = Literal["auto", "compiled", "eager"]


@pytest.fixture(scope="session")
def kernel() -> Kernel:
    """The kernel of this run: eager unless `LOSSGAUGE_KERNEL` says otherwise."""
    return cast(Kernel, os.environ.get("LOSSGAUGE_KERNEL", "eager"))


@pytest.fixture(scope="session")
def engine(kernel: Kernel) -> Engine:
    """An engine on the device that `LOSSGAUGE_DEVICE` names (cpu)."""
    built = Engine.build(os.environ.get("LOSSGAUGE_DEVICE", "cpu"), kernel, Settings().kernel_cache)
    built.warm_up()
    return built
