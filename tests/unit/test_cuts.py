"""Thresholds as cuts: exact in every precision, at ties too."""

import math
from decimal import Decimal, localcontext
from typing import Literal

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from lossgauge import metrics as m
from lossgauge.metrics.spec import PredictionKind
from lossgauge.wire import Precision, Question
from lossgauge_service.cuts import cut_of
from lossgauge_service.engine import Engine
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import Case, sample_of

from tests.reference.case import AnyArray
from tests.scoring import scores_of

Side = Literal["greater", "greater_equal"]
PRECISIONS: tuple[Precision, ...] = ("float32", "float64")
THRESHOLDS = (0.5, 0.55, 0.3, 0.7, 0.8, 1e-3, 0.999)
INSIDE = st.one_of(
    st.floats(0, 1, exclude_min=True, exclude_max=True),
    st.integers(-(2**40), 2**40).map(lambda steps: 0.5 + steps * 2.0**-53),
)
"""Thresholds anywhere, and crowded around 1/2, where the logit is small."""


def logits(precision: Precision = "float64") -> Case:
    """A case of logits."""
    return Case("binary", "logits", 1, precision=precision)


def exact_logit(threshold: float) -> Decimal:
    """log(th / (1 - th)) to 80 digits."""
    with localcontext(prec=80):
        return Decimal(threshold).ln() - (1 - Decimal(threshold)).ln()


@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize("precision", PRECISIONS)
@given(threshold=INSIDE)
@example(threshold=0.5)
@example(threshold=0.5 + 2**-53)
@example(threshold=5e-324)
@example(threshold=1 - 2**-53)
def test_no_logit_changes_sides(precision: Precision, inclusive: bool, threshold: float) -> None:
    """x > cut exactly where sigmoid(x) > th (>= th) in exact arithmetic: for the cut itself and for the next number."""
    cut, exact = cut_of(logits(precision), threshold, inclusive), exact_logit(threshold)
    dtype = np.dtype(precision).type
    above = float(np.nextafter(dtype(cut), dtype(np.inf)))
    assert dtype(cut) == cut
    assert Decimal(cut) < exact or (not inclusive and Decimal(cut) == exact)
    assert Decimal(above) > exact or (inclusive and Decimal(above) == exact)


@given(threshold=st.floats(0.01, 0.99), x=st.floats(-5, 5))
def test_a_logit_is_positive_where_its_sigmoid_is(threshold: float, x: float) -> None:
    """Away from ties a float64 sigmoid says the same."""
    probability = 1 / (1 + math.exp(-x))
    assume(abs(probability - threshold) > 1e-12)
    assert (probability > threshold) == (x > cut_of(logits(), threshold, inclusive=False))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_thresholds_at_the_ends(precision: Precision) -> None:
    """Every logit is above 0 and none reaches 1."""
    top = float(np.finfo(precision).max)
    cuts = [cut_of(logits(precision), threshold, inclusive) for threshold in (0.0, 1.0) for inclusive in (False, True)]
    assert [[x > cut for x in (-top, 0.0, top)] for cut in cuts] == [[True] * 3] * 2 + [[False] * 3] * 2


@pytest.mark.parametrize("kind", ["labels", "probabilities"])
def test_labels_and_classes_have_no_threshold(kind: PredictionKind) -> None:
    """A label is positive where it is 1."""
    assert cut_of(Case("binary", kind, 1), 0.9 if kind == "labels" else None, inclusive=True) == 0.5


# ------------------------------------------------------------------------------------------------------ through the pass


def positives(
    engine: Engine,
    prediction: AnyArray,
    kind: PredictionKind,
    threshold: float,
    side: Side,
    precision: Precision | None,
) -> int:
    """How many pixels are positive."""
    spec = m.Confusion(threshold=threshold, threshold_side=side)
    question = Question(task="binary", prediction_kind=kind, precision=precision, metrics=[spec])
    sample = sample_of(question, prediction, np.ones(prediction.shape, np.uint8))
    plan = plan_for(question)
    return int(scores_of(engine, plan, [sample])[0]["confusion"].model_dump()["tp"])


@pytest.mark.parametrize("precision", [None, *PRECISIONS])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_a_probability_that_is_the_threshold(
    engine: Engine, dtype: type, threshold: float, precision: Precision | None
) -> None:
    """A tie in the prediction's own dtype is positive for >= alone, whatever the pass computes in."""
    tie = dtype(threshold)
    prediction = np.array([np.nextafter(tie, dtype(0)), tie, np.nextafter(tie, dtype(1))])
    if dtype is np.float64 and precision == "float32":
        prediction = np.array([threshold - 1e-6, threshold, threshold + 1e-6])
    found = [
        positives(engine, prediction, "probabilities", threshold, s, precision) for s in ("greater", "greater_equal")
    ]
    assert found == [1, 2]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_a_logit_at_the_threshold(engine: Engine, dtype: type, threshold: float) -> None:
    """log(th / (1 - th)) rounded to the dtype is positive where it was rounded up; its neighbours never are in doubt."""
    exact = exact_logit(threshold)
    nearest = dtype(float(exact))
    prediction = np.array([np.nextafter(nearest, dtype(-np.inf)), nearest, np.nextafter(nearest, dtype(np.inf))])
    expected = [
        sum(Decimal(float(x)) > exact for x in prediction),
        sum(Decimal(float(x)) >= exact for x in prediction),
    ]
    found = [positives(engine, prediction, "logits", threshold, side, None) for side in ("greater", "greater_equal")]
    assert found == expected


@pytest.mark.parametrize(("threshold", "expected"), [(0.0, [1, 3]), (1.0, [0, 1])])
def test_certain_probabilities_at_the_ends(engine: Engine, threshold: float, expected: list[int]) -> None:
    """p > 0 leaves out 0, p >= 1 takes 1."""
    prediction = np.array([0.0, 0.0, 1.0], np.float32)
    sides: tuple[Side, ...] = ("greater", "greater_equal")
    assert [positives(engine, prediction, "probabilities", threshold, side, None) for side in sides] == expected
