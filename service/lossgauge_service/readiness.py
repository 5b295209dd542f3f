"""Whether the service can score yet."""

from asyncio import Future
from collections.abc import Callable
from dataclasses import dataclass

from lossgauge_service.errors import Draining, Unavailable, WarmingUp

RETRY_WHILE_WARMING_S = 5
RETRY_WHEN_BROKEN_S = 60


RETRY_WHEN_DRAINING_S = 1


@dataclass(frozen=True)
class Readiness:
    """Ready once the warm-up has ended well, until the service is being stopped; broken if it raised. Load does not matter."""

    warm_up: Future[None]
    draining: Callable[[], bool]

    @property
    def obstacle(self) -> Unavailable | None:
        """Why the service cannot score now, or None."""
        if self.draining():
            return Draining("the service is being stopped; another one may answer", retry_after=RETRY_WHEN_DRAINING_S)
        if not self.warm_up.done():
            return WarmingUp("the kernels are being compiled; try again soon", retry_after=RETRY_WHILE_WARMING_S)
        failure = self.warm_up.exception()
        if failure is None:
            return None
        return Unavailable(f"the engine is broken: {_in_a_line(failure)}", retry_after=RETRY_WHEN_BROKEN_S)

    def require(self) -> None:
        """Raise `Unavailable` unless the service can score."""
        obstacle = self.obstacle
        if obstacle is not None:
            raise obstacle


def _in_a_line(failure: BaseException) -> str:
    return f"{type(failure).__name__}: {failure}".splitlines()[0][:300]
