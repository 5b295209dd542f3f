"""Long work in pieces: a generator that does one of them up to each `yield`, so that others can have the device in between.

A piece runs on one thread. An operation that is shared out over threads waits for the slowest of them; a map is thousands of
short operations, and where other programs want the cores, that waiting is nearly all of its time.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch

Found = TypeVar("Found")
Pieces = Generator[None, None, Found]


@dataclass(frozen=True)
class Finished(Generic[Found]):
    """That there is no piece left, and what was found."""

    found: Found


def next_piece(work: Pieces[Found]) -> Finished[Found] | None:
    """Do one piece. None where there may be more."""
    with _one_thread():
        try:
            next(work)
        except StopIteration as end:
            return Finished(end.value)
    return None


def finished(work: Pieces[Found]) -> Found:
    """What the work finds, all pieces done at once."""
    while (end := next_piece(work)) is None:
        pass
    return end.found


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
