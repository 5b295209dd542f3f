"""All benchmarks, each with the options of its quick form: fewer rounds and sizes, the same cases."""

from pathlib import Path

from benchmarks import goals
from benchmarks.goal import Goal

QUICK: dict[str, str] = {
    "kernel": "--rounds 3 --sides 512 --samples 2",
    "lovasz": "--rounds 3",
    "surface": "--rounds 2",
    "maps": "--rounds 1",
    "load": "--rounds 3 --calls 10",
    "service": "--rounds 2 --seconds 0.4 --bare safetensors",
    "end_to_end": "--rounds 2",
    "growth": "--rounds 2",
    "rle": "--rounds 5",
    "device": "--rounds 5 --samples 1 64 1024",
}

PARTS = ("core", "sweep")
"""Benchmarks that `kernel` runs too; the long form of all leaves them out."""

PAGES = Path("docs/benchmarks")

GOALS: tuple[Goal, ...] = tuple(goal for goal in vars(goals).values() if isinstance(goal, Goal))
