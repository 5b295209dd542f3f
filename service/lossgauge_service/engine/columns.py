"""The columns of one sample in float64, by the statistics' own expressions: its sums, each pixel's share, and their derivative.

A tile of one pixel has the pixel's share as its sum. The derivative of the sums is torch's of the same expressions, backwards
from one weighted sum of them.

The expressions are written for digits, not for derivatives: in a few places two kinks cancel in the value and not in what
torch takes for the derivative (max(x, 0) + log(1 + exp(-|x|)) at 0; the top class of softmax and its equals), or a factor 0
meets an infinite one (log at 0). `_smooth` moves such values to a neighbour, by less than a rounding of the derivative.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from lossgauge_service.engine.expressions import class_columns, class_sums, row_columns, row_sums
from lossgauge_service.engine.passes import Columns, Pass, viewed
from lossgauge_service.engine.pieces import Pieces
from lossgauge_service.samples import AnyArray, Sample
from lossgauge_service.statistics import Values
from lossgauge_service.weights import boundary_weights

ELEMENTS = 2**18
"""Elements that are computed together."""
TINY, BELOW_ONE = 1e-300, float(np.nextafter(1.0, 0.0))
FARTHEST = 600.0
"""A logit so far below the top has a probability of 1e-261, which is still a number."""


@contextmanager
def one_thread() -> Iterator[None]:
    """For thousands of short operations. One that is shared out over threads waits for the slowest of them; where other programs
    want the cores, that waiting is nearly all of its time. Never around a compiled kernel, which would have one thread too.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def widened(sample: Sample) -> Sample:
    """The sample in float64, its weights as they were sent."""
    weight = None if sample.weight is None else sample.weight.astype(np.float64) * sample.weight_scale
    return replace(
        sample,
        case=replace(sample.case, precision="float64"),
        prediction=sample.prediction.astype(np.float64),
        target=sample.target.astype(np.float64) if sample.case.soft else sample.target,
        weight=weight,
        weight_scale=1.0,
    )


def sums_of(the_pass: Pass, sample: Sample, device: torch.device) -> Pieces[Columns]:
    """The sums over the sample, (1, classes)."""
    parts = list[Columns]()
    for _, part in _parts(the_pass, sample, device):
        with torch.no_grad(), one_thread():
            parts.append(_named(the_pass, _summed(the_pass, *part)))
        yield
    return {key: np.sum([part[key] for part in parts], 0)[None] for key in parts[0]}


def shares_of(the_pass: Pass, sample: Sample, device: torch.device) -> Iterator[tuple[slice, Columns]]:
    """Each pixel's share of the sums, (pixels, classes), some pixels at a time."""
    for place, part in _parts(the_pass, sample, device):
        with one_thread():
            shares = _each(the_pass, *part)
        yield place, _named(the_pass, shares)


def derivative_of(the_pass: Pass, sample: Sample, slopes: Columns, device: torch.device) -> Pieces[Values]:
    """The derivative of the sum of slope * column, slopes (classes,), with respect to the prediction (classes, pixels)."""
    found = np.zeros(sample.prediction.shape)
    weights = torch.as_tensor(_stacked(the_pass, slopes, sample.case.classes), device=device)
    for place, (x, t, w) in _parts(the_pass, sample, device):
        with torch.enable_grad(), one_thread():
            values = _smooth(the_pass, x).requires_grad_()
            target = _smooth_target(t) if the_pass.case.soft else t
            # a column of infinite sums without a slope must not enter
            whole = (_summed(the_pass, values, target, w)[weights.any(1)] * weights[weights.any(1)]).sum()
            gradient = torch.autograd.grad(whole, values)[0] if whole.requires_grad else torch.zeros_like(x)
        counted = t >= 0 if w is None else (t >= 0) & (w > 0)
        found[:, place] = torch.where(counted, gradient, 0.0).cpu().numpy()
        yield
    return found


def _smooth(the_pass: Pass, x: Tensor) -> Tensor:
    if the_pass.case.kind == "probabilities":
        return x.clamp(TINY, BELOW_ONE)
    x = torch.where(x == 0, TINY, x)
    return _without_equals(x) if the_pass.case.task == "multiclass" else x


def _without_equals(x: Tensor) -> Tensor:
    """Logits of classes (classes, pixels) whose top is above all others, and not too far above."""
    top, first = x.max(0, keepdim=True)
    place = torch.arange(len(x), device=x.device)[:, None]
    below = torch.nextafter(top, torch.full_like(top, -torch.inf))
    return torch.where((x == top) & (place != first), below, torch.maximum(x, top - FARTHEST))


def _smooth_target(t: Tensor) -> Tensor:
    return torch.where(t >= 0, t.clamp(TINY, BELOW_ONE), t)


Part = tuple[Tensor, Tensor, Tensor | None]


def _parts(the_pass: Pass, sample: Sample, device: torch.device) -> Iterator[tuple[slice, Part]]:
    """Prediction, target and weight as the pass reads them, some pixels at a time."""
    sample = viewed(the_pass, sample)
    weight = sample.weight if the_pass.weight is None else boundary_weights(sample, the_pass.weight)
    pixels, step = sample.prediction.shape[1], max(1, ELEMENTS // sample.case.classes)
    for start in range(0, pixels, step):
        place = slice(start, start + step)
        given = partial(_tensor, place=place, device=device)
        yield place, (given(sample.prediction), given(sample.target), None if weight is None else given(weight))


def _tensor(array: AnyArray, place: slice, device: torch.device) -> Tensor:
    return torch.tensor(array[..., place], device=device)


def _summed(the_pass: Pass, x: Tensor, t: Tensor, w: Tensor | None) -> Tensor:
    """The sums of a part, (columns, classes)."""
    if the_pass.case.task == "multiclass":
        return _expression(the_pass, x.device)(x[None], t[None], None if w is None else w[None])[:, 0]
    return _expression(the_pass, x.device)(x, t, w)


def _each(the_pass: Pass, x: Tensor, t: Tensor, w: Tensor | None) -> Tensor:
    """Each pixel's share, (columns, pixels, classes)."""
    expression = _expression(the_pass, x.device)
    if the_pass.case.task == "multiclass":
        return expression(x.T[..., None], t[:, None], None if w is None else w[:, None])
    single = expression(x.reshape(-1, 1), t.reshape(-1, 1), None if w is None else w.reshape(-1, 1))
    return single.reshape(-1, *x.shape).transpose(1, 2)


def _expression(the_pass: Pass, device: torch.device) -> Callable[[Tensor, Tensor, Tensor | None], Tensor]:
    shape, variant = the_pass.load.shape, the_pass.variant
    gammas, clips, cuts = the_pass.load.tensors(shape, torch.float64, device)
    if the_pass.case.task == "multiclass":
        return lambda x, t, w: class_sums(x, t, w, gammas, clips, shape, variant)
    return lambda x, t, w: row_sums(x, t, w, gammas, clips, cuts, shape, variant)


def _names(the_pass: Pass) -> list[str]:
    columns = class_columns if the_pass.case.task == "multiclass" else row_columns
    return columns(the_pass.load.shape, the_pass.variant)


def _named(the_pass: Pass, values: Tensor) -> Columns:
    arrays = values.cpu().numpy()
    return {key: arrays[place] for key, place in the_pass.load.places(_names(the_pass)).items()}


def _stacked(the_pass: Pass, slopes: Columns, classes: int) -> Values:
    none = np.zeros(classes)
    return np.stack([slopes.get(key, none) for key in the_pass.load.places(_names(the_pass))])
