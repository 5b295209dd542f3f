"""The references of rankings and of calibration against scikit-learn, torchmetrics and the published Lovasz code."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest
import torch
from lossgauge import metrics as m
from lossgauge_service.engine import Engine
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve
from torchmetrics.functional.classification import (
    binary_calibration_error,
    multiclass_auroc,
    multiclass_average_precision,
    multiclass_calibration_error,
)

from tests.reference import Case, reference
from tests.reference.case import AnyArray
from tests.scoring import score

RNG = np.random.default_rng(8)
N, CLASSES = 300, 4
P = np.round(RNG.random(N), 2)
T = (RNG.random(N) < P).astype(int)
W = RNG.uniform(0, 3, N)
X = RNG.normal(0, 2, (CLASSES, N))
SOFTMAX = np.exp(X) / np.exp(X).sum(0)
LABELS = RNG.integers(0, CLASSES, N)
BINARY = Case(P, T, prediction_kind="probabilities")
WEIGHTED = Case(P, T, W, prediction_kind="probabilities")
CLASSED = Case(SOFTMAX, LABELS, task="multiclass", prediction_kind="probabilities", num_classes=CLASSES)
PEERS: list[tuple[type[m.RocAuc] | type[m.AveragePrecision], Callable[..., Any], Callable[..., Any]]] = [
    (m.RocAuc, roc_auc_score, multiclass_auroc),
    (m.AveragePrecision, average_precision_score, multiclass_average_precision),
]


@pytest.mark.parametrize(("spec", "peer", "_"), PEERS)
def test_areas_are_scikit_learns(spec: Callable[..., Any], peer: Callable[..., Any], _: object) -> None:
    """With ties, and with weights."""
    assert reference(spec(), BINARY).value == pytest.approx(peer(T, P), rel=1e-12)
    assert reference(spec(), WEIGHTED).value == pytest.approx(peer(T, P, sample_weight=W), rel=1e-12)


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
@pytest.mark.parametrize(("spec", "peer", "_"), PEERS)
def test_averages_are_scikit_learns(
    spec: Callable[..., Any], peer: Callable[..., Any], _: object, average: str
) -> None:
    """Labels that are averaged in each of its ways."""
    target = (RNG.random((CLASSES, N)) < SOFTMAX).astype(int)
    case = Case(SOFTMAX, target, task="multilabel", prediction_kind="probabilities")
    expected = peer(target.T, SOFTMAX.T, average=average)
    assert reference(spec(average=average), case).value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("average", ["macro", "weighted"])
@pytest.mark.parametrize(("spec", "_", "peer"), PEERS)
def test_classes_against_the_rest_are_torchmetrics(
    spec: Callable[..., Any], _: object, peer: Callable[..., Any], average: str
) -> None:
    """Classes, each against the rest."""
    expected = float(peer(torch.tensor(SOFTMAX.T), torch.tensor(LABELS), CLASSES, average=average))
    assert reference(spec(average=average), CLASSED).value == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
def test_calibration_is_torchmetrics(norm: Literal["l1", "l2", "max"]) -> None:
    """The positive's probability, and the top label's, where no value is on an edge."""
    p = RNG.random(N)
    ours = reference(m.CalibrationError(norm=norm, bins=10), Case(p, T, prediction_kind="probabilities"))
    theirs = binary_calibration_error(torch.tensor(p), torch.tensor(T), n_bins=10, norm=norm)
    assert ours.value == pytest.approx(float(theirs), rel=1e-5)
    of_classes = multiclass_calibration_error(
        torch.tensor(SOFTMAX.T), torch.tensor(LABELS), CLASSES, n_bins=10, norm=norm
    )
    assert reference(m.CalibrationError(norm=norm, bins=10), CLASSED).value == pytest.approx(
        float(of_classes), rel=1e-5
    )


# ---------------------------------------------------------------------------------------------------------------- Lovasz


def published_extension(errors: torch.Tensor, truth: torch.Tensor) -> float:
    """Berman's `lovasz_grad` and the dot product with the sorted errors, line by line."""
    ordered, places = torch.sort(errors, descending=True)
    gt = truth[places].double()
    union_before = gt.sum()
    jaccard = 1 - (union_before - gt.cumsum(0)) / (union_before + (1 - gt).cumsum(0))
    jaccard[1:] = jaccard[1:] - jaccard[:-1].clone()
    return float(torch.dot(torch.relu(ordered), jaccard))


@pytest.mark.parametrize("positives", [0.0, 0.3, 1.0])
def test_lovasz_hinge_is_the_published(positives: float) -> None:
    """Hinge errors of logits; of an empty and of a full target too."""
    x, t = RNG.normal(0, 2, N), (RNG.random(N) < positives).astype(int)
    expected = published_extension(torch.tensor(1 - x * (2 * t - 1)), torch.tensor(t))
    assert reference(m.LovaszHinge(), Case(x, t)).value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("classes", ["present", "all", [1, 3]])
def test_lovasz_softmax_is_the_published(classes: Any) -> None:
    """The mean over the classes that the target has, over all, and over some; class 3 is absent."""
    labels = LABELS % 3
    chosen = {"present": range(3), "all": range(CLASSES)}.get(str(classes), classes)
    losses = [
        published_extension(torch.tensor(abs((labels == c) - SOFTMAX[c])), torch.tensor(labels == c)) for c in chosen
    ]
    case = Case(SOFTMAX, labels, task="multiclass", prediction_kind="probabilities", num_classes=CLASSES)
    assert reference(m.LovaszSoftmax(classes=classes), case).value == pytest.approx(np.mean(losses), rel=1e-12)


# ------------------------------------------------------------------------------------------------- curves and histograms


def found(engine: Engine, spec: m.MetricSpec, case: Case) -> dict[str, Any]:
    """What the service answers."""
    return score(engine, spec, case).model_dump()


@pytest.mark.parametrize("weights", [None, W])
def test_the_roc_curve_is_scikit_learns(engine: Engine, weights: AnyArray | None) -> None:
    """Every bend of it, with its threshold."""
    curve = found(
        engine, m.RocAuc(curve="points", max_points=1000), Case(P, T, weights, prediction_kind="probabilities")
    )
    fpr, tpr, thresholds = roc_curve(T, P, sample_weight=weights, drop_intermediate=False)
    places = [0, *(int(np.flatnonzero(thresholds == th)[0]) for th in curve["curve"]["thresholds"][1:])]
    assert np.allclose(curve["curve"]["fpr"], fpr[places], atol=1e-12)
    assert np.allclose(curve["curve"]["tpr"], tpr[places], atol=1e-12)
    assert np.trapezoid(curve["curve"]["tpr"], curve["curve"]["fpr"]) == pytest.approx(curve["value"], rel=1e-12)


def test_the_precision_recall_curve_is_scikit_learns(engine: Engine) -> None:
    """Every threshold that adds a positive."""
    curve = found(engine, m.AveragePrecision(curve="points", max_points=1000), BINARY)["curve"]
    precision, recall, thresholds = precision_recall_curve(T, P)
    places = np.searchsorted(thresholds, curve["thresholds"])
    assert set(thresholds) - set(curve["thresholds"]) <= set(P) - set(P[T == 1])
    assert np.allclose(curve["precision"], precision[places])
    assert np.allclose(curve["recall"], recall[places])


@pytest.mark.parametrize("most", [2, 3, 10])
def test_a_curve_of_fewer_points_tells_what_its_area_loses(engine: Engine, most: int) -> None:
    """Both ends stay, and the area of what is left is the value and the change."""
    roc = found(engine, m.RocAuc(curve="points", max_points=most), BINARY)
    points = roc["curve"]
    assert len(points["fpr"]) <= most
    assert (points["fpr"][0], points["tpr"][0], points["fpr"][-1], points["tpr"][-1]) == (0, 0, 1, 1)
    assert np.trapezoid(points["tpr"], points["fpr"]) == pytest.approx(roc["value"] + points["area_change"], rel=1e-12)
    pr = found(engine, m.AveragePrecision(curve="points", max_points=most), BINARY)
    area = np.dot(np.diff(pr["curve"]["recall"], prepend=0), pr["curve"]["precision"])
    assert area == pytest.approx(pr["value"] + pr["curve"]["area_change"], rel=1e-12)


@pytest.mark.parametrize("case", [BINARY, WEIGHTED, CLASSED], ids=["binary", "weighted", "classes"])
@pytest.mark.parametrize("bins", [2, 5, 50])
@pytest.mark.parametrize("spec", [m.RocAuc, m.AveragePrecision])
def test_the_exact_area_is_within_the_histograms_bound(
    engine: Engine, spec: Callable[..., m.MetricSpec], bins: int, case: Case
) -> None:
    """However few the bins, the bound holds, and more bins have a smaller one."""
    exact, rough = found(engine, spec(), case), found(engine, spec(method="histogram", bins=bins), case)
    finer = found(engine, spec(method="histogram", bins=10 * bins), case)
    assert abs(exact["value"] - rough["value"]) <= rough["error_bound"] + 1e-12
    assert finer["error_bound"] < rough["error_bound"]


@pytest.mark.parametrize("spec", [m.RocAuc(average="micro"), m.LovaszSoftmax(classes="all")])
def test_classes_that_change_places_stay_tied(engine: Engine, spec: m.MetricSpec) -> None:
    """The order in which a softmax adds up its classes never parts two pixels that are tied."""
    x = np.array([0.3, -1.7, 2.9, 0.1, -0.6])
    pixels = np.stack([x[[0, *(1 + RNG.permutation(4))]] for _ in range(100)], -1)
    target = np.arange(100) % 2
    case = Case(pixels, target, task="multiclass", num_classes=5)
    per_class = score(engine, m.RocAuc(average="none"), case).per_class
    assert per_class is not None
    assert per_class[0] == 0.5
    assert score(engine, spec, case).value == pytest.approx(reference(spec, case).value, rel=1e-12)
