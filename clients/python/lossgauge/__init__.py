"""lossgauge: losses and metrics of predicted masks and prediction arrays, over HTTP.

The client needs httpx, NumPy and pydantic only; see `lossgauge.client` for how it is used.
"""

from lossgauge import metrics
from lossgauge.aio import AsyncClient
from lossgauge.client import Client
from lossgauge.errors import (
    APIConnectionError,
    APITimeoutError,
    InvalidArgumentError,
    LossgaugeError,
    ProblemError,
    UndefinedScore,
    UnreadableAnswer,
)
from lossgauge.mapped import MapSet
from lossgauge.results import BatchResult, FailedItem, MetricList, ScoredItem, ScoreResult
from lossgauge.streams import AsyncScoreStream, ScoreStream
from lossgauge.sweep_results import SweepResult

__version__ = "0.1.0"

__all__ = [
    "APIConnectionError",
    "APITimeoutError",
    "AsyncClient",
    "AsyncScoreStream",
    "BatchResult",
    "Client",
    "FailedItem",
    "InvalidArgumentError",
    "LossgaugeError",
    "MapSet",
    "MetricList",
    "ProblemError",
    "ScoreResult",
    "ScoreStream",
    "ScoredItem",
    "SweepResult",
    "UndefinedScore",
    "UnreadableAnswer",
    "__version__",
    "metrics",
]
