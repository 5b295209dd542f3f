"""A device whose memory is full: every caller still gets the right number."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from lossgauge import metrics as m
from lossgauge.wire import Question
from lossgauge_service.engine import Engine
from lossgauge_service.engine.blocks import FEWEST, Blocks, Kernel, Remedy, out_of_memory
from lossgauge_service.engine.expressions import ROW_TILE
from lossgauge_service.engine.kernels import Kernels
from lossgauge_service.engine.tiles import Row, Tiles, row_tiles
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import Sample, sample_of
from torch import Tensor

CPU = torch.device("cpu")
MASKS = Question(task="binary", prediction_kind="logits", metrics=[m.FocalLoss(gamma=1.5), m.Dice(soft=True)])
CLASSES = Question(task="multiclass", prediction_kind="logits", metrics=[m.FocalLoss(alpha=None, gamma=1.5), m.Iou()])


class Scarce(Kernels):
    """Kernels of a device that takes blocks of at most so many tiles, and remembers those that it took."""

    def __init__(self, most: int) -> None:
        super().__init__("eager", CPU)
        self.most = most
        self.taken: list[int] = []

    def _device_kernel(self, kernel: Kernel) -> Kernel:
        def scarce(x: Tensor, *more: Any) -> Tensor:
            if len(x) > self.most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            self.taken.append(len(x))
            return kernel(x, *more)

        return scarce


def masks(count: int, side: int) -> list[Sample]:
    """Samples of masks, each of its own."""
    rng = np.random.default_rng(7)
    shape = side, side
    return [
        sample_of(MASKS, rng.normal(size=shape).astype(np.float32), rng.integers(0, 2, shape, np.uint8))
        for _ in range(count)
    ]


def classes(count: int, side: int) -> list[Sample]:
    """Samples of three classes."""
    rng = np.random.default_rng(8)
    return [
        sample_of(CLASSES, rng.normal(size=(3, side, side)).astype(np.float32), rng.integers(0, 3, (side, side)))
        for _ in range(count)
    ]


def eager(engine: Engine) -> Engine:
    """The same engine, eager on the CPU: what it finds are the bits that are expected."""
    return replace(engine, kernels=Kernels("eager", CPU), device=CPU)


def tiles_of(elements: int) -> Tiles:
    """One row, cut."""
    values = np.linspace(-4, 4, elements, dtype=np.float32)
    [tiles] = row_tiles([Row(values, (values > 0.5).astype(np.int8), None)])
    return tiles


def sums_of(x: Tensor, *_: Any) -> Tensor:
    """A kernel of one column."""
    return x.sum(-1)[None]


@pytest.mark.parametrize("most", [1, 2, 3, 5, 16])
@pytest.mark.parametrize(("question", "samples"), [(MASKS, masks(5, 100)), (CLASSES, classes(4, 60))])
def test_halved_blocks_give_the_same_bits(
    engine: Engine, most: int, question: Question, samples: Sequence[Sample]
) -> None:
    """However few tiles fit, down to one and to none of the smallest blocks, the scores are those of a device with room."""
    plan, kernels, heard = plan_for(question), Scarce(most), Counter[Remedy]()
    scarce = replace(eager(engine), kernels=kernels).telling(lambda remedy: heard.update([remedy]))
    found = plan.scores(scarce.run(plan, samples))
    assert found == plan.scores(eager(engine).run(plan, samples))
    assert max(kernels.taken, default=0) <= most
    assert heard["split"] > 0
    assert heard["cpu"] == (most < FEWEST)


def test_a_device_without_any_memory(engine: Engine) -> None:
    """Where nothing fits, the CPU sums all of it, after as many halvings as lead to the smallest block and no more."""
    plan, samples, kernels, heard = plan_for(MASKS), masks(3, 130), Scarce(0), Counter[Remedy]()
    scarce = replace(eager(engine), kernels=kernels).telling(lambda remedy: heard.update([remedy]))
    assert plan.scores(scarce.run(plan, samples)) == plan.scores(eager(engine).run(plan, samples))
    assert kernels.taken == []
    tiles = 3 * -(-(130 * 130) // ROW_TILE)
    assert heard == {"split": int(np.log2(tiles // FEWEST)) + 1, "cpu": 1}


def test_the_next_batch_is_untouched(engine: Engine) -> None:
    """After a batch that was halved the next one begins with whole blocks."""
    plan, samples, kernels = plan_for(MASKS), masks(2, 100), Scarce(8)
    scarce = replace(eager(engine), kernels=kernels)
    scarce.run(plan, samples)
    kernels.most, kernels.taken = 10**6, []
    scarce.run(plan, samples)
    assert kernels.taken == [2 * -(-(100 * 100) // ROW_TILE)]


@pytest.mark.parametrize("elements", [ROW_TILE, 2 * ROW_TILE, 7 * ROW_TILE + 5])
def test_blocks_come_in_their_order(elements: int) -> None:
    """Sums of blocks, some from the device and the rest from the CPU, stand where their tiles do."""
    tiles = tiles_of(elements)
    left = [3]

    def exhausted(x: Tensor) -> Tensor:
        left[0] -= len(x)
        if left[0] < 0:
            raise torch.OutOfMemoryError
        return sums_of(x)

    found = Blocks(CPU).sums(lambda x, *_: exhausted(x), sums_of, 2 * ROW_TILE, tiles, ROW_TILE, ())
    assert torch.equal(found, sums_of(tiles.prediction))


def test_any_other_fault_is_a_fault() -> None:
    """What is no lack of memory is raised, and nothing is tried again."""
    tried = list[int]()

    def faulty(x: Tensor, *_: Any) -> Tensor:
        tried.append(len(x))
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(RuntimeError, match="illegal"):
        Blocks(CPU).sums(faulty, sums_of, 2**20, tiles_of(9 * ROW_TILE), ROW_TILE, ())
    assert tried == [9]


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (torch.OutOfMemoryError(), True),
        (RuntimeError("Triton Error [CUDA]: out of memory"), True),
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be ..."), True),
        (RuntimeError("CUDA error: device-side assert triggered"), False),
        (RuntimeError("out of range"), False),
    ],
)
def test_what_says_that_the_memory_is_full(error: RuntimeError, full: bool) -> None:
    """Torch's own error, and the driver's by its words."""
    assert out_of_memory(error) is full


def test_what_takes_memory_as_a_whole_goes_to_the_cpu() -> None:
    """Work that cannot be halved is done on the CPU where the device has no room, once, and told."""
    heard, places = list[Remedy](), list[str]()

    def work(device: torch.device) -> str:
        places.append(device.type)
        if device.type != "cpu":
            raise torch.OutOfMemoryError
        return "found"

    assert Blocks(torch.device("meta"), heard.append).or_on_cpu(work) == "found"
    assert (places, heard) == (["meta", "cpu"], ["cpu"])


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")
def test_a_gpu_that_is_full() -> None:
    """With all but a little of a GPU's memory taken, scores are as good as those of the CPU, and the next ones too."""
    gpu, plan, samples, heard = Engine.build("cuda", "eager"), plan_for(MASKS), masks(8, 1500), Counter[Remedy]()
    expected = plan.scores(gpu.run(plan, samples))
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info()
    taken = torch.empty(free - 2**27, dtype=torch.uint8, device="cuda")
    found = plan.scores(gpu.telling(lambda remedy: heard.update([remedy])).run(plan, samples))
    assert heard["split"] > 0
    assert taken.numel() > 0
    for one, other in zip(found, expected, strict=True):
        assert isinstance(one, dict)
        assert isinstance(other, dict)
        assert {key: pytest.approx(score.value, rel=1e-6) for key, score in one.items()} == {
            key: score.value for key, score in other.items()
        }
