"""The defects that presets name are in the library that is installed, and not here."""

import math
import os
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pytest
import torch
from lossgauge import metrics as m
from lossgauge.metrics import MetricSpec
from lossgauge.presets import PRESETS
from lossgauge_service.engine import Engine
from numpy.typing import NDArray

from tests.reference import Case
from tests.scoring import score

pytestmark = pytest.mark.filterwarnings("ignore")
IS_REQUIRED = os.environ.get("LOSSGAUGE_PEERS") == "required"


def library(preset: str, module: str) -> Any:
    """A module of a preset's library; skips where it is not installed, or fails where that is required."""
    try:
        version(PRESETS[preset].distribution)
    except PackageNotFoundError:
        (pytest.fail if IS_REQUIRED else pytest.skip)(f"{PRESETS[preset].distribution} is not installed")
    return import_module(module)


def mask(height: int, width: int, *pixels: tuple[int, int]) -> NDArray[np.int64]:
    """A mask of these pixels."""
    made = np.zeros((height, width), np.int64)
    made[tuple(np.array(pixels, np.int64).reshape(-1, 2).T)] = 1
    return made


def of_labels(engine: Engine, spec: MetricSpec, prediction: NDArray[Any], target: NDArray[Any]) -> float | None:
    """Our score of two masks."""
    return score(engine, spec, Case(prediction, target, prediction_kind="labels")).value


def one(array: NDArray[Any]) -> torch.Tensor:
    """A sample of one channel."""
    return torch.tensor(array)[None, None]


@pytest.mark.parametrize(("shape", "theirs"), [((8, 16), 3), ((8, 8), math.dist((1, 1), (5, 7)))])
def test_torchmetrics_distances_are_of_square_images(engine: Engine, shape: tuple[int, int], theirs: float) -> None:
    """Two pixels that are 7.2 apart: 3 where height and width differ."""
    segmentation = library("torchmetrics", "torchmetrics.functional.segmentation")
    prediction, target = mask(*shape, (1, 1)), mask(*shape, (5, 7))
    found = segmentation.hausdorff_distance(one(prediction), one(target), 1, include_background=True)
    assert float(found) == pytest.approx(theirs)
    assert of_labels(engine, m.Hausdorff(preset="torchmetrics"), prediction, target) == pytest.approx(math.sqrt(52))


def test_monai_s_hd95_forgets_a_missed_object(engine: Engine) -> None:
    """One mask empty is NaN for percentile 95, and leaves the mean; here it is the image's diagonal."""
    metrics = library("monai", "monai.metrics")
    missed, target = mask(8, 8), mask(8, 8, (2, 2))
    masks = [torch.cat([one(array), one(target)]) for array in (missed, target)]
    of = metrics.HausdorffDistanceMetric(include_background=True, percentile=95)
    of(*masks)
    assert float(of.aggregate()) == 0
    assert of_labels(engine, m.Hausdorff(percentile=95), missed, target) == pytest.approx(math.hypot(8, 8))


def test_monai_s_softmax_focal_drops_the_background_before_the_softmax() -> None:
    """What the background's logit is does not matter."""
    losses = library("monai", "monai.losses")
    target = torch.tensor([[[[0.0, 1.0]], [[1.0, 0.0]], [[0.0, 0.0]]]])
    found = []
    for background in (-5.0, 5.0):
        x = torch.tensor([[[[background, background]], [[1.0, 0.5]], [[0.0, 2.0]]]])
        found.append(float(losses.FocalLoss(use_softmax=True, include_background=False)(x, target)))
    assert found[0] == found[1]


def test_monai_s_focal_of_classes_is_larger_where_it_ignores() -> None:
    """An ignore_index that is nowhere: as many times as large as there are classes."""
    losses = library("monai", "monai.losses")
    x, target = torch.randn(1, 3, 4, 4), torch.randint(0, 3, (1, 1, 4, 4))
    plain, ignoring = (float(losses.FocalLoss(to_onehot_y=True, ignore_index=i)(x, target)) for i in (None, 255))
    assert ignoring == pytest.approx(3 * plain)


def test_monai_s_losses_ignore_pixels_without_a_label() -> None:
    """Of several labels, a false positive where the target has none costs nothing."""
    losses = library("monai", "monai.losses")
    p, target = torch.ones(1, 2, 1, 2), torch.tensor([[[[1.0, 0.0]], [[1.0, 0.0]]]])
    found = [float(losses.DiceLoss(ignore_index=i)(p, target)) for i in (None, 255)]
    assert found == pytest.approx([1 / 3, 0], abs=1e-5)


def test_keras_weighs_the_one_loss_of_a_batch() -> None:
    """Which pixel has the weight does not matter."""
    losses = library("keras", "tests.peers.keras").keras.losses
    target, prediction = torch.tensor([[1.0], [0.0]]), torch.tensor([[1.0], [1.0]])
    found = [float(losses.Dice()(target, prediction, torch.tensor(w))) for w in ([4.0, 2.0], [2.0, 4.0])]
    assert found == pytest.approx([1.0, 1.0])


def test_monai_s_generalised_dice_costs_nothing_of_an_empty_target(engine: Engine) -> None:
    """Whatever is predicted."""
    losses = library("monai", "monai.losses")
    assert float(losses.GeneralizedDiceLoss()(torch.full((1, 1, 4, 4), 0.9), torch.zeros(1, 1, 4, 4))) == 0
    case = Case(np.full((4, 4), 0.9), mask(4, 4), prediction_kind="probabilities")
    value = score(engine, m.GeneralizedDiceLoss(), case).value
    assert value is not None
    assert value > 0.5


def test_monai_s_bins_are_closed_where_they_are_told_not_to_be() -> None:
    """Probabilities on an edge are in the lower bin, whatever `right` is."""
    calibration = library("monai", "monai.metrics.calibration")
    p = torch.tensor([[[0.25, 0.5]]])
    for right in (False, True):
        assert calibration.calibration_binning(p, torch.ones(1, 1, 2), 4, right=right)[2].tolist() == [[[1, 1, 0, 0]]]


def test_monai_s_unified_focal_takes_probabilities() -> None:
    """Its documentation says logits, of which 1 is less sure than 100: both are taken for a certain yes."""
    of = library("monai", "monai.losses").AsymmetricUnifiedFocalLoss()
    every = torch.ones(1, 1, 4, 4)
    assert float(of(every, every)) == pytest.approx(float(of(100 * every, every)))


def test_segmentation_models_divides_by_the_classes_twice() -> None:
    """With class weights that are all the same a macro mean is C times too small."""
    library("segmentation_models_pytorch", "importlib")
    metrics = import_module("tests.peers.segmentation_models_pytorch").metrics
    right = torch.tensor([[5, 5, 5]])
    none = torch.zeros_like(right)
    stats = (right, none, none, right)
    assert float(metrics.iou_score(*stats, reduction="macro")) == 1
    weighted = metrics.iou_score(*stats, reduction="macro", class_weights=[1.0, 1.0, 1.0])
    assert float(weighted) == pytest.approx(1 / 3)


def test_segmentation_models_has_a_perfect_balanced_accuracy_where_one_class_is(engine: Engine) -> None:
    """All wrong, of an empty target: 1."""
    library("segmentation_models_pytorch", "importlib")
    metrics = import_module("tests.peers.segmentation_models_pytorch").metrics
    stats = metrics.get_stats(one(1 - mask(2, 2)), one(mask(2, 2)), "binary")
    assert float(metrics.balanced_accuracy(*stats, reduction="macro-imagewise")) == 1
    assert of_labels(engine, m.BalancedAccuracy(), 1 - mask(2, 2), mask(2, 2)) == 0


def test_keras_weighs_misses_by_the_weight_of_false_positives() -> None:
    """alpha alone has no part in the loss of a prediction that misses nothing, and that has false positives."""
    losses = library("keras", "tests.peers.keras").keras.losses
    target, prediction = torch.tensor([1.0, 0.0]), torch.tensor([1.0, 1.0])
    assert float(losses.tversky(target, prediction, alpha=1.0, beta=0.0)) == pytest.approx(0, abs=1e-6)
    assert float(losses.tversky(target, prediction, alpha=0.0, beta=1.0)) == pytest.approx(0.5)


def test_torchmetrics_has_an_mcc_of_nothing(engine: Engine) -> None:
    """3 true and 1 false positive, and nothing else: 0 / 0."""
    classification = library("torchmetrics", "torchmetrics.functional.classification")
    prediction, target = np.ones((2, 2), np.int64), np.array([[1, 1], [1, 0]])
    found = classification.binary_matthews_corrcoef(torch.tensor(prediction), torch.tensor(target))
    assert float(found) == pytest.approx(1 / math.sqrt(3))
    assert of_labels(engine, m.Mcc(), prediction, target) is None
    assert of_labels(engine, m.Mcc(preset="torchmetrics", zero_division=0.0), prediction, target) == 0


def test_torchmetrics_generalised_dice_depends_on_the_batch() -> None:
    """A sample whose target lacks a class has another score beside another sample."""
    segmentation = library("torchmetrics", "torchmetrics.functional.segmentation")
    target, prediction = torch.tensor([[[0, 0, 1, 1]], [[0, 0, 0, 2]]]), torch.tensor([[[0, 1, 1, 2]], [[0, 1, 0, 2]]])
    of = segmentation.generalized_dice_score
    together = of(prediction, target, 3, input_format="index")
    alone = torch.cat([of(p[None], t[None], 3, input_format="index") for p, t in zip(prediction, target, strict=True)])
    assert not torch.allclose(together, alone)


def test_torchmetrics_panoptic_quality_forgets_what_is_not_predicted(engine: Engine) -> None:
    """One of two objects is not predicted at all: 1; here 2 / 3."""
    detection = library("torchmetrics", "torchmetrics.functional.detection")
    prediction, target = np.array([[0, 0, 11, 11]]), np.array([[12, 12, 11, 11]])
    pairs = [torch.tensor(np.stack([ids // 10, ids % 10], -1))[None] for ids in (prediction, target)]
    found = detection.panoptic_quality(*pairs, things={1}, stuffs={2}, allow_unknown_preds_category=True)
    assert float(found) == 1
    case = Case(prediction, target, task="instances", prediction_kind="labels")
    assert score(engine, m.PanopticQuality(), case).value == pytest.approx(2 / 3)


def test_torchmetrics_guesses_what_logits_are() -> None:
    """Logits of 0 to 1 are taken as they are: 0.4, a yes, becomes a no."""
    classification = library("torchmetrics", "torchmetrics.functional.classification")
    target = torch.tensor([1, 1])
    assert float(classification.binary_accuracy(torch.tensor([0.4, 0.9]), target)) == 0.5
    assert float(classification.binary_accuracy(torch.tensor([0.4, 1.9]), target)) == 1


def test_torchmetrics_curve_does_not_begin_at_the_origin() -> None:
    """Of thresholds, where a probability is 1, a part of the area is missing."""
    classification = library("torchmetrics", "torchmetrics.functional.classification")
    p, target = torch.tensor([1.0, 1.0, 0.3, 0.4]), torch.tensor([1, 0, 0, 1])
    assert float(classification.binary_auroc(p, target)) == 0.625
    assert float(classification.binary_auroc(p, target, thresholds=11)) == 0.5


def test_scikit_learn_counts_an_absent_label_as_0() -> None:
    """One label is ranked without a fault and the other is nowhere: 0.5."""
    metrics = library("scikit-learn", "sklearn.metrics")
    assert metrics.average_precision_score([[0, 1], [0, 0]], [[0.2, 0.5], [0.3, 0.2]]) == 0.5
