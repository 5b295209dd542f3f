"""What the C library keeps of memory that was freed."""

import os
import platform
import subprocess
import sys

import pytest
from lossgauge_service.heap import LARGE, give_back, keep_little

from tests.reliability.memory import MIB, resident

BLOCKS, SIZE = 1600, 2**16


def freed(held: int) -> float:
    """Of 100 MiB in small blocks that were freed below one that is not: how many MiB are given back after so many bytes were held."""
    program = f"from tests.unit.test_heap import given_back; print(given_back({held}))"
    return float(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)


def given_back(held: int) -> float:
    """The same, in this process."""
    keep_little()
    blocks = [b"x" * SIZE for _ in range(BLOCKS)]
    del blocks[:-1]
    before = resident(os.getpid())
    give_back(held)
    return (before - resident(os.getpid())) / MIB


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is asked")
def test_what_is_free_goes_back_after_a_large_request() -> None:
    """Small blocks go back once a large request is over, and only then: it takes a while."""
    assert freed(LARGE) > BLOCKS * SIZE / MIB / 2
    assert freed(LARGE - 1) < 1
