"""torch.nn.functional."""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from tests.peers.batch import Batch
from tests.peers.peer import LOGITS, PROBABILITIES, Peer

WEIGHTS = [0.5, 2.0, 3.0]


def _masks(batch: Batch) -> float:
    target = batch.target.double()
    return float(functional.binary_cross_entropy_with_logits(batch.prediction, target, batch.weight))


def _classes(batch: Batch, **asked: Any) -> float:
    ignored = -100 if batch.first.ignore_index is None else batch.first.ignore_index
    return float(functional.cross_entropy(batch.prediction, batch.target, ignore_index=ignored, **asked))


def _squares(batch: Batch) -> float:
    p, t = batch.channels(batch.prediction), batch.channels(batch.target).double()
    weight = batch.weight[:, None] if batch.first.task == "multiclass" else batch.channels(batch.weight)
    return float(functional.mse_loss(p, t, weight=weight.expand_as(p)))  # type: ignore[call-arg]  # the stub lacks it


def _asked(**asked: Any) -> Callable[[Batch], float]:
    return lambda batch: float(functional.cross_entropy(batch.prediction, batch.target, **asked))


def _smoothed(**asked: Any) -> Callable[[Batch], float]:
    weight = torch.tensor(WEIGHTS, dtype=torch.float64)
    return lambda batch: _classes(batch, weight=weight, label_smoothing=0.1, **asked)


def _of_log_probabilities(batch: Batch) -> float:
    return float(functional.nll_loss(batch.prediction.log(), batch.target))


def _pos_weight(batch: Batch) -> float:
    of = functional.binary_cross_entropy_with_logits
    return float(of(batch.prediction, batch.target.double(), pos_weight=torch.tensor(3.0)))


def _soft_margin(batch: Batch) -> float:
    return float(functional.soft_margin_loss(batch.prediction, 2 * batch.target.double() - 1))


def _labels_margin(batch: Batch) -> float:
    x, target = (torch.movedim(array, 1, -1) for array in (batch.prediction, batch.target))
    return float(functional.multilabel_soft_margin_loss(x, target.double()))


BRIER = Peer(_squares, PROBABILITIES, soft=True, weights=True)
MASKS = Peer(_masks, LOGITS, soft=True, weights=True)
PEERS = {
    ("cross_entropy", "binary"): MASKS,
    ("cross_entropy", "multilabel"): MASKS,
    ("cross_entropy", "multiclass"): Peer(_classes, LOGITS, ignored=True),
    **{("brier", task): BRIER for task in ("binary", "multiclass", "multilabel")},
}
MORE: tuple[tuple[str, str, dict[str, Any], Peer], ...] = (
    ("cross_entropy", "multiclass", {"label_smoothing": 0.1}, Peer(_asked(label_smoothing=0.1), LOGITS)),
    (
        "cross_entropy",
        "multiclass",
        {"class_weights": WEIGHTS},
        Peer(_asked(weight=torch.tensor(WEIGHTS, dtype=torch.float64)), LOGITS),
    ),
    *(
        (
            "cross_entropy",
            "multiclass",
            {"label_smoothing": 0.1, "class_weights": WEIGHTS, "reduction": reduction},
            Peer(_smoothed(reduction=reduction), LOGITS, ignored=True),
        )
        for reduction in ("mean", "sum")
    ),
    ("cross_entropy", "multiclass", {}, Peer(_of_log_probabilities, PROBABILITIES)),
    ("cross_entropy", "binary", {"pos_weight": 3.0}, Peer(_pos_weight, LOGITS)),
    ("cross_entropy", "binary", {}, Peer(_soft_margin, LOGITS)),
    ("cross_entropy", "multilabel", {}, Peer(_labels_margin, LOGITS)),
)
