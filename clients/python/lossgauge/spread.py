"""Mean and standard deviation of a batch's values, exact to the last rounding."""

import math
from collections.abc import Sequence


def mean_and_std(numbers: Sequence[float]) -> tuple[float | None, float | None]:
    """Mean and deviation (divided by n) of finite numbers, None where there are none. No intermediate result overflows."""
    if not numbers:
        return None, None
    exponent = max(math.frexp(number)[1] for number in numbers)
    small = [math.ldexp(number, -exponent) for number in numbers]
    mean = math.fsum(small) / len(small)
    std = math.sqrt(math.fsum((number - mean) ** 2 for number in small) / len(small))
    return math.ldexp(mean, exponent), math.ldexp(std, exponent)
