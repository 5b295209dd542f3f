"""log(1 + exp(-|x|)), what softplus adds to max(x, 0), and the sigmoid: the dear part of every loss of logits.

Compiled, the vector library's log1p is the dearest step of all. log1p(e) = 2 atanh(r) with r = e / (2 + e) <= 1/3, and
atanh(r) / r is nearly a polynomial of degree 4 in r^2.

Everything is written for a rule of the compiler: a value that holds an exponential and has two users is stored, not kept in a
register, wherever its loop is not that of the sums (see `kernels`). So e and r are made anew for each use (the C++ computes
them once), and the polynomial is the product of two quadratics, each a completed square (r^2 + shift)^2 + floor: a square has
one user where c r^4 + b r^2 has two.
"""

import torch
from torch import Tensor
from torch.nn.functional import softplus

SCALE = 0.14089167630
SQUARES = ((1.26735385544, 1.12715273576), (-0.77121733040, 2.00192062449))
"""SCALE * the product over (shift, floor) of (r^2 + shift)^2 + floor is atanh(r) / r within 4e-9 for r in [0, 1/3] (Remez)."""


def log1p_exp(x: Tensor) -> Tensor:
    """log(1 + exp(-|x|)), in [0, log 2], to a few roundings also where it is tiny."""
    if not torch.compiler.is_compiling():
        return softplus(-x.abs())
    if x.dtype != torch.float32:
        return torch.log1p(_e(x))
    value = 2 * SCALE * _r(x)
    for shift, floor in SQUARES:
        root = _r(x)
        near = root * root + shift
        value = value * (near * near + floor)
    return value


def sigmoid(x: Tensor, size: Tensor | None = None) -> Tensor:
    """1 / (1 + exp(-x)), from the exponential that `log1p_exp` takes. size: what is as far from 0 as x, whose exponential there is."""
    if not torch.compiler.is_compiling():
        return torch.sigmoid(x)
    e = _e(x if size is None else size)
    return torch.where(x > 0, 1, e) * (1 / (1 + e))


def _e(x: Tensor) -> Tensor:
    return torch.exp(-x.abs())


def _r(x: Tensor) -> Tensor:
    return _e(x) / (2 + _e(x))
