"""The statistics as torch expressions over a matrix of tiles: one source for eager, C++ and Triton.

`row_sums` serves masks (binary, and each label of multilabel), `class_sums` softmax classes. Everything that a request may
choose (gammas, clipping, thresholds) is a tensor, so that a kernel, once compiled, serves every request of its shape.

ce = -log pt and s = -log(1 - pt) are kept without cancellation; (1 - pt)^gamma = exp(-gamma s) costs one exponential for any
gamma. Targets are 1, 0 and -1 (not counted). Masks are floats and are multiplied with: comparing bytes and choosing by
booleans is what does not vectorise.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from lossgauge.metrics.spec import PredictionKind
from torch import Tensor

from lossgauge_service.engine.softplus import log1p_exp, sigmoid

ROW_TILE = 512
"""Elements of a tile of a mask: so few that a constant's rounding errors, 32 sums of one sign in each lane, stay below 1e-6."""

HARD_MOMENTS, HARD_SQUARES = ["pt", "missed", "extra"], ["missed2", "extra2"]
"""Sums of v t p, v t (1 - p), v (1 - t) p; v t (1 - p)^2 and v (1 - t) p^2: what a good prediction misses keeps its digits."""

SOFT_MOMENTS, SOFT_SQUARES = ["p", "pt", "least", "missed", "extra", "short", "over"], ["pp", "tt", "gap2"]
"""Sums of v times p, p t, min(p, t), t (1 - p), (1 - t) p, max(t - p, 0), max(p - t, 0); p^2, t^2 and (p - t)^2."""

HUGE = 1e30
"""Stands for an infinite s: 0 * HUGE is 0 where 0 * inf is not a number."""


@dataclass(frozen=True, order=True)
class KernelShape:
    """How many of each statistic one kernel computes. quadratic: (1 - pt)^2 CE, the focal loss that most ask for, has no exponential."""

    moments: bool = False
    entropy: bool = False
    gammas: int = 0
    clips: int = 0
    cuts: int = 0
    squares: bool = False
    quadratic: bool = False

    @property
    def reads_probabilities(self) -> bool:
        """Whether it sums anything but counts."""
        flags = self.moments or self.entropy or self.squares or self.quadratic
        return flags or self.gammas > 0 or self.clips > 0


@dataclass(frozen=True)
class Variant:
    """What one kernel reads."""

    kind: PredictionKind = "logits"
    soft: bool = False
    weighted: bool = False

    @property
    def fractional(self) -> bool:
        """Whether counts are sums of fractions, which are rounded: a small one is then not what is left of a large one."""
        return self.soft or self.weighted


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
    """Sums over each tile of a mask. x, t, w: (tiles, elements). Returns (columns, tiles), see `row_columns`."""
    dtype = gammas.dtype
    sides = _sides(t.to(dtype), w, variant.soft)
    low, high = x.amin(-1).to(dtype), x.amax(-1).to(dtype)
    columns = [sides.valid.sum(-1), sides.positive.sum(-1), sides.negative.sum(-1), low, high]
    values = x.to(dtype)
    if shape.reads_probabilities:
        soft = _soft_columns if variant.soft else _hard_columns
        columns += soft(values, sides, gammas, clips, shape, variant)
    count = _fractional_counts if variant.fractional else _whole_counts
    columns += count(values, sides, columns[1], cuts[: shape.cuts].unbind())
    return torch.stack(columns)


def _whole_counts(values: Tensor, sides: "Sides", positives: Tensor, cuts: Sequence[Tensor]) -> list[Tensor]:
    """The positives and the negatives above each cut, both from one sum: their numbers are whole and at most ROW_TILE."""
    code = torch.add(sides.negative, sides.positive, alpha=ROW_TILE)
    columns = []
    for cut in cuts:
        both = (_true(torch.gt, values, cut) * code).sum(-1)
        # where there is a positive there are fewer than ROW_TILE negatives; where there is none, none is above
        above = torch.minimum(torch.floor(both / ROW_TILE), positives)
        columns += [above, both - ROW_TILE * above]
    return columns


def _fractional_counts(values: Tensor, sides: "Sides", positives: Tensor, cuts: Sequence[Tensor]) -> list[Tensor]:
    chosen = [_true(compare, values, cut) for compare in (torch.gt, torch.le) for cut in cuts]
    return [(one * side).sum(-1) for one in chosen for side in (sides.positive, sides.negative)]


def _true(compare: Callable[..., Tensor], one: Tensor, other: Tensor | float) -> Tensor:
    """1.0 where the comparison holds. Eagerly it is written as a float at once: a cast of booleans is dear."""
    if torch.compiler.is_compiling():
        return compare(one, other).to(one.dtype)
    return compare(one, other, out=torch.empty_like(one))


def row_columns(shape: KernelShape, variant: Variant) -> list[str]:
    """The names of the columns of `row_sums`, those of a group numbered. cut: above it; miss: not above it."""
    names = ["count", "positive", "negative", "low", "high"]
    names += (SOFT_MOMENTS if variant.soft else HARD_MOMENTS) if shape.moments else []
    names += (SOFT_SQUARES if variant.soft else HARD_SQUARES) if shape.squares else []
    names += ["entropy+", "entropy-"] if shape.entropy else []
    names += ["quadratic+", "quadratic-"] if shape.quadratic else []
    misses = shape.cuts if variant.fractional else 0
    groups = (("gamma", shape.gammas), ("clip", shape.clips), ("cut", shape.cuts), ("miss", misses))
    return names + [f"{group}{i}{side}" for group, number in groups for i in range(number) for side in "+-"]


@dataclass(frozen=True)
class Sides:
    """t (0 where ignored), which pixels count, their weights v, and those of the positives and of the negatives: v t and v (1 - t)."""

    share: Tensor
    valid: Tensor
    weight: Tensor
    positive: Tensor
    negative: Tensor


def _sides(target: Tensor, w: Tensor | None, soft: bool) -> Sides:
    valid = _true(torch.ge, target, 0)
    share = target.clamp(min=0)
    weight = valid if w is None else valid * w
    positive = share if w is None else share * w
    # 1 - t of a soft target; of a hard one the same, exactly
    negative = weight * (1 - share) if soft else weight - positive
    return Sides(share, valid, weight, positive, negative)


@dataclass(frozen=True)
class Entropies:
    """p, 1 - pt, ce = -log pt and s = -log(1 - pt) of hard targets: each is computed where it is first asked for, and kept."""

    x: Tensor
    hot: Tensor
    kind: str
    kept: dict[str, Tensor]

    @property
    def finite(self) -> bool:
        """Whether ce is finite wherever x is (and 2 x, for logits)."""
        return self.kind == "logits"

    def p(self) -> Tensor:
        """The probability of the positive class."""
        return self.x if self.kind != "logits" else self.once("p", partial(sigmoid, self.x))

    def miss(self) -> Tensor:
        """1 - pt, without cancellation: the distance from p to the target."""
        return self.once("miss", self._miss)

    def ce(self) -> Tensor:
        """-log pt."""
        return self.once("ce", self._ce)

    def s(self) -> Tensor:
        """-log(1 - pt)."""
        return self.once("s", self._s)

    def once(self, name: str, make: Callable[[], Tensor]) -> Tensor:
        """What `make` gives, under a name of its own."""
        if name not in self.kept:
            self.kept[name] = make()
        return self.kept[name]

    def _miss(self) -> Tensor:
        if self.kind == "logits":
            return sigmoid(self.once("z", self._z), size=self.x)
        return (self.hot - self.x).abs()

    def _z(self) -> Tensor:
        return torch.addcmul(self.x, self.hot, self.x, value=-2)

    def _rest(self) -> Tensor:
        return self.once("rest", partial(log1p_exp, self.x))

    def _ce(self) -> Tensor:
        if self.kind == "logits":
            return self.once("z", self._z).clamp(min=0) + self._rest()
        return torch.where(self.hot > 0, -torch.log(self.x), -torch.log1p(-self.x))

    def _s(self) -> Tensor:
        if self.kind == "logits":
            return self._rest() - self.once("z", self._z).clamp(max=0)
        return torch.where(self.hot > 0, -torch.log1p(-self.x), -torch.log(self.x))


def _hard_columns(
    x: Tensor, sides: Sides, gammas: Tensor, clips: Tensor, shape: KernelShape, variant: Variant
) -> list[Tensor]:
    of = Entropies(x, sides.share, variant.kind, {})
    both = (sides.positive, sides.negative)
    columns = _moments(of, sides) if shape.moments else []
    columns += [_squares(side, of.miss()) for side in both] if shape.squares else []
    columns += _summed(of, sides, of.ce) if shape.entropy else []
    columns += _summed(of, sides, partial(_quadratic, of)) if shape.quadratic else []
    for gamma in gammas[: shape.gammas].unbind():
        columns += _summed(of, sides, partial(_modulated, of, gamma))
    for clip in clips[: shape.clips].unbind():
        columns += _summed(of, sides, partial(_clipped, of, clip))
    return columns


def _moments(of: Entropies, sides: Sides) -> list[Tensor]:
    missed, extra = [(side * of.miss()).sum(-1) for side in (sides.positive, sides.negative)]
    return [(sides.positive * of.p()).sum(-1), missed, extra]


def _squares(weight: Tensor, value: Tensor) -> Tensor:
    return (weight * (value * value)).sum(-1)


def _quadratic(of: Entropies) -> Tensor:
    miss = of.miss()
    return miss * miss * of.ce()


def _modulated(of: Entropies, gamma: Tensor) -> Tensor:
    s = of.s() if of.finite else of.s().clamp(max=HUGE)
    return torch.exp(-gamma * s) * of.ce()


def _summed(of: Entropies, sides: Sides, value: Callable[[], Tensor]) -> list[Tensor]:
    value = _reused(value)
    return [_weighed(of, side, value()).sum(-1) for side in (sides.positive, sides.negative)]


def _reused(make: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """For two uses: made once eagerly. Compiled it is written for each: computed once all the same, and only where it is summed."""
    if torch.compiler.is_compiling():
        return make
    made = make()
    return lambda: made


def _weighed(of: Entropies, weight: Tensor, value: Tensor) -> Tensor:
    # what does not count may be infinite
    return weight * value if of.finite else weight * torch.where(weight > 0, value, 0)


def _clipped(of: Entropies, clip: Tensor) -> Tensor:
    gamma, a_low, a_high, b_low, b_high, cap, every, _, _, _, limit, shift, bare = clip.unbind()
    hot = of.hot > 0
    ce = _between(of.ce(), torch.where(hot, a_low, b_low), torch.where(hot, a_high, b_high))
    s = _between(of.s(), torch.where(hot, b_low, a_low), torch.where(hot, b_high, a_high))
    both = torch.minimum(ce, cap) + torch.minimum(s, cap)
    loss = torch.where(every > 0, both, torch.minimum(ce, cap))
    return _focus(s, gamma, limit, shift) * torch.where(bare > 0, 1, loss)


def _focus(s: Tensor, gamma: Tensor, limit: Tensor, shift: Tensor) -> Tensor:
    """(1 - pt)^gamma, or what a reduced focal loss has in its place."""
    return torch.exp(-gamma * torch.where(s < limit, 0, s.clamp(max=HUGE) + shift))


def _between(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return torch.minimum(torch.maximum(x, low), high)


def _soft_columns(
    x: Tensor, sides: Sides, gammas: Tensor, clips: Tensor, shape: KernelShape, variant: Variant
) -> list[Tensor]:
    p, q, a, b = _both_entropies(x, variant.kind)
    t, weight = sides.share, sides.weight
    columns = []
    if shape.moments:
        columns += [(weight * p).sum(-1), (sides.positive * p).sum(-1), (weight * torch.minimum(p, t)).sum(-1)]
        columns += [(sides.positive * q).sum(-1), (sides.negative * p).sum(-1)]
        columns += [(weight * (one - other).clamp(min=0)).sum(-1) for one, other in ((t, p), (p, t))]
    if shape.squares:
        columns += [_squares(weight, p), (sides.positive * t).sum(-1), _squares(weight, p - t)]
    for clip in clips[: shape.clips].unbind():
        columns += _soft_clipped(a, b, t, sides.positive, sides.negative, clip)
    return columns


def _both_entropies(x: Tensor, kind: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """p, 1 - p, -log p and -log(1 - p)."""
    if kind != "logits":
        return x, 1 - x, -torch.log(x), -torch.log1p(-x)
    return sigmoid(x), sigmoid(-x, size=x), (-x).clamp(min=0) + log1p_exp(x), x.clamp(min=0) + log1p_exp(x)


def _soft_clipped(a: Tensor, b: Tensor, t: Tensor, positive: Tensor, negative: Tensor, clip: Tensor) -> list[Tensor]:
    gamma, a_low, a_high, b_low, b_high, cap, every, modulated, exp_pt, logit_pt, limit, shift, bare = clip.unbind()
    a, b = _between(a, a_low, a_high), _between(b, b_low, b_high)
    p, own = torch.exp(-a), [_focus(s, gamma, limit, shift) for s in (b, a)]
    odds = (2 * t - 1) * (b.clamp(max=HUGE) - a.clamp(max=HUGE))
    a, b = torch.minimum(a, cap), torch.minimum(b, cap)
    ce = _shared(t, a) + _shared(1 - t, b)
    q = torch.where(exp_pt > 0, -torch.expm1(-ce), t + p - 2 * t * p)
    s = torch.where(logit_pt > 0, odds.clamp(min=0) + log1p_exp(odds), -torch.log(q))
    pixel = _focus(s, gamma, limit, shift) * torch.where(bare > 0, 1, torch.where(every > 0, a + b, ce))
    whole = (modulated + every) > 0
    return [
        _shared(side, torch.where(whole, pixel, focus * torch.where(bare > 0, 1, loss))).sum(-1)
        for side, focus, loss in zip((positive, negative), own, (a, b), strict=True)
    ]


def _shared(share: Tensor, value: Tensor) -> Tensor:
    # a share of nothing is 0, also of an infinite value
    return torch.where(share > 0, share * value, 0)


# --------------------------------------------------------------------------------------------------------------- classes


def class_sums(
    x: Tensor, y: Tensor, w: Tensor | None, gammas: Tensor, clips: Tensor, shape: KernelShape, variant: Variant
) -> Tensor:
    """Sums over each tile and class. x: (tiles, classes, elements); y, w: (tiles, elements), y = -1 not counted.

    Returns (columns, tiles, classes), see `class_columns`.
    """
    classes = torch.arange(x.shape[1], device=x.device, dtype=torch.int32)[None, :, None]
    valid = torch.where(y >= 0, 1.0, 0.0).to(x.dtype)
    weight = valid if w is None else valid * w
    hot = (y[:, None, :] == classes).to(x.dtype)
    top = x.amax(1, keepdim=True)
    first = torch.where(x == top, classes, x.shape[1]).amin(1, keepdim=True)
    guess = (first == classes).to(x.dtype) * weight[:, None, :]
    weighted_hot = hot * weight[:, None, :]
    columns = [x.amin(-1), x.amax(-1), hot.sum(-1), weighted_hot.sum(-1), guess.sum(-1), (guess * hot).sum(-1)]
    if variant.fractional:
        rest = weight[:, None, :] - guess
        columns += [(guess * (1 - hot)).sum(-1), (rest * hot).sum(-1), (rest * (1 - hot)).sum(-1)]
    if not shape.reads_probabilities:
        return torch.stack(columns)
    p, q, ce, s, every = _class_entropies(x, hot, top, variant.kind)
    # where nothing counts there is no class, and 1 - pt may be anything
    missed, others = torch.where(weight > 0, q, 0)[:, None, :], weight[:, None, :] * (1 - hot)
    if shape.moments:
        columns += [(weighted_hot * p).sum(-1), (weighted_hot * missed).sum(-1), (others * p).sum(-1)]
    columns += [_squares(weighted_hot, missed), _squares(others, p)] if shape.squares else []
    columns += [_by_class(ce, hot, weight)] if shape.entropy else []
    columns += [_by_class(q * q * ce, hot, weight)] if shape.quadratic else []
    for gamma in gammas[: shape.gammas].unbind():
        columns.append(_by_class(torch.exp(-gamma * s) * ce, hot, weight))
    for clip in clips[: shape.clips].unbind():
        columns.append(_by_class(_class_clipped(ce, s, every, clip), hot, weight))
    return torch.stack(columns)


def class_columns(shape: KernelShape, variant: Variant) -> list[str]:
    """The names of the columns of `class_sums`."""
    names = ["low", "high", "count", "weight", "guess", "hit"]
    names += ["fp", "fn", "tn"] if variant.fractional else []
    names += HARD_MOMENTS if shape.moments else []
    names += HARD_SQUARES if shape.squares else []
    names += ["entropy"] if shape.entropy else []
    names += ["quadratic"] if shape.quadratic else []
    for group, number in (("gamma", shape.gammas), ("clip", shape.clips)):
        names += [f"{group}{i}" for i in range(number)]
    return names


def _class_entropies(x: Tensor, hot: Tensor, top: Tensor, kind: str) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """p (tiles, classes, elements); 1 - pt, ce, s and the sum of every class's cross-entropy (tiles, elements)."""
    mine = torch.where(hot > 0, x, 0).sum(1)
    if kind == "probabilities":
        return x, 1 - mine, -torch.log(mine), (-torch.log1p(-mine)).clamp(max=HUGE), -torch.log(x).sum(1)
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
    return e / total[:, None, :], q, behind + log_total, (-torch.log(q)).clamp(max=HUGE), every


def _class_clipped(ce: Tensor, s: Tensor, every_ce: Tensor, clip: Tensor) -> Tensor:
    gamma, a_low, a_high, b_low, b_high, cap, every, _, _, _, limit, shift, bare = clip.unbind()
    ce, s = _between(ce, a_low, a_high), _between(s, b_low, b_high)
    loss = torch.where(every > 0, every_ce, torch.minimum(ce, cap))
    return _focus(s, gamma, limit, shift) * torch.where(bare > 0, 1, loss)


def _by_class(value: Tensor, hot: Tensor, weight: Tensor) -> Tensor:
    counted = torch.where(weight > 0, value, 0) * weight
    return torch.where(hot > 0, counted[:, None, :], 0).sum(-1)
