"""What could not be measured here, and why: never left out silently."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class LeftOut:
    """A case without a figure."""

    case: str
    why: str
    goal: str = ""

    @property
    def cells(self) -> list[str]:
        """Its line of the table of figures."""
        return [self.case, self.goal, f"not measured: {self.why}", "", ""]

    @property
    def document(self) -> dict[str, Any]:
        """What was left out, as JSON has it."""
        return asdict(self)
