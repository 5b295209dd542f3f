"""What the C library keeps of memory that was freed: glibc's is told to keep less. Of another's nothing is asked.

By default it keeps tens of MiB of each thread's, for requests of which the next may be of another size, and on another thread.
"""

import ctypes
import sys
from collections.abc import Mapping
from functools import cache

MAPPED = 2**22
"""A block of so many bytes goes back as soon as it is freed, and grows without being copied; what the kernels take again and again
is smaller."""
KEPT = 2**24
"""So much of what is free at its end a heap keeps."""
HEAPS = 2
LARGE = 2**24
"""Bytes that a request holds after which a heap is worth looking through."""

HUGE_PAGE = 2**21
MADV_HUGEPAGE = 14

SETTINGS: Mapping[int, int] = {-3: MAPPED, -1: KEPT, -8: HEAPS}
"""By the numbers that malloc.h has for `M_MMAP_THRESHOLD`, `M_TRIM_THRESHOLD` and `M_ARENA_MAX`."""


def keep_little() -> None:
    """From now on; for the start of a process, before other threads have heaps."""
    library = _glibc()
    if library is not None:
        for setting, value in SETTINGS.items():
            library.mallopt(setting, value)


def give_back(held: int) -> None:
    """Give back whatever is free, after so many bytes were held. Not for the event loop."""
    library = _glibc()
    if library is not None and held >= LARGE:
        library.malloc_trim(0)


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
