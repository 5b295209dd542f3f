"""One budget of bytes and of pairs for all that is being received, decoded and scored.

What is held: a body as it was announced, or as it arrives; what it inflates to; the pairs of a batch once they are known. Whoever
comes when there is no room is refused at once, and told when there should be: by what waits, and how fast it is done. Where
nothing else is held, one request of any size that the caps allow is taken.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from lossgauge_service.errors import Overloaded

SHORTEST_S, LONGEST_S = 1, 60
"""Bounds of the advice when to come back."""


@dataclass
class Held:
    """What one request holds."""

    bytes: int = 0
    pairs: int = 0


class Admission:
    """Admits requests; for any thread. `wait_s` says how long all that waits for the device will take."""

    def __init__(self, most_bytes: int, most_pairs: int, wait_s: Callable[[], float]) -> None:
        self._most = Held(most_bytes, most_pairs)
        self._held = Held()
        self._requests = 0
        self._wait_s = wait_s
        self._lock = Lock()
        self._draining = False

    @property
    def requests(self) -> int:
        """How many are being served."""
        return self._requests

    @property
    def held(self) -> Held:
        """By all of them."""
        return Held(self._held.bytes, self._held.pairs)

    @property
    def draining(self) -> bool:
        """Whether no more are taken."""
        return self._draining

    def drain(self) -> None:
        """From now on the service is not ready; those that are being served are finished."""
        self._draining = True

    def admit(self) -> "Admitted":
        """Take a request. Raises `Overloaded` where there is no room for another pair."""
        admitted = Admitted(self)
        self.hold(admitted.held, pairs=1)
        with self._lock:
            self._requests += 1
        return admitted

    def hold(self, mine: Held, bytes: int = 0, pairs: int = 0) -> None:
        """Let a request hold more. Raises `Overloaded` where others hold too much."""
        with self._lock:
            self._check("bytes", self._held.bytes, mine.bytes, bytes, self._most.bytes)
            self._check("pairs", self._held.pairs, mine.pairs, pairs, self._most.pairs)
            self._add(mine, bytes, pairs)

    def let_go(self, mine: Held, bytes: int = 0, pairs: int = 0) -> None:
        """Let a request that goes on hold less."""
        with self._lock:
            self._add(mine, -bytes, -pairs)

    def release(self, mine: Held) -> None:
        """A request is answered."""
        with self._lock:
            self._add(mine, -mine.bytes, -mine.pairs)
            self._requests -= 1

    def _check(self, what: str, held: int, mine: int, more: int, most: int) -> None:
        alone = held == mine
        if more > 0 and not alone and held + more > most:
            found = f"the service holds {held} {what} of requests, and takes {most}"
            raise Overloaded(f"{found}; come back in {self.retry_after} s", retry_after=self.retry_after)

    def _add(self, mine: Held, bytes: int, pairs: int) -> None:
        for held in (self._held, mine):
            held.bytes += bytes
            held.pairs += pairs

    @property
    def retry_after(self) -> int:
        """Seconds until there should be room."""
        return min(max(SHORTEST_S, math.ceil(self._wait_s())), LONGEST_S)


class Admitted:
    """A request that was taken: it may hold more, and releases all at its end."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._over = False
        self.held = Held()

    def hold(self, bytes: int = 0, pairs: int = 0) -> None:
        """Hold more. Raises `Overloaded`."""
        self._admission.hold(self.held, bytes, pairs)

    def let_go(self, bytes: int = 0, pairs: int = 0) -> None:
        """Hold less, and go on. Below 0 it is more, without asking: for what is small and has to be kept."""
        if not self._over:
            self._admission.let_go(self.held, bytes, pairs)

    def release(self) -> None:
        """Hold nothing any more; once is enough."""
        if not self._over:
            self._over = True
            self._admission.release(self.held)
