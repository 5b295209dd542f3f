"""Presets over HTTP: what they resolve to, what is echoed, what is refused, and what the catalogue of them says."""

from typing import Any

import httpx
import numpy as np
import pytest
from lossgauge import Client, errors
from lossgauge import metrics as m
from lossgauge.mapping import LossMap
from lossgauge.presets import PRESETS, PresetName

EMPTY = np.zeros((2, 3), np.uint8)
GUESS = np.array([[1, 0, 0], [0, 1, 0]], np.uint8)
Document = dict[str, Any]
ASKED: Document = {"task": "binary", "prediction_kind": "labels"}


def test_one_request_compares_libraries(client: Client) -> None:
    """A metric's own preset goes before the request's; without one it is ours; the semantics say which."""
    metrics: list[Any] = [
        "iou",
        {"name": "iou", "preset": "segmentation_models_pytorch", "key": "smp"},
        m.Iou(preset="monai", key="monai"),
        {"name": "iou", "preset": None, "key": "ours"},
    ]
    result = client.score(EMPTY, EMPTY, metrics=metrics, preset="scikit-learn", **ASKED)
    values = {key: score.value for key, score in result.scores.items()}
    assert values == {"iou": 0.0, "smp": 1.0, "monai": None, "ours": None}
    assert (result.scores["monai"].undefined, result.scores["ours"].undefined) == ("skipped", "both_empty")
    presets = {key: semantics["preset"] for key, semantics in result.semantics.items()}
    assert presets == {"iou": "scikit-learn", "smp": "segmentation_models_pytorch", "monai": "monai", "ours": None}
    assert result.asked is not None
    assert result.asked.preset == "scikit-learn"


@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if preset.recipes])
def test_every_parameter_of_a_preset_is_echoed(client: Client, name: str) -> None:
    """Asked by its name alone, a metric has the preset's parameters in the answer's semantics."""
    for recipe in PRESETS[name].recipes:
        if "binary" in recipe.tasks:
            kinds = m.CATALOGUE[recipe.metric].about.kinds
            kind = next(kind for kind in ("labels", "probabilities", "logits") if kind in kinds)
            prediction = GUESS if kind == "labels" else GUESS * 0.5
            asked: Document = {"task": "binary", "prediction_kind": kind}
            result = client.score(prediction, GUESS, metrics=recipe.metric, preset=PRESETS[name].name, **asked)
            expected = m.CATALOGUE[recipe.metric].model_validate(recipe.parameters).model_dump(mode="json")
            told = result.semantics[recipe.metric]
            assert {key: told[key] for key in recipe.parameters} == {key: expected[key] for key in recipe.parameters}


@pytest.mark.parametrize("metric", [{"name": "iou", "empty": {"both": 0.5}}, m.Iou(empty=m.Empty(both=0.5))])
def test_what_a_metric_gives_goes_first(client: Client, metric: Any) -> None:
    """A mapping's and a typed spec's own parameter stays; the preset fills in the others, a spec's defaults too."""
    result = client.score(EMPTY, EMPTY, metrics=metric, preset="segmentation_models_pytorch", **ASKED)
    assert result["iou"] == 0.5
    assert result.semantics["iou"]["threshold_side"] == "greater_equal"


ALIASED: list[tuple[str, Document]] = [
    ("monai", {"name": "tversky_loss", "alpha": 0.2, "beta": 0.9}),
    ("monai", {"name": "tversky_loss", "alpha": 0.2}),
    ("keras", {"name": "tversky_loss", "beta": 0.9}),
    ("segmentation_models_pytorch", {"name": "focal_tversky_loss", "alpha": 0.2, "beta": 0.9}),
]
BOTH_NAMES = {"alpha": "fp_weight", "beta": "fn_weight"}


@pytest.mark.parametrize("of_request", [False, True])
@pytest.mark.parametrize(("preset", "metric"), ALIASED)
def test_a_parameter_s_other_name_goes_before_the_preset(
    client: Client, preset: str, metric: Document, of_request: bool
) -> None:
    """alpha and beta are fp_weight and fn_weight, whether the metric or the request names the preset, alone or in a sum."""
    told, asked_by = (metric, {"preset": preset}) if of_request else ({**metric, "preset": preset}, {})
    named = {BOTH_NAMES.get(name, name): value for name, value in told.items()}
    asked: Document = {"task": "binary", "prediction_kind": "probabilities", **asked_by}
    found, expected = [
        client.score(GUESS * 0.5, GUESS, metrics=[one, {"name": "combined_loss", "terms": [{"metric": one}]}], **asked)
        for one in (told, named)
    ]
    assert (found.semantics, found.scores) == (expected.semantics, expected.scores)
    assert found.semantics[metric["name"]]["preset"] == preset


@pytest.mark.parametrize(("per_image", "pooling"), [(True, "sample"), (False, "batch")])
def test_per_image_goes_before_the_preset(client: Client, per_image: bool, pooling: str) -> None:
    """A Lovasz loss told so has that pooling, whatever the preset's."""
    metric = {"name": "lovasz_softmax", "per_image": per_image, "preset": "segmentation_models_pytorch"}
    logits = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    found = client.score(
        logits, np.eye(2, dtype=np.int64), task="multiclass", prediction_kind="logits", num_classes=3, metrics=metric
    )
    assert found.semantics["lovasz_softmax"]["pooling"] == pooling


@pytest.mark.parametrize("preset", [None, "monai"])
def test_two_names_of_one_parameter(client: Client, preset: PresetName | None) -> None:
    """Both at once are refused as what they are, with a preset and without."""
    metric = {"name": "tversky_loss", "alpha": 0.2, "fp_weight": 0.2}
    with pytest.raises(errors.InvalidParameterError, match="alpha and fp_weight name one parameter") as raised:
        client.score(GUESS * 0.5, GUESS, metrics=metric, preset=preset, task="binary", prediction_kind="probabilities")
    assert raised.value.pointer == "/metrics/0/alpha"


def test_a_map_takes_a_parameter_s_other_name(client: Client) -> None:
    """As a score does, under a preset."""
    asked: Document = {"task": "binary", "prediction_kind": "probabilities", "preset": "monai"}
    maps = [{"kind": "gradient", "metric": {"name": "tversky_loss", "alpha": 0.2}}]
    metric = client.maps(GUESS * 0.5, GUESS, maps=maps, **asked).told["tversky_loss.gradient"].metric
    assert metric is not None
    assert (metric["fp_weight"], metric["fn_weight"], metric["smooth_numerator"]) == (0.2, 0.5, 1e-5)


def test_a_batch_takes_a_preset(client: Client) -> None:
    """The summary's value is pooled where the library pools."""
    items = [{"prediction": GUESS, "target": GUESS}, {"prediction": GUESS, "target": 1 - GUESS}]
    batch = client.score_batch(items, metrics="precision", preset="torchmetrics", **ASKED)
    assert batch.summary["precision"].value == batch.summary["precision"].pooled == 0.5


@pytest.mark.parametrize("outer", [{"preset": "monai"}, {}])
def test_the_terms_of_a_combined_loss_take_its_preset(client: Client, outer: Document) -> None:
    """Its own or the request's preset is that of its terms, but for a term that names another."""
    other = {"metric": {"name": "dice_loss", "preset": "segmentation_models_pytorch"}}
    combined = {"name": "combined_loss", "terms": [{"metric": {"name": "dice_loss"}}, other], **outer}
    request: Document = {} if outer else {"preset": "monai"}
    asked = {"task": "binary", "prediction_kind": "probabilities", **request}
    result = client.score(EMPTY * 0.5, EMPTY, metrics=combined, **asked)
    terms = [term["metric"] for term in result.semantics["combined_loss"]["terms"]]
    assert [term["smooth_numerator"] for term in terms] == [1e-5, 0.0]
    assert [term["preset"] for term in terms] == ["monai", "segmentation_models_pytorch"]


def test_what_is_the_library_s_is_not_refused(client: Client) -> None:
    """With the parameters that a refusal names, and where the preset is taken out."""
    asked: Document = {"task": "multiclass", "prediction_kind": "probabilities", "ignore_index": 2, "preset": "monai"}
    metrics: list[Any] = [
        {"name": "focal_loss", "denominator": "pixels"},
        {"name": "focal_loss", "preset": None, "alpha": None, "key": "ours"},
    ]
    prediction = np.array([[[0.5, 0.25]], [[0.25, 0.25]], [[0.25, 0.5]]])
    result = client.score(prediction, np.array([[0, 2]]), metrics=metrics, **asked)
    rest = 2 * 0.25**2 * -np.log(0.75)
    assert result["focal_loss"] == pytest.approx(0.5**2 * np.log(2) + rest)
    assert result["ours"] == pytest.approx(0.5**2 * np.log(2))


BAD: list[tuple[Document, str, list[str]]] = [
    ({"preset": "monia", "metrics": ["dice"]}, "/preset", ["did you mean 'monai'", "'torchmetrics'", "found 'monia'"]),
    ({"preset": ["monai"], "metrics": ["dice"]}, "/preset", ["'torchmetrics'"]),
    (
        {"metrics": ["dice", {"name": "dice", "key": "b", "preset": "skit-learn"}]},
        *("/metrics/1/preset", ["did you mean 'scikit-learn'", "found 'skit-learn'"]),
    ),
    ({"preset": "monai", "metrics": ["dice", "mean_iou"]}, "/metrics/1", ["'monai'", "'mean_iou'", "dice_loss"]),
    (
        {"metrics": [{"name": "dice", "preset": "scikit-learn"}]},
        *("/metrics/0/preset", ["says nothing of 'dice'", "fbeta"]),
    ),
    ({"metrics": [{"name": "iou", "preset": "kornia"}]}, "/metrics/0/preset", ["task multiclass", "'binary'"]),
    (
        {"metrics": [{"name": "combined_loss", "terms": [{"metric": {"name": "fbeta", "preset": "torch"}}]}]},
        *("/metrics/0/terms/0/metric/preset", ["'torch'", "'fbeta'"]),
    ),
    ({"metrics": [{"name": "bce_dice", "bce": {"preset": "torch"}}]}, "/metrics/0/bce", ["name"]),
]


@pytest.mark.parametrize(("change", "pointer", "words"), BAD, ids=[pointer for _, pointer, _ in BAD])
def test_a_bad_preset(client: Client, change: Document, pointer: str, words: list[str]) -> None:
    """A preset that is none, or that says nothing of a metric or task, is refused with what there is."""
    with pytest.raises(errors.InvalidParameterError) as raised:
        client.score(GUESS, GUESS, **(ASKED | change))
    assert (raised.value.status, raised.value.pointer) == (422, pointer)
    assert [word for word in words if word not in raised.value.detail] == []


def test_what_a_preset_lacks_is_no_slip_of_the_pen(client: Client) -> None:
    """A metric that is known is not taken for another with a like name."""
    with pytest.raises(errors.InvalidParameterError, match="says nothing of 'bce_dice'; it has ") as raised:
        client.score(GUESS * 0.5, GUESS, metrics="bce_dice", preset="monai", prediction_kind="probabilities")
    assert "did you mean" not in raised.value.detail


def test_a_metric_that_is_none_is_told_as_ever(client: Client) -> None:
    """A request's preset does not hide that a metric is unknown."""
    with pytest.raises(errors.UnknownMetricError, match="did you mean 'dice'"):
        client.score(GUESS, GUESS, metrics=["dicee"], preset="monai", **ASKED)


MONAI_FOCAL: Document = {"name": "focal_loss", "preset": "monai"}


@pytest.mark.parametrize(
    ("maps", "request_preset"),
    [
        ([{"kind": "loss", "metric": MONAI_FOCAL}], None),
        ([{"kind": "loss", "metric": "focal_loss"}, "errors"], "monai"),
        ([LossMap(metric=m.FocalLoss(preset="monai"))], None),
        ([LossMap(metric=m.FocalLoss(key="focal_loss"))], "monai"),
        ([{"kind": "loss", "metric": m.FocalLoss()}], "monai"),
    ],
)
def test_maps_take_a_preset(client: Client, maps: list[Any], request_preset: Any) -> None:
    """A map's metric, or the request, names the library: the map is that of the score with the same preset."""
    asked: Document = {"task": "binary", "prediction_kind": "probabilities"}
    found = client.maps(GUESS * 0.5, GUESS, maps=maps, preset=request_preset, **asked)
    scored = client.score(GUESS * 0.5, GUESS, metrics=MONAI_FOCAL, **asked)
    told = found.told["focal_loss.loss"]
    assert told.metric is not None
    assert (told.value, told.metric["preset"], told.metric["alpha"]) == (scored["focal_loss"], "monai", None)
    assert found.answer is not None
    assert found.answer.asked is not None
    assert found.answer.asked.preset == request_preset


def test_what_the_metric_of_a_map_gives_goes_first(client: Client) -> None:
    """Its own parameter stays, and `"preset": null` takes it out of the request's preset."""
    metrics = ({"name": "focal_loss", "gamma": 3.0}, {"name": "focal_loss", "preset": None, "key": "ours"})
    maps = [{"kind": "gradient", "metric": metric} for metric in metrics]
    found = client.maps(GUESS * 0.5, GUESS, maps=maps, preset="monai", prediction_kind="probabilities")
    told = {name: one.metric for name, one in found.told.items() if one.metric is not None}
    chosen = {name: (metric["gamma"], metric["alpha"], metric["preset"]) for name, metric in told.items()}
    assert chosen == {"focal_loss.gradient": (3.0, None, "monai"), "ours.gradient": (2.0, 0.25, None)}


BAD_MAPS: list[tuple[Document, str, str]] = [
    ({"preset": "monia"}, "/preset", "did you mean 'monai'"),
    (
        {"maps": ["errors", {"kind": "loss", "metric": {"name": "focal_loss", "preset": "monia"}}]},
        "/maps/1/metric/preset",
        "monai",
    ),
    ({"preset": "scikit-learn"}, "/maps/0/metric", "says nothing of 'focal_loss'"),
]


@pytest.mark.parametrize(("change", "pointer", "words"), BAD_MAPS, ids=[pointer for _, pointer, _ in BAD_MAPS])
def test_a_bad_preset_of_maps(client: Client, change: Document, pointer: str, words: str) -> None:
    """It is refused where it stands, as it is in a question."""
    asked: Document = {"prediction_kind": "probabilities", "maps": [{"kind": "loss", "metric": "focal_loss"}]}
    with pytest.raises(errors.InvalidParameterError, match=words) as raised:
        client.maps(GUESS * 0.5, GUESS, **(asked | change))
    assert (raised.value.status, raised.value.pointer) == (422, pointer)


def test_the_catalogue_of_presets(client: Client, caller: httpx.Client) -> None:
    """GET /v1/presets has them all, and each has its page."""
    assert client.presets() == PRESETS
    listed = {preset["name"]: preset for preset in caller.get("/v1/presets").json()["presets"]}
    assert listed == {name: caller.get(f"/v1/presets/{name}").json() for name in PRESETS}


def test_an_unknown_preset_has_no_page(caller: httpx.Client) -> None:
    """404, with the nearest name."""
    answer = caller.get("/v1/presets/kornai")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "did you mean 'kornia'" in answer.json()["detail"]
