"""A goal: the figure that a case should have."""

from dataclasses import dataclass
from typing import Literal

from benchmarks.figure import Figure
from benchmarks.spread import Spread


@dataclass(frozen=True)
class Goal:
    """At least or at most so much, of a case."""

    case: str
    at: Literal[">=", "<="]
    bound: float
    unit: str = "x"

    @property
    def text(self) -> str:
        """The goal in a table."""
        return f"{self.at} {self.bound:g} {self.unit}".strip()

    def figure(self, found: Spread, of: str = "") -> Figure:
        """The figure that was found, judged. of: what of the case it is, where the case has several."""
        holds = found.median >= self.bound if self.at == ">=" else found.median <= self.bound
        return Figure(f"{self.case}: {of}" if of else self.case, found, self.unit, self.text, holds)
