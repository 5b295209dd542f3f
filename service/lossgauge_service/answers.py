"""Answers: strict JSON by orjson, with the time that each step took."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from lossgauge.wire import Asked, EngineInfo, Question, Score
from starlette.responses import Response

from lossgauge_service.plan import Plan
from lossgauge_service.samples import Sample

STEPS = ("receive", "decode", "queue", "compute")
MEDIA_TYPE = "application/json"
CSV_MEDIA_TYPE = "text/csv"


@dataclass
class Stopwatch:
    """Milliseconds by step; `total` runs from the start."""

    laps: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)
    last: float = field(default_factory=time.perf_counter)

    def lap(self, step: str) -> None:
        """End a step; the next one begins."""
        now = time.perf_counter()
        self.laps[step] = _ms(now - self.last)
        self.last = now

    def spend(self, step: str, seconds: float) -> None:
        """Add to a step that is done many times, in turns with others."""
        self.laps[step] = self.laps.get(step, 0.0) + _ms(seconds)

    def times(self) -> dict[str, float]:
        """Every step so far, and the total."""
        return {**{step: self.laps.get(step, 0.0) for step in STEPS}, "total": _ms(time.perf_counter() - self.started)}


def answer(content: dict[str, Any], question: Question, plan: Plan, engine: EngineInfo, watch: Stopwatch) -> Response:
    """The answer: its content, what was asked with every default, the times and the engine."""
    times = watch.times()
    document = {**content, **tail(question, plan, engine, times)}
    return Response(orjson.dumps(document), headers=timing_headers(times), media_type=MEDIA_TYPE)


def tail(question: Question, plan: Plan, engine: EngineInfo, times: Mapping[str, float]) -> dict[str, Any]:
    """What every answer of scores ends with."""
    return {
        "asked": {name: getattr(question, name) for name in Asked.model_fields},
        "semantics": plan.semantics,
        "timing_ms": times,
        "engine": engine.model_dump(),
    }


def csv_answer(text: str, watch: Stopwatch) -> Response:
    """A table alone, and the times."""
    return Response(text, headers=timing_headers(watch.times()), media_type=CSV_MEDIA_TYPE)


def timing_headers(times: Mapping[str, float]) -> dict[str, str]:
    """The times as a header."""
    return {"Server-Timing": ", ".join(f"{step};dur={ms}" for step, ms in times.items())}


def scores_document(scores: dict[str, Score], sample: Sample) -> dict[str, Any]:
    """A sample's scores as they travel, with the value always and the rest where it is given, and their precision."""
    documents = {key: _score_document(score) for key, score in scores.items()}
    return {"scores": documents, "precision": sample.case.precision}


def _score_document(score: Score) -> dict[str, Any]:
    extras = {name: value for name, value in score.model_dump().items() if value is not None and name != "value"}
    return {"value": score.value, **extras}


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
