"""MONAI."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from monai.data.box_utils import box_iou
from monai.losses import (
    BoxGIoULoss,
    DiceCELoss,
    DiceFocalLoss,
    DiceLoss,
    FocalLoss,
    GeneralizedDiceFocalLoss,
    GeneralizedDiceLoss,
    TverskyLoss,
)
from monai.metrics import (
    CalibrationErrorMetric,
    FBetaScore,
    GeneralizedDiceScore,
    MSEMetric,
    compute_average_precision,
    compute_average_surface_distance,
    compute_confusion_matrix_metric,
    compute_dice,
    compute_hausdorff_distance,
    compute_iou,
    compute_panoptic_quality,
    compute_roc_auc,
    compute_surface_dice,
    get_confusion_matrix,
)

from tests.peers.batch import Batch
from tests.peers.peer import (
    BOXES,
    LABELS,
    LOGITS,
    MASKS,
    PROBABILITIES,
    Peer,
    both_sides_of_every_class,
    of_two_surfaces,
)
from tests.reference import Case

TASKS = ("binary", "multiclass", "multilabel")
GENERALIZED_SCORE = {
    "soft": False,
    "absent": "max_of_present",
    "smooth_numerator": 0.0,
    "smooth_denominator": 0.0,
    "empty": {"both": 0.0},
}
CLASS_WEIGHTS = torch.tensor([0.5, 2.0, 3.0], dtype=torch.float64)
ONE_OR_MORE = ("binary", "multilabel")
NAMES = {"precision": "precision", "recall": "sensitivity", "specificity": "specificity", "fbeta": "f1 score"}


def _channels(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    return batch.channels(batch.mask), batch.channels(batch.target)


def _mean(values: torch.Tensor) -> float:
    """MONAI's reduction: over classes, then over the samples that have a value."""
    return float(torch.nanmean(torch.nanmean(values.double(), dim=1)))


def _dice(batch: Batch) -> float:
    return _mean(compute_dice(*_channels(batch)))


def _iou(batch: Batch) -> float:
    return _mean(compute_iou(*_channels(batch)))


def _confusion(name: str) -> Callable[[Batch], float]:
    return lambda batch: _mean(compute_confusion_matrix_metric(name, get_confusion_matrix(*_channels(batch))))


def _squares(batch: Batch) -> float:
    of = MSEMetric()
    of(batch.channels(batch.prediction), batch.channels(batch.target).double())
    return float(of.aggregate())


def _f_score(batch: Batch) -> float:
    of = FBetaScore(beta=2.0)
    of(*_channels(batch))
    return float(of.aggregate()[0])


def _generalized_score(batch: Batch) -> float:
    of = GeneralizedDiceScore()
    of(*(array.double() for array in _channels(batch)))
    return 1 - float(of.aggregate())


def _focal(**asked: Any) -> Callable[[Batch], float]:
    return lambda batch: _ignoring(FocalLoss, batch, **asked)


def _ignoring(loss: Callable[..., Any], batch: Batch, **asked: Any) -> float:
    """Of classes the target is of their numbers, where an ignored one is told."""
    several = batch.first.task == "multiclass"
    target = batch.target[:, None] if several else batch.channels(batch.target).double()
    of = loss(to_onehot_y=several, ignore_index=batch.first.ignore_index, **asked)
    return float(of(batch.channels(batch.prediction), target))


def _compound(loss: Callable[..., Any], **asked: Any) -> Callable[[Batch], float]:
    """A sum of two losses, the one of the region of sigmoids, or of the softmax of classes."""
    return _of_region(loss, **asked)


def _of_numbers(batch: Batch) -> float:
    """DiceCELoss's weighted cross-entropy of a target of class numbers, (B, 1, *S)."""
    of = DiceCELoss(softmax=True, to_onehot_y=True, lambda_dice=0.0, weight=CLASS_WEIGHTS)
    return float(of(batch.prediction, batch.target[:, None]))


def _cross_entropy(batch: Batch) -> float:
    """What DiceCELoss has beside the dice; its binary one takes weights of its own."""
    of = DiceCELoss(sigmoid=True, lambda_dice=0.0)
    if batch.first.task == "binary":
        of.binary_cross_entropy.weight = batch.channels(batch.weight)
        return float(of(batch.channels(batch.prediction), batch.channels(batch.target).double()))
    return _compound(DiceCELoss, lambda_dice=0.0)(batch)


def _of_region(loss: Callable[..., Any], **asked: Any) -> Callable[[Batch], float]:
    def value(batch: Batch) -> float:
        softmax = batch.first.task == "multiclass"
        of = loss(sigmoid=not softmax, softmax=softmax, **asked)
        return float(of(batch.channels(batch.prediction), batch.channels(batch.target).double()))

    return value


def _of_valid_region(loss: Callable[..., Any], **asked: Any) -> Callable[[Batch], float]:
    """One that takes an ignore_index."""

    def value(batch: Batch) -> float:
        softmax = batch.first.task == "multiclass"
        return _ignoring(loss, batch, sigmoid=not softmax, softmax=softmax, **asked)

    return value


def _ranked(function: Callable[..., Any]) -> Callable[[Batch], float]:
    def score(batch: Batch) -> float:
        target, prediction = batch.rows()
        if batch.first.task == "multiclass":
            target = np.eye(batch.classes)[target]
        return float(function(torch.tensor(prediction), torch.tensor(target)))

    return score


def _calibration(reduction: str, bins: int) -> Callable[[Batch], float]:
    def error(batch: Batch) -> float:
        of = CalibrationErrorMetric(num_bins=bins, calibration_reduction=reduction)
        of(batch.channels(batch.prediction), batch.channels(batch.target))
        return float(of.aggregate())

    return error


def _panoptic(batch: Batch) -> float:
    pairs = ((torch.tensor(case.prediction), torch.tensor(case.target)) for case in batch.cases)
    return float(np.mean([float(compute_panoptic_quality(*pair)) for pair in pairs]))


def _boxes(batch: Batch) -> tuple[torch.Tensor, ...]:
    sides = ([getattr(case, name) for case in batch.cases] for name in ("prediction", "target"))
    return tuple(torch.tensor(np.concatenate(boxes)) for boxes in sides)


def _box_iou(batch: Batch) -> float:
    return float(box_iou(*_boxes(batch)).diag().mean())


def _giou(batch: Batch) -> float:
    return float(BoxGIoULoss()(*_boxes(batch)))


def _have_areas(case: Case) -> bool:
    return all(bool((box[:, 2:] - box[:, :2] >= 0.125).all()) for box in (case.prediction, case.target))


def _ignores(case: Case) -> bool:
    return case.ignore_index is not None


def _any(case: Case) -> bool:
    return True


def _has_a_label(case: Case) -> bool:
    return bool(case.target.any())


def _of_axes(case: Case) -> bool:
    """(H, W) or (H, W, D)."""
    return case.target.ndim in (2, 3)


def _surface(function: Callable[..., Any], **asked: Any) -> Callable[[Batch], float]:
    return lambda batch: _mean(function(*_channels(batch), include_background=True, spacing=batch.spacing, **asked))


def _surface_dice(tolerance: float, subvoxels: bool = False) -> Callable[[Batch], float]:
    def score(batch: Batch) -> float:
        thresholds = [tolerance] * batch.classes
        asked = {"include_background": True, "use_subvoxels": subvoxels, "spacing": batch.spacing}
        return _mean(compute_surface_dice(*_channels(batch), thresholds, **asked))

    return score


SURFACES = {
    "hausdorff": _surface(compute_hausdorff_distance),
    "average_surface_distance": _surface(compute_average_surface_distance),
    "surface_dice": _surface_dice(1.0),
}
PEERS = {
    **{
        (metric, task): Peer(run, LABELS, tolerance=1e-5, takes=of_two_surfaces, rarely=True)
        for metric, run in SURFACES.items()
        for task in TASKS
    },
    **{("dice", task): Peer(_dice, MASKS, tolerance=1e-5) for task in TASKS},
    **{("iou", task): Peer(_iou, MASKS, tolerance=1e-5) for task in TASKS},
    **{
        (metric, task): Peer(_of_valid_region(loss, **asked), LOGITS, soft=True, ignored=task != "multilabel")
        for metric, loss, asked in (
            ("dice_loss", DiceLoss, {}),
            ("iou_loss", DiceLoss, {"jaccard": True}),
            ("tversky_loss", TverskyLoss, {}),
        )
        for task in TASKS
    },
    **{
        ("focal_loss", task): Peer(_focal(), LOGITS, soft=True, ignored=task == "binary", tolerance=1e-5)
        for task in TASKS
    },
    **{
        ("cross_entropy", task): Peer(_cross_entropy, LOGITS, soft=True, weights=task == "binary", tolerance=1e-5)
        for task in ("binary", "multiclass")
    },
    **{
        (metric, task): Peer(_confusion(name), MASKS, tolerance=1e-5)
        for metric, name in NAMES.items()
        for task in TASKS
    },
    **{("accuracy", task): Peer(_confusion("accuracy"), MASKS, tolerance=1e-5) for task in ONE_OR_MORE},
    **{
        ("generalized_dice_loss", task): Peer(
            _of_region(GeneralizedDiceLoss), LOGITS, soft=True, tolerance=1e-5, takes=takes
        )
        for task, takes in (("binary", _any), ("multiclass", _any), ("multilabel", _has_a_label))
    },
    **{("mcc", t): Peer(_confusion("matthews correlation coefficient"), MASKS, tolerance=1e-5) for t in TASKS},
    **{("balanced_accuracy", t): Peer(_confusion("balanced accuracy"), MASKS, tolerance=1e-5) for t in ONE_OR_MORE},
    **{
        (metric, task): Peer(
            _ranked(function),
            PROBABILITIES,
            ignored=task != "multilabel",
            tolerance=1e-5,
            takes=both_sides_of_every_class,
            rarely=True,
        )
        for metric, function in (("roc_auc", compute_roc_auc), ("average_precision", compute_average_precision))
        for task in TASKS
    },
    **{
        ("calibration_error", t): Peer(_calibration("expected", 20), PROBABILITIES, tolerance=1e-5) for t in ONE_OR_MORE
    },
    **{("brier", task): Peer(_squares, PROBABILITIES, soft=True, tolerance=1e-5) for task in TASKS},
    ("panoptic_quality", "instances"): Peer(_panoptic, LABELS, tolerance=1e-5, takes=_of_axes, rarely=True),
    ("box_iou", "boxes"): Peer(_box_iou, BOXES, tolerance=1e-5),
    ("giou_loss", "boxes"): Peer(_giou, BOXES, takes=_have_areas, tolerance=1e-4),
}
WEIGHTS = {
    DiceCELoss: ("lambda_dice", "lambda_ce"),
    DiceFocalLoss: ("lambda_dice", "lambda_focal"),
    GeneralizedDiceFocalLoss: ("lambda_gdl", "lambda_focal"),
}


def _sum_of(*metrics: str, weights: tuple[float, ...]) -> dict[str, Any]:
    """The terms of a combined loss."""
    return {"terms": [{"metric": {"name": one}, "weight": w} for one, w in zip(metrics, weights, strict=True)]}


PERCENT = _surface(compute_hausdorff_distance, percentile=95)
SYMMETRIC = _surface(compute_average_surface_distance, symmetric=True)
DIRECTED = _surface(compute_hausdorff_distance, directed=True)
MORE = (
    tuple(
        (metric, task, parameters, Peer(run, LABELS, tolerance=1e-5, takes=of_two_surfaces, spaced=spaced))
        for spaced in (False, True)
        for metric, parameters, run in (
            ("hausdorff", {"percentile": 95.0}, PERCENT),
            ("hausdorff", {"directed": True}, DIRECTED),
            ("average_surface_distance", {"symmetric": "assd"}, SYMMETRIC),
            ("surface_dice", {"nsd_mode": "pooled_areas", "tolerance": 0.5}, _surface_dice(0.5, True)),
        )
        for task in TASKS
    )
    + tuple(
        more
        for task in TASKS
        for more in (
            (
                "tversky_loss",
                task,
                {"fp_weight": 0.2, "fn_weight": 0.9},
                Peer(_of_region(TverskyLoss, alpha=0.2, beta=0.9), LOGITS),
            ),
            (
                "generalized_dice_loss",
                task,
                {"weight_type": "simple"},
                Peer(_of_region(GeneralizedDiceLoss, w_type="simple"), LOGITS, tolerance=1e-5),
            ),
        )
    )
    + tuple(
        (
            "calibration_error",
            task,
            {"norm": norm, "bins": 7},
            Peer(_calibration(name, 7), PROBABILITIES, tolerance=1e-5),
        )
        for task in ONE_OR_MORE
        for norm, name in (("max", "maximum"),)
    )
    + tuple(
        (
            "combined_loss",
            task,
            _sum_of(*metrics, weights=weights),
            Peer(_compound(loss, **asked), LOGITS, tolerance=1e-5),
        )
        for loss, metrics, tasks in (
            (DiceCELoss, ("dice_loss", "cross_entropy"), ("binary", "multiclass")),
            (DiceFocalLoss, ("dice_loss", "focal_loss"), TASKS),
            (GeneralizedDiceFocalLoss, ("generalized_dice_loss", "focal_loss"), TASKS),
        )
        for task in tasks
        for weights, asked in (((1.0, 1.0), {}), ((0.5, 2.0), dict(zip(WEIGHTS[loss], (0.5, 2.0), strict=True))))
    )
    + tuple(
        (
            "focal_loss",
            "multiclass",
            {**mode, "denominator": "pixels"},
            Peer(_focal(**asked), LOGITS, ignored=True, takes=_ignores, tolerance=1e-5),
        )
        for mode, asked in (({}, {}), ({"multiclass_mode": "softmax"}, {"use_softmax": True}))
    )
    + tuple(
        ("focal_loss", "multiclass", parameters, Peer(_focal(**asked), LOGITS, tolerance=1e-5))
        for parameters, asked in (
            ({"multiclass_mode": "softmax"}, {"use_softmax": True}),
            ({"multiclass_mode": "softmax", "alpha": [0.7, 0.3, 0.3]}, {"use_softmax": True, "alpha": 0.3}),
            ({"alpha": 0.3, "gamma": 1.5}, {"alpha": 0.3, "gamma": 1.5}),
        )
    )
    + tuple(
        ("cross_entropy", task, parameters, Peer(_compound(DiceCELoss, lambda_dice=0.0, **asked), LOGITS))
        for task, parameters, asked in (
            ("binary", {"pos_weight": 3.0}, {"weight": torch.tensor([3.0], dtype=torch.float64)}),
            (
                "multiclass",
                {"class_weights": CLASS_WEIGHTS.tolist(), "weight_denominator": "count"},
                {"weight": CLASS_WEIGHTS},
            ),
            ("multiclass", {"label_smoothing": 0.1}, {"label_smoothing": 0.1}),
            (
                "multiclass",
                {"class_weights": CLASS_WEIGHTS.tolist(), "weight_denominator": "count", "label_smoothing": 0.1},
                {"weight": CLASS_WEIGHTS, "label_smoothing": 0.1},
            ),
        )
    )
    + (("cross_entropy", "multiclass", {"class_weights": CLASS_WEIGHTS.tolist()}, Peer(_of_numbers, LOGITS)),)
    + tuple(
        ("fbeta", task, {"beta": 2.0, "average": "micro", "pooling": "batch"}, Peer(_f_score, MASKS, tolerance=1e-5))
        for task in TASKS
    )
    + tuple(
        ("generalized_dice_loss", task, GENERALIZED_SCORE, Peer(_generalized_score, MASKS, tolerance=1e-5))
        for task in TASKS
    )
    + tuple(
        ("dice_loss", task, parameters, Peer(_of_region(DiceLoss, **asked), LOGITS))
        for task in TASKS
        for parameters, asked in (
            ({"squared": True}, {"squared_pred": True}),
            ({"pooling": "batch"}, {"batch": True}),
        )
    )
)
