"""Samples of the tasks that have no pixels of classes: maps of ids, and boxes."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from tests.peers.peer import Peer
from tests.reference import Case

DIVISOR = 10
IDS = (0, 1, 2, 3, 11, 12)


@st.composite
def id_maps(draw: st.DrawFn, peer: Peer) -> Case:
    """Two maps of ids, alike, unlike, or empty; the target's 0 is ignored where the library has void."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=6))
    ids = hnp.arrays(np.int64, shape, elements=st.sampled_from(IDS), fill=st.sampled_from(IDS))
    target, other = draw(ids), draw(ids)
    own = draw(st.one_of(hnp.arrays(np.bool_, shape), st.just(np.zeros(shape, np.bool_))))
    return _of_ids(np.where(own, other, target), target, peer)


def some_ids(rng: np.random.Generator, shape: tuple[int, ...], peer: Peer, classes: int | None = None) -> Case:
    """A random pair of maps that have most of their pixels in common."""
    target, other = rng.choice(IDS, shape), rng.choice(IDS, shape)
    return _of_ids(np.where(rng.random(shape) < 0.25, other, target), target, peer, classes)


def _of_ids(prediction: NDArray[np.int64], target: NDArray[np.int64], peer: Peer, classes: int | None = None) -> Case:
    return Case(
        np.where(prediction == 0, IDS[-1], prediction) if peer.filled else prediction,
        target,
        task="instances",
        prediction_kind="labels",
        ignore_index=0 if peer.ignored else None,
        num_classes=classes,
    )


@st.composite
def boxes(draw: st.DrawFn) -> Case:
    """Paired boxes, some the same, some without an area; corners and sizes in eighths, which float32 holds."""
    count = draw(st.integers(1, 5))
    corners = hnp.arrays(np.float64, (4, count, 2), elements=st.integers(0, 32).map(lambda eighths: eighths / 8))
    low, size, low_too, size_too = draw(corners)
    target = np.concatenate([low, low + size], 1)
    other = np.concatenate([low_too, low_too + size_too], 1)
    return _of_boxes(np.where(draw(hnp.arrays(np.bool_, (count, 1))), target, other), target)


def some_boxes(rng: np.random.Generator) -> Case:
    """Six random pairs."""
    low, size = rng.uniform(0, 4, (2, 6, 2)), rng.uniform(1, 4, (2, 6, 2))
    return _of_boxes(*np.concatenate([low, low + size], 2))


def _of_boxes(prediction: NDArray[np.float64], target: NDArray[np.float64]) -> Case:
    return Case(prediction, target, task="boxes", prediction_kind="boxes")
