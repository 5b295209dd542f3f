"""Metrics, spacings, regions and class lists that do not fit the arrays: 422 with a pointer to the culprit."""

from typing import Any

import httpx
import pytest

from tests.contract.carriers import in_json
from tests.contract.spoilt import Document, score


def pair(prediction: Any, target: Any) -> Document:
    """Two arrays in lists."""
    arrays = {"prediction": prediction, "target": target}
    return {role: {"encoding": "list", "data": data} for role, data in arrays.items()}


SOFT: Document = {"task": "binary", "prediction_kind": "probabilities", **pair([[0.9, 0.2]], [[1, 0]])}
WEIGHED: Document = {**SOFT, "weight": {"encoding": "list", "data": [[1, 0.5]]}}
LINE: Document = {"task": "binary", "prediction_kind": "labels", **pair([0, 1, 1], [0, 1, 0])}
IDS: Document = {"task": "instances", "prediction_kind": "labels", **pair([[0, 1]], [[0, 2]])}
CLASSES: Document = {
    **{"task": "multiclass", "prediction_kind": "probabilities"},
    **pair([[[0.5, 0.2]], [[0.3, 0.3]], [[0.2, 0.5]]], [[0, 2]]),
}
LABELS: Document = {"task": "multiclass", "prediction_kind": "labels", "num_classes": 3, **pair([[0, 1]], [[0, 2]])}
MULTILABEL: Document = {**CLASSES, "task": "multilabel", **pair([[[0.5, 0.2]]] * 3, [[[0, 1]]] * 3)}
DISTANCES = ("hausdorff", "average_surface_distance", "boundary_iou", "centreline_dice")
OBJECTS = ("instance_fbeta", "instance_precision", "panoptic_quality")
BALANCED: list[tuple[Document, str]] = [
    ({"alpha": 0.3, "alpha_mode": "balanced"}, "/alpha"),
    ({"alpha": 0.3}, "/alpha"),
    ({"alpha_mode": "balanced"}, "/alpha_mode"),
    ({}, ""),
]

MISFITS: dict[str, tuple[Document, Any, str, list[str]]] = {
    **{f"{name} of probabilities": (SOFT, name, "/metrics/1", ["labels", "'probabilities'"]) for name in OBJECTS},
    **{f"{name} of a line": (LINE, name, "/metrics/1", ["2 or 3 axes; found 1"]) for name in DISTANCES},
    "surface_dice of a line": (LINE, {"name": "surface_dice", "tolerance": 1}, "/metrics/1", ["found 1"]),
    "a class beyond": (
        CLASSES,
        {"name": "lovasz_softmax", "classes": [0, 3]},
        "/metrics/1/classes/1",
        ["0 to 2; found 3"],
    ),
    "a label beyond": (
        MULTILABEL,
        {"name": "lovasz_softmax", "classes": [3]},
        "/metrics/1/classes/0",
        ["0 to 2; found 3"],
    ),
    "a class below 0": (CLASSES, {"name": "lovasz_softmax", "classes": [-1]}, "/metrics/1/classes/0", ["found -1"]),
    "a class twice": (
        CLASSES,
        {"name": "lovasz_softmax", "classes": [1, 0, 1]},
        "/metrics/1/classes/2",
        ["at 0 and 2"],
    ),
    "no class": (CLASSES, {"name": "lovasz_softmax", "classes": []}, "/metrics/1/classes", ["1 or more"]),
    "a class's name": (CLASSES, {"name": "lovasz_softmax", "classes": ["a"]}, "/metrics/1/classes/0", ["found 'a'"]),
    "classes of a mask": (SOFT, {"name": "lovasz_softmax", "classes": [0]}, "/metrics/1/classes", ["'binary'"]),
    "class weights": (
        CLASSES,
        {"name": "cross_entropy", "class_weights": [1, 1]},
        "/metrics/1/class_weights",
        ["2 entries; 3"],
    ),
    "a class weight": (
        CLASSES,
        {"name": "cross_entropy", "class_weights": [1]},
        "/metrics/1/class_weights",
        ["has 1 entry; 3 are needed"],
    ),
    "a tolerance": (LABELS, {"name": "surface_dice", "tolerance": [1]}, "/metrics/1/tolerance", ["has 1 entry; "]),
    "a loss of boxes": (SOFT, {"name": "giou_loss"}, "/metrics/1", ["is for the task boxes, not 'binary'"]),
    "pos_weight": (
        MULTILABEL,
        {"name": "cross_entropy", "pos_weight": [1] * 4},
        "/metrics/1/pos_weight",
        ["4 entries; 3"],
    ),
    "alphas": (CLASSES, {"name": "focal_loss", "alpha": [0.1, 0.2]}, "/metrics/1/alpha", ["2 entries; 3"]),
    "tolerances": (LABELS, {"name": "surface_dice", "tolerance": [1] * 4}, "/metrics/1/tolerance", ["4 entries"]),
    "no background": (
        SOFT,
        {"name": "dice", "include_background": False},
        "/metrics/1/include_background",
        ["'binary'"],
    ),
    "a term's alphas": (
        CLASSES,
        {"name": "combined_loss", "terms": [{"metric": {"name": "focal_loss", "alpha": [0.1, 0.2]}}]},
        "/metrics/1/terms/0/metric/alpha",
        ["focal_loss: alpha has 2 entries; 3"],
    ),
    "a part's weights": (
        SOFT,
        {"name": "bce_dice", "bce": {"name": "cross_entropy", "class_weights": [1, 1, 1]}},
        "/metrics/1/bce/class_weights",
        ["3 entries; 2"],
    ),
    **{
        f"{', '.join(given) or 'nothing'} of a focal loss of classes": (
            CLASSES,
            {"name": "focal_loss", **given},
            f"/metrics/1{at}",
            ["'balanced' has no meaning"],
        )
        for given, at in BALANCED
    },
    "a term's alpha": (
        CLASSES,
        {"name": "combined_loss", "terms": [{"metric": {"name": "focal_loss", "alpha": 0.3}}]},
        "/metrics/1/terms/0/metric/alpha",
        ["focal_loss: alpha_mode 'balanced'"],
    ),
    "a part's alpha": (
        CLASSES,
        {"name": "focal_dice", "focal": {"name": "focal_loss", "alpha": 0.3}},
        "/metrics/1/focal/alpha",
        ["focal_loss: alpha_mode 'balanced'"],
    ),
    **{
        f"a weight map with Keras's {name}": (WEIGHED, {"name": name, "preset": "keras"}, "/metrics/1", words)
        for name, words in (("iou", ["'keras'", "integers"]), ("mean_iou", ["integers"]), ("dice_loss", ["one loss"]))
    },
    "a term with Keras's preset": (
        WEIGHED,
        {"name": "combined_loss", "preset": "keras", "terms": [{"metric": {"name": "tversky_loss"}}]},
        "/metrics/1/terms/0/metric",
        ["tversky_loss: with weights preset 'keras'", "one loss"],
    ),
    "an ignored class with MONAI's focal loss": (
        {**CLASSES, "ignore_index": 2},
        {"name": "focal_loss", "preset": "monai"},
        "/metrics/1",
        ["with ignore_index preset 'monai'", "denominator 'pixels'"],
    ),
    "an ignored label with MONAI's dice loss": (
        {**MULTILABEL, "ignore_index": 2},
        {"name": "dice_loss", "preset": "monai"},
        "/metrics/1",
        ["channel's number"],
    ),
    "ids of no class": (IDS, {"name": "panoptic_quality", "instance_divisor": 0}, "/metrics/1/instance_divisor", ["0"]),
    "a crowd below 0": (IDS, {"name": "panoptic_quality", "crowd": [1, -1]}, "/metrics/1/crowd/1", ["found -1"]),
    "a crowd of the background": (IDS, {"name": "panoptic_quality", "crowd": [0]}, "/metrics/1/crowd/0", ["found 0"]),
    "a ranking that nothing uses": (
        IDS,
        {"name": "panoptic_quality", "ranking": [1]},
        "/metrics/1/ranking",
        ["ranking is for matching 'ranked', not 'greedy'"],
    ),
    "an id of no class": (
        IDS,
        {"name": "panoptic_quality", "instance_divisor": 2},
        "/target",
        ["1 class, as num_classes says no other"],
    ),
    "no ranking": (
        IDS,
        {"name": "panoptic_quality", "matching": "ranked"},
        "/metrics/1/matching",
        ["matching 'ranked' needs a ranking; found none"],
    ),
    "a crowd twice": (
        IDS,
        {"name": "instance_fbeta", "crowd": [7, 1001, 1001]},
        "/metrics/1/crowd/2",
        ["1001 stands twice, at 1 and 2"],
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_a_metric_that_does_not_fit(caller: httpx.Client, name: str) -> None:
    """The metric is pointed to among its neighbours, or the entry of its list that cannot be."""
    asked, metric, pointer, words = MISFITS[name]
    neighbour = "panoptic_quality" if asked is IDS else "dice"
    named = {"name": metric} if isinstance(metric, str) else metric
    answer = score(caller, in_json({**asked, "metrics": [neighbour, {**named, "key": "it"}]}, {}))
    problem = answer.json()
    assert (answer.status_code, problem["pointer"]) == (422, pointer)
    assert [word for word in words if word not in problem["detail"]] == []


SHARED: dict[str, tuple[Document, Any]] = {
    "a task": (CLASSES, {"name": "focal_loss", "alpha": 0.3}),
    "a kind": (SOFT, {"name": "panoptic_quality"}),
    "a number of classes": (CLASSES, {"name": "cross_entropy", "class_weights": [1, 1]}),
    "a target": ({**SOFT, "target_kind": "probabilities"}, {"name": "hausdorff"}),
    "regions": (
        {**CLASSES, "regions": [[1], [2]]},
        {"name": "combined_loss", "terms": [{"metric": {"name": "brier"}}]},
    ),
}


def in_batch(asked: Document, metric: Any, *changes: Document) -> Document:
    """A question asked of a batch of its own pair, changed in some items."""
    arrays = {role: asked[role] for role in ("prediction", "target")}
    question = {name: value for name, value in asked.items() if name not in arrays}
    return {**question, "metrics": ["dice", metric], "items": [{**arrays, **change} for change in changes]}


@pytest.mark.parametrize("name", SHARED)
def test_a_metric_that_fits_no_item(caller: httpx.Client, name: str) -> None:
    """The batch is refused as the pair alone is, an item that cannot be read among the others or not."""
    asked, metric = SHARED[name]
    alone = score(caller, in_json({**asked, "metrics": ["dice", metric]}, {}))
    assert alone.status_code == 422
    broken = {"target": {"encoding": "list", "data": [[[]]]}}
    both: tuple[tuple[Document, Document], ...] = (({}, {}), ({}, broken))
    for changes in both:
        batch = score(caller, in_json(in_batch(asked, metric, *changes), {}), "/v1/score/batch")
        assert batch.status_code == 422
        told = [{key: one.json().get(key) for key in ("code", "detail", "pointer")} for one in (alone, batch)]
        assert told[0] == told[1]


ITEMS_OWN: dict[str, tuple[Any, Document, list[str | None]]] = {
    "one fits": ("hausdorff", pair([0, 1], [0, 1]), [None, "metric_does_not_fit"]),
    "the weights of one": (
        {"name": "hausdorff"},
        {"weight": {"encoding": "list", "data": [[1, 1]]}},
        [None, "metric_does_not_fit"],
    ),
}


@pytest.mark.parametrize("name", ITEMS_OWN)
def test_a_metric_that_fits_some_items(caller: httpx.Client, name: str) -> None:
    """What an item's own arrays make is told in its place: of one among others, and of all where all have such arrays."""
    metric, change, codes = ITEMS_OWN[name]
    labels = {**SOFT, "prediction_kind": "labels", **pair([[0, 1]], [[0, 1]])}
    for changes, expected in ((({}, change), codes), ((change, change), codes[1:] * 2)):
        answer = score(caller, in_json(in_batch(labels, metric, *changes), {}), "/v1/score/batch")
        assert answer.status_code == 200
        assert [item.get("problem", {}).get("code") for item in answer.json()["items"]] == expected


SPACINGS: dict[str, tuple[Any, str, list[str]]] = {
    "too few": ([1.0], "/spacing", ["1 entry; the pixels have 2 axes"]),
    "too many": ([1.0, 1, 1], "/spacing", ["3 entries; the pixels have 2 axes"]),
    "none": ([], "/spacing", ["1 or more"]),
    "zero": ([1.0, 0], "/spacing/1", ["greater than 0; found 0"]),
    "negative": ([-1, 1.0], "/spacing/0", ["greater than 0; found -1"]),
    "tiny": ([1.0, 1e-200], "/spacing/1", ["at least 1e-09", "found 1e-200"]),
    "huge": ([1e308, 1], "/spacing/0", ["less than or equal to 1000000000; found 1e+308"]),
    "a string": ("1 1", "/spacing", ["list; found '1 1'"]),
    "a string in it": ([1, "1"], "/spacing/1", ["number; found '1'"]),
    "null in it": ([1, None], "/spacing/1", ["number; found null"]),
    "true": ([True, 1], "/spacing/0", ["number; found true"]),
    "nested": ([[1, 1]], "/spacing/0", ["number; found a list of 2"]),
}


@pytest.mark.parametrize("asked", [SOFT, LABELS, IDS, MULTILABEL], ids=lambda asked: str(asked["task"]))
@pytest.mark.parametrize("name", SPACINGS)
def test_a_spacing_that_does_not_fit(caller: httpx.Client, name: str, asked: Document) -> None:
    """A spacing has a size for each axis of the pixels, of a request and of an item; the other item is scored."""
    spacing, pointer, words = SPACINGS[name]
    question = {name: value for name, value in asked.items() if name not in ("prediction", "target")}
    question |= {"metrics": ["panoptic_quality" if asked is IDS else "dice"]}
    answer = score(caller, in_json({**asked, **question, "spacing": spacing}, {}))
    problem = answer.json()
    assert (answer.status_code, problem["pointer"]) == (422, pointer)
    assert [word for word in words if word not in problem["detail"]] == []
    arrays = {role: asked[role] for role in ("prediction", "target")}
    batch = in_json({**question, "items": [arrays, {**arrays, "spacing": spacing}]}, {})
    good, bad = score(caller, batch, "/v1/score/batch").json()["items"]
    assert (bad["problem"]["pointer"], bad["problem"]["detail"]) == (f"/items/1{pointer}", problem["detail"])
    assert good["scores"]


def test_a_spacing_that_is_no_number_is_no_json(caller: httpx.Client) -> None:
    """JSON has no NaN: the body is refused before anything is read of it."""
    answer = score(caller, in_json({**SOFT, "metrics": ["hausdorff"], "spacing": [1.0, float("nan")]}, {}))
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")


REGIONS: dict[str, tuple[Any, str, list[str]]] = {
    "a class beyond": ([[1], [2, 3]], "/regions/1/1", ["class 3", "0 to 2"]),
    "a class far beyond": ([[2**62]], "/regions/0/0", [str(2**62), "0 to 2"]),
    "a class below 0": ([[1], [-1]], "/regions/1/0", ["found -1"]),
    "a class twice": ([[1], [2, 1, 2]], "/regions/1/2", ["class 2 twice, at 0 and 2"]),
    "no class": ([[1], []], "/regions/1", ["1 or more"]),
    "no region": ([], "/regions", ["1 or more"]),
    "a number": ([1], "/regions/0", ["list; found 1"]),
    "a name": ([["liver"]], "/regions/0/0", ["integer; found 'liver'"]),
    "very many": ([[1]] * 257, "/regions", ["257 classes; at most 256"]),
}


@pytest.mark.parametrize("asked", [CLASSES, LABELS], ids=lambda asked: str(asked["prediction_kind"]))
@pytest.mark.parametrize("name", REGIONS)
def test_a_region_that_does_not_fit(caller: httpx.Client, name: str, asked: Document) -> None:
    """A region is a list of classes that there are, each once."""
    regions, pointer, words = REGIONS[name]
    answer = score(caller, in_json({**asked, "metrics": ["dice"], "regions": regions}, {}))
    problem = answer.json()
    assert (answer.status_code, problem["pointer"]) == (422, pointer)
    assert [word for word in words if word not in problem["detail"]] == []


@pytest.mark.parametrize("within", [False, True], ids=["alone", "in a sum"])
def test_regions_have_no_background(caller: httpx.Client, within: bool) -> None:
    """include_background false is refused with its pointer; what a preset says of the background does not apply."""
    metric: Document = {"name": "dice", "include_background": False}
    told = {"name": "combined_loss", "terms": [{"metric": {"name": "iou"}}, {"metric": metric}]} if within else metric
    place = "/metrics/1/terms/1/metric" if within else "/metrics/1"
    answer = score(caller, in_json({**LABELS, "metrics": ["iou", told], "regions": [[1, 2], [2]]}, {}))
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid_parameter")
    assert problem["pointer"] == f"{place}/include_background"
    assert "regions have no background" in problem["detail"]
    preset = {**LABELS, "preset": "nnunet", "metrics": ["dice"], "regions": [[1, 2], [2]]}
    found = score(caller, in_json(preset, {})).json()
    assert found["semantics"]["dice"]["include_background"] is True


def test_an_id_of_no_class(caller: httpx.Client) -> None:
    """With a divisor an id beyond the last class is told with its place."""
    metric = {"name": "panoptic_quality", "instance_divisor": 1}
    answer = score(caller, in_json({**IDS, "num_classes": 2, "metrics": [metric]}, {}))
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["pointer"]) == (422, "invalid_values", "/target")
    assert "2 at [0, 1]" in problem["detail"]
