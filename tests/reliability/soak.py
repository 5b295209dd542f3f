"""The long form of every figure, as a page of docs.

scripts/soak [--minutes 10] [--clients 10000] [--fuzz 20000] [--decoders 60] [--examples 100]
             [--overload 15]

Minutes of mixed load; clients of each kind; mutated requests; seconds for each decoder; examples of schemathesis for each operation
(0 leaves it out); seconds at capacity, and at four times of it.
"""

import argparse
import datetime
import importlib.metadata
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ParamSpec

from tests.contract.serving import running
from tests.reliability import arrivals, clients, decoders, fuzz, mixed, overload, refusals, schema, stopping
from tests.reliability.figure import Figure
from tests.reliability.memory import MIB

P = ParamSpec("P")
CAPS = {"body_bytes": str(7 * MIB // 2)}
SEED = 1
PACKAGES = ("lossgauge", "torch", "numpy", "fastapi", "uvicorn", "httpx", "schemathesis", "atheris")


def main() -> None:
    """Print the page; exit 1 where a figure does not hold, or where the run is ended before the last."""
    given = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began, held, ended = time.monotonic(), list[bool](), "In"
    print(_head(), flush=True)
    try:
        held += [_printed(figure) for figures in _runs(given) for figure in figures]
    except KeyboardInterrupt:
        held, ended = [False], "Ended, before the rows that are not here, after"
    print(f"\n{ended} {(time.monotonic() - began) / 60:.0f} minutes.", flush=True)
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


def _runs(given: argparse.Namespace) -> Iterator[list[Figure]]:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with running(log, "--kernel", "eager", **CAPS) as service:
            yield _part(fuzz.run, service.url, given.fuzz, SEED)
            yield _part(schema.run, service.url, given.examples) if given.examples else []
            yield _part(refusals.oversize, service, 100)
            yield _part(refusals.malformed, service, 100)
            yield _part(clients.run, service.url, given.clients)
            yield _part(mixed.run, service, given.minutes * 60)
        yield _part(schema.planted, log) if given.examples else []
        yield _part(_planted, log)
        yield _part(stopping.run, log, 32)
        yield _part(overload.run, log, 20)
        yield _part(arrivals.run, log, given.overload)
    yield _part(decoders.run, given.decoders)


def _part(run: Callable[P, Figure | list[Figure]], *given: P.args, **named: P.kwargs) -> list[Figure]:
    """The figures of a part; where it fails, that is on the page, and the others are measured all the same."""
    try:
        found = run(*given, **named)
    except Exception as error:
        told = " ".join(f"{type(error).__name__}: {error}".replace("|", "/").split())
        return [Figure(run.__module__.rpartition(".")[2], "is measured", told[-300:], False)]
    return found if isinstance(found, list) else [found]


def _planted(log: Path) -> Figure:
    with running(log, "--kernel", "eager", module="tests.reliability.leaking", **CAPS) as leaking:
        grown = mixed.growth(leaking, 3000)
    test = "a planted leak of 4 KiB a request"
    return Figure(test, "is caught: more than 1 MiB per 10,000", f"{grown:+.1f} MiB", grown > 1)


def _printed(figure: Figure) -> bool:
    print(figure.row, flush=True)
    return figure.holds


def _machine() -> str:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {memory / 2**30:.0f} GiB"


def _versions() -> str:
    told = (f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return f"Python {platform.python_version()}, {', '.join(told)}"


def _head() -> str:
    lines: list[str] = [
        "# Reliability, as figures",
        "",
        "What a platform relies on, measured against the running service. The quick forms are tests (`tests/reliability`); other",
        "rows of it are tests alone: the limits just under and just over (`tests/contract/http/test_http_limit_table.py`), the number of",
        "launches of requests that wait together, a caller that leaves before its turn, and a device that is out of memory",
        "(`tests/unit/test_batching.py`, `tests/unit/test_memory.py`).",
        "",
        f"Measured {datetime.date.today()} by `{' '.join(['scripts/soak', *sys.argv[1:]])}` on {_machine()}, with {_versions()}.",
        "",
        "| test | wanted | found | holds |",
        "|---|---|---|---|",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
