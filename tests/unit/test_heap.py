"""What the C library keeps of memory that was freed."""

import asyncio
import os
import platform
import subprocess
import sys

import pytest
from lossgauge_service.heap import LARGE, Spare, give_back, keep_for_a_while, untouched

from tests.reliability.memory import MIB, resident

BLOCKS, SIZE = 1600, 2**16


def freed() -> float:
    """Of 100 MiB in small blocks that were freed below one that is not: how many MiB are given back."""
    program = "from tests.unit.test_heap import given_back; print(given_back())"
    return float(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)


def given_back() -> float:
    """The same, in this process."""
    keep_for_a_while()
    blocks = [b"x" * SIZE for _ in range(BLOCKS)]
    del blocks[:-1]
    before = resident(os.getpid())
    give_back()
    return (before - resident(os.getpid())) / MIB


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is asked")
def test_what_is_free_goes_back() -> None:
    """Small blocks too."""
    assert freed() > BLOCKS * SIZE / MIB / 2


async def times_given_back(*left: int) -> int:
    """How often memory is given back once requests have left so many bytes behind each other."""
    times: list[None] = []
    spare = Spare(0.02, lambda: times.append(None))
    for size in left:
        spare.left(size)
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.2)
    return len(times)


def test_small_requests_do_not_keep_what_a_large_one_left() -> None:
    """Those that go on for ever leave too little to wait for."""

    async def given_back_meanwhile() -> bool:
        given, loop = asyncio.Event(), asyncio.get_running_loop()

        def tell() -> None:
            loop.call_soon_threadsafe(given.set)

        spare = Spare(0.02, tell)
        spare.left(LARGE)
        for _ in range(2000):
            spare.left(1)
            await asyncio.sleep(0.001)
            if given.is_set():
                return True
        return False

    assert asyncio.run(given_back_meanwhile())


@pytest.mark.parametrize(
    ("left", "times"), [([LARGE], 1), ([LARGE - 1], 0), ([LARGE // 4] * 5, 1), ([LARGE] * 9, 1), ([], 0)]
)
def test_memory_is_kept_while_requests_follow_each_other(left: list[int], times: int) -> None:
    """It goes back once, after the last of them, and not for a few bytes."""
    assert asyncio.run(times_given_back(*left)) == times


def test_untouched_memory_may_be_written_and_shrunk() -> None:
    """A buffer of any length, which takes what is written and may change its length after."""
    for length in (0, 1, LARGE - 1, LARGE, 2 * LARGE + 12345):
        room = untouched(length)
        with memoryview(room) as whole:
            whole[:] = b"x" * length
        assert room == b"x" * length
        room.clear()
        assert len(room) == 0
