"""The statistics as torch expressions over a matrix of tiles: one source for eager, C++ and Triton.

`row_sums` serves masks (binary, and each label of multilabel), `class_sums` softmax classes. Everything that a request may
choose (gammas, clipping, thresholds) is a tensor, so that a kernel, once compiled, serves every request of its shape.

a = -log p and b = -log(1 - p) are kept from the logit without cancellation; ce = -log pt and s = -log(1 - pt), so that
(1 - pt)^gamma = exp(-gamma s) costs one exponential for any gamma. Targets are 1, 0 and -1 (not counted); comparing them as
floats is what vectorises.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

HUGE = 1e30
"""Stands for an infinite s: 0 * HUGE is 0 where 0 * inf is not a number."""


@dataclass(frozen=True, order=True)
class KernelShape:
    """How many of each statistic one kernel computes."""

    moments: bool = False
    gammas: int = 0
    clips: int = 0
    cuts: int = 0


@dataclass(frozen=True)
class Variant:
    """What one kernel reads."""

    kind: Literal["logits", "probabilities", "labels"] = "logits"
    soft: bool = False
    weighted: bool = False


@dataclass(frozen=True)
class Parameters:
    """The values that a request chose: gammas (G,), clips (K, 9) as in `Clip`, cuts (H,)."""

    gammas: Tensor
    clips: Tensor
    cuts: Tensor


# ------------------------------------------------------------------------------------------------------------------ rows


def row_sums(
    x: Tensor,
    t: Tensor,
    w: Tensor | None,
    gammas: Tensor,
    clips: Tensor,
    cuts: Tensor,
    shape: KernelShape,
    variant: Variant,
) -> Tensor:
    """Sums over each tile of a mask. x, t, w: (tiles, elements). Returns (tiles, columns), see `row_columns`."""
    positive, negative, valid = _divided(t, w, gammas.dtype, variant.soft)
    columns = [
        valid.sum(-1),
        positive.sum(-1),
        negative.sum(-1),
        x.amin(-1).to(valid.dtype),
        x.amax(-1).to(valid.dtype),
    ]
    values = x.to(valid.dtype)
    soft = _soft_columns if variant.soft else _hard_columns
    if shape.moments or shape.gammas or shape.clips:
        columns += soft(values, t.to(valid.dtype), positive, negative, gammas, clips, shape, variant)
    for cut in cuts[: shape.cuts].unbind():
        columns += [torch.where(values > cut, positive, 0).sum(-1), torch.where(values > cut, negative, 0).sum(-1)]
    return torch.stack(columns, -1)


def row_columns(shape: KernelShape) -> list[str]:
    """The names of the columns of `row_sums`, those of a group numbered."""
    names = ["count", "positive", "negative", "low", "high"]
    names += ["p", "pt", "pp", "tt", "l1"] if shape.moments else []
    for group, number in (("gamma", shape.gammas), ("clip", shape.clips), ("cut", shape.cuts)):
        names += [f"{group}{i}{side}" for i in range(number) for side in "+-"]
    return names


def _divided(t: Tensor, w: Tensor | None, dtype: torch.dtype, soft: bool) -> tuple[Tensor, Tensor, Tensor]:
    target = t.to(dtype)
    valid = torch.where(target >= 0, 1.0, 0.0).to(dtype)
    weight = valid if w is None else valid * w
    if soft:
        return weight * target, weight * (1 - target), valid
    zero = torch.zeros((), dtype=dtype, device=t.device)
    return torch.where(target > 0.5, weight, zero), torch.where(target == 0, weight, zero), valid


def _entropies(x: Tensor, kind: str) -> tuple[Tensor, Tensor, Tensor]:
    """p, a = -log p and b = -log(1 - p)."""
    if kind != "logits":
        return x, -torch.log(x), -torch.log1p(-x)
    e = torch.exp(-x.abs())
    rest = torch.log1p(e)
    share = 1 / (1 + e)
    p = torch.where(x > 0, share, e * share)
    return p, (-x).clamp(min=0) + rest, x.clamp(min=0) + rest


def _hard_columns(
    x: Tensor,
    t: Tensor,
    positive: Tensor,
    negative: Tensor,
    gammas: Tensor,
    clips: Tensor,
    shape: KernelShape,
    variant: Variant,
) -> list[Tensor]:
    p, a, b = _entropies(x, variant.kind)
    hot = t > 0.5
    weight = positive + negative
    columns = _moments(p, positive, weight, positive.sum(-1)) if shape.moments else []
    ce, s = torch.where(hot, a, b), torch.where(hot, b, a).clamp(max=HUGE)
    for gamma in gammas[: shape.gammas].unbind():
        columns += _split(torch.exp(-gamma * s) * ce, hot, weight)
    for clip in clips[: shape.clips].unbind():
        columns += _split(_clipped(a, b, hot, clip), hot, weight)
    return columns


def _moments(p: Tensor, positive: Tensor, weight: Tensor, squared_target: Tensor) -> list[Tensor]:
    wp = weight * p
    total, shared = wp.sum(-1), (positive * p).sum(-1)
    return [total, shared, (wp * p).sum(-1), squared_target, total + positive.sum(-1) - 2 * shared]


def _split(value: Tensor, hot: Tensor, weight: Tensor) -> list[Tensor]:
    # where, not a product: the value of a pixel that is not counted may be infinite
    counted = torch.where(weight > 0, value, 0) * weight
    return [torch.where(hot, counted, 0).sum(-1), torch.where(hot, 0, counted).sum(-1)]


def _clipped(a: Tensor, b: Tensor, hot: Tensor, clip: Tensor) -> Tensor:
    gamma, a_low, a_high, b_low, b_high, cap, every, _, _ = clip.unbind()
    a, b = _between(a, a_low, a_high), _between(b, b_low, b_high)
    s = torch.where(hot, b, a).clamp(max=HUGE)
    ce = torch.minimum(torch.where(hot, a, b), cap)
    ce = torch.where(every > 0, ce + torch.minimum(torch.where(hot, b, a), cap), ce)
    return torch.exp(-gamma * s) * ce


def _between(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return torch.minimum(torch.maximum(x, low), high)


def _soft_columns(
    x: Tensor,
    t: Tensor,
    positive: Tensor,
    negative: Tensor,
    gammas: Tensor,
    clips: Tensor,
    shape: KernelShape,
    variant: Variant,
) -> list[Tensor]:
    p, a, b = _entropies(x, variant.kind)
    weight = positive + negative
    columns = _moments(p, positive, weight, (positive * t).sum(-1)) if shape.moments else []
    if shape.moments:
        columns[-1] = (weight * (p - t).abs()).sum(-1)
    for clip in clips[: shape.clips].unbind():
        columns += _soft_clipped(a, b, t, positive, negative, clip)
    return columns


def _soft_clipped(a: Tensor, b: Tensor, t: Tensor, positive: Tensor, negative: Tensor, clip: Tensor) -> list[Tensor]:
    gamma, a_low, a_high, b_low, b_high, cap, every, modulated, exp_pt = clip.unbind()
    a, b = _between(a, a_low, a_high), _between(b, b_low, b_high)
    p = torch.exp(-a)
    a, b = torch.minimum(a, cap), torch.minimum(b, cap)
    ce = _shared(t, a) + _shared(1 - t, b)
    q = torch.where(exp_pt > 0, -torch.expm1(-ce), t + p - 2 * t * p)
    s = (-torch.log(q)).clamp(max=HUGE)
    pixel = torch.exp(-gamma * s) * torch.where(every > 0, a + b, ce)
    whole = (modulated + every) > 0
    return [
        _shared(positive, torch.where(whole, pixel, a)).sum(-1),
        _shared(negative, torch.where(whole, pixel, b)).sum(-1),
    ]


def _shared(share: Tensor, value: Tensor) -> Tensor:
    # a share of nothing is 0, also of an infinite value
    return torch.where(share > 0, share * value, 0)


# --------------------------------------------------------------------------------------------------------------- classes


def class_sums(
    x: Tensor, y: Tensor, w: Tensor | None, gammas: Tensor, clips: Tensor, shape: KernelShape, variant: Variant
) -> tuple[Tensor, Tensor]:
    """Sums over each tile and class. x: (tiles, classes, elements); y, w: (tiles, elements), y = -1 not counted.

    Returns (tiles, classes, columns), see `class_columns`, and the lowest and highest value of each tile (tiles, 2).
    """
    classes = torch.arange(x.shape[1], device=x.device, dtype=torch.int32)[None, :, None]
    valid = torch.where(y >= 0, 1.0, 0.0).to(x.dtype)
    weight = valid if w is None else valid * w
    hot = (y[:, None, :] == classes).to(x.dtype)
    top = x.amax(1, keepdim=True)
    first = torch.where(x == top, classes, x.shape[1]).amin(1, keepdim=True)
    guess = (first == classes).to(x.dtype) * weight[:, None, :]
    weighted_hot = hot * weight[:, None, :]
    columns = [hot.sum(-1), weighted_hot.sum(-1), guess.sum(-1), (guess * hot).sum(-1)]
    p, ce, s, every = _class_entropies(x, hot, top, variant.kind)
    if shape.moments:
        wp = p * weight[:, None, :]
        columns += [wp.sum(-1), (wp * hot).sum(-1), (wp * p).sum(-1), (weight[:, None, :] * (p - hot).abs()).sum(-1)]
    for gamma in gammas[: shape.gammas].unbind():
        columns.append(_by_class(torch.exp(-gamma * s) * ce, hot, weight))
    for clip in clips[: shape.clips].unbind():
        columns.append(_by_class(_class_clipped(ce, s, every, clip), hot, weight))
    return torch.stack(columns, -1), torch.stack([x.amin((1, 2)), x.amax((1, 2))], -1)


def class_columns(shape: KernelShape) -> list[str]:
    """The names of the columns of `class_sums`."""
    names = ["count", "weight", "guess", "hit"]
    names += ["p", "pt", "pp", "l1"] if shape.moments else []
    for group, number in (("gamma", shape.gammas), ("clip", shape.clips)):
        names += [f"{group}{i}" for i in range(number)]
    return names


def _class_entropies(x: Tensor, hot: Tensor, top: Tensor, kind: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """p (tiles, classes, elements); ce, s and the sum of every class's cross-entropy (tiles, elements)."""
    mine = torch.where(hot > 0, x, 0).sum(1)
    if kind == "probabilities":
        return x, -torch.log(mine), (-torch.log1p(-mine)).clamp(max=HUGE), -torch.log(x).sum(1)
    d = x - top
    e = torch.exp(d)
    # the others' share of the sum, without the top's own 1, so that a small loss keeps its digits
    others = torch.where(d < 0, e, 0).sum(1) + ((d == 0).to(x.dtype).sum(1) - 1)
    total = 1 + others
    behind = top[:, 0] - mine
    log_total = torch.log1p(others)
    mine_e = torch.exp(-behind)
    q = torch.where(behind == 0, others, total - mine_e) / total
    every = (log_total[:, None, :] - d).sum(1)
    return e / total[:, None, :], behind + log_total, (-torch.log(q)).clamp(max=HUGE), every


def _class_clipped(ce: Tensor, s: Tensor, every_ce: Tensor, clip: Tensor) -> Tensor:
    gamma, a_low, a_high, b_low, b_high, cap, every, _, _ = clip.unbind()
    ce, s = _between(ce, a_low, a_high), _between(s, b_low, b_high).clamp(max=HUGE)
    return torch.exp(-gamma * s) * torch.where(every > 0, every_ce, torch.minimum(ce, cap))


def _by_class(value: Tensor, hot: Tensor, weight: Tensor) -> Tensor:
    counted = torch.where(weight > 0, value, 0) * weight
    return torch.where(hot > 0, counted[:, None, :], 0).sum(-1)
