"""torchvision's formula: torchvision/ops/focal_loss.py."""

import torch
from torch.nn import functional

from tests.peers.batch import Batch
from tests.peers.peer import LOGITS, Peer


def _focal(batch: Batch) -> float:
    x, t = batch.prediction, batch.target.double()
    p = torch.sigmoid(x)
    loss = functional.binary_cross_entropy_with_logits(x, t, reduction="none")
    p_t = p * t + (1 - p) * (1 - t)
    return float((loss * (1 - p_t) ** 2 * (0.25 * t + 0.75 * (1 - t))).mean())


FOCAL = Peer(_focal, LOGITS)
PEERS = {("focal_loss", "binary"): FOCAL, ("focal_loss", "multilabel"): FOCAL}
