"""The samples that the contract is held to: every task and kind of prediction, from fixed seeds."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from lossgauge.metrics import MetricSpec
from lossgauge.metrics.spec import ALL_KINDS, PredictionKind
from lossgauge.tasks import TASKS_OF_PIXELS, Task
from lossgauge_service.errors import MetricDoesNotFit
from numpy.typing import NDArray

from tests.reference import Case, Expected, reference
from tests.specs import VARIANTS

SHAPE = (17, 13)
CLASSES = 3
IGNORED = 255


def case_of(task: Task, kind: PredictionKind, *, soft: bool = False, masked: bool = False, seed: int = 0) -> Case:
    """A sample; `masked` gives it weights, and pixels that are ignored. Every float is one that float32 holds."""
    rng = np.random.default_rng([seed, TASKS_OF_PIXELS.index(task), ALL_KINDS.index(kind), soft, masked])
    target = _target(rng, task, soft)
    ignored = rng.random(SHAPE) < (0.2 if masked else 0)
    return Case(
        prediction=_prediction(rng, task, kind),
        target=np.where(ignored, np.asarray(IGNORED, target.dtype), target),
        weight=_float32(rng.uniform(0.25, 4, SHAPE)) if masked else None,
        task=task,
        prediction_kind=kind,
        target_kind="probabilities" if soft else "labels",
        ignore_index=IGNORED if masked else None,
        threshold=0.3 if masked else 0.5,
        num_classes=None if task == "binary" else CLASSES,
    )


def _prediction(rng: np.random.Generator, task: Task, kind: PredictionKind) -> NDArray[Any]:
    whole = SHAPE if task == "binary" else (CLASSES, *SHAPE)
    if kind == "labels":
        of_classes = task == "multiclass"
        return rng.integers(0, CLASSES if of_classes else 2, SHAPE if of_classes else whole, dtype=np.uint8)
    logits = rng.normal(0, 2, whole)
    if kind == "logits":
        return _float32(logits)
    shares = np.exp(logits)
    return _float32(shares / shares.sum(0) if task == "multiclass" else shares / (1 + shares))


def _target(rng: np.random.Generator, task: Task, soft: bool) -> NDArray[Any]:
    whole = (CLASSES, *SHAPE) if task == "multilabel" else SHAPE
    if soft:
        return _float32(rng.random(whole))
    return rng.integers(0, CLASSES if task == "multiclass" else 2, whole, dtype=np.uint8)


def _float32(values: NDArray[Any]) -> NDArray[np.float64]:
    return values.astype(np.float32).astype(np.float64)


def every_case() -> Iterator[Case]:
    """Each task and kind, plain and masked, and soft targets where they may be."""
    for task in TASKS_OF_PIXELS:
        for kind in ALL_KINDS:
            yield from (case_of(task, kind, masked=masked) for masked in (False, True))
            if task != "multiclass":
                yield case_of(task, kind, soft=True)


CASES = tuple(every_case())


def case_of_ids() -> Case:
    """Two maps of ids in blocks, with a void."""
    rng = np.random.default_rng(3)
    target = np.kron(rng.integers(0, 9, (4, 5)), np.ones((4, 4), np.int64))
    noise = np.kron(rng.integers(0, 9, (8, 10)), np.ones((2, 2), np.int64))
    prediction = np.where(rng.random(target.shape) < 0.7, target, noise)
    return Case(prediction, target, task="instances", prediction_kind="labels", ignore_index=8)


def case_of_boxes() -> Case:
    """Boxes near each other, and far apart."""
    low, size = np.random.default_rng(4).uniform(0, 4, (2, 2, 7, 2))
    prediction, target = (_float32(np.concatenate([a, a + b], 1)) for a, b in zip(low, size, strict=True))
    return Case(prediction, target, task="boxes", prediction_kind="boxes")


OBJECTS = (case_of_ids(), case_of_boxes())
"""What is no pixels with classes."""


def case_for(spec: MetricSpec) -> Case:
    """A sample that a metric fits: of binary logits where it can be, with weights where it takes them."""
    binary = [case_of("binary", "logits", masked=True), case_of("binary", "logits"), case_of("binary", "labels")]
    return next(case for case in (*binary, *OBJECTS) if fitting(case, [spec]))


def name_of(case: Case) -> str:
    """What a test's id says of a case."""
    masked = "" if case.weight is None else "-masked"
    return f"{case.task}-{case.prediction_kind}{'-soft' if case.target_kind != 'labels' else ''}{masked}"


def arguments(case: Case, **more: Any) -> dict[str, Any]:
    """The case as `Client.score` takes it."""
    return {"prediction": case.prediction, "target": case.target, "weight": case.weight, **options(case), **more}


def options(case: Case) -> dict[str, Any]:
    """What is asked of the case's arrays."""
    names = ("task", "prediction_kind", "target_kind", "ignore_index", "threshold", "num_classes")
    return {name: getattr(case, name) for name in names}


def in_float32(case: Case) -> Case:
    """The case with a float32 prediction, which holds the same values."""
    if case.prediction_kind == "labels":
        return case
    return replace(case, prediction=case.prediction.astype(np.float32))


def fitting(case: Case, specs: Sequence[MetricSpec] = VARIANTS) -> dict[str, tuple[MetricSpec, Expected]]:
    """The specs that fit a case, by a key of their own, with what is expected of them."""
    found = {}
    for place, spec in enumerate(specs):
        with suppress(MetricDoesNotFit):
            key = f"{place:02} {spec.name}"
            found[key] = spec.model_copy(update={"key": key}), reference(spec, case)
    return found


MOST_METRICS = 64


def shared_out(specs: Sequence[MetricSpec]) -> list[list[MetricSpec]]:
    """The specs of several requests: one request's cap on metrics is below the number of variants."""
    requests = -(-len(specs) // MOST_METRICS)
    return [list(specs[first::requests]) for first in range(requests)]
