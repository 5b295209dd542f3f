"""What the benchmarks make of their times; no time is judged here."""

import ast
import json
from pathlib import Path

import pytest

from benchmarks import whole
from benchmarks.__main__ import said
from benchmarks.figure import Figure
from benchmarks.findings import Findings, figures_of
from benchmarks.fit import exponent
from benchmarks.goal import Goal
from benchmarks.left_out import LeftOut
from benchmarks.origin import Origin
from benchmarks.row import Row
from benchmarks.spread import Spread
from benchmarks.suite import GOALS, PARTS, QUICK
from benchmarks.table import FIGURES, table
from docs.tables import ROOT

HERE = Origin("2026-01-01", "scripts/bench --quick", "a machine", {"torch": "2"}, 3.0)
AT_LEAST, AT_MOST = Goal("fast", ">=", 20), Goal("small", "<=", 2.5)

WANTED = {
    "core panel beside MONAI + torchmetrics": ">= 20 x",
    "full panel, 10 thresholds": ">= 100 x",
    "49-cell focal grid beside one focal": "<= 3 x",
    "20 metrics beside 1 in one request": "<= 2 x",
    "labels against labels (IoU, dice, counts) beside torchmetrics": ">= 30 x",
    "1 MiB logits + 256 KiB target beside bare FastAPI reading the same body, p50": "<= 1.5 x",
    "same numbers, base64 npy in JSON": ">= 5 x",
    "safetensors beside our own base64 npy": ">= 2 x",
    "200 pairs over HTTP beside the in-process peers' loop": ">= 20 x",
    "peak memory of the server during a request, above idle": "<= 2.5 x",
    "time against work": "<= 1.05",
    "GPU, resident tensors": ">= 80 %",
}


def found(median: float) -> Spread:
    """A figure that lay apart a little."""
    return Spread(median, median * 0.9, median * 1.1)


@pytest.mark.parametrize(
    ("goal", "median", "holds"),
    [(AT_LEAST, 20, True), (AT_LEAST, 19.99, False), (AT_MOST, 2.5, True), (AT_MOST, 2.51, False)],
)
def test_a_goal_is_judged_by_the_median(goal: Goal, median: float, holds: bool) -> None:
    """At least and at most include the bound itself, and the ends of the spread say nothing."""
    figure = goal.figure(found(median))
    assert (figure.holds, figure.goal, figure.case) == (holds, goal.text, goal.case)


def test_a_ratio_is_of_medians_and_its_ends_are_of_rounds() -> None:
    """A b a b: the rounds' own ratios are the spread."""
    ratio = Row("case", "slow", (10, 40, 20)).over(Row("case", "fast", (5, 4, 2)))
    assert ratio == Spread(20 / 4, 10 / 5, 10)


@pytest.mark.parametrize("power", [0.0, 1.0, 1.05, 2.0])
def test_the_exponent_of_known_points(power: float) -> None:
    """c n^k has the exponent k, whatever c."""
    work = [1.0, 10.0, 100.0, 1000.0]
    assert exponent(work, [7 * n**power for n in work]) == pytest.approx(power, abs=1e-12)


def test_the_table_of_goals() -> None:
    """A line says what was wanted and found, how far it lay apart, and yes or no; what is missing says why."""
    lines = [AT_LEAST.figure(found(30), "a mask").cells, AT_MOST.figure(found(3)).cells]
    lines.append(LeftOut("gpu", "there is none", ">= 80 %").cells)
    assert table(FIGURES, lines).splitlines() == [
        "| case | goal | figure | spread | yes/no |",
        "| --- | --- | ---: | ---: | ---: |",
        "| fast: a mask | >= 20 x | 30 x | 27 to 33 | yes |",
        "| small | <= 2.5 x | 3 x | 2.7 to 3.3 | no |",
        "| gpu | >= 80 % | not measured: there is none |  |  |",
    ]


def test_every_wanted_goal_is_among_the_goals() -> None:
    """Each with its bound."""
    for case, text in WANTED.items():
        [goal] = [goal for goal in GOALS if goal.case.startswith(case)]
        assert goal.text == text


def test_every_goal_has_a_benchmark() -> None:
    """One of those that the table of goals runs finds a figure for it."""
    used = {name for benchmark in (*QUICK, *PARTS) for name in _goals_in(ROOT / f"benchmarks/{benchmark}.py")}
    assert used == _goals_in(ROOT / "benchmarks/goals.py", defined=True)
    assert len(used) == len(GOALS)


def _goals_in(file: Path, defined: bool = False) -> set[str]:
    """The names of goals in a module: those that it uses, or defines."""
    nodes = [*ast.walk(ast.parse(file.read_text()))]
    if defined:
        return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    of_goals = [node for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)]
    return {node.attr for node in of_goals if isinstance(node.value, ast.Name) and node.value.id == "goals"}


def test_a_goal_without_a_figure_is_not_left_out_silently() -> None:
    """It has a line, and so has what a benchmark could not measure."""
    [first, *others] = GOALS
    absent = LeftOut(f"{others[0].case}: beside a peer", "it is not here", others[0].text)
    findings = whole.goals_found([first.figure(found(1)), Figure("no goal", found(1)), absent], HERE, "", ["kernel"])
    assert [figure.case for figure in findings.figures] == [first.case]
    assert [one.case for one in findings.left_out] == [absent.case, *(goal.case for goal in others[1:])]
    assert findings.left_out[-1].why == f"{whole.FAILED} (kernel)"


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    """The document has the page's figures, medians and origin, and gives the same figures again."""
    rows, figures = (Row("case", "ours", (1.0, 3.0, 2.0)),), (AT_LEAST.figure(found(30)), Figure("plain", found(2)))
    left_out = (LeftOut("gpu", "there is none"),)
    Findings("Title", "About.", HERE, rows, figures, left_out).write(tmp_path, "name")
    document = json.loads((tmp_path / "name.json").read_text())
    assert figures_of(document) == [*figures, *left_out]
    assert (document["rows"][0]["median"], document["machine"], document["date"]) == (2.0, "a machine", "2026-01-01")
    assert "| case | ours | 2 ms | 1 to 3 |" in (tmp_path / "name.md").read_text()


def test_the_command_of_a_page_leaves_its_place_out() -> None:
    """Where it is written is no part of what was measured."""
    assert said(["rle", "--into", "somewhere", "--rounds", "3"]) == ["rle", "--rounds", "3"]


def test_the_peers_services_import_nothing_of_ours() -> None:
    """They run where lossgauge is not installed."""
    sources = [file.read_text() for file in (ROOT / "benchmarks/peers").glob("*.py")]
    assert len(sources) == 3
    assert [source for source in sources if "lossgauge" in source] == []
