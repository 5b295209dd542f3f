"""A question with its presets resolved: what a metric does not give itself is the library's."""

from collections.abc import Callable, Mapping
from typing import Any, get_args

from pydantic import BaseModel

from lossgauge.metrics.spec import Forbidden, MetricSpec, Place, named
from lossgauge.presets import PRESETS, Preset
from lossgauge.tasks import Task

COMBINED = "combined_loss"
Known = Mapping[str, type[MetricSpec]]


def with_presets(question: Any, known: Known) -> Any:
    """The question, each of its metrics with the parameters of its preset, or of the question's, that it does not give.

    `known` are the metrics that there are: any other is left for who refuses it, as is a preset that is none. A metric's
    `"preset": null` takes it out of the question's preset. A combined loss's preset is that of its terms. Regions are masks, one
    a label: with them a preset says what it says for task multilabel.
    """
    return _resolved(question, "metrics", known, _Scope.metric)


def maps_with_presets(request: Any, known: Known) -> Any:
    """The same of a request of maps, each of which may hold a metric."""
    return _resolved(request, "maps", known, _Scope.map)


def _resolved(asked: Any, field: str, known: Known, resolve: "Resolve") -> Any:
    """What is asked, with each member of a field resolved."""
    members = asked.get(field) if isinstance(asked, Mapping) else None
    if not isinstance(members, list) or asked.get("task") not in get_args(Task):
        return asked
    default = asked.get("preset")
    if default is None and not any(map(_names_one, members)):
        return asked
    scope = _Scope(asked["task"], known, asked.get("regions") is not None)
    return {**asked, field: [resolve(scope, member, default, (field, i)) for i, member in enumerate(members)]}


def _names_one(value: Any) -> bool:
    if isinstance(value, BaseModel):
        return _names_one(value.model_dump(exclude_unset=True))
    if isinstance(value, Mapping):
        return value.get("preset") is not None or any(map(_names_one, value.values()))
    return isinstance(value, list) and any(map(_names_one, value))


class _Scope:
    """What all metrics of a question share."""

    def __init__(self, task: str, known: Known, has_regions: bool) -> None:
        self._task = "multilabel" if has_regions and task == "multiclass" else task
        self._known = known
        self._found = f"{self._task!r}, as which regions are scored" if self._task != task else repr(task)

    def metric(self, metric: Any, default: Any, at: Place) -> Any:
        """A metric with what its preset says."""
        if isinstance(metric, BaseModel):
            metric = metric.model_dump(exclude_unset=True)
        metric = named(metric)
        if not isinstance(metric, Mapping):
            return metric
        name, preset = metric.get("name"), metric.get("preset", default)
        inner = preset if name == COMBINED else None
        whole = {key: self._part(value, inner, (*at, key)) for key, value in metric.items()}
        if preset is None or name == COMBINED:
            return {**whole, "preset": preset} if preset else whole
        if not isinstance(preset, str) or not isinstance(name, str) or preset not in PRESETS or name not in self._known:
            return whole
        own = metric.get("preset") is not None
        chosen = self._parameters(PRESETS[preset], name, (*at, "preset") if own else at)
        return {**self._without(chosen, name, whole), **whole, "preset": preset}

    def map(self, asked: Any, default: Any, at: Place) -> Any:
        """A map with what its metric's preset says."""
        if isinstance(asked, BaseModel):
            asked = asked.model_dump(exclude_unset=True)
        if not isinstance(asked, Mapping) or "metric" not in asked:
            return asked
        return {**asked, "metric": self.metric(asked["metric"], default, (*at, "metric"))}

    def _part(self, value: Any, default: Any, at: Place) -> Any:
        """A part of a metric, with the metrics that stand in it."""
        if isinstance(value, list):
            return [self._part(one, default, (*at, place)) for place, one in enumerate(value)]
        if not isinstance(value, Mapping):
            return value
        if "name" in value:
            return self.metric(value, default, at)
        if value.get("preset") is not None:
            raise Forbidden("a metric within a metric needs its name for a preset; found none", *at)
        return {
            key: self._part(named(one) if key == "metric" else one, default, (*at, key)) for key, one in value.items()
        }

    def _parameters(self, preset: Preset, name: str, at: Place) -> dict[str, Any]:
        recipe = preset.recipe(name, self._task)
        if recipe is None:
            raise Forbidden(_nothing_of(preset, name, self._found), *at)
        return recipe.parameters

    def _without(self, chosen: Mapping[str, Any], name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """What is chosen of a metric, but for what is given by another name."""
        others = self._known[name].other_names()
        named = {others.get(one, one) for one in given}
        return {one: value for one, value in chosen.items() if one not in named}


Resolve = Callable[[_Scope, Any, Any, Place], Any]


def _nothing_of(preset: Preset, name: str, found: str) -> str:
    tasks = preset.tasks_of(name)
    if tasks:
        return f"preset {preset.name!r} has {name!r} for task {' and '.join(tasks)}; found {found}"
    return f"preset {preset.name!r} says nothing of {name!r}; it has {', '.join(preset.metrics) or 'no metric yet'}"
