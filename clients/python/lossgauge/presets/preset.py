"""What a preset is: a library's choices, as data."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from lossgauge.tasks import TASKS_OF_PIXELS, Task

PresetName = Literal[
    "coco",
    "deepmind-surface-distance",
    "keras",
    "kornia",
    "monai",
    "nnunet",
    "scikit-learn",
    "segmentation_models_pytorch",
    "torch",
    "torchmetrics",
    "torchvision",
]
ONE_OR_MORE_MASKS: tuple[Task, ...] = ("binary", "multilabel")


class Record(BaseModel):
    """Frozen, and nothing in it that is not named."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Beside = Literal["ignore_index", "weights"]


class Refusal(Record):
    """What a library takes beside a mask and scores as nothing here does: refused, so that no other number has the preset's name."""

    given: Beside
    why: str
    tasks: tuple[Task, ...] = TASKS_OF_PIXELS
    unless: dict[str, Any] = Field(
        default_factory=dict, description="The parameters with which the score is the library's, and is given."
    )


class Recipe(Record):
    """The parameters that make one of our metrics equal one of a library's functions."""

    metric: str
    function: str = Field(description="The library's own name, with the arguments that are not its defaults.")
    tasks: tuple[Task, ...] = TASKS_OF_PIXELS
    parameters: dict[str, Any] = Field(default_factory=dict, description="What differs from our defaults.")
    differs: str | None = Field(
        default=None, description="What the library does otherwise, where no parameter reaches it."
    )
    refuses: tuple[Refusal, ...] = Field(default=(), description="What is refused with the preset.")
    formula_of: str | None = Field(
        default=None,
        description="The published formula that this one is compared with, where the rest of the preset is with the library.",
    )


class Defect(Record):
    """What a library gets wrong. Named, so that a user knows why numbers differ; never copied."""

    function: str
    what: str


class Unequalled(Record):
    """What a library has and no parameter here makes equal."""

    function: str
    why: str


class Preset(Record):
    """A library: the versions that were compared, how, and its recipes."""

    name: PresetName
    library: str
    distribution: str = Field(description="Its name in the package index.")
    versions: tuple[str, ...] = Field(description="The versions that it was compared with, or whose source was read.")
    checked: Literal["library", "formula"] = Field(
        description="library: a test runs the installed library beside ours. formula: a test computes its published formula."
    )
    note: str | None = Field(default=None, description="How the comparison is made, where that says something.")
    recipes: tuple[Recipe, ...] = ()
    defects: tuple[Defect, ...] = ()
    unequalled: tuple[Unequalled, ...] = ()

    def recipe(self, metric: str, task: str) -> Recipe | None:
        """What it says of a metric for a task."""
        return next((one for one in self.recipes if one.metric == metric and task in one.tasks), None)

    def tasks_of(self, metric: str) -> list[str]:
        """The tasks for which it says something of a metric."""
        return [task for one in self.recipes if one.metric == metric for task in one.tasks]

    @property
    def metrics(self) -> list[str]:
        """The metrics of which it says something."""
        return [*dict.fromkeys(one.metric for one in self.recipes)]
