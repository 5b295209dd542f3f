"""Formulas as tutorials and papers print them, in plain float64 NumPy, on arrays of probabilities and targets."""

import numpy as np

from tests.reference.case import AnyArray, Floats


def pt_of(p: Floats, t: AnyArray) -> Floats:
    """The probability given to the true class."""
    return np.where(t == 1, p, 1 - p)


def cross_entropy(p: Floats, t: AnyArray) -> Floats:
    """-log pt, per pixel."""
    return np.asarray(-np.log(pt_of(p, t)))


def focal(p: Floats, t: AnyArray, alpha: float, gamma: float) -> Floats:
    """-alpha_t (1 - pt)^gamma log pt, per pixel (arXiv:1708.02002, eq. 5)."""
    return np.asarray(np.where(t == 1, alpha, 1 - alpha) * (1 - pt_of(p, t)) ** gamma * cross_entropy(p, t))


def clipped_focal(p: Floats, t: AnyArray, alpha: float, gamma: float, *, leak: bool) -> float:
    """The Keras listing, a sum; with its leak the other class's pixels are replaced by 1 or 0 and clipped too."""
    one, zero = t == 1, t == 0
    pt_1 = np.clip(np.where(one, p, 1.0), 1e-3, 0.999)
    pt_0 = np.clip(np.where(zero, p, 0.0), 1e-3, 0.999)
    positives = -alpha * (1 - pt_1) ** gamma * np.log(pt_1)
    negatives = -(1 - alpha) * pt_0**gamma * np.log(1 - pt_0)
    counted = (positives, negatives) if leak else (positives[one], negatives[zero])
    return float(counted[0].sum() + counted[1].sum())


def floored_focal(p: Floats, t: AnyArray, alpha: float, gamma: float, floor: float) -> float:
    """-alpha_t (1 - pt)^gamma log max(pt, floor), a sum."""
    pt = pt_of(p, t)
    return float(np.sum(np.where(t == 1, alpha, 1 - alpha) * (1 - pt) ** gamma * -np.log(np.maximum(pt, floor))))


def constant_focal(p: Floats, t: AnyArray, alpha: float, gamma: float) -> float:
    """alpha (1 - exp(-BCE))^gamma BCE, the mean."""
    bce = cross_entropy(p, t)
    return float(np.mean(alpha * (1 - np.exp(-bce)) ** gamma * bce))


def reduced_focal(p: Floats, t: AnyArray, threshold: float, gamma: float) -> float:
    """The focus is 1 where pt < threshold, and ((1 - pt) / threshold)^gamma from there on (arXiv:1903.01347): the mean."""
    pt = pt_of(p, t)
    return float(np.mean(np.where(pt < threshold, 1.0, ((1 - pt) / threshold) ** gamma) * cross_entropy(p, t)))


def normalized_focal(p: Floats, t: AnyArray, gamma: float) -> float:
    """sum f CE / sum f, f = (1 - pt)^gamma."""
    focus = (1 - pt_of(p, t)) ** gamma
    return float(np.sum(focus * cross_entropy(p, t)) / focus.sum())


def asymmetric_focal(p: Floats, t: AnyArray, delta: float, gamma: float) -> float:
    """-delta log p of the foreground, -(1 - delta) p^gamma log(1 - p) of the background: the mean."""
    return float(np.mean(np.where(t == 1, -delta * np.log(p), -(1 - delta) * p**gamma * np.log(1 - p))))


def unified_focal(p: Floats, t: AnyArray, weight: float, delta: float, gamma: float) -> float:
    """weight * the mean of both classes' (1 - TI)^(1 - gamma) + (1 - weight) * the focal loss of delta and gamma."""
    losses = []
    for q, y in ((1 - p, 1 - t), (p, t)):
        wrong = delta * np.sum(y * (1 - q)) + (1 - delta) * np.sum((1 - y) * q)
        losses.append((1 - (np.sum(y * q) + 1e-7) / (np.sum(y * q) + wrong + 1e-7)) ** (1 - gamma))
    return float(weight * np.mean(losses) + (1 - weight) * focal(p, t, delta, gamma).mean())


def softmax(x: Floats) -> Floats:
    """Over the first axis."""
    e = np.exp(x - x.max(0))
    return np.asarray(e / e.sum(0))


def softmax_focal(x: Floats, t: AnyArray, alpha: float | list[float], gamma: float) -> float:
    """alpha (1 - exp(-CE))^gamma CE, the mean over pixels; a list of alphas is taken by the true class."""
    ce = -np.log(np.take_along_axis(softmax(x), t[None], 0)[0])
    weights = np.asarray(alpha)[t] if isinstance(alpha, list) else alpha
    return float(np.mean(weights * (1 - np.exp(-ce)) ** gamma * ce))


def dice(p: Floats, t: AnyArray, a: float = 0.0, b: float = 0.0, w: Floats | float = 1.0) -> float:
    """(2 I + a) / (P + T + b)."""
    return float((2 * np.sum(w * p * t) + a) / (np.sum(w * p) + np.sum(w * t) + b))


def iou(a: AnyArray, b: AnyArray) -> float:
    """Of two boolean masks."""
    return float(np.sum(a & b) / np.sum(a | b))


def mean_iou(p: Floats, t: AnyArray, *, background: bool) -> float:
    """For each of 0.5 .. 0.95 the IoU of p > threshold, with the background's IoU averaged in or not; then the mean."""
    y = t == 1
    masks = [p > threshold for threshold in np.linspace(0.5, 0.95, 10)]
    both = [(iou(mask, y) + iou(~mask, ~y)) / 2 if background else iou(mask, y) for mask in masks]
    return float(np.mean(both))


def boundary_weighted_bce(p: Floats, t: AnyArray) -> float:
    """sum w BCE / sum w; m the average of t over a 50 x 50 window, w = 5 exp(-5 |m - 0.5|), scaled to mean 1."""
    m = np.empty(t.shape)
    for y, x in np.ndindex(t.shape):
        m[y, x] = t[max(y - 24, 0) : y + 26, max(x - 24, 0) : x + 26].mean()
    w = 5 * np.exp(-5 * np.abs(m - 0.5))
    w *= w.size / w.sum()
    return float(np.sum(w * cross_entropy(p, t)) / w.sum())
