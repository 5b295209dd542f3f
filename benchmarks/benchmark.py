"""A benchmark: what it is called, what may be chosen, and its records."""

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.figure import Figure
from benchmarks.left_out import LeftOut
from benchmarks.row import Row

Record = Row | Figure | LeftOut


@dataclass(frozen=True)
class Benchmark:
    """Its options are names with their defaults; a list has one or more of its first member's type.

    versions: of what is measured with an environment of its own.
    """

    title: str
    doc: str
    packages: tuple[str, ...]
    options: Mapping[str, Any]
    records: Callable[[argparse.Namespace], Iterator[Record]]
    versions: Callable[[argparse.Namespace], Mapping[str, str]] = lambda given: {}

    @property
    def about(self) -> str:
        """What is said of it: its module's docstring without the first line and the command."""
        return self.doc.split("\n\n", 2)[2].strip()

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Tell a parser of the options."""
        for name, default in self.options.items():
            several = isinstance(default, list)
            kind = type(default[0] if several else default)
            parser.add_argument(f"--{name}", type=kind, default=default, nargs="+" if several else None)
