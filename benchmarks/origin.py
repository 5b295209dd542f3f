"""Where figures come from: when, by which command, on what, with which versions."""

import datetime
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from types import MappingProxyType
from typing import Any, Self

import lossgauge
import torch

NO_VERSIONS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Origin:
    """The date, the command, the kind of machine, the versions, and how long it took."""

    date: str
    command: str
    machine: str
    versions: dict[str, str]
    seconds: float

    @classmethod
    def here(
        cls, arguments: Sequence[str], packages: Sequence[str], seconds: float, more: Mapping[str, str] = NO_VERSIONS
    ) -> Self:
        """The origin of what was measured now. more: versions that are known already."""
        versions = {"lossgauge": lossgauge.__version__, **{name: version(name) for name in packages}, **more}
        command = " ".join(["scripts/bench", *arguments])
        return cls(str(datetime.date.today()), command, machine(), versions, round(seconds, 1))

    @property
    def text(self) -> str:
        """A few lines of the page."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        measured = f"Measured {self.date} by `{self.command}` on {self.machine}, in {self.seconds:.0f} s."
        return f"{measured}\nVersions: {versions}."

    @property
    def document(self) -> dict[str, Any]:
        """The origin as JSON has it."""
        return asdict(self)


def machine() -> str:
    """What it runs on, in words."""
    gpu = [torch.cuda.get_device_name()] if torch.cuda.is_available() else []
    return ", ".join([platform.machine(), f"{os.cpu_count()} cores", torch.backends.cpu.get_cpu_capability(), *gpu])
