"""Samples of one kind and shape, as other libraries take them: stacked, and as tensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tests.reference import Case


@dataclass(frozen=True, eq=False)
class Batch:
    """Cases of one task, kind, shape, threshold and `ignore_index`."""

    cases: Sequence[Case]

    @property
    def first(self) -> Case:
        """What all have in common is its."""
        return self.cases[0]

    @property
    def classes(self) -> int:
        """The number of classes or labels."""
        return self.first.classes

    @property
    def spacing(self) -> list[float]:
        """The sides of a pixel, 1 where nothing says."""
        axes = self.first.target.ndim - (self.first.task == "multilabel")
        return [1.0] * axes if self.first.spacing is None else list(self.first.spacing)

    @property
    def prediction(self) -> torch.Tensor:
        """(B, *S), or (B, C, *S) where there are classes."""
        return torch.tensor(np.stack([case.prediction for case in self.cases]))

    @property
    def target(self) -> torch.Tensor:
        """(B, *S), or (B, C, *S) of labels."""
        return torch.tensor(np.stack([case.target for case in self.cases]))

    @property
    def weight(self) -> torch.Tensor:
        """The weight map in the target's shape, 1 where there is none."""
        return torch.tensor(np.stack([case.pixel_weight for case in self.cases]))

    @property
    def mask(self) -> torch.Tensor:
        """The predicted mask: thresholded, or the class of each pixel."""
        if self.first.prediction_kind == "labels":
            return self.prediction.long()
        if self.first.task == "multiclass":
            return self.prediction.argmax(1)
        return (self.prediction > self.first.threshold).long()

    def channels(self, array: torch.Tensor) -> torch.Tensor:
        """A mask or target as (B, C, *S): one channel for binary, one-hot for classes."""
        if self.first.task == "binary":
            return array[:, None]
        if self.first.task == "multilabel" or array.ndim == self.first.target.ndim + 2:
            return array
        return torch.movedim(torch.nn.functional.one_hot(array, self.classes), -1, 1)

    def rows(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Targets and predictions of the valid pixels: (n,), and (n, C) predictions where there are classes, and targets of labels."""
        target, prediction = self.target, self.prediction
        if self.first.task == "binary":
            valid = torch.tensor(np.stack([case.valid for case in self.cases]))
            return target[valid].numpy(), prediction[valid].numpy()
        if self.first.task == "multilabel":
            target, prediction = (torch.movedim(array, 1, -1).flatten(0, -2) for array in (target, prediction))
            return target.numpy(), prediction.numpy()
        valid = torch.tensor(np.stack([case.valid for case in self.cases]))
        return target[valid].numpy(), torch.movedim(prediction, 1, -1)[valid].numpy()

    def flat(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Targets and masks of the valid pixels, one after the other; (n, C) of labels."""
        target, mask = self.target, self.mask
        if self.first.task == "multilabel":
            target, mask = (torch.movedim(array, 1, -1).reshape(-1, self.classes) for array in (target, mask))
            return target.numpy(), mask.numpy()
        valid = torch.tensor(np.stack([case.valid for case in self.cases]))
        return target[valid].numpy(), mask[valid].numpy()
