"""The kernels: the expressions of a fixed list of shapes, compiled where there is a compiler, in cache-sized blocks where not."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from functools import lru_cache, partial
from typing import Literal, Self

import numpy as np
import torch
from torch import Tensor

from lossgauge_service.engine.ahead import Ahead, Arguments
from lossgauge_service.engine.blocks import CACHED_BLOCK, CPU, FEWEST, Blocks, Heard, Kernel, Parameters, moved
from lossgauge_service.engine.expressions import (
    ROW_TILE,
    KernelShape,
    Variant,
    class_columns,
    class_sums,
    row_columns,
    row_sums,
)
from lossgauge_service.engine.ledger import Layout, Table
from lossgauge_service.engine.loads import Clip, Load, shared_out
from lossgauge_service.engine.tiles import CLASS_TILE, Tiles

MOST = KernelShape(moments=True, entropy=True, gammas=8, clips=4, cuts=16, squares=True, quadratic=True)
"""What one eager launch computes at most."""

BLOCK = 2**25
"""Elements of a block at most: what one launch takes of the memory."""

GRID_SHAPE = KernelShape(gammas=6, cuts=1, quadratic=True)
"""The grid that a sweep has by default, in one launch."""
PLAIN_SHAPE = KernelShape(moments=True, entropy=True, cuts=10, squares=True, quadratic=True)
"""All that needs no logarithm or power of its own."""
COUNT_SHAPES = (KernelShape(cuts=1), KernelShape(cuts=10))
SOFT_SHAPES = (
    KernelShape(moments=True, entropy=True, cuts=1, quadratic=True),
    KernelShape(moments=True, entropy=True, cuts=10, quadratic=True),
    PLAIN_SHAPE,
    KernelShape(moments=True, entropy=True, gammas=1, cuts=1),
    GRID_SHAPE,
    KernelShape(moments=True, entropy=True, gammas=1, clips=2, cuts=1, squares=True, quadratic=True),
)
WHOLE_SHAPES = (
    PLAIN_SHAPE,
    KernelShape(moments=True, entropy=True, gammas=1, clips=2, cuts=10, squares=True, quadratic=True),
    GRID_SHAPE,
)
TARGET_SHAPES = (KernelShape(moments=True, clips=2, cuts=1, squares=True),)
CLASS_SHAPES = (
    KernelShape(),
    KernelShape(moments=True, entropy=True, gammas=1, clips=2, squares=True, quadratic=True),
    KernelShape(gammas=6, quadratic=True),
)
COMPILED_ROWS: dict[Variant, tuple[KernelShape, ...]] = {
    Variant("labels", weighted=True): COUNT_SHAPES[:1],
    Variant("logits"): COUNT_SHAPES + SOFT_SHAPES,
    Variant("probabilities"): COUNT_SHAPES + SOFT_SHAPES,
    Variant("logits", weighted=True): WHOLE_SHAPES,
    Variant("probabilities", weighted=True): WHOLE_SHAPES,
    Variant("logits", soft=True): TARGET_SHAPES,
    Variant("probabilities", soft=True): TARGET_SHAPES,
}
COMPILED_CLASSES: dict[Variant, tuple[KernelShape, ...]] = {
    Variant(kind, weighted=weighted): CLASS_SHAPES for kind in ("logits", "probabilities") for weighted in (False, True)
}

EXAMPLE_TILES = 64
"""Of the example that a kernel is compiled with: any number, of which the kernel knows nothing."""

MOST_TILES = 2**20
MOST_CLASSES = 4096
Run = Callable[[Tiles, int, Parameters], Tensor]


class Kernels:
    """Sums of tiles by whichever kernels there are."""

    def __init__(self, kernel: Literal["compiled", "eager"], device: torch.device) -> None:
        self.blocks = Blocks(device)
        self._eager_block = CACHED_BLOCK if device.type == "cpu" else BLOCK
        compiled = kernel == "compiled"
        self._rows = _each(COMPILED_ROWS if compiled else {}, partial(_compiled_rows, device))
        self._classes = _each(COMPILED_CLASSES if compiled else {}, partial(_compiled_classes, device))

    def telling(self, tell: Heard) -> Self:
        """The same kernels, which tell of every block that did not fit the device's memory."""
        told = copy(self)
        told.blocks = Blocks(self.blocks.device, tell)
        return told

    def warm_up(self) -> None:
        """Compile, or fetch from the cache on disk, every kernel of the lists."""
        for variant, shapes in self._rows.items():
            for shape in shapes:
                self.rows(_example_rows(variant), _filled(shape), variant)
        for variant, shapes in self._classes.items():
            for shape in shapes:
                self.classes(_example_classes(variant), _filled(shape), variant)

    def rows(self, tiles: Tiles, load: Load, variant: Variant) -> list[Table]:
        """Sums of each tile of masks: columns (tiles,)."""
        if load.shape == KernelShape():
            load = Load(cuts=(0.0,))
        tables = list[Table]()
        for shape, part, run in self._launches(self._rows, load, variant, tiles, _row_kernel):
            parameters = part.tensors(shape, _dtype(tiles), CPU)
            sums = run(tiles, ROW_TILE, parameters)
            tables.append(Table.of(_row_layout(part, shape, variant), sums))
        return tables

    def classes(self, tiles: Tiles, load: Load, variant: Variant) -> list[Table]:
        """Sums of each tile and class: columns (tiles, classes)."""
        tables = list[Table]()
        width = tiles.prediction.shape[1] * CLASS_TILE
        for shape, part, run in self._launches(self._classes, load, variant, tiles, _class_kernel):
            parameters = part.tensors(shape, tiles.prediction.dtype, CPU)[:2]
            sums = run(tiles, width, parameters)
            tables.append(Table.of(_class_layout(part, shape, variant), sums))
        return tables

    def _launches(
        self,
        kernels: dict[Variant, dict[KernelShape, Kernel]],
        load: Load,
        variant: Variant,
        tiles: Tiles,
        make: Callable[[KernelShape, Variant], Kernel],
    ) -> Iterator[tuple[KernelShape, Load, Run]]:
        """Each launch: its shape, its part of the load, and what runs it over blocks."""
        ready = kernels.get(variant) if _dtype(tiles) == torch.float32 else None
        shapes = tuple(ready) if ready else (load.part(MOST).shape, MOST)
        for shape, part in shared_out(load, shapes):
            if ready:
                kernel = partial(_any_number, self._device_kernel(ready[shape]))
                yield shape, part, partial(self.blocks.sums, kernel, make(shape, variant), BLOCK)
            else:
                eager = make(part.shape, variant)
                yield part.shape, part, partial(self.blocks.sums, self._device_kernel(eager), eager, self._eager_block)

    def _device_kernel(self, kernel: Kernel) -> Kernel:
        """What runs on the device; a test puts one in its place that finds no memory."""
        return kernel


@lru_cache(maxsize=1024)
def _row_layout(part: Load, shape: KernelShape, variant: Variant) -> Layout:
    names = row_columns(shape, variant)
    return Layout.of(part.places(names), len(names))


@lru_cache(maxsize=1024)
def _class_layout(part: Load, shape: KernelShape, variant: Variant) -> Layout:
    names = class_columns(shape, variant)
    return Layout.of(part.places(names), len(names))


def _dtype(tiles: Tiles) -> torch.dtype:
    """What a launch computes in: labels take the precision of what they are summed with."""
    floats = [
        part.dtype
        for part in (tiles.prediction, tiles.target, tiles.weight)
        if part is not None and part.is_floating_point()
    ]
    return floats[0] if floats else torch.float32


def _each(
    shapes: Mapping[Variant, Sequence[KernelShape]], make: Callable[[KernelShape, Variant], Kernel]
) -> dict[Variant, dict[KernelShape, Kernel]]:
    return {variant: {shape: make(shape, variant) for shape in each} for variant, each in shapes.items()}


def _compiled_rows(device: torch.device, shape: KernelShape, variant: Variant) -> Kernel:
    """The kernel, compiled as one loop over rows.

    What has several uses the compiler computes over all elements, in a loop of its own, and writes it to memory; where
    something differs from row to row, be it by nothing, that loop is one with the loop of the sums.
    """
    kernel = _row_kernel(shape, variant)

    def apart(x: Tensor, t: Tensor, w: Tensor | None, *rest: Tensor) -> Tensor:
        *parameters, nothing = rest
        return kernel(x + nothing[:, None], t, w, *parameters)

    def example() -> Arguments:
        x, t, w = moved(_example_rows(variant), device)
        parameters = _filled(shape).tensors(shape, torch.float32, device)
        nothing = x.new_zeros(len(x))
        _vary(0, MOST_TILES, x, t, w, nothing)
        return x, t, w, *parameters, nothing

    compiled = Ahead(f"rows {ROW_TILE} {FEWEST} {shape} {variant}", apart, example, device)

    def run(x: Tensor, t: Tensor, w: Tensor | None, *parameters: Tensor) -> Tensor:
        return compiled(x, t, w, *parameters, x.new_zeros(len(x)))

    return run


def _compiled_classes(device: torch.device, shape: KernelShape, variant: Variant) -> Kernel:
    def example() -> Arguments:
        x, y, w = moved(_example_classes(variant), device)
        gammas, clips, _ = _filled(shape).tensors(shape, torch.float32, device)
        _vary(0, MOST_TILES, x, y, w)
        _vary(1, MOST_CLASSES, x)
        return x, y, w, gammas, clips

    return Ahead(f"classes {CLASS_TILE} {FEWEST} {shape} {variant}", _class_kernel(shape, variant), example, device)


def _any_number(kernel: Kernel, x: Tensor, t: Tensor, w: Tensor | None, *parameters: Tensor) -> Tensor:
    """One kernel for any number of tiles, which is never given a single one."""
    tiles = len(x)
    if tiles < FEWEST:
        x, t, w = _doubled(x), _doubled(t), None if w is None else _doubled(w)
    return kernel(x, t, w, *parameters)[:, :tiles]


def _vary(dimension: int, most: int, *tensors: Tensor | None) -> None:
    """Tell the compiler that a size of these is any number."""
    for tensor in tensors:
        if tensor is not None:
            torch._dynamo.mark_dynamic(tensor, dimension, min=FEWEST, max=most)


def _doubled(tensor: Tensor) -> Tensor:
    return torch.cat([tensor] * FEWEST)


def _row_kernel(shape: KernelShape, variant: Variant) -> Kernel:
    def kernel(x: Tensor, t: Tensor, w: Tensor | None, gammas: Tensor, clips: Tensor, cuts: Tensor) -> Tensor:
        return row_sums(x, t, w, gammas, clips, cuts, shape, variant)

    return kernel


def _class_kernel(shape: KernelShape, variant: Variant) -> Kernel:
    def kernel(x: Tensor, y: Tensor, w: Tensor | None, gammas: Tensor, clips: Tensor) -> Tensor:
        return class_sums(x, y, w, gammas, clips, shape, variant)

    return kernel


def _filled(shape: KernelShape) -> Load:
    gammas = tuple(i + 1.0 for i in range(shape.gammas))
    clips = tuple(Clip(gamma=float(i)) for i in range(shape.clips))
    cuts = tuple(float(i) for i in range(shape.cuts))
    return Load(shape.moments, shape.entropy, gammas, clips, cuts, shape.squares, shape.quadratic)


def _example_rows(variant: Variant) -> Tiles:
    x = torch.full((EXAMPLE_TILES, ROW_TILE), 0.5).to(torch.int8 if variant.kind == "labels" else torch.float32)
    t = torch.zeros((EXAMPLE_TILES, ROW_TILE), dtype=torch.float32 if variant.soft else torch.int8)
    return Tiles(
        x, t, torch.ones(EXAMPLE_TILES, ROW_TILE) if variant.weighted else None, np.zeros(EXAMPLE_TILES, np.intp)
    )


def _example_classes(variant: Variant) -> Tiles:
    y = torch.zeros((EXAMPLE_TILES, CLASS_TILE), dtype=torch.int32)
    weight = torch.ones(EXAMPLE_TILES, CLASS_TILE) if variant.weighted else None
    return Tiles(torch.full((EXAMPLE_TILES, 3, CLASS_TILE), 0.5), y, weight, np.zeros(EXAMPLE_TILES, np.intp))
