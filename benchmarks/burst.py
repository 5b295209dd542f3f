"""A burst: what some callers at once came to in a few seconds."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.callers import Connection


@dataclass(frozen=True)
class Posted:
    """A body in a file, and where it is posted."""

    url: str
    media_type: str
    file: Path

    def answer(self) -> bytes:
        """What the service says to it once."""
        with Connection(self.url, self.media_type, self.file.read_bytes()) as connection:
            return connection.post()

    def steps(self, calls: int) -> dict[str, tuple[float, ...]]:
        """The milliseconds of each step that the service tells of so many calls, one after the other."""
        with Connection(self.url, self.media_type, self.file.read_bytes()) as connection:
            told = [json.loads(connection.post())["timing_ms"] for _ in range(calls)]
        return {step: tuple(times[step] for times in told) for step in told[0]}

    def burst(self, callers: int, seconds: float) -> "Burst":
        """Have it posted by callers in a process of their own."""
        arguments = [self.url, self.media_type, str(self.file), str(callers), str(seconds)]
        command = [sys.executable, "-m", "benchmarks.callers", *arguments]
        found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        return Burst(tuple(found["latencies"]), found["seconds"])


@dataclass(frozen=True)
class Burst:
    """The seconds of each call, and of all."""

    latencies: tuple[float, ...]
    seconds: float

    def percentile(self, share: float) -> float:
        """The milliseconds that so many of a hundred calls took at most."""
        return float(np.percentile(self.latencies, share)) * 1e3

    @property
    def per_second(self) -> float:
        """Calls per second."""
        return len(self.latencies) / self.seconds
