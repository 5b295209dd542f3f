"""What is counted of the work on the device, and how fast it is done."""

from dataclasses import dataclass

SHARE = 0.2
"""Of a new measurement in the mean of all."""


@dataclass
class Pace:
    """Cost per second of the device, a mean in which the latest counts most."""

    cost_per_s: float | None = None

    def add(self, cost: float, seconds: float) -> None:
        """So much was done in so long."""
        if cost > 0 and seconds > 0:
            found = cost / seconds
            self.cost_per_s = found if self.cost_per_s is None else self.cost_per_s + SHARE * (found - self.cost_per_s)

    def seconds_of(self, cost: float) -> float:
        """How long so much takes; 0 while nothing has been measured."""
        return cost / self.cost_per_s if self.cost_per_s else 0.0


class Meters:
    """Counts what the batcher does."""

    def dropped(self, late: int, gone: int) -> None:
        """Jobs that were not run: too late, or with nobody left to take the result."""

    def ran(self, jobs: int, samples: int, cost: float, seconds: float) -> None:
        """A batch was computed."""
