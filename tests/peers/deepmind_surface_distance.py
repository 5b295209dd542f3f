"""DeepMind's surface-distance, one mask at a time."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from surface_distance import metrics as published

from tests.peers.batch import Batch
from tests.peers.peer import LABELS, MASKS, Peer, of_two_surfaces
from tests.reference import Case

TASKS = ("binary", "multiclass", "multilabel")
published.np = SimpleNamespace(**{**vars(np), "Inf": np.inf, "NaN": np.nan})
"""Release 0.1 asks NumPy for names that it has had before 2."""


def _of_masks(value: Callable[[Any, Any, list[float]], float]) -> Callable[[Batch], float]:
    """The mean over samples of that over classes; NaN, as an infinite distance, leaves it."""

    def score(batch: Batch) -> float:
        pairs = zip(batch.channels(batch.target).bool(), batch.channels(batch.mask).bool(), strict=True)
        values = [[value(*both, batch.spacing) for both in zip(*pair, strict=True)] for pair in pairs]
        numbers = torch.tensor(values, dtype=torch.float64)
        return float(torch.where(numbers.isinf(), torch.nan, numbers).nanmean(1).nanmean())

    return score


def _surfaces(target: torch.Tensor, mask: torch.Tensor, spacing: list[float]) -> Any:
    return published.compute_surface_distances(target.numpy(), mask.numpy(), spacing)


def _hausdorff(percent: float) -> Callable[[Batch], float]:
    return _of_masks(lambda *pair: float(published.compute_robust_hausdorff(_surfaces(*pair), percent)))


def _surface_dice(tolerance: float) -> Callable[[Batch], float]:
    return _of_masks(lambda *pair: float(published.compute_surface_dice_at_tolerance(_surfaces(*pair), tolerance)))


def _dice(target: torch.Tensor, mask: torch.Tensor, spacing: list[float]) -> float:
    return float(published.compute_dice_coefficient(target.numpy(), mask.numpy()))


def _of_surfaces(case: Case) -> bool:
    """Two or three axes, with a surface or without."""
    return case.target.ndim - (case.task == "multilabel") in (2, 3)


PEERS = {
    **{("hausdorff", task): Peer(_hausdorff(95), LABELS, takes=_of_surfaces, rarely=True) for task in TASKS},
    **{("surface_dice", task): Peer(_surface_dice(1), LABELS, takes=_of_surfaces, rarely=True) for task in TASKS},
    **{("dice", task): Peer(_of_masks(_dice), MASKS) for task in TASKS},
}
MORE = tuple(
    more
    for task in TASKS
    for more in (
        ("hausdorff", task, {"percentile": 50.0}, Peer(_hausdorff(50), LABELS, takes=of_two_surfaces)),
        ("hausdorff", task, {}, Peer(_hausdorff(95), LABELS, takes=of_two_surfaces, spaced=True)),
        ("surface_dice", task, {}, Peer(_surface_dice(1), LABELS, takes=of_two_surfaces, spaced=True)),
        ("hausdorff", task, {"percentile": None}, Peer(_hausdorff(100), LABELS, takes=of_two_surfaces)),
        ("surface_dice", task, {"tolerance": 0.0}, Peer(_surface_dice(0), LABELS, takes=of_two_surfaces)),
    )
)
