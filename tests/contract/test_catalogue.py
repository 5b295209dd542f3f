"""The catalogue: whatever can be asked is described, with its bounds and its default."""

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from lossgauge import Client
from lossgauge.errors import MetricDoesNotFitError
from lossgauge.metrics import CATALOGUE
from lossgauge.wire import MetricDescription
from pydantic import TypeAdapter

Schema = dict[str, Any]
BOUNDS = ({"minimum", "exclusiveMinimum"}, {"maximum", "exclusiveMaximum"})
TOLD = ("summary", "formula", "direction", "range", "source", "tasks", "prediction_kinds")
REQUIRED = {("combined_loss", "terms")}


def described(client: Client) -> dict[str, MetricDescription]:
    """The catalogue as a caller has it."""
    return {description.name: description for description in client.metrics()}


def test_every_metric_says_what_it_is(client: Client) -> None:
    """Formula, direction, range, source, tasks and kinds are there for every metric that the client knows."""
    catalogue = described(client)
    assert catalogue.keys() == CATALOGUE.keys()
    silent = [(name, what) for name, one in catalogue.items() for what in TOLD if not getattr(one, what)]
    assert silent == []


def test_every_parameter_has_a_default(client: Client) -> None:
    """A parameter has a default, and the metric of all the defaults is the metric of its name."""
    without = set()
    for name, description in described(client).items():
        defaults = {key: schema["default"] for key, schema in description.parameters.items() if "default" in schema}
        without |= {(name, key) for key in description.parameters.keys() - defaults.keys()}
        if not any(owner == name for owner, _ in REQUIRED):
            assert CATALOGUE[name].model_validate({"name": name, **defaults}) == CATALOGUE[name](name=name)
    assert without == REQUIRED


def test_every_parameter_is_described(client: Client) -> None:
    """A parameter says what it does, whatever the metric or record that it is says of itself."""
    silent = [
        (name, key)
        for name, description in described(client).items()
        for key, schema in description.parameters.items()
        if not schema.get("description")
    ]
    assert silent == []


def test_every_extra_is_told(client: Client) -> None:
    """The catalogue names what a score holds beside its value, each with what it is; a docstring that speaks of extras names some."""
    for name, description in described(client).items():
        assert description.extras == CATALOGUE[name].about.extras
        assert [extra for extra, what in description.extras.items() if not what] == []
        assert ("Extras" in description.description) <= bool(description.extras)


def test_every_number_has_bounds(client: Client) -> None:
    """A number, also one within a list or a record, has a lowest and a highest value."""
    unbounded = {
        (name, path)
        for name, description in described(client).items()
        for key, schema in description.parameters.items()
        for path, number in _numbers(schema, key, description)
        if not all(bounds & number.keys() for bounds in BOUNDS)
    }
    assert unbounded == set()


def test_every_list_and_text_has_bounds(client: Client) -> None:
    """A text, other than one of a few, and the lists of thresholds and terms have a greatest length."""
    parameters = {
        (name, key): one for name, about in described(client).items() for key, one in about.parameters.items()
    }
    texts = [where for where, schema in parameters.items() for text in _branches(schema) if _is_free(text)]
    assert [where for where in texts if "maxLength" not in str(parameters[where])] == []
    assert parameters["mean_iou", "thresholds"]["maxItems"] == 1000
    assert parameters["combined_loss", "terms"]["maxItems"] == 16


def _is_free(schema: Schema) -> bool:
    return schema.get("type") == "string" and not {"enum", "const"} & schema.keys()


def _numbers(schema: Schema, path: str, metric: MetricDescription) -> Iterator[tuple[str, Schema]]:
    """Every number in a parameter, by its place."""
    for branch in _branches(_resolved(schema, metric)):
        if branch.get("type") in ("number", "integer"):
            yield path, branch
        for child in [branch[key] for key in ("items",) if key in branch] + branch.get("prefixItems", []):
            yield from _numbers(child, f"{path}[]", metric)
        for name, child in branch.get("properties", {}).items():
            yield from _numbers(child, f"{path}.{name}", metric)


def _branches(schema: Schema) -> list[Schema]:
    branches: list[Schema] = schema.get("anyOf") or schema.get("oneOf") or [schema]
    return branches


def _resolved(schema: Schema, metric: MetricDescription) -> Schema:
    if "$ref" not in schema:
        return schema
    referred: Schema = metric.definitions[schema["$ref"].rpartition("/")[2]]
    return referred


@pytest.mark.parametrize("name", CATALOGUE)
def test_each_metric_has_its_page(client: Client, caller: httpx.Client, name: str) -> None:
    """GET /v1/metrics/{name} is the metric's entry in the whole catalogue."""
    page = TypeAdapter(MetricDescription).validate_json(caller.get(f"/v1/metrics/{name}").content)
    assert page == described(client)[name]


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_metric_fits_what_its_page_says(client: Client, name: str) -> None:
    """A metric is scored for every kind of prediction and task of its page, and for no other."""
    page = described(client)[name]
    terms = {"terms": [{"metric": {"name": "dice"}}]} if name == "combined_loss" else {}
    metric = {"name": name, **terms, **({"alpha": None} if name == "focal_loss" else {})}
    fits = {
        (task, kind): _is_scored(client, metric, task, kind)
        for task in ("binary", "multiclass", "multilabel")
        for kind in ("logits", "probabilities", "labels")
    }
    assert fits == {(task, kind): task in page.tasks and kind in page.prediction_kinds for task, kind in fits}


def _is_scored(client: Client, metric: Schema, task: str, kind: str) -> bool:
    labels = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]]])
    prediction = labels if kind == "labels" else labels * 0.5 + 0.25
    target = labels[0] if task == "multiclass" else labels
    if (task, kind) == ("multiclass", "labels"):
        prediction = labels[0]
    asked: Any = {"task": task, "prediction_kind": kind, "num_classes": 2 if task == "multiclass" else None}
    try:
        return metric["name"] in client.score(prediction, target, metrics=metric, **asked)
    except MetricDoesNotFitError:
        return False


@pytest.mark.parametrize(
    ("name", "hint"),
    [("dicee", "did you mean 'dice'"), ("nsd", "did you mean 'surface_dice'"), ("nothing", "allowed: accuracy")],
)
def test_an_unknown_metric_is_not_found(caller: httpx.Client, name: str, hint: str) -> None:
    """The page of a metric that is none is a 404 problem, which names the nearest and all that are."""
    answer = caller.get(f"/v1/metrics/{name}")
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, problem["status"], problem["code"]) == (404, 404, "not_found")
    assert hint in problem["detail"]
