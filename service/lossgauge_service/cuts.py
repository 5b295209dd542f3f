"""Thresholds of a probability as cuts of the values that a kernel compares: exact in every precision."""

from decimal import Decimal, localcontext
from functools import lru_cache

import numpy as np

from lossgauge_service.samples import Case

DIGITS = 60
"""Beside 1/2 the logit of 1/2 + e is 4 e + 16/3 e^3: for the least e it differs from a float64 in its 33rd digit."""


def cut_of(case: Case, threshold: float | None, inclusive: bool) -> float:
    """The number c, in the kernel's precision, such that value > c is what the threshold says.

    A logit x is compared with log(th / (1 - th)) rounded so that no x changes sides; a probability with th in its own dtype, as
    NumPy and torch do. For >= the cut is the next number below.
    """
    if case.kind == "labels" or threshold is None:
        return 0.5
    dtype = np.dtype(case.precision).type
    if case.kind == "probabilities":
        cut = dtype(np.dtype(case.sent).type(threshold))
        return float(np.nextafter(cut, dtype(-np.inf)) if inclusive else cut)
    return float(_rounded(_logit(threshold), dtype, inclusive))


@lru_cache(maxsize=1024)
def _logit(threshold: float) -> Decimal:
    """log(th / (1 - th)) to more digits than any float has: what is rounded afterwards is rounded once."""
    if threshold in (0, 1):
        return Decimal("-inf") if threshold == 0 else Decimal("inf")
    with localcontext(prec=DIGITS):
        return (Decimal(threshold) / (1 - Decimal(threshold))).ln()


def _rounded(exact: Decimal, dtype: type[np.floating], inclusive: bool) -> np.floating:
    """The largest number of the dtype that is at most `exact`, or, where equal is positive, the largest below it."""
    with np.errstate(over="ignore"):
        cut = dtype(float(exact))
    if Decimal(float(cut)) > exact or (inclusive and Decimal(float(cut)) == exact):
        cut = np.nextafter(cut, dtype(-np.inf))
    return cut
