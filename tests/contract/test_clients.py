"""Asking in another way gives the same answer: sync or async, by name, mapping or spec, with defaults or without."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
from lossgauge import AsyncClient, BatchResult, Client, FailedItem, ProblemError, ScoredItem, ScoreResult
from lossgauge import metrics as m
from lossgauge.metrics import CATALOGUE, MetricSpec

from tests.contract.cases import CASES, OBJECTS, arguments, case_for, case_of, fitting, name_of, options, shared_out
from tests.reference import Case

Result = TypeVar("Result")
MASKED = tuple(case for case in CASES if case.weight is not None)
SOME = ["dice", m.FocalLoss(alpha=None), {"name": "iou", "soft": True, "key": "soft_iou"}]


def told(answer: ScoreResult | BatchResult) -> dict[str, Any]:
    """All of an answer but what differs from call to call: times, request ids, the exceptions themselves."""
    if isinstance(answer, ScoreResult):
        return {name: value for name, value in vars(answer).items() if name != "timing_ms"}
    items = [
        (item.index, item.id, item.problem) if isinstance(item, FailedItem) else (item.index, item.id, item.scores)
        for item in answer
    ]
    return {"items": items, **{name: getattr(answer, name) for name in ("summary", "semantics", "engine", "requests")}}


def awaited(url: str, call: Callable[[AsyncClient], Awaitable[Result]]) -> Result:
    """What a call of the asynchronous client gives."""

    async def run() -> Result:
        async with AsyncClient(url, retries=0) as client:
            return await call(client)

    return asyncio.run(run())


# ------------------------------------------------------------------------------------------------------ sync and async


def test_an_extra_without_a_value_is_none(client: Client) -> None:
    """What a metric declares can be read of any sample, and why it is None."""
    asked: Any = {"prediction_kind": "labels", "metrics": "panoptic_quality"}
    missed = client.score([[1, 1, 1, 1]], [[1, 0, 0, 0]], **asked).scores["panoptic_quality"]
    nothing = client.score([[0]], [[0]], **asked).scores["panoptic_quality"]
    assert (missed.sq, missed.rq, missed.undefined_extras) == (None, 0.0, dict.fromkeys(("sq", "sq_mean"), "no_match"))  # type: ignore[attr-defined]
    assert (nothing.sq, nothing.undefined_extras["rq"]) == (None, "both_empty")  # type: ignore[attr-defined,index]


@pytest.mark.parametrize("case", MASKED, ids=name_of)
def test_sync_and_async_score_alike(client: Client, url: str, case: Case) -> None:
    """A pair has the same answer from both clients: scores, semantics, engine, id."""
    metrics = [spec for spec, _ in fitting(case).values()][:20]
    asked = arguments(case, metrics=metrics, id="image-7")
    answer = client.score(**asked)
    assert told(answer) == told(awaited(url, lambda client: client.score(**asked)))
    assert answer.id == "image-7"


def test_sync_and_async_score_batches_alike(client: Client, url: str) -> None:
    """Items, one of them bad, and a stack have the same answer from both clients."""
    good = arguments(case_of("binary", "logits"))
    pair = {role: good[role] for role in ("prediction", "target")}
    bad = {**pair, "target": pair["target"] + 1, "id": "bad"}
    stack = {role: array[:, None] for role, array in pair.items()}
    for items in ([pair, bad, {**pair, "id": "c"}], stack):
        asked: dict[str, Any] = {"items": items, "metrics": SOME, "prediction_kind": "logits"}
        assert told(client.score_batch(**asked)) == told(awaited(url, lambda client: client.score_batch(**asked)))  # noqa: B023


def test_sync_and_async_read_the_same_catalogue_and_limits(client: Client, url: str) -> None:
    """`metrics`, `limits` and `ready` are the same from both clients."""
    assert [*client.metrics()] == [*awaited(url, lambda client: client.metrics())]
    assert client.limits() == awaited(url, lambda client: client.limits())
    assert (client.ready(), awaited(url, lambda client: client.ready())) == (True, True)


def test_sync_and_async_raise_alike(client: Client, url: str) -> None:
    """A refusal is the same error from both clients."""
    asked = arguments(case_of("binary", "logits"), metrics="dicee")
    with pytest.raises(ProblemError) as here:
        client.score(**asked)
    with pytest.raises(ProblemError) as there:
        awaited(url, lambda client: client.score(**asked))
    assert type(here.value) is type(there.value)
    assert [here.value.code, here.value.pointer] == [there.value.code, there.value.pointer]
    assert here.value.detail == there.value.detail


# ------------------------------------------------------------------------------------------------------ ways of asking


@pytest.mark.parametrize("name", [name for name in CATALOGUE if name != "combined_loss"])
def test_a_name_a_mapping_and_a_spec_are_the_same(client: Client, name: str) -> None:
    """Without parameters, a metric is the same by its name, as a mapping and as a spec, alone and in a list."""
    asked = arguments(case_for(CATALOGUE[name](name=name)))
    ways: list[Any] = [name, [name], {"name": name}, CATALOGUE[name](name=name), (CATALOGUE[name](name=name),)]
    answers = [told(client.score(**asked, metrics=way)) for way in ways]
    assert answers[1:] == answers[:1] * (len(ways) - 1)


@pytest.mark.parametrize("case", MASKED, ids=name_of)
def test_specs_and_mappings_of_what_they_change_are_the_same(client: Client, case: Case) -> None:
    """A spec is what its mapping of parameters off their defaults is."""
    specs = [spec for spec, _ in fitting(case).values()][-40:]
    mappings = [{"name": spec.name, **_off_default(spec)} for spec in specs]
    asked = arguments(case)
    assert told(client.score(**asked, metrics=mappings)) == told(client.score(**asked, metrics=specs))


def _off_default(spec: MetricSpec) -> dict[str, Any]:
    defaults = {name: field.default for name, field in type(spec).model_fields.items()}
    return {
        name: value for name, value in spec.model_dump(mode="json").items() if getattr(spec, name) != defaults[name]
    }


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_semantics_sent_back_reproduce_the_scores(client: Client, case: Case) -> None:
    """What an answer says of its metrics, asked again, gives the same bits, whatever the request's own defaults."""
    specs: list[MetricSpec] = [spec for spec, _ in fitting(case).values()]
    for some in shared_out(specs):
        first = client.score(**arguments(case, threshold=0.25), metrics=some)
        again = client.score(**arguments(case, threshold=0.75), metrics=[*first.semantics.values()])
        assert (again.scores, again.semantics) == (first.scores, first.semantics)


def test_semantics_write_every_default_out(client: Client) -> None:
    """Every parameter of a metric is in the answer's semantics, and no threshold is left open."""
    names = [name for name in CATALOGUE if name != "combined_loss"]
    semantics: dict[str, Any] = {}
    for case in (case_of("binary", "logits"), case_of("binary", "labels"), *OBJECTS):
        fit = [spec.name for spec, _ in fitting(case, [CATALOGUE[name](name=name) for name in names]).values()]
        semantics |= client.score(**arguments(case, threshold=0.25), metrics=fit).semantics
    assert {name: {*semantics[name]} for name in names} == {name: {*CATALOGUE[name].model_fields} for name in names}
    assert {0.25} == set(_thresholds(semantics))


def _thresholds(node: Any) -> list[Any]:
    if not isinstance(node, dict):
        return []
    own = [node["threshold"]] if "threshold" in node else []
    return own + [found for child in node.values() for found in _thresholds(child)]


def test_results_say_what_was_asked_and_in_which_precision(client: Client) -> None:
    """The question with its defaults and the precision are in the results of a pair, of a batch and of its items."""
    case = case_of("binary", "logits", masked=True)
    asked = arguments(case, metrics="cross_entropy")
    pair = {role: asked.pop(role) for role in ("prediction", "target", "weight")}
    one = client.score(**pair, **asked)
    many = client.score_batch([pair, {**pair, "prediction": case.prediction.astype("float32")}], **asked)
    assert one.asked is not None
    assert one.asked.model_dump() == {
        **options(case),
        "channel_axis": 0,
        "spacing": None,
        "regions": None,
        "preset": None,
    }
    assert (many.asked, one.precision) == (one.asked, "float64")
    assert [item.precision for item in many if isinstance(item, ScoredItem)] == ["float64", "float32"]


def test_options_left_out_are_the_defaults(client: Client) -> None:
    """The defaults that the client's signature shows are the service's."""
    case = case_of("binary", "logits")
    pair: dict[str, Any] = {
        "prediction": case.prediction,
        "target": case.target,
        "prediction_kind": "logits",
        "metrics": "dice",
    }
    written_out = {**options(case), "channel_axis": 0, "precision": "float64", "weight": None, "id": None}
    assert told(client.score(**pair)) == told(client.score(**{**written_out, **pair}))
