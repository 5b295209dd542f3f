"""The references of overlaps and counts against scikit-learn and torchmetrics."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from lossgauge.metrics import Accuracy, Confusion, Dice, FBeta, Iou, MetricSpec, Precision, Recall, Specificity
from lossgauge.metrics.overlap import Average
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    fbeta_score,
    jaccard_score,
    precision_score,
    recall_score,
)
from torchmetrics.functional.classification import multiclass_specificity, multilabel_jaccard_index

from tests.reference import Case, reference
from tests.reference.case import AnyArray

Spec = Callable[..., MetricSpec]
Peer = Callable[..., Any]
RNG = np.random.default_rng(3)
N, CLASSES = 400, 4
LABELS = list(range(CLASSES))
PREDICTED, TRUE = RNG.integers(0, CLASSES, N), RNG.integers(0, CLASSES, N)
W = RNG.uniform(0, 3, N)
AVERAGES: tuple[Average, ...] = ("macro", "micro", "weighted")
SCORES: list[tuple[Spec, Peer, dict[str, float]]] = [
    (Dice, f1_score, {}),
    (FBeta, fbeta_score, {"beta": 2.0}),
    (Iou, jaccard_score, {}),
    (Precision, precision_score, {}),
    (Recall, recall_score, {}),
]


def multiclass(weight: AnyArray | None = None) -> Case:
    """Labels against labels."""
    return Case(PREDICTED, TRUE, weight, task="multiclass", prediction_kind="labels", num_classes=CLASSES)


def close(expected: object) -> object:
    """Equal to 1e-12 relative."""
    return pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("weight", [None, W], ids=["plain", "weighted"])
@pytest.mark.parametrize(("spec", "theirs", "options"), SCORES, ids=lambda value: getattr(value, "__name__", None))
def test_multiclass_scores_are_scikit_learns(
    spec: Spec, theirs: Peer, options: dict[str, float], weight: AnyArray | None
) -> None:
    """Every average, and each class alone, with and without sample weights."""
    for average in AVERAGES:
        score = reference(spec(average=average, **options), multiclass(weight))
        assert score.value == close(theirs(TRUE, PREDICTED, average=average, sample_weight=weight, **options))
        assert score.per_class == close(list(theirs(TRUE, PREDICTED, average=None, sample_weight=weight, **options)))


@pytest.mark.parametrize(("spec", "theirs", "options"), SCORES, ids=lambda value: getattr(value, "__name__", None))
def test_binary_scores_are_scikit_learns(spec: Spec, theirs: Peer, options: dict[str, float]) -> None:
    """One number and no per_class, of a thresholded probability."""
    p, t = RNG.uniform(size=N), RNG.integers(0, 2, N)
    score = reference(spec(threshold=0.3, **options), Case(p, t, W, prediction_kind="probabilities"))
    assert (score.value, score.per_class) == (close(theirs(t, p > 0.3, sample_weight=W, **options)), None)


@pytest.mark.parametrize("average", AVERAGES)
def test_multilabel_scores_are_scikit_learns(average: Average) -> None:
    """Labels are columns there and channels here; torchmetrics agrees on IoU."""
    x, t = RNG.normal(size=(3, N)), RNG.integers(0, 2, (3, N))
    case = Case(x, t, task="multilabel")
    assert reference(Dice(average=average), case).value == close(f1_score(t.T, x.T > 0, average=average))
    theirs = multilabel_jaccard_index(torch.tensor(x.T > 0).int(), torch.tensor(t.T), 3, average=average)
    assert reference(Iou(average=average), case).value == pytest.approx(theirs.item(), rel=1e-6)


@pytest.mark.parametrize("average", ["macro", "micro"])
def test_specificity_is_torchmetricss(average: Average) -> None:
    """TN / (TN + FP), each class against the rest."""
    theirs = multiclass_specificity(torch.tensor(PREDICTED), torch.tensor(TRUE), CLASSES, average=average)
    assert reference(Specificity(average=average), multiclass()).value == pytest.approx(theirs.item(), rel=1e-6)


def test_leaving_out_the_background_is_leaving_out_its_label() -> None:
    """include_background=false averages over the labels from 1 on; per_class keeps them all."""
    for average in AVERAGES:
        score = reference(Dice(average=average, include_background=False), multiclass())
        assert score.value == close(f1_score(TRUE, PREDICTED, labels=LABELS[1:], average=average))
        assert score.per_class == close(list(f1_score(TRUE, PREDICTED, average=None)))


@pytest.mark.parametrize("weight", [None, W], ids=["plain", "weighted"])
def test_confusion_is_scikit_learns(weight: AnyArray | None) -> None:
    """The matrix has the target's classes as rows; the value is what lies off its diagonal."""
    matrix = confusion_matrix(TRUE, PREDICTED, sample_weight=weight)
    score = reference(Confusion(), multiclass(weight))
    assert np.array(score.extras["matrix"]) == pytest.approx(matrix, rel=1e-12)
    assert score.value == close(matrix.sum() - matrix.trace())
    assert score.extras["tp"] == close(list(matrix.diagonal()))
    assert score.extras["fp"] == close(list(matrix.sum(axis=0) - matrix.diagonal()))
    assert score.extras["fn"] == close(list(matrix.sum(axis=1) - matrix.diagonal()))
    assert score.extras["tn"] == close([np.delete(np.delete(matrix, c, 0), c, 1).sum() for c in LABELS])


def test_binary_confusion_is_scikit_learns() -> None:
    """tn, fp, fn, tp as numbers."""
    x, t = RNG.normal(size=N), RNG.integers(0, 2, N)
    tn, fp, fn, tp = confusion_matrix(t, x > 0).ravel()
    score = reference(Confusion(), Case(x, t))
    assert (score.value, score.extras) == (fp + fn, {"tp": tp, "fp": fp, "fn": fn, "tn": tn})


@pytest.mark.parametrize("weight", [None, W], ids=["plain", "weighted"])
def test_multiclass_accuracy_is_scikit_learns(weight: AnyArray | None) -> None:
    """micro: the share of right pixels; macro: balanced accuracy over the classes that are there."""
    absent = Case(PREDICTED, np.where(TRUE == 2, 1, TRUE), weight, "multiclass", "labels", num_classes=CLASSES)
    micro, macro = (reference(Accuracy(average=average), absent) for average in ("micro", "macro"))
    assert micro.value == close(accuracy_score(absent.target, PREDICTED, sample_weight=weight))
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        balanced = balanced_accuracy_score(absent.target, PREDICTED, sample_weight=weight)
    assert macro.value == close(balanced)
    assert macro.extras == {"undefined_classes": {"2": "target_empty"}, "counted": 3, "skipped": 1}


def test_binary_accuracy_is_scikit_learns() -> None:
    """(TP + TN) / N, weighted."""
    x, t = RNG.normal(size=N), RNG.integers(0, 2, N)
    assert reference(Accuracy(), Case(x, t, W)).value == close(accuracy_score(t, x > 0, sample_weight=W))


def test_ignored_pixels_are_as_if_absent() -> None:
    """Dropping the pixels gives the same score."""
    ignored = RNG.uniform(size=N) < 0.4
    target = np.where(ignored, 255, TRUE)
    case = Case(PREDICTED, target, W, "multiclass", "labels", ignore_index=255, num_classes=CLASSES)
    score = reference(Iou(), case)
    theirs = jaccard_score(TRUE[~ignored], PREDICTED[~ignored], average="macro", sample_weight=W[~ignored])
    assert score.value == close(theirs)
