"""What a benchmark found: its records, and where they come from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figure import Figure
from benchmarks.left_out import LeftOut
from benchmarks.origin import Origin
from benchmarks.row import Row
from benchmarks.table import FIGURES, ROWS, table


@dataclass(frozen=True)
class Findings:
    """The records of one run."""

    title: str
    about: str
    origin: Origin
    rows: tuple[Row, ...]
    figures: tuple[Figure, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def page(self) -> str:
        """The page, in Markdown."""
        figures = [table(FIGURES, self.lines)] if self.lines else []
        rows = [table(ROWS, [row.cells for row in self.rows])] if self.rows else []
        return "\n\n".join([f"# {self.title}", self.about, self.origin.text, *figures, *rows]) + "\n"

    @property
    def lines(self) -> list[list[str]]:
        """The lines of the table of figures; what was left out comes last."""
        return [figure.cells for figure in self.figures] + [one.cells for one in self.left_out]

    @property
    def document(self) -> dict[str, Any]:
        """The same as JSON has it."""
        records = {name: [one.document for one in getattr(self, name)] for name in ("rows", "figures", "left_out")}
        return {"title": self.title, **self.origin.document, **records}

    def write(self, folder: Path, name: str) -> None:
        """Write the page and the document."""
        (folder / f"{name}.md").write_text(self.page)
        (folder / f"{name}.json").write_text(json.dumps(self.document, indent=1) + "\n")


def figures_of(document: Mapping[str, Any]) -> list[Figure | LeftOut]:
    """The figures of a document, and what it left out."""
    figures: list[Figure | LeftOut] = [Figure.read(one) for one in document["figures"]]
    return figures + [LeftOut(**one) for one in document["left_out"]]
