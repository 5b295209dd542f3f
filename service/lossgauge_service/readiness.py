"""Whether the service can score now."""

from asyncio import Future
from collections.abc import Callable
from dataclasses import dataclass

from lossgauge_service.errors import Draining, Unavailable, WarmingUp
from lossgauge_service.fitness import broken

RETRY_WHILE_WARMING_S = 5
RETRY_WHEN_BROKEN_S = 60
RETRY_WHEN_DRAINING_S = 1


@dataclass(frozen=True)
class Readiness:
    """Ready once the warm-up has ended well, until the service is being stopped, but for as long as the device is broken.

    Broken for good if the warm-up raised. Load does not matter.
    """

    warm_up: Future[None]
    device: Callable[[], Unavailable | None]
    draining: Callable[[], bool]

    @property
    def obstacle(self) -> Unavailable | None:
        """Why the service cannot score now, or None."""
        if self.draining():
            return Draining("the service is being stopped; another one may answer", retry_after=RETRY_WHEN_DRAINING_S)
        if not self.warm_up.done():
            return WarmingUp("the kernels are being compiled; try again soon", retry_after=RETRY_WHILE_WARMING_S)
        failure = self.warm_up.exception()
        return self.device() if failure is None else broken(failure, RETRY_WHEN_BROKEN_S)

    def require(self) -> None:
        """Raise `Unavailable` unless the service can score."""
        obstacle = self.obstacle
        if obstacle is not None:
            raise obstacle
