"""The references of correlation, kappa and balanced accuracy against scikit-learn."""

from typing import Literal

import numpy as np
import pytest
from lossgauge.metrics import BalancedAccuracy, Kappa, Mcc, VolumeDifference
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score, matthews_corrcoef

from tests.reference import Case, reference
from tests.reference.case import AnyArray

RNG = np.random.default_rng(11)
N, CLASSES = 400, 4
PREDICTED, TRUE = RNG.integers(0, CLASSES, N), RNG.integers(0, CLASSES, N)
W = RNG.uniform(0, 3, N)
WEIGHTS = pytest.mark.parametrize("weight", [None, W], ids=["plain", "weighted"])


def multiclass(weight: AnyArray | None, target: AnyArray = TRUE) -> Case:
    """Labels against labels."""
    return Case(PREDICTED, target, weight, task="multiclass", prediction_kind="labels", num_classes=CLASSES)


def close(expected: object) -> object:
    """Equal to 1e-12 relative."""
    return pytest.approx(expected, rel=1e-12, abs=1e-14)


@WEIGHTS
def test_the_correlation_is_scikit_learns(weight: AnyArray | None) -> None:
    """Of all classes R_K, and of each class against the rest the binary coefficient."""
    score = reference(Mcc(), multiclass(weight))
    each = [matthews_corrcoef(TRUE == c, PREDICTED == c, sample_weight=weight) for c in range(CLASSES)]
    assert score.value == close(matthews_corrcoef(TRUE, PREDICTED, sample_weight=weight))
    assert score.per_class == close(each)
    assert reference(Mcc(average="macro"), multiclass(weight)).value == close(np.mean(each))


@WEIGHTS
def test_kappa_is_scikit_learns(weight: AnyArray | None) -> None:
    """Unweighted, linear and quadratic."""
    kinds: tuple[Literal["none", "linear", "quadratic"], ...] = ("none", "linear", "quadratic")
    for kind in kinds:
        theirs = cohen_kappa_score(TRUE, PREDICTED, weights=None if kind == "none" else kind, sample_weight=weight)
        assert reference(Kappa(weights=kind), multiclass(weight)).value == close(theirs)


@WEIGHTS
@pytest.mark.parametrize("adjusted", [False, True])
def test_balanced_accuracy_is_scikit_learns(weight: AnyArray | None, adjusted: bool) -> None:
    """Over the classes that the target has; binary too."""
    target = np.where(TRUE == 2, 1, TRUE)
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        theirs = balanced_accuracy_score(target, PREDICTED, sample_weight=weight, adjusted=adjusted)
    assert reference(BalancedAccuracy(adjusted=adjusted), multiclass(weight, target)).value == close(theirs)
    binary = Case(PREDICTED > 1, TRUE > 1, weight, prediction_kind="labels")
    theirs = balanced_accuracy_score(TRUE > 1, PREDICTED > 1, sample_weight=weight, adjusted=adjusted)
    assert reference(BalancedAccuracy(adjusted=adjusted), binary).value == close(theirs)


@WEIGHTS
def test_binary_scores_are_scikit_learns(weight: AnyArray | None) -> None:
    """Two masks have the same correlation and kappa as two label maps of two classes."""
    case = Case(PREDICTED > 1, TRUE > 0, weight, prediction_kind="labels")
    assert reference(Mcc(), case).value == close(matthews_corrcoef(TRUE > 0, PREDICTED > 1, sample_weight=weight))
    assert reference(Kappa(), case).value == close(cohen_kappa_score(TRUE > 0, PREDICTED > 1, sample_weight=weight))


def test_a_volume_of_12_for_one_of_10_is_a_fifth_too_much() -> None:
    """The sign tells of too much or too little; symmetric divides by the mean of both."""
    large, small = np.arange(30) < 12, np.arange(30) >= 20
    case = Case(large, small, prediction_kind="labels")
    back = Case(small, large, prediction_kind="labels")
    assert [reference(VolumeDifference(), one).value for one in (case, back)] == close([0.2, -2 / 12])
    assert reference(VolumeDifference(mode="absolute"), back).value == close(2 / 12)
    assert reference(VolumeDifference(mode="symmetric"), back).value == close(2 / 11)


def test_no_target_has_no_relative_difference() -> None:
    """A prediction for an empty target is undefined, as target_empty; the symmetric difference is 2."""
    case = Case(np.ones(4, np.int64), np.zeros(4, np.int64), prediction_kind="labels")
    assert reference(VolumeDifference(), case).undefined == "target_empty"
    assert reference(VolumeDifference(mode="symmetric"), case).value == 2.0
