"""A kernel over blocks of tiles, each as large as the device's memory takes.

A block that does not fit is halved, and so are those that come after it; where not even the smallest fits, what is left is summed
on the CPU. A tile's sums do not depend on its neighbours: on one device the bits are the same however often a block was halved.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import Tensor

from lossgauge_service.engine.tiles import Tiles

FEWEST = 2
"""A compiled kernel is not given a single tile: the compiler takes a size of one for a constant."""

CACHED_BLOCK = 2**18
"""Elements of an eager block on the CPU: its temporaries stay in the cache."""

CPU = torch.device("cpu")

Found = TypeVar("Found")
Kernel = Callable[..., Tensor]
Launch = tuple[Tensor, Tensor, Tensor | None]
Parameters = tuple[Tensor, ...]
Remedy = Literal["split", "cpu"]
"""What is done where the memory is full: a block is halved, or summed on the CPU."""
Heard = Callable[[Remedy], None]


def unheard(remedy: Remedy) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Blocks:
    """Runs kernels on one device; `tell` hears of every remedy."""

    device: torch.device
    tell: Heard = unheard

    def sums(
        self, kernel: Kernel, eager: Kernel, elements: int, tiles: Tiles, width: int, parameters: Parameters
    ) -> Tensor:
        """Columns (columns, tiles, ..) in the CPU's memory, from blocks of so many elements at most; a tile has `width`.

        `eager` computes the same as `kernel`, on any device.
        """
        found = list(self._blocks(kernel, eager, max(FEWEST, elements // width), tiles, width, parameters))
        return torch.cat([sums.to(CPU) for sums in found], 1)

    def or_on_cpu(self, work: Callable[[torch.device], Found]) -> Found:
        """What work that takes its memory as a whole finds on the device or, where that is full, on the CPU."""
        try:
            return work(self.device)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
        _free(self.device)
        self.tell("cpu")
        return work(CPU)

    def _blocks(
        self, kernel: Kernel, eager: Kernel, size: int, tiles: Tiles, width: int, parameters: Parameters
    ) -> Iterator[Tensor]:
        start = 0
        while start < len(tiles):
            block = tiles[start : start + size]
            sums = _tried(kernel, block, parameters, self.device)
            if sums is not None:
                yield sums
                start += len(block)
                continue
            _free(self.device)
            if len(block) <= FEWEST:
                self.tell("cpu")
                yield _on_cpu(eager, tiles[start:], width, parameters)
                return
            self.tell("split")
            size = max(FEWEST, len(block) // 2)


def out_of_memory(error: RuntimeError) -> bool:
    """Whether an error says that the device's memory is full: torch's own, or the driver's."""
    return isinstance(error, torch.OutOfMemoryError) or ("CUDA" in str(error) and "out of memory" in str(error))


def _tried(kernel: Kernel, block: Tiles, parameters: Parameters, device: torch.device) -> Tensor | None:
    """The block's sums; None where the memory is full. What had been taken is free again once this has returned."""
    try:
        return kernel(*moved(block, device), *(sent.to(device, non_blocking=True) for sent in parameters))
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        return None


def _free(device: torch.device) -> None:
    """Give back what torch keeps of the device's memory for later."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _on_cpu(eager: Kernel, tiles: Tiles, width: int, parameters: Parameters) -> Tensor:
    size = max(FEWEST, CACHED_BLOCK // width)
    blocks = (moved(tiles[start : start + size], CPU) for start in range(0, len(tiles), size))
    return torch.cat([eager(*block, *parameters) for block in blocks], 1)


def moved(block: Tiles, device: torch.device) -> Launch:
    """A block's arrays on a device."""
    if device.type == "cpu":
        return block.prediction, block.target, block.weight
    weight = None if block.weight is None else _sent(block.weight, device)
    return _sent(block.prediction, device), _sent(block.target, device), weight


def _sent(tensor: Tensor, device: torch.device) -> Tensor:
    return tensor.pin_memory().to(device, non_blocking=True)
