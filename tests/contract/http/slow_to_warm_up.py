"""The command, with an engine that never ends warming up, in an interpreter that aborts when it ends under it, as compilers do."""

import atexit
import os
import threading

from lossgauge_service.__main__ import main
from lossgauge_service.engine import Engine


def _never(engine: Engine) -> None:
    threading.Event().wait()


if __name__ == "__main__":
    atexit.register(os.abort)
    Engine.warm_up = _never  # type: ignore[assignment, method-assign]
    main()
