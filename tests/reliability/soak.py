"""The long form of every figure, as a page of docs.

scripts/soak [--minutes 10] [--clients 10000] [--fuzz 20000] [--decoders 60] [--examples 100]
             [--overload 15]

Minutes of mixed load; clients of each kind; mutated requests; seconds for each decoder; examples of schemathesis for each operation
(0 leaves it out); seconds at capacity, and at four times of it.
"""

import argparse
import datetime
import os
import platform
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import lossgauge

from tests.contract.serving import running
from tests.reliability import arrivals, clients, decoders, fuzz, mixed, overload, refusals, schema, stopping
from tests.reliability.figure import Figure
from tests.reliability.memory import MIB

CAPS = {"body_bytes": str(7 * MIB // 2)}
SEED = 1


def main() -> None:
    """Print the page; exit 1 where a figure does not hold."""
    given = _arguments()
    print(_head())
    held = [_printed(figure) for figures in _runs(given) for figure in figures]
    sys.exit(0 if all(held) else 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (
        ("minutes", 10.0),
        ("clients", 10_000),
        ("fuzz", 20_000),
        ("decoders", 60),
        ("examples", 100),
        ("overload", 15.0),
    ):
        parser.add_argument(f"--{name}", type=type(default), default=default)
    return parser.parse_args()


def _runs(given: argparse.Namespace) -> Iterator[Iterable[Figure]]:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with running(log, "--kernel", "eager", **CAPS) as service:
            yield [fuzz.run(service.url, given.fuzz, SEED)]
            yield [schema.run(service.url, given.examples)] if given.examples else []
            yield [refusals.oversize(service, 100), refusals.malformed(service, 100)]
            yield clients.run(service.url, given.clients)
            yield [mixed.run(service, given.minutes * 60)]
        with running(log, "--kernel", "eager", module="tests.reliability.leaking", **CAPS) as leaking:
            yield [_planted(mixed.growth(leaking, 3000))]
        yield [stopping.run(log, 32)]
        yield overload.run(log, 20)
        yield arrivals.run(log, given.overload)
    yield decoders.run(given.decoders)


def _planted(grown: float) -> Figure:
    return Figure(
        "a planted leak of 4 KiB a request", "is caught: more than 1 MiB per 10,000", f"{grown:+.1f} MiB", grown > 1
    )


def _printed(figure: Figure) -> bool:
    print(figure.row, flush=True)
    return figure.holds


def _head() -> str:
    lines: list[str] = [
        "# Reliability, as figures",
        "",
        "What a platform relies on, measured against the running service. The quick forms are tests (`tests/reliability`); other",
        "rows of it are tests alone: the limits just under and just over (`tests/contract/http/test_http_limit_table.py`), the number of",
        "launches of requests that wait together, and a caller that leaves before its turn (`tests/unit/test_batching.py`).",
        "",
        f"Measured {datetime.date.today()} by `{' '.join(['scripts/soak', *sys.argv[1:]])}` on {platform.machine()}, "
        f"{os.cpu_count()} cores, with lossgauge {lossgauge.__version__}.",
        "",
        "| test | wanted | found | holds |",
        "|---|---|---|---|",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
