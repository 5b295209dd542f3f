"""Mean and deviation of numbers that are not kept."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lossgauge.spread import Spread, mean_and_std

FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def spread_of(numbers: list[float]) -> Spread:
    """The spread of numbers, one by one."""
    spread = Spread()
    for number in numbers:
        spread.add(number)
    return spread


@given(st.lists(FLOATS, max_size=30))
def test_a_spread_is_that_of_the_list(numbers: list[float]) -> None:
    """As `mean_and_std` of all of them, for any floats."""
    spread = spread_of(numbers)
    assert spread.counted == len(numbers)
    (mean, std), (whole_mean, whole_std) = spread.mean_and_std, mean_and_std(numbers)
    largest = max(map(abs, numbers), default=0.0)
    assert mean == (None if whole_mean is None else pytest.approx(whole_mean, rel=1e-14, abs=1e-15 * largest))
    assert std == (None if whole_std is None else pytest.approx(whole_std, rel=1e-12, abs=1e-12 * largest))


@given(st.lists(FLOATS, min_size=2, max_size=10), st.randoms())
def test_order_does_not_matter(numbers: list[float], chance: random.Random) -> None:
    """The same bits, in whatever order they come."""
    shuffled = chance.sample(numbers, len(numbers))
    assert spread_of(numbers).mean_and_std == spread_of(shuffled).mean_and_std


def test_no_digit_is_lost() -> None:
    """A small deviation beside a large mean, and sums beyond the largest float."""
    assert spread_of([1e8 + 0.5, 1e8 - 0.5] * 1000).mean_and_std == (1e8, 0.5)
    largest = math.ldexp(1 - 2**-53, 1024)
    assert spread_of([largest] * 3).mean_and_std == (largest, 0.0)
    assert spread_of([5e-324, 5e-324]).mean_and_std == (5e-324, 0.0)
    assert spread_of([3, 2**60, 4]).counted == 3
