"""Metrics within metrics: the terms of a combined loss and the parts of the mixes, over HTTP."""

from typing import Any

import numpy as np
import pytest
from lossgauge import Client, errors
from lossgauge import metrics as m

Document = dict[str, Any]
PREDICTION = np.array([[0.9, 0.2, 0.6], [0.7, 0.4, 0.1]])
TARGET = np.array([[1, 0, 1], [1, 1, 0]], np.uint8)

BARE: list[tuple[Document, Document]] = [
    (
        {"name": "combined_loss", "terms": [{"metric": "dice_loss"}, {"metric": "brier", "weight": 2.0}]},
        {"name": "combined_loss", "terms": [{"metric": {"name": "dice_loss"}}, {"metric": m.Brier(), "weight": 2.0}]},
    ),
    (
        {"name": "bce_dice", "bce": "cross_entropy", "dice": "dice_loss"},
        {"name": "bce_dice", "bce": {"name": "cross_entropy"}, "dice": {"name": "dice_loss"}},
    ),
    ({"name": "bce_log_dice", "dice": "dice"}, {"name": "bce_log_dice", "dice": {"name": "dice"}}),
    ({"name": "focal_dice", "focal": "focal_loss"}, {"name": "focal_dice", "focal": {"name": "focal_loss"}}),
    ({"name": "focal_log_dice", "dice": "dice"}, {"name": "focal_log_dice", "dice": {"name": "dice"}}),
    ({"name": "weighted_bce_dice", "dice": "dice_loss"}, {"name": "weighted_bce_dice", "dice": {"name": "dice_loss"}}),
]


@pytest.mark.parametrize(("bare", "whole"), BARE)
def test_a_part_may_be_a_bare_name(client: Client, bare: Document, whole: Document) -> None:
    """A term of a sum and a part of a mix, as a metric itself, is named by a word where its defaults are meant."""
    asked: Document = {"task": "binary", "prediction_kind": "probabilities"}
    found, expected = [client.score(PREDICTION, TARGET, metrics=metric, **asked) for metric in (bare, whole)]
    assert (found.semantics, found.scores) == (expected.semantics, expected.scores)


def test_a_bare_term_takes_the_preset(client: Client) -> None:
    """That of its sum, or the request's."""
    bare: Document = {"name": "combined_loss", "terms": [{"metric": "dice_loss"}]}
    asked: Document = {"task": "binary", "prediction_kind": "probabilities"}
    for result in (
        client.score(PREDICTION, TARGET, metrics=bare | {"preset": "monai"}, **asked),
        client.score(PREDICTION, TARGET, metrics=bare, preset="monai", **asked),
    ):
        assert result.semantics["combined_loss"]["terms"][0]["metric"]["smooth_numerator"] == 1e-5


def test_a_bare_part_that_is_another_metric(client: Client) -> None:
    """It is refused where it stands, with what may stand there."""
    bare = {"name": "bce_dice", "dice": "iou_loss"}
    with pytest.raises(errors.InvalidParameterError, match="must be 'dice_loss'") as raised:
        client.score(PREDICTION, TARGET, metrics=bare, task="binary", prediction_kind="probabilities")
    assert raised.value.pointer == "/metrics/0/dice"


@pytest.mark.parametrize("name", ["hausdorff", "bce_dice"])
def test_a_metric_that_is_no_term(client: Client, name: str) -> None:
    """It is known, and refused as none of the terms, which are listed; what is no metric is told as ever."""
    asked: Document = {"task": "binary", "prediction_kind": "probabilities"}
    combined: Document = {"name": "combined_loss", "terms": [{"metric": {"name": name}}]}
    with pytest.raises(errors.InvalidParameterError) as raised:
        client.score(PREDICTION, TARGET, metrics=combined, **asked)
    assert raised.value.pointer == "/metrics/0/terms/0/metric/name"
    assert raised.value.detail.startswith(f"metric '{name}' may not stand here; allowed: focal_loss, ")
    with pytest.raises(errors.UnknownMetricError, match="did you mean 'dice_loss'"):
        client.score(PREDICTION, TARGET, metrics=combined | {"terms": [{"metric": "dice_los"}]}, **asked)
