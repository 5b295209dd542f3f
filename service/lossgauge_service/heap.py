"""What the C library keeps of memory that was freed, of which glibc's is told. Of another's nothing is asked.

While large requests follow each other their memory is used again and again: the kernel fills new memory with zeros, which takes as
long as to receive a body. Once none has come for a while what is free goes back, of every thread's.
"""

import asyncio
import ctypes
import sys
from collections.abc import Callable, Mapping
from functools import cache

MAPPED = 2**25
"""A block of so many bytes goes back as soon as it is freed: the most that glibc can be told."""
KEPT = 2**28
"""So much of what is free at its end a heap keeps while requests follow each other."""
HEAPS = 2
LARGE = 2**24
"""Bytes of requests after which a heap is worth looking through."""
SPARE_S = 1.0
"""How long what is free is kept for another request."""

HUGE_PAGE = 2**21
MADV_HUGEPAGE = 14

SETTINGS: Mapping[int, int] = {-3: MAPPED, -1: KEPT, -8: HEAPS}
"""By the numbers that malloc.h has for `M_MMAP_THRESHOLD`, `M_TRIM_THRESHOLD` and `M_ARENA_MAX`."""


def keep_for_a_while() -> None:
    """From now on; for the start of a process, before other threads have heaps."""
    library = _glibc()
    if library is not None:
        for setting, value in SETTINGS.items():
            library.mallopt(setting, value)


def give_back() -> None:
    """Give back whatever is free. Not for the event loop."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


class Spare:
    """What requests leave free, on the event loop: it goes back once they have left much, and then not so much for a while."""

    def __init__(self, after_s: float = SPARE_S, give_back: Callable[[], None] = give_back) -> None:
        self._after_s = after_s
        self._give_back = give_back
        self._size = 0
        self._due: asyncio.TimerHandle | None = None

    def left(self, size: int) -> None:
        """A request does not hold so many bytes any more."""
        self._size += max(0, size)
        if self._size < LARGE:
            return
        self._size = 0
        if self._due is not None:
            self._due.cancel()
        self._due = asyncio.get_running_loop().call_later(self._after_s, self._end)

    def _end(self) -> None:
        self._due = None
        asyncio.get_running_loop().run_in_executor(None, self._give_back)


def untouched(length: int) -> bytearray:
    """So many bytes of any value, none of which takes memory before it is written."""
    room = bytearray()
    ctypes.pythonapi.PyByteArray_Resize(ctypes.py_object(room), ctypes.c_ssize_t(length))
    _in_huge_pages(room)
    return room


def _in_huge_pages(room: bytearray) -> None:
    """Have the kernel give a long buffer its memory in few large pages, where it does so for who asks."""
    library = _glibc()
    if library is None or len(room) < LARGE:
        return
    start = ctypes.addressof(ctypes.c_char.from_buffer(room))
    first, end = -(-start // HUGE_PAGE) * HUGE_PAGE, (start + len(room)) // HUGE_PAGE * HUGE_PAGE
    library.madvise(ctypes.c_void_p(first), ctypes.c_size_t(end - first), MADV_HUGEPAGE)


@cache
def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") else None
