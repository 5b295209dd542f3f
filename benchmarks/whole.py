"""All benchmarks, each in a fresh process, and the table of the goals."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.figure import Figure
from benchmarks.findings import Findings, figures_of
from benchmarks.goal import Goal
from benchmarks.left_out import LeftOut
from benchmarks.origin import Origin
from benchmarks.suite import GOALS, LONG, PAGES, QUICK
from benchmarks.table import FIGURES, table

ABOUT = """What the project wants of its speed, and what came of it. A figure is the ratio of two medians of one run, the contenders
taking turns; its spread is that of the rounds' own ratios. `yes` and `no` are what the median says. Absolute times are in the
pages beside this one, and hold for no other machine."""
FAILED = "a benchmark failed"


def whole(arguments: Sequence[str]) -> None:
    """Run all, print the table of goals and write it; exit 1 where a benchmark failed, not where a goal does."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if arguments[0] == "--quick" else PAGES
        commands = _commands(arguments)
        documents = {name: document for name, said in commands.items() if (document := _run(name, said, folder))}
    found = [one for document in documents.values() for one in figures_of(document)]
    origin = Origin.here(arguments, (), time.perf_counter() - start, _versions(documents))
    failed = [name for name in commands if name not in documents]
    findings = goals_found(found, origin, _about(commands, documents), failed)
    print(table(FIGURES, findings.lines))
    findings.write(PAGES, "goals")
    sys.exit(1 if failed else 0)


def goals_found(found: Sequence[Figure | LeftOut], origin: Origin, about: str, failed: Sequence[str]) -> Findings:
    """The figures that have a goal, and a line for each goal that has none."""
    figures = tuple(one for one in found if isinstance(one, Figure) and one.goal)
    left_out = tuple(one for one in found if isinstance(one, LeftOut))
    seen = [figure.case for figure in figures] + [one.case for one in left_out]
    why = f"{FAILED} ({', '.join(failed)})" if failed else "no benchmark found it"
    missing = [LeftOut(goal.case, why, goal.text) for goal in GOALS if not _has(seen, goal)]
    return Findings("Goals", about, origin, (), figures, (*left_out, *missing))


def _has(seen: Sequence[str], goal: Goal) -> bool:
    return any(case == goal.case or case.startswith(f"{goal.case}: ") for case in seen)


def _commands(arguments: Sequence[str]) -> dict[str, list[str]]:
    """The options of each benchmark."""
    if arguments[0] == "--quick":
        return {name: options.split() for name, options in QUICK.items()}
    return {name: [] for name in LONG}


def _run(name: str, options: Sequence[str], folder: Path) -> dict[str, Any] | None:
    """The document of a benchmark, in a process of its own; None where it failed."""
    print(f"scripts/bench {' '.join([name, *options])}", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "benchmarks", name, *options, "--into", str(folder)]
    if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
        return None
    document: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return document


def _versions(documents: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: version for document in documents.values() for name, version in document["versions"].items()}


def _about(commands: dict[str, list[str]], documents: dict[str, dict[str, Any]]) -> str:
    """What is said of the page, and what each benchmark was run with."""
    lines = [
        [
            f"`scripts/bench {' '.join([name, *options])}`",
            f"{documents[name]['seconds']:.0f} s" if name in documents else FAILED,
        ]
        for name, options in commands.items()
    ]
    return f"{ABOUT}\n\n{table(('command', 'time'), lines)}"
