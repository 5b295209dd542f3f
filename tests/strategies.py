"""Hypothesis strategies of samples: every task, kind of prediction and of target, weights, ignored pixels, empty masks.

Every float is one that float32 holds, so that the same case can be asked in either precision.
"""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from lossgauge.metrics.spec import ALL_KINDS, PredictionKind
from lossgauge.tasks import TASKS_OF_PIXELS, Task
from lossgauge.wire import TargetKind
from numpy.typing import NDArray

from tests.reference.case import Case, Floats

Shape = tuple[int, ...]
Labels = NDArray[np.int64]
THRESHOLDS = (0.5, 0.25, 0.3, 0.875, 0.0, 1.0)
CERTAIN_LOGITS = (-1e4, -100.0, 100.0, 1e4)


def shapes(max_side: int = 5) -> st.SearchStrategy[Shape]:
    """1 x n, n x 1, and one to four axes."""
    sides = st.integers(1, max_side)
    thin = st.one_of(st.tuples(st.just(1), st.integers(1, 12)), st.tuples(st.integers(1, 12), st.just(1)))
    return st.one_of(
        st.tuples(sides), st.tuples(sides, sides), thin, hnp.array_shapes(min_dims=3, max_dims=4, max_side=3)
    )


def floats(low: float, high: float) -> st.SearchStrategy[float]:
    """Floats that float32 holds."""
    return st.floats(low, high, width=32, allow_subnormal=False)


def logits(shape: Shape, extremes: bool = True) -> st.SearchStrategy[Floats]:
    """Logits: whole numbers (for ties), any in [-8, 8], and certain ones up to +-1e4; sometimes all on one side."""
    plain = st.one_of(st.integers(-3, 3).map(float), floats(-8, 8))
    anything = st.one_of(plain, st.sampled_from(CERTAIN_LOGITS)) if extremes else plain
    one_sided = [floats(0.125, 8), floats(-8, -0.125)]
    return st.one_of(*(hnp.arrays(np.float64, shape, elements=elements) for elements in [anything, *one_sided]))


def probabilities(shape: Shape, extremes: bool = True) -> st.SearchStrategy[Floats]:
    """Probabilities, with `extremes` 0 and 1 among them; sometimes all 0 or all 1."""
    if not extremes:
        return hnp.arrays(np.float64, shape, elements=floats(2**-10, 1 - 2**-10))
    elements = st.one_of(st.sampled_from((0.0, 0.25, 0.5, 1.0)), floats(0, 1))
    return st.one_of(hnp.arrays(np.float64, shape, elements=elements), constant(shape, (0.0, 1.0)))


def class_probabilities(shape: Shape, extremes: bool = True) -> st.SearchStrategy[Floats]:
    """Probabilities (C, *S) that add up to 1, as far as float32 holds them."""
    return logits(shape, extremes).map(_softmax)


def _softmax(x: Floats) -> Floats:
    e = np.exp(x - np.max(x, axis=0))
    return np.asarray(e / np.sum(e, axis=0), dtype=np.float32).astype(np.float64)


def masks(shape: Shape, classes: int = 2) -> st.SearchStrategy[Labels]:
    """Labels below `classes`; sometimes one class only."""
    mixed = hnp.arrays(np.int64, shape, elements=st.integers(0, classes - 1))
    return st.one_of(mixed, constant(shape, tuple(range(classes))).map(lambda mask: mask.astype(np.int64)))


def constant(shape: Shape, values: tuple[float, ...]) -> st.SearchStrategy[Floats]:
    """An array of one value."""
    return st.sampled_from(values).map(lambda value: np.full(shape, float(value)))


def weight_maps(shape: Shape) -> st.SearchStrategy[Floats]:
    """Weights of 0 and from 1/256 to 4."""
    return hnp.arrays(np.float64, shape, elements=st.one_of(st.sampled_from((0.0, 1.0)), floats(2**-8, 4)))


@st.composite
def predictions(
    draw: st.DrawFn, task: Task, kind: PredictionKind, classes: int, shape: Shape, extremes: bool = True
) -> NDArray[Any]:
    """A prediction of the kind; (C, *S) where there are classes, (*S) for multi-class labels."""
    whole = shape if task == "binary" else (classes, *shape)
    if kind == "labels":
        return draw(masks(shape, classes) if task == "multiclass" else masks(whole))
    if kind == "logits":
        return draw(logits(whole, extremes))
    return draw((class_probabilities if task == "multiclass" else probabilities)(whole, extremes))


@st.composite
def targets(draw: st.DrawFn, task: Task, kind: TargetKind, classes: int, shape: Shape) -> NDArray[Any]:
    """A target of the kind: (C, *S) for multilabel, (*S) otherwise."""
    if task == "multiclass":
        return draw(masks(shape, classes))
    whole = shape if task == "binary" else (classes, *shape)
    return draw(masks(whole) if kind == "labels" else probabilities(whole))


@st.composite
def with_ignored(draw: st.DrawFn, target: NDArray[Any]) -> tuple[NDArray[Any], int | None]:
    """The target with some pixels, or all, set to an `ignore_index`, which may be a class of its own; or as it is."""
    ignore_index = draw(st.sampled_from((None, 255, -1, 0)))
    if ignore_index is None:
        return target, None
    ignored = draw(st.one_of(hnp.arrays(np.bool_, target.shape), st.just(np.ones(target.shape, dtype=np.bool_))))
    return np.where(ignored, np.asarray(ignore_index, dtype=target.dtype), target), ignore_index


@st.composite
def cases(
    draw: st.DrawFn,
    *,
    tasks: tuple[Task, ...] = TASKS_OF_PIXELS,
    kinds: tuple[PredictionKind, ...] = ALL_KINDS,
    soft_targets: bool = True,
    weights: bool = True,
    ignored: bool = True,
    extremes: bool = True,
    label_weights: bool = True,
) -> Case:
    """A case. Each flag leaves something out where it is false.

    `extremes`: probabilities of 0 and 1 and logits up to +-1e4 (without them no loss is infinite).
    `label_weights`: multilabel weights (C, *S) beside (*S).
    """
    task, kind, shape = draw(st.sampled_from(tasks)), draw(st.sampled_from(kinds)), draw(shapes())
    classes = 1 if task == "binary" else draw(st.integers(2 if task == "multiclass" else 1, 4))
    target_kind: TargetKind = "labels"
    if soft_targets and task != "multiclass" and draw(st.booleans()):
        target_kind = "probabilities"
    target = draw(targets(task, target_kind, classes, shape))
    target, ignore_index = draw(with_ignored(target)) if ignored else (target, None)
    weight_shape = draw(st.sampled_from((shape, target.shape))) if label_weights else shape
    return Case(
        prediction=draw(predictions(task, kind, classes, shape, extremes)),
        target=target,
        weight=draw(st.one_of(st.none(), weight_maps(weight_shape))) if weights else None,
        task=task,
        prediction_kind=kind,
        target_kind=target_kind,
        ignore_index=ignore_index,
        threshold=draw(st.sampled_from(THRESHOLDS)),
        num_classes=None if task == "binary" else classes,
    )
