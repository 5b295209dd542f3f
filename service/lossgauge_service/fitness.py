"""Whether the device still works: after a launch that failed, and as long as it is broken, it has to score a mask of its own.

A launch can fail by what it was given; a mask that is known to be good fails by the device alone. So no request can have the service
called broken, and nothing of a request is in what is told of it.
"""

import logging

import numpy as np
from lossgauge import metrics
from lossgauge.wire import Question

from lossgauge_service.engine import Engine
from lossgauge_service.errors import LossgaugeError, Unavailable
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import sample_of

log = logging.getLogger("lossgauge.device")

TRIED_EVERY_S = 5
"""How often a broken device is tried."""

QUESTION = Question(task="binary", prediction_kind="probabilities", metrics=[metrics.Dice(soft=True)])
PREDICTION = np.full((8, 8), 0.5, np.float32)
TARGET = np.eye(8, dtype=np.uint8)


class Fitness:
    """The last word on a device. It is tried by the thread that owns it, and read by any."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._failure: Exception | None = None

    @property
    def obstacle(self) -> Unavailable | None:
        """What requests are told while the device is broken."""
        return None if self._failure is None else broken(self._failure, TRIED_EVERY_S)

    def blamed(self, error: Exception) -> Exception:
        """What a request is told of the error of its launch: that, unless the device is to blame."""
        if isinstance(error, LossgaugeError):
            return error
        self.check()
        if self._failure is None:
            return error
        log.error("a launch failed on a device that is broken", exc_info=error)
        return broken(self._failure, TRIED_EVERY_S)

    def check(self) -> None:
        """Try the device."""
        before, self._failure = self._failure, self._failure_of_a_test()
        if self._failure is not None and before is None:
            log.error("the device is broken", exc_info=self._failure)
        elif self._failure is None and before is not None:
            log.warning("the device works again")

    def _failure_of_a_test(self) -> Exception | None:
        try:
            self._engine.run(plan_for(QUESTION), [sample_of(QUESTION, PREDICTION, TARGET)])
        except Exception as failure:
            return failure
        return None


def broken(failure: BaseException, retry_after: int) -> Unavailable:
    """What is told of a device that cannot score, in a line."""
    told = f"{type(failure).__name__}: {failure}".splitlines()[0][:300]
    return Unavailable(f"the engine is broken: {told}", retry_after=retry_after)
