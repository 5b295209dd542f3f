"""The head of a page of docs/benchmarks: what was measured, when, by which command, on what."""

import datetime
import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version

import lossgauge
import torch


def head(title: str, doc: str, packages: Sequence[str]) -> str:
    """The page before its table. doc: of the benchmark, whose first line and command are left out."""
    command = " ".join([f"scripts/bench {_name()}", *sys.argv[1:]])
    lines = [f"# {title}", "", doc.split("\n\n", 2)[2].strip(), ""]
    return "\n".join(
        [
            *lines,
            f"Measured {datetime.date.today()} by `{command}` on {machine()}.",
            f"Versions: {versions(packages)}.",
            "",
        ]
    )


def _name() -> str:
    return sys.argv[0].rsplit("/", 1)[-1].removesuffix(".py")


def machine() -> str:
    """What it runs on, in words."""
    return f"{platform.machine()}, {os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}"


def versions(packages: Sequence[str]) -> str:
    """The versions that matter."""
    return ", ".join([f"lossgauge {lossgauge.__version__}", *(f"{name} {version(name)}" for name in packages)])
