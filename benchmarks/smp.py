"""The panels by segmentation_models_pytorch: its formulas, of each sample."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import binary_cross_entropy_with_logits

from tests.peers.segmentation_models_pytorch import losses, metrics

SMP = "segmentation_models_pytorch"
Scores = Mapping[str, NDArray[np.float64]]


def core(logits: torch.Tensor, target: torch.Tensor, smooth: float) -> Scores:
    """Focal loss, cross-entropy, soft dice and IoU."""
    return _told(_losses(logits, target, smooth) | {"iou": metrics.iou_score(*_counts(logits, target, 0.5))})


def full(logits: torch.Tensor, target: torch.Tensor, smooth: float, thresholds: Sequence[float]) -> Scores:
    """The same, the mean of both classes' IoU over thresholds, and the errors at the first."""
    at = [_counts(logits, target, threshold) for threshold in thresholds]
    both = [metrics.iou_score(*counts) + metrics.iou_score(*_of_background(*counts)) for counts in at]
    _, fp, fn, _ = at[0]
    mine = {"iou": metrics.iou_score(*at[0]), "mean_iou": torch.stack(both).mean(0) / 2, "confusion": fp + fn}
    return _told(_losses(logits, target, smooth) | mine)


def _losses(logits: torch.Tensor, target: torch.Tensor, smooth: float) -> dict[str, torch.Tensor]:
    real = target.float()
    focal = losses._functional.focal_loss_with_logits(logits, real, gamma=2.0, alpha=0.25, reduction="none")
    entropy = binary_cross_entropy_with_logits(logits, real, reduction="none")
    # Tversky's halves: its smoothing counts twice
    dice = losses._functional.soft_dice_score(logits.sigmoid(), real, smooth=smooth / 2, dims=(1, 2))
    return {"focal_loss": focal.mean((1, 2)), "cross_entropy": entropy.mean((1, 2)), "dice": dice}


def _counts(logits: torch.Tensor, target: torch.Tensor, threshold: float) -> tuple[torch.Tensor, ...]:
    """TP, FP, FN and TN of each sample, (samples, 1)."""
    counts: tuple[torch.Tensor, ...] = metrics.get_stats(
        logits.sigmoid()[:, None], target.long()[:, None], mode="binary", threshold=threshold
    )
    return counts


def _of_background(tp: torch.Tensor, fp: torch.Tensor, fn: torch.Tensor, tn: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return tn, fn, fp, tp


def _told(values: Mapping[str, torch.Tensor]) -> Scores:
    return {name: value.reshape(-1).double().numpy() for name, value in values.items()}
