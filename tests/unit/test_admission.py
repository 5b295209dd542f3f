"""One budget for all requests; who is refused is told when there is room, and finds it then."""

import asyncio
import math
from dataclasses import dataclass

import pytest
from lossgauge_service.admission import (
    EARLY_S,
    FORGOTTEN_S,
    LONGEST_S,
    POLL_S,
    REMEMBERED_S,
    Admission,
    Admitted,
    Held,
    LinePace,
)
from lossgauge_service.errors import DeadlineExceeded, Overloaded


@dataclass
class Clock:
    """A clock that stands still, and how long the queue takes."""

    now: float = 100.0
    wait: float = 0.0


@pytest.fixture
def clock() -> Clock:
    """Both at their start."""
    return Clock()


@pytest.fixture
def admission(clock: Clock) -> Admission:
    """Room for 1000 bytes and 4 pairs; its line has been seen to move a pair in two seconds."""
    admission = Admission(1000, 4, lambda: clock.wait, lambda: clock.now)
    admission._pace.pair_s = 2.0
    return admission


def admit(admission: Admission, key: str | None = None) -> Admitted:
    """A request that is let in at once."""
    return asyncio.run(admission.admit(key))


def refused(admission: Admission, key: str | None = None) -> int:
    """The seconds that a refused request is told."""
    with pytest.raises(Overloaded) as told:
        admit(admission, key)
    seconds: int = told.value.extras["retry_after"]
    return seconds


def test_what_is_held_is_released(admission: Admission) -> None:
    """All that a request holds is free again when it ends, and ending twice frees nothing twice."""
    one, two = admit(admission), admit(admission)
    one.hold(bytes=600)
    two.hold(bytes=300, pairs=2)
    assert (admission.held, admission.requests) == (Held(900, 4), 2)
    one.release()
    one.release()
    assert (admission.held, admission.requests) == (Held(300, 3), 1)


def test_no_room_for_a_pair(admission: Admission) -> None:
    """A request that would be one too many is refused, and changes nothing."""
    for _ in range(4):
        admit(admission)
    assert refused(admission) == 2
    assert (admission.held, admission.requests) == (Held(0, 4), 4)


@pytest.mark.parametrize("more", [{"bytes": 401}, {"pairs": 3}])
def test_no_room_for_more(admission: Admission, more: dict[str, int]) -> None:
    """What a request comes to hold counts like what it brought: beyond the budget it is refused, just below it is not."""
    one, two = admit(admission), admit(admission)
    one.hold(bytes=600)
    with pytest.raises(Overloaded):
        two.hold(**more)
    two.hold(**{name: value - 1 for name, value in more.items()})
    assert admission.requests == 2


def test_one_alone_may_hold_any_amount(admission: Admission) -> None:
    """The caps bound a single request; the budget, what comes beside it."""
    one = admit(admission)
    one.hold(bytes=10**9, pairs=10**6)
    assert refused(admission) >= 1
    one.release()
    admit(admission)


def test_the_advice_follows_the_queue(admission: Admission, clock: Clock) -> None:
    """Whoever is refused is told how long the line or the queue takes, in whole seconds, at most a minute."""
    for _ in range(4):
        admit(admission)
    for clock.wait, seconds in ((0.0, 2), (7.2, 8), (1000.0, LONGEST_S)):
        assert refused(admission) == seconds


def test_who_comes_back_stands_in_line_before_all_that_are_new(admission: Admission, clock: Clock) -> None:
    """A call that comes back when it was told to waits for the next room, in its order; meanwhile new ones are refused."""

    async def main() -> None:
        inside = [await admission.admit() for _ in range(4)]
        for key in "ab":
            with pytest.raises(Overloaded):
                await admission.admit(key)
        clock.now += 2
        a, b = (asyncio.create_task(admission.admit(key)) for key in "ab")
        await asyncio.sleep(0)
        inside[0].release()
        with pytest.raises(Overloaded):
            await admission.admit("new")
        assert (await a).key == "a"
        assert not b.done()
        inside[1].release()
        assert (await b).key == "b"
        assert (admission.held.pairs, admission.requests) == (4, 4)

    asyncio.run(main())


def test_streams_that_wait_for_each_other_go_on(admission: Admission, clock: Clock) -> None:
    """Where all that is held is held by who waits for more, the eldest has it, and the others once there is room."""

    async def main() -> None:
        elder, younger = await admission.admit(), await admission.admit()
        for one in (elder, younger):
            one.hold(bytes=500)
        after = asyncio.create_task(younger.room(clock.now, bytes=400))
        await asyncio.sleep(0)
        await elder.room(clock.now, bytes=300)
        assert (admission.held.bytes, after.done()) == (1300, False)
        elder.release()
        await after
        assert admission.held.bytes == 900

    asyncio.run(main())


def test_a_stream_waits_for_those_that_end(admission: Admission, clock: Clock) -> None:
    """While anybody holds something who will end by themselves, the budget stands: room is waited for until the deadline."""

    async def main() -> None:
        one, other = await admission.admit(), await admission.admit()
        one.hold(bytes=500)
        other.hold(bytes=500)
        waits = asyncio.create_task(one.room(clock.now, bytes=1))
        await asyncio.sleep(2 * POLL_S)
        assert (waits.done(), admission.held.bytes) == (False, 1000)
        clock.now += 1
        with pytest.raises(Overloaded):
            await waits
        assert admission.held.bytes == 1000

    asyncio.run(main())


def test_what_goes_on_with_less_makes_room_for_the_line(admission: Admission, clock: Clock) -> None:
    """A request that lets go of a pair, and goes on, lets in the first in line; after its end it lets go of nothing more."""

    async def main() -> None:
        one = await admission.admit()
        one.hold(pairs=3)
        admission._pace.pair_s = 0.0
        waits = asyncio.create_task(admission.admit())
        await asyncio.sleep(0)
        one.let_go(bytes=0, pairs=0)
        await asyncio.sleep(0)
        assert not waits.done()
        one.let_go(pairs=1)
        assert (await waits).held == Held(0, 1)
        assert (admission.held.pairs, admission.requests) == (4, 2)
        one.release()
        one.let_go(pairs=1)
        assert admission.held.pairs == 1

    asyncio.run(main())


@pytest.mark.parametrize("late", [-EARLY_S - 0.1, FORGOTTEN_S + 0.1])
def test_a_promise_has_its_time(admission: Admission, clock: Clock, late: float) -> None:
    """Long before its time, or long after, a call is one like others: it is refused at once, and does not stand in line."""
    for _ in range(4):
        admit(admission)
    clock.wait = 3.0
    told = refused(admission, "a")
    clock.now += told + late
    with pytest.raises(Overloaded, match="0 calls stand in line"):
        admit(admission, "a")


def test_who_leaves_the_line_keeps_no_room(admission: Admission, clock: Clock) -> None:
    """A call that is cancelled in line, also just when it was called, leaves its room to the next."""

    async def main() -> None:
        inside = [await admission.admit() for _ in range(4)]
        for key in "abc":
            with pytest.raises(Overloaded):
                await admission.admit(key)
        clock.now += 2
        a, b, c = (asyncio.create_task(admission.admit(key)) for key in "abc")
        await asyncio.sleep(0)
        b.cancel()
        await asyncio.sleep(0)
        inside[0].release()
        a.cancel()
        assert (await c).key == "c"
        assert (admission.held.pairs, admission.requests) == (4, 4)

    asyncio.run(main())


def test_a_short_line_is_joined(clock: Clock) -> None:
    """While the line moves fast a new call stands in it; the next one, for which it would take too long, is refused."""
    admission = Admission(1000, 1, lambda: clock.wait, lambda: clock.now)

    async def main() -> None:
        inside = await admission.admit()
        first = asyncio.create_task(admission.admit())
        await asyncio.sleep(0)
        admission._pace.pair_s = 0.4
        second = asyncio.create_task(admission.admit())
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await admission.admit()
        for waiting in (first, second):
            inside.release()
            inside = await waiting

    asyncio.run(main())


def test_who_is_late_leaves_the_line(clock: Clock) -> None:
    """A call stands in line until its deadline, which it is told; its place is then the next one's."""
    admission = Admission(1000, 1, lambda: clock.wait, lambda: clock.now)

    async def main() -> None:
        inside = await admission.admit()
        next_one = asyncio.create_task(admission.admit(deadline=clock.now + 1000))
        with pytest.raises(DeadlineExceeded):
            await admission.admit(deadline=clock.now + 0.01)
        assert admission.in_line == 1
        inside.release()
        assert (await next_one).held == Held(0, 1)
        assert admission.in_line == 0

    asyncio.run(main())


def test_a_line_that_has_not_moved_is_as_slow_as_it_is_old(clock: Clock) -> None:
    """Where nobody was let in for long, new calls do not join, and are told more the longer that is; once one is let in they do."""
    admission = Admission(1000, 2, lambda: clock.wait, lambda: clock.now)

    async def main() -> None:
        clock.now += 1000  # in which nobody came
        one, _ = await admission.admit(), await admission.admit()
        clock.now += 0.8
        joins = [asyncio.create_task(admission.admit()) for _ in range(2)]
        await asyncio.sleep(0)
        for later, told in ((0.0, 2), (9.2, 15)):
            clock.now += later
            with pytest.raises(Overloaded) as refused:
                await admission.admit()
            assert refused.value.extras["retry_after"] == told
        one.release()
        await joins[0]
        admission._pace.pair_s = 0.0
        last = asyncio.create_task(admission.admit())
        await asyncio.sleep(0)
        assert admission.in_line == 2
        for left in (joins[1], last):
            left.cancel()

    asyncio.run(main())


def test_the_pace_of_the_line() -> None:
    """It is measured while somebody waits, and not over the time when nobody does."""
    pace = LinePace(1.0)
    pace.add(1, 10.0, busy=True)
    assert pace.pair_s == 1.0
    pace.add(2, 16.0, busy=True)
    seen = pace.pair_s
    before = math.exp(-6 / REMEMBERED_S)
    assert seen == pytest.approx((before * 1 + 6) / (before + 2))
    pace.add(1, 17.0, busy=False)
    pace.add(1, 99.0, busy=True)
    assert pace.pair_s == seen


def test_those_who_leave_together_do_not_hide_the_pace() -> None:
    """Eight make room at once, every 0.4 s: after the second time the line is never thought to be much faster, or slower."""
    pace = LinePace()
    pace.start(0.0)
    seen = [_after(pace, 0.4 * launch) for launch in range(1, 20) for _ in range(8)]
    assert all(0.03 < pair_s < 0.08 for pair_s in seen[16:])


def _after(pace: LinePace, now: float) -> float:
    pace.add(1, now, busy=True)
    return pace.pair_s
