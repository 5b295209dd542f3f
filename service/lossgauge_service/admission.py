"""One budget of bytes and of pairs for all that is being received, decoded and scored.

What is held: a body as it was announced, or as it arrives; what it inflates to; the pairs of a batch once they are known. Whoever
comes when there is no room is refused at once, and told when there should be: each refused later than the one before, as fast as
work is being done. A call that comes back then, under the same `Idempotency-Key`, is let in before others, into room that is kept
for such calls; so an overload delays a call, and does not starve it. Where nothing else is held, one request of any size that the
caps allow is taken.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from lossgauge_service.errors import Overloaded

SHORTEST_S, LONGEST_S = 1, 60
"""Bounds of the advice when to come back."""

KEPT = 0.25
"""Of the budget, beyond it, for calls that come back when they were told to."""

EARLY_S = 0.5
"""A call that comes back so much too early is let in, too: clocks and roundings differ."""

FORGOTTEN_S = 30.0
"""A call that has not come back so long after its time has no room kept any more."""

MOST_PROMISES = 10_000


@dataclass
class Held:
    """What one request holds; what all hold; what they may."""

    bytes: int = 0
    pairs: int = 0


class Promises:
    """Who was told to come back, and when."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}

    def make(self, key: str | None, due: float, now: float) -> None:
        """Remember a call's time. The oldest are forgotten."""
        if key is None:
            return
        self._due = {one: at for one, at in self._due.items() if at + FORGOTTEN_S > now} if self._is_full else self._due
        if not self._is_full:
            self._due[key] = due

    def keep(self, key: str | None, now: float) -> bool:
        """Whether this is a call that was told to come back about now."""
        due = None if key is None else self._due.get(key)
        return due is not None and due - EARLY_S <= now <= due + FORGOTTEN_S

    def forget(self, key: str | None) -> None:
        """The call is in."""
        if key is not None:
            self._due.pop(key, None)

    @property
    def _is_full(self) -> bool:
        return len(self._due) >= MOST_PROMISES


class Admission:
    """Admits requests; for any thread. `wait_s` says how long all that waits for the device will take."""

    def __init__(
        self,
        most_bytes: int,
        most_pairs: int,
        wait_s: Callable[[], float],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = Held(most_bytes, most_pairs)
        self._held = Held()
        self._requests = 0
        self._wait_s = wait_s
        self._now = now
        self._promises = Promises()
        self._promised_until = 0.0
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

    def admit(self, key: str | None = None) -> "Admitted":
        """Take a request; key: the call that it is an attempt of. Raises `Overloaded` where there is no room for another pair."""
        with self._lock:
            came_back = self._promises.keep(key, self._now())
        admitted = Admitted(self, key, came_back)
        admitted.hold(pairs=1)
        with self._lock:
            self._requests += 1
            self._promises.forget(key)
        return admitted

    def hold(self, admitted: "Admitted", bytes: int, pairs: int) -> None:
        """Let a request hold more. Raises `Overloaded` where others hold too much."""
        mine = admitted.held
        with self._lock:
            for what, more in (("bytes", bytes), ("pairs", pairs)):
                most = getattr(self._most, what) * (1 + KEPT if admitted.came_back else 1)
                held, own = getattr(self._held, what), getattr(mine, what)
                if more > 0 and held > own and held + more > most:
                    raise self._refusal(
                        f"the service holds {held} {what} of requests, and takes {int(most)}", admitted.key
                    )
            self._add(mine, bytes, pairs)

    def release(self, admitted: "Admitted") -> None:
        """A request is answered."""
        with self._lock:
            self._add(admitted.held, -admitted.held.bytes, -admitted.held.pairs)
            self._requests -= 1

    def _add(self, mine: Held, bytes: int, pairs: int) -> None:
        for held in (self._held, mine):
            held.bytes += bytes
            held.pairs += pairs

    def _refusal(self, found: str, key: str | None) -> Overloaded:
        now = self._now()
        wait_s = self._wait_s()
        # a refused call will take about what one of those that are here takes
        own_s = wait_s / max(1, self._held.pairs)
        self._promised_until = max(self._promised_until, now + wait_s) + own_s
        seconds = min(max(SHORTEST_S, math.ceil(self._promised_until - now)), LONGEST_S)
        self._promises.make(key, now + seconds, now)
        return Overloaded(f"{found}; come back in {seconds} s", retry_after=seconds)


class Admitted:
    """A request that was taken: it may hold more, and releases all at its end."""

    def __init__(self, admission: Admission, key: str | None, came_back: bool) -> None:
        self._admission = admission
        self._over = False
        self.key = key
        self.came_back = came_back
        self.held = Held()

    def hold(self, bytes: int = 0, pairs: int = 0) -> None:
        """Hold more. Raises `Overloaded`."""
        self._admission.hold(self, bytes, pairs)

    def release(self) -> None:
        """Hold nothing any more; once is enough."""
        if not self._over:
            self._over = True
            self._admission.release(self)
