"""The service over loopback, beside a route that only reads the body, and beside LitServe and BentoML.

    scripts/bench service [--rounds 3] [--seconds 2] [--sides 64 512 2048] [--encodings safetensors ..] [--bare npy ..]

Focal loss, dice and IoU of one pair, float32 logits and a uint8 target. Every service runs in a process of its own, ours with the
compiled kernel unless told otherwise; the bare FastAPI route has the same server and settings as ours. The peers compute the same
three numbers from .npy files in base64, with plain torch, and run with their defaults: one worker, torch's threads. They have an
environment of their own, for their pins are theirs (`benchmarks/peers/requirements.txt`). All answers are compared before any is
timed. Callers run in a further process, keep their connections, and post until the seconds of a burst are over; services take turns.
Callers and services share the cores, so that the callers' own work is in every figure, the bare route's most of all. Of few calls
p99 is the slowest.
"""

import argparse
import base64
import io
import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from lossgauge import metrics as m
from lossgauge.bodies import body_kind
from lossgauge.calls import question, score_call
from numpy.typing import NDArray

from benchmarks import goals
from benchmarks.benchmark import Benchmark, Record
from benchmarks.burst import Burst, Posted
from benchmarks.core import masks
from benchmarks.figure import Figure
from benchmarks.left_out import LeftOut
from benchmarks.peer_services import PACKAGES, peer_service
from benchmarks.row import Row
from tests.contract.serving import Running, running

ENCODINGS = ("safetensors", "raw", "npy", "multipart")
CALLERS = (1, 16)
METRICS = [m.FocalLoss(gamma=2.0, alpha=0.25), m.Dice(), m.Iou()]
NAMES = [metric.name for metric in METRICS]
OURS, BARE = "lossgauge, {}", "bare FastAPI, {}"
ONE, MANY = 1, 16
PROBES = 20
"""Calls of which the steps are told."""
JUDGED_SIDES = (512, 2048)
ABSENT = "there is no {} with {}"


@dataclass(frozen=True)
class Case:
    """So many callers of masks of a side."""

    side: int
    callers: int

    def __str__(self) -> str:
        return f"{self.side} x {self.side}, {self.callers} caller{'s' if self.callers > 1 else ''}"


Bursts = Mapping[str, list[Burst]]


def records(given: argparse.Namespace) -> Iterator[Record]:
    """Every side, with one caller and with many."""
    python = Path(given.peers)
    there = versions(python)
    names = [name for name, package in PACKAGES.items() if package in there]
    yield from _left_out([name for name in PACKAGES if name not in names], python)
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as services:
        urls = _services(services, Path(scratch), python, names, given.kernel)
        for side in given.sides:
            yield from _of_side(side, _posted(side, urls, Path(scratch), given), given)


def _left_out(absent: list[str], python: Path) -> Iterator[Record]:
    for side in JUDGED_SIDES:
        for name in absent:
            of = f"{goals.PEER_SERVICES.case}: {side} x {side}, beside {name}"
            yield LeftOut(of, ABSENT.format(python, name), goals.PEER_SERVICES.text)


def _services(services: ExitStack, scratch: Path, python: Path, peers: list[str], kernel: str) -> dict[str, str]:
    """The addresses of all that run."""
    begun: dict[str, AbstractContextManager[Any]] = {
        "ours": running(scratch / "ours", "--device", "cpu", "--kernel", kernel),
        "bare": running(scratch / "bare", module="benchmarks.bare"),
        **{name: peer_service(python, name, scratch / name) for name in peers},
    }
    with ThreadPoolExecutor() as starting:
        there = dict(zip(begun, starting.map(services.enter_context, begun.values()), strict=True))
    return {name: f"{one.url}/v1/score" if isinstance(one, Running) else one for name, one in there.items()}


# --------------------------------------------------------------------------------------------------------------- bodies


def _posted(side: int, urls: Mapping[str, str], scratch: Path, given: argparse.Namespace) -> dict[str, Posted]:
    """What every contender is sent."""
    arrays = masks((side, side))
    ours = {encoding: _ours(encoding, urls["ours"], arrays, scratch) for encoding in given.encodings}
    posted = {OURS.format(encoding): body for encoding, body in ours.items()}
    posted |= {
        BARE.format(encoding): replace(ours[encoding], url=urls["bare"]) for encoding in given.bare if encoding in ours
    }
    file = scratch / f"peers-{side}"
    file.write_text(json.dumps({"prediction": _npy(arrays[0]), "target": _npy(arrays[1])}))
    return posted | {name: Posted(url, "application/json", file) for name, url in urls.items() if name in PACKAGES}


def _ours(encoding: str, url: str, arrays: tuple[NDArray[Any], NDArray[Any]], scratch: Path) -> Posted:
    asked = question(METRICS, task="binary", prediction_kind="logits")
    call = score_call(body_kind(encoding), asked, {"prediction": arrays[0], "target": arrays[1]})
    file = scratch / f"{encoding}-{len(arrays[0])}"
    file.write_bytes(call.content or b"")
    return Posted(url, call.headers["Content-Type"], file)


def _npy(array: NDArray[Any]) -> str:
    file = io.BytesIO()
    np.save(file, array)
    return base64.b64encode(file.getvalue()).decode()


def scores_of(answer: bytes) -> list[float]:
    """The three numbers of an answer, ours or a peer's."""
    document = json.loads(answer)
    if "scores" in document:
        return [document["scores"][name]["value"] for name in NAMES]
    return [document[name] for name in NAMES]


def check_agreement(posted: Mapping[str, Posted]) -> None:
    """Raises where an answer differs from ours, or the bare route has not read its body."""
    expected = scores_of(next(iter(posted.values())).answer())
    for name, one in posted.items():
        if name.startswith(BARE.format("")):
            np.testing.assert_equal(json.loads(one.answer())["bytes"], one.file.stat().st_size, err_msg=name)
        else:
            np.testing.assert_allclose(scores_of(one.answer()), expected, rtol=1e-5, err_msg=name)


# --------------------------------------------------------------------------------------------------------------- timing


def _of_side(side: int, posted: Mapping[str, Posted], given: argparse.Namespace) -> Iterator[Record]:
    check_agreement(posted)
    for callers in CALLERS:
        case = Case(side, callers)
        bursts = _in_turns(posted, case, given.rounds, given.seconds)
        yield from rows_of(case, bursts)
        yield from judged(case, bursts)
    yield from steps_of(Case(side, ONE), posted)


def _in_turns(posted: Mapping[str, Posted], case: Case, rounds: int, seconds: float) -> Bursts:
    turns = [{name: one.burst(case.callers, seconds) for name, one in posted.items()} for _ in range(rounds)]
    return {name: [turn[name] for turn in turns] for name in posted}


def rows_of(case: Case, bursts: Bursts) -> Iterator[Row]:
    """p50, p99 and calls per second of every contender."""
    for name, each in bursts.items():
        yield _row(case, name, "p50", each)
        yield _row(case, name, "p99", each)
        yield _row(case, name, "rate", each)


def steps_of(case: Case, posted: Mapping[str, Posted]) -> Iterator[Row]:
    """Where the time of one call goes, as our own answers tell it: to the caller and back is beyond it."""
    for name, one in posted.items():
        if name.startswith(OURS.format("")):
            yield from (Row(f"{case}, {step}", name, times) for step, times in one.steps(PROBES).items())


def _row(case: Case, name: str, what: str, bursts: list[Burst]) -> Row:
    if what == "rate":
        return Row(f"{case}, requests", name, tuple(burst.per_second for burst in bursts), "1/s")
    return Row(f"{case}, {what}", name, tuple(burst.percentile(float(what[1:])) for burst in bursts))


# --------------------------------------------------------------------------------------------------------------- judging


def judged(case: Case, bursts: Bursts) -> Iterator[Figure]:
    """The figures of a case."""
    if case == Case(512, ONE):
        yield from _beside_bare(case, bursts)
    if case.side in JUDGED_SIDES and case.callers == MANY:
        yield from _beside_peers(case, bursts)
    if case.side in JUDGED_SIDES:
        yield from _beside_npy(case, bursts)


def _beside_bare(case: Case, bursts: Bursts) -> Iterator[Figure]:
    for encoding in ENCODINGS:
        if {OURS.format(encoding), BARE.format(encoding)} <= {*bursts}:
            ours, bare = (_row(case, "", "p50", bursts[name.format(encoding)]) for name in (OURS, BARE))
            if encoding == "safetensors":
                yield goals.BARE.figure(ours.over(bare))
            else:
                yield Figure(f"{case}, p50 beside bare FastAPI reading the same body, {encoding}", ours.over(bare))


def _beside_peers(case: Case, bursts: Bursts) -> Iterator[Figure]:
    for name in PACKAGES:
        if name in bursts and OURS.format("npy") in bursts:
            ours, theirs = (_row(case, "", "rate", bursts[each]) for each in (OURS.format("npy"), name))
            yield goals.PEER_SERVICES.figure(ours.over(theirs), f"{case.side} x {case.side}, beside {name}")


def _beside_npy(case: Case, bursts: Bursts) -> Iterator[Figure]:
    names = [OURS.format(name) for name in ("safetensors", "npy")]
    if {*names} <= {*bursts}:
        fast, plain = (_row(case, "", "rate", bursts[name]) for name in names)
        yield goals.SAFETENSORS.figure(fast.over(plain), f"{case}, requests per second")


def versions(python: Path) -> dict[str, str]:
    """The versions of the peers that an environment has, by package."""
    if not python.exists():
        return {}
    said = subprocess.run([python, "-m", "pip", "freeze"], stdout=subprocess.PIPE, text=True, check=True).stdout
    found = dict(line.split("==") for line in said.splitlines() if line.count("==") == 1)
    return {package: found[package] for package in PACKAGES.values() if package in found}


BENCHMARK = Benchmark(
    "The service over loopback",
    __doc__,
    ("fastapi", "uvicorn", "torch", "numpy"),
    {
        "rounds": 3,
        "seconds": 2.0,
        "sides": [64, 512, 2048],
        "encodings": [*ENCODINGS],
        "bare": [*ENCODINGS],
        "kernel": "compiled",
        "peers": ".venv-bench-peers/bin/python",
    },
    records,
    lambda given: versions(Path(given.peers)),
)
