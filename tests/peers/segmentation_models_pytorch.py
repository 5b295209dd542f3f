"""segmentation_models_pytorch: its losses and metrics, read from its files. The package itself asks for torchvision."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from tests.peers.batch import Batch
from tests.peers.peer import LOGITS, MASKS, Peer, both_sides_of_every_class, every_label_counts, ignored_is_no_class

TASKS = ("binary", "multiclass", "multilabel")
NAMES = {
    "iou": "iou_score",
    "fbeta": "f1_score",
    "precision": "precision",
    "recall": "recall",
    "specificity": "specificity",
}


def _part(name: str) -> ModuleType:
    """A subpackage alone, under a name of ours."""
    whole = importlib.util.find_spec("segmentation_models_pytorch")
    assert whole is not None
    assert whole.origin is not None
    path = Path(whole.origin).parent / name / "__init__.py"
    spec = importlib.util.spec_from_file_location(f"smp_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


losses, metrics = _part("losses"), _part("metrics")


def _target(batch: Batch) -> torch.Tensor:
    return batch.target if batch.first.task == "multiclass" else batch.channels(batch.target).double()


def _loss(name: str, **asked: Any) -> Callable[[Batch], float]:
    def loss(batch: Batch) -> float:
        of = getattr(losses, name)(batch.first.task, ignore_index=batch.first.ignore_index, **asked)
        return float(of(batch.channels(batch.prediction), _target(batch)))

    return loss


def _lovasz(per_image: bool) -> Callable[[Batch], float]:
    def loss(batch: Batch) -> float:
        of = losses.LovaszLoss(batch.first.task, per_image=per_image, ignore_index=batch.first.ignore_index)
        return float(of(batch.prediction.float(), batch.target))

    return loss


def _soft_bce(batch: Batch) -> float:
    of = losses.SoftBCEWithLogitsLoss(weight=batch.channels(batch.weight), ignore_index=batch.first.ignore_index)
    return float(of(batch.channels(batch.prediction), _target(batch)))


def _soft_ce(batch: Batch) -> float:
    ignored = -100 if batch.first.ignore_index is None else batch.first.ignore_index
    of = losses.SoftCrossEntropyLoss(smooth_factor=0.0, ignore_index=ignored)
    return float(of(batch.prediction, batch.target))


def _counted(name: str) -> Callable[[Batch], float]:
    def score(batch: Batch) -> float:
        return float(getattr(metrics, name)(*_stats(batch), reduction="macro-imagewise"))

    return score


def _stats(batch: Batch) -> Any:
    first = batch.first
    if first.task == "multiclass":
        asked = {"num_classes": first.classes, "ignore_index": first.ignore_index}
        return metrics.get_stats(batch.mask, batch.target, "multiclass", **asked)
    prediction, target = batch.channels(batch.prediction), batch.channels(batch.target)
    threshold = None if first.prediction_kind == "labels" else first.threshold
    # a threshold of 0 would make positives of the target's zeros too
    return metrics.get_stats(prediction, target, first.task, threshold=threshold)


def _above_zero(case: Any) -> bool:
    return bool((case.threshold > 0 or case.prediction_kind == "labels") and ignored_is_no_class(case))


def _of_both_sides(case: Any) -> bool:
    return _above_zero(case) and both_sides_of_every_class(case)


def _of_axes(case: Any) -> bool:
    """Two or more: over one it takes classes for a sigmoid's output."""
    return bool(case.target.ndim > 1)


def _ignores(task: str) -> bool:
    return task != "multilabel"


PEERS = {
    **{
        (metric, task): Peer(_loss(name), LOGITS, soft=True, ignored=True, takes=every_label_counts)
        for metric, name in (("dice_loss", "DiceLoss"), ("iou_loss", "JaccardLoss"), ("tversky_loss", "TverskyLoss"))
        for task in TASKS
    },
    **{
        ("focal_loss", t): Peer(_loss("FocalLoss"), LOGITS, soft=True, ignored=_ignores(t))
        for t in ("binary", "multilabel")
    },
    ("focal_loss", "multiclass"): Peer(_loss("FocalLoss"), LOGITS, ignored=True),
    **{
        ("cross_entropy", t): Peer(_soft_bce, LOGITS, soft=True, ignored=True, weights=True)
        for t in ("binary", "multilabel")
    },
    ("focal_tversky_loss", "binary"): Peer(_loss("TverskyLoss", gamma=0.75), LOGITS, soft=True, ignored=True),
    ("lovasz_hinge", "binary"): Peer(_lovasz(False), LOGITS, ignored=True, tolerance=1e-5),
    ("lovasz_softmax", "multiclass"): Peer(_lovasz(False), LOGITS, ignored=True, tolerance=1e-5, takes=_of_axes),
    **{
        ("balanced_accuracy", t): Peer(
            _counted("balanced_accuracy"), MASKS, tolerance=1e-5, takes=_of_both_sides, rarely=True
        )
        for t in ("binary", "multilabel")
    },
    ("cross_entropy", "multiclass"): Peer(_soft_ce, LOGITS, ignored=True),
    **{
        (metric, task): Peer(_counted(name), MASKS, ignored=task == "multiclass", tolerance=1e-5, takes=_above_zero)
        for metric, name in NAMES.items()
        for task in TASKS
    },
    **{
        ("accuracy", t): Peer(_counted("accuracy"), MASKS, tolerance=1e-5, takes=_above_zero)
        for t in ("binary", "multilabel")
    },
}
WEIGHTS = {"alpha": 0.2, "beta": 0.9}
MORE = (
    *(
        (
            "tversky_loss",
            task,
            {"fp_weight": 0.2, "fn_weight": 0.9},
            Peer(_loss("TverskyLoss", **WEIGHTS), LOGITS, soft=True),
        )
        for task in TASKS
    ),
    *(
        (
            "focal_loss",
            task,
            {"alpha": 0.3, "gamma": 1.5, "reduced_threshold": 0.4},
            Peer(_loss("FocalLoss", alpha=0.3, gamma=1.5, reduced_threshold=0.4), LOGITS, soft=True),
        )
        for task in TASKS
    ),
    ("lovasz_hinge", "binary", {"pooling": "sample"}, Peer(_lovasz(True), LOGITS, tolerance=1e-5)),
    ("lovasz_softmax", "multiclass", {"pooling": "sample"}, Peer(_lovasz(True), LOGITS, tolerance=1e-5)),
)
