"""Arrays that cannot be scored: 422 with a JSON pointer, what was found and what is allowed; their neighbours are scored."""

import re
from typing import Any

import numpy as np
import pytest
from lossgauge import Client, FailedItem, ScoredItem, errors
from lossgauge.tasks import Task

from tests.contract.spoilt import ASKED, CLASSES, LABELS, PAIR, PREDICTION, TARGET, Document


def at(value: float, array: Any = PREDICTION) -> Any:
    """The array with one wrong value, at [1, 2]."""
    changed = np.array(array, np.result_type(array, type(value)))
    changed[1, 2, ...] = value
    return changed


BAD_ARRAYS: list[tuple[str, Document, Document, type[errors.ProblemError], str, list[str]]] = [
    ("shapes", {"target": TARGET[:, :2]}, {}, errors.ShapeMismatchError, "/target", ["[2, 3]", "[2, 2]", "equal"]),
    ("axes", {"prediction": PREDICTION[None]}, {}, errors.ShapeMismatchError, "/target", ["[1, 2, 3]", "[2, 3]"]),
    ("empty", {"prediction": PREDICTION[:0]}, {}, errors.ShapeMismatchError, "/prediction", ["[0, 3]"]),
    ("weight", {"weight": PREDICTION[0]}, {}, errors.ShapeMismatchError, "/weight", ["[3]", "[2, 3]"]),
    ("NaN", {"prediction": at(np.nan)}, {}, errors.InvalidValuesError, "/prediction", ["NaN at [1, 2]", "finite"]),
    ("infinity", {"prediction": at(np.inf)}, {}, errors.InvalidValuesError, "/prediction", ["inf at [1, 2]", "finite"]),
    ("above 1", {"prediction": at(1.5)}, {}, errors.InvalidValuesError, "/prediction", ["1.5 at [1, 2]", "[0, 1]"]),
    ("below 0", {"prediction": at(-0.5)}, {}, errors.InvalidValuesError, "/prediction", ["-0.5 at [1, 2]", "[0, 1]"]),
    ("not binary", {"target": at(2, TARGET)}, {}, errors.InvalidValuesError, "/target", ["2 at [1, 2]", "0 and 1"]),
    ("a grey", {"target": at(0.5, TARGET)}, {}, errors.InvalidValuesError, "/target", ["0.5 at [1, 2]", "0 and 1"]),
    ("255", {"target": TARGET * 255}, {}, errors.InvalidValuesError, "/target", ["255 at [0, 0]", "4 such values"]),
    ("target NaN", {"target": at(np.nan, TARGET)}, {}, errors.InvalidValuesError, "/target", ["NaN at [1, 2]"]),
    (
        *("ignored", {"target": at(7, TARGET)}, {"ignore_index": 9}, errors.InvalidValuesError, "/target"),
        ["7 at [1, 2]", "ignore_index 9"],
    ),
    (
        *("soft target", {"target": at(1.5, TARGET)}, {"target_kind": "probabilities"}, errors.InvalidValuesError),
        *("/target", ["1.5 at [1, 2]", "[0, 1]"]),
    ),
    ("mask", {"prediction": TARGET.astype(bool)}, {}, errors.InvalidDtypeError, "/prediction", ["bool", "floats"]),
    ("weight < 0", {"weight": at(-1.0)}, {}, errors.InvalidValuesError, "/weight", ["-1.0 at [1, 2]", ">= 0"]),
    ("weight NaN", {"weight": at(np.nan)}, {}, errors.InvalidValuesError, "/weight", ["NaN at [1, 2]", "finite"]),
    ("label", {**LABELS, "target": at(3, TARGET)}, CLASSES, errors.InvalidValuesError, "/target", ["3 at", "0 to 2"]),
    (
        *("predicted", {**LABELS, "prediction": at(5, TARGET)}, CLASSES, errors.InvalidValuesError, "/prediction"),
        ["5 at [1, 2]", "0 to 2"],
    ),
    ("negative", {**LABELS, "target": at(-1, TARGET)}, CLASSES, errors.InvalidValuesError, "/target", ["-1 at"]),
    ("floats", {**LABELS, "target": PREDICTION}, CLASSES, errors.InvalidDtypeError, "/target", ["float32", "integers"]),
]


@pytest.mark.parametrize(
    ("change", "asked", "error", "pointer", "words"),
    [row[1:] for row in BAD_ARRAYS],
    ids=[row[0] for row in BAD_ARRAYS],
)
def test_a_bad_array(
    client: Client, change: Document, asked: Document, error: type[errors.ProblemError], pointer: str, words: list[str]
) -> None:
    """What is wrong with an array is told of a pair, and of an item in its place between two that are scored."""
    asked = ASKED | asked
    good = LABELS if asked["prediction_kind"] == "labels" else PAIR
    with pytest.raises(error) as raised:
        client.score(**(good | change), **asked)
    assert (raised.value.status, raised.value.pointer) == (422, pointer)
    assert [word for word in words if word not in raised.value.detail] == []

    first, bad, last = client.score_batch([good, good | change, good], **asked)
    assert isinstance(bad, FailedItem)
    assert type(bad.error) is error
    assert bad.problem is not None
    assert (bad.problem.status, bad.problem.pointer) == (422, f"/items/1{pointer}")
    assert bad.problem.detail == raised.value.detail
    alone = client.score(**good, **asked).scores
    assert (first.scores, last.scores) == (alone, alone)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_a_bad_value_is_told_where_the_caller_has_it(client: Client, task: Task, axis: int) -> None:
    """The index and the shape in a refusal are those of the array as it was sent, wherever its channels stand."""
    logits = np.zeros((2, 3, 4), np.float32)
    sent = np.moveaxis(at(np.nan, logits), 0, axis)
    target = np.zeros(sent.shape if task == "multilabel" else (3, 4), np.uint8)
    asked: Document = {"task": task, "prediction_kind": "logits", "metrics": "dice", "channel_axis": axis}
    with pytest.raises(errors.InvalidValuesError, match=re.escape(f"NaN at {np.argwhere(np.isnan(sent))[0].tolist()}")):
        client.score(sent, target, **asked)
    with pytest.raises(errors.ShapeMismatchError, match=re.escape(f"prediction has shape {[*sent.shape]}")):
        client.score(sent, target[..., :1], **asked)


def test_a_failed_item_is_never_a_number(client: Client) -> None:
    """A bad item raises where it is read, is none in a column, and leaves the mean."""
    answer = client.score_batch([PAIR, {**PAIR, "target": TARGET * 255}, PAIR], **ASKED)
    assert isinstance(answer[0], ScoredItem)
    assert answer.column("dice") == [answer[0]["dice"], None, answer[0]["dice"]]
    assert (answer.summary["dice"].mean, answer.summary["dice"].skipped) == (answer[0]["dice"], 1)
    with pytest.raises(errors.InvalidValuesError):
        answer[1]["dice"]
