"""Sweeps over HTTP: the tables say what `/v1/score` says, as JSON and as CSV, and what cannot be swept is refused."""

import csv
import io
import json
from typing import Any, get_args

import httpx
import numpy as np
import pytest
from lossgauge import AsyncClient
from lossgauge.encodings import safetensors
from lossgauge.presets import PRESETS, Recipe
from lossgauge.sweeps import ALPHAS, COLUMNS, GAMMAS, MASK_METRICS, FocalGrid, SweepResponse, SweptAverage
from sklearn.metrics import roc_auc_score

from tests.contract.carriers import npy
from tests.contract.cases import CASES, name_of, options
from tests.contract.http.conftest import Serving
from tests.reference import Case

pytestmark = pytest.mark.anyio
Document = dict[str, Any]
THRESHOLDS = [0.0, 0.25, 0.5, 0.9, 1.0]
SWEPT = [case for case in CASES if case.prediction_kind != "labels"]
FOCAL: dict[str, list[Any]] = {"alpha": [0.25, 0.6, None], "gamma": [0, 1, 1.5, 2, 3]}
VARIANTS: dict[str, Document] = {
    "plain": {},
    "sum": {"reduction": "sum"},
    "clipped": {"clip": [0.01, 0.99], "reduction": "positives"},
    "floor": {"log_floor": 1e-3, "ignore_denominator": "all"},
    "normalized": {"normalized": True, "reduced_threshold": 0.4},
}


def document_of(case: Case) -> Document:
    """A case as a request has it, without metrics."""
    arrays = {"prediction": case.prediction, "target": case.target, "weight": case.weight}
    lists = {name: {"encoding": "list", "data": array.tolist()} for name, array in arrays.items() if array is not None}
    return {name: value for name, value in options(case).items() if value is not None} | lists


async def swept(client: httpx.AsyncClient, request: Document, **sweep: Any) -> Document:
    """The answer to a sweep, a message of the contract."""
    answer = await client.post("/v1/sweep", json={**request, "sweep": sweep})
    assert answer.status_code == 200, answer.text
    SweepResponse.model_validate(answer.json())
    document: Document = answer.json()
    return document


async def scored(client: httpx.AsyncClient, request: Document, metrics: list[Document]) -> list[Document]:
    """The scores of metrics, however many, in their order."""
    found: list[Document] = []
    for start in range(0, len(metrics), 60):
        some = [{**metric, "key": str(place)} for place, metric in enumerate(metrics[start : start + 60])]
        answer = await client.post("/v1/score", json={**request, "metrics": some})
        assert answer.status_code == 200, answer.text
        found += answer.json()["scores"].values()
    return found


def _own(name: str, average: str) -> Document:
    """The average of a column's metric, which balanced accuracy has built in."""
    return {} if name == "balanced_accuracy" else {"average": average}


@pytest.mark.parametrize("average", ["micro", "macro"])
@pytest.mark.parametrize("case", [case for case in SWEPT if case.task != "multiclass"], ids=name_of)
async def test_every_threshold_is_scored(client: httpx.AsyncClient, case: Case, average: str) -> None:
    """Each column of a threshold's row is, to the bit, the score or the reason that /v1/score gives."""
    request = document_of(case)
    side = {"threshold_side": "greater_equal"}
    rows = (await swept(client, request, thresholds=THRESHOLDS, average=average, **side))["thresholds"]
    metrics = [
        {"name": name, "threshold": threshold, **side, **_own(name, average)}
        for threshold in THRESHOLDS
        for name in MASK_METRICS
    ]
    scores = await scored(client, request, metrics)
    shown = [(row[name], row.get("undefined", {}).get(name)) for row in rows for name in MASK_METRICS]
    assert shown == [(score["value"], score.get("undefined")) for score in scores]
    counts = await scored(client, request, [{"name": "confusion", "threshold": th, **side} for th in THRESHOLDS])
    names = ("tp", "fp", "fn", "tn")
    assert [[row[name] for name in names] for row in rows] == [
        pytest.approx([np.sum(score[name]) for name in names], rel=1e-15) for score in counts
    ]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("case", SWEPT, ids=name_of)
async def test_every_cell_is_scored(client: httpx.AsyncClient, case: Case, variant: str) -> None:
    """Each cell has, to the bit, the loss and the parts that /v1/score gives, and the mask of the request's threshold."""
    request = document_of(case)
    shared = VARIANTS[variant] | ({"alpha_mode": "constant"} if case.task == "multiclass" else {})
    cells = (await swept(client, request, focal={**FOCAL, **shared}))["cells"]
    grid = [{"alpha": alpha, "gamma": gamma} for alpha in FOCAL["alpha"] for gamma in FOCAL["gamma"]]
    scores = await scored(client, request, [{"name": "focal_loss", **shared, **cell} for cell in grid])
    names = ("value", "positive", "negative", "positive_share")
    assert [{name: cell[name] for name in ("alpha", "gamma", *names)} for cell in cells] == [
        {**cell, **{name: score.get(name) for name in names}} for cell, score in zip(grid, scores, strict=True)
    ]
    masks = await scored(client, request, [{"name": name, **_own(name, "micro")} for name in MASK_METRICS])
    assert {tuple(cell[name] for name in MASK_METRICS) for cell in cells} == {tuple(one["value"] for one in masks)}


async def test_leaks_are_of_their_own_gamma(client: httpx.AsyncClient) -> None:
    """The leak of the published clipped code depends on gamma outside of the pass: each cell still has its own."""
    request = document_of(SWEPT[0])
    shared = {"clip": [0.001, 0.999], "clip_leak": True, "reduction": "sum"}
    grid = [{"alpha": alpha, "gamma": gamma} for alpha in (0.25, 0.5) for gamma in (0.0, 0.75, 2.0)]
    cells = (await swept(client, request, focal={"alpha": [0.25, 0.5], "gamma": [0, 0.75, 2], **shared}))["cells"]
    scores = await scored(client, request, [{"name": "focal_loss", **shared, **cell} for cell in grid])
    assert [cell["value"] for cell in cells] == [score["value"] for score in scores]


@pytest.mark.parametrize(
    "case", [c for c in SWEPT if c.task != "multiclass" and c.target_kind == "labels"], ids=name_of
)
async def test_the_auc_is_scikit_learn_s(client: httpx.AsyncClient, case: Case) -> None:
    """The area is that of scikit-learn's roc_auc_score, of all labels together and of each, ties and weights included."""
    rounded = np.round(case.prediction, 1)  # many equal scores
    request = document_of(case) | {"prediction": {"encoding": "list", "data": rounded.tolist()}}
    weight = np.ones(rounded.shape) if case.weight is None else np.broadcast_to(case.weight, rounded.shape)
    valid = case.target != (256 if case.ignore_index is None else case.ignore_index)

    def area(chosen: Any) -> float:
        kept = valid[chosen]
        parts = (array[chosen][kept] for array in (case.target, rounded, weight))
        target, scores, weights = parts
        return float(roc_auc_score(target, scores, sample_weight=weights))

    labels: list[Any] = [...] if case.task == "binary" else [0, 1, 2]
    whole = await swept(client, request, focal={"gamma": [2]})
    each = await swept(client, request, focal={"gamma": [2]}, average="macro")
    assert whole["auc"]["value"] == pytest.approx(area(...), rel=1e-12)
    assert each["auc"]["value"] == pytest.approx(np.mean([area(label) for label in labels]), rel=1e-12)
    assert {cell["auc"] for cell in whole["cells"]} == {whole["auc"]["value"]}
    rows = (await swept(client, request, thresholds=THRESHOLDS))["thresholds"]
    assert {row["auc"] for row in rows} == {whole["auc"]["value"]}


@pytest.mark.parametrize("average", get_args(SweptAverage))
@pytest.mark.parametrize("case", [case for case in SWEPT if case.target_kind == "labels"], ids=name_of)
async def test_the_auc_is_scored(client: httpx.AsyncClient, case: Case, average: str) -> None:
    """The area is, with all that is told of it, what /v1/score gives as `roc_auc`; of classes each is ranked against the rest."""
    request = document_of(case)
    answer = await swept(client, request, focal={"alpha": [None], "gamma": [2]}, average=average)
    [score] = await scored(client, request, [{"name": "roc_auc", "average": average}])
    assert answer["auc"] == score
    assert [cell["auc"] for cell in answer["cells"]] == [score["value"]]
    assert 0 < score["value"] < 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"target": {"encoding": "list", "data": [[0, 0], [0, 0]]}}, "target_empty"),
        ({"target": {"encoding": "list", "data": [[1, 1], [1, 1]]}}, "no_negatives"),
        ({"target": {"encoding": "list", "data": [[9, 9], [9, 9]]}, "ignore_index": 9}, "no_valid_pixels"),
        ({"weight": {"encoding": "list", "data": [[0, 0], [0, 0]]}}, "no_weight"),
        ({"target_kind": "probabilities"}, "soft_target"),
    ],
)
async def test_an_area_that_is_undefined_says_why(
    client: httpx.AsyncClient, pair: Document, change: Document, reason: str
) -> None:
    """Without positives, negatives, pixels or weights, or with a soft target, there is no area, and the cells say so."""
    request = {"task": "binary", "prediction_kind": "probabilities", **pair, **change}
    answer = await swept(client, request, thresholds=[0.5], focal={"gamma": [2]})
    assert answer["auc"] == {"value": None, "undefined": reason}
    rows = answer["thresholds"] + answer["cells"]
    assert {(row["auc"], row["undefined"]["auc"]) for row in rows} == {(None, reason)}


async def test_nothing_to_score_is_null_in_every_column(client: httpx.AsyncClient, pair: Document) -> None:
    """Where every pixel is ignored no row has a number, each null has its reason, and there is no best."""
    nothing = {"target": {"encoding": "list", "data": [[9, 9], [9, 9]]}, "ignore_index": 9}
    answer = await swept(client, {"task": "binary", "prediction_kind": "probabilities", **pair, **nothing})
    for table, own in (("thresholds", {"threshold"}), ("cells", {"alpha", "gamma"})):
        for row in answer[table]:
            columns = set(COLUMNS[table]) - own - {"undefined"}  # type: ignore[index]
            assert {row[name] for name in columns} == {None}
            assert row["undefined"] == dict.fromkeys(columns, "no_valid_pixels")
    assert answer["best"] == {"threshold": None, "cell": None}


async def test_the_best_rows(client: httpx.AsyncClient) -> None:
    """The best threshold has the most of a metric, or the nearest to 0, the first of equals; the best cell the least loss, or the
    largest share.
    """
    request = document_of(SWEPT[0])
    for name in MASK_METRICS:
        answer = await swept(client, request, thresholds=THRESHOLDS, best_by=name)
        numbers = [-np.inf if row[name] is None else row[name] for row in answer["thresholds"]]
        signed = name == "volume_difference"
        place = int(np.argmin(np.abs(numbers)) if signed else np.argmax(numbers))
        assert not signed or 0 < place < len(THRESHOLDS) - 1
        assert answer["best"]["threshold"] == {"by": name, "threshold": THRESHOLDS[place], "value": numbers[place]}
    for number, sign in (("value", 1), ("positive", 1), ("negative", 1), ("positive_share", -1)):
        answer = await swept(client, request, focal={}, best_cell_by=number)
        best = min(answer["cells"], key=lambda cell: sign * cell[number])
        expected = {"by": number, "alpha": best["alpha"], "gamma": best["gamma"], "value": best[number]}
        assert answer["best"]["cell"] == expected


async def test_the_first_of_equals_is_the_best(client: httpx.AsyncClient, pair: Document) -> None:
    """Thresholds with no pixel between them are equally good, and cells whose loss is 0: the first of them is named."""
    request = {"task": "binary", "prediction_kind": "probabilities", **pair}
    answer = await swept(client, request, thresholds=[0.9, 0.35, 0.25, 0.3])
    assert len({row["dice"] for row in answer["thresholds"][1:]}) == 1
    assert answer["best"]["threshold"]["threshold"] == 0.35
    nothing = await swept(client, request, focal={"alpha": [0], "alpha_mode": "constant", "gamma": [3, 1, 2]})
    assert {cell["value"] for cell in nothing["cells"]} == {0}
    assert nothing["best"]["cell"]["gamma"] == 3


async def test_the_defaults(client: httpx.AsyncClient, pair: Document) -> None:
    """Without a sweep both tables are there, ten thresholds and 49 cells alpha by alpha, and the answer writes them out."""
    request = {"task": "binary", "prediction_kind": "probabilities", **pair}
    answer = (await client.post("/v1/sweep", json={**request, "id": "a"})).json()
    assert [row["threshold"] for row in answer["thresholds"]] == np.linspace(0.5, 0.95, 10).round(2).tolist()
    cells = [(cell["alpha"], cell["gamma"]) for cell in answer["cells"]]
    assert cells == [(alpha, gamma) for alpha in ALPHAS for gamma in GAMMAS]
    assert (ALPHAS[0], ALPHAS[-1], GAMMAS[0], GAMMAS[-1], len(cells)) == (0.1, 0.4, 1.0, 4.0, 49)
    assert (answer["id"], answer["sweep"]["focal"]["reduction"], answer["sweep"]["best_by"]) == ("a", "mean", "dice")
    assert answer["sweep"]["thresholds"] == [row["threshold"] for row in answer["thresholds"]]
    assert {*answer["semantics"]} == {"confusion", *MASK_METRICS, "roc_auc"}
    one = await swept(client, request, thresholds=[0.5])
    assert (one["cells"], one["best"]["cell"]) == (None, None)


async def test_an_auc_that_is_not_asked_for(client: httpx.AsyncClient, pair: Document) -> None:
    """`auc` false leaves the area out; its column is null, and says so."""
    request = {"task": "binary", "prediction_kind": "probabilities", **pair}
    answer = await swept(client, request, thresholds=[0.5], focal={"gamma": [2], "alpha": [0.5]}, auc=False)
    assert (answer["auc"], answer["cells"][0]["auc"], answer["thresholds"][0]["auc"]) == (None, None, None)
    assert answer["cells"][0]["undefined"] == answer["thresholds"][0]["undefined"] == {"auc": "not_asked"}


async def test_fbeta_has_the_sweep_s_beta(client: httpx.AsyncClient) -> None:
    """With beta 1 it is dice; with another what /v1/score gives for it, and the best threshold is by it."""
    request = document_of(SWEPT[0])
    plain = (await swept(client, request, thresholds=THRESHOLDS))["thresholds"]
    assert [row["fbeta"] for row in plain] == [row["dice"] for row in plain]
    answer = await swept(client, request, thresholds=THRESHOLDS, beta=3, best_by="fbeta")
    asked = [{"name": "fbeta", "beta": 3, "threshold": threshold} for threshold in THRESHOLDS]
    scores = await scored(client, request, asked)
    assert [row["fbeta"] for row in answer["thresholds"]] == [one["value"] for one in scores]
    assert answer["best"]["threshold"]["value"] == max(one["value"] for one in scores if one["value"] is not None)


@pytest.mark.parametrize(
    ("task", "preset"),
    [
        (task, name)
        for task in ("binary", "multilabel", "multiclass")
        for name, one in PRESETS.items()
        if one.recipe("focal_loss", task)
    ],
)
async def test_a_grid_takes_a_library_s_focal_loss(client: httpx.AsyncClient, task: str, preset: str) -> None:
    """Each cell is what /v1/score gives for the preset with the cell's alpha and gamma, and the answer writes it all out."""
    recipe = PRESETS[preset].recipe("focal_loss", task)
    assert recipe is not None
    [case, *_] = [case for case in SWEPT if case.task == task and not _refused(recipe, case)]
    request = document_of(case)
    shared = {"alpha_mode": "constant"} if task == "multiclass" else {}
    answer = await swept(client, request, focal={"preset": preset, **FOCAL, **shared})
    grid = [{"alpha": alpha, "gamma": gamma, **shared} for alpha in FOCAL["alpha"] for gamma in FOCAL["gamma"]]
    scores = await scored(client, request, [{"name": "focal_loss", "preset": preset, **cell} for cell in grid])
    assert [cell["value"] for cell in answer["cells"]] == [score["value"] for score in scores]
    told = {name: value for name, value in recipe.parameters.items() if name not in ("alpha", "gamma", "pooling")}
    swept_focal = answer["sweep"]["focal"]
    assert {name: swept_focal[name] for name in told} == json.loads(json.dumps(told))
    assert swept_focal["preset"] == preset


def _refused(recipe: Recipe, case: Case) -> bool:
    given = {"ignore_index": case.ignore_index is not None, "weights": case.weight is not None}
    return any(given[one.given] and case.task in one.tasks for one in recipe.refuses)


async def test_a_grid_refuses_what_the_preset_does(client: httpx.AsyncClient) -> None:
    """What has no score with a preset has no cell with it: a problem that points to the grid."""
    refusals = [
        (case, name)
        for case in SWEPT
        for name, preset in PRESETS.items()
        if (recipe := preset.recipe("focal_loss", case.task)) and _refused(recipe, case)
    ]
    assert len(refusals) > 1
    for case, name in refusals:
        sweep = {"focal": {"preset": name, "alpha": [None]}}
        answer = await client.post("/v1/sweep", json={**document_of(case), "sweep": sweep})
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (422, "metric_does_not_fit"), answer.text
        assert problem["pointer"] == "/sweep/focal"


async def test_the_client_s_grid_takes_a_library_s_focal_loss(serving: Serving, pair: Document) -> None:
    """A typed grid sends what was given to it only: its defaults do not go before the library's choices."""
    arrays = [pair[role]["data"] for role in ("prediction", "target")]
    async with serving() as caller:
        client = AsyncClient(transport=caller._transport, encoding="list")
        grid = FocalGrid(preset="keras", alpha=[None], gamma=[2.0])
        typed = await client.sweep(*arrays, focal=grid, prediction_kind="probabilities")
        mapping = await client.sweep(
            *arrays, focal={"preset": "keras", "alpha": [None], "gamma": [2]}, prediction_kind="probabilities"
        )
    assert typed.answer.sweep == mapping.answer.sweep
    assert typed.answer.sweep["focal"]["clip"] is not None


@pytest.mark.parametrize("table", ["thresholds", "cells"])
async def test_csv_holds_what_json_holds(client: httpx.AsyncClient, pair: Document, table: str) -> None:
    """Read back, a CSV has the numbers of the JSON, an empty cell for each null, and the reasons in the last column."""
    request = {"task": "binary", "prediction_kind": "probabilities", **pair}
    sweep = {"thresholds": [0.5, 1], "focal": {"alpha": [None, 0.5], "gamma": [2]}, "table": table}
    rows = (await swept(client, request, **sweep))[table]
    answer = await client.post("/v1/sweep", json={**request, "sweep": sweep}, headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    lines = [*csv.DictReader(io.StringIO(answer.text, newline=""))]
    assert tuple(lines[0]) == COLUMNS[table]  # type: ignore[index]
    for line, row in zip(lines, rows, strict=True):
        reasons = "; ".join(f"{name}: {reason}" for name, reason in row.pop("undefined", {}).items())
        assert line.pop("undefined") == reasons
        assert {name: float(text) if text else None for name, text in line.items()} == row


@pytest.mark.parametrize(
    ("accept", "is_csv"),
    [
        ("text/csv", True),
        ("TEXT/CSV; header=present", True),
        ("application/json;q=0.5, text/csv;q=0.8", True),
        ("text/csv, */*;q=0.1", True),
        ("text/csv;q=0.2, application/json", False),
        ("application/json", False),
        ("*/*", False),
        ("", False),
    ],
)
async def test_what_is_accepted_decides(client: httpx.AsyncClient, pair: Document, accept: str, is_csv: bool) -> None:
    """CSV is answered to who asks for it by name and likes nothing better; `Vary` tells a cache."""
    request = {"task": "binary", "prediction_kind": "probabilities", **pair, "sweep": {"thresholds": [0.5]}}
    answer = await client.post("/v1/sweep", json=request, headers={"Accept": accept})
    assert answer.headers["content-type"].startswith("text/csv" if is_csv else "application/json")
    assert answer.headers["vary"] == "Accept"


@pytest.mark.parametrize("body", ["multipart", "safetensors"])
async def test_every_kind_of_body(client: httpx.AsyncClient, body: str) -> None:
    """Arrays as parts and as tensors give the tables that lists give."""
    case = SWEPT[0]
    asked = {"task": "binary", "prediction_kind": case.prediction_kind, "sweep": {"thresholds": [0.3]}}
    expected = await swept(client, document_of(case), thresholds=[0.3])
    kind = "part" if body == "multipart" else "tensor"
    arrays = {"prediction": {"encoding": kind, "name": "p"}, "target": {"encoding": kind, "name": "t"}}
    document = json.dumps({**asked, **arrays})
    if body == "multipart":
        files = {
            "request": ("request.json", document.encode(), "application/json"),
            "p": ("p.npy", npy(case.prediction), "application/x-npy"),
            "t": ("t.npy", npy(case.target), "application/x-npy"),
        }
        answer = await client.post("/v1/sweep", files=files)
    else:
        content = safetensors.write(document, {"p": case.prediction, "t": case.target})
        headers = {"Content-Type": "application/x-safetensors"}
        answer = await client.post("/v1/sweep", content=content, headers=headers)
    assert answer.json()["thresholds"] == expected["thresholds"]
    assert answer.json()["auc"] == expected["auc"]


@pytest.mark.parametrize(
    ("sweep", "pointer", "told"),
    [
        ({"thresholds": []}, "/sweep/thresholds", "1 or more"),
        ({"thresholds": [0.5, 1.5]}, "/sweep/thresholds/1", "found 1.5"),
        ({"thresholds": [0.5, "a"]}, "/sweep/thresholds/1", "found 'a'"),
        ({"thresholds": [0.5, 0.6, 0.5]}, "/sweep/thresholds/2", "twice, at 0 and 2"),
        ({"thresholds": [place / 2000 for place in range(1001)]}, "/sweep/thresholds", "1000"),
        ({"focal": {"gamma": [1, 2, 3, 99]}}, "/sweep/focal/gamma/3", "found 99"),
        ({"focal": {"gamma": [1, 1]}}, "/sweep/focal/gamma/1", "twice"),
        ({"focal": {"gamma": [place / 10 for place in range(101)]}}, "/sweep/focal/gamma", "100"),
        ({"focal": {"alpha": [0.5, 0.1, 2]}}, "/sweep/focal/alpha/2", "found 2.0"),
        ({"focal": {"alpha": [0.5, None, None]}}, "/sweep/focal/alpha/2", "twice"),
        (
            {"focal": {"alpha": [i / 200 for i in range(200)], "gamma": [i / 10 for i in range(51)]}},
            "/sweep/focal",
            "10200 cells; at most 10000",
        ),
        ({"focal": {"clip": [0.9, 0.1]}}, "/sweep/focal/clip", "low < high"),
        ({"focal": {"clip_leak": True}}, "/sweep/focal/clip_leak", "needs clip"),
        ({"focal": {"name": "focal_loss"}}, "/sweep/focal/name", "not known"),
        ({"best_by": "mean"}, "/sweep/best_by", "found 'mean'"),
        ({"best_cell_by": "dice"}, "/sweep/best_cell_by", "found 'dice'"),
        ({"thresholds": [0.5], "table": "cells"}, "/sweep/table", "swept are thresholds"),
        ({"gammas": [1]}, "/sweep/gammas", "not known"),
        (5, "/sweep", "found 5"),
    ],
)
async def test_a_sweep_that_cannot_be(
    client: httpx.AsyncClient, pair: Document, sweep: Any, pointer: str, told: str
) -> None:
    """What is wrong with a sweep is a problem with its pointer and what was found, whatever was to be accepted."""
    request = {"task": "binary", "prediction_kind": "probabilities", **pair, "sweep": sweep}
    answer = await client.post("/v1/sweep", json=request, headers={"Accept": "text/csv"})
    problem = answer.json()
    assert (answer.status_code, problem["pointer"]) == (422, pointer)
    assert answer.headers["content-type"] == "application/problem+json"
    assert told in problem["detail"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"prediction_kind": "labels"}, "/prediction_kind"),
        ({"metrics": ["dice"]}, "/metrics"),
        ({"task": "boxes", "sweep": {"focal": {}}}, "/task"),
        ({"task": "instances"}, "/task"),
        ({"task": "multiclass", "regions": [[1]], "sweep": {"focal": {"alpha": [None]}}}, "/regions"),
        ({"sweep": {"focal": {"preset": "nnunet"}}}, "/sweep/focal/preset"),
        ({"sweep": {"focal": {"preset": "nobody"}}}, "/sweep/focal/preset"),
        ({"sweep": {"focal": {"preset": "nnunet"}}, "task": "masks"}, "/task"),
        ({"sweep": {"preset": "torchvision"}}, "/sweep/preset"),
        ({"preset": "torchvision"}, "/preset"),
        ({"prediction": {"encoding": "list", "data": [[0.9, 7.0], [0.7, 0.4]]}}, "/prediction"),
        ({"target": {"encoding": "list", "data": [[1, 0, 1]]}}, "/target"),
        (
            {
                "weight": {"encoding": "list", "data": [[1, 2], [3, 4]]},
                "sweep": {"focal": {"weight_from": {"name": "boundary"}}},
            },
            "/sweep/focal/weight_from",
        ),
    ],
)
async def test_a_pair_that_cannot_be_swept(
    client: httpx.AsyncClient, pair: Document, change: Document, pointer: str
) -> None:
    """Arrays and options are held to what /v1/score holds them to; a loss that does not fit points to its grid."""
    request = {"task": "binary", "prediction_kind": "probabilities", **pair, **change}
    answer = await client.post("/v1/sweep", json=request)
    assert (answer.status_code, answer.json()["pointer"]) == (422, pointer)


@pytest.mark.parametrize(
    ("sweep", "pointer"), [({"thresholds": [0.5]}, "/sweep/thresholds"), ({}, "/sweep/focal/alpha_mode")]
)
async def test_classes_have_no_threshold_and_no_balance(
    client: httpx.AsyncClient, sweep: Document, pointer: str
) -> None:
    """Multi-class refuses thresholds, and alphas that weigh positives against negatives."""
    [case, *_] = [case for case in SWEPT if case.task == "multiclass"]
    answer = await client.post("/v1/sweep", json={**document_of(case), "sweep": sweep})
    assert (answer.status_code, answer.json()["pointer"]) == (422, pointer)


async def test_a_csv_of_two_tables_needs_a_name(client: httpx.AsyncClient, pair: Document) -> None:
    """A CSV holds one table: with both swept, which one is asked for."""
    request = {"task": "binary", "prediction_kind": "probabilities", **pair}
    answer = await client.post("/v1/sweep", json=request, headers={"Accept": "text/csv"})
    assert (answer.status_code, answer.json()["pointer"]) == (422, "/sweep/table")


async def test_the_client_s_table_is_the_service_s(serving: Serving, pair: Document) -> None:
    """The client reads the tables, and writes the CSV that the service writes."""
    arrays = [pair[role]["data"] for role in ("prediction", "target")]
    request = {"task": "binary", "prediction_kind": "probabilities", **pair, "sweep": {"focal": {"gamma": [1, 2]}}}
    async with serving() as caller:
        text = (await caller.post("/v1/sweep", json=request, headers={"Accept": "text/csv"})).text
        client = AsyncClient(transport=caller._transport, encoding="list")
        result = await client.sweep(*arrays, focal={"gamma": [1, 2]}, prediction_kind="probabilities")
    assert result.to_csv() == text
    assert result.best.cell is not None
    assert result.best.cell.value == min(cell["value"] for cell in result.table())
    assert (result.thresholds, len(result.cells)) == ([], 14)
