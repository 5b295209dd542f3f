"""The row of matching: at which IoU two objects may be one, which pairs are taken, and what void and crowd regions excuse."""

from typing import Any

import numpy as np
import pytest
from lossgauge.metrics import CATALOGUE
from lossgauge_service.engine import Engine

from tests.reference import Case
from tests.scoring import score

Ids = list[int]


def found(engine: Engine, name: str, target: Ids, guess: Ids, ignore_index: int | None = None, **more: Any) -> Any:
    """The score of two maps of ids, member by member."""
    case = Case(
        np.array(guess), np.array(target), task="instances", prediction_kind="labels", ignore_index=ignore_index
    )
    return score(engine, CATALOGUE[name].model_validate(more), case).model_dump()


def counts(answer: Any) -> tuple[Any, Any, Any]:
    """What was matched, invented and missed."""
    return answer["tp"], answer["fp"], answer["fn"]


# -------------------------------------------------------------------------------------------------------- the threshold


@pytest.mark.parametrize("name", ["instance_fbeta", "panoptic_quality"])
def test_matching_strictly_above_or_from_the_threshold(engine: Engine, name: str) -> None:
    """IoU > 0.5 as panoptic quality has it, by default, or >= 0.5 as COCO has it: a pair of exactly one half."""
    strict = found(engine, name, [1, 0, 0, 0], [7, 7, 0, 0])
    assert (strict["value"], counts(strict)) == (0, (0, 1, 1))
    inclusive = found(engine, name, [1, 0, 0, 0], [7, 7, 0, 0], threshold_side="greater_equal")
    assert (inclusive["value"], counts(inclusive)) == (0.5 if name == "panoptic_quality" else 1, (1, 0, 0))


# ------------------------------------------------------------------------------------------------- greedy and optimal

RIVALS = [1, 1, 1, 1, 1, 2], [3, 3, 4, 4, 4, 4]
"""IoU of 1 and 3: 2/5; of 1 and 4: 3/6; of 2 and 4: 1/4. The best pair takes both others' partners."""


def test_greedy_takes_the_best_pair_first(engine: Engine) -> None:
    """One pair of 1/2 is matched; one object is missed and one is invented."""
    f1 = found(engine, "instance_fbeta", *RIVALS, iou_threshold=0.1, matching="greedy", pairs=9)
    assert (f1["value"], counts(f1), f1["pairs"]) == (0.5, (1, 1, 1), [[1, 4, 0.5]])
    quality = found(engine, "panoptic_quality", *RIVALS, iou_threshold=0.1, matching="greedy")
    assert quality["value"] == pytest.approx((1 / 2) / (1 + 1 / 2 + 1 / 2))


def test_by_score_the_first_of_the_ranking_chooses_first(engine: Engine) -> None:
    """COCO's greedy by score: 3 takes 1 before 4 may, which has 2 then; with 4 first nothing is left for 3."""
    first = found(engine, "instance_fbeta", *RIVALS, iou_threshold=0.1, matching="ranked", ranking=[3, 4], pairs=9)
    assert (first["value"], first["pairs"]) == (1, [[1, 3, 0.4], [2, 4, 0.25]])
    last = found(engine, "instance_fbeta", *RIVALS, iou_threshold=0.1, matching="ranked", ranking=[4, 3], pairs=9)
    assert (last["value"], last["pairs"]) == (0.5, [[1, 4, 0.5]])


def test_what_the_ranking_leaves_out_comes_last(engine: Engine) -> None:
    """One that is ranked chooses before one that is not; an id that the map has not changes nothing."""
    answer = found(engine, "instance_fbeta", *RIVALS, iou_threshold=0.1, matching="ranked", ranking=[8, 3], pairs=9)
    assert answer["pairs"] == [[1, 3, 0.4], [2, 4, 0.25]]


def test_a_threshold_of_its_own_ranks_anew(engine: Engine) -> None:
    """What the first one takes below a threshold it does not take above it: each threshold is matched by itself."""
    more: dict[str, Any] = {"matching": "ranked", "ranking": [3, 4]}
    answer = found(engine, "instance_precision", *RIVALS, thresholds=[0.1, 0.45], **more)
    assert answer["per_threshold"] == pytest.approx([1, 1 / 3])


def test_optimal_takes_as_many_pairs_as_there_can_be(engine: Engine) -> None:
    """Two pairs of 2/5 and 1/4 are matched (Hungarian): nothing is missed."""
    f1 = found(engine, "instance_fbeta", *RIVALS, iou_threshold=0.1, matching="optimal", pairs=9)
    assert (f1["value"], counts(f1), f1["pairs"]) == (1, (2, 0, 0), [[1, 3, 0.4], [2, 4, 0.25]])
    quality = found(engine, "panoptic_quality", *RIVALS, iou_threshold=0.1, matching="optimal")
    assert quality["value"] == pytest.approx((2 / 5 + 1 / 4) / 2)


def test_above_one_half_greedy_and_optimal_are_one(engine: Engine) -> None:
    """An object overlaps one other by more than half at most, so that there is nothing to choose."""
    rng = np.random.default_rng(3)
    target, guess = (np.kron(rng.integers(0, 5, 8), np.ones(5, int)).tolist() for _ in range(2))
    guess = [own if keep else other for own, other, keep in zip(target, guess, rng.random(40) < 0.8, strict=True)]
    one, other = (found(engine, "panoptic_quality", target, guess, matching=how) for how in ("greedy", "optimal"))
    assert one == other
    assert one["tp"] > 0


# ---------------------------------------------------------------------------------------------------------- void, crowd


def test_void_is_in_no_union(engine: Engine) -> None:
    """Pixels of the void are left out of the IoU: 2 of 3 pixels become 2 of 2."""
    target, guess = [1, 1, 9, 0], [2, 2, 2, 0]
    counted = found(engine, "panoptic_quality", target, guess)
    assert counted["sq"] == pytest.approx(2 / 3)
    void = found(engine, "panoptic_quality", target, guess, ignore_index=9)
    assert (void["value"], void["sq"], counts(void)) == (1, 1, (1, 0, 0))


@pytest.mark.parametrize(("inside", "invented"), [(1, 1), (2, 1), (3, 0)])
def test_void_excuses_what_lies_mostly_in_it(engine: Engine, inside: int, invented: int) -> None:
    """A predicted object without a partner is no false alarm where more than half of it is void; half is not enough."""
    target = [9] * inside + [0] * (4 - inside)
    answer = found(engine, "instance_fbeta", target, [1, 1, 1, 1], ignore_index=9)
    assert answer["fp"] == invented


def test_crowd_is_neither_found_nor_missed(engine: Engine) -> None:
    """A crowd is no object of the target, though a prediction covers it; what lies mostly in it is no false alarm."""
    target, guess = [1, 1, 0, 5, 5, 5, 5], [2, 2, 0, 3, 3, 3, 3]
    plain = found(engine, "instance_fbeta", target, guess)
    assert counts(plain) == (2, 0, 0)
    crowded = found(engine, "instance_fbeta", target, guess, crowd=[5], pairs=9)
    assert (counts(crowded), crowded["pairs"]) == ((1, 0, 0), [[1, 2, 1.0]])
    unseen = found(engine, "instance_fbeta", target, [2, 2, 0, 0, 0, 0, 0], crowd=[5])
    assert counts(unseen) == (1, 0, 0)


@pytest.mark.parametrize(("inside", "invented"), [(1, 1), (2, 1), (3, 0)])
def test_crowd_excuses_what_lies_mostly_in_it(engine: Engine, inside: int, invented: int) -> None:
    """More than half of a predicted object in a crowd excuses it, half does not; crowd and void count together."""
    target = [5] * inside + [0] * (4 - inside)
    assert found(engine, "instance_fbeta", target, [1, 1, 1, 1], crowd=[5])["fp"] == invented
    both = found(engine, "instance_fbeta", [5, 9, 9, 0], [1, 1, 1, 1], ignore_index=9, crowd=[5])
    assert both["fp"] == 0
