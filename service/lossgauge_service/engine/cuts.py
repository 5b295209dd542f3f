"""Thresholds of a probability as cuts of the values that a kernel compares: exact in every precision."""

import math

import numpy as np

from lossgauge_service.samples import Case


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


def _logit(threshold: float) -> float:
    if threshold in (0, 1):
        return -math.inf if threshold == 0 else math.inf
    return math.log(threshold) - math.log1p(-threshold)


def _rounded(exact: float, dtype: type[np.floating], inclusive: bool) -> np.floating:
    """The largest number of the dtype that is at most `exact`, or, where equal is positive, the largest below it."""
    cut = dtype(exact)
    if float(cut) > exact or (inclusive and float(cut) == exact):
        cut = np.nextafter(cut, dtype(-np.inf))
    return cut
