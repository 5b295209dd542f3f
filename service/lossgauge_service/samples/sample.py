"""A sample: a prediction and its target, checked, in the layout that the engine reads."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from lossgauge.metrics.spec import PredictionKind
from lossgauge.tasks import Task
from lossgauge.wire import Precision
from numpy.typing import NDArray

AnyArray = NDArray[Any]


@dataclass(frozen=True)
class Case:
    """What kind of sample this is: everything that decides which kernel reads it and which metrics fit it."""

    task: Task
    kind: PredictionKind
    classes: int
    soft: bool = False
    weighted: bool = False
    precision: Precision = "float32"
    sent: Literal["float16", "float32", "float64"] = "float32"
    axes: int = 2
    packed: bool = False


@dataclass(frozen=True)
class Sample:
    """One checked pair.

    Masks (binary, multilabel): prediction and target (classes, pixels); target int8 of 1, 0 and -1 (ignored), or, where soft,
    floats with -1. Classes (multiclass): prediction (classes, pixels), or int32 labels (pixels,); target int32 (pixels,), -1 ignored.
    Instances: ids int64 (pixels,), 0 the background, -1 ignored in the target. Boxes: float64 (boxes, 4) both.
    Packed (binary masks of labels alone): a bit a pixel, uint8 (1, bytes) both; down_columns: in that order, as `Bits` has it.
    weight: (classes, pixels) for masks, (pixels,) for classes. shape: the spatial axes; of boxes, how many there are.
    channel_axis: where the caller had the classes, to speak of places as the caller does. weight_scale: what the weights were
    divided by. spacing: the size of a pixel along each axis.
    """

    case: Case
    prediction: AnyArray
    target: AnyArray
    weight: AnyArray | None
    shape: tuple[int, ...]
    channel_axis: int = 0
    weight_scale: float = 1.0
    spacing: tuple[float, ...] | None = None
    down_columns: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays."""
        arrays = (self.prediction, self.target, self.weight)
        return sum(array.nbytes for array in arrays if array is not None)

    @property
    def elements(self) -> int:
        """Elements of the prediction: what a pass over the sample costs."""
        return math.prod(self.shape) if self.case.packed else int(self.prediction.size)
