"""What happens in the service, as records: counted by `meters`, traced by `tracing`, written by the log."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

STEPS = ("receive", "decode", "queue", "compute", "encode")
"""The way of a request that is scored, in its order; each begins where the one before it ends."""

SUCCESS = "success"
"""The outcome of what has no problem."""


@dataclass(frozen=True)
class Answered:
    """A request was answered, or ended without an answer.

    route: its template, never the path that was asked. outcome: `SUCCESS`, or the code of the problem. steps: seconds, of those
    that it came to. pairs: how many had which outcome. began_ns: when the first step began, since the epoch.
    """

    request_id: str
    method: str
    route: str
    status: int
    outcome: str
    total_s: float
    steps: Mapping[str, float]
    bytes_in: int
    pairs: Mapping[str, int]
    began_ns: int


@dataclass(frozen=True)
class Ran:
    """A batch was run on the device: the scores of several requests, or other work of one.

    requests: how many different ones had a part in it. error: the class of what it failed with.
    """

    kind: Literal["scores", "work"]
    requests: int
    items: int
    tiles: int
    elements: int
    cost: float
    seconds: float
    ended_ns: int
    error: str | None = None
