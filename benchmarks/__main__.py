"""The command: one benchmark, or all of them and the table of goals.

scripts/bench NAME [options]    one, long; writes docs/benchmarks/NAME.md and NAME.json
scripts/bench --quick           all, in minutes; writes docs/benchmarks/goals.md and goals.json
scripts/bench --all             all, long; writes each of these pages
"""

import argparse
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from benchmarks.benchmark import Benchmark, Record
from benchmarks.figure import Figure
from benchmarks.findings import Findings
from benchmarks.left_out import LeftOut
from benchmarks.origin import Origin
from benchmarks.row import Row
from benchmarks.suite import LONG, PAGES, PARTS
from benchmarks.whole import whole

WHOLE = ("--quick", "--all")


def main(arguments: Sequence[str]) -> None:
    """Run what is asked for."""
    if arguments and arguments[0] in WHOLE:
        whole(arguments)
        return
    one(arguments)


def one(arguments: Sequence[str]) -> None:
    """Run one benchmark, print its page and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=(*LONG, *PARTS))
    parser.add_argument("--into", type=Path, default=PAGES, help="the folder of the page")
    name = parser.parse_known_args(arguments)[0].name
    benchmark: Benchmark = import_module(f"benchmarks.{name}").BENCHMARK
    benchmark.add_options(parser)
    given = parser.parse_args(arguments)
    start = time.perf_counter()
    records = [*benchmark.records(given)]
    seconds = time.perf_counter() - start
    origin = Origin.here(said(arguments), benchmark.packages, seconds, benchmark.versions(given))
    findings = findings_of(benchmark, records, origin)
    print(findings.page)
    findings.write(given.into, name)


def findings_of(benchmark: Benchmark, records: Sequence[Record], origin: Origin) -> Findings:
    """The records by their kind."""
    rows = tuple(record for record in records if isinstance(record, Row))
    figures = tuple(record for record in records if isinstance(record, Figure))
    left_out = tuple(record for record in records if isinstance(record, LeftOut))
    return Findings(benchmark.title, benchmark.about, origin, rows, figures, left_out)


def said(arguments: Sequence[str]) -> list[str]:
    """The arguments as the page has them: without where it is written."""
    places = [place for place, argument in enumerate(arguments) if argument == "--into"]
    return [argument for place, argument in enumerate(arguments) if place not in places and place - 1 not in places]


if __name__ == "__main__":
    main(sys.argv[1:])
