"""What a pass is asked to sum, and how it is shared out over kernels of fixed shapes."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from lossgauge_service.engine.expressions import KernelShape
from lossgauge_service.statistics import Entropy


class Clip(NamedTuple):
    """An entropy term in full: bounds of a = -log p and b = -log(1 - p), the cap of the log, and how a soft target enters.

    With s = -log(1 - pt) the focus is exp(-gamma (s + shift)), and 1 where s is below `limit`; it is summed alone where `bare`.
    """

    gamma: float = 0.0
    a_low: float = 0.0
    a_high: float = math.inf
    b_low: float = 0.0
    b_high: float = math.inf
    cap: float = math.inf
    every: float = 0.0
    modulated: float = 0.0
    exp_pt: float = 0.0
    logit_pt: float = 0.0
    limit: float = -math.inf
    shift: float = 0.0
    bare: float = 0.0


Key = str | tuple[str, float | Clip, str]


def clip_of(term: Entropy) -> Clip:
    """The bounds that a term's clipping and floor put on the logs."""
    low, high = term.clip or (0.0, 1.0)
    return Clip(
        term.gamma,
        _minus_log(high),
        _minus_log(low),
        _minus_log(1 - low),
        _minus_log(1 - high),
        math.inf if term.log_floor is None else -math.log(term.log_floor),
        float(term.every),
        float(term.modulated),
        float(term.pt == "exp"),
        float(term.pt == "logit"),
        -math.inf if term.reduced is None else -math.log1p(-term.reduced),
        0.0 if term.reduced is None else math.log(term.reduced),
        float(term.bare),
    )


def _minus_log(p: float) -> float:
    return -math.log(p) + 0.0 if p > 0 else math.inf


@dataclass(frozen=True)
class Load:
    """What a pass sums: moments, the plain cross-entropy, gammas, clipped terms, cuts, squares, and the focal loss of gamma 2."""

    moments: bool = False
    entropy: bool = False
    gammas: tuple[float, ...] = ()
    clips: tuple[Clip, ...] = ()
    cuts: tuple[float, ...] = ()
    squares: bool = False
    quadratic: bool = False

    @property
    def shape(self) -> KernelShape:
        """The kernel that this load fills exactly."""
        return KernelShape(
            self.moments,
            self.entropy,
            len(self.gammas),
            len(self.clips),
            len(self.cuts),
            self.squares,
            self.quadratic,
        )

    def part(self, shape: KernelShape) -> "Load":
        """As much of it as fits a shape."""
        return Load(
            self.moments and shape.moments,
            self.entropy and shape.entropy,
            self.gammas[: shape.gammas],
            self.clips[: shape.clips],
            self.cuts[: shape.cuts],
            self.squares and shape.squares,
            self.quadratic and shape.quadratic,
        )

    def without(self, part: "Load") -> "Load":
        """What is left after a part."""
        return Load(
            self.moments and not part.moments,
            self.entropy and not part.entropy,
            self.gammas[len(part.gammas) :],
            self.clips[len(part.clips) :],
            self.cuts[len(part.cuts) :],
            self.squares and not part.squares,
            self.quadratic and not part.quadratic,
        )

    def places(self, names: Sequence[str]) -> dict[Key, int]:
        """Where the columns stand that this load filled; columns of unused parameters are left out."""
        keys = {place: self._key(name) for place, name in enumerate(names)}
        return {key: place for place, key in keys.items() if key is not None}

    def _key(self, name: str) -> Key | None:
        groups: dict[str, Sequence[float | Clip]] = {
            "gamma": self.gammas,
            "clip": self.clips,
            "cut": self.cuts,
            "miss": self.cuts,
        }
        group = name.rstrip("+-0123456789")
        if group not in groups:
            return name
        place, side = int(name[len(group) :].rstrip("+-")), name[-1] if name[-1] in "+-" else ""
        return (group, groups[group][place], side) if place < len(groups[group]) else None

    def tensors(self, shape: KernelShape, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """gammas, clips and cuts, filled up to a shape."""
        gammas = [*self.gammas, *[0.0] * (shape.gammas - len(self.gammas))]
        clips = [*self.clips, *[Clip()] * (shape.clips - len(self.clips))]
        cuts = [*self.cuts, *[0.0] * (shape.cuts - len(self.cuts))]
        of_clips = torch.tensor(clips, dtype=dtype, device=device).view(shape.clips, len(Clip()))
        return (
            torch.tensor(gammas, dtype=dtype, device=device),
            of_clips,
            torch.tensor(cuts, dtype=dtype, device=device),
        )


def shared_out(load: Load, shapes: Sequence[KernelShape]) -> Iterator[tuple[KernelShape, Load]]:
    """A load as launches of the given shapes, each the first that holds what is left, or the one that holds most of it.

    Raises `ValueError` where no shape holds any of it.
    """
    while True:
        shape = _best(load, shapes)
        part = load.part(shape)
        yield shape, part
        load = load.without(part)
        if load == Load():
            return


def _best(load: Load, shapes: Sequence[KernelShape]) -> KernelShape:
    covering = [shape for shape in shapes if load.part(shape) == load]
    if covering:
        return covering[0]
    most = max(shapes, key=lambda shape: _filled(load.part(shape)), default=KernelShape())
    if load.part(most) == Load():
        raise ValueError(f"no kernel computes {load}")
    return most


def _filled(load: Load) -> int:
    flags = load.moments + load.squares + load.entropy + load.quadratic
    return flags + len(load.gammas) + len(load.clips) + len(load.cuts)
