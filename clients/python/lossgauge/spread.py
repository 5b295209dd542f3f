"""Mean and standard deviation of a batch's values, exact to the last rounding."""

import math
from collections.abc import Sequence

SCALE = 1074
"""Every float is a whole multiple of 2 ** -SCALE."""
DIGITS = 140
"""Bits of a square root before it is rounded to a float's 53."""


def mean_and_std(numbers: Sequence[float]) -> tuple[float | None, float | None]:
    """Mean and deviation (divided by n) of finite numbers, None where there are none. No intermediate result overflows."""
    if not numbers:
        return None, None
    exponent = max(math.frexp(number)[1] for number in numbers)
    small = [math.ldexp(number, -exponent) for number in numbers]
    mean = math.fsum(small) / len(small)
    std = math.sqrt(math.fsum((number - mean) ** 2 for number in small) / len(small))
    return math.ldexp(mean, exponent), math.ldexp(std, exponent)


class Spread:
    """Mean and deviation of numbers that come one by one and are not kept: of their exact sum and sum of squares.

    What comes of it does not depend on their order, and differs from `mean_and_std` by roundings alone.

    >>> spread = Spread()
    >>> for number in (0.5, 0.25):
    ...     spread.add(number)
    >>> spread.counted, spread.mean_and_std
    (2, (0.375, 0.125))
    """

    def __init__(self) -> None:
        self.counted = 0
        self._sum = 0
        self._squares = 0

    def add(self, number: float) -> None:
        """One finite number more."""
        top, bottom = number.as_integer_ratio()
        whole = top << (SCALE + 1 - bottom.bit_length())
        self.counted += 1
        self._sum += whole
        self._squares += whole * whole

    @property
    def mean_and_std(self) -> tuple[float | None, float | None]:
        """Mean and deviation (divided by n), None where there are no numbers."""
        if not self.counted:
            return None, None
        return self._sum / (self.counted << SCALE), self._std()

    def _std(self) -> float:
        squared = self.counted * self._squares - self._sum**2
        shift = max(0, DIGITS - squared.bit_length()) // 2 + 1
        return math.isqrt(squared << 2 * shift) / (self.counted << (SCALE + shift))
