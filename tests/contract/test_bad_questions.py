"""Questions that cannot be asked: 422 with a JSON pointer to the culprit, what was found and what is allowed."""

import pytest
from lossgauge import Client, errors
from lossgauge import metrics as m

from tests.contract.spoilt import ASKED, PAIR, Document

BAD_QUESTIONS: list[tuple[str, Document, type[errors.ProblemError], str, list[str]]] = [
    (
        "unknown",
        {"metrics": ["dicee"]},
        errors.UnknownMetricError,
        "/metrics/0",
        ["'dicee'", "did you mean 'dice'", "iou"],
    ),
    (
        *("a short name", {"metrics": ["dice", "hd95"]}, errors.UnknownMetricError, "/metrics/1"),
        ["metric 'hd95' is not known; did you mean 'hausdorff' with percentile 95.0? allowed: accuracy"],
    ),
    (
        *("a short name in capitals", {"metrics": [{"name": "F1"}]}, errors.UnknownMetricError, "/metrics/0/name"),
        ["did you mean 'dice'? "],
    ),
    (
        *("a short name of no term", {"metrics": [{"name": "combined_loss", "terms": [{"metric": "pq"}]}]}),
        *(errors.UnknownMetricError, "/metrics/0/terms/0/metric", ["metric 'pq' is not known; allowed: focal_loss"]),
    ),
    (
        "unnamed",
        {"metrics": [{"gamma": 2}]},
        errors.InvalidParameterError,
        "/metrics/0/name",
        ["missing", "focal_loss"],
    ),
    (
        *("bound", {"metrics": ["dice", {"name": "focal_loss", "gamma": -1}]}, errors.InvalidParameterError),
        *("/metrics/1/gamma", ["-1", "greater than or equal to 0"]),
    ),
    (
        *("upper", {"metrics": [{"name": "fbeta", "beta": 1001}]}, errors.InvalidParameterError),
        *("/metrics/0/beta", ["1001", "1000"]),
    ),
    (
        *("choice", {"metrics": [{"name": "dice", "average": "mean"}]}, errors.InvalidParameterError),
        *("/metrics/0/average", ["'mean'", "'macro'", "'micro'"]),
    ),
    (
        *("type", {"metrics": [{"name": "dice", "soft": "yes"}]}, errors.InvalidParameterError),
        *("/metrics/0/soft", ["'yes'", "boolean"]),
    ),
    (
        *("unknown parameter", {"metrics": [{"name": "focal_loss", "gama": 2}]}, errors.InvalidParameterError),
        *("/metrics/0/gama", ["did you mean 'gamma'"]),
    ),
    (
        *("together", {"metrics": [{"name": "focal_loss", "clip": [0.9, 0.1]}]}, errors.InvalidParameterError),
        *("/metrics/0/clip", ["low < high", "found [0.9, 0.1]"]),
    ),
    (
        *("twice", {"metrics": ["dice", "iou", m.Dice(soft=True)]}, errors.InvalidParameterError),
        *("/metrics/2", ["(0 and 2)", "'dice'", "key"]),
    ),
    (
        *("a key twice", {"metrics": ["dice", {"name": "iou", "key": "dice"}]}, errors.InvalidParameterError),
        *("/metrics/1/key", ["(0 and 1)", "'dice'"]),
    ),
    (
        *("alpha", {"metrics": [{"name": "focal_loss", "alpha": 1.5}]}, errors.InvalidParameterError),
        *("/metrics/0/alpha", ["[0, 1]", "found 1.5"]),
    ),
    (
        *("weightings", {"metrics": [m.CrossEntropy(alpha=0.5).model_dump() | {"pos_weight": 2.0}]}),
        *(errors.InvalidParameterError, "/metrics/0/alpha", ["found pos_weight and alpha"]),
    ),
    (
        *("squares", {"metrics": ["dice", {"name": "iou", "squared": True, "soft_target": "l1"}]}),
        *(errors.InvalidParameterError, "/metrics/1/squared", ["exclude each other"]),
    ),
    (
        *("a threshold twice", {"metrics": ["dice", {"name": "mean_iou", "thresholds": [0.5, 0.25, 0.5]}]}),
        *(errors.InvalidParameterError, "/metrics/1/thresholds/2", ["0.5 stands twice, at 0 and 2"]),
    ),
    (
        *("objects' threshold twice", {"metrics": [{"name": "instance_precision", "thresholds": [0.5, 0.5]}]}),
        *(errors.InvalidParameterError, "/metrics/0/thresholds/1", ["0.5 stands twice, at 0 and 1"]),
    ),
    ("classes of a mask", {"num_classes": 2}, errors.InvalidParameterError, "/num_classes", ["'binary'", "found 2"]),
    ("axis of a mask", {"channel_axis": -1}, errors.InvalidParameterError, "/channel_axis", ["'binary'", "found -1"]),
    ("none", {"metrics": []}, errors.InvalidParameterError, "/metrics", ["1 or more"]),
    (
        "task",
        {"task": "regression"},
        errors.InvalidParameterError,
        "/task",
        ["'regression'", "'binary'", "'multilabel'"],
    ),
    ("kind", {"prediction_kind": "scores"}, errors.InvalidParameterError, "/prediction_kind", ["'scores'", "'logits'"]),
    ("threshold", {"threshold": 1.5}, errors.InvalidParameterError, "/threshold", ["1.5", "less than or equal to 1"]),
    (
        *("classes", {"task": "multiclass", "prediction_kind": "labels"}, errors.InvalidParameterError),
        *("/num_classes", ["num_classes is needed"]),
    ),
    (
        *("axis", {"task": "multilabel", "channel_axis": 2}, errors.ShapeMismatchError),
        *("/channel_axis", ["[2, 3]", "channel axis 2"]),
    ),
    (
        "task fit",
        {"task": "multiclass", "metrics": ["mean_iou"]},
        errors.MetricDoesNotFitError,
        "/metrics/0",
        ["binary"],
    ),
    (
        *("kind fit", {"prediction_kind": "labels", "metrics": ["dice", "focal_loss"]}, errors.MetricDoesNotFitError),
        *("/metrics/1", ["'labels'", "logits or probabilities"]),
    ),
    (
        *("length fit", {"metrics": [m.CrossEntropy(class_weights=[1, 2, 3])]}, errors.MetricDoesNotFitError),
        *("/metrics/0/class_weights", ["3 entries", "2 are needed"]),
    ),
]


@pytest.mark.parametrize(
    ("change", "error", "pointer", "words"), [row[1:] for row in BAD_QUESTIONS], ids=[row[0] for row in BAD_QUESTIONS]
)
def test_a_bad_question(
    client: Client, change: Document, error: type[errors.ProblemError], pointer: str, words: list[str]
) -> None:
    """What cannot be asked is refused with the place in the document, what was found and what is allowed."""
    with pytest.raises(error) as raised:
        client.score(**PAIR, **(ASKED | change))
    assert (raised.value.status, raised.value.pointer) == (422, pointer)
    assert [word for word in words if word not in raised.value.detail] == []
