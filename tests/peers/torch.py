"""torch.nn.functional."""

from torch.nn import functional

from tests.peers.batch import Batch
from tests.peers.peer import LOGITS, PROBABILITIES, Peer


def _masks(batch: Batch) -> float:
    target = batch.target.double()
    return float(functional.binary_cross_entropy_with_logits(batch.prediction, target, batch.weight))


def _classes(batch: Batch) -> float:
    ignored = -100 if batch.first.ignore_index is None else batch.first.ignore_index
    return float(functional.cross_entropy(batch.prediction, batch.target, ignore_index=ignored))


def _squares(batch: Batch) -> float:
    return float(functional.mse_loss(batch.prediction, batch.target.double()))


BRIER = Peer(_squares, PROBABILITIES, soft=True)
MASKS = Peer(_masks, LOGITS, soft=True, weights=True)
PEERS = {
    ("cross_entropy", "binary"): MASKS,
    ("cross_entropy", "multilabel"): MASKS,
    ("cross_entropy", "multiclass"): Peer(_classes, LOGITS, ignored=True),
    ("brier", "binary"): BRIER,
    ("brier", "multilabel"): BRIER,
}
