"""Scores are read like mappings, and are never numbers when they have no value."""

from collections import deque
from typing import Any

import httpx
import pytest
from lossgauge import BatchResult, Client, FailedItem, MetricList, ScoredItem, ScoreResult, UndefinedScore
from lossgauge.errors import InvalidValuesError, error_of
from lossgauge.wire import EngineInfo, Problem, Score, Summary

from tests.unit.client.fake_service import ENGINE, FakeService

ANSWER: dict[str, Any] = {
    "id": "a",
    "scores": {
        "dice": {"value": 0.5, "per_class": [0.25, 0.75]},
        "iou": {"value": None, "undefined": "both_empty"},
        "confusion": {"value": 3, "tp": 1},
    },
    "semantics": {
        "dice": {"name": "dice", "pooling": "sample"},
        "iou": {"name": "iou"},
        "confusion": {"name": "confusion"},
    },
    "timing_ms": {"total": 1.5},
    "engine": ENGINE,
}


def scored(answer: Any = ANSWER) -> ScoreResult:
    """The result of an answer, as a client reads it."""
    service = FakeService(script=deque([httpx.Response(200, json=answer)]))
    return Client(transport=service.transport).score([1], [1], metrics="dice", prediction_kind="labels")


def test_a_score_is_a_float() -> None:
    """Counts too."""
    result = scored()
    assert (result["dice"], result["confusion"]) == (0.5, 3.0)
    assert type(result["confusion"]) is float


def test_a_score_without_a_value_raises_when_read() -> None:
    """Never 0, never NaN: the exception has the reason."""
    with pytest.raises(UndefinedScore, match="iou is undefined: both_empty") as raised:
        scored()["iou"]
    assert (raised.value.key, raised.value.reason) == ("iou", "both_empty")


@pytest.mark.parametrize("read", [lambda r: [*r.values()], lambda r: dict(r), lambda r: sum(r[key] for key in r)])
def test_no_way_of_reading_all_scores_invents_one(read: Any) -> None:
    """Whole-mapping reads raise as well."""
    with pytest.raises(UndefinedScore):
        read(scored())


def test_who_asks_gently_gets_none() -> None:
    """`get` and `.scores[..].value` give None, or the caller's default."""
    result = scored()
    assert (result.get("iou"), result.scores["iou"].value, result.get("iou", -1), result.get("dice")) == (
        None,
        None,
        -1,
        0.5,
    )
    assert result.get("no such score") is None


def test_it_is_a_mapping_of_the_keys() -> None:
    """Length, membership and order are the answer's, undefined scores included."""
    result = scored()
    assert ([*result], len(result), "iou" in result, "dise" in result) == (["dice", "iou", "confusion"], 3, True, False)


def test_an_unknown_key_lists_the_known() -> None:
    """A misspelt key is a KeyError that helps."""
    with pytest.raises(KeyError, match="'dise' is not in this answer; it has dice, iou, confusion"):
        scored()["dise"]


def test_the_rest_of_the_answer_is_there() -> None:
    """Extras, semantics, timing, engine and id."""
    result = scored()
    assert result.scores["dice"].per_class == [0.25, 0.75]
    assert result.scores["confusion"].model_extra == {"tp": 1}
    assert result.semantics["dice"]["name"] == "dice"
    assert (result.id, result.timing_ms, result.engine.kernel) == ("a", {"total": 1.5}, "eager")


def test_a_later_version_s_fields_are_skipped() -> None:
    """What the contract does not name yet does not break a reader, at any depth."""
    assert scored(ANSWER | {"new": 1, "engine": ENGINE | {"new": 1}})["dice"] == 0.5


def test_results_print_in_a_few_lines() -> None:
    """A result says what it holds."""
    assert repr(scored()).splitlines() == [
        "ScoreResult(id='a', cpu, eager)",
        "  dice       0.5",
        "  iou        undefined: both_empty",
        "  confusion  3",
    ]


PROBLEM = Problem(
    type="t", title="t", status=422, detail="it holds 2", code="invalid_values", pointer="/items/1/target"
)
FAILED = FailedItem(1, "b", error_of(PROBLEM))
BATCH = BatchResult(
    items=(ScoredItem("a", {"dice": Score(value=0.5)}, 0), FAILED, ScoredItem(None, {"dice": Score(value=None)}, 2)),
    summary={"dice": Summary(value=0.5, mean=0.5, std=0.0, pooled=0.4, counted=1, skipped=2)},
    semantics={"dice": {"name": "dice"}},
    timing_ms={},
    engine=EngineInfo.model_validate(ENGINE),
    requests=1,
)


@pytest.mark.parametrize(
    "read",
    [
        lambda i: i["dice"],
        lambda i: i.get("dice"),
        lambda i: i.get("dice", 0.0),
        lambda i: i.scores,
        dict,
        lambda i: "dice" in i,
    ],
    ids=["item", "get", "get with default", "scores", "dict", "membership"],
)
def test_a_failed_item_raises_its_problem_however_it_is_read(read: Any) -> None:
    """No way of reading a score of a failed item gives anything."""
    with pytest.raises(InvalidValuesError, match="it holds 2"):
        read(FAILED)


def test_a_failed_item_can_be_told_without_raising() -> None:
    """`ok`, `problem`, `index` and `id` are there."""
    assert (FAILED.ok, FAILED.problem, FAILED.index, FAILED.id) == (False, PROBLEM, 1, "b")
    assert [item.ok for item in BATCH] == [True, False, True]


def test_a_batch_is_a_sequence() -> None:
    """Length, indexing from both ends, slices and iteration."""
    assert (len(BATCH), BATCH[0]["dice"], BATCH[-1].index, [item.index for item in BATCH[:2]]) == (3, 0.5, 2, [0, 1])


def test_a_column_has_a_place_for_every_item() -> None:
    """None where the score is undefined or the item failed; an unknown key is an error."""
    assert BATCH.column("dice") == [0.5, None, None]
    with pytest.raises(KeyError, match="'iou' is not in this answer; it has dice"):
        BATCH.column("iou")


def test_problems_are_listed_by_index() -> None:
    """Which items failed, and why."""
    assert BATCH.problems == {1: FAILED.error}


def test_a_batch_prints_in_a_few_lines() -> None:
    """How many, how many failed, and the means."""
    assert repr(BATCH) == "BatchResult(3 items, 1 problems, 1 requests)\n  dice  mean 0.5 of 1, 2 skipped"


def test_the_catalogue_is_read_by_position_and_by_name() -> None:
    """Both ways lead to the same description."""
    catalogue = Client(transport=FakeService().transport).metrics()
    assert isinstance(catalogue, MetricList)
    assert catalogue[0] is catalogue["dice"]
    assert (catalogue.names, len(catalogue), "dice" in catalogue, catalogue[0] in catalogue) == (
        ["dice"],
        1,
        True,
        True,
    )
    assert repr(catalogue) == "MetricList\n  dice                 Dice coefficient"


def test_an_unknown_metric_of_the_catalogue_lists_the_known() -> None:
    """A misspelt name is a KeyError that helps."""
    with pytest.raises(KeyError, match="'dise'"):
        Client(transport=FakeService().transport).metrics()["dise"]
