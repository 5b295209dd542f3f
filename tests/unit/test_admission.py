"""One budget for all requests; who is refused is told when there is room, and finds it then."""

from dataclasses import dataclass

import pytest
from lossgauge_service.admission import EARLY_S, FORGOTTEN_S, KEPT, LONGEST_S, Admission, Held
from lossgauge_service.errors import Overloaded


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
    """Room for 1000 bytes and 4 pairs."""
    return Admission(1000, 4, lambda: clock.wait, lambda: clock.now)


def refused(admission: Admission, key: str | None = None) -> int:
    """The seconds that a refused request is told."""
    with pytest.raises(Overloaded) as told:
        admission.admit(key)
    seconds: int = told.value.extras["retry_after"]
    return seconds


def test_what_is_held_is_released(admission: Admission) -> None:
    """All that a request holds is free again when it ends, and ending twice frees nothing twice."""
    one, two = admission.admit(), admission.admit()
    one.hold(bytes=600)
    two.hold(bytes=300, pairs=2)
    assert (admission.held, admission.requests) == (Held(900, 4), 2)
    one.release()
    one.release()
    assert (admission.held, admission.requests) == (Held(300, 3), 1)


def test_no_room_for_a_pair(admission: Admission) -> None:
    """A request that would be one too many is refused, and changes nothing."""
    for _ in range(4):
        admission.admit()
    assert refused(admission) == 1
    assert (admission.held, admission.requests) == (Held(0, 4), 4)


@pytest.mark.parametrize("more", [{"bytes": 401}, {"pairs": 3}])
def test_no_room_for_more(admission: Admission, more: dict[str, int]) -> None:
    """What a request comes to hold counts like what it brought: beyond the budget it is refused, just below it is not."""
    one, two = admission.admit(), admission.admit()
    one.hold(bytes=600)
    with pytest.raises(Overloaded):
        two.hold(**more)
    two.hold(**{name: value - 1 for name, value in more.items()})
    assert admission.requests == 2


def test_one_alone_may_hold_any_amount(admission: Admission) -> None:
    """The caps bound a single request; the budget, what comes beside it."""
    one = admission.admit()
    one.hold(bytes=10**9, pairs=10**6)
    assert refused(admission) >= 1
    one.release()
    admission.admit()


def test_the_advice_follows_the_queue(admission: Admission, clock: Clock) -> None:
    """Whoever is refused is told how long the queue takes, each a little more; never longer than a minute."""
    for _ in range(4):
        admission.admit()
    clock.wait = 8.0
    assert [refused(admission) for _ in range(3)] == [10, 12, 14]
    clock.now += 13.0
    clock.wait = 0.0
    assert refused(admission) == 1
    clock.wait = 1000.0
    assert refused(admission) == LONGEST_S


def test_who_comes_back_is_let_in(admission: Admission, clock: Clock) -> None:
    """A call that comes back when it was told to finds room though the budget is full, once; another does not."""
    for _ in range(4):
        admission.admit()
    seconds = refused(admission, "a")
    assert refused(admission, "a") == seconds
    clock.now += seconds - EARLY_S
    assert refused(admission, "b") >= 1
    admission.admit("a")
    assert admission.held.pairs == 5 == 4 * (1 + KEPT)
    assert refused(admission, "a") >= 1


def test_a_promise_is_not_kept_for_ever(admission: Admission, clock: Clock) -> None:
    """Long after its time, or long before, a call is one like others."""
    for _ in range(4):
        admission.admit()
    clock.wait = 5.0
    seconds = refused(admission, "a")
    clock.now += seconds - EARLY_S - 0.1
    refused(admission, "a")
    clock.now += LONGEST_S + FORGOTTEN_S
    refused(admission, "a")


def test_the_room_that_is_kept_is_bounded(admission: Admission, clock: Clock) -> None:
    """Calls that come back together find the room that is kept, and no more."""
    for _ in range(4):
        admission.admit()
    told = {key: refused(admission, key) for key in "abc"}
    clock.now += max(told.values())
    admission.admit("a")
    assert refused(admission, "b") >= 1
