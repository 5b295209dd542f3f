"""What waits for the device, in the order in which it came, and what is drawn next.

The oldest job is always drawn. Those that wait behind it and can share its launch ride along, as far as the budget of one batch
allows; they do not push it, or any other, back. So a job waits for the batches of the jobs that came before it, and no longer:
at most one batch each, and a batch costs at most the budget, or what its oldest job costs alone.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

Work = Callable[[], Any]


@dataclass(eq=False)
class Job:
    """Work for the device. Jobs of one key can share a launch; one whose key is None runs alone.

    deadline: on the clock of the queue, after which nobody wants the result. dropped: that nobody is left to take it.
    """

    key: Hashable
    cost: float
    deadline: float | None = None
    dropped: bool = False

    def late(self, now: float) -> bool:
        """Whether its deadline has passed."""
        return self.deadline is not None and now > self.deadline


@dataclass(frozen=True)
class Drawn:
    """The jobs of the next batch, and those that are not to be run: too late, or with nobody left."""

    batch: list[Job] = field(default_factory=list)
    late: list[Job] = field(default_factory=list)
    dropped: list[Job] = field(default_factory=list)


class Waiting:
    """Jobs in their order. Not for several threads at once."""

    def __init__(self, budget: float) -> None:
        self._budget = budget
        self._jobs: list[Job] = []

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def cost(self) -> float:
        """Of all that waits."""
        return sum(job.cost for job in self._jobs)

    def put(self, job: Job) -> None:
        """Let a job wait behind all others."""
        self._jobs.append(job)

    def draw(self, now: float) -> Drawn:
        """Take the oldest job, those that ride along, and all that are not to be run."""
        drawn, rest = Drawn(), list[Job]()
        left = self._budget
        for job in self._jobs:
            if job.dropped:
                drawn.dropped.append(job)
            elif job.late(now):
                drawn.late.append(job)
            elif not drawn.batch or (_rides(job, drawn.batch[0]) and job.cost <= left):
                drawn.batch.append(job)
                left -= job.cost
            else:
                rest.append(job)
        self._jobs = rest
        return drawn

    def take_all(self) -> list[Job]:
        """Leave nothing."""
        jobs, self._jobs = self._jobs, []
        return jobs


def _rides(job: Job, first: Job) -> bool:
    return job.key is not None and job.key == first.key
