"""One budget of bytes and of pairs for all that is being received, decoded and scored.

What is held: a body as it was announced, or as it arrives; what it inflates to; the pairs of a batch once they are known; in the end
its answer alone, until the caller has taken it. Whoever comes when there is no room stands in line, holding nothing, not even a
body, as long as the line should take less than `SHORT_S`; else it is refused at once, and told when there should be room. A call
that comes back then, under the same `Idempotency-Key`, may stand in line however long it is, and none longer than its deadline. So an
overload delays calls, and starves none. Where nothing else is held, one request of any size that the caps allow is taken.

A stream holds some, and waits for more. Where all who hold anything wait so, none would ever go on: then the eldest of them does,
beyond the budget, by what one stream may hold.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from threading import Lock

from lossgauge_service.errors import DeadlineExceeded, LossgaugeError, Overloaded

SHORTEST_S, LONGEST_S = 1, 60
"""Bounds of the advice when to come back."""

EARLY_S = 0.5
"""A call may come back so much too early: clocks and roundings differ."""

FORGOTTEN_S = 30.0
"""A call that has not come back so long after its time is like a new one."""

SHORT_S = 1.0
"""What a line may take, by how fast it moved before, so that a new call joins it: to come back later takes as long."""

LINE_S = 10.0
"""The longest that a call stands in line."""

MOST_PROMISES = 10_000

POLL_S = 0.05
"""How often a stream that waits for room looks whether there is some."""

REMEMBERED_S = 2.0
"""About how far back the pace of the line is a mean: longer than the callers of one launch, who leave together, are apart."""


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
        """Remember a call's time, if there is room for one more."""
        if key is None:
            return
        if len(self._due) >= MOST_PROMISES:
            self._due = {one: at for one, at in self._due.items() if at + FORGOTTEN_S > now}
        if len(self._due) < MOST_PROMISES:
            self._due[key] = due

    def take(self, key: str | None, now: float) -> bool:
        """Whether this is a call that was told to come back about now. It is told once."""
        due = None if key is None else self._due.pop(key, None)
        return due is not None and due - EARLY_S <= now <= due + FORGOTTEN_S


@dataclass
class LinePace:
    """How fast the line moves: the seconds between two pairs that make room, a mean over the last seconds."""

    pair_s: float = 0.0
    pairs: float = 1.0
    last: float | None = None

    def start(self, now: float) -> None:
        """Somebody waits from now on."""
        self.last = now

    def add(self, pairs: int, now: float, busy: bool) -> None:
        """Room was made for so many pairs; only while somebody waits for it does it say how fast that goes."""
        if busy and self.last is not None and pairs > 0:
            passed = now - self.last
            self.pairs = self.pairs * math.exp(-passed / REMEMBERED_S) + pairs
            self.pair_s += (passed - pairs * self.pair_s) / self.pairs
        self.last = now if busy else None


class Admission:
    """Admits requests, on the event loop.

    wait_s: how long all that waits for the device will take. freed: told of bytes that a request does not hold any more.
    """

    def __init__(
        self,
        most_bytes: int,
        most_pairs: int,
        wait_s: Callable[[], float],
        now: Callable[[], float] = time.monotonic,
        freed: Callable[[int], None] = lambda size: None,
    ) -> None:
        self._freed = freed
        self._most = Held(most_bytes, most_pairs)
        self._held = Held()
        self._requests = 0
        self._numbers = count()
        self._streams: list[Admitted] = []
        self._line: deque[tuple[str | None, asyncio.Future[Admitted]]] = deque()
        self._wait_s = wait_s
        self._now = now
        self._promises = Promises()
        self._pace = LinePace()
        self._last_in = now()
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
    def in_line(self) -> int:
        """How many wait to be let in."""
        return len(self._line)

    @property
    def draining(self) -> bool:
        """Whether no more are taken."""
        return self._draining

    def drain(self) -> None:
        """From now on the service is not ready; those that are being served are finished."""
        self._draining = True

    async def admit(self, key: str | None = None, deadline: float = math.inf) -> "Admitted":
        """Take a request; key: the call that it is an attempt of. Raises `Overloaded` where there is no room for another pair.

        It stands in line until its deadline, and raises `DeadlineExceeded` then.
        """
        came_back = self._promises.take(key, self._now())
        if not self._line and self._has_room:
            return self._let_in(key)
        if came_back or self._line_s <= SHORT_S:
            return await self._in_line(key, deadline)
        raise self._refusal(f"{len(self._line)} calls stand in line for {self._most.pairs} places", key)

    async def room(self, admitted: "Admitted", deadline: float, bytes: int, pairs: int) -> None:
        """Let a stream hold more as soon as others hold less. Raises `Overloaded` when the deadline passes before."""
        self._streams.append(admitted)
        try:
            while not self._holds(admitted, deadline, bytes, pairs):
                await asyncio.sleep(POLL_S)
        finally:
            self._streams.remove(admitted)

    def _holds(self, admitted: "Admitted", deadline: float, bytes: int, pairs: int) -> bool:
        try:
            self.hold(admitted, bytes, pairs)
        except Overloaded:
            if self._all_wait_for(admitted):
                with self._lock:
                    self._add(admitted.held, bytes, pairs)
                return True
            if self._now() > deadline:
                raise
            return False
        return True

    def _all_wait_for(self, admitted: "Admitted") -> bool:
        """Whether all that is held is held by streams that wait for room, and this is the eldest of these."""
        waiting = sorted(set(self._streams), key=lambda one: one.number)
        held = Held(sum(one.held.bytes for one in waiting), sum(one.held.pairs for one in waiting))
        return waiting[0] is admitted and held == self._held

    def hold(self, admitted: "Admitted", bytes: int, pairs: int) -> None:
        """Let a request hold more. For any thread. Raises `Overloaded` where others hold too much."""
        mine = admitted.held
        with self._lock:
            for what, more in (("bytes", bytes), ("pairs", pairs)):
                held, own, most = (getattr(one, what) for one in (self._held, mine, self._most))
                if more > 0 and held > own and held + more > most:
                    raise self._refusal(f"the service holds {held} {what} of requests, and takes {most}", admitted.key)
            self._add(mine, bytes, pairs)

    def let_go(self, admitted: "Admitted", bytes: int, pairs: int) -> None:
        """A request that goes on holds less: the first in line has its room."""
        if pairs > 0:
            self._pace.add(pairs, self._now(), busy=bool(self._line))
        with self._lock:
            self._add(admitted.held, -bytes, -pairs)
        self._freed(bytes)
        self._call_the_first()

    def release(self, admitted: "Admitted") -> None:
        """A request is answered: the first in line has its room."""
        self._requests -= 1
        self.let_go(admitted, admitted.held.bytes, admitted.held.pairs)

    def _add(self, mine: Held, bytes: int, pairs: int) -> None:
        for held in (self._held, mine):
            held.bytes += bytes
            held.pairs += pairs

    @property
    def _line_s(self) -> float:
        """How long one more will stand in line, at least."""
        return (len(self._line) + 1) * max(self._pace.pair_s, self._least_pair_s)

    @property
    def _least_pair_s(self) -> float:
        """What a pair takes at least to make room, moved the line or not: as long as nobody was let in, over all that are held."""
        return 0.0 if self._has_room else (self._now() - self._last_in) / max(1, self._held.pairs)

    @property
    def _has_room(self) -> bool:
        return self._held.pairs < self._most.pairs and self._held.bytes < self._most.bytes

    def _let_in(self, key: str | None) -> "Admitted":
        admitted = Admitted(self, key, next(self._numbers))
        admitted.hold(pairs=1)
        self._requests += 1
        self._last_in = self._now()
        return admitted

    async def _in_line(self, key: str | None, deadline: float) -> "Admitted":
        left = max(0.0, deadline - self._now())
        turn: asyncio.Future[Admitted] = asyncio.get_running_loop().create_future()
        if not self._line:
            self._pace.start(self._now())
        self._line.append((key, turn))
        try:
            async with asyncio.timeout(min(LINE_S, left)):
                return await turn
        except (TimeoutError, asyncio.CancelledError) as over:
            self._leave_the_line(key, turn)
            if isinstance(over, asyncio.CancelledError):
                raise
            raise self._not_called(key, left) from None

    def _not_called(self, key: str | None, left: float) -> LossgaugeError:
        if left < LINE_S:
            return DeadlineExceeded("the deadline passed while the request stood in line")
        return self._refusal(f"no room came for {LINE_S:g} s", key)

    def _leave_the_line(self, key: str | None, turn: "asyncio.Future[Admitted]") -> None:
        if (key, turn) in self._line:
            self._line.remove((key, turn))
        elif turn.done() and not turn.cancelled():
            turn.result().release()  # called just when it left

    def _call_the_first(self) -> None:
        while self._line and self._has_room:
            key, turn = self._line.popleft()
            if not turn.done():
                turn.set_result(self._let_in(key))

    def _refusal(self, found: str, key: str | None) -> Overloaded:
        now = self._now()
        seconds = min(max(SHORTEST_S, math.ceil(max(self._wait_s(), self._line_s))), LONGEST_S)
        self._promises.make(key, now + seconds, now)
        return Overloaded(f"{found}; come back in {seconds} s", retry_after=seconds)


class Admitted:
    """A request that was taken: it may hold more, and releases all at its end."""

    def __init__(self, admission: Admission, key: str | None, number: int) -> None:
        self._admission = admission
        self._over = False
        self.key = key
        self.number = number
        self.held = Held()

    def hold(self, bytes: int = 0, pairs: int = 0) -> None:
        """Hold more. Raises `Overloaded`."""
        self._admission.hold(self, bytes, pairs)

    async def room(self, deadline: float, bytes: int = 0, pairs: int = 0) -> None:
        """Hold more as soon as others hold less. Raises `Overloaded` when the deadline passes before."""
        await self._admission.room(self, deadline, bytes, pairs)

    def let_go(self, bytes: int = 0, pairs: int = 0) -> None:
        """Hold less, and go on; on the event loop. Below 0 it is more, without asking: for what is small and has to be kept."""
        if not self._over:
            self._admission.let_go(self, bytes, pairs)

    def keep(self, bytes: int) -> None:
        """Hold an answer in place of all that it was made of, without asking: it is there already."""
        self.let_go(self.held.bytes - bytes, self.held.pairs)

    def release(self) -> None:
        """Hold nothing any more; once is enough."""
        if not self._over:
            self._over = True
            self._admission.release(self)
