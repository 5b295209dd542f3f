"""The contract: what a request and an answer look like, version 1."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, Union

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SkipValidation, model_validator

from lossgauge.encodings import Array
from lossgauge.metrics import CATALOGUE, MetricSpec
from lossgauge.metrics.spec import Direction, Forbidden, PredictionKind, named
from lossgauge.presets import Preset, PresetName
from lossgauge.presets.applied import with_presets
from lossgauge.tasks import Task

Precision = Literal["float32", "float64"]
TargetKind = Literal["labels", "probabilities"]


class Message(BaseModel):
    """Anything that travels: frozen, and nothing in it that the contract does not name."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Answer(BaseModel):
    """Anything that the service sends: frozen; a reader skips what a later version adds."""

    model_config = ConfigDict(frozen=True, strict=True)


# --------------------------------------------------------------------------------------------------------------- metrics


if TYPE_CHECKING:
    Metric = MetricSpec
else:
    Metric = Annotated[Union[tuple(CATALOGUE.values())], Field(discriminator="name")]

NamedMetric = Annotated[
    Metric,
    BeforeValidator(named, json_schema_input_type=Union[Literal[tuple(CATALOGUE)], Metric]),
]

# -------------------------------------------------------------------------------------------------------------- requests


Spacing = Annotated[
    list[Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]], Field(min_length=1, max_length=32)
]


Region = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=256)]


IN_VAIN: dict[str, dict[str, str]] = {
    "binary": {"num_classes": "classes", "channel_axis": "classes"},
    "instances": {"channel_axis": "channels"},
    "boxes": {"num_classes": "classes", "channel_axis": "classes", "ignore_index": "labels"},
}
"""What a task has not, and the fields that would speak of it."""


class Subject(Message):
    """What a request says of its arrays: what is in them, and what counts."""

    task: Task = Field(
        description="What the arrays hold: masks, classes, ids of instances (integers, 0 the background), or paired boxes (n, 4)."
    )
    prediction_kind: PredictionKind = Field(description="What the prediction's values are; never guessed from them.")
    target_kind: TargetKind = Field(
        default="labels", description="labels: classes, or 0 and 1. probabilities: a soft target in [0, 1]."
    )
    channel_axis: int = Field(
        default=0, ge=-32, le=31, description="Where the classes are, in one sample's array (multiclass, multilabel)."
    )
    num_classes: int | None = Field(
        default=None, ge=1, description="Needed for multi-class labels; checked against the array otherwise."
    )
    ignore_index: int | None = Field(
        default=None, ge=-(2**31), lt=2**31, description="Pixels with this target label count nowhere."
    )
    threshold: float = Field(default=0.5, ge=0, le=1, description="The probability above which a pixel is positive.")
    spacing: Spacing | None = Field(
        default=None, description="The size of a pixel along each of its axes, for distances; 1 by default."
    )
    precision: Precision | None = Field(
        default=None,
        description="What the pass computes in. By default float64 where the prediction is float64 and float32 otherwise.",
    )
    regions: list[Region] | None = Field(
        default=None,
        min_length=1,
        description="Unions of classes (multiclass): each region is scored as a mask of labels, in place of the classes.",
    )

    def said(self) -> dict[str, Any]:
        """What it says of its arrays, by name, whatever else the request asks."""
        return {name: getattr(self, name) for name in Subject.model_fields}

    @model_validator(mode="after")
    def _labels_need_a_number_of_classes(self) -> Self:
        if self.task == "multiclass" and self.prediction_kind == "labels" and self.num_classes is None:
            needed = "num_classes is needed for task 'multiclass' with prediction_kind 'labels'; found none"
            raise Forbidden(needed, "num_classes")
        return self

    @model_validator(mode="after")
    def _regions_are_of_classes(self) -> Self:
        if self.regions is not None and self.task != "multiclass":
            raise Forbidden(
                f"regions are unions of classes, for task 'multiclass'; found task {self.task!r}", "regions"
            )
        return self

    @model_validator(mode="after")
    def _nothing_is_said_in_vain(self) -> Self:
        for name, why in IN_VAIN.get(self.task, {}).items():
            value, default = getattr(self, name), type(self).model_fields[name].default
            if value != default:
                raise Forbidden(f"{name} says nothing of task {self.task!r}, which has no {why}; found {value}", name)
        return self


class Question(Subject):
    """What is asked of every pair of a request."""

    preset: PresetName | None = Field(
        default=None, description="The library whose choices are taken where a metric gives none. `GET /v1/presets`."
    )
    metrics: list[NamedMetric] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _presets_are_resolved(cls, question: Any) -> Any:
        return with_presets(question, CATALOGUE)

    @model_validator(mode="after")
    def _regions_have_no_background(self) -> Self:
        without = [(place, *at) for place, metric in enumerate(self.metrics) for at in metric.without_class_0()]
        if self.regions is not None and without:
            detail = "regions have no background, so that include_background can leave none out; found false"
            raise Forbidden(detail, "metrics", *without[0])
        return self

    @model_validator(mode="after")
    def _keys_are_unique(self) -> Self:
        places: dict[str, int] = {}
        for place, metric in enumerate(self.metrics):
            first = places.setdefault(metric.answer_key, place)
            if first != place:
                found = f"two metrics ({first} and {place}) answer to {metric.answer_key!r}"
                at = () if metric.key is None else ("key",)
                raise Forbidden(f"{found}; give one of them a key of its own", "metrics", place, *at)
        return self


class ScoreRequest(Question):
    """One prediction and its target."""

    id: str | None = Field(default=None, max_length=200)
    prediction: Array
    target: Array
    weight: Array | None = None


class BatchItem(Message):
    """One pair of a batch."""

    id: str | None = Field(default=None, max_length=200)
    prediction: Array
    target: Array
    weight: Array | None = None
    spacing: Spacing | None = Field(default=None, description="In place of the request's.")


STACK = ("prediction", "target", "weight", "ids")
ITEMS_OR_STACK = "give either items, or both prediction and target stacked along their first axis"


class BatchRequest(Question):
    """Many pairs, as `items`, or stacked along the first axis of `prediction`, `target` and `weight`."""

    items: list[SkipValidation[BatchItem]] | None = Field(
        default=None, min_length=1, description="Each is read on its own: a bad one is a problem in its place."
    )
    prediction: Array | None = None
    target: Array | None = None
    weight: Array | None = None
    ids: list[Annotated[str, Field(max_length=200)]] | None = None

    @model_validator(mode="after")
    def _items_or_stacked(self) -> Self:
        stacked = [name for name in STACK if getattr(self, name) is not None]
        if self.items is not None and stacked:
            raise Forbidden(f"{ITEMS_OR_STACK}; found items and {' and '.join(stacked)}", stacked[0])
        missing = [name for name in ("prediction", "target") if name not in stacked]
        if self.items is None and missing:
            found = f"{' and '.join(stacked)} without {' and '.join(missing)}" if stacked else "neither"
            raise Forbidden(f"{ITEMS_OR_STACK}; found {found}", *(missing[:1] if stacked else ()))
        return self


class StreamRequest(Question):
    """What the first line of a stream says; each line that follows is a `BatchItem`."""


# --------------------------------------------------------------------------------------------------------------- answers

Number = float | int


class Score(BaseModel):
    """A metric's value. Null has its reason in `undefined`.

    Extras differ by metric, and are all there for any sample: null where undefined, with the reason in `undefined_extras`.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    value: Number | None
    undefined: str | None = Field(default=None, examples=["both_empty"])
    per_class: list[Number | None] | None = None
    undefined_classes: dict[str, str] | None = Field(
        default=None, description="The reason of each null of per_class, by class."
    )
    undefined_extras: dict[str, Any] | None = Field(
        default=None,
        description="The reason of each null in the metric's extras, by name; of a list by index, of an object by member.",
        examples=[{"sq": "no_match"}, {"per_threshold": {"0": "both_empty"}}],
    )
    counted: int | None = Field(default=None, description="How many values the mean counted.")
    skipped: int | None = Field(
        default=None, description="How many values the mean left out because they are undefined."
    )


class Complaint(BaseModel):
    """One of a problem's errors."""

    model_config = ConfigDict(extra="allow", frozen=True)

    pointer: str | None = None
    detail: str
    code: str


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str | None = None
    pointer: str | None = Field(
        default=None, description="JSON pointer (RFC 6901) to the offending part of the request."
    )
    request_id: str | None = None
    limit: str | None = Field(default=None, description="The cap that was exceeded, by its name in `GET /v1/limits`.")
    errors: list[Complaint] | None = Field(default=None, description="All that is wrong with a request's document.")


class EngineInfo(Answer):
    """What computed the answer."""

    version: str
    device: str = Field(examples=["cpu", "cuda:0"])
    kernel: Literal["compiled", "eager"]


Semantics = dict[str, dict[str, Any]]
Timings = dict[str, float]


class Asked(Answer):
    """What was asked of every pair, with every default written out; the metrics are in `semantics`."""

    task: Task
    prediction_kind: PredictionKind
    target_kind: TargetKind
    channel_axis: int
    num_classes: int | None
    ignore_index: int | None
    threshold: float
    spacing: list[float] | None = None
    regions: list[list[int]] | None = None
    preset: str | None = None


COMPUTED_IN = "What the pass computed in."


class ScoreResponse(Answer):
    """The scores of one pair; `asked` and `semantics` hold every choice with every default written out."""

    id: str | None = None
    scores: dict[str, Score]
    precision: Precision | None = Field(default=None, description=COMPUTED_IN)
    asked: Asked | None = None
    semantics: Semantics
    timing_ms: Timings = Field(description="receive, decode, queue, compute, encode and total, in milliseconds.")
    engine: EngineInfo


class ScoredItem(Answer):
    """An item that was scored."""

    id: str | None = None
    index: int
    scores: dict[str, Score]
    precision: Precision | None = Field(default=None, description=COMPUTED_IN)


class FailedItem(Answer):
    """An item that could not be scored."""

    id: str | None = None
    index: int
    problem: Problem


class Summary(Answer):
    """A metric over the items of a batch."""

    value: Number | None = Field(description="`mean` or `pooled`, as the metric's `pooling` says.")
    mean: Number | None = Field(description="Mean of the items' values.")
    std: Number | None = Field(description="Their standard deviation (divided by n).")
    pooled: Number | None = Field(description="The score of the items' summed statistics.")
    pooled_undefined: str | None = Field(
        default=None,
        description=(
            "Why `pooled` is null: the score's own reason, `mixed_kinds`, `no_scores` where every item is a problem,"
            " `several_requests`, `streamed`, or `deadline_exceeded`."
        ),
    )
    counted: int = Field(description="Items in the mean.")
    skipped: int = Field(description="Items that are not: undefined, or problems.")


class BatchResponse(Answer):
    """The items in their order, each with its scores or its problem."""

    items: list[ScoredItem | FailedItem]
    summary: dict[str, Summary]
    asked: Asked | None = None
    semantics: Semantics
    timing_ms: Timings
    engine: EngineInfo


class StreamSummary(Answer):
    """The last line of an answer of lines, all of whose items went before it."""

    end: Literal["summary"]
    summary: dict[str, Summary]
    asked: Asked | None = None
    semantics: Semantics
    timing_ms: Timings
    engine: EngineInfo


class StreamProblem(Answer):
    """The last line of an answer of lines that ends before its items do."""

    end: Literal["problem"]
    problem: Problem


StreamEnd = Annotated[StreamSummary | StreamProblem, Field(discriminator="end")]
"""The last line. A line without `end` is an item's, and an answer without a last line was cut off."""


PIXELS_IN_A_BYTE = 8


class Limits(Answer):
    """The service's caps. Each is named in the error that it causes."""

    body_bytes: int = Field(description="Bytes of a request body as it arrives; of a stream, those of each item.")
    inflated_bytes: int = Field(
        description="Bytes of a request body after decompression; of a stream, those of each item."
    )
    document_bytes: int = Field(
        description="Bytes of the JSON that comes beside its arrays: a multipart part, a safetensors header."
    )
    array_elements: int = Field(description="Elements of one array.")
    map_elements: int = Field(description="Elements of a prediction times the maps that are asked of it.")
    list_elements: int = Field(
        description="Elements of one array in the `list` encoding, or of a list of runs, bytes or polygons."
    )
    image_pixels: int = Field(description="Pixels of one image.")
    dimensions: int = Field(description="Axes of one array.")
    header_bytes: int = Field(description="Bytes of an npy header.")
    items: int = Field(description="Items of a batch.")
    parts: int = Field(description="Parts of a multipart body, or tensors of a safetensors body.")
    classes: int = Field(description="Classes of a task.")
    metrics: int = Field(description="Metrics of a request.")
    json_depth: int = Field(description="Nesting of a JSON document.")
    json_values: int = Field(description="Values of a JSON document, those of arrays as lists included.")
    json_members: int = Field(description="Members of a list or object of a JSON document, an array's data aside.")

    @property
    def decoded_bytes(self) -> int:
        """Bytes that the items of a batch may decode to: as many as a body of packed masks, a bit a pixel, could."""
        return PIXELS_IN_A_BYTE * self.inflated_bytes


class ParameterDescription(Answer):
    """A parameter of a metric, as JSON Schema."""

    model_config = ConfigDict(extra="allow", frozen=True)


class MetricDescription(Answer):
    """A metric of the catalogue."""

    name: str
    summary: str
    description: str
    formula: str
    direction: Direction = Field(description="Which values are better: higher, lower, or those nearer to zero.")
    range: str
    source: str
    tasks: list[Task]
    prediction_kinds: list[PredictionKind]
    extras: dict[str, str] = Field(default_factory=dict, description="What a score holds beside its value, by name.")
    parameters: dict[str, Any] = Field(description="JSON Schema of each parameter, with bounds and default.")
    definitions: dict[str, Any] = Field(
        default_factory=dict, description="The schemas that parameters refer to (#/$defs/..)."
    )


class Catalogue(Answer):
    """Every metric that the service computes."""

    metrics: list[MetricDescription]


class Presets(Answer):
    """Every library whose choices can be taken."""

    presets: list[Preset]
