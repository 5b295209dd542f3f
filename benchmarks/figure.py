"""A figure: what was found of a case, beside its goal where it has one."""

from dataclasses import asdict, dataclass
from typing import Any, Self

from benchmarks.spread import Spread


@dataclass(frozen=True)
class Figure:
    """A ratio, a share or an exponent; `holds` says whether it meets its goal."""

    case: str
    found: Spread
    unit: str = "x"
    goal: str = ""
    holds: bool | None = None

    @classmethod
    def read(cls, document: dict[str, Any]) -> Self:
        """The figure of a document that `dataclasses.asdict` made."""
        return cls(**document | {"found": Spread(**document["found"])})

    @property
    def cells(self) -> list[str]:
        """Its line of a table."""
        found = self.found
        spread = f"{found.low:.3g} to {found.high:.3g}"
        return [self.case, self.goal, f"{found.median:.3g} {self.unit}".strip(), spread, ANSWERS[self.holds]]

    @property
    def document(self) -> dict[str, Any]:
        """The figure as JSON has it."""
        return asdict(self)


ANSWERS = {True: "yes", False: "no", None: ""}
