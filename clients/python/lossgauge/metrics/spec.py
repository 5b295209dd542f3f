"""The base of every metric spec: a frozen record of parameters, and what the catalogue says about it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

from lossgauge.presets.preset import PresetName
from lossgauge.tasks import TASKS_OF_PIXELS, Task

PredictionKind = Literal["logits", "probabilities", "labels", "boxes"]
Direction = Literal["higher", "lower", "zero"]
"""Which values are better: the higher, the lower, or those nearer to 0."""

ALL_KINDS: tuple[PredictionKind, ...] = ("logits", "probabilities", "labels")
SOFT_KINDS: tuple[PredictionKind, ...] = ("logits", "probabilities")

Probability = Annotated[float, Field(ge=0, le=1)]
NonNegative = Annotated[float, Field(ge=0, le=1e9)]
Element = TypeVar("Element")
Place = tuple[str | int, ...]
Each = Annotated[list[Element], Field(strict=False)]
"""A list that a tuple may be given for."""


def named(value: Any) -> Any:
    """A metric that is given by its bare name, as the document that it stands for."""
    return {"name": value} if isinstance(value, str) else value


class Forbidden(ValueError):
    """What other values of a message forbid; `at` is the path, in the message, of what has to change."""

    def __init__(self, detail: str, *at: str | int) -> None:
        super().__init__(detail)
        self.at = at


def refuse_repeats(name: str, values: Sequence[Any], noun: str = "") -> None:
    """Refuse a parameter's list in which something stands twice."""
    places: dict[Any, int] = {}
    for place, value in enumerate(values):
        if places.setdefault(value, place) != place:
            raise Forbidden(
                f"{noun}{value} stands twice, at {places[value]} and {place}; each may stand once", name, place
            )


def badness(direction: Direction, value: float) -> float:
    """A number that is the lower, the better the value.

    >>> badness("zero", -0.5) > badness("zero", 0.25)
    True
    """
    return {"higher": -value, "lower": value, "zero": abs(value)}[direction]


@dataclass(frozen=True)
class About:
    """What the catalogue tells of a metric beside its parameters."""

    formula: str
    direction: Direction
    range: str
    source: str
    tasks: tuple[Task, ...] = TASKS_OF_PIXELS
    kinds: tuple[PredictionKind, ...] = ALL_KINDS
    extras: Mapping[str, str] = field(default_factory=dict)
    """What a score holds beside its value, by name."""

    @property
    def told_tasks(self) -> str:
        """The tasks, as an error names them."""
        return f"{'task' if len(self.tasks) == 1 else 'tasks'} {', '.join(self.tasks)}"


class MetricSpec(BaseModel):
    """A metric and its parameters. Subclasses are the only home of a parameter's name, bounds and default."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    about: ClassVar[About]

    name: str
    key: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="The name of this score in the answer; the metric's name by default.",
    )
    pooling: Literal["sample", "batch"] = Field(
        default="sample",
        description="Which number of a batch's summary is `value`: the mean of the samples' scores, or the score of the samples' sums.",
    )

    preset: PresetName | None = Field(
        default=None,
        description="The library whose choices are taken where none is given here; the request's by default. `GET /v1/presets`.",
    )

    @classmethod
    def other_names(cls) -> dict[str, str]:
        """The parameter that each further name, which a document may give in its place, stands for."""
        return {other: name for name, field in cls.model_fields.items() for other in _choices(field) if other != name}

    @model_validator(mode="before")
    @classmethod
    def _a_parameter_is_named_once(cls, given: Any) -> Any:
        for other, name in cls.other_names().items() if isinstance(given, Mapping) else ():
            if other in given and name in given:
                raise Forbidden(f"{other} and {name} name one parameter; give one of them", other)
        return given

    @model_validator(mode="before")
    @classmethod
    def _rules_left_out_are_the_metrics_own(cls, given: Any) -> Any:
        """`empty` with a rule for one case leaves the others as this metric has them by default."""
        rules = given.get("empty") if isinstance(given, Mapping) else None
        if not isinstance(rules, Mapping) or "empty" not in cls.model_fields:
            return given
        return {**given, "empty": {**cls.model_fields["empty"].default.model_dump(), **rules}}

    def model_post_init(self, context: Any) -> None:
        """The name counts as given: it says which metric a part of the document is."""
        self.model_fields_set.add("name")

    @property
    def answer_key(self) -> str:
        """The key under which the answer holds this score."""
        return self.key or self.name

    def extras_of(self, task: Task) -> tuple[str, ...]:
        """The extras that these parameters' score has for a task, of any sample: null where they are undefined."""
        return tuple(self.about.extras)

    def with_threshold(self, threshold: float) -> Self:
        """The spec with the request's threshold, where it has one and names none of its own."""
        return self

    def without_class_0(self) -> Iterator[Place]:
        """The paths of what leaves class 0 out as the background."""
        return iter(())

    def given(self, *names: str) -> Place:
        """The path of the first of these parameters that is not left to its default; of none the metric's own."""
        return next(((name,) for name in names if name in self.model_fields_set), ())

    def parts(self) -> Iterator[tuple[Place, "MetricSpec"]]:
        """The metrics that stand within this one, each with its path."""
        return iter(())

    def of_masks(self) -> Self:
        """The spec as it is where all there is are masks: nothing is soft."""
        return self.model_copy(update={"soft": False}) if getattr(self, "soft", False) else self

    def softened(self) -> Iterator[Place]:
        """The paths of what is told to take probabilities; what takes them by default is not told to."""
        return (at for at, is_told in self._soft() if is_told)

    def soft_by_default(self) -> Iterator[Place]:
        """The paths of what takes probabilities without being told to."""
        return (at for at, is_told in self._soft() if not is_told)

    def _soft(self) -> Iterator[tuple[Place, bool]]:
        if getattr(self, "soft", False):
            yield ("soft",), "soft" in self.model_fields_set
        for place, part in self.parts():
            yield from (((*place, *at), is_told) for at, is_told in part._soft())


def _choices(field: FieldInfo) -> list[str]:
    """The names under which a document may give a parameter, where they are several."""
    alias = field.validation_alias
    return [name for name in alias.choices if isinstance(name, str)] if isinstance(alias, AliasChoices) else []


class Frozen(BaseModel):
    """A parameter that has parts of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Thresholded(MetricSpec):
    """A metric of a mask, which a threshold makes of probabilities."""

    threshold: Probability | None = Field(
        default=None, description="The probability above which a pixel is positive; the request's by default."
    )
    threshold_side: Literal["greater", "greater_equal"] = Field(
        default="greater", description="p > threshold, or p >= threshold."
    )

    def with_threshold(self, threshold: float) -> Self:
        return self if self.threshold is not None else self.model_copy(update={"threshold": threshold})


class BoundaryWeight(Frozen):
    """Weights computed from the target: high where a window around the pixel is half full.

    m = the mean of the target over a `window` x `window` box (for an even window one pixel more after than
    before; real, valid pixels only); w = amplitude * exp(-decay * |m - 0.5|), scaled to mean 1 over the valid pixels.
    Source: the Carvana weighted BCE-dice listing.
    """

    name: Literal["boundary"] = "boundary"
    window: int = Field(default=50, ge=2, le=1024)
    amplitude: float = Field(default=5.0, gt=0, le=1e6)
    decay: float = Field(default=5.0, ge=0, le=1e3)


Constant = Annotated[float, Field(ge=-1e6, le=1e6)]
EmptyRule = Annotated[Constant | Literal["formula", "undefined", "skip"], Field(union_mode="left_to_right")]


class Empty(Frozen):
    """What a score is when a mask has no positive, or nothing meets: a constant, `undefined`, `skip`, or what the `formula` gives.

    `undefined` is null with the case as its reason; `skip` is null with the reason `skipped`; both leave a mean and are
    counted as skipped there. `formula` is undefined only where the formula is 0/0. What a document leaves out is the metric's own
    default.
    """

    both: EmptyRule = Field(default="undefined", description="Neither mask has a pixel (of objects: an object).")
    target: EmptyRule = Field(default="formula", description="The target has none, and the prediction has.")
    prediction: EmptyRule = Field(default="formula", description="The prediction has none, and the target has.")
    no_match: EmptyRule = Field(
        default="formula",
        description="Both have pixels, and none in common; of objects: both have some, and none is matched.",
    )


class TargetEmpty(Frozen):
    """What a value is of a target without positives, as in `Empty`: for what has no mask of the prediction that could be empty."""

    target: EmptyRule = Field(description="The target has no positive, whatever was predicted.")
