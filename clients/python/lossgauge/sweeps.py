"""The contract of a sweep: tables over thresholds and over the alphas and gammas of the focal loss, of one pair."""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args

from pydantic import Field, ValidationError, create_model, model_validator

from lossgauge.encodings import Array
from lossgauge.metrics.focal import FocalLoss
from lossgauge.metrics.overlap import TEN_THRESHOLDS
from lossgauge.metrics.spec import Each, Forbidden, NonNegative, Probability, refuse_repeats
from lossgauge.presets import PRESETS, PresetName
from lossgauge.tasks import TASKS_OF_PIXELS
from lossgauge.wire import (
    COMPUTED_IN,
    Answer,
    Asked,
    EngineInfo,
    Message,
    Number,
    Precision,
    Score,
    Semantics,
    Subject,
    Timings,
)

ALPHAS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4)
GAMMAS = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)
MOST_THRESHOLDS = 1000
MOST_ALPHAS = 1000
MOST_GAMMAS = 100
MOST_CELLS = 10_000

Table = Literal["thresholds", "cells"]
MaskMetric = Literal[
    "accuracy",
    "precision",
    "recall",
    "specificity",
    "dice",
    "iou",
    "fbeta",
    "mcc",
    "balanced_accuracy",
    "volume_difference",
]
CellNumber = Literal["value", "positive", "negative", "positive_share"]
SweptAverage = Literal["macro", "micro", "weighted"]
ThresholdSide = Literal["greater", "greater_equal"]

# -------------------------------------------------------------------------------------------------------------- requests


class _Grid(Message):
    """The focal loss at every alpha and every gamma; its other parameters, those of `focal_loss`, hold in each cell."""

    preset: PresetName | None = Field(
        default=None,
        description="The library whose focal loss is taken where a parameter is not given; alpha and gamma are the grid's.",
    )

    alpha: Each[NonNegative | None] = Field(
        default=list(ALPHAS), min_length=1, max_length=MOST_ALPHAS, description="Each once; null is no alpha."
    )
    gamma: Each[Annotated[float, Field(ge=0, le=20)]] = Field(
        default=list(GAMMAS), min_length=1, max_length=MOST_GAMMAS, description="Each once."
    )

    def loss(self, alpha: float | None, gamma: float) -> FocalLoss:
        """The loss of a cell."""
        shared = {name: getattr(self, name) for name in ("preset", *SHARED)}
        return FocalLoss(alpha=alpha, gamma=gamma, **shared)

    @property
    def balanced(self) -> bool:
        """Whether an alpha weighs positives against negatives, of which a softmax has none."""
        losses = [self.loss(alpha, 0.0) for alpha in self.alpha if alpha is not None]
        return any(loss.alpha_mode == "balanced" and loss.multiclass_mode == "softmax" for loss in losses)

    @model_validator(mode="after")
    def _a_grid(self) -> Self:
        refuse_repeats("alpha", self.alpha)
        refuse_repeats("gamma", self.gamma)
        cells = len(self.alpha) * len(self.gamma)
        if cells > MOST_CELLS:
            raise Forbidden(f"the grid has {cells} cells; at most {MOST_CELLS} are allowed")
        return self

    @model_validator(mode="after")
    def _every_cell_is_a_loss(self) -> Self:
        for place, alpha in enumerate(self.alpha):
            try:
                self.loss(alpha, self.gamma[0])
            except ValidationError as invalid:
                raise _of_the_grid(invalid, place) from None
        return self


SHARED = {
    name: (field.annotation, field)
    for name, field in FocalLoss.model_fields.items()
    if name not in ("name", "key", "pooling", "preset", "alpha", "gamma")
}
"""What the cells of a grid have in common."""

if TYPE_CHECKING:
    FocalGrid = _Grid
else:
    FocalGrid = create_model("FocalGrid", __base__=_Grid, __module__=__name__, __doc__=_Grid.__doc__, **SHARED)


def _of_the_grid(invalid: ValidationError, place: int) -> ValueError:
    """A cell's error as the grid's."""
    found = invalid.errors()[0]["ctx"]["error"]
    at = found.at if isinstance(found, Forbidden) else ()
    return Forbidden(str(found), *at, *([place] if at == ("alpha",) else []))


class Sweep(Message):
    """What is swept. With neither `thresholds` nor `focal`, both are, by default (multi-class: `focal`)."""

    thresholds: Each[Probability] | None = Field(
        default=None,
        min_length=1,
        max_length=MOST_THRESHOLDS,
        description=f"Thresholds of the probability, each once; by default {', '.join(map(str, TEN_THRESHOLDS))}.",
    )
    focal: FocalGrid | None = Field(default=None, description="A table of the focal loss over alpha and gamma.")
    threshold_side: ThresholdSide = Field(default="greater", description="p > threshold, or p >= threshold.")
    average: SweptAverage = Field(
        default="micro",
        description="Over classes or labels, of the metrics of masks and of the AUC; as in `dice`. Balanced accuracy has its own.",
    )
    beta: float = Field(default=1.0, gt=0, le=1000, description="That of `fbeta`; 1 is F1, which `dice` is.")
    auc: bool = Field(
        default=True, description="Whether the area under the ROC curve is computed, which needs a sort of the pixels."
    )
    best_by: MaskMetric = Field(
        default="dice",
        description="What the best threshold has the highest of; of `volume_difference` the nearest to 0.",
    )
    best_cell_by: CellNumber = Field(
        default="value", description="What the best cell has the lowest of; of `positive_share` the highest."
    )
    table: Table | None = Field(default=None, description="Which table a CSV holds, where both are swept.")

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        refuse_repeats("thresholds", self.thresholds or [])
        return self

    def of(self, task: str) -> "Sweep":
        """The sweep with what is swept by default written out."""
        if self.thresholds is not None or self.focal is not None:
            return self
        thresholds = None if task == "multiclass" else list(TEN_THRESHOLDS)
        return self.model_copy(update={"thresholds": thresholds, "focal": FocalGrid()})

    @property
    def tables(self) -> list[Table]:
        """What is swept."""
        swept: dict[Table, Any] = {"thresholds": self.thresholds, "cells": self.focal}
        return [name for name, given in swept.items() if given is not None]


def _with_preset(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """The request with what its grid's preset says of the focal loss, where the grid itself says nothing."""
    if request.get("preset") is not None:
        raise Forbidden("a sweep's preset is that of its focal loss: give it within `sweep.focal`", "preset")
    sweep = request.get("sweep")
    grid = sweep.get("focal") if isinstance(sweep, Mapping) else None
    preset = grid.get("preset") if isinstance(grid, Mapping) else None
    task = request.get("task")
    if not isinstance(preset, str) or preset not in PRESETS or task not in TASKS_OF_PIXELS:
        return request
    recipe = PRESETS[preset].recipe("focal_loss", task)
    if recipe is None:
        raise Forbidden(_nothing_of(preset, task), "sweep", "focal", "preset")
    shared = {name: value for name, value in recipe.parameters.items() if name in SHARED}
    return {**request, "sweep": {**sweep, "focal": {**shared, **grid}}}  # type: ignore[dict-item] # both are mappings


def _nothing_of(preset: str, task: str) -> str:
    known = [name for name, one in PRESETS.items() if one.recipe("focal_loss", task)]
    return f"preset {preset!r} says nothing of focal_loss for task {task!r}; allowed: {', '.join(known) or 'none'}"


class SweepRequest(Subject):
    """One prediction and its target, and what is swept."""

    id: str | None = Field(default=None, max_length=200)
    prediction: Array
    target: Array
    weight: Array | None = None
    sweep: Sweep = Sweep()

    @model_validator(mode="before")
    @classmethod
    def _preset_is_resolved(cls, request: Any) -> Any:
        return _with_preset(request) if isinstance(request, Mapping) else request

    @model_validator(mode="after")
    def _there_is_something_to_sweep(self) -> Self:
        if self.task not in TASKS_OF_PIXELS:
            raise Forbidden(f"a sweep is of the tasks {', '.join(TASKS_OF_PIXELS)}; found {self.task!r}", "task")
        if self.regions is not None:
            raise Forbidden("regions are masks of labels; a sweep takes logits or probabilities", "regions")
        if self.prediction_kind == "labels":
            raise Forbidden("a sweep takes logits or probabilities; found 'labels'", "prediction_kind")
        return self

    @model_validator(mode="after")
    def _classes_have_no_threshold(self) -> Self:
        if self.task == "multiclass" and self.sweep.thresholds is not None:
            raise Forbidden("task 'multiclass' has no threshold: its mask is the argmax", "sweep", "thresholds")
        return self

    @model_validator(mode="after")
    def _classes_have_no_balance(self) -> Self:
        grid = self.swept.focal
        if self.task == "multiclass" and grid is not None and grid.balanced:
            found = "alpha_mode 'balanced' has no meaning for task 'multiclass'; give alpha_mode 'constant', or alpha [null]"
            raise Forbidden(found, "sweep", "focal", "alpha_mode")
        return self

    @model_validator(mode="after")
    def _the_table_is_there(self) -> Self:
        if self.sweep.table is not None and self.sweep.table not in self.swept.tables:
            found = f"table {self.sweep.table!r} is not swept; swept are {', '.join(self.swept.tables)}"
            raise Forbidden(found, "sweep", "table")
        return self

    @property
    def swept(self) -> Sweep:
        """What is swept, with every default."""
        return self.sweep.of(self.task)


# --------------------------------------------------------------------------------------------------------------- answers


class Row(Answer):
    """A row of a table. A null has its reason in `undefined`, by column."""

    undefined: dict[str, str] = Field(default_factory=dict, description="The reason of each null, by column.")


class MaskNumbers(Row):
    """What follows from the counts of a mask. Over classes or labels the counts are sums."""

    tp: Number | None
    fp: Number | None
    fn: Number | None
    tn: Number | None
    accuracy: Number | None
    precision: Number | None
    recall: Number | None
    specificity: Number | None
    dice: Number | None = Field(description="F1 of the mask.")
    iou: Number | None
    fbeta: Number | None = Field(description="F-beta of the sweep's `beta`.")
    mcc: Number | None
    balanced_accuracy: Number | None
    volume_difference: Number | None
    auc: Number | None = Field(
        description="The area under the ROC curve, which asks for no threshold: the same in each row."
    )


class ThresholdRow(MaskNumbers):
    """The mask at a threshold."""

    threshold: float


class Cell(MaskNumbers):
    """The focal loss at an alpha and a gamma, beside the mask at the request's threshold and the AUC: the same in each cell."""

    alpha: float | None
    gamma: float
    value: Number | None = Field(description="The loss.")
    positive: Number | None = Field(description="The positives' part of it.")
    negative: Number | None = Field(description="The negatives' part of it.")
    positive_share: Number | None = Field(description="positive / value; null where there is no loss to share.")


COUNTS = ("tp", "fp", "fn", "tn")
MASK_METRICS: tuple[MaskMetric, ...] = get_args(MaskMetric)
MASK_COLUMNS = (*COUNTS, *MASK_METRICS)
LOSS_COLUMNS: tuple[CellNumber, ...] = get_args(CellNumber)
COLUMNS: dict[Table, tuple[str, ...]] = {
    "thresholds": ("threshold", *MASK_COLUMNS, "auc", "undefined"),
    "cells": ("alpha", "gamma", *LOSS_COLUMNS, *MASK_COLUMNS, "auc", "undefined"),
}
"""The columns of a table, as its CSV has them."""


class BestThreshold(Answer):
    """The first of the thresholds with the best value of a metric."""

    by: MaskMetric
    threshold: float
    value: Number


class BestCell(Answer):
    """The first of the cells with the best value."""

    by: CellNumber
    alpha: float | None
    gamma: float
    value: Number


class Best(Answer):
    """The best row of each table; null where there is no table, or nothing in it is defined."""

    threshold: BestThreshold | None = None
    cell: BestCell | None = None


class SweepResponse(Answer):
    """The tables of a sweep; `asked`, `sweep` and `semantics` hold every choice with every default written out."""

    id: str | None = None
    thresholds: list[ThresholdRow] | None = None
    cells: list[Cell] | None = None
    auc: Score | None = Field(default=None, description="The area under the ROC curve: the exact `roc_auc`.")
    best: Best
    precision: Precision | None = Field(default=None, description=COMPUTED_IN)
    asked: Asked | None = None
    sweep: dict[str, Any]
    semantics: Semantics = Field(description="The metrics of the columns, at the request's threshold.")
    timing_ms: Timings
    engine: EngineInfo


def document_of(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as JSON has it: the table's columns, and `undefined` where there is a null."""
    return {name: row[name] for name in COLUMNS[table] if name != "undefined" or row[name]}


def csv_of(table: Table, rows: Iterable[Mapping[str, Any]]) -> str:
    """A table as CSV (RFC 4180): a line of names, then a line a row; what is undefined is empty, its reason in `undefined`."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(COLUMNS[table])
    writer.writerows([_written(row[name]) for name in COLUMNS[table]] for row in rows)
    return file.getvalue()


def _written(value: Any) -> Any:
    if isinstance(value, dict):
        return "; ".join(f"{name}: {reason}" for name, reason in value.items())
    return value
