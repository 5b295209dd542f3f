"""A figure: what was wanted, what was found, and whether it holds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A row of the table."""

    test: str
    wanted: str
    found: str
    holds: bool

    @property
    def row(self) -> str:
        """The row, in Markdown."""
        return f"| {self.test} | {self.wanted} | {self.found} | {'yes' if self.holds else 'NO'} |"
