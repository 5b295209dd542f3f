"""The focal loss, dice and IoU of a mask, as one writes them with torch."""

import base64
import io
from typing import Any

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

GAMMA, ALPHA = 2.0, 0.25


def decoded(text: str) -> torch.Tensor:
    """The tensor of a .npy file in base64."""
    return torch.from_numpy(np.load(io.BytesIO(base64.b64decode(text)), allow_pickle=False))


def scores(document: dict[str, Any]) -> dict[str, float]:
    """The three numbers of a document with `prediction`, float32 logits, and `target`, uint8."""
    with torch.no_grad():
        logits, target = decoded(document["prediction"]), decoded(document["target"])
        return {"focal_loss": focal(logits, target.float()), **overlaps(logits > 0, target > 0)}


def focal(logits: torch.Tensor, target: torch.Tensor) -> float:
    """The mean of -alpha_t (1 - pt)^gamma log pt."""
    entropy = binary_cross_entropy_with_logits(logits, target, reduction="none")
    p = torch.sigmoid(logits)
    missed = 1 - (p * target + (1 - p) * (1 - target))
    alpha = ALPHA * target + (1 - ALPHA) * (1 - target)
    return float((alpha * missed**GAMMA * entropy).mean())


def overlaps(prediction: torch.Tensor, target: torch.Tensor) -> dict[str, float]:
    """Dice and IoU of two masks."""
    both, either = float((prediction & target).sum()), float((prediction | target).sum())
    return {"dice": 2 * both / (both + either), "iou": both / either}
