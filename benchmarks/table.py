"""Tables of Markdown."""

from collections.abc import Iterable, Sequence

FIGURES = ("case", "goal", "figure", "spread", "yes/no")
ROWS = ("case", "contender", "median", "spread")


def table(names: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table with a line of names; what follows the first column but one stands to the right."""
    sides = ["---", "---", *["---:"] * (len(names) - 2)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (names, sides, *lines))
