"""torchvision's formulas: ops/focal_loss.py, boxes.py, giou_loss.py, diou_loss.py, ciou_loss.py."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from tests.peers.batch import Batch
from tests.peers.peer import BOXES, LOGITS, Peer
from tests.reference import Case

EPS = 1e-7


def _focal(batch: Batch) -> float:
    x, t = batch.prediction, batch.target.double()
    p = torch.sigmoid(x)
    loss = functional.binary_cross_entropy_with_logits(x, t, reduction="none")
    p_t = p * t + (1 - p) * (1 - t)
    return float((loss * (1 - p_t) ** 2 * (0.25 * t + 0.75 * (1 - t))).mean())


def _pairs(batch: Batch) -> tuple[torch.Tensor, ...]:
    """Both boxes, and the areas of their intersection, their union and the box around both: ops/boxes.py, ops/_utils.py."""
    p, t = (torch.tensor(np.concatenate(arrays)) for arrays in zip(*_arrays(batch), strict=True))
    low, high = torch.maximum(p[:, :2], t[:, :2]), torch.minimum(p[:, 2:], t[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    union = sum((box[:, 2:] - box[:, :2]).prod(1) for box in (p, t)) - shared
    around = torch.maximum(p[:, 2:], t[:, 2:]) - torch.minimum(p[:, :2], t[:, :2])
    return p, t, shared, union, around


def _arrays(batch: Batch) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    return [(case.prediction, case.target) for case in batch.cases]


def _iou(batch: Batch) -> float:
    _, _, shared, union, _ = _pairs(batch)
    return float((shared / union).nanmean())


def _giou(batch: Batch) -> float:
    _, _, shared, union, around = _pairs(batch)
    area = around.prod(1)
    return float((1 - shared / (union + EPS) + (area - union) / (area + EPS)).mean())


def _distance(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    p, t, shared, union, around = _pairs(batch)
    apart = ((p[:, :2] + p[:, 2:] - t[:, :2] - t[:, 2:]) / 2).square().sum(1)
    iou = shared / (union + EPS)
    return 1 - iou + apart / (around.square().sum(1) + EPS), iou


def _diou(batch: Batch) -> float:
    return float(_distance(batch)[0].mean())


def _ciou(batch: Batch) -> float:
    loss, iou = _distance(batch)
    angles = [torch.atan((box[:, 2] - box[:, 0]) / (box[:, 3] - box[:, 1])) for box in _pairs(batch)[:2]]
    v = 4 / torch.pi**2 * (angles[1] - angles[0]).square()
    return float((loss + v / (1 - iou + v + EPS) * v).mean())


def _with_areas(case: Case) -> bool:
    """What is added to a denominator of 0 is all of it."""
    return all(bool((np.diff(box.reshape(-1, 2, 2), axis=1) >= 0.125).all()) for box in (case.prediction, case.target))


FOCAL = Peer(_focal, LOGITS, soft=True)
PEERS = {
    ("focal_loss", "binary"): FOCAL,
    ("focal_loss", "multilabel"): FOCAL,
    ("box_iou", "boxes"): Peer(_iou, BOXES),
    ("giou_loss", "boxes"): Peer(_giou, BOXES, takes=_with_areas, tolerance=1e-4),
    ("diou_loss", "boxes"): Peer(_diou, BOXES, takes=_with_areas, tolerance=1e-4),
    ("ciou_loss", "boxes"): Peer(_ciou, BOXES, takes=_with_areas, tolerance=1e-4),
}
