"""How something grows with the work."""

from collections.abc import Sequence

import numpy as np


def exponent(work: Sequence[float], values: Sequence[float]) -> float:
    """The k of c work^k: the slope of the least squares of logarithms."""
    return float(np.polyfit(np.log(work), np.log(values), 1)[0])
