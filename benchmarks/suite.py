"""All benchmarks, each with the options of its quick form: fewer rounds and sizes, the same goals."""

from pathlib import Path

from benchmarks import goals
from benchmarks.goal import Goal

QUICK: dict[str, str] = {
    "kernel": "--rounds 5 --sides 512 --samples 2",
    "service": "--rounds 2 --seconds 0.4 --sides 512 2048 --encodings safetensors npy --bare safetensors",
    "end_to_end": "--rounds 1",
    "growth": "--rounds 1 --mpx 1 4 16 --encodings raw",
    "surface": "--rounds 5 --axes 2",
    "lovasz": "--rounds 2",
    "load": "--rounds 1 --calls 10",
    "rle": "--rounds 5 --sides 512",
    "device": "--rounds 5 --samples 1 64 1024",
}

LONG = (*QUICK, "maps")
"""What the long form runs: what has no goal too."""

PARTS = ("core", "sweep")
"""Benchmarks that `kernel` runs too; neither form of all runs them again."""

PAGES = Path("docs/benchmarks")

GOALS: tuple[Goal, ...] = tuple(goal for goal in vars(goals).values() if isinstance(goal, Goal))
