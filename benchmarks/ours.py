"""The service's own core as a contender: checks, plan, pass, scores, without HTTP."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

import numpy as np
from lossgauge.wire import Question
from lossgauge_service.engine import Engine
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import Sample, samples_of_stack
from lossgauge_service.settings import Settings
from numpy.typing import NDArray

Array = NDArray[Any]
Kernel = Literal["compiled", "eager"]
Scores = Mapping[str, NDArray[np.float64]]
Result = TypeVar("Result")

KERNELS: tuple[Kernel, ...] = ("compiled", "eager")
COMPILED = "lossgauge, compiled kernel"
NAMES: Mapping[Kernel, str] = {"compiled": COMPILED, "eager": "lossgauge, eager kernel"}


def engine_of(kernel: Kernel, threads: int | None = None) -> Engine:
    """An engine on the CPU, with the kernels that the service keeps."""
    return Engine.build(device="cpu", kernel=kernel, cache=Settings().kernel_cache, threads=threads)


def ours(engine: Engine, question: Question, prediction: Array, target: Array) -> Callable[[], Scores]:
    """The scores of stacked pairs, an array a metric, as the service computes them."""

    def run() -> Scores:
        plan = plan_for(question)
        samples = [checked(sample, Sample) for sample in samples_of_stack(question, prediction, target, None)]
        answers = [checked(scores, dict) for scores in plan.scores(engine.run(plan, samples))]
        return {key: np.array([answer[key].value for answer in answers], np.float64) for key in answers[0]}

    return run


def checked(result: Result | Exception, kind: type[Result]) -> Result:
    """The result; raises `TypeError` on an error in its place."""
    if isinstance(result, kind):
        return result
    raise TypeError(f"expected {kind.__name__}, found {result!r}")
