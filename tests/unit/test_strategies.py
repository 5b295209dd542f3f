"""The strategies reach what they promise, and nothing that cannot be asked."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings

from tests.examples import examples
from tests.reference import Case
from tests.strategies import cases

PROMISED: dict[str, Callable[[Case], object]] = {
    "all ignored": lambda case: not np.any(case.valid),
    "some ignored": lambda case: np.any(case.valid) and not np.all(case.valid),
    "soft target": lambda case: np.any((case.target > 0) & (case.target < 1)),
    "empty target": lambda case: np.any(case.valid) and not np.any(case.target[case.valid]),
    "full target": lambda case: np.all(case.target == 1),
    "weights": lambda case: case.weight is not None and np.ptp(case.weight) > 0,
    "zero weight": lambda case: case.weight is not None and np.any(case.weight == 0),
    "four axes": lambda case: case.task == "binary" and case.target.ndim == 4,
    "1 x n": lambda case: case.target.ndim == 2 and case.target.shape[0] == 1 and case.target.size > 5,
    "certain logits": lambda case: case.prediction_kind == "logits" and np.max(np.abs(case.prediction)) == 1e4,
    "weights of labels": lambda case: (
        case.task == "multilabel" and case.weight is not None and case.weight.shape == case.target.shape
    ),
}


@pytest.mark.parametrize("promise", PROMISED)
def test_every_kind_of_case_is_drawn(promise: str) -> None:
    """Hypothesis finds a case of each kind."""
    first_found = settings(max_examples=3000, deadline=None, phases=[Phase.generate])
    case = find(cases(), lambda case: bool(PROMISED[promise](case)), settings=first_found)
    assert PROMISED[promise](case)


@settings(deadline=None)
@given(case=cases())
def test_every_case_can_be_asked(case: Case) -> None:
    """Shapes go together, labels are classes, probabilities lie in [0, 1], and float32 holds every float."""
    shape = case.target.shape
    channels = (case.classes,) if case.task == "multiclass" and case.prediction_kind != "labels" else ()
    highest = case.classes - 1 if case.task == "multiclass" else 1
    labels = case.target[case.valid]
    assert case.prediction.shape == (*channels, *shape)
    assert case.weight is None or np.broadcast_to(case.weight, shape).shape == shape
    assert np.all((labels >= 0) & (labels <= highest))
    assert case.prediction_kind != "probabilities" or np.all((case.prediction >= 0) & (case.prediction <= 1))
    assert np.array_equal(case.prediction.astype(np.float32), case.prediction)


@settings(deadline=None, max_examples=examples(30))
@given(case=cases(tasks=("binary",), kinds=("labels",), soft_targets=False, weights=False, ignored=False))
def test_what_is_left_out_is_not_drawn(case: Case) -> None:
    """Tasks, kinds, soft targets, weights and ignored pixels can each be left out."""
    found = (case.task, case.prediction_kind, case.target_kind, case.weight, case.ignore_index)
    assert found == ("binary", "labels", "labels", None, None)
