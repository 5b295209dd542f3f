"""The reference of matched objects against scipy, torchmetrics, and examples worked out by hand."""

from typing import Any

import numpy as np
import pytest
import torch
from lossgauge import metrics as m
from lossgauge.metrics.instances import Matched
from numpy.typing import NDArray
from scipy import ndimage
from torchmetrics.functional.detection import panoptic_quality

from tests.reference import Case, Expected, reference
from tests.reference.instances import components

SEEDS = range(20)
CLASSES = 2
DIVISOR = 1000
VOID = 0


def of_ids(spec: Matched, target: Any, prediction: Any, **more: Any) -> Expected:
    """What the reference says of two maps of ids."""
    whole = {"task": "instances", "prediction_kind": "labels", **more}
    return reference(spec, Case(np.array(prediction), np.array(target), **whole))


@pytest.mark.parametrize("connectivity", ["faces", "full"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_components_are_those_of_scipy(axes: int, connectivity: str) -> None:
    """Flood fill finds scipy's components, numbered in the same order."""
    rng = np.random.default_rng(axes)
    for _ in SEEDS:
        mask = rng.random((7, 6, 5)[:axes]) < rng.uniform(0.2, 0.7)
        labels, count = ndimage.label(
            mask, ndimage.generate_binary_structure(axes, axes if connectivity == "full" else 1)
        )
        expected = [{tuple(map(int, pixel)) for pixel in np.argwhere(labels == i)} for i in range(1, count + 1)]
        assert components(mask, connectivity) == expected


def _segments(rng: np.random.Generator) -> NDArray[np.int64]:
    """A map of (class, number) in blocks, so that objects are large and often shared."""
    blocks = rng.integers(0, 6, (4, 4)).repeat(3, 0).repeat(3, 1)
    classes, numbers = blocks % CLASSES, blocks // CLASSES + 1
    return np.stack([classes, numbers], -1)


@pytest.mark.parametrize("seed", SEEDS)
def test_panoptic_quality_is_that_of_torchmetrics(seed: int) -> None:
    """Quality, SQ and RQ of each class are torchmetrics', with void in the target."""
    rng = np.random.default_rng(seed)
    target, noise = _segments(rng), _segments(rng)
    prediction = np.where(rng.random((12, 12, 1)) < 0.2, noise, target)
    void = rng.random((12, 12)) < 0.3
    unlabelled = np.where(void[..., None], CLASSES, target)
    theirs = panoptic_quality(
        torch.tensor(prediction)[None],
        torch.tensor(unlabelled)[None],
        things=set(range(CLASSES)),
        stuffs=set(),
        return_sq_and_rq=True,
        return_per_class=True,
    )
    ids = [pair[..., 0] * DIVISOR + pair[..., 1] for pair in (np.where(void[..., None], VOID, target), prediction)]
    ours = of_ids(m.PanopticQuality(instance_divisor=DIVISOR), *ids, num_classes=CLASSES, ignore_index=VOID)
    assert ours.per_class is not None
    expected = np.asarray(theirs).reshape(CLASSES, 3)
    assert np.allclose(np.array(ours.per_class, float), expected[:, 0])
    assert np.allclose([sq or 0.0 for sq in ours.extras["sq"]], expected[:, 1])  # theirs is 0 where nothing is matched
    assert np.allclose(np.array(ours.extras["rq"], float), expected[:, 2])


TARGET = [1, 1, 1, 1, 2, 2, 0, 0, 3, 3]
GUESS = [7, 7, 7, 0, 8, 8, 8, 0, 0, 9]


def test_counts_by_hand() -> None:
    """IoU 3/4 and 2/3 match; 1/2 does not, unless at the threshold is enough."""
    strict = of_ids(m.InstanceFBeta(pairs=5), TARGET, GUESS)
    assert (strict.value, strict.extras["tp"], strict.extras["fp"], strict.extras["fn"]) == (2 / 3, 2, 1, 1)
    assert strict.extras["pairs"] == [[1, 7, 3 / 4], [2, 8, 2 / 3]]
    assert of_ids(m.InstanceFBeta(threshold_side="greater_equal"), TARGET, GUESS).value == 1
    assert of_ids(m.InstanceFBeta(beta=2.0), TARGET, GUESS).value == pytest.approx(5 * 2 / (5 * 2 + 4 + 1))


def test_precision_over_thresholds_by_hand() -> None:
    """At 0.5 two of four, at 0.7 one of five, at 0.75 none of six."""
    found = of_ids(m.InstancePrecision(thresholds=[0.5, 0.7, 0.75]), TARGET, GUESS)
    assert found.extras["per_threshold"] == [2 / 4, 1 / 5, 0.0]
    assert found.value == pytest.approx((2 / 4 + 1 / 5) / 3)


def test_panoptic_quality_by_hand() -> None:
    """The sum of IoU over TP + FP / 2 + FN / 2."""
    found = of_ids(m.PanopticQuality(), TARGET, GUESS)
    assert found.value == pytest.approx((3 / 4 + 2 / 3) / 3)
    assert found.extras["sq"] == pytest.approx((3 / 4 + 2 / 3) / 2)
    assert found.extras["rq"] == pytest.approx(2 / 3)


def test_what_lies_mostly_in_void_or_crowd_is_not_invented() -> None:
    """More than half of an object in void or crowd excuses it, half does not; void is in no union."""
    target = [1, 1, 9, 9, 9, 9, 5, 5, 5, 5]
    guess = [2, 2, 2, 0, 3, 3, 3, 4, 4, 4]
    found = of_ids(m.InstanceFBeta(pairs=1, crowd=[5]), target, guess, ignore_index=9)
    assert found.extras["pairs"] == [[1, 2, 1.0]]
    assert (found.extras["tp"], found.extras["fp"], found.extras["fn"]) == (1, 0, 0)
    half = of_ids(m.InstanceFBeta(), [9, 9, 0, 0], [1, 1, 1, 1], ignore_index=9)
    assert half.extras["fp"] == 1


def test_optimal_matching_finds_more_pairs_than_greedy() -> None:
    """Where the best pair takes both others' partners, greedy has one pair and optimal two."""
    target = [1, 1, 1, 2, 2, 2, 2, 2, 0]
    guess = [3, 3, 4, 4, 4, 4, 0, 0, 0]
    both = [
        of_ids(m.InstanceFBeta(iou_threshold=0.1, matching=how, pairs=9), [1, 1, 1, 1, 1, 2], [3, 3, 4, 4, 4, 4])
        for how in ("greedy", "optimal")
    ]
    assert [len(found.extras["pairs"]) for found in both] == [1, 2]
    assert (
        of_ids(m.InstanceFBeta(), target, guess).value
        == of_ids(m.InstanceFBeta(matching="optimal"), target, guess).value
    )
