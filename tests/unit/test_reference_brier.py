"""The reference of the Brier score against scikit-learn."""

import numpy as np
import pytest
from lossgauge.metrics import Brier
from sklearn.metrics import brier_score_loss

from tests.reference import Case, reference

RNG = np.random.default_rng(17)


def test_binary_brier_is_scikit_learns() -> None:
    """The weighted mean of the squared error."""
    p, t, w = RNG.uniform(size=200), RNG.integers(0, 2, 200), RNG.uniform(0, 3, 200)
    case = Case(p, t, w, prediction_kind="probabilities")
    assert reference(Brier(), case).value == pytest.approx(brier_score_loss(t, p, sample_weight=w), rel=1e-12)


def test_two_classes_have_half_the_sum() -> None:
    """The sum over two classes is twice the binary score; half of it, and the mean, are that score."""
    p, t = RNG.uniform(size=200), RNG.integers(0, 2, 200)
    binary = reference(Brier(), Case(p, t, prediction_kind="probabilities")).value
    classes = Case(np.stack([1 - p, p]), t, task="multiclass", prediction_kind="probabilities")
    assert binary is not None
    assert reference(Brier(), classes).value == pytest.approx(2 * binary, rel=1e-12)
    assert reference(Brier(class_reduction="half_sum"), classes).value == pytest.approx(binary, rel=1e-12)
    assert reference(Brier(class_reduction="mean"), classes).value == pytest.approx(binary, rel=1e-12)
