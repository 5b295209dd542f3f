"""Boundary weights against their slow reference."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from lossgauge.metrics import BoundaryWeight, Confusion
from lossgauge.wire import Question
from lossgauge_service.samples import sample_of
from lossgauge_service.weights import boundary_weights

from tests.examples import examples
from tests.reference.boundary import boundary_weight
from tests.reference.case import AnyArray
from tests.strategies import shapes

BOUNDARIES = st.builds(BoundaryWeight, window=st.integers(2, 9), amplitude=st.floats(0.1, 10), decay=st.floats(0, 20))


def weights_of(target: AnyArray, boundary: BoundaryWeight, **asked: Any) -> AnyArray:
    """The service's weights, in the target's shape."""
    whole = {"task": "binary", "prediction_kind": "logits", "precision": "float64", "metrics": [Confusion()], **asked}
    sample = sample_of(Question(**whole), np.zeros(target.shape), target)
    return boundary_weights(sample, boundary).reshape(target.shape)


@settings(max_examples=examples(60))
@given(data=st.data(), shape=shapes(7), boundary=BOUNDARIES, soft=st.booleans())
def test_weights_are_those_of_the_reference(
    data: st.DataObject, shape: tuple[int, ...], boundary: BoundaryWeight, soft: bool
) -> None:
    """One to four axes, windows beyond the image, soft targets, ignored pixels: the same weights where pixels count."""
    elements = st.floats(0, 1, width=32) if soft else st.sampled_from([0.0, 1.0])
    target = data.draw(hnp.arrays(np.float64, shape, elements=elements))
    valid = data.draw(hnp.arrays(np.bool_, shape))
    sent = np.where(valid, target, 255)
    kind = "probabilities" if soft else "labels"
    found = weights_of(sent, boundary, ignore_index=255, target_kind=kind)
    assert found[valid] == pytest.approx(boundary_weight(boundary, target, valid)[valid], rel=1e-9)


@pytest.mark.parametrize("window", [2, 3, 50])
def test_weights_have_a_mean_of_1(window: int) -> None:
    """The weighted loss stays on the scale of the plain one."""
    target = (np.random.default_rng(3).random((60, 70)) < 0.3).astype(np.uint8)
    assert weights_of(target, BoundaryWeight(window=window)).mean() == pytest.approx(1, rel=1e-12)


def test_each_label_has_weights_of_its_own() -> None:
    """Multilabel: the maps of the labels are computed apart."""
    target = np.zeros((2, 8, 8), np.uint8)
    target[0, :, :4] = 1
    boundary = BoundaryWeight(window=4)
    found = weights_of(target, boundary, task="multilabel")
    every = np.ones((8, 8), np.bool_)
    assert found == pytest.approx(np.stack([boundary_weight(boundary, label, every) for label in target]))


def test_an_even_window_has_one_pixel_more_after() -> None:
    """Window 2 on a row: each pixel and the one behind it."""
    boundary = BoundaryWeight(window=2, amplitude=1.0, decay=2.0)
    raw = np.exp(-2.0 * np.abs(np.array([0.0, 0.5, 1.0]) - 0.5))
    assert weights_of(np.array([0, 0, 1]), boundary) == pytest.approx(raw / raw.mean())
