"""What a request may be about."""

from typing import Literal

Task = Literal["binary", "multiclass", "multilabel", "instances", "boxes"]
TASKS_OF_PIXELS: tuple[Task, ...] = ("binary", "multiclass", "multilabel")
"""The tasks whose pixels have classes."""
