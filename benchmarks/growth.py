"""How time and memory of the service grow with the work.

    scripts/bench growth [--rounds 5] [--masks 1 10 100 1000] [--mpx 1 4 16 64]
                         [--encodings raw npy multipart] [--kernel compiled]

`masks`: batches of so many pairs of 128 x 128. `Mpx`: one pair of so many pixels. Float32 logits and uint8 targets as safetensors, the
core panel, ready bodies over loopback; the caps are raised so that 64 Mpx fit. Times: from the first byte sent to the last one
received; sizes take turns. The exponent is that of the least squares of logarithms; the last step alone is beside it, for what a small
request takes whatever its size flattens the fit. Memory: the peak of the resident set during a request (the kernel's own count), above
what the service had when it had answered four pairs of 1 Mpx. It is judged where a body is of 16 MiB and more; what any request takes
for a while, whatever its size, is large beside a smaller body. The other encodings' peaks are those of 16 Mpx.
"""

import argparse
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lossgauge import Client
from lossgauge.bodies import body_kind
from lossgauge.calls import Call, question, score_call
from lossgauge.splitting import Part, pieces

from benchmarks import core, goals
from benchmarks.benchmark import Benchmark, Record
from benchmarks.callers import Connection
from benchmarks.figure import Figure
from benchmarks.fit import exponent
from benchmarks.peak import peak_during
from benchmarks.row import Row
from benchmarks.spread import Spread
from benchmarks.timing import in_turns
from tests.contract.serving import Running, running
from tests.reliability.memory import MIB, resident

SIDE = 128
CAP = str(2**30)
JUDGED_FROM = 16 * MIB
ENCODINGS = ("raw", "npy", "multipart")
MPX_OF_ENCODINGS = 16
WARM_REQUESTS = 4


@dataclass(frozen=True, eq=False)
class Work:
    """A ready request, and how much it is."""

    unit: str
    amount: int
    call: Call
    encoding: str = "safetensors"

    def __str__(self) -> str:
        return (
            f"{self.amount} {self.unit}"
            if self.encoding == "safetensors"
            else f"{self.amount} {self.unit}, {self.encoding}"
        )

    @property
    def content(self) -> bytes:
        """The body."""
        return self.call.content or b""

    def post(self, url: str) -> bytes:
        """Have the service answer it."""
        with Connection(url + self.call.path, self.call.headers["Content-Type"], self.content) as connection:
            return connection.post()


def masks_of(count: int, client: Client) -> Work:
    """A batch of so many small pairs."""
    asked = question(core.CORE, task="binary", prediction_kind="logits")
    items = [{"prediction": x, "target": t} for x, t in zip(*core.masks((count, SIDE, SIDE)), strict=True)]
    [part] = pieces(items, asked, body_kind("safetensors"), client.limits())
    assert isinstance(part, Part)
    return Work("masks", count, part.call)


def pair_of(mpx: int, encoding: str = "safetensors") -> Work:
    """One pair of so many pixels."""
    side = math.isqrt(mpx * MIB)
    asked = question(core.CORE, task="binary", prediction_kind="logits")
    prediction, target = core.masks((side, mpx * MIB // side))
    return Work(
        "Mpx", mpx, score_call(body_kind(encoding), asked, {"prediction": prediction, "target": target}), encoding
    )


# --------------------------------------------------------------------------------------------------------------- growth


def records(given: argparse.Namespace) -> Iterator[Record]:
    """Times and peaks of both kinds of work, and the peaks of other encodings."""
    with tempfile.TemporaryDirectory() as scratch:
        caps = {"body_bytes": CAP, "inflated_bytes": CAP}
        serving = running(Path(scratch) / "log", "--device", "cpu", "--kernel", given.kernel, **caps)
        with serving as service, Client(service.url) as client:
            idle = _idle(service)
            yield from _grown(service, idle, [masks_of(count, client) for count in given.masks], given.rounds)
            yield from _grown(service, idle, [pair_of(mpx) for mpx in given.mpx], given.rounds)
            for encoding in given.encodings:
                yield from _peaks(service, idle, pair_of(MPX_OF_ENCODINGS, encoding), 1)[1]


def _idle(service: Running) -> int:
    """The bytes of a service that has answered a few requests."""
    for _ in range(WARM_REQUESTS):
        pair_of(1).post(service.url)
    return resident(service.process.pid)


def _grown(service: Running, idle: int, works: Sequence[Work], rounds: int) -> Iterator[Record]:
    peaks = {}
    for work in works:
        peaks[work], found = _peaks(service, idle, work, rounds)
        yield from found
    yield from _exponents("memory", {work: row for work, row in peaks.items() if _is_judged(work)})
    times = in_turns([partial(work.post, service.url) for work in works], rounds, warm=False)
    rows = {work: Row.of_seconds(str(work), "time", taken) for work, taken in zip(works, times, strict=True)}
    yield from rows.values()
    yield from _exponents("time", rows)


def _peaks(service: Running, idle: int, work: Work, rounds: int) -> tuple[Row, list[Record]]:
    """The peaks of a request, and what they are beside its body."""
    peaks = [peak_during(service.process.pid, partial(work.post, service.url)) - idle for _ in range(rounds)]
    row = Row(str(work), "peak memory above idle", tuple(peak / MIB for peak in peaks), "MiB")
    body = Row(str(work), "body", (len(work.content) / MIB,), "MiB")
    times = row.spread.times(1 / body.spread.median)
    if _is_judged(work) and work.encoding == "safetensors":
        return row, [row, body, goals.MEMORY.figure(times, str(work))]
    return row, [row, body, Figure(f"{work}, peak memory above idle over the body", times)]


def _is_judged(work: Work) -> bool:
    return len(work.content) >= JUDGED_FROM


def _exponents(what: str, rows: Mapping[Work, Row]) -> Iterator[Figure]:
    """The exponent of all sizes, and that of the last two."""
    if len(rows) < 2:
        return
    works = [*rows]
    ends = f"{works[0].amount} to {works[-1]}"
    found = exponents(rows)
    yield (
        goals.GROWTH.figure(found, ends)
        if what == "time"
        else Figure(f"{what} against work, exponent, {ends}", found, "")
    )
    last = exponents({work: rows[work] for work in works[-2:]})
    yield Figure(f"{what} against work, exponent of the last step, {works[-2].amount} to {works[-1]}", last, "")


def exponents(rows: Mapping[Work, Row]) -> Spread:
    """The exponent of the medians, and the ends of the rounds' own."""
    amounts = [float(work.amount) for work in rows]
    rounds = [exponent(amounts, values) for values in zip(*(row.values for row in rows.values()), strict=True)]
    return Spread(exponent(amounts, [row.spread.median for row in rows.values()]), min(rounds), max(rounds))


BENCHMARK = Benchmark(
    "How time and memory grow",
    __doc__,
    ("torch", "numpy"),
    {"rounds": 5, "masks": [1, 10, 100, 1000], "mpx": [1, 4, 16, 64], "encodings": [*ENCODINGS], "kernel": "compiled"},
    records,
)
