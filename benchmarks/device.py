"""The kernels on a GPU beside a device-to-device copy, and from host arrays to scores beside a pinned host-to-device copy.

    scripts/bench device [--rounds 21] [--samples 1 4 16 64 256 1024]

So many masks of 512 x 512, float32 logits and uint8 targets, the core panel. `resident`: the compiled kernel on tensors that are on the
device, to its sums there; a copy reads and writes, the kernel reads, so that the bandwidth of one is of twice the bytes. It is judged
with the most samples. `end to end`: checks, plan, transport, pass and scores. `profile`: what the device did in one such run. Times
end when the device has finished; the contenders take turns. Without a CUDA device there is no figure.
"""

import argparse
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from functools import partial

import torch
from lossgauge.wire import Question
from lossgauge_service.engine import Engine
from lossgauge_service.engine.blocks import Blocks, Kernel, Parameters
from lossgauge_service.engine.passes import Laid
from lossgauge_service.engine.staging import staged
from lossgauge_service.engine.tiles import Tiles
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import Sample, samples_of_stack
from lossgauge_service.settings import Settings
from torch import Tensor
from torch.profiler import ProfilerActivity

from benchmarks import core, goals
from benchmarks.benchmark import Benchmark, Record
from benchmarks.figure import Figure
from benchmarks.left_out import LeftOut
from benchmarks.ours import Array, checked, ours
from benchmarks.row import Row
from benchmarks.spread import Spread
from benchmarks.timing import timed

QUESTION = Question(task="binary", prediction_kind="logits", metrics=core.CORE)
KERNEL, COPY = "kernel", "device-to-device copy"
WHOLE, SENT = "lossgauge", "pinned host-to-device copy"
MOVED_BY_COPY = 2
LINES_OF_PROFILE = 12
ACTIVITIES = [ProfilerActivity.CPU, ProfilerActivity.CUDA]


@dataclass(frozen=True)
class Resident(Blocks):
    """Runs kernels on tiles that are on the device already, and leaves the sums there."""

    def sums(
        self, kernel: Kernel, eager: Kernel, elements: int, tiles: Tiles, width: int, parameters: Parameters
    ) -> Tensor:
        there = [sent.to(self.device) for sent in parameters]
        size = elements // width
        blocks = (tiles[start : start + size] for start in range(0, len(tiles), size))
        return torch.cat([kernel(block.prediction, block.target, block.weight, *there) for block in blocks], 1)


def laid_out(logits: Array, target: Array) -> Laid:
    """The one pass of the panel."""
    samples = [checked(sample, Sample) for sample in samples_of_stack(QUESTION, logits, target)]
    [part] = staged(plan_for(QUESTION), samples).parts
    [laid] = part.passes
    return laid


def resident(engine: Engine, logits: Array, target: Array) -> Callable[[], object]:
    """The kernel on what is on the device."""
    laid, kernels = laid_out(logits, target), copy(engine.kernels)
    kernels.blocks = Resident(engine.device)
    there = [
        replace(tiles, prediction=tiles.prediction.to(engine.device), target=tiles.target.to(engine.device))
        for tiles in laid.tiles
    ]

    @torch.no_grad()
    def run() -> object:
        return [kernels.rows(tiles, laid.the_pass.load, laid.the_pass.variant) for tiles in there]

    return run


def copying(device: torch.device, size: int) -> Callable[[], object]:
    """A copy of so many bytes on the device."""
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    return partial(torch.empty_like(source).copy_, source)


def sending(device: torch.device, *arrays: Array) -> Callable[[], object]:
    """The arrays' way to the device from pinned memory."""
    pinned = [torch.from_numpy(array).pin_memory() for array in arrays]
    there = [torch.empty_like(tensor, device=device) for tensor in pinned]
    return lambda: [to.copy_(tensor, non_blocking=True) for to, tensor in zip(there, pinned, strict=True)]


def finished(work: Callable[[], object]) -> Callable[[], None]:
    """The same work, and the wait for its end."""

    def run() -> None:
        work()
        torch.cuda.synchronize()

    return run


# -------------------------------------------------------------------------------------------------------------- records


def records(given: argparse.Namespace) -> Iterator[Record]:
    """Each number of samples, then the profile of the most; where there is no GPU, that."""
    if not torch.cuda.is_available():
        yield LeftOut(goals.COPY_BANDWIDTH.case, "there is no CUDA device", goals.COPY_BANDWIDTH.text)
        return
    engine = Engine.build(device="cuda", kernel="compiled", cache=Settings().kernel_cache)
    most = max(given.samples)
    for count in given.samples:
        arrays = core.masks((count, *core.SHAPE[1:]))
        yield from _resident(engine, arrays, given.rounds, judged=count == most)
        yield from _end_to_end(engine, arrays, given.rounds)
        if count == most:
            yield from profiled(ours(engine, QUESTION, *arrays), f"profile, {count} samples")


def _resident(engine: Engine, arrays: tuple[Array, Array], rounds: int, judged: bool) -> Iterator[Record]:
    size = sum(array.nbytes for array in arrays)
    named = {KERNEL: resident(engine, *arrays), COPY: copying(engine.device, size)}
    rows = timed(_named("resident", arrays), {name: finished(run) for name, run in named.items()}, rounds)
    yield from rows.values()
    yield _bandwidth(rows[KERNEL], size)
    yield _bandwidth(rows[COPY], MOVED_BY_COPY * size)
    share = rows[COPY].over(rows[KERNEL]).times(100 / MOVED_BY_COPY)
    yield from _judged_share(share, len(arrays[0]), judged)


def _judged_share(share: Spread, count: int, judged: bool) -> Iterator[Figure]:
    if judged:
        yield goals.COPY_BANDWIDTH.figure(share, f"{count} samples")
    else:
        yield Figure(f"resident, {count} samples, share of copy bandwidth", share, "%")


def _bandwidth(row: Row, size: int) -> Row:
    return replace(row, values=tuple(size / taken / 1e6 for taken in row.values), unit="GB/s")


def _end_to_end(engine: Engine, arrays: tuple[Array, Array], rounds: int) -> Iterator[Record]:
    named = {WHOLE: ours(engine, QUESTION, *arrays), SENT: sending(engine.device, *arrays)}
    rows = timed(_named("end to end", arrays), {name: finished(run) for name, run in named.items()}, rounds)
    yield from rows.values()
    yield Figure(f"{_named('end to end', arrays)}, time beside a {SENT}", rows[WHOLE].over(rows[SENT]))


def _named(what: str, arrays: tuple[Array, Array]) -> str:
    return f"{what}, {len(arrays[0])} samples"


def profiled(run: Callable[[], object], case: str) -> Iterator[Row]:
    """What took the longest, on the host and on the device."""
    with torch.profiler.profile(activities=ACTIVITIES) as profile:
        finished(run)()
    seen = sorted(profile.key_averages(), key=lambda one: one.self_device_time_total, reverse=True)
    for one in seen[:LINES_OF_PROFILE]:
        yield Row(f"{case}, on the device", one.key, (one.self_device_time_total / 1e3,))
    seen = sorted(profile.key_averages(), key=lambda one: one.self_cpu_time_total, reverse=True)
    for one in seen[:LINES_OF_PROFILE]:
        yield Row(f"{case}, on the host", one.key, (one.self_cpu_time_total / 1e3,))


BENCHMARK = Benchmark(
    "The kernels on a GPU",
    __doc__,
    ("torch", "numpy"),
    {"rounds": 21, "samples": [1, 4, 16, 64, 256, 1024]},
    records,
)
