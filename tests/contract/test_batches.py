"""Many pairs at once: in order, each as if it were alone, whoever else is there."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from lossgauge import Client, ScoredItem
from lossgauge import metrics as m
from lossgauge.wire import Score

Item = dict[str, Any]
SIZES = (1, 2, 7, 16, 33, 100, 130)
ONE: list[Any] = ["dice"]
TWENTY: list[Any] = [
    *("focal_loss", "cross_entropy", "dice", "dice_loss", "iou", "iou_loss", "mean_iou", "confusion", "accuracy"),
    *("precision", "recall", "specificity", "fbeta", "bce_dice", "bce_log_dice", "focal_dice", "focal_log_dice"),
    m.FocalLoss(alpha=None, gamma=3.0, key="focal_3"),
    m.Dice(soft=True, key="soft_dice"),
    m.Iou(threshold=0.75, key="iou_75"),
]


def mixed(count: int, seed: int) -> list[Item]:
    """Pairs of many shapes, with one, two and three axes, weighted and not, float32 and float64."""
    rng = np.random.default_rng(seed)
    return [_item(rng, place) for place in range(count)]


def _item(rng: np.random.Generator, place: int) -> Item:
    shape = tuple(rng.choice(SIZES, size=1 + place % 2)) + ((2,) if place % 5 == 0 else ())
    dtype = np.float64 if place % 4 == 0 else np.float32
    item: Item = {"prediction": rng.normal(0, 2, shape).astype(dtype), "target": rng.random(shape) < 0.3}
    weight = {"weight": rng.uniform(0, 2, shape).astype(np.float32)} if place % 3 == 0 else {}
    return {**item, **weight, "id": f"{place}"}


def in_order(client: Client, items: Sequence[Item], metrics: Sequence[Any]) -> list[dict[str, Score]]:
    """The scores of a batch, whose items must stand as they were given."""
    answer = client.score_batch(items, metrics=metrics, prediction_kind="logits")
    assert [(item.index, item.id) for item in answer] == [(place, item["id"]) for place, item in enumerate(items)]
    return [dict(item.scores) for item in answer]


def one_by_one(client: Client, items: Sequence[Item], metrics: Sequence[Any]) -> list[dict[str, Score]]:
    """The scores of the items, each sent alone."""
    return [dict(client.score(**item, metrics=metrics, prediction_kind="logits").scores) for item in items]


@pytest.mark.parametrize("metrics", [ONE, TWENTY], ids=["one metric", "twenty metrics"])
def test_two_hundred_mixed_shapes_score_as_alone(client: Client, metrics: Sequence[Any]) -> None:
    """A batch comes back in its order, and each item's scores are the same bits as when it is sent alone."""
    items = mixed(200, seed=1)
    assert len({item["prediction"].shape for item in items}) > 30
    assert in_order(client, items, metrics) == one_by_one(client, items, metrics)


def test_neighbours_do_not_change_a_score(client: Client) -> None:
    """The same item has the same bits wherever it stands and whoever stands beside it."""
    items = mixed(40, seed=2)
    turned = in_order(client, items[::-1], TWENTY)[::-1]
    halves = in_order(client, items[:13], TWENTY) + in_order(client, items[13:], TWENTY)
    assert in_order(client, items, TWENTY) == turned == halves


def test_one_metric_scores_as_among_twenty(client: Client) -> None:
    """A score is the same bits whatever else is asked for."""
    items = mixed(20, seed=3)
    alone = in_order(client, items, ONE)
    assert alone == [{"dice": scores["dice"]} for scores in in_order(client, items, TWENTY)]


@pytest.mark.parametrize("callers", [2, 6])
def test_callers_at_once_get_their_own(url: str, client: Client, callers: int) -> None:
    """Callers at the same time, each with its own data and metrics, get what they get alone."""
    asked = [(mixed(30, seed=10 + caller), TWENTY if caller % 2 else ONE) for caller in range(callers)]
    alone = [in_order(client, *one) for one in asked]
    together = Barrier(callers)

    def call(items: Sequence[Item], metrics: Sequence[Any]) -> list[list[dict[str, Score]]]:
        with Client(url, retries=0) as own:
            together.wait(30)
            return [in_order(own, items, metrics) for _ in range(3)]

    with ThreadPoolExecutor(callers) as threads:
        answers = [*threads.map(call, *zip(*asked, strict=True))]
    assert answers == [[scores] * 3 for scores in alone]


def test_a_batch_longer_than_the_service_takes(client: Client) -> None:
    """The client cuts a batch to the service's limit; the items are in order, the mean is over all of them."""
    limit = client.limits().items
    items = mixed(3, seed=4)
    given = [items[place % 3] for place in range(limit + 2)]
    answer = client.score_batch(given, metrics="dice", prediction_kind="logits")
    values = [scores["dice"].value for scores in one_by_one(client, items, ONE)]
    assert (answer.requests, [item.index for item in answer]) == (2, [*range(limit + 2)])
    assert answer.column("dice") == [values[place % 3] for place in range(limit + 2)]
    assert all(isinstance(item, ScoredItem) for item in answer)
    assert (answer.summary["dice"].pooled, answer.summary["dice"].pooled_undefined) == (None, "several_requests")


def test_the_summary_is_of_the_items(client: Client) -> None:
    """Mean and deviation are the items' own; pooled is the score of the pixels of all of them together."""
    items = [{key: item[key] for key in ("prediction", "target")} for item in mixed(12, seed=5)]
    metrics = [m.Dice(), m.Dice(key="of_all", pooling="batch")]
    answer = client.score_batch(items, metrics=metrics, prediction_kind="logits")
    values = np.array([item["dice"] for item in answer if item.get("dice") is not None])
    whole: Item = {key: np.concatenate([item[key].ravel().astype(np.float64) for item in items]) for key in items[0]}
    pooled = client.score(**whole, metrics="dice", prediction_kind="logits")["dice"]
    summary = answer.summary["dice"]
    assert (summary.counted, summary.skipped) == (len(values), 12 - len(values))
    assert summary.mean == summary.value == pytest.approx(values.mean(), rel=1e-12)
    assert summary.std == pytest.approx(values.std(), rel=1e-12)
    assert answer.summary["of_all"].value == summary.pooled == pytest.approx(pooled, rel=1e-9)
