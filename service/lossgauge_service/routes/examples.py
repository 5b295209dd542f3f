"""Requests that /docs shows, ready to send."""

import json
from typing import Any

ASKED = {"task": "binary", "prediction_kind": "probabilities"}
PREDICTION = {"encoding": "list", "data": [[0.9, 0.2], [0.7, 0.4]]}
TARGET = {"encoding": "list", "data": [[1, 0], [1, 1]]}
TARGET_IN_BASE64 = {"encoding": "raw", "dtype": "uint8", "shape": [2, 2], "data": "AQABAQ=="}

SCORE: dict[str, Any] = {
    "lists": {
        "summary": "Two by two pixels as lists",
        "value": {**ASKED, "prediction": PREDICTION, "target": TARGET, "metrics": ["dice", "focal_loss"]},
    },
    "parameters": {
        "summary": "Metrics with parameters, a target in base64",
        "value": {
            **ASKED,
            "id": "image-7",
            "prediction": PREDICTION,
            "target": TARGET_IN_BASE64,
            "metrics": [
                {"name": "focal_loss", "alpha": 0.25, "gamma": 1.5},
                {"name": "dice", "threshold": 0.6, "key": "dice_60"},
            ],
        },
    },
}

BATCH: dict[str, Any] = {
    "items": {
        "summary": "Items, one of them bad: it is a problem in its place",
        "value": {
            **ASKED,
            "metrics": ["dice", "iou"],
            "items": [
                {"id": "good", "prediction": PREDICTION, "target": TARGET},
                {"id": "bad", "prediction": PREDICTION, "target": {"encoding": "list", "data": [[1, 0, 1]]}},
            ],
        },
    },
    "stacked": {
        "summary": "Two samples stacked along the first axis",
        "value": {
            **ASKED,
            "metrics": ["dice"],
            "prediction": {"encoding": "list", "data": [[0.9, 0.2], [0.7, 0.4]]},
            "target": {"encoding": "list", "data": [[1, 0], [1, 1]]},
            "ids": ["first", "second"],
        },
    },
}

STREAM = "".join(
    f"{json.dumps(line)}\n"
    for line in (
        {**ASKED, "metrics": ["dice", "iou"]},
        {"id": "first", "prediction": PREDICTION, "target": TARGET},
        {"id": "second", "prediction": PREDICTION, "target": TARGET_IN_BASE64},
    )
)

SWEEP: dict[str, Any] = {
    "both": {
        "summary": "Three thresholds, and the focal loss at two alphas and three gammas",
        "value": {
            **ASKED,
            "prediction": PREDICTION,
            "target": TARGET,
            "sweep": {"thresholds": [0.3, 0.5, 0.8], "focal": {"alpha": [0.25, 0.5], "gamma": [1, 2, 3]}},
        },
    },
    "defaults": {
        "summary": "Ten thresholds and 49 cells",
        "value": {**ASKED, "prediction": PREDICTION, "target": TARGET},
    },
}

MAPS: dict[str, Any] = {
    "gradient": {
        "summary": "The gradient of a mix, and what is right and wrong",
        "value": {
            **ASKED,
            "prediction": PREDICTION,
            "target": TARGET,
            "maps": [{"kind": "gradient", "metric": "bce_dice"}, {"kind": "errors"}],
        },
    },
    "loss": {
        "summary": "The focal loss of each pixel",
        "value": {
            **ASKED,
            "prediction": PREDICTION,
            "target": TARGET,
            "maps": [{"kind": "loss", "metric": {"name": "focal_loss", "gamma": 1.5}, "name": "focal"}],
        },
    },
}
