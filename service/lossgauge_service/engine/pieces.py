"""Long work in pieces: a generator that does one of them up to each `yield`, so that others can have the device in between."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Generic, TypeVar

Found = TypeVar("Found")
Pieces = Generator[None, None, Found]


@dataclass(frozen=True)
class Finished(Generic[Found]):
    """That there is no piece left, and what was found."""

    found: Found


def next_piece(work: Pieces[Found]) -> Finished[Found] | None:
    """Do one piece. None where there may be more."""
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
