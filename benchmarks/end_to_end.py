"""Pairs through the client over loopback, beside the in-process peers' loop.

    scripts/bench end_to_end [--rounds 5] [--pairs 200] [--kernel compiled]

Pairs of 512 x 512, float32 logits and uint8 targets, the full panel of `core`. Ours: `Client.score_batch`, from arrays to scores, with the
service in a process of its own. The peers: MONAI and torchmetrics in this process, a pair at a time. The first sixteen pairs' scores
are compared before any is timed; the two take turns, with one call each a turn.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lossgauge import Client
from numpy.typing import NDArray

from benchmarks import core, goals
from benchmarks.benchmark import Benchmark, Record
from benchmarks.ours import Scores
from benchmarks.timing import timed
from tests.contract.serving import running

SIDE = 512
COMPARED = 16
TIMEOUT_S = 600.0
OURS = "lossgauge over HTTP"
Arrays = tuple[NDArray[Any], NDArray[Any]]


def over_http(client: Client, arrays: Arrays) -> Scores:
    """The scores of all pairs, by the service."""
    items = [{"prediction": prediction, "target": target} for prediction, target in zip(*arrays, strict=True)]
    batch = client.score_batch(items, metrics=core.FULL, task="binary", prediction_kind="logits")
    return {metric.name: np.array(batch.column(metric.name), np.float64) for metric in core.FULL}


def in_process(arrays: Arrays) -> Scores:
    """The same by the peers, one pair after the other."""
    tensors = [torch.from_numpy(array) for array in arrays]
    scores = [core.peers_full(x[None], t[None]) for x, t in zip(*tensors, strict=True)]
    return {name: np.concatenate([of_one[name] for of_one in scores]) for name in scores[0]}


def check_agreement(client: Client, arrays: Arrays) -> None:
    """Raises where our scores of the first pairs differ from the peers'."""
    mine = {name: values[:COMPARED] for name, values in over_http(client, arrays).items()}
    theirs = in_process((arrays[0][:COMPARED], arrays[1][:COMPARED]))
    core.check_agreement({OURS: mine, core.PEERS: theirs})


def records(given: argparse.Namespace) -> Iterator[Record]:
    """Compare, time, judge."""
    arrays = core.masks((given.pairs, SIDE, SIDE))
    with tempfile.TemporaryDirectory() as scratch:
        serving = running(Path(scratch) / "log", "--device", "cpu", "--kernel", given.kernel)
        with serving as service, Client(service.url, timeout=TIMEOUT_S) as client:
            check_agreement(client, arrays)
            named = {OURS: lambda: over_http(client, arrays), core.PEERS: lambda: in_process(arrays)}
            rows = timed(f"{given.pairs} pairs", named, given.rounds, warm=False)
    yield from rows.values()
    yield goals.END_TO_END.figure(rows[core.PEERS].over(rows[OURS]))


BENCHMARK = Benchmark(
    "Pairs through the client, beside the in-process peers' loop",
    __doc__,
    ("torch", "monai", "torchmetrics", "numpy"),
    {"rounds": 5, "pairs": 200, "kernel": "compiled"},
    records,
)
