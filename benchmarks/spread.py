"""The middle of what was measured, and how far it lay apart."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Spread:
    """The middle of some values, the lowest and the highest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """The spread of values."""
        return cls(statistics.median(values), min(values), max(values))

    @classmethod
    def ratio(cls, over: Sequence[float], under: Sequence[float]) -> Self:
        """The ratio of the medians of two contenders, and the ends of the rounds' own ratios."""
        rounds = [one / other for one, other in zip(over, under, strict=True)]
        return cls(statistics.median(over) / statistics.median(under), min(rounds), max(rounds))

    def times(self, factor: float) -> "Spread":
        """The same in another unit."""
        return Spread(self.median * factor, self.low * factor, self.high * factor)
