"""Answers: strict JSON by orjson, with the time that each step took."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from lossgauge.wire import Asked, EngineInfo, Question, Score
from starlette.responses import Response

from lossgauge_service.events import STEPS
from lossgauge_service.plan import Plan
from lossgauge_service.samples import Sample

MEDIA_TYPE = "application/json"
CSV_MEDIA_TYPE = "text/csv"


@dataclass
class Stopwatch:
    """Seconds by step; the total runs from the start, `began_ns` on the clock of the day."""

    seconds: dict[str, float] = field(default_factory=dict)
    began_ns: int = field(default_factory=time.time_ns)
    started: float = field(default_factory=time.perf_counter)
    last: float = field(default_factory=time.perf_counter)
    in_turns: bool = False

    def lap(self, step: str) -> None:
        """End a step; the next one begins."""
        now = time.perf_counter()
        self.seconds[step] = now - self.last
        self.last = now

    def ended(self, step: str) -> None:
        """A step is over; its time is what it had until now where nobody has said so before."""
        if step not in self.seconds:
            self.lap(step)

    def break_off(self) -> None:
        """End whichever step it is in: it is the last."""
        if not self.in_turns and len(self.seconds) < len(STEPS):
            self.lap(STEPS[len(self.seconds)])

    @property
    def total_s(self) -> float:
        """Seconds from the start until now."""
        return time.perf_counter() - self.started

    def spend(self, step: str, seconds: float) -> None:
        """Add to a step that is done many times, in turns with others; it is no part of the step that is being timed."""
        self.in_turns = True
        self.last += seconds
        self.seconds[step] = self.seconds.get(step, 0.0) + seconds

    def times(self) -> dict[str, float]:
        """Milliseconds of every step so far, and of the total."""
        return {**{step: _ms(self.seconds.get(step, 0.0)) for step in STEPS}, "total": _ms(self.total_s)}


def answer(content: dict[str, Any], question: Question, plan: Plan, engine: EngineInfo, watch: Stopwatch) -> Response:
    """The answer: its content, what was asked with every default, the times and the engine."""
    return timed_answer({**content, **tail(question, plan, engine)}, watch)


def tail(question: Question, plan: Plan, engine: EngineInfo) -> dict[str, Any]:
    """What every answer of scores ends with, before the times."""
    return {
        "asked": {name: getattr(question, name) for name in Asked.model_fields},
        "semantics": plan.semantics,
        "engine": engine.model_dump(),
    }


def timed_answer(document: dict[str, Any], watch: Stopwatch) -> Response:
    """A document as JSON, with the times, of which its own encoding is one: they are added to what is encoded."""
    encoded = orjson.dumps(document)
    watch.lap("encode")
    times = watch.times()
    body = b"".join((memoryview(encoded)[:-1], b',"timing_ms":', orjson.dumps(times), b"}"))
    return Response(body, headers=timing_headers(times), media_type=MEDIA_TYPE)


def csv_answer(text: str, watch: Stopwatch) -> Response:
    """A table alone, and the times."""
    watch.lap("encode")
    return Response(text, headers=timing_headers(watch.times()), media_type=CSV_MEDIA_TYPE)


def timing_headers(times: Mapping[str, float]) -> dict[str, str]:
    """The times as a header."""
    return {"Server-Timing": ", ".join(f"{step};dur={ms}" for step, ms in times.items())}


def scores_document(scores: dict[str, Score], sample: Sample) -> dict[str, Any]:
    """A sample's scores as they travel, with the value always and the rest where it is given, and their precision."""
    documents = {key: score_document(score) for key, score in scores.items()}
    return {"scores": documents, "precision": sample.case.precision}


def score_document(score: Score) -> dict[str, Any]:
    """A score as it travels: the value and the metric's extras always, the rest where it is given."""
    extras = score.model_extra or {}
    kept = {name: value for name, value in score.model_dump().items() if value is not None or name in extras}
    return {"value": score.value, **kept}


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
