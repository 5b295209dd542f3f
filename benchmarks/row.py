"""A row: what one contender took in a case, round by round."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from benchmarks.spread import Spread


@dataclass(frozen=True)
class Row:
    """The values of a contender."""

    case: str
    contender: str
    values: tuple[float, ...]
    unit: str = "ms"

    @classmethod
    def of_seconds(cls, case: str, contender: str, seconds: Sequence[float]) -> Self:
        """The row of some times."""
        return cls(case, contender, tuple(taken * 1e3 for taken in seconds))

    @property
    def spread(self) -> Spread:
        """The middle of its values and their ends."""
        return Spread.of(self.values)

    def over(self, other: "Row") -> Spread:
        """How many times the other's it is."""
        return Spread.ratio(self.values, other.values)

    @property
    def cells(self) -> list[str]:
        """Its line of a table."""
        found = self.spread
        return [self.case, self.contender, f"{found.median:.4g} {self.unit}", f"{found.low:.4g} to {found.high:.4g}"]

    @property
    def document(self) -> dict[str, Any]:
        """The row as JSON has it."""
        return asdict(self) | asdict(self.spread)
