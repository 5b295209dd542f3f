"""The contract of maps: what is asked of a pair pixel by pixel, and what an answer says of each map."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from lossgauge.encodings import Array
from lossgauge.encodings.safetensors import METADATA
from lossgauge.metrics import CATALOGUE
from lossgauge.metrics.spec import Forbidden, MetricSpec, Probability
from lossgauge.presets import PresetName
from lossgauge.presets.applied import maps_with_presets
from lossgauge.tasks import TASKS_OF_PIXELS, Task
from lossgauge.wire import Answer, Asked, EngineInfo, Message, NamedMetric, Number, Subject, Timings

MapName = Annotated[
    str | None,
    Field(min_length=1, max_length=200, description="Its name in the answer; `<metric>.<kind>` by default."),
]


class MapMessage(Message):
    """A map that is asked for."""

    name: MapName = None

    def model_post_init(self, context: Any) -> None:
        """The kind counts as given: it says which map this is."""
        self.model_fields_set.add("kind")


class OfMetric(MapMessage):
    """A map that is made of a metric."""

    metric: NamedMetric

    @property
    def spec(self) -> MetricSpec:
        """The metric."""
        return self.metric


class LossMap(OfMetric):
    """The loss of each pixel, or box, before any reduction, weights and alphas included; 0 where a pixel does not count.

    Shape: the pixels'; of multi-label the prediction's; of boxes (n,), NaN where a pair has no value. Its sum over the reduction's
    denominator is the score. Of a `combined_loss` without transforms: the terms' maps, each times its weight, added up.
    """

    kind: Literal["loss"] = "loss"

    @property
    def answer_name(self) -> str:
        """The name under which the answer holds the map."""
        return self.name or f"{self.metric.answer_key}.loss"


class GradientMap(OfMetric):
    """The derivative of the score with respect to each value of the prediction as it was sent: logit, probability, or number of a box.

    Shape: the prediction's. 0 where a pixel or a pair of boxes does not count, and where the loss is clipped.
    """

    kind: Literal["gradient"] = "gradient"

    @property
    def answer_name(self) -> str:
        """The name under which the answer holds the map."""
        return self.name or f"{self.metric.answer_key}.gradient"


class ErrorMap(MapMessage):
    """What is right and what is wrong, as uint8.

    Masks (the prediction's shape): 0 true negative, 1 true positive, 2 false positive, 3 false negative.
    Classes (the pixels' shape): 1 where the likeliest class is the target's, 2 where not. 255 is ignored.
    """

    kind: Literal["errors"] = "errors"
    threshold: Probability | None = Field(
        default=None, description="The probability above which a pixel is positive; the request's by default."
    )
    threshold_side: Literal["greater", "greater_equal"] = Field(
        default="greater", description="p > threshold, or p >= threshold."
    )

    @property
    def answer_name(self) -> str:
        """The name under which the answer holds the map."""
        return self.name or "errors"


MAP_KINDS = ("loss", "gradient", "errors")
MAPPED_TASKS: tuple[Task, ...] = (*TASKS_OF_PIXELS, "boxes")
AnyMap = Annotated[LossMap | GradientMap | ErrorMap, Field(discriminator="kind")]


class MapRequest(Subject):
    """One prediction and its target, and the maps that are asked of them."""

    preset: PresetName | None = Field(
        default=None, description="The library whose choices are taken where a metric gives none. `GET /v1/presets`."
    )
    maps: list[AnyMap] = Field(min_length=1, max_length=16)
    id: str | None = Field(default=None, max_length=200)
    prediction: Array
    target: Array
    weight: Array | None = None

    @model_validator(mode="before")
    @classmethod
    def _presets_are_resolved(cls, request: Any) -> Any:
        return maps_with_presets(request, CATALOGUE)

    @model_validator(mode="after")
    def _maps_are_of_pixels_or_boxes(self) -> Self:
        if self.task not in MAPPED_TASKS:
            raise Forbidden(f"a map is for the tasks {', '.join(MAPPED_TASKS)}; found {self.task!r}", "task")
        for place, one in enumerate(self.maps):
            if isinstance(one, ErrorMap) and self.task not in TASKS_OF_PIXELS:
                found = f"kind 'errors' is of pixels, right or wrong each, for the tasks {', '.join(TASKS_OF_PIXELS)}"
                raise Forbidden(f"{found}; found {self.task!r}", "maps", place, "kind")
        return self

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        places: dict[str, int] = {METADATA: -1}
        for place, one in enumerate(self.maps):
            first = places.setdefault(one.answer_name, place)
            if first != place:
                found = "is taken" if first < 0 else f"is that of two maps ({first} and {place})"
                at = () if one.name is None else ("name",)
                raise Forbidden(f"the name {one.answer_name!r} {found}; give one of its own", "maps", place, *at)
        return self


class MapAnswer(Answer):
    """A map, and the score of its metric. `metric` has every default written out."""

    name: str
    kind: Literal["loss", "gradient", "errors"]
    metric: dict[str, Any] | None = None
    threshold: float | None = None
    value: Number | None = Field(default=None, description="The score of the map's metric.")
    undefined: str | None = Field(default=None, description="Why the score has no value; a gradient has no array then.")
    array: Array | None = None


class MapResponse(Answer):
    """The maps of one pair, in the order in which they were asked."""

    id: str | None = None
    maps: list[MapAnswer]
    asked: Asked | None = None
    timing_ms: Timings = Field(description="receive, decode, queue, compute, encode and total, in milliseconds.")
    engine: EngineInfo
