"""Questions that are asked again and again."""

from typing import Any

import pytest
from lossgauge.wire import Limits
from lossgauge_service.bodies import Envelope
from lossgauge_service.decoding import score_request
from lossgauge_service.errors import LossgaugeError
from lossgauge_service.plan import plan_for
from lossgauge_service.questions import LONG, Planned, planned
from lossgauge_service.settings import Settings

LIMITS: Limits = Settings().limits
TENSOR = {"encoding": "tensor", "name": "a"}
DOCUMENT: dict[str, Any] = {
    "task": "binary",
    "prediction_kind": "logits",
    "metrics": ["dice", {"name": "focal_loss", "gamma": 3.0}],
    "prediction": TENSOR,
    "target": TENSOR,
}


def asked(**changes: Any) -> Planned:
    """What a document with these changes asks."""
    return planned(Envelope(DOCUMENT | changes), LIMITS)


@pytest.mark.parametrize("changes", [{}, {"id": "a"}, {"id": None}, {"weight": None}, {"threshold": 0.25}], ids=str)
def test_a_known_question_is_what_it_was_when_it_was_new(changes: dict[str, Any]) -> None:
    """The first time and ever after it is the document's own request and plan."""
    document = DOCUMENT | changes
    request = score_request(Envelope(document), LIMITS)
    for _ in range(3):
        assert asked(**changes) == (request, plan_for(request))


def test_a_plan_is_made_once() -> None:
    """Whoever asks the same, under whatever id, has the same plan; who asks another thing has another."""
    _, plan = asked(id="a")
    assert asked(id="b")[1] is plan
    assert asked()[1] is plan
    others: list[dict[str, Any]] = [
        {"metrics": ["dice"]},
        {"threshold": 0.4},
        {"precision": "float64"},
        {"target_kind": "probabilities"},
    ]
    assert all(asked(**changes)[1] is not plan for changes in others)


@pytest.mark.parametrize(
    "changes",
    [
        {"target": {"encoding": "list", "data": [1]}},
        {"weight": {"encoding": "list", "data": [1.0]}},
        {"metrics": [{"name": "dice", "key": f"{'k' * 90}{place}"} for place in range(LONG // 90)]},
    ],
    ids=["an array in the document", "a weight in the document", "a long document"],
)
def test_what_holds_values_is_not_kept(changes: dict[str, Any]) -> None:
    """A document that holds an array, or is long, is read anew each time."""
    assert asked(**changes)[1] is not asked(**changes)[1]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"id": 7}, "/id"),
        ({"id": "x" * 201}, "/id"),
        ({"threshold": 2.0}, "/threshold"),
        ({"metrics": ["lovasz_hinge"], "prediction_kind": "labels"}, "/metrics/0"),
        ({"prediction": 3}, "/prediction"),
        ({"prediction": {"encoding": []}}, "/prediction/encoding"),
        ({"target": {"encoding": {}}}, "/target/encoding"),
        ({"num_classes": 2**70}, "/num_classes"),
    ],
    ids=str,
)
def test_what_is_wrong_is_told_each_time(changes: dict[str, Any], pointer: str) -> None:
    """An error is no question: it is found anew, at the same place."""
    asked()
    for _ in range(2):
        with pytest.raises(LossgaugeError) as raised:
            asked(**changes)
        assert raised.value.pointer == pointer
