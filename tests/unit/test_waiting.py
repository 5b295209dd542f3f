"""The order in which jobs are drawn."""

import random

import pytest
from lossgauge_service.waiting import Job, Waiting


def drawn_all(waiting: Waiting, now: float = 0.0) -> list[list[Job]]:
    """Batch after batch until nothing waits."""
    batches = list[list[Job]]()
    while len(waiting):
        batches.append(waiting.draw(now).batch)
    return batches


def queue_of(jobs: list[Job], budget: float) -> Waiting:
    """The jobs, waiting in their order."""
    waiting = Waiting(budget)
    for job in jobs:
        waiting.put(job)
    return waiting


def test_jobs_of_one_key_share_a_batch_up_to_its_budget() -> None:
    """What sums the same rides with the oldest as long as there is room; the rest is the next batch."""
    jobs = [Job("a", 3.0) for _ in range(5)]
    assert drawn_all(queue_of(jobs, 10.0)) == [jobs[:3], jobs[3:]]


def test_the_oldest_is_drawn_whatever_it_costs() -> None:
    """A job above the budget runs alone, in its turn; it neither waits for ever nor takes others along."""
    large, small, last = Job("a", 50.0), Job("a", 1.0), Job("b", 1.0)
    assert drawn_all(queue_of([small, large, last], 10.0)) == [[small], [large], [last]]


def test_jobs_without_a_key_run_alone() -> None:
    """Other work shares nothing, not with its like either."""
    jobs = [Job(None, 0.0), Job(None, 0.0), Job("a", 0.0)]
    assert drawn_all(queue_of(jobs, 10.0)) == [[job] for job in jobs]


def test_what_nobody_wants_is_not_run() -> None:
    """Late and dropped jobs leave the queue with the next draw and are told apart; a deadline that is now is not late."""
    late, gone, due, free = Job("a", 1, deadline=4.0), Job("a", 1, dropped=True), Job("a", 1, deadline=5.0), Job("a", 1)
    drawn = queue_of([late, gone, due, free], 10.0).draw(5.0)
    assert (drawn.batch, drawn.late, drawn.dropped) == ([due, free], [late], [gone])


@pytest.mark.parametrize("seed", range(20))
def test_no_job_waits_for_more_than_what_came_before_it(seed: int) -> None:
    """The bound: before a job runs, there is at most one batch for each job that came before it, each of at most the budget or
    what its oldest costs, and all that came later rides along only where there is room.
    """
    rng = random.Random(seed)
    budget = 10.0
    jobs = [Job(rng.choice("abc"), rng.choice([1.0, 2.0, 25.0])) for _ in range(60)]
    batches = drawn_all(queue_of(jobs, budget))
    assert sorted(map(id, jobs)) == sorted(id(job) for batch in batches for job in batch)
    for place, job in enumerate(jobs):
        before = batches[: next(n for n, batch in enumerate(batches) if job in batch)]
        oldest = [batch[0] for batch in before]
        assert all(one in jobs[:place] for one in oldest)
        assert len(before) <= place
        assert sum(one.cost for batch in before for one in batch) <= sum(max(budget, one.cost) for one in oldest)
